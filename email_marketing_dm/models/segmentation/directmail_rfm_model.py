from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command, Domain
from odoo.tools import SQL

from ...engine.people_models import Bands, rfm_scores

#: fields that do not change what is read with the owner's rights: the owner need not agree again
NOT_READ = frozenset(("active", "hour", "name", "sequence", "tz", "user_id"))
METRICS = [("r", "Recency"), ("f", "Frequency"), ("m", "Amount")]
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


class DirectmailRfmModel(models.Model):
    """A model that sorts customers into eight types by recency, frequency and amount."""

    _name = "directmail.rfm.model"
    _description = "RFM Model"
    _inherit = ["directmail.people.model"]
    _guarded_fields = frozenset(
        (
            *("people_count", "computed_at", "computed_on", "compute_error", "next_run_at"),
            "moves_since",
            *("r_average", "f_average", "m_average", "segment_ids"),
        )
    )
    _result_model = "directmail.rfm.customer"
    _result_columns = (
        "last_date",
        "frequency",
        "monetary",
        "r_score",
        "f_score",
        "m_score",
        "customer_type",
    )
    _result_sums = ("monetary", "frequency", "r_score", "f_score", "m_score")
    _segment_model = "directmail.rfm.segment"
    _history_model = "directmail.rfm.history"
    _move_model = "directmail.rfm.move"
    _flow_model = "directmail.rfm.flow"
    _line_field = "rfm_model_id"
    _cron = "email_marketing_dm.ir_cron_directmail_rfm"

    def _default_data_table_id(self):
        return self.env["directmail.data.table"].search(
            [("preset", "=", "sale_orders"), ("usable", "=", True)]
        )

    data_table_id = fields.Many2one(
        "directmail.data.table",
        "Purchases",
        default=lambda self: self._default_data_table_id(),
        domain="[('date_field', '!=', False), ('amount_field', '!=', False),"
        " ('usable', '=', True), ('company_id', 'in', [company_id, False])]",
        ondelete="set null",
        check_company=True,
        tracking=True,
        help="The data table with the purchases. It needs a date and an amount. A negative amount"
        " is a refund: it lowers the customer's total amount and does not count as a purchase.",
    )
    period_days = fields.Integer(
        "Period (days)",
        required=True,
        default=365,
        tracking=True,
        help="Purchases within this many days count, including today. Contacts without a purchase"
        " in this period are not in the model.",
    )
    r_days_3 = fields.Integer("Score 3: last purchase within (days)", required=True, default=30)
    r_days_2 = fields.Integer("Score 2: last purchase within (days)", required=True, default=90)
    f_count_3 = fields.Integer("Score 3: minimum purchases", required=True, default=5)
    f_count_2 = fields.Integer("Score 2: minimum purchases", required=True, default=2)
    m_amount_3 = fields.Monetary("Score 3: amount above", required=True, default=1000)
    m_amount_2 = fields.Monetary("Score 2: minimum amount", required=True, default=100)
    r_baseline = fields.Selection(
        "_selection_baseline", "Recency is high from", required=True, default="average"
    )
    f_baseline = fields.Selection(
        "_selection_baseline", "Frequency is high from", required=True, default="average"
    )
    m_baseline = fields.Selection(
        "_selection_baseline", "Amount is high from", required=True, default="average"
    )
    r_threshold = fields.Float("Custom recency score", default=2, digits=(3, 2))
    f_threshold = fields.Float("Custom frequency score", default=2, digits=(3, 2))
    m_threshold = fields.Float("Custom amount score", default=2, digits=(3, 2))
    r_average = fields.Float("Average recency score", readonly=True, copy=False, digits=(3, 2))
    f_average = fields.Float("Average frequency score", readonly=True, copy=False, digits=(3, 2))
    m_average = fields.Float("Average amount score", readonly=True, copy=False, digits=(3, 2))
    customer_ids = fields.One2many("directmail.rfm.customer", "rfm_model_id", "Customers")
    segment_ids = fields.One2many("directmail.rfm.segment", "rfm_model_id", "Customer types")

    _period_positive = models.Constraint(
        "CHECK(period_days > 0)", "The period must be at least one day."
    )

    @api.model
    def _selection_baseline(self):
        return [
            ("average", self.env._("the average score")),
            ("custom", self.env._("a custom score")),
        ]

    @api.constrains("r_days_3", "r_days_2", "f_count_3", "f_count_2", "m_amount_3", "m_amount_2")
    def _check_bands(self):
        for model in self:
            if not 0 <= model.r_days_3 < model.r_days_2:
                raise ValidationError(
                    self.env._("Recency: score 3 must have fewer days than score 2.")
                )
            if not model.f_count_3 > model.f_count_2 > 1:
                raise ValidationError(
                    self.env._(
                        "Frequency: score 3 must require more purchases than score 2, and score 2"
                        " more than one purchase."
                    )
                )
            if not model.m_amount_3 > model.m_amount_2:
                raise ValidationError(
                    self.env._("Amount: score 3 must require a larger amount than score 2.")
                )

    @api.constrains("data_table_id")
    def _check_data_table(self):
        for model in self:
            table = model.data_table_id
            if table and not (table.date_field and table.amount_field and table.partner_path):
                raise ValidationError(
                    # Don't name the table: it may be another company's, and `_check_company`
                    # has not run yet.
                    self.env._("The data table of purchases needs a contact, a date and an amount.")
                )

    def write(self, vals):
        result = super().write(vals)
        if "data_table_id" in vals:
            self._check_rights()
        if not NOT_READ.issuperset(vals):
            self._wait_for_owner()
        return result

    def _check_rights(self):
        for model in self.filtered("data_table_id") if not self.env.su else ():
            env = self.env.user._get_directmail_env(model.company_id)
            model.data_table_id._select_facts(env)

    def _get_bands(self):
        self.ensure_one()
        return Bands(
            (self.r_days_3, self.r_days_2),
            (self.f_count_3, self.f_count_2),
            (self.m_amount_3, self.m_amount_2),
            tuple(
                self[f"{metric}_threshold"] if self[f"{metric}_baseline"] == "custom" else None
                for metric in dict(METRICS)
            ),
            self.currency_id.decimal_places,
        )

    def _select_fresh(self, today):
        self.ensure_one()
        table = self.data_table_id
        if not table:
            raise UserError(self.env._("Choose the data table with the purchases."))
        self._check_data_table()
        owner = self._get_owner_env()
        for name in ("date_field", "amount_field"):
            table.with_env(owner)._check_open(name)
        return rfm_scores(
            table._select_facts(owner, today=today),
            today,
            self.period_days,
            self._get_bands(),
            table._has_mere_dates(),
        )

    def _write_segments(self, moves, left):
        people = sum(move.people for move in moves)
        for metric in dict(METRICS):
            total = sum(move.sums[f"{metric}_score"] for move in moves)
            self[f"{metric}_average"] = total / people if people else 0
        return super()._write_segments(moves, left)

    # === GRID === #

    def get_grid(self):
        """Return how many customers have which three scores, and their amounts.

        The figures count all customers in the model, as those of `segment_ids` do.

        :return: {"currency_id", "cells": list of {"r", "f", "m", "people", "amount"}}; combinations
            of scores that nobody has are left out
        :rtype: dict
        """
        self.ensure_one()
        self.check_access("read")
        # sudo(): the right to read the model was just checked; only figures are told.
        rows = self.env["directmail.rfm.customer"].sudo()._read_group(
            [("rfm_model_id", "=", self.id)],
            ["r_score", "f_score", "m_score"],
            ["__count", "monetary:sum"],
        )  # fmt: skip
        return {
            "currency_id": self.currency_id.id,
            "cells": [
                dict(zip(("r", "f", "m", "people", "amount"), row, strict=True)) for row in rows
            ],
        }

    def action_view_cell(self, r=3, f=3, m=3):
        """Open the customers with three scores, from 1 to 3."""
        self.ensure_one()
        action = self._open("directmail.rfm.customer")
        action["domain"] += [("r_score", "=", r), ("f_score", "=", f), ("m_score", "=", m)]
        return action

    def action_new_audience_of_cell(self, r=3, f=3, m=3):
        """Open a new audience of the customers with three scores: one line for each score."""
        self.ensure_one()
        self.check_access("read")
        scores = self.env["directmail.rfm.score"].search(
            Domain.OR(
                Domain("metric", "=", metric) & Domain("score", "=", score)
                for metric, score in (("r", r), ("f", f), ("m", m))
            )
        )
        lines = [
            {
                "kind": "rfm",
                "rfm_model_id": self.id,
                "rfm_by": "score",
                "rfm_score_ids": [Command.set(score.ids)],
                "operator": "and",
                "sequence": number,
            }
            for number, score in enumerate(scores)
        ]
        return self._open_new_audience(", ".join(scores.mapped("display_name")), *lines)

    def _get_move_vals(self, before, after):
        return {
            "kind": "rfm",
            "rfm_model_id": self.id,
            "rfm_by": "move",
            "rfm_before_ids": [Command.set(before.ids)],
            "rfm_segment_ids": [Command.set(after.ids)],
        }


class DirectmailRfmScore(models.Model):
    """A score, 1 to 3, of one metric: a record, so that a line of an audience can choose several.

    The nine records are created by the addon's data.
    """

    _name = "directmail.rfm.score"
    _description = "RFM Score"
    _log_access = False
    _rec_name = "metric"
    _order = "id"

    metric = fields.Selection(METRICS, required=True, readonly=True)
    score = fields.Integer(required=True, readonly=True)

    _score_unique = models.Constraint("UNIQUE(metric, score)")

    @api.depends("metric", "score")
    @api.depends_context("lang")
    def _compute_display_name(self):
        labels = dict(self._fields["metric"]._description_selection(self.env))
        for record in self:
            record.display_name = f"{labels.get(record.metric)} {record.score}"


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
    customer_type = fields.Selection(TYPES, "Customer type", readonly=True)
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


class DirectmailRfmSegment(models.Model):
    """A customer type of an RFM model, with the number of customers and their purchases."""

    _name = "directmail.rfm.segment"
    _description = "RFM Customer Type"
    _inherit = ["directmail.people.segment"]
    _log_access = False
    _owner_field = "rfm_model_id"
    _rec_name = "customer_type"
    _order = "rfm_model_id, id"

    rfm_model_id = fields.Many2one(
        "directmail.rfm.model", "RFM model", required=True, readonly=True, ondelete="cascade",
        index=True,
    )  # fmt: skip
    currency_id = fields.Many2one(related="rfm_model_id.currency_id")
    customer_type = fields.Selection(TYPES, "Customer type", required=True, readonly=True)
    meaning = fields.Char("Behavior", compute="_compute_meaning")
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

    def _write_sums(self, people, came, went, sums):
        self.write({"amount": sums["monetary"], "purchases": sums["frequency"]})
        return super()._write_sums(people, came, went, sums)

    def _get_line_vals(self):
        return {
            "kind": "rfm",
            "rfm_model_id": self.rfm_model_id.id,
            "rfm_by": "type",
            "rfm_segment_ids": [Command.set(self.ids)],
        }


class DirectmailRfmHistory(models.Model):
    """The number of customers of a type on a day, by their type on the day before."""

    _name = "directmail.rfm.history"
    _description = "RFM History"
    _inherit = ["directmail.people.history"]
    _log_access = False
    _order = "date desc, id"
    _rec_name = "date"
    _owner_field = "rfm_model_id"
    _group_field = "customer_type"

    rfm_model_id = fields.Many2one(
        "directmail.rfm.model", "RFM model", required=True, readonly=True, ondelete="cascade",
        index=True,
    )  # fmt: skip
    customer_type = fields.Selection(
        TYPES,
        "Customer type",
        readonly=True,
        help="It is empty if the contacts are no longer customers.",
    )
    previous_customer_type = fields.Selection(
        TYPES,
        "Type on the day before",
        readonly=True,
        help="It is empty if the contacts are new customers.",
    )


class DirectmailRfmMove(models.Model):
    """A customer who moved from one type to another on a day."""

    _name = "directmail.rfm.move"
    _description = "RFM Move"
    _inherit = ["directmail.people.move"]
    _log_access = False
    _owner_field = "rfm_model_id"
    _group_field = "customer_type"

    rfm_model_id = fields.Many2one(
        "directmail.rfm.model", "RFM model", required=True, readonly=True, ondelete="cascade"
    )
    customer_type = fields.Selection(TYPES, "Customer type", readonly=True)
    previous_customer_type = fields.Selection(TYPES, "Type before", readonly=True)

    _day_unique = models.Constraint("UNIQUE(partner_id, rfm_model_id, date)")
    _date_index = models.Index("(rfm_model_id, date)")


class DirectmailRfmFlow(models.Model):
    """A customer with their types at the ends of two days."""

    _name = "directmail.rfm.flow"
    _description = "RFM Customer Between Two Days"
    _inherit = ["directmail.people.flow"]
    _auto = False
    _owner_field = "rfm_model_id"
    _group_field = "customer_type"

    rfm_model_id = fields.Many2one("directmail.rfm.model", "RFM model", readonly=True)
    customer_type = fields.Selection(TYPES, "Type after", readonly=True)
    previous_customer_type = fields.Selection(TYPES, "Type before", readonly=True)
