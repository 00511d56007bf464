from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ...privacy.address import normalise


class DirectmailSeedAddress(models.Model):
    """A mailbox of the company at Gmail, Outlook or the like to which test mails may be sent.

    Only administrators may edit seed addresses, because the content of a test is not reviewed.
    """

    _name = "directmail.seed.address"
    _description = "Seed Address for Test Mails"
    _inherit = ["directmail.of.company"]
    _order = "name, id"
    _rec_names_search = ["name", "email"]

    name = fields.Char("Mailbox", required=True)
    email = fields.Char("Address", required=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    active = fields.Boolean(default=True)

    _email_unique = models.UniqueIndex(
        "(company_id, lower(email))", "This address is already a seed address of the company."
    )

    @api.depends("name", "email")
    def _compute_display_name(self):
        for seed in self:
            seed.display_name = f"{seed.name} <{seed.email}>"

    @api.constrains("email")
    def _check_email(self):
        for seed in self:
            if not normalise(seed.email):
                raise ValidationError(
                    self.env._(
                        "%s is not an email address that DirectMail can send to.", seed.email
                    )
                )
