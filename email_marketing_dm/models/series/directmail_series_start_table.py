from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain

from ...engine import series_starts as engine
from ...engine.installed import find_model
from ...engine.paths import read_filter
from ...engine.record_values import read_records

#: ways to start that read a data table
TABLE_KINDS = ("date", "record")


class DirectmailSeries(models.Model):
    """Series that start by records of a data table: which records, and with whose rights.

    They are read with the rights of the owner of the series, as the lines of an audience are.
    """

    _inherit = "directmail.series"
    _guarded_fields = frozenset(("next_start_at", "started_until"))

    start_table_id = fields.Many2one(
        "directmail.data.table",
        "Data table",
        domain="[('usable', '=', True), ('company_id', 'in', [company_id, False]),"
        " ('model_name', '!=', 'directmail.contact.engagement')]",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="The records for which the series starts. It starts for the contact of the record, or"
        " for its email address if it has no contact.",
    )
    start_model_name = fields.Char(related="start_table_id.model_name")
    start_domain = fields.Char(
        "Only records",
        default="[]",
        help="The series starts only for records that match this filter at that time.",
    )
    # Until when starts were looked for, and when to look again.
    started_until = fields.Datetime(readonly=True, copy=False)
    next_start_at = fields.Datetime(readonly=True, copy=False)

    @api.onchange("start_kind")
    def _onchange_start_kind(self):
        if self.start_kind in TABLE_KINDS and not self.start_table_id:
            self.start_table_id = self.env["directmail.audience.line"]._default_table_id()

    @api.onchange("start_table_id")
    def _onchange_start_table_id(self):
        """Reset what names fields of the previous table's model."""
        if self.start_table_id != self._origin.start_table_id:
            self.start_domain = "[]"
            self.start_date_path = False

    # === CHECKS === #

    @api.model
    def _get_start_fields(self):
        """Return the names of the fields that decide for which records the series starts."""
        return {"start_date_path", "start_domain", "start_kind", "start_table_id"}

    @api.constrains("start_kind", "start_table_id", "start_domain", "start_date_path", "user_id")
    def _check_start(self):
        for series in self:
            if series.start_kind in TABLE_KINDS and series.start_table_id:
                series._check_start_rights(series._get_owner_env(to_check=True))

    def _check_start_rights(self, env):
        """Check that a user may read all that decides for which records the series starts.

        :param env: the user's, limited to the company
        :raise UserError: (or a subclass) with the reason
        """
        path = self._get_start_path()
        if path:
            self._select_start_rows(env, path)

    def _on_start_changed(self, names):
        """Check the rights of the user who changes for which records the series starts.

        The owner must agree to a change by somebody else: it is read with the owner's rights.

        :param names: names of the fields that were written
        :raise UserError: (or a subclass) if the user may not read these records
        """
        if self.env.su or not self._get_start_fields() & set(names):
            return
        for series in self:
            if series.start_kind in TABLE_KINDS and series.start_table_id:
                company = {"allowed_company_ids": series.company_id.ids}
                series._check_start_rights(self.env(context={**self.env.context, **company}))
                if series.user_id != self.env.user:
                    series._wait_for_owner()

    def _find_start_problem(self):
        """Return why it can't be decided for which records the series starts, or None."""
        if self.start_kind not in TABLE_KINDS:
            return None
        if not self.start_table_id:
            return self.env._(
                "Choose the data table for whose records the series starts. If it is not offered,"
                " ask an administrator to add it or to open it to marketing users."
            )
        if not self._get_start_path():
            return self.env._("Choose the date on which the series starts.")
        try:
            self._check_start_rights(self._get_owner_env())
        except UserError as error:
            return error.args[0]
        return None

    # === BUSINESS === #

    def _get_start_path(self):
        """Return the path to the date of a record at which the series starts; False without."""
        return self._get_change_path() if self.start_kind == "record" else self.start_date_path

    def _get_record_model(self):
        """Return the model of the records that the mails are about; False without such records."""
        return self.start_kind in TABLE_KINDS and self.start_model_name

    def _get_records_of_mails(self, delivery_ids):
        """Return {delivery id: record} of the records for which the series started.

        A record that has become another contact's is left out: it tells about that contact.

        :param delivery_ids: ids of `directmail.delivery`
        """
        name = self._get_record_model()
        model = find_model(self.env, name) if name else None
        if model is None:
            return {}
        found = read_records(self.env, delivery_ids, name)
        # sudo(): only whether the contact is the same; the texts are read with their readers'
        # rights.
        known = model.sudo().browse({number for _id, number, _contact in found}).exists()
        path = self.sudo().start_table_id.partner_path
        contacts = {}
        if path and path != "id":
            contacts = {record.id: record.mapped(path).ids for record in known}
        return {
            delivery_id: model.browse(number)
            for delivery_id, number, contact in found
            if not contact or not contacts.get(number) or contact in contacts[number]
        }

    def _read_start_domain(self, env):
        """Return the filter of the records, as a `Domain`.

        :param env: as `_check_start_rights`
        :raise ValidationError: if it can't be used, with the reason
        """
        table = self.start_table_id.sudo()
        # sudo() finds the fields that the filter names; the records are read with the rights of
        # `env`.
        model = table._get_model(self.env).sudo()
        try:
            return read_filter(model, self.start_domain or "[]", env(user=self.user_id.id))
        except ValueError as error:
            raise ValidationError(
                self.env._("The filter of the records can't be used. %(reason)s", reason=error)
            ) from error

    def _select_start_rows(self, env, path, window=Domain.TRUE):
        """Return SQL of the records that match the filter: see `_select_starts` of data tables.

        :param env: as `_check_start_rights`
        :param str path: of the date
        :param Domain window: a condition on the record that is none of the user's
        :raise AccessError, UserError: as `_check_date_path`: a field may have been unticked
        """
        table = self.start_table_id.with_env(env)
        table._check_date_path(env, path)
        return table._select_starts(env, self._read_start_domain(env), path, window)

    def _let_found_enter(self, path, found, each):
        """Let the people of records enter.

        :param clock.steps.Path path: of the series
        :param found: SQL with the columns of `engine.series_starts.select_people`
        :param bool each: as in `engine.series_starts.Starting`
        """
        env = self._get_owner_env()
        master_key = self.env["directmail.keyring"]._get_master_key()
        people = engine.select_people(env, found, master_key)
        engine.enter(self.env, self._make_starting(people, each), path)
