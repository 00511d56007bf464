from odoo import models
from odoo.exceptions import UserError

from ..engine.fatigue import get_case
from ..engine.people import is_anybody_addressed


class DirectmailTask(models.Model):
    """Sending to the encrypted addresses of contacts."""

    _inherit = "directmail.task"

    def _check_encrypted(self):
        """Refuse to start where no encrypted address could be read.

        :raise UserError: with what to do about it
        """
        self.ensure_one()
        key = (
            self.env["directmail.aes.key"].sudo().search([("company_id", "=", self.company_id.id)])
        )
        if not key.is_usable:
            raise UserError(
                self.env._(
                    "Encrypted addresses can't be read: the AES key of %s is missing. Ask an"
                    " administrator to enter it, then send again.",
                    self.company_id.name,
                )
            )
        if key.reading:
            raise UserError(
                self.env._(
                    "The AES key was entered a moment ago, and the contacts' addresses are still"
                    " being read. Send again in a few minutes."
                )
            )
        if not is_anybody_addressed(self, get_case(self)):
            raise UserError(
                self.env._(
                    "Nobody in the audience has an encrypted address that can be read. Send to"
                    " original addresses, or import the encrypted ones into the contacts."
                )
            )
