from odoo import api, fields, models
from odoo.tools import SQL

TYPES = [
    ("high_value", "High-value"),
    ("key_development", "Key development"),
    ("key_retention", "Key retention"),
    ("key_winback", "Key win-back"),
    ("general_value", "General value"),
    ("general_development", "General development"),
    ("general_retention", "General retention"),
    ("potential", "Potential"),
]


class DirectmailRfmCustomer(models.Model):
    """A customer in an RFM model, with scores and customer type."""

    _name = "directmail.rfm.customer"
    _description = "RFM Customer"
    _inherit = ["directmail.people.result"]
    _log_access = False
    _rec_name = "partner_id"
    _order = "monetary desc, id"
    _owner_field = "rfm_model_id"
    _group_field = "customer_type"

    rfm_model_id = fields.Many2one(
        "directmail.rfm.model", "RFM model", required=True, readonly=True, ondelete="cascade"
    )
    currency_id = fields.Many2one(related="rfm_model_id.currency_id")
    last_date = fields.Date("Last purchase", readonly=True)
    recency = fields.Integer(
        "Days since last purchase",
        compute="_compute_recency",
        aggregator="avg",
        help="On the day when the model was computed.",
    )
    frequency = fields.Integer("Purchases", readonly=True)
    monetary = fields.Monetary("Amount", readonly=True)
    r_score = fields.Integer("R", readonly=True, aggregator="avg")
    f_score = fields.Integer("F", readonly=True, aggregator="avg")
    m_score = fields.Integer("M", readonly=True, aggregator="avg")
    customer_type = fields.Selection(TYPES, readonly=True)
    previous_customer_type = fields.Selection(TYPES, "Type on the day before", readonly=True)

    # When contacts are merged, our override of `base.partner.merge.automatic.wizard` deletes the
    # second row of one model. Odoo would delete all rows of the merged contacts instead.
    _person_unique = models.Constraint("UNIQUE(rfm_model_id, partner_id)")

    @api.depends("last_date", "rfm_model_id.computed_on")
    def _compute_recency(self):
        for customer in self:
            customer.recency = (customer.rfm_model_id.computed_on - customer.last_date).days

    def _field_to_sql(self, alias, field_expr, query=None):
        if field_expr != "recency":
            return super()._field_to_sql(alias, field_expr, query)
        owner_fields = self.env["directmail.rfm.model"]._fields
        model_alias = query.make_alias(alias, "rfm_model_id")
        query.add_join(
            "LEFT JOIN",
            model_alias,
            "directmail_rfm_model",
            SQL(
                "%s = %s",
                SQL.identifier(alias, "rfm_model_id"),
                SQL.identifier(model_alias, "id"),
            ),
        )
        return SQL(
            "(%s - %s)",
            SQL.identifier(model_alias, "computed_on", to_flush=owner_fields["computed_on"]),
            SQL.identifier(alias, "last_date", to_flush=self._fields["last_date"]),
        )
