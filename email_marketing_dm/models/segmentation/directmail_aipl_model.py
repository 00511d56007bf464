from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tools import formatLang

from ...engine.paths import read_filter
from ...engine.people_models import Condition, aipl_stages

STAGES = [("a", "Awareness"), ("i", "Interest"), ("p", "Purchase"), ("l", "Loyalty")]


class DirectmailAiplModel(models.Model):
    """A model that sorts contacts into the stages awareness, interest, purchase and loyalty."""

    _name = "directmail.aipl.model"
    _description = "AIPL Model"
    _inherit = ["directmail.people.model"]
    _guarded_fields = frozenset(
        (
            *("people_count", "computed_at", "computed_on", "compute_error", "next_run_at"),
            "moves_since",
            "segment_ids",
        )
    )
    _result_model = "directmail.aipl.contact"
    _result_columns = ("stage",)
    _segment_model = "directmail.aipl.segment"
    _history_model = "directmail.aipl.history"
    _move_model = "directmail.aipl.move"
    _flow_model = "directmail.aipl.flow"
    _line_field = "aipl_model_id"
    _cron = "email_marketing_dm.ir_cron_directmail_aipl"

    condition_ids = fields.One2many(
        "directmail.aipl.condition", "aipl_model_id", "Conditions", copy=True
    )
    segment_ids = fields.One2many("directmail.aipl.segment", "aipl_model_id", "Stages")

    def _select_fresh(self, today):
        self.ensure_one()
        if not self.condition_ids:
            raise UserError(self.env._("Add at least one condition first."))
        owner = self._get_owner_env()
        return aipl_stages(
            [condition._get_condition(owner, today) for condition in self.condition_ids],
            today,
            self.currency_id.decimal_places,
        )

    def _get_move_vals(self, before, after):
        return {
            "kind": "aipl",
            "aipl_model_id": self.id,
            "aipl_by": "move",
            "aipl_before_ids": [Command.set(before.ids)],
            "aipl_segment_ids": [Command.set(after.ids)],
        }


class DirectmailAiplCondition(models.Model):
    """A condition for a stage. A contact is in the highest stage of which it meets a condition."""

    _name = "directmail.aipl.condition"
    _description = "AIPL Condition"
    _inherit = ["directmail.of.company"]
    _order = "stage_order, sequence, id"

    aipl_model_id = fields.Many2one(
        "directmail.aipl.model", "AIPL model", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="aipl_model_id.company_id")
    currency_id = fields.Many2one(related="aipl_model_id.currency_id")
    sequence = fields.Integer(default=10)
    stage = fields.Selection(STAGES, required=True, default="a")
    stage_order = fields.Integer(compute="_compute_stage_order", store=True)
    data_table_id = fields.Many2one(
        "directmail.data.table",
        "Data table",
        domain="[('partner_path', '!=', False), ('usable', '=', True),"
        " ('company_id', 'in', [company_id, False])]",
        ondelete="set null",
        check_company=True,
        help="The records that are counted, for example leads, sales orders or event"
        " registrations.",
    )
    model_name = fields.Char(related="data_table_id.model_name")
    has_date = fields.Boolean(compute="_compute_has")
    has_amount = fields.Boolean(compute="_compute_has")
    domain = fields.Char("Filter", required=True, default="[]")
    min_count = fields.Integer("Minimum number of records", required=True, default=1)
    min_amount = fields.Monetary(
        "Minimum total amount",
        help="The minimum sum of the amounts of a contact's matching records. With 0, any"
        " amount counts.",
    )
    days = fields.Integer(
        "Period (days)",
        help="Only records dated within this many days count, including today. With 0, records of"
        " any date count.",
    )
    summary = fields.Char(compute="_compute_summary")

    _count_positive = models.Constraint(
        "CHECK(min_count > 0)", "The minimum number of records must be at least 1."
    )
    _limits_positive = models.Constraint(
        "CHECK(COALESCE(min_amount, 0) >= 0 AND COALESCE(days, 0) >= 0)",
        "Amounts and days can't be negative.",
    )

    @api.depends("stage")
    def _compute_stage_order(self):
        order = [name for name, _label in STAGES]
        for condition in self:
            condition.stage_order = order.index(condition.stage) if condition.stage else 0

    @api.depends("data_table_id")
    def _compute_has(self):
        for condition in self:
            condition.has_date = bool(condition.data_table_id.date_field)
            condition.has_amount = bool(condition.data_table_id.amount_field)

    @api.depends("min_count", "min_amount", "days")
    @api.depends_context("lang")
    def _compute_summary(self):
        for condition in self:
            parts = []
            if condition.min_count > 1:
                parts.append(self.env._("at least %s times", condition.min_count))
            else:
                parts.append(self.env._("at least once"))
            if condition.min_amount:
                amount = formatLang(
                    self.env, condition.min_amount, currency_obj=condition.currency_id
                )
                parts.append(self.env._("at least %s in total", amount))
            if condition.days == 1:
                parts.append(self.env._("today"))
            elif condition.days:
                parts.append(self.env._("within the last %s days", condition.days))
            condition.summary = ", ".join(parts)

    @api.onchange("data_table_id")
    def _onchange_data_table_id(self):
        # The filter names fields of the previous table's model.
        self.domain = "[]"
        if not self.has_date:
            self.days = 0
        if not self.has_amount:
            self.min_amount = 0

    @api.constrains("data_table_id", "domain")
    def _check_domain(self):
        for condition in self:
            if condition.data_table_id:
                condition._get_domain(condition.env)

    @api.model_create_multi
    def create(self, vals_list):
        conditions = super().create(vals_list)
        conditions._check_rights()
        conditions.aipl_model_id._wait_for_owner()
        return conditions

    def write(self, vals):
        # Moving a condition to another model changes both models, so both owners must agree.
        models_before = self.aipl_model_id
        result = super().write(vals)
        self._check_rights()
        (models_before | self.aipl_model_id)._wait_for_owner()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_with_owner(self):
        self.aipl_model_id._wait_for_owner()

    def _check_rights(self):
        """Check that the current user may read the data tables and fields that are used.

        The model's owner, with whose rights they are read, may be another user.

        :raise AccessError: naming the table or the field
        """
        for condition in self.filtered("data_table_id") if not self.env.su else ():
            env = self.env.user._get_directmail_env(condition.company_id)
            condition.data_table_id._select_facts(env, condition._get_domain(env))

    @api.constrains("data_table_id", "min_amount", "days")
    def _check_limits(self):
        for condition in self:
            condition._check_table()

    def _check_table(self):
        """Check that the data table has the contact, date and amount that the condition uses.

        :raise ValidationError: naming what the table lacks
        """
        table = self.data_table_id
        if not table:
            return
        if not table.partner_path:
            reason = self.env._(
                "The data table %s has no contact. Choose another data table.", table.name
            )
        elif self.days and not table.date_field:
            reason = self.env._(
                "The data table %s has no date. Set the period to 0, or choose another data table.",
                table.name,
            )
        elif self.min_amount and not table.amount_field:
            reason = self.env._(
                "The data table %s has no amount. Set the minimum total amount to 0, or choose"
                " another data table.",
                table.name,
            )
        else:
            return
        raise ValidationError(reason)

    def _get_domain(self, owner):
        """Return the filter as a `Domain`.

        :param owner: the environment of the model's owner: ``uid`` in the filter is its user, and
            dates are in its time zone
        :raise ValidationError: if the filter can't be parsed, or uses a field that does not exist
            or may not be used (`engine.paths.read_filter`)
        """
        self.ensure_one()
        # sudo() reads the definition of the table; `_select_facts` checks the rights to its rows.
        table = self.data_table_id.sudo()
        try:
            return read_filter(table._get_model(table.env), self.domain, owner)
        except ValueError as error:
            raise ValidationError(
                self.env._(
                    "The filter on %(table)s can't be used. %(reason)s",
                    table=table.name,
                    reason=error,
                )
            ) from error

    def _get_condition(self, owner, today):
        """Return the condition as `engine.people_models.aipl_stages` takes it.

        :param owner: the environment of the model's owner, whose rights apply
        :param today: an `engine.people_models.Today`
        :rtype: engine.people_models.Condition
        :raise UserError: (or a subclass) if the condition can't be used
        """
        self.ensure_one()
        table = self.data_table_id
        if not table:
            raise UserError(
                self.env._(
                    "The data table of a condition was removed. Choose another data table, or"
                    " delete the condition."
                )
            )
        self._check_table()
        for name, asked in (("date_field", self.days), ("amount_field", self.min_amount)):
            if asked:
                table.with_env(owner)._check_open(name)
        return Condition(
            self.stage,
            table._select_facts(owner, self._get_domain(owner), today=today),
            self.min_count,
            self.min_amount or None,
            self.days or None,
            table._has_mere_dates(),
        )


class DirectmailAiplContact(models.Model):
    """A contact in an AIPL model, with the highest stage of which it meets a condition."""

    _name = "directmail.aipl.contact"
    _description = "AIPL Contact"
    _inherit = ["directmail.people.result"]
    _log_access = False
    _rec_name = "partner_id"
    _order = "id"
    _owner_field = "aipl_model_id"
    _group_field = "stage"

    aipl_model_id = fields.Many2one(
        "directmail.aipl.model", "AIPL model", required=True, readonly=True, ondelete="cascade"
    )
    stage = fields.Selection(STAGES, readonly=True)
    previous_stage = fields.Selection(STAGES, "Stage on the day before", readonly=True)

    # When contacts are merged, our override of `base.partner.merge.automatic.wizard` deletes the
    # second row of one model. Odoo would delete all rows of the merged contacts instead.
    _person_unique = models.Constraint("UNIQUE(aipl_model_id, partner_id)")


class DirectmailAiplSegment(models.Model):
    """A stage of an AIPL model, with the number of contacts in it."""

    _name = "directmail.aipl.segment"
    _description = "AIPL Stage"
    _inherit = ["directmail.people.segment"]
    _log_access = False
    _owner_field = "aipl_model_id"
    _rec_name = "stage"
    _order = "aipl_model_id, id"

    aipl_model_id = fields.Many2one(
        "directmail.aipl.model", "AIPL model", required=True, readonly=True, ondelete="cascade",
        index=True,
    )  # fmt: skip
    stage = fields.Selection(STAGES, required=True, readonly=True)

    @api.depends("stage")
    @api.depends_context("lang")
    def _compute_display_name(self):
        labels = dict(self._fields["stage"]._description_selection(self.env))
        for segment in self:
            segment.display_name = labels.get(segment.stage)

    def _get_line_vals(self):
        return {
            "kind": "aipl",
            "aipl_model_id": self.aipl_model_id.id,
            "aipl_segment_ids": [Command.set(self.ids)],
        }


class DirectmailAiplHistory(models.Model):
    """The number of contacts in a stage on a day, by their stage on the day before."""

    _name = "directmail.aipl.history"
    _description = "AIPL History"
    _inherit = ["directmail.people.history"]
    _log_access = False
    _order = "date desc, id"
    _rec_name = "date"
    _owner_field = "aipl_model_id"
    _group_field = "stage"

    aipl_model_id = fields.Many2one(
        "directmail.aipl.model", "AIPL model", required=True, readonly=True, ondelete="cascade",
        index=True,
    )  # fmt: skip
    stage = fields.Selection(
        STAGES, readonly=True, help="It is empty if the contacts are no longer in any stage."
    )
    previous_stage = fields.Selection(
        STAGES,
        "Stage on the day before",
        readonly=True,
        help="It is empty if the contacts were in no stage on the day before.",
    )


class DirectmailAiplMove(models.Model):
    """A contact who moved from one stage to another on a day."""

    _name = "directmail.aipl.move"
    _description = "AIPL Move"
    _inherit = ["directmail.people.move"]
    _log_access = False
    _owner_field = "aipl_model_id"
    _group_field = "stage"

    aipl_model_id = fields.Many2one(
        "directmail.aipl.model", "AIPL model", required=True, readonly=True, ondelete="cascade"
    )
    stage = fields.Selection(STAGES, readonly=True)
    previous_stage = fields.Selection(STAGES, "Stage before", readonly=True)

    _day_unique = models.Constraint("UNIQUE(partner_id, aipl_model_id, date)")
    _date_index = models.Index("(aipl_model_id, date)")


class DirectmailAiplFlow(models.Model):
    """A contact with their stages at the ends of two days."""

    _name = "directmail.aipl.flow"
    _description = "AIPL Contact Between Two Days"
    _inherit = ["directmail.people.flow"]
    _auto = False
    _owner_field = "aipl_model_id"
    _group_field = "stage"

    aipl_model_id = fields.Many2one("directmail.aipl.model", "AIPL model", readonly=True)
    stage = fields.Selection(STAGES, "Stage after", readonly=True)
    previous_stage = fields.Selection(STAGES, "Stage before", readonly=True)
