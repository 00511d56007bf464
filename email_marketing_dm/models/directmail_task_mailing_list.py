from odoo import fields, models


class DirectmailTask(models.Model):
    """Readers of Odoo's mailing lists: whoever leaves a list gets no mail that goes to it."""

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("mailing_list_ids",))

    mailing_list_ids = fields.Many2many(
        "mailing.list",
        "directmail_task_mailing_list_rel",
        string="Mailing lists",
        readonly=True,
        copy=False,
        context={"active_test": False},
        help="Whoever leaves these lists gets no mail of this email task, even while it is sent.",
    )

    def _get_mailing_lists(self):
        """Return the mailing lists whose opt-outs count: those known when the task was planned.

        :rtype: odoo.models.Model of `mailing.list`
        """
        task = self.sudo()
        return task.mailing_list_ids if task.planned_at else task.audience_ids._get_mailing_lists()
