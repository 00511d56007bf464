from odoo import api, fields, models
from odoo.fields import Domain

from odoo.addons.email_marketing_dm.engine.person import person_columns


class DirectmailAudienceLine(models.Model):
    """Lines of contacts who have a quotation that they have not confirmed yet."""

    _inherit = "directmail.audience.line"

    kind = fields.Selection(
        selection_add=[("quotation", "Open quotation"), ("group",)],
        ondelete={"quotation": "cascade"},
    )
    quotation_amount = fields.Float("Quotation of at least")

    @api.model
    def _get_fields_quotation(self):
        return ("quotation_amount",)

    def _select_quotation(self, env):
        """Select the contacts of open quotations that the user of ``env`` may read."""
        domain = Domain("state", "in", ("draft", "sent"))
        domain &= Domain("amount_total", ">=", self.quotation_amount)
        orders = env["sale.order"]._search(domain)
        return orders.select(person_columns("partner_id", alias=orders.table))

    def _describe_quotation(self):
        return self.env._("Open quotation of at least %s", self.quotation_amount)
