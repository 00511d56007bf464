from odoo import models


class DirectmailTemplate(models.Model):
    """Content that is changed on an email task's page; see `directmail_task_content`."""

    _inherit = "directmail.template"

    def _get_changed_content(self, content):
        """Return what of some content differs from the template's, or all of it without one.

        :param dict content: values of fields in `CONTENT`
        """
        changed = {
            name: value
            for name, value in content.items()
            if (self._fields[name].convert_to_cache(value, self) or "") != (self[name] or "")
        }
        if "body_arch" in content and "body_arch" not in changed:
            # Saving alone may inline the same body a little differently.
            changed.pop("body_html", None)
        elif "body_arch" in changed:
            changed.setdefault("body_html", changed["body_arch"])
        return changed

    def _belongs_to(self, task):
        """Tell whether the template was written for this task and nobody else has it yet."""
        return (
            bool(self)
            and self.task_id == task
            and self.state in ("draft", "in_review", "rejected")
            and not self._is_used()
            and self._get_tasks(*dict(task._fields["state"].selection)) <= task
        )
