from odoo import api, models
from odoo.exceptions import UserError, ValidationError

from ..directmail.public_address import find_problem


class DirectmailAccount(models.Model):
    """The address that every mail leads back to: recipients anywhere must be able to reach it."""

    _inherit = "directmail.account"

    @api.constrains("public_url")
    def _check_public_url(self):
        for account in self.filtered("public_url"):
            problem = find_problem(account.public_url)
            if problem == "malformed" or (problem and account.state == "active"):
                message = account._explain_public_url()
                if message:
                    raise ValidationError(message)

    def _check_public_url_usable(self):
        """Refuse to send real mail whose links lead nowhere. In test mode any address will do.

        The address is judged by its text; nothing is fetched.

        :raise UserError: with what to do about it
        """
        self.ensure_one()
        message = self._explain_public_url()
        if message:
            raise UserError(message)

    def _explain_public_url(self):
        """Return why recipients can't reach the public address and what to do, or None."""
        self.ensure_one()
        if not self.public_url:
            return self.env._(
                "Enter the public address of the account first: every mail needs an unsubscribe"
                " link."
            )
        problem = find_problem(self.public_url)
        if problem == "malformed":
            return self.env._("The public address must look like https://www.example.com.")
        if not problem or self.test_mode:
            return None
        sentences = {
            "scheme": self.env._(
                "The public address %s is not secure, and mailbox providers only accept secure"
                " unsubscribe links. Enter an address on the account that begins with https://."
            ),
            "local_name": self.env._(
                "The public address %s only works inside your own network, so recipients could not"
                " unsubscribe. Enter the https:// address on the account under which this Odoo can"
                " be reached from the internet."
            ),
            "bare_name": self.env._(
                "The public address %s has no domain, so recipients could not unsubscribe. Enter"
                " the complete https:// address on the account, such as https://www.example.com."
            ),
            "private": self.env._(
                "The public address %s belongs to this server or a private network, so recipients"
                " could not unsubscribe. Enter the https:// address on the account under which this"
                " Odoo can be reached from the internet."
            ),
        }
        return sentences[problem] % self.public_url
