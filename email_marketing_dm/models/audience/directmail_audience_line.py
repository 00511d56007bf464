from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from ...engine.paths import conditions, read_filter
from ..odoo.res_partner import GROUPS

OPERATORS = [("or", "or"), ("and", "and also"), ("except", "except")]
DEPTH_MAX = 5


class DirectmailAudienceLine(models.Model):
    """A line of an audience: which people it selects, and how it combines with the lines above.

    A kind is a value of `kind`, its fields, and methods that are found by name: ``_select_<kind>``
    and ``_describe_<kind>``, and where needed ``_get_fields_<kind>``, ``_finds_others_<kind>`` and
    ``_finds_once_<kind>``.
    Each of the kinds `task`, `aipl`, `rfm`, `upload`, `engagement`, `similar` and `snapshot` has a
    file with its fields and methods. The fields of `table`, `list`, `audience` and `group` are
    here, their descriptions are in `directmail_audience_line_sentence.py` and their SQL is in
    `directmail_audience_line_select.py`. `directmail_audience_line_limit.py` lets lines of nearly
    all kinds take only some of their people.
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
        "directmail.audience.line", "Parent group", index=True, ondelete="cascade"
    )
    child_ids = fields.One2many(
        "directmail.audience.line", "parent_id", "Lines of the group", copy=True
    )
    operator = fields.Selection(
        OPERATORS,
        required=True,
        default="and",
        help="How the line is combined with the lines above: “or” adds people, “and also” keeps"
        " only people who are also in this line, “except” removes people. The audience starts with"
        " the people of the first line.",
    )
    is_first = fields.Boolean("First line", compute="_compute_is_first")
    kind = fields.Selection(
        [
            ("table", "Data table"),
            ("list", "Selected records"),
            ("audience", "Another audience"),
            ("group", "Group of lines"),
        ],
        "People from",
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
    domain = fields.Char("Filter", default="[]")
    min_count = fields.Integer(
        "Minimum number of records",
        default=1,
        help="How many matching records a person needs at least. Increase it to find people with"
        " several records, such as repeat customers.",
    )
    min_amount = fields.Float(
        "Minimum total amount",
        help="The minimum sum of the amounts of a person's matching records, in the company's"
        " currency. With 0, any amount counts.",
    )
    within_days = fields.Integer(
        "Period (days)",
        help="Only records dated within this many days count, including today. With 0, records of"
        " any date count.",
    )
    source_id = fields.Many2one(
        "directmail.audience",
        "Source audience",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
    )
    pick_ids = fields.One2many("directmail.audience.pick", "line_id", "Selected records")
    pick_count = fields.Integer("Number of selected records", compute="_compute_pick_count")
    # Placeholders: the form shows what `directmail.audience.count_line` returns in their place.
    people = fields.Integer("In this line", compute="_compute_people")
    people_so_far = fields.Integer("Total so far", compute="_compute_people")

    @api.model
    def _default_table_id(self):
        presets = self.env.context.get("directmail_presets") or ("contacts",)
        # Not in the domain: a search for `usable` checks the user's rights to every table.
        tables = self.env["directmail.data.table"].search([("preset", "in", presets)])
        usable = tables.filtered("usable")
        return usable.sorted(lambda table: presets.index(table.preset))[:1]

    # === COMPUTE === #

    @api.depends("parent_id.audience_id")
    def _compute_audience_id(self):
        for line in self:
            line.audience_id = line.parent_id.audience_id or line.audience_id

    @api.depends("sequence", "parent_id.child_ids.sequence", "audience_id.line_ids.sequence")
    def _compute_is_first(self):
        """Tell whether no line stands above, so that there is nothing to combine with."""
        for line in self:
            beside = line.parent_id.child_ids or line.audience_id.line_ids
            line.is_first = line == beside.sorted("sequence")[:1]

    @api.depends("table_id")
    def _compute_has_facts(self):
        for line in self:
            # sudo() to tell whether the table has these fields, not what is in them.
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

    def _compute_people(self):
        self.people = self.people_so_far = 0

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
                raise ValidationError(
                    self.env._("A group and its lines must belong to the same audience.")
                )
            depth, parent = 0, line.parent_id
            while parent:
                depth, parent = depth + 1, parent.parent_id
            if depth > DEPTH_MAX:
                raise ValidationError(
                    self.env._(
                        "Groups can be nested at most %s levels deep. Move the inner lines to"
                        " another audience, and use that audience in a line.",
                        DEPTH_MAX,
                    )
                )

    @api.constrains("min_count", "within_days")
    def _check_numbers(self):
        for line in self:
            if line.min_count < 0 or line.within_days < 0:
                raise ValidationError(
                    self.env._("The minimum number of records and the period can't be negative.")
                )

    @api.constrains(lambda self: self._get_checked_fields())
    def _check_line(self):
        """Check that the line can be used with the rights of the audience's owner.

        :raise ValidationError: if the audience would be its own source
        :raise UserError: (or a subclass) if the line can't be used
        """
        for line in self.filtered(lambda line: line.kind != "group"):
            if line.source_id and line.source_id._refers_to(line.audience_id):
                raise ValidationError(
                    self.env._(
                        "%(other)s uses %(audience)s, directly or through other audiences. An"
                        " audience can't use itself.",
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
            "source_id", "limit_count", "limit_by", *fields_of_kinds,
        )  # fmt: skip

    def _check_rights(self):
        """Check that the current user may use the lines, besides the audience's owner.

        `_check_line` can't check this: constraints run as superuser.

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
        lines.audience_id._on_lines_changed()
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
        (audiences | self.audience_id)._on_lines_changed()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_with_owner(self):
        self.audience_id._on_lines_changed()

    def _with_inner(self):
        """Return these lines and all lines in groups among them, at any depth."""
        found, level = self.browse(), self
        while level:
            found |= level
            level = level.child_ids - found
        return found

    def _copy_picks(self, originals, env):
        """Copy the chosen records of the original lines to these copies, groups included.

        Copies and originals are paired in the order of `sequence`. Records that the user of ``env``
        may not read are left out: the copy would tell who was chosen in a colleague's audience.

        :raise UserError: if a line excludes such records: the copy would exclude fewer people
        """
        for line, original in zip(
            self.sorted("sequence"), originals.sorted("sequence"), strict=True
        ):
            line.child_ids._copy_picks(original.child_ids, env)
            if original.kind != "list":
                continue
            records = original.table_id._get_model(env).with_context(active_test=False)
            picked = Domain(
                "id",
                "any",
                SQL("SELECT res_id FROM directmail_audience_pick WHERE line_id = %s", original.id),
            )
            added = 0
            # An open table tells all marketing users how many of its records match, but not which.
            if records.has_access("read"):
                readable = records._search(picked).select()
                added = self.env["directmail.audience.pick"]._add(line, readable)
            # sudo(): only whether there are further records is told.
            if original._takes_out() and records.sudo().search_count(picked) > added:
                raise UserError(
                    env._(
                        "%s excludes selected records that you may not read, so its duplicate"
                        " would exclude fewer people. Use the audience itself, or ask its owner"
                        " to duplicate it.",
                        original.audience_id.name,
                    )
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
        # sudo() reads the definition of the table and finds the fields that the filter names; the
        # records are read with the rights of `_as_line`'s env.
        owner = self.audience_id.user_id.id
        model = table._get_model(self.env).sudo()
        try:
            domain = read_filter(model, self.domain, env(user=owner))
            self._check_groups(model, domain)
            return domain
        except ValueError as error:
            raise ValidationError(
                self.env._(
                    "The filter of a line on %(table)s can't be used. %(reason)s",
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
                # `_get_shown` finds the model of any owner; only whether it was computed is told.
                groups = step_model._name == "res.partner" and GROUPS.get(field.name)
                if groups and not self.env[groups]._get_shown(self.company_id).computed_at:
                    raise ValidationError(
                        self.env._(
                            "The filter of a line uses “%s”, but the RFM or AIPL model of the"
                            " company has not been computed. Compute the model, or edit the"
                            " filter.",
                            field._description_string(self.env),
                        )
                    )
