from odoo import api, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ...content.expressions import make_record_path, split_record_path
from ...engine.clock import to_local
from ...engine.paths import check_path, path_to_sql, steps
from ...engine.technical import ABOUT_PEOPLE, check_told
from .directmail_data_table import DATES

#: stored in every table, and no data of the record: usable in open tables, too
LOGGED = ("create_date", "write_date")


class DirectmailDataTable(models.Model):
    """SQL of the records of a data table for which a series starts: see `engine.series_starts`."""

    _inherit = "directmail.data.table"

    @api.model
    @api.readonly
    def get_record_placeholders(self):
        """Return the models whose records mails can show, in a series that starts by them.

        Only those that the user may read. Contacts are left out: their fields are placeholders
        anyway.

        :return: [{"path": beginning of a placeholder's path, "model": technical name,
            "label": for the user}]
        :rtype: list[dict]
        """
        refused = ("res.partner", *ABOUT_PEOPLE)
        tables = self.search([("usable", "=", True), ("model_name", "not in", refused)])
        found = []
        for name in dict.fromkeys(tables.mapped("model_name")):
            # The path has two underscores for each dot, which a few names can't be told from.
            is_told = split_record_path(make_record_path(name)) == (name, "")
            if is_told and self.env[name].has_access("read"):
                # sudo() reads the label of a model.
                label = self.env["ir.model"]._get(name).sudo().name
                text = self.env._("%s (record of a series)", label)
                found.append({"path": make_record_path(name), "model": name, "label": text})
        return found

    def _select_starts(self, env, domain, when, window=Domain.TRUE):
        """Return SQL that selects a person, a date and the id of the record of each row.

        Columns: partner_id, res_model, res_id and email as `_select_facts` returns them; record;
        date (timestamp as it is stored, not null). Contacts whom the user may not read are not left
        out.

        :param env: of the owner of the series, limited to the company
        :param domain: a filter on the table's model
        :param str when: path to a date field that `_check_date_path` has accepted
        :param Domain window: a condition that is none of the user's, so that it may name fields
            that are not ticked
        :raise AccessError, UserError: as `_search_rows`
        """
        self.ensure_one()
        # sudo() reads the definition of the table; `_search_rows` checks the rights to its rows.
        table = self.with_env(env).sudo()
        model, query = table._search_rows(env, domain, window)
        date = SQL("(%s)::timestamp", path_to_sql(model, when, query))
        query.add_where(SQL("%s IS NOT NULL", date))
        return query.select(
            *table._person_to_sql(env, model, query, visible_only=False),
            SQL("%s AS record", SQL.identifier(query.table, "id")),
            SQL("%s AS date", date),
        )

    def _check_date_path(self, env, path):
        """Check that a path of the table's model ends in a date that a user may read.

        :param env: the user's
        :param str path: for example create_date, or order_id.date_order
        :raise AccessError: the user may not read a field of the path, or it is not ticked
        :raise UserError: the path can't be used, with the reason
        """
        self.ensure_one()
        rows_env = self.with_env(env)._check_usable()
        model = self._get_model(rows_env)
        if model._name in ABOUT_PEOPLE:
            # Its rows are no records that are created, changed or shown in a mail.
            raise UserError(
                self.env._(
                    "A series can't start by records of the data table %s. Let it start for an"
                    " audience with a line on this data table.",
                    # sudo() reads the name of the table.
                    self.sudo().name,
                )
            )
        try:
            *hops, (last_model, last) = steps(model, path)
            for step_model, field in (*hops, (last_model, last)):
                check_told(step_model, field)
            check_path(model, path)
        except ValueError as error:
            raise UserError(self._refuse_date(path, str(error))) from error
        for _step_model, hop in hops:
            # sudo() reads the labels of fields and models.
            if reason := self.sudo()._get_hop_problem(hop):
                raise UserError(self._refuse_date(path, reason))
        if last.type not in DATES or not last.store or last.company_dependent:
            reason = self.env._("Choose a date field that is stored in the database.")
            raise UserError(self._refuse_date(path, reason))
        if rows_env != env and path not in LOGGED:
            # Behind a ticked relation, the date would be read with the rights of who opened the
            # table, and not with the user's, as `_restrict` says.
            self.with_env(env)._check_ticked(path)

    def _refuse_date(self, path, reason):
        return self.env._("The date %(path)s can't be used. %(reason)s", path=path, reason=reason)

    def _get_local_date(self, path, tz):
        """Return SQL of the local day of the column `date` of `_select_starts`.

        :param str path: the path of that date
        :param str tz: name of the zone in which a date with a time has its day
        """
        *_hops, (_model, last) = steps(self._get_model(self.env), path)
        date = SQL.identifier("date")
        return SQL("%s::date", date if last.type == "date" else to_local(date, tz))
