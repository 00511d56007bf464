from odoo import fields, models


class DirectmailAddressing(models.AbstractModel):
    """Models that choose the addresses of mails: email tasks, and series for theirs."""

    _name = "directmail.addressing"
    _description = "Addresses of Mails"

    address_form = fields.Selection(
        [("original", "Original"), ("encrypted", "Encrypted")],
        "Contacts' address",
        required=True,
        default="original",
        help="Original: the email address of each contact. Encrypted: the encrypted address, which"
        " is decrypted only while the mail is sent and is never shown. Uploaded addresses are used"
        " as they were uploaded.",
    )
    address_type = fields.Selection(
        [("random", "Random address"), ("sender", "Sender address")],
        "Address type",
        required=True,
        default="random",
        help="Random address: DirectMail adds a random part to the sender address, so that bounces"
        " can be analyzed. Recommended.",
    )

    def _waits_for_addresses(self):
        """Return whether people wait because the contacts' encrypted addresses are being read.

        That is so for minutes after the key was entered again, or after a contact was saved on a
        server without the master key. It is no reason to pause what sends.
        """
        if self.address_form != "encrypted":
            return False
        key = self.env["directmail.aes.key"]._find(self.company_id)
        return key.reading and key.is_usable

    def _find_key_problem(self):
        """Return why encrypted addresses can't be read and what to do, or None."""
        if self.address_form != "encrypted":
            return None
        keys = self.env["directmail.aes.key"]
        if problem := keys._find_problem(self.company_id):
            return problem
        if keys._find(self.company_id).reading:
            return self.env._(
                "The AES key has just been entered, and the contacts' addresses are still being"
                " read. Try again in a few minutes."
            )
        return None
