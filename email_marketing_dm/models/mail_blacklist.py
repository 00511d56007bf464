from odoo import api, fields, models

from .prefetch import PREFETCH


class MailBlacklist(models.Model):
    """Blacklisted addresses are also known by key, so that encrypted people are spared too."""

    _inherit = "mail.blacklist"

    address_key = fields.Char(
        compute="_compute_address_key", store=True, index=True, groups=fields.NO_ACCESS,
        prefetch=PREFETCH,
    )

    @api.depends("email")
    def _compute_address_key(self):
        key = self.env["directmail.keyring"]._get_master_key()
        for entry in self:
            entry.address_key = entry.email and key.address_key(entry.email.strip().lower())
