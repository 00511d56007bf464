from odoo import api, fields, models

from ...content.names import get_first_name
from ...engine.idn import international_index
from ...groups import GROUP_USER


class MailingContact(models.Model):
    """The first name, and indexes by which each claim looks up who has opted out of a list."""

    _inherit = "mailing.contact"

    _directmail_email_index = models.Index("(email_normalized) WHERE email_normalized IS NOT NULL")
    _directmail_international_index = models.Index(international_index("email_normalized"))
    directmail_first_name = fields.Char(
        "First name",
        compute="_compute_directmail_first_name",
        compute_sudo=True,
        groups=GROUP_USER,
        help="For salutations, from the name.",
    )

    @api.depends("name")
    def _compute_directmail_first_name(self):
        for contact in self:
            contact.directmail_first_name = get_first_name(contact.name)
