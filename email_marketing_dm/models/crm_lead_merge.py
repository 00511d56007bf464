from odoo import models


class CrmLead(models.Model):
    """A merged lead stays in the audiences that one of its leads was chosen for."""

    _inherit = "crm.lead"

    def _merge_dependences(self, opportunities):
        """Override: whoever merges leads need not be able to change these audiences."""
        res = super()._merge_dependences(opportunities)
        self.env["directmail.audience.pick"].sudo()._move(opportunities, self)
        return res
