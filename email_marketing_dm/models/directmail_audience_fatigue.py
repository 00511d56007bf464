from odoo import models


class DirectmailAudience(models.Model):
    """An audience whose people are exempt from fatigue control must stay small."""

    _inherit = "directmail.audience"

    def _on_refreshed(self):
        """Override: an exemption may have become too large, or small enough again."""
        res = super()._on_refreshed()
        exempting = (
            self.env["directmail.fatigue"].sudo().search([("exempt_audience_ids", "in", self.ids)])
        )
        exempting._update_exemption()
        return res
