from odoo import api, models
from odoo.fields import Domain

from .directmail_home import LIMIT

#: States of email tasks that wait for the new review, or that it waits for.
OPEN = ("draft", "pending", "sending", "paused")


class DirectmailHome(models.AbstractModel):
    """The notice about templates that were approved before 19.0.1.9.0, with one button."""

    _inherit = "directmail.home"

    @api.model
    def _get_reviews(self):
        """Return the templates that the user should submit again, and the tasks that wait for it.

        :return: False without such templates, else "ids" (of all of them), "templates" and "tasks"
            (the first LIMIT: dicts with id, name and, of tasks, state (label)), "more_templates"
            and "more_tasks" (whether there are more)
        """
        templates = self.env["directmail.template"].search(
            self._of_user()
            & self._get_shown_domain()
            & Domain("state", "=", "approved")
            & Domain("needs_new_review", "=", True),
            order="id desc",
        )
        templates = templates._filtered_access("write")
        if not templates:
            return False
        tasks = self.env["directmail.task"].search(
            Domain("state", "in", OPEN) & Domain(templates._get_use_domain()),
            order="id desc",
            limit=LIMIT + 1,
        )
        return {
            "ids": templates.ids,
            "templates": [{"id": one.id, "name": one.name} for one in templates[:LIMIT]],
            "more_templates": len(templates) > LIMIT,
            "tasks": [
                {"id": task.id, "name": task.name, "state": self._get_label(task, "state")}
                for task in tasks[:LIMIT]
            ],
            "more_tasks": len(tasks) > LIMIT,
        }
