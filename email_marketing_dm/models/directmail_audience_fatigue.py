from odoo import models


class DirectmailAudience(models.Model):
    """An audience whose people are exempt from fatigue control must stay small."""

    _inherit = "directmail.audience"

    def _refresh(self):
        res = super()._refresh()
        exempting = (
            self.env["directmail.fatigue"].sudo().search([("exempt_audience_ids", "in", self.ids)])
        )
        exempting._update_exemption()
        return res
