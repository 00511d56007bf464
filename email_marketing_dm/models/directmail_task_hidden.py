from odoo import api, fields, models
from odoo.exceptions import UserError

AUDIENCES = ("audience_ids", "exclude_audience_ids")


class DirectmailTask(models.Model):
    """Audiences of a task that its user can't see: colleagues made them private later.

    They stay in force. Odoo leaves them out where the user reads the task, and keeps in its cache
    what was read.
    """

    _inherit = "directmail.task"

    hidden_audiences = fields.Char(compute="_compute_hidden_audiences")

    @api.depends(*AUDIENCES)
    @api.depends_context("uid")
    def _compute_hidden_audiences(self):
        for task in self:
            hidden = task._get_hidden_audiences()
            task.hidden_audiences = any(hidden.values()) and self.env._(
                "Colleagues have made audiences private that this email task uses. They stay in"
                " force: %(mailed)s under Audiences, %(excluded)s under Except. An administrator"
                " can take them out.",
                mailed=len(hidden["audience_ids"]),
                excluded=len(hidden["exclude_audience_ids"]),
            )

    def _get_hidden_audiences(self):
        """Return {field: the audiences that the current user can't see, with all rights}."""
        found = {}
        for name in AUDIENCES:
            audiences = self._read_all_audiences()[name]
            found[name] = audiences - audiences.with_env(self.env)._filtered_access("read").sudo()
        return found

    def _check_copyable(self, default):
        """Refuse a copy that would leave out fewer people than the original.

        :param dict default: the values that the copy is given
        :raise UserError: if an audience that is left out is private to a colleague
        """
        for task in self:
            if (
                "exclude_audience_ids" not in default
                and task._get_hidden_audiences()["exclude_audience_ids"]
            ):
                raise UserError(
                    self.env._(
                        "%s can't be copied: it leaves out an audience that a colleague has made"
                        " private since. Ask them to share it, or make a new email task.",
                        task.name,
                    )
                )

    def _read_all_audiences(self):
        """Return {field: its audiences, with all rights}, also those the user can't see."""
        saved = self._origin
        if saved:
            saved.invalidate_recordset(AUDIENCES)
        found = {name: saved.sudo()[name] for name in AUDIENCES}
        if saved:
            # What the user can't see must not stay in the cache, which all users share.
            saved.invalidate_recordset(AUDIENCES)
        return found
