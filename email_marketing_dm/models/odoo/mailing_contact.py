from odoo import models

from ...engine.idn import international_index


class MailingContact(models.Model):
    """Indexes by which each claim looks up who has opted out of a mailing list."""

    _inherit = "mailing.contact"

    _directmail_email_index = models.Index("(email_normalized) WHERE email_normalized IS NOT NULL")
    _directmail_international_index = models.Index(international_index("email_normalized"))
