from odoo import fields, models
from odoo.exceptions import UserError


class DirectmailConsentAnswer(models.TransientModel):
    """*Record an answer* about a topic on a contact."""

    _name = "directmail.consent.answer"
    _description = "Answer About a Topic"
    _inherit = ["directmail.links"]

    partner_id = fields.Many2one(
        "res.partner", "Contact", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one("res.company", default=lambda self: self.env.company)
    purpose_id = fields.Many2one(
        "directmail.purpose",
        "Topic",
        required=True,
        ondelete="cascade",
        domain="[('company_id', '=', company_id)]",
        default=lambda self: self._get_only_purpose(),
    )
    answer = fields.Selection(
        [("yes", "Agrees to get emails about it"), ("no", "Refuses emails about it")], required=True
    )
    note = fields.Char("Where the answer comes from", required=True)

    def _get_only_purpose(self):
        found = self.env["directmail.purpose"].search(
            [("company_id", "=", self.env.company.id)], limit=2
        )
        return found if len(found) == 1 else found.browse()

    def action_record(self):
        """Record the answer, with the user and the time.

        :raise AccessError: without the right to change the contact
        :raise UserError: the contact has no address
        """
        self.ensure_one()
        self.check_access("write")
        self.partner_id.check_access("write")
        consents = self.env["directmail.consent"]
        if not consents._find_person(self.partner_id):
            raise UserError(self.env._("%s has no email address.", self.partner_id.display_name))
        consents._answer_mailing_for(self.partner_id, self.purpose_id, self.answer, self.note)
        return {"type": "ir.actions.act_window_close"}
