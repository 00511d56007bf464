from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import SQL, ormcache

from ...engine.installed import find_model
from ...engine.paths import check_readable, conditions, path_to_sql
from ...engine.people_models import Today
from ...engine.technical import ABOUT_PEOPLE, is_technical

LIKE = ("like", "ilike", "=like", "=ilike", "not like", "not ilike", "not =like", "not =ilike")


class DirectmailDataTable(models.Model):
    """SQL that reads a data table, with the rights of the environment of `_get_rows_env`."""

    _inherit = "directmail.data.table"

    def _select_facts(
        self, env, domain=Domain.TRUE, *, visible_only=True, today=None, future=False
    ):
        """Return SQL that selects a fact about a person from each row of this table.

        Rows without a person are left out, and rows with a date later than now; rows without a date
        are not.

        Columns: partner_id, or else res_model, res_id and email (normalised) of a record without a
        contact; date (timestamp, UTC; midnight for a date without a time); amount (numeric, in the
        company's currency if `rate_field` or the amount's field converts it). Date and amount are
        NULL if the table has no such field, or is open and the field is not ticked.

        :param env: the user's; its allowed companies are those whose rows are read
        :param domain: further conditions on the table's model
        :param visible_only: leave out contacts that the user may not read, and archived ones. False
            saves time if the caller leaves them out itself.
        :param today: an `engine.people_models.Today` that says what is now and in which time zone;
            by default this moment, in the time zone of ``env``
        :param future: also select rows with a date later than now
        :rtype: SQL
        :raise AccessError: the user may not read the model, or a field that is used
        :raise UserError: the table can't be used any more
        """
        self.ensure_one()
        # sudo() reads the definition of the table; `_search_rows` checks the rights to its rows.
        table = self.with_env(env).sudo()
        happened = Domain.TRUE if future else table._get_happened(env, today)
        model, query = table._search_rows(env, Domain(domain), happened)
        return query.select(
            *table._person_to_sql(env, model, query, visible_only),
            SQL("%s AS date", table._date_to_sql(model, query)),
            SQL("%s AS amount", table._amount_to_sql(model, query)),
        )

    def _person_to_sql(self, env, model, query, visible_only):
        """Return the columns of a row's person, and leave out rows of the query without a person.

        :param env, visible_only: as `_select_facts`, which also describes the columns
        :param model, query: from `_search_rows`
        :rtype: list[SQL]
        """
        if self.partner_path:
            partner = path_to_sql(model, self.partner_path, query)
        else:
            partner = SQL("NULL::int")
        email = self._email_to_sql(model, query)
        if not email:
            query.add_where(SQL("%s IS NOT NULL", partner))
        if visible_only and self.partner_path and self.partner_path != "id":
            visible = self._search_contacts(env).subselect()
            if email:
                # EXISTS, because for "IS NULL OR … IN" PostgreSQL reads all contacts for every row.
                query.add_where(
                    SQL(
                        "(%s IS NULL OR EXISTS (SELECT FROM %s visible WHERE visible.id = %s))",
                        *(partner, visible, partner),
                    )
                )
            else:
                query.add_where(SQL("%s IN %s", partner, visible))
        lonely = SQL("%s IS NULL", partner)
        if email:
            record = SQL("CASE WHEN %s THEN %s END", lonely, SQL.identifier(query.table, "id"))
            model_name = SQL("CASE WHEN %s THEN %s::varchar END", lonely, self.model_name)
            email = SQL("CASE WHEN %s THEN %s END", lonely, email)
        else:
            record, model_name, email = SQL("NULL::int"), SQL("NULL::varchar"), SQL("NULL::text")
        return [
            SQL("%s AS partner_id", partner),
            SQL("%s AS res_model", model_name),
            SQL("%s AS res_id", record),
            SQL("%s AS email", email),
        ]

    def _get_where(self, env, domain, *, future=False):
        """Return the rows of a table of contacts as a condition on `res_partner`.

        :param env, future: as `_select_facts`, which also says what is raised
        :return: SQL, or None if the condition needs joins or is empty
        """
        self.ensure_one()
        # sudo(): as in `_select_facts`.
        table = self.with_env(env).sudo()
        happened = Domain.TRUE if future else table._get_happened(env)
        model, query = table._search_rows(env, domain, happened)
        alone = query.from_clause == SQL.identifier(model._table)
        return SQL("(%s)", query.where_clause) if alone and query.where_clause else None

    def _select_contacts(self, env):
        """Return SQL (res_model, res_id, partner_id) of the table's records that have a contact.

        :param env: as `_select_facts`, which also says what is raised
        :rtype: SQL
        """
        self.ensure_one()
        # sudo(): as in `_select_facts`.
        table = self.with_env(env).sudo()
        model, query = table._search_rows(env, Domain.TRUE)
        partner = path_to_sql(model, table.partner_path, query)
        query.add_where(SQL("%s IS NOT NULL", partner))
        return query.select(
            SQL("%s::varchar AS res_model", table.model_name),
            SQL("%s AS res_id", SQL.identifier(query.table, "id")),
            SQL("%s AS partner_id", partner),
        )

    def _select_lonely(self, env):
        """Return SQL that selects the ids of the records without a contact.

        :param env: as `_select_facts`, which also says what is raised
        """
        self.ensure_one()
        # sudo(): as in `_select_facts`.
        model, query = self.with_env(env).sudo()._search_rows(env, Domain.TRUE)
        if self.sudo().partner_path:
            partner = path_to_sql(model, self.sudo().partner_path, query)
            query.add_where(SQL("%s IS NULL", partner))
        return query.select()

    @api.model
    @ormcache("company_id")
    def _select_present(self, company_id):
        """Return SQL that looks up the present state of the record of a row named `people`.

        It selects one row (partner_id, email, is_there, country_id) if the record with
        `people.res_model` and `people.res_id` exists and is not archived, else none. If several
        data tables have an address of the record, `people.email` is preferred, else that of the
        first table is used.

        It reads with all rights: the owner's rights were checked when the task's people were
        selected.

        :param int company_id: only its own data tables and the presets are used
        :rtype: SQL
        """
        # sudo(): the rights were checked when people were selected, see above.
        tables = (
            self.sudo()
            .with_context(active_test=False)
            .search([("email_path", "!=", False), ("company_id", "in", [company_id, False])])
        )
        found = [
            table._select_one(number)
            for number, table in enumerate(
                tables.sorted(lambda table: (not table.preset, table.id))
            )
            if find_model(self.env, table.model_name) is not None
            and not is_technical(table.model_name)
        ]
        nobody = SQL(
            "SELECT 0 AS number, NULL::int AS partner_id, NULL::text AS email,"
            " NULL::int AS country_id WHERE FALSE"
        )
        return SQL(
            """SELECT known.partner_id, known.email, TRUE AS is_there, known.country_id
                 FROM (%s) AS known
                ORDER BY known.email IS NOT DISTINCT FROM people.email DESC, known.number
                LIMIT 1""",
            SQL(" UNION ALL ").join([nobody, *found]),
        )

    def _select_one(self, number):
        """Return this table's part of `_select_present`.

        :param int number: the table's place in the order of tables
        :return: SQL (number, partner_id, email, country_id)
        """
        self.ensure_one()
        model = self._get_model(self.env).with_context(active_test=True)
        query = model._search(Domain.TRUE)
        partner = SQL("NULL::int")
        if self.partner_path:
            partner = path_to_sql(model, self.partner_path, query)
        email = self._email_to_sql(model, query)
        query.add_where(SQL("people.res_model = %s", self.model_name))
        query.add_where(SQL("%s = people.res_id", SQL.identifier(query.table, "id")))
        country = SQL("NULL::int")
        field = model._fields.get("country_id")
        if field and field.store and field.comodel_name == "res.country":
            country = model._field_to_sql(query.table, "country_id", query)
        return query.select(SQL("%s", number), partner, SQL("(%s)::text", email), country)

    @api.model
    def _select_readable(self, env, people):
        """Return people without the records of other models that a user may not read.

        A record counts as readable if a data table that the user may use contains it.

        :param env: the user's, limited to the company
        :param SQL people: query with the columns partner_id, res_model, res_id, and any others
        :return: SQL; the same columns
        """
        readable = []
        # sudo() finds all tables; `_is_usable` checks the rights of `env`'s user to each.
        for table in self.with_env(env).sudo().search([("email_path", "!=", False)]):
            if table.with_env(env)._is_usable():
                ids = table._select_lonely(env)
                readable.append(
                    SQL("SELECT %s::varchar, id FROM (%s) records(id)", table.model_name, ids)
                )
        people = SQL("SELECT * FROM (%s) people", people)
        others = SQL("%s WHERE partner_id IS NOT NULL OR res_id IS NULL", people)
        if not readable:
            return others
        # UNION ALL, because with OR PostgreSQL would not join, but run the subquery for each row.
        return SQL(
            "%s UNION ALL %s WHERE partner_id IS NULL AND (res_model, res_id) IN (%s)",
            others,
            people,
            SQL(" UNION ALL ").join(readable),
        )

    @api.model
    def _select_converted(self, env):
        """Return SQL (res_model, res_id, partner_id) of records that have a contact.

        Of the data tables with records that count as people as long as they have none.

        :param env: as for `_select_readable`
        :return: SQL, or None if the user may use no such table
        """
        # sudo(): as in `_select_readable`.
        tables = self.with_env(env).sudo().search(
            [("email_path", "!=", False), ("partner_path", "!=", False)]
        )  # fmt: skip
        usable = [table for table in tables if table.with_env(env)._is_usable()]
        return SQL(" UNION ALL ").join(table._select_contacts(env) for table in usable) or None

    def _search_contacts(self, env):
        """Return the Query of the contacts that the user may read, without archived ones."""
        return env["res.partner"]._search(Domain.TRUE)

    def _get_happened(self, env, today=None):
        """Return the condition that a row's date is not later than now, or empty.

        It belongs to the table's definition, like `_get_base_domain`, so `date_field` need not be
        ticked in an open table.

        :param today: as for `_select_facts`
        :rtype: Domain
        """
        # What contacts did with mails is past. PostgreSQL would expect a third of the rows only.
        if not self.date_field or (self.model_name in ABOUT_PEOPLE and not today):
            return Domain.TRUE
        today = today or Today(fields.Datetime.now(), env.context.get("tz") or "UTC")
        end = today.end(self._has_mere_dates())
        return Domain(self.date_field, "<", end) | Domain(self.date_field, "=", False)

    def _search_rows(self, env, domain, happened=Domain.TRUE):
        """Return (model, Query) of the rows that the user may filter; the model has their rights.

        An open table is read with the rights of the user who opened it (`_get_rows_env`), so
        ``domain`` may name ticked fields only.

        :param domain: the user's conditions
        :param happened: from `_get_happened`, if only rows until now are wanted
        :raise AccessError, UserError: as `_check_usable`
        """
        rows_env = self.with_env(env)._check_usable()
        model = self._get_model(rows_env)
        check_readable(model, domain)
        if rows_env != env:
            domain = self._restrict(env, domain)
        domain &= self._get_base_domain() & happened
        if "company_id" in model._fields and model._fields["company_id"].store:
            domain &= Domain("company_id", "in", [*rows_env.companies.ids, False])
        # What these rows tell is the user's anyway, and their contacts are checked by what calls
        # this (`visible_only`): the model would join all contacts once more.
        bypass = model._name in ABOUT_PEOPLE and rows_env == env
        return model, model._search(domain, bypass_access=bypass)

    def _restrict(self, env, domain):
        """Return the filter of a user on an open table, checked to name ticked fields only.

        Conditions behind a ticked relation are evaluated with the user's own rights.

        :param env: the user's
        :raise AccessError: a field is not ticked, or an operator can't be evaluated in this way
        """

        def restrict(condition):
            name, *rest = condition.field_expr.split(".", 1)
            if name == "id" and isinstance(condition.value, SQL):
                return condition  # ids given as SQL: selected by a user who could read them
            self._check_ticked(name)
            field = self._get_model(env)._fields[name]
            operator = condition.operator
            if not field.comodel_name:
                return condition
            comodel = env[field.comodel_name]
            if rest:
                inner = Domain(rest[0], operator, condition.value)
            elif operator in LIKE:
                inner = Domain("display_name", operator.removeprefix("not "), condition.value)
            elif operator in ("any", "not any"):
                inner = Domain(condition.value)
            elif operator in ("in", "not in", "=", "!="):
                return condition
            else:
                raise AccessError(
                    self.env._(
                        "The field %s can't be filtered with this operator. Choose another one.",
                        field._description_string(env),
                    )
                )
            check_readable(comodel, inner)
            negative = not rest and operator.startswith("not ")
            return Domain(
                name, "not any" if negative else "any", comodel._search(inner, active_test=False)
            )

        # sudo() looks up whether fields exist; no record is read. Which fields may be named is
        # checked below.
        list(conditions(self._get_model(env).sudo(), domain))  # raises for unknown fields
        return domain.map_conditions(restrict)

    def _check_ticked(self, name):
        if name not in self._get_setting().field_ids.mapped("name"):
            raise AccessError(
                self.env._(
                    "The field %(field)s of the data table %(table)s is not open to marketing"
                    " users.",
                    table=self.name,
                    field=name,
                )
            )

    def _email_to_sql(self, model, query):
        """Return SQL for the normalised address of a row, None without `email_path`."""
        if not self.email_path:
            return None
        raw = path_to_sql(model, self.email_path, query)
        if self.email_path.endswith("email_normalized"):
            return raw
        return SQL("NULLIF(lower(btrim(COALESCE(substring(%s FROM %s), %s))), '')",
                   raw, "<([^<>]+)>", raw)  # fmt: skip

    def _is_open(self, name):
        """Tell whether users may select by a fact: in an open table its field must be ticked.

        A condition such as "at least 100" would reveal the amount as well as showing it.

        :param name: "date_field" or "amount_field"
        """
        # sudo() reads the definition and the setting of the table, no rows.
        setting, path = self._get_setting(), self.sudo()[name]
        ticked = setting.field_ids.mapped("name")
        return bool(path) and (not setting.is_open or path.split(".")[0] in ticked)

    def _check_open(self, name):
        """Refuse a fact of the table for which `_is_open` is False.

        :param name: as for `_is_open`
        :raise AccessError: naming the field
        """
        # sudo() reads the definition of the table, no rows.
        path = self.sudo()[name]
        if path and not self._is_open(name):
            self.sudo()._check_ticked(path.split(".")[0])

    def _date_to_sql(self, model, query):
        if not self._is_open("date_field"):
            return SQL("NULL::timestamp")
        return SQL("(%s)::timestamp", path_to_sql(model, self.date_field, query))

    def _has_mere_dates(self):
        """Tell whether `date_field` is a date without a time."""
        self.ensure_one()
        return bool(self.date_field) and self._get_steps("date_field")[-1][1].type == "date"

    def _amount_to_sql(self, model, query):
        if not self._is_open("amount_field"):
            return SQL("NULL::numeric")
        amount = SQL("(%s)::numeric", path_to_sql(model, self.amount_field, query))
        if not self.rate_field:
            return amount
        rate = path_to_sql(model, self.rate_field, query)
        return SQL("%s / COALESCE(NULLIF(%s, 0), 1)::numeric", amount, rate)
