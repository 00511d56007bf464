from odoo import fields, models

#: the fields of `directmail.conversion`
CONVERSION_FIELDS = frozenset(("conversion_table_id", "conversion_from", "conversion_days"))


class DirectmailConversion(models.AbstractModel):
    """Models that say what counts as a conversion: email tasks, and series for theirs."""

    _name = "directmail.conversion"
    _description = "What Counts as a Conversion"

    conversion_table_id = fields.Many2one(
        "directmail.data.table",
        "Counts as conversion",
        domain=[("usable", "=", True), ("date_field", "!=", False)],
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="What people should do after they get a mail, for example place an order. The records"
        " are read with the access rights of the owner.",
    )
    # The touch after which a conversion counts.
    conversion_from = fields.Selection(
        [("click", "After a click"), ("open", "After an open"), ("delivery", "After delivery")],
        "When does it count?",
        required=True,
        default="click",
    )
    conversion_days = fields.Integer("Within (days)", required=True, default=7)

    _conversion_days_range = models.Constraint(
        "CHECK(conversion_days BETWEEN 1 AND 90)",
        "Conversions can be counted within 1 to 90 days after the mail.",
    )
