from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command, Domain

from ...engine.paths import check_path, check_readable
from ...engine.technical import is_technical
from ...groups import GROUP_ADMIN
from .directmail_data_table import DEFINITION, PATHS, READ


class DirectmailDataTable(models.Model):
    """The rights with which a data table is read, and what each company has decided about it.

    Rows are read with the current user's rights. If an administrator of a company has opened the
    table to its marketing users, rows are read with that administrator's rights, and users may name
    the ticked fields only. Rights are checked when a table is opened and each time it is used.
    """

    _inherit = "directmail.data.table"
    _guarded_fields = frozenset(("closed_reason", "opened_by_id", "setting_ids", "usable"))

    setting_ids = fields.One2many("directmail.data.table.setting", "table_id", "Companies")
    active = fields.Boolean(
        compute="_compute_active", inverse="_inverse_active", search="_search_active"
    )
    open_to_marketers = fields.Boolean(
        "Open to marketing users",
        compute="_compute_open_to_marketers",
        inverse="_inverse_opening",
        help="Marketing users of your company who may not read these records can still filter on"
        " the fields below. The records are read with your rights, and the users see how many"
        " people match, not the records.",
    )
    field_ids = fields.Many2many(
        "ir.model.fields",
        string="Fields open to marketing users",
        compute="_compute_field_ids",
        inverse="_inverse_opening",
        groups=GROUP_ADMIN,
        domain="[('model_id', '=', model_id)]",
    )
    opened_by_id = fields.Many2one(
        "res.users",
        "Opened by",
        compute="_compute_opening",
        help="The records are read with the rights of this user. When another administrator changes"
        " these settings, their rights are used instead.",
    )
    closed_reason = fields.Char("Reason for closing", compute="_compute_opening")
    usable = fields.Boolean(compute="_compute_usable", search="_search_usable")

    # === SETTINGS OF THE COMPANY === #

    def _get_setting(self):
        """Return the setting of the table's company, or else of the current one, as superuser.

        :return: a `directmail.data.table.setting`, empty if the company has decided nothing
        """
        # sudo(): the setting of a table applies to every user of the table; it holds no rows.
        table = self.sudo()
        company = table.company_id or self.env.company
        return table.setting_ids.filtered(lambda setting: setting.company_id == company)

    @api.depends("setting_ids.is_archived")
    @api.depends_context("company")
    def _compute_active(self):
        for table in self:
            table.active = not table._get_setting().is_archived

    def _inverse_active(self):
        for table in self:
            table._make_setting().is_archived = not table.active

    def _search_active(self, operator, value):
        if operator != "in" or len(value) != 1:
            return NotImplemented
        # sudo(): as in `_get_setting`; the search that this is part of applies the user's rights.
        settings = self.env["directmail.data.table.setting"].sudo()
        archived = settings.search([("is_archived", "=", True)]).filtered(
            lambda setting: setting == setting.table_id.with_env(self.env)._get_setting()
        )
        return Domain("id", "not in" if True in value else "in", archived.table_id.ids)

    # One compute per field: with a shared compute, writing one field would empty the other.
    @api.depends("setting_ids.is_open")
    @api.depends_context("company")
    def _compute_open_to_marketers(self):
        for table in self:
            table.open_to_marketers = table._get_setting().is_open

    @api.depends("setting_ids.field_ids")
    @api.depends_context("company")
    def _compute_field_ids(self):
        for table in self:
            table.field_ids = table._get_setting().field_ids

    @api.depends("setting_ids.opened_by_id", "setting_ids.is_open", "setting_ids.field_ids")
    @api.depends_context("company")
    def _compute_opening(self):
        for table in self:
            setting = table._get_setting()
            table.opened_by_id = setting.is_open and setting.opened_by_id
            table.closed_reason = False
            if setting.is_open:
                try:
                    setting._get_opener_env(table.env)
                except UserError as error:
                    table.closed_reason = error.args[0]

    def _inverse_opening(self):
        for table in self:
            table._decide_opening(table.open_to_marketers, table.field_ids._origin)

    def _decide_opening(self, is_open, ticked):
        """Open the table in the current company with the current user's rights, or close it.

        :param bool is_open: whether marketing users may filter with it
        :param ticked: the `ir.model.fields` that they may name
        :raise AccessError: the current user may not write the table or read what would be open
        :raise ValidationError: a field can't be opened
        """
        setting = self._make_setting()
        setting.write(
            {
                "is_open": is_open,
                "field_ids": [Command.set(ticked.ids)],
                "opened_by_id": self.env.uid if is_open else False,
            }
        )
        if is_open:
            setting._check_fields()
            setting._get_opener_env(self.env)

    def action_open_again(self):
        """Open the tables again with the same fields and the current user's rights.

        For tables that are closed because their opener has lost rights (`closed_reason`).
        """
        self.check_access("write")
        for table in self:
            setting = table._get_setting()
            if setting.is_open:
                table._decide_opening(True, setting.field_ids)
        return True

    def _make_setting(self):
        """Return the setting as `_get_setting` does, created if it is missing.

        :raise AccessError: the current user may not write the table
        """
        self.ensure_one()
        self.check_access("write")
        company = self.company_id or self.env.company
        # sudo(): only this addon writes settings; the right to write the table was just checked.
        return self._get_setting() or self.sudo().setting_ids.create(
            {"table_id": self.id, "company_id": company.id}
        )

    # === WHO MAY === #

    def _find_unreadable(self, env, ticked=()):
        """Return a sentence if a user may not read all of the table, "" if they may.

        It checks each field of each path, the base filter and the ticked fields.

        :param env: the user's, without ``su``
        :param ticked: names of fields
        :raise UserError: nobody can use the table, for example because a field does not exist
        """
        self.ensure_one()
        # sudo() reads the definition of the table; what it leads to is checked for `env`'s user.
        table = self.sudo()
        model = table._get_model(env)
        # Not by `check_access`: it writes a message that nobody reads, in several queries.
        readable = model.browse().has_access("read")
        try:
            if readable:
                for name in (*(table[path] for path in PATHS if table[path]), *ticked):
                    check_path(model, name)
                check_readable(model, table.with_env(env).sudo()._get_base_domain())
        except AccessError:
            readable = False
        except ValueError as error:
            raise UserError(str(error)) from error
        if readable:
            return ""
        return self.env._(
            "%(user)s may not read all records and fields of the data table %(table)s.",
            user=env.user.name,
            table=table.name,
        )

    def _get_rows_env(self):
        """Return the environment with whose rights the rows are read.

        :return: the current user's; if the table is open, that of the user who opened it
        :raise AccessError: that user may not read the table; the message says why
        :raise UserError: nobody can use the table
        """
        self.ensure_one()
        setting = self._get_setting()
        if setting.is_open and not self.env.su:
            return setting._get_opener_env(self.env)
        # sudo() below reads the name of the table, for the message.
        if self._find_unreadable(self.env):
            raise AccessError(
                self.env._(
                    "%(user)s may not read the records of the data table %(table)s. Ask an"
                    " administrator for access, or to open the data table to marketing users.",
                    user=self.env.user.name,
                    table=self.sudo().name,
                )
            )
        return self.env

    def _check_usable(self):
        """Refuse a table that can't be used, or that the current user may not filter with.

        :return: see `_get_rows_env`
        :raise AccessError: the user may not read these records
        :raise UserError: the app is not installed, a field does not exist, or the table is archived
        """
        self.ensure_one()
        # sudo() reads the definition of the table; `_get_rows_env` checks the user's rights.
        table = self.sudo()
        table._get_model(self.env)
        table._check_not_technical()
        if not table.active:
            raise UserError(
                self.env._(
                    "The data table %s is archived. Choose another data table, or ask an"
                    " administrator to restore it.",
                    table.name,
                )
            )
        if table.company_id and table.company_id not in self.env.companies:
            # Without the table's name, because the user may not see tables of other companies.
            raise AccessError(self.env._("This data table belongs to another company."))
        for name in PATHS:
            if table[name]:
                table._get_steps(name)
        return self._get_rows_env()

    def _check_not_technical(self):
        """Refuse tables of technical models (`engine.technical`), which are never read.

        :raise UserError: naming the table
        """
        for table in self:
            if is_technical(table.model_name or ""):
                raise UserError(
                    self.env._(
                        "The data table %(table)s can't be used, because %(model)s is a technical"
                        " model without data about people.",
                        table=table.name,
                        model=table.model_name,
                    )
                )

    def _is_usable(self):
        """Tell whether the current user may filter people with this table."""
        try:
            self._check_usable()
        except UserError:  # includes AccessError and ValidationError
            return False
        return True

    @api.depends(*READ, "setting_ids.is_open", "setting_ids.is_archived")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_usable(self):
        for table in self:
            table.usable = table._is_usable()

    def _search_usable(self, operator, value):
        if operator != "in" or True not in value:
            return NotImplemented
        # sudo() finds all tables; `usable` is computed with the rights of the user.
        tables = self.sudo().with_context(active_test=False).search(Domain.TRUE)
        return Domain("id", "in", tables.with_env(self.env).filtered("usable").ids)

    # === WHO DECIDES === #

    def _update_field_translations(self, field_name, translations, digest=None, source_lang=""):
        if field_name in DEFINITION:
            self._check_not_preset()
        return super()._update_field_translations(field_name, translations, digest, source_lang)

    def copy_data(self, default=None):
        # A copy belongs to the current company. Without settings, it is not open.
        default = {"company_id": self.env.company.id, **(default or {})}
        vals_list = super().copy_data(default)
        if "name" not in default:
            for table, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", table.name)
        return vals_list

    def _check_not_preset(self):
        """Refuse users' changes to presets, which all companies share.

        :raise AccessError: the message says what to do instead
        """
        if not self.env.su and any(table.preset for table in self):
            raise AccessError(
                self.env._(
                    "This data table comes with an app and is shared by all companies. Duplicate it"
                    " and change the copy."
                )
            )

    def _check_decided(self, names):
        """Check that the current user may read what the table reads after their change.

        An open table is read with the current user's rights from now on. Audiences and models of
        other owners wait for these (`_wait_for_owner`), because their counts would tell the current
        user about rows that only the owner may read.

        :param names: names of the fields that were written
        :raise AccessError: the current user may not read the table
        """
        if self.env.su or not READ & set(names):
            return
        for table in self:
            problem = table._find_unreadable(table.env)
            if problem:
                raise AccessError(problem)
            setting = table._get_setting()
            if setting.is_open:
                table._decide_opening(True, setting.field_ids)
            for readers in table._get_using():
                readers.with_env(self.env)._wait_for_owner()
