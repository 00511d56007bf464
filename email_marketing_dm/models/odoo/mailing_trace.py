from odoo import models

from ...engine.idn import international_index


class MailingTrace(models.Model):
    """Indexes by which fatigue control counts mails and SMS of Odoo's own marketing apps."""

    _inherit = "mailing.trace"

    _directmail_mail_index = models.Index(
        "(email, sent_datetime) WHERE sent_datetime IS NOT NULL AND is_test_trace IS NOT TRUE"
        " AND trace_type = 'mail'"
    )
    _directmail_international_index = models.Index(international_index("email"))
    _directmail_sms_index = models.Index(
        "(model, res_id, sent_datetime) WHERE sent_datetime IS NOT NULL"
        " AND is_test_trace IS NOT TRUE AND trace_type = 'sms'"
    )
