from odoo import api, models
from odoo.exceptions import ValidationError


class MailingMailing(models.Model):
    """Odoo's own mailings can't be addressed to the records of this app."""

    _inherit = "mailing.mailing"

    @api.constrains("mailing_model_id")
    def _check_not_to_directmail(self):
        """Refuse mailings to audience members, deliveries, opt-outs, and the like.

        Odoo's queue finds the recipients of a mailing with all rights: it would mail the people of
        colleagues' private audiences, of other companies, and those who have opted out. The domain
        of ``mailing_model_id`` offers no model of ours, but only the web client heeds it.

        :raise ValidationError: with what to use instead
        """
        if any((mailing.mailing_model_name or "").startswith("directmail.") for mailing in self):
            raise ValidationError(
                self.env._(
                    "A mailing can't be sent to records of DirectMail Marketing, because it would"
                    " also reach people whom its author may not see. Create an email task for the"
                    " audience instead."
                )
            )
