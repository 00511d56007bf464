from odoo import api, fields, models

from ...engine.keyed import key_blacklist
from ...privacy.address import normalise
from .prefetch import PREFETCH


class MailBlacklist(models.Model):
    """Give blacklisted addresses an address key, so that encrypted people are left out, too."""

    _inherit = "mail.blacklist"

    address_key = fields.Char(
        compute="_compute_address_key",
        store=True,
        index=True,
        groups=fields.NO_ACCESS,
        prefetch=PREFETCH,
    )

    @api.depends("email")
    def _compute_address_key(self):
        keyring = self.env["directmail.keyring"]
        # Blacklisting must work on servers without the data's master key, too: their entries have
        # no key until `_complete_keys` adds it.
        upgraded = self.env["ir.module.module"]._is_directmail_upgraded()
        usable = upgraded and not keyring._find_problem()
        key = keyring._get_master_key() if usable else None
        for entry in self:
            email = (entry.email or "").strip().lower()
            # Must give the same key as `address_key` in engine/sql.py.
            address = email if email.isascii() else normalise(email)
            entry.address_key = key.address_key(address) if key and address else False

    @api.model
    def _complete_keys(self):
        """Add the keys of entries that a server without the data's master key has created."""
        self.flush_model(["email", "address_key"])
        key_blacklist(self.env, self.env["directmail.keyring"]._get_master_key())
