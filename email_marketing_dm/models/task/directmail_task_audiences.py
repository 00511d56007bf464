from odoo import api, fields, models
from odoo.exceptions import UserError

AUDIENCES = ("audience_ids", "exclude_audience_ids")


class DirectmailTask(models.Model):
    """Audiences of a task that its reader can't see, and the mailing lists behind its audiences."""

    _inherit = "directmail.task"

    mailing_list_ids = fields.Many2many(
        "mailing.list",
        "directmail_task_mailing_list_rel",
        string="Mailing lists",
        readonly=True,
        copy=False,
        context={"active_test": False},
        help="Contacts who unsubscribe from these mailing lists get no mail of this email task,"
        " even if it is already being sent.",
    )
    hidden_audiences = fields.Char(compute="_compute_hidden_audiences")

    # === MAILING LISTS === #
    # Contacts who opted out of an Odoo mailing list get no mail of a task that uses the list.

    def _get_mailing_lists(self):
        """Return the mailing lists whose opt-outs count.

        Of a planned task: `mailing_list_ids`, stored by the plan. Before: the lists that its
        audiences use now.

        :rtype: odoo.models.Model of `mailing.list`
        """
        # sudo(): opt-outs count also from lists and audiences that the user may not read.
        task = self.sudo()
        return task.mailing_list_ids if task.planned_at else task.audience_ids._get_mailing_lists()

    # === AUDIENCES THAT THE READER CAN'T SEE === #
    # A colleague may make an audience private after a task began to use it. The task still uses
    # the audience, but Odoo leaves it out where a user without access reads the field, and caches
    # the field's value for all users. So methods read both fields with `_read_all_audiences`.

    @api.depends(*AUDIENCES)
    @api.depends_context("uid")
    def _compute_hidden_audiences(self):
        for task in self:
            hidden = task._get_hidden_audiences()
            task.hidden_audiences = any(hidden.values()) and self.env._(
                "This email task uses audiences that colleagues have made private: %(mailed)s under"
                " Audiences, %(excluded)s under Except. They are still used. An administrator can"
                " remove them.",
                mailed=len(hidden["audience_ids"]),
                excluded=len(hidden["exclude_audience_ids"]),
            )

    def _get_hidden_audiences(self):
        """Return {field: audiences that the current user can't read, as sudo records}."""
        return {
            name: audiences - audiences.with_env(self.env)._filtered_access("read").sudo()
            for name, audiences in self._read_all_audiences().items()
        }

    def _check_copyable(self, default):
        """Refuse a copy that would exclude fewer people than the original.

        The copy would lose the excluded audiences that the current user can't read.

        :param dict default: the values that the copy is given
        :raise UserError: if the user can't read an excluded audience that would be copied
        """
        for task in self:
            if (
                "exclude_audience_ids" not in default
                and task._get_hidden_audiences()["exclude_audience_ids"]
            ):
                raise UserError(
                    self.env._(
                        "%s can't be duplicated because it excludes an audience that a colleague"
                        " has made private. Ask the colleague to make the audience public, or"
                        " create a new email task.",
                        task.name,
                    )
                )

    def _read_all_audiences(self):
        """Return {field: audiences as sudo records}, also those that the user can't read.

        Reads `_origin`, so unsaved changes of a form are not included.
        """
        saved = self._origin
        if saved:
            saved.invalidate_recordset(AUDIENCES)
        found = {name: saved.sudo()[name] for name in AUDIENCES}
        if saved:
            # The cache is shared by `sudo()` and the user: private audiences must not stay in it.
            saved.invalidate_recordset(AUDIENCES)
        return found
