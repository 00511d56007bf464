from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import LazyTranslate

from ...engine.installed import get_model
from ...engine.paths import read_filter, steps
from ...engine.technical import check_told, get_technical_domain
from ...groups import GROUP_ADMIN

_lt = LazyTranslate(__name__)
TEXTS = ("char",)
DATES = ("date", "datetime")
NUMBERS = ("integer", "float", "monetary")
#: {types of fields that a path may end in: what to tell the user if it ends in another one}
REFUSALS = {
    TEXTS: _lt("Choose a text field that is stored in the database."),
    DATES: _lt("Choose a date field that is stored in the database."),
    NUMBERS: _lt("Choose a number field that is stored in the database."),
}
#: fields of a data table that contain a path on its model
PATHS = ("partner_path", "email_path", "date_field", "amount_field", "rate_field")
#: fields of a data table that say which data is read
READ = frozenset(("domain", "model_id", *PATHS))
#: fields that are the same for all companies, unlike `directmail.data.table.setting`
DEFINITION = READ | {"company_id", "name", "sequence"}


class DirectmailDataTable(models.Model):
    """An Odoo model as a source of facts about people: which person, when, which amount.

    Audience lines, RFM, AIPL and conversion all read other apps' records through data tables, so
    that each app is described once. Who may use a table, with whose rights, and what each company
    decides about it is in `directmail_data_table_rights.py`.
    """

    _name = "directmail.data.table"
    _description = "Data Table"
    _inherit = ["directmail.guarded", "directmail.used"]
    _order = "sequence, name, id"
    _guarded_fields = frozenset(("model_name", "preset"))

    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=100)
    company_id = fields.Many2one(
        "res.company",
        index=True,
        default=lambda self: self.env.company,
        help="Empty for data tables that come with an app and are shared by all companies.",
    )
    model_id = fields.Many2one(
        "ir.model",
        "Records",
        # Required by `_check_model_id`, not by the column: audiences and models that use the table
        # keep it when its app is uninstalled.
        ondelete="set null",
        domain=lambda self: get_technical_domain(),
        help="The records that the data table reads, for example sales orders.",
    )
    model_name = fields.Char(
        "Technical name", compute="_compute_model_name", store=True, index=True
    )
    partner_path = fields.Char(
        "Contact",
        help="The field that leads to the contact, for example partner_id or order_id.partner_id."
        " Choose id if the records are contacts.",
    )
    email_path = fields.Char(
        "Email address",
        help="The field with the email address of records without a contact. Each of these records"
        " counts as a separate person.",
    )
    date_field = fields.Char(
        "Date",
        help="The date of the record. Records dated in the future are ignored until that date,"
        " except in audience lines that exclude people.",
    )
    amount_field = fields.Char(
        "Amount", help="The amount of the record, for example the total of an order."
    )
    rate_field = fields.Char(
        "Currency rate",
        help="The amount is divided by this rate. Choose it if the records are in several"
        " currencies.",
    )
    domain = fields.Char(
        "Filter",
        required=True,
        default="[]",
        help="Only matching records are read, for example confirmed orders.",
    )
    preset = fields.Char(readonly=True, copy=False)

    _preset_unique = models.UniqueIndex("(preset) WHERE preset IS NOT NULL")

    # === COMPUTE === #

    @api.depends("model_id.model")
    def _compute_model_name(self):
        for table in self:
            # Kept when the app is uninstalled, so that `_find_models_again` can find the model.
            table.model_name = table.model_id.model or table.model_name

    @api.depends("active")
    @api.depends_context("company")
    def _compute_display_name(self):
        return super()._compute_display_name()

    def _get_model(self, env):
        """Return the empty recordset of the table's model in an environment.

        :raise UninstalledError: its app is not installed
        """
        self.ensure_one()
        table = self.sudo()
        # sudo() reads the names of table and model; records are read with the rights of `env`.
        return get_model(env, table.model_name, table.name)

    # === CONSTRAINTS === #

    @api.constrains("model_id")
    def _check_model_id(self):
        for table in self:
            if not table.model_id:
                raise ValidationError(table.env._("Choose the records that the data table reads."))
            model = table._get_model(table.env)
            if model._abstract or model._transient:
                raise ValidationError(
                    table.env._(
                        "%s can't be used, because its records are not stored. Choose other"
                        " records.",
                        table.model_id.display_name,
                    )
                )
            table._check_not_technical()

    @api.constrains("company_id", "preset")
    def _check_company_id(self):
        for table in self:
            if bool(table.preset) == bool(table.company_id):
                raise ValidationError(
                    table.env._("Choose the company to which the data table belongs.")
                )

    @api.constrains("model_id", "partner_path", "email_path")
    def _check_person(self):
        for table in self:
            if not table.partner_path and not table.email_path:
                raise ValidationError(
                    table.env._(
                        "Choose the field that leads to the contact, or the field with the email"
                        " address."
                    )
                )
            if table.partner_path:
                table._check_partner_path()
            if table.email_path:
                table._check_path("email_path", TEXTS)

    @api.constrains("model_id", "date_field", "amount_field", "rate_field")
    def _check_facts(self):
        for table in self:
            if table.date_field:
                table._check_path("date_field", DATES)
            for name in ("amount_field", "rate_field"):
                if table[name]:
                    table._check_path(name, NUMBERS)

    @api.constrains("model_id", "domain")
    def _check_domain(self):
        for table in self:
            table._get_base_domain()

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        tables = super().create(vals_list)
        tables._make_actions_of_new_models()
        tables._check_decided(READ)
        return tables

    def write(self, vals):
        changed = DEFINITION & vals.keys()
        if changed:
            self._check_not_preset()
        if "company_id" in vals and any(t.company_id.id != vals["company_id"] for t in self):
            raise UserError(
                self.env._(
                    "A data table can't be moved to another company. Duplicate it in the other"
                    " company."
                )
            )
        self.env.registry.clear_cache()
        res = super().write(vals)
        if changed & READ:
            self._get_audiences()._mark_changed()
        self._check_decided(changed)
        return res

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    @api.ondelete(at_uninstall=False)
    def _unlink_except_preset(self):
        if any(table.preset for table in self):
            raise UserError(
                self.env._(
                    "This data table comes with an app and can't be deleted. Archive it instead."
                )
            )

    def _get_using(self):
        """Override: audiences with a line on the tables, models, series and measures of conversion.

        As superuser, for `_check_unused` and `_check_decided`.
        """
        # sudo(): records of all users count; `_check_unused` names only those that the user may
        # read.
        env = self.sudo().with_context(active_test=False).env
        mine = [("data_table_id", "in", self.ids)]
        return [
            self._get_audiences(),
            env["directmail.rfm.model"].search(mine),
            env["directmail.aipl.condition"].search(mine).aipl_model_id,
            env["directmail.task"].search([("conversion_table_id", "in", self.ids)]),
            env["directmail.control"].search([("conversion_table_id", "in", self.ids)]),
            env["directmail.series"].search(
                Domain("start_table_id", "in", self.ids)
                | Domain("conversion_table_id", "in", self.ids)
            ),
        ]

    def _get_audiences(self):
        """Return the audiences with a line on the tables, as superuser, archived ones too."""
        # sudo(): a table that is used or has changed concerns audiences of all users.
        lines = self.env["directmail.audience.line"].sudo().with_context(active_test=False)
        return lines.search([("table_id", "in", self.ids)]).audience_id

    def _check_path(self, name, types):
        """Check that a path ends in a stored field of one of the types.

        :param name: field of this model that contains the path
        :param types: allowed types of fields, a key of `REFUSALS`
        :raise ValidationError: with the reason
        """
        *hops, (_model, last) = self._get_steps(name)
        for _hop_model, hop in hops:
            self._check_hop(name, hop)
        if last.type not in types or not last.store or last.company_dependent:
            raise ValidationError(self._refuse_path(name, self.env._(REFUSALS[types])))

    def _check_partner_path(self):
        """Check that `partner_path` leads to one contact per record, within the company.

        :raise ValidationError: with the reason
        """
        found = self._get_steps("partner_path")
        for _model, hop in found[:-1]:
            self._check_hop("partner_path", hop)
        model, last = found[-1]
        if last.name == "id" and model._name == "res.partner":
            return
        self._check_hop("partner_path", last)
        if last.comodel_name != "res.partner":
            raise ValidationError(
                self.env._(
                    "Contact: %(path)s leads to %(model)s, not to a contact.",
                    path=self.partner_path,
                    model=self._get_model_label(last.comodel_name or model._name),
                )
            )

    def _get_steps(self, name):
        """Return [(model, field), …] of a path.

        :param name: field of this model that contains the path
        :raise ValidationError: a field on the path does not exist, or `check_told` refuses it
        """
        try:
            found = list(steps(self._get_model(self.env), self[name]))
        except ValueError as error:
            raise ValidationError(self._refuse_path(name, str(error))) from error
        try:
            for model, field in found:
                check_told(model, field)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        return found

    def _check_hop(self, name, field):
        """Check that a relation on a path leads to one record of the same company, and is stored.

        :param name: field of this model that contains the path
        :param field: the relation
        :raise ValidationError: with the reason
        """
        reason = self._get_hop_problem(field)
        if reason:
            raise ValidationError(self._refuse_path(name, reason))

    def _refuse_path(self, name, reason):
        """Return the message for a path that can't be used.

        :param name: field of this model that contains the path
        :param str reason: a sentence
        """
        return self.env._(
            "%(label)s: %(path)s can't be used. %(reason)s",
            label=self._fields[name]._description_string(self.env),
            path=self[name],
            reason=reason,
        )

    def _get_hop_problem(self, field):
        label = field._description_string(self.env)
        if field.type != "many2one":
            return self.env._("%s does not lead to exactly one record.", label)
        stored = field.store or (field.related and field.compute_sudo)
        if not stored:
            return self.env._("%s is not stored, so it can't be searched.", label)
        if field.company_dependent:
            return self.env._("%s has different values in different companies.", label)
        if field.comodel_name == "res.company":
            return self.env._("%s leads to the company itself, not to one of its contacts.", label)
        model, comodel = self.env[field.model_name], self.env[field.comodel_name]
        # Contacts are not checked here: those of other companies are left out row by row when
        # people are selected.
        if (
            comodel._name != "res.partner"
            and {"company_id"} <= model._fields.keys() & comodel._fields.keys()
            and not (field.check_company or field.required)
        ):
            return self.env._(
                "%(field)s may lead to %(model)s of another company.",
                field=label,
                model=self._get_model_label(comodel._name),
            )
        return False

    def _get_model_label(self, name):
        # sudo() reads the label of a model, which Odoo shows in every view of it.
        return self.env["ir.model"].sudo()._get(name).name or name

    def _get_base_domain(self):
        """Return the table's own filter (`domain`), which every row has to match.

        :rtype: Domain
        :raise ValidationError: it can't be parsed, or names a field that does not exist
        """
        self.ensure_one()
        table = self.sudo()
        try:
            # sudo() reads the filter; `_search_rows` and `_find_unreadable` check the rights to its
            # fields.
            return read_filter(table._get_model(table.env), table.domain, table.env)
        except ValueError as error:
            raise ValidationError(
                self.env._(
                    "The filter of the data table %(table)s can't be used. %(reason)s",
                    table=table.name,
                    reason=error,
                )
            ) from error


class DirectmailDataTableSetting(models.Model):
    """What a company has decided about a data table: archived, opened, and which fields are ticked.

    Only the code of `directmail.data.table` writes it (`_inverse_active`, `_decide_opening`), so
    that a user who opens a data table lends their own rights and not another user's.
    """

    _name = "directmail.data.table.setting"
    _description = "Data Table Settings of a Company"
    _rec_name = "table_id"
    _order = "id"

    table_id = fields.Many2one(
        "directmail.data.table",
        "Data table",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="cascade"
    )
    is_archived = fields.Boolean(readonly=True)
    is_open = fields.Boolean("Open to marketing users", readonly=True)
    opened_by_id = fields.Many2one("res.users", "Opened by", readonly=True, ondelete="set null")
    field_ids = fields.Many2many(
        "ir.model.fields",
        "directmail_data_table_setting_field",
        string="Fields open to marketing users",
        readonly=True,
        groups=GROUP_ADMIN,
    )

    _company_unique = models.UniqueIndex("(table_id, company_id)")

    def _check_fields(self):
        """Refuse ticked fields of another model, with groups, or that `check_told` refuses.

        :raise ValidationError: naming the field
        """
        self.ensure_one()
        table = self.table_id
        if self.field_ids.model_id - table.model_id:
            raise ValidationError(
                self.env._("Choose only fields of %s.", table.model_id.display_name)
            )
        model = table._get_model(self.env) if self.field_ids else None
        for ticked in self.field_ids:
            field = model._fields[ticked.name]
            if field.groups:
                raise ValidationError(
                    self.env._(
                        "%s is restricted to some user groups in Odoo, so it can't be opened to"
                        " marketing users.",
                        ticked.field_description,
                    )
                )
            try:
                check_told(model, field)
            except ValueError as error:
                raise ValidationError(str(error)) from error

    def _get_opener_env(self, env):
        """Return an environment with the rights of `opened_by_id`, limited to this company.

        :param env: of the user who filters with the table; its language and time zone are kept
        :raise AccessError: the opener has lost these rights; the table then counts as closed
        """
        self.ensure_one()
        # sudo() reads the setting; the rights that are checked here are those of the user who
        # opened the table.
        setting = self.sudo()
        opener, company, table = setting.opened_by_id, setting.company_id, setting.table_id
        reason = opener._find_directmail_loss(company, GROUP_ADMIN)
        if not reason:
            own = opener._get_directmail_env(company)
            own = own(context={**env.context, "allowed_company_ids": company.ids})
            reason = table._find_unreadable(own, setting.field_ids.mapped("name"))
            if not reason:
                return own
        raise AccessError(
            env._(
                "The data table %(table)s is closed, because it is read with the rights of the user"
                " who opened it. %(reason)s An administrator can press “Open again” on the data"
                " table, or clear “Open to marketing users”.",
                table=table.name,
                reason=reason,
            )
        )
