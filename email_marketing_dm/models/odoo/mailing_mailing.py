from odoo import api, models
from odoo.exceptions import ValidationError


class MailingMailing(models.Model):
    """Odoo's own mailings can't be addressed to the records of this app."""

    _inherit = "mailing.mailing"

    @api.constrains("mailing_model_id")
    def _check_not_to_directmail(self):
        """Refuse mailings to audience members, deliveries, opt-outs and other models of this addon.

        Odoo's queue selects the recipients of a mailing as superuser: it would mail people in
        private audiences of other users, of other companies, and people who have opted out. The
        domain of ``mailing_model_id`` leaves these models out, but only the web client applies it.

        :raise ValidationError: the message says what to use instead
        """
        if any((mailing.mailing_model_name or "").startswith("directmail.") for mailing in self):
            raise ValidationError(
                self.env._(
                    "A mailing can't be sent to records of Email Marketing with DirectMail,"
                    " because it would also reach people whom its author may not see. Create an"
                    " email task for the audience instead."
                )
            )
