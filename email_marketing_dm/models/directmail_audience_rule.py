from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..engine.paths import conditions, read_filter
from .res_partner_groups import GROUPS

OPERATORS = [("or", "or"), ("and", "and also"), ("except", "except")]
RESULTS = [
    ("delivered", "it was delivered to"),
    ("failed", "it failed for"),
    ("invalid", "their address was invalid"),
    ("spam", "it was taken for spam"),
    ("opened", "they opened it"),
    ("clicked", "they clicked in it"),
    ("not_opened", "they did not open it"),
    ("not_clicked", "they did not click in it"),
    ("converted", "they did what counts as success"),
]
DEPTH_MAX = 5


class DirectmailAudienceRule(models.Model):
    """A line of an audience: people, and how they join those of the lines above.

    What a line of each kind selects is in `directmail_audience_rule_select.py`. Other kinds are
    added with ``selection_add`` and a method ``_select_<kind>``.
    """

    _name = "directmail.audience.rule"
    _description = "Audience Line"
    _inherit = ["directmail.of.company"]
    _order = "sequence, id"

    audience_id = fields.Many2one(
        "directmail.audience",
        compute="_compute_audience_id",
        store=True,
        readonly=False,
        precompute=True,
        recursive=True,
        copy=False,
        required=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(related="audience_id.company_id")
    sequence = fields.Integer(default=10)
    parent_id = fields.Many2one(
        "directmail.audience.rule", "In the group", index=True, ondelete="cascade"
    )
    child_ids = fields.One2many(
        "directmail.audience.rule", "parent_id", "Lines of the group", copy=True
    )
    operator = fields.Selection(
        OPERATORS,
        required=True,
        default="and",
        help="or: adds people. and also: keeps only people who are in this line too."
        " except: takes people out. The first line is where it starts.",
    )
    kind = fields.Selection(
        [
            ("table", "Data table"),
            ("list", "Chosen one by one"),
            ("audience", "Another audience"),
            ("task", "What came of an email task"),
            ("group", "Group of lines"),
        ],
        "Who",
        required=True,
        default="table",
    )
    table_id = fields.Many2one(
        "directmail.data.table",
        "Data table",
        default=lambda self: self._default_table_id(),
        domain="[('usable', '=', True), ('company_id', 'in', [company_id, False])]",
        index="btree_not_null",
        ondelete="set null",
        check_company=True,
    )
    model_name = fields.Char(related="table_id.model_name")
    has_date = fields.Boolean(compute="_compute_has_facts")
    has_amount = fields.Boolean(compute="_compute_has_facts")
    domain = fields.Char("That match", default="[]")
    min_count = fields.Integer("At least", default=1, help="So many records that match.")
    min_amount = fields.Float(
        "Worth together at least", help="In the company's currency. 0: whatever the amount."
    )
    within_days = fields.Integer("Within the last", help="Days, today included. 0: ever.")
    source_id = fields.Many2one(
        "directmail.audience",
        "Its people",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
    )
    task_id = fields.Many2one(
        "directmail.task",
        "Email task",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
    )
    task_result = fields.Selection(RESULTS, "What came of it", default="delivered")
    link_id = fields.Many2one(
        "directmail.link",
        "On which link",
        domain="[('task_id', '=', task_id)]",
        index="btree_not_null",
        ondelete="restrict",
        help="Empty: on any link.",
    )
    pick_ids = fields.One2many("directmail.audience.pick", "rule_id", "Chosen records")
    pick_count = fields.Integer("Chosen", compute="_compute_pick_count")

    @api.model
    def _default_table_id(self):
        return self.env["directmail.data.table"].search([("preset", "=", "contacts")], limit=1)

    # === COMPUTE === #

    @api.depends("parent_id.audience_id")
    def _compute_audience_id(self):
        for rule in self:
            rule.audience_id = rule.parent_id.audience_id or rule.audience_id

    @api.depends("table_id")
    def _compute_has_facts(self):
        for rule in self:
            table = rule.table_id.sudo()
            rule.has_date = bool(table.date_field)
            rule.has_amount = bool(table.amount_field)

    def _compute_pick_count(self):
        counts = dict(
            self.env["directmail.audience.pick"]._read_group(
                [("rule_id", "in", self.ids)], ["rule_id"], ["__count"]
            )
        )
        for rule in self:
            rule.pick_count = counts.get(rule._origin, 0)

    @api.onchange("table_id")
    def _onchange_table_id(self):
        """A filter on one kind of record means nothing on another."""
        if self.table_id != self._origin.table_id:
            self.domain = "[]"

    # === CONSTRAINTS === #

    @api.constrains("parent_id", "audience_id")
    def _check_parent(self):
        for rule in self:
            if rule._has_cycle():
                raise ValidationError(self.env._("A group can't be inside itself."))
            if rule.parent_id and rule.parent_id.audience_id != rule.audience_id:
                raise ValidationError(self.env._("A group and its lines are of one audience."))
            depth, parent = 0, rule.parent_id
            while parent:
                depth, parent = depth + 1, parent.parent_id
            if depth > DEPTH_MAX:
                raise ValidationError(
                    self.env._("Groups can be at most %s deep. Use another audience.", DEPTH_MAX)
                )

    @api.constrains("min_count", "within_days")
    def _check_numbers(self):
        for rule in self:
            if rule.min_count < 0 or rule.within_days < 0:
                raise ValidationError(self.env._("A count can't be negative."))

    @api.constrains(lambda self: self._get_checked_fields())
    def _check_rule(self):
        """Refuse a line that the audience's owner may not use."""
        for rule in self.filtered(lambda rule: rule.kind != "group"):
            if rule.source_id and rule.source_id._refers_to(rule.audience_id):
                raise ValidationError(
                    self.env._(
                        "%(other)s is made of %(audience)s, directly or through others. An"
                        " audience can't be made of itself.",
                        other=rule.source_id.name,
                        audience=rule.audience_id.name,
                    )
                )
            rule._as_line(rule.audience_id._get_owner_env(to_check=True))

    @api.model
    def _get_checked_fields(self):
        """Return the fields that decide whom a line selects.

        The fields of a kind are what its method `_get_fields_<kind>` returns, if it has one.
        """
        fields_of_kinds = [
            name
            for kind in self._fields["kind"].get_values(self.env)
            for name in getattr(self, f"_get_fields_{kind}", tuple)()
        ]
        return (
            "audience_id", "kind", "table_id", "domain", "min_count", "min_amount", "within_days",
            "source_id", "task_id", "task_result", "link_id", *fields_of_kinds,
        )  # fmt: skip

    def _check_rights(self):
        """Refuse lines that the current user may not use, whoever the owner is.

        Constraints run with all rights and can't tell.

        :raise AccessError: if something linked, or a field, may not be read
        """
        for rule in self.filtered(lambda rule: rule.kind != "group"):
            rule._as_line(rule.audience_id._get_company_env(self.env))

    @api.model_create_multi
    def create(self, vals_list):
        rules = super().create(vals_list)
        if not self.env.su:
            rules.check_access("write")
            rules._check_rights()
        rules.audience_id._wait_for_owner()
        return rules

    def write(self, vals):
        # A line that is moved is missing in its audience.
        audiences = self.audience_id
        result = super().write(vals)
        if not self.env.su:
            if {"audience_id", "parent_id"} & vals.keys():
                # Own lines must not be put into somebody else's audience.
                self.check_access("write")
            if vals.keys() & set(self._get_checked_fields()):
                self._check_rights()
        (audiences | self.audience_id)._wait_for_owner()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_with_owner(self):
        self.audience_id._wait_for_owner()

    def _with_inner(self):
        """Return these lines and those of their groups, however deep."""
        found, level = self.browse(), self
        while level:
            found |= level
            level = level.child_ids - found
        return found

    def _copy_picks(self, originals):
        """Give copied lines the chosen records of their originals, group by group."""
        for rule, original in zip(
            self.sorted("sequence"), originals.sorted("sequence"), strict=True
        ):
            rule.child_ids._copy_picks(original.child_ids)
            if original.kind == "list":
                self.env["directmail.audience.pick"]._add(
                    rule,
                    SQL(
                        "SELECT res_id FROM directmail_audience_pick WHERE rule_id = %s",
                        original.id,
                    ),
                )

    # === FILTER === #

    def _get_domain(self, env):
        """Return the line's filter as a `Domain`, its dates in the time zone of ``env``.

        :raise ValidationError: if it can't be read or names a field that is not there
        """
        self.ensure_one()
        table = self.table_id.sudo()
        owner = self.audience_id.user_id.id
        model = table._get_model(self.env).sudo()
        try:
            domain = read_filter(model, self.domain, env(user=owner))
            self._check_groups(model, domain)
            return domain
        except ValueError as error:
            raise ValidationError(
                self.env._(
                    "The filter of a line on %(table)s can't be used: %(reason)s",
                    table=table.name,
                    reason=error,
                )
            ) from error

    def _check_groups(self, model, domain):
        """Refuse a filter on the RFM type or AIPL stage of contacts that nobody has worked out.

        :raise ValidationError: if no model of the company was computed: nobody would be found
        """
        for _condition, found in conditions(model, domain):
            for step_model, field in found:
                groups = step_model._name == "res.partner" and GROUPS.get(field.name)
                if groups and not self.env[groups]._get_shown(self.company_id).computed_at:
                    raise ValidationError(
                        self.env._(
                            "The filter of a line asks for “%s”, and no model of the company that"
                            " says so has been computed. Compute one, or edit the filter.",
                            field._description_string(self.env),
                        )
                    )
