from odoo import api, fields, models
from odoo.fields import Command

from .directmail_rfm_customer import TYPES


class DirectmailRfmSegment(models.Model):
    """A customer type of an RFM model, with the number of customers and their purchases."""

    _name = "directmail.rfm.segment"
    _description = "RFM Customer Type"
    _inherit = ["directmail.people.segment"]
    _log_access = False
    _rec_name = "customer_type"
    _order = "rfm_model_id, id"

    rfm_model_id = fields.Many2one(
        "directmail.rfm.model", "RFM model", required=True, readonly=True, ondelete="cascade",
        index=True,
    )  # fmt: skip
    currency_id = fields.Many2one(related="rfm_model_id.currency_id")
    customer_type = fields.Selection(TYPES, required=True, readonly=True)
    meaning = fields.Char("Buying behavior", compute="_compute_meaning")
    amount = fields.Monetary(readonly=True)
    purchases = fields.Integer(readonly=True)
    amount_per_person = fields.Monetary(compute="_compute_per_person", aggregator=None)
    purchases_per_person = fields.Float(compute="_compute_per_person", aggregator=None)

    @api.depends("customer_type")
    @api.depends_context("lang")
    def _compute_meaning(self):
        meanings = {
            "high_value": self.env._("Recent, frequent, high amount"),
            "key_development": self.env._("Recent, infrequent, high amount"),
            "key_retention": self.env._("Not recent, frequent, high amount"),
            "key_winback": self.env._("Not recent, infrequent, high amount"),
            "general_value": self.env._("Recent, frequent, low amount"),
            "general_development": self.env._("Recent, infrequent, low amount"),
            "general_retention": self.env._("Not recent, frequent, low amount"),
            "potential": self.env._("Not recent, infrequent, low amount"),
        }
        for segment in self:
            segment.meaning = meanings[segment.customer_type]

    @api.depends("people", "amount", "purchases")
    def _compute_per_person(self):
        for segment in self:
            segment.amount_per_person = segment.amount / segment.people if segment.people else 0
            segment.purchases_per_person = (
                segment.purchases / segment.people if segment.people else 0
            )

    @api.depends("customer_type")
    @api.depends_context("lang")
    def _compute_display_name(self):
        labels = dict(self._fields["customer_type"]._description_selection(self.env))
        for segment in self:
            segment.display_name = labels.get(segment.customer_type)

    def _get_owner(self):
        self.ensure_one()
        return self.rfm_model_id

    def _write_sums(self, people=0, amount=0, purchases=0, *_sums, came, went):
        self.write({"amount": amount, "purchases": purchases})
        return super()._write_sums(people, came=came, went=went)

    def _get_line_vals(self):
        return {
            "kind": "rfm",
            "rfm_model_id": self.rfm_model_id.id,
            "rfm_by": "type",
            "rfm_segment_ids": [Command.set(self.ids)],
        }
