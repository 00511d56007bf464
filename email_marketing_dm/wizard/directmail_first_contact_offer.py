from odoo import fields, models

from ..groups import GROUP_ADMIN


class DirectmailFirstContactOffer(models.TransientModel):
    """Recommend First contact before an account's first email task; the user may skip it."""

    _name = "directmail.first.contact.offer"
    _description = "Recommendation of First Contact"
    _inherit = ["directmail.links"]
    _rec_name = "task_id"

    task_id = fields.Many2one("directmail.task", required=True, readonly=True, ondelete="cascade")
    account_id = fields.Many2one(related="task_id.account_id")
    is_admin = fields.Boolean(compute="_compute_is_admin")

    def _compute_is_admin(self):
        self.is_admin = self.env.user.has_group(GROUP_ADMIN)

    def action_first_contact(self):
        """Open First contact of the account; the task is not sent."""
        self.ensure_one()
        return self.account_id.action_first_contact()

    def action_go_on(self):
        """Continue with sending the task, without First contact."""
        self.ensure_one()
        return self.task_id.action_open_send()
