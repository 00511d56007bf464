from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL, LazyTranslate

from ...engine.paths import conditions, read_filter, steps
from ..odoo.res_partner import GROUPS

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
_lt = LazyTranslate(__name__)
NAMES_MAX = 3
COMPARISONS = {
    "=": _lt("is"),
    "!=": _lt("is not"),
    "in": _lt("is"),
    "not in": _lt("is not"),
    "ilike": _lt("contains"),
    "like": _lt("contains"),
    "not ilike": _lt("does not contain"),
    "not like": _lt("does not contain"),
    "=ilike": _lt("looks like"),
    "=like": _lt("looks like"),
    ">": _lt("is above"),
    ">=": _lt("is at least"),
    "<": _lt("is below"),
    "<=": _lt("is at most"),
    "child_of": _lt("is in"),
    "parent_of": _lt("is above"),
    "any": _lt("has"),
    "not any": _lt("has no"),
}


class DirectmailAudienceLine(models.Model):
    """A line of an audience: which people it selects, and how it combines with the lines above.

    `directmail_audience_line_select.py` has the method ``_select_<kind>`` of each kind. Another
    kind is added with ``selection_add`` on `kind` and such a method.
    """

    _name = "directmail.audience.line"
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
        "directmail.audience.line", "In the group", index=True, ondelete="cascade"
    )
    child_ids = fields.One2many(
        "directmail.audience.line", "parent_id", "Lines of the group", copy=True
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
    pick_ids = fields.One2many("directmail.audience.pick", "line_id", "Chosen records")
    pick_count = fields.Integer("Chosen", compute="_compute_pick_count")
    sentence = fields.Char("People", compute="_compute_sentence", recursive=True)
    # Placeholders: the form shows what `directmail.audience.count_line` returns in their place.
    people = fields.Integer("People in it", compute="_compute_people")
    people_so_far = fields.Integer("So far", compute="_compute_people")

    @api.model
    def _default_table_id(self):
        return self.env["directmail.data.table"].search([("preset", "=", "contacts")], limit=1)

    # === COMPUTE === #

    @api.depends("parent_id.audience_id")
    def _compute_audience_id(self):
        for line in self:
            line.audience_id = line.parent_id.audience_id or line.audience_id

    @api.depends("table_id")
    def _compute_has_facts(self):
        for line in self:
            table = line.table_id.sudo()
            line.has_date = bool(table.date_field)
            line.has_amount = bool(table.amount_field)

    def _compute_pick_count(self):
        counts = dict(
            self.env["directmail.audience.pick"]._read_group(
                [("line_id", "in", self.ids)], ["line_id"], ["__count"]
            )
        )
        for line in self:
            line.pick_count = counts.get(line._origin, 0)

    @api.onchange("table_id")
    def _onchange_table_id(self):
        """Reset `domain`, which names fields of the previous table's model."""
        if self.table_id != self._origin.table_id:
            self.domain = "[]"

    # === CONSTRAINTS === #

    @api.constrains("parent_id", "audience_id")
    def _check_parent(self):
        for line in self:
            if line._has_cycle():
                raise ValidationError(self.env._("A group can't be inside itself."))
            if line.parent_id and line.parent_id.audience_id != line.audience_id:
                raise ValidationError(self.env._("A group and its lines are of one audience."))
            depth, parent = 0, line.parent_id
            while parent:
                depth, parent = depth + 1, parent.parent_id
            if depth > DEPTH_MAX:
                raise ValidationError(
                    self.env._("Groups can be at most %s deep. Use another audience.", DEPTH_MAX)
                )

    @api.constrains("min_count", "within_days")
    def _check_numbers(self):
        for line in self:
            if line.min_count < 0 or line.within_days < 0:
                raise ValidationError(self.env._("A count can't be negative."))

    @api.constrains(lambda self: self._get_checked_fields())
    def _check_rule(self):
        """Check that the line can be used with the rights of the audience's owner.

        :raise ValidationError: if the audience would be its own source
        :raise UserError: (or a subclass) if the line can't be used
        """
        for line in self.filtered(lambda line: line.kind != "group"):
            if line.source_id and line.source_id._refers_to(line.audience_id):
                raise ValidationError(
                    self.env._(
                        "%(other)s is made of %(audience)s, directly or through others. An"
                        " audience can't be made of itself.",
                        other=line.source_id.name,
                        audience=line.audience_id.name,
                    )
                )
            line._as_line(line.audience_id._get_owner_env(to_check=True))

    @api.model
    def _get_checked_fields(self):
        """Return the names of the fields that decide which people a line selects.

        A kind adds its own by a method `_get_fields_<kind>`.
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
        """Check that the current user may use the lines, besides the audience's owner.

        `_check_rule` can't check this: constraints run as superuser.

        :raise AccessError: if the user may not read a linked record or a field
        """
        for line in self.filtered(lambda line: line.kind != "group"):
            line._as_line(line.audience_id._get_company_env(self.env))

    @api.model_create_multi
    def create(self, vals_list):
        lines = super().create(vals_list)
        if not self.env.su:
            lines.check_access("write")
            lines._check_rights()
        lines.audience_id._wait_for_owner()
        return lines

    def write(self, vals):
        # Moving a line to another audience changes both audiences, so both owners must agree.
        audiences = self.audience_id
        result = super().write(vals)
        if not self.env.su:
            if {"audience_id", "parent_id"} & vals.keys():
                # Checked again after the write: the user must have rights to the new audience too.
                self.check_access("write")
            if vals.keys() & set(self._get_checked_fields()):
                self._check_rights()
        (audiences | self.audience_id)._wait_for_owner()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_with_owner(self):
        self.audience_id._wait_for_owner()

    def _with_inner(self):
        """Return these lines and all lines in groups among them, at any depth."""
        found, level = self.browse(), self
        while level:
            found |= level
            level = level.child_ids - found
        return found

    def _copy_picks(self, originals):
        """Copy the chosen records of the original lines to these copies, groups included.

        Copies and originals are paired in the order of `sequence`.
        """
        for line, original in zip(
            self.sorted("sequence"), originals.sorted("sequence"), strict=True
        ):
            line.child_ids._copy_picks(original.child_ids)
            if original.kind == "list":
                self.env["directmail.audience.pick"]._add(
                    line,
                    SQL(
                        "SELECT res_id FROM directmail_audience_pick WHERE line_id = %s",
                        original.id,
                    ),
                )

    # === FILTER === #

    def _get_domain(self, env):
        """Return the line's filter as a `Domain`, with dates in the time zone of ``env``.

        ``uid`` in the filter is the audience's owner.

        :raise ValidationError: if the filter can't be parsed, or uses a field that does not exist
            or may not be used (`engine.paths.read_filter`)
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
        """Check that the RFM or AIPL model behind a contact's type or stage has been computed.

        :raise ValidationError: if the filter uses such a field and the company's model has no
            results: the filter would match no contact
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

    # === SENTENCES === #
    # `sentence` describes a line in words. A kind adds its own by a method `_describe_<kind>`.

    def _compute_people(self):
        self.people = self.people_so_far = 0

    @api.depends(
        lambda self: (*self._get_checked_fields(), "child_ids.operator", "child_ids.sentence")
    )
    @api.depends_context("lang", "uid")
    def _compute_sentence(self):
        for line in self:
            describe = getattr(line, f"_describe_{line.kind}", None)
            line.sentence = describe() if describe else line._get_kind_label()

    def _get_kind_label(self):
        return dict(self._fields["kind"]._description_selection(self.env)).get(self.kind, "")

    def _describe_table(self):
        table = self.table_id.sudo()
        if not table:
            return self.env._("A data table that was removed")
        words = [table.with_env(self.env).sudo().name]
        described = self._describe_domain()
        if described:
            words.append(self.env._("where %s", described))
        if self.min_count > 1:
            words.append(self.env._("at least %s times", self.min_count))
        if self.min_amount:
            words.append(self.env._("worth at least %s together", f"{self.min_amount:,.2f}"))
        if self.within_days:
            words.append(self.env._("within the last %s days", self.within_days))
        return ", ".join(words)

    def _describe_list(self):
        return self.env._(
            "%(count)s chosen from %(table)s",
            count=f"{self.pick_count:,}",
            table=self.table_id.sudo().name or "",
        )

    def _describe_audience(self):
        source = self.source_id
        if not source:
            return self.env._("An audience that was removed")
        if not source.has_access("read"):
            return self.env._("A private audience of somebody else")
        return self.env._("People in the audience %s", source.display_name)

    def _describe_task(self):
        task = self.task_id
        if not task:
            return self.env._("An email task that was removed")
        if not task.has_access("read"):
            return self.env._("An email task of somebody else")
        results = dict(self._fields["task_result"]._description_selection(self.env))
        return self.env._(
            "Got %(task)s: %(result)s", task=task.name, result=results.get(self.task_result, "")
        )

    def _describe_group(self):
        operators = dict(self._fields["operator"]._description_selection(self.env))
        words = []
        for number, child in enumerate(self.child_ids.sorted("sequence")):
            if number:
                words.append(operators.get(child.operator, ""))
            words.append(child.sentence or "")
        return f"({' '.join(words)})"

    def _describe_domain(self):
        """Return the filter in words, or "" if it has no conditions."""
        try:
            domain = self._get_domain(self.env)
        except (UserError, KeyError):
            return self.env._("the filter can't be read")
        stack = []
        for token in reversed(list(domain)):
            if token == "!":
                stack.append(self.env._("not (%s)", stack.pop()))
            elif token in ("&", "|"):
                first, second = stack.pop(), stack.pop()
                joined = (
                    self.env._("%(first)s and %(second)s", first=first, second=second)
                    if token == "&"
                    else self.env._("(%(first)s or %(second)s)", first=first, second=second)
                )
                stack.append(joined)
            else:
                stack.append(self._describe_condition(*token))
        # Terms without an operator between them are combined by "and", as in Odoo's domains.
        return self.env._(" and ").join(filter(None, reversed(stack)))

    def _describe_condition(self, path, operator, value):
        model = self.table_id._get_model(self.env)
        if not isinstance(path, str):
            return ""  # (1, '=', 1) matches all records
        found = list(steps(model, path))
        label = " › ".join(field._description_string(self.env) for _model, field in found)
        field = found[-1][1]
        if field.type != "boolean" and (value is False or value == [False]):
            if operator in ("=", "in"):
                return self.env._("%s is not set", label)
            return self.env._("%s is set", label)
        comparison = COMPARISONS.get(operator)
        return " ".join(
            (label, self.env._(comparison) if comparison else operator,
             self._describe_value(field, value))
        )  # fmt: skip

    def _describe_value(self, field, value):
        if field.type == "boolean":
            return self.env._("yes") if value not in (False, [False]) else self.env._("no")
        values = list(value) if isinstance(value, (list, tuple, set, Domain)) else [value]
        names = [self._describe_one(field, one) for one in values[:NAMES_MAX]]
        text = self.env._(" or ").join(names)
        if len(values) > NAMES_MAX:
            text = self.env._(
                "%(names)s or %(more)s more", names=text, more=len(values) - NAMES_MAX
            )
        return text

    def _describe_one(self, field, value):
        if field.type == "selection":
            return dict(field._description_selection(self.env)).get(value, str(value))
        if field.comodel_name and isinstance(value, int):
            record = self.env[field.comodel_name].browse(value).exists()
            if record and record.has_access("read"):
                return record.display_name
        if isinstance(value, str):
            return f"“{value}”"
        return str(value)
