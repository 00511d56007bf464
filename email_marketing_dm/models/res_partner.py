from odoo import api, fields, models
from odoo.tools.sql import column_exists, create_column

from ..engine.idn import create_function, international_index
from ..engine.sql import usable_contacts_index
from .prefetch import PREFETCH


class ResPartner(models.Model):
    """Contacts may have an address that only the sending itself can read."""

    _inherit = "res.partner"

    email_encrypted = fields.Char(
        "Encrypted email",
        copy=False,
        prefetch=PREFETCH,
        help="An address that was encrypted with the company's AES key, as hex digits or Base64."
        " Mails can be sent to it; nobody here sees the address itself.",
    )
    email_encrypted_key = fields.Char(
        compute="_compute_email_encrypted_key",
        store=True,
        copy=False,
        groups=fields.NO_ACCESS,
        prefetch=PREFETCH,
    )
    email_encrypted_aes = fields.Char(
        compute="_compute_email_encrypted_key",
        store=True,
        copy=False,
        groups=fields.NO_ACCESS,
        prefetch=PREFETCH,
    )
    email_encrypted_valid = fields.Boolean(
        "Encrypted email is readable",
        compute="_compute_email_encrypted_key",
        store=True,
        copy=False,
        prefetch=PREFETCH,
        help="Whether the encrypted email can be decrypted to an address.",
    )

    _directmail_usable_index = models.Index(usable_contacts_index())
    # Whoever waits for a mail is looked for among the people that it must not reach, by address.
    _directmail_email_index = models.Index("(email_normalized) WHERE email_normalized IS NOT NULL")
    _directmail_encrypted_index = models.Index(
        "(email_encrypted_key) WHERE email_encrypted_key IS NOT NULL"
    )
    _directmail_international_index = models.Index(international_index("email_normalized"))

    def _auto_init(self):
        create_function(self.env.cr)
        # Nobody has an encrypted address yet: finding that out of a million contacts, one by one,
        # would take minutes.
        for name, kind in (
            ("email_encrypted_key", "varchar"),
            ("email_encrypted_aes", "varchar"),
            ("email_encrypted_valid", "bool"),
        ):
            if not column_exists(self.env.cr, self._table, name):
                create_column(self.env.cr, self._table, name, kind)
        return super()._auto_init()

    @api.depends("email_encrypted", "company_id")
    def _compute_email_encrypted_key(self):
        encrypted = self.filtered("email_encrypted")
        (self - encrypted).update(
            {
                "email_encrypted_key": False,
                "email_encrypted_aes": False,
                "email_encrypted_valid": False,
            }
        )
        aes_keys = self.env["directmail.aes.key"]
        if encrypted and self.env["directmail.keyring"]._find_problem():
            # Contacts can be saved on every server; one with the right master key reads them.
            encrypted.update({"email_encrypted_key": False, "email_encrypted_aes": False})
            encrypted.email_encrypted_valid = False
            aes_keys._read_again()
            return
        reader = encrypted and aes_keys._get_reader()
        for partner in encrypted:
            key, reference = reader.find_key(partner.email_encrypted, partner.company_id.id)
            partner.email_encrypted_key = key
            partner.email_encrypted_aes = reference
            partner.email_encrypted_valid = bool(key)
