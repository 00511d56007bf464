from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ...engine.audience import Line
from ...engine.paths import steps
from ...engine.people_models import Today
from ...engine.person import PERSON, person_columns
from ...engine.technical import ABOUT_PEOPLE

CONTACTS = frozenset(("contact",))
EVERYBODY = frozenset(("contact", "record", "address", "encrypted"))
SUBSCRIPTION = "mailing.subscription"
#: models whose records stand for subscribers of Odoo's mailing lists
SUBSCRIBERS = ("mailing.contact", SUBSCRIPTION)


class DirectmailAudienceLine(models.Model):
    """The SQL of lines: of the kinds that need no file of their own, and what all kinds share.

    ``_select_<kind>(env)`` returns SQL with the columns `engine.person.PERSON_COLUMNS`,
    evaluated with the rights of the user of ``env``. It may return a person several times, and
    contacts that the user may not see or that are archived: `engine.audience.select_people` removes
    both once for the whole audience.
    """

    _inherit = "directmail.audience.line"

    def _as_line(self, env):
        """Return the line as an `engine.audience.Line`.

        :param env: the environment whose user's rights apply, limited to the audience's company
        :raise UserError: (or a subclass) if the line can't be used, with the reason
        """
        self.ensure_one()
        # sudo() to read the line itself; its people are selected with the rights of `env`'s user.
        line = self.sudo()
        if line.kind == "group":
            lines = tuple(child._as_line(env) for child in line.child_ids.sorted("sequence"))
            if not lines:
                raise UserError(self.env._("A group has no lines. Add some, or remove the group."))
            return Line(line.operator, lines=lines)
        if line._is_limited():
            people = line._select_limited(env)
            return Line(line.operator, people, None, line._get_sorts(), True, True)
        where = line._get_where(env)
        return Line(
            line.operator,
            None if where else getattr(line, f"_select_{line.kind}")(env),
            where,
            line._get_sorts(),
            line._finds_visible_only(env),
            line._finds_each_once(),
        )

    def _get_where(self, env):
        """Return the line as a condition on a row of `res_partner`, if it can be written as one.

        Only a line on a data table whose rows are the contacts can, without a count or an amount.

        :rtype: SQL or None
        """
        table = self.table_id
        if self.kind != "table" or table.partner_path != "id" or table.email_path:
            return None
        if self._get_having(env):
            return None
        return table._get_where(env, self._get_table_domain(env), future=self._takes_out())

    def _get_sorts(self):
        """Return the sorts of people, keys of `engine.audience.KEYS`, that the line can find."""
        if self.kind in ("table", "list"):
            sorts = ["contact"] * bool(self.table_id.partner_path)
            return frozenset(sorts + ["record"] * bool(self.table_id.email_path))
        # A query decides: most lines find contacts only, which makes the audience's SQL cheaper.
        return EVERYBODY if self._finds_others_than_contacts() else CONTACTS

    def _finds_others_than_contacts(self):
        """Tell whether a line that is not on a data table may find people other than contacts.

        A kind that may find others answers by a method `_finds_others_<kind>`; without one, the
        answer is no.
        """
        return getattr(self, f"_finds_others_{self.kind}", bool)()

    def _finds_others_audience(self):
        return self.source_id._has_others_than_contacts()

    def _finds_visible_only(self, env):
        """Tell whether the line's SQL excludes archived contacts, and those hidden from the owner.

        It does for similar contacts, and for a table whose rows are the contacts, unless the table
        is open to marketing users (`is_open`): such a table is not read with the owner's rights. A
        filter on `active`, such as *Include archived* in a list, finds archived contacts, too.
        """
        if self.kind == "similar":
            return True
        table = self.table_id
        if self.kind not in ("table", "list") or table.partner_path != "id":
            return False
        if table.with_env(env)._get_setting().is_open:
            return False
        domain = table._get_base_domain()
        if self.kind == "table":
            domain &= self._get_domain(env)
        return all(condition.field_expr != "active" for condition in domain.iter_conditions())

    def _finds_each_once(self):
        """Tell whether the line returns each contact once. Used only if it finds contacts only.

        A kind whose SQL returns each contact once says so by a method `_finds_once_<kind>`; without
        one, duplicates are removed.
        """
        return getattr(self, f"_finds_once_{self.kind}", bool)()

    def _finds_once_table(self):
        # `_group_people` groups rows by person if they are counted or their amounts added up.
        grouped = self.min_count > 1 or self.min_amount
        return self._finds_once_list() or bool(grouped and not self.table_id.email_path)

    def _finds_once_list(self):
        table = self.table_id
        is_about = table.model_name in ABOUT_PEOPLE and table.partner_path == "partner_id"
        return (is_about or table.partner_path == "id") and not table.email_path

    def _finds_once_audience(self):
        return True

    # === KINDS === #

    def _select_table(self, env):
        if not self.table_id:
            raise UserError(
                env._("The data table of a line was removed. Choose another, or remove the line.")
            )
        facts = self.table_id._select_facts(
            env, self._get_table_domain(env), visible_only=False, future=self._takes_out()
        )
        return self._group_people(facts, self._get_having(env))

    def _select_list(self, env):
        if not self.table_id:
            raise UserError(
                env._(
                    "The data table of a line was removed, so its selected records are no longer"
                    " known. Remove the line."
                )
            )
        picked = SQL(
            "SELECT res_id FROM directmail_audience_pick WHERE line_id = %s", self._origin.id or 0
        )
        if self._takes_out():
            # An archived record that was chosen for exclusion must go on excluding its person.
            env = env(context={**env.context, "active_test": False})
        facts = self.table_id._select_facts(
            env, Domain("id", "any", picked), visible_only=False, future=True
        )
        return self._group_people(facts)

    def _select_audience(self, env):
        source = self._get_source(env)
        return self._select_readable(
            env,
            SQL(
                "SELECT %s FROM directmail_audience_member m WHERE audience_id = %s AND %s",
                PERSON,
                source.id,
                self._may_see_bare(source.env["directmail.audience.member"], "audience_id", source),
            ),
        )

    # === PARTS === #

    def _get_source(self, env):
        """Return the audience that the line selects people by, in the owner's environment.

        :raise UserError: if it was removed
        :raise AccessError: if the owner may not read it
        """
        source = self.source_id.with_env(env)
        if not source:
            raise UserError(
                env._("The audience of a line was removed. Choose another, or remove the line.")
            )
        if not source.has_access("read"):
            raise AccessError(
                env._(
                    "The audience of a line is private and belongs to another user. Choose another"
                    " audience, or remove the line."
                )
            )
        return source

    def _get_table_domain(self, env):
        """Return the condition on rows of the data table: the filter, and `within_days`."""
        domain = self._get_domain(env)
        return domain & self._get_period(env) if self.within_days else domain

    def _get_having(self, env):
        """Return the HAVING conditions of `min_count` and `min_amount` on a person's rows."""
        having = []
        if self.min_count > 1:
            having.append(SQL("count(*) >= %s", self.min_count))
        if self.min_amount:
            self._check_amount(env)
            having.append(SQL("sum(amount) >= %s", self.min_amount))
        return having

    def _takes_out(self):
        """Tell whether the line excludes its people, with the operators of its groups applied.

        An excluding line also counts records dated in the future, so that it excludes too many
        people rather than too few.
        """
        # sudo() reads only operators and the order of lines, which `_as_line` evaluates.
        taken, line = False, self.sudo()
        while line:
            lines = line.parent_id.child_ids or line.audience_id._get_top_lines()
            is_first = line == lines.sorted("sequence")[:1]  # its operator is ignored
            taken ^= line.operator == "except" and not is_first
            line = line.parent_id
        return taken

    def _group_people(self, facts, having=()):
        """Return SQL that selects the people of ``facts`` who meet all ``having`` conditions.

        :param SQL facts: as `directmail.data.table._select_facts` returns them
        :param having: as `_get_having` returns them; if empty, a person may be returned repeatedly
        """
        if self.table_id.email_path:
            found = ("partner_id", "res_model", "res_id", "email")
        else:
            found = ("partner_id",)
        group = SQL()
        if having:
            names = SQL(", ").join(map(SQL.identifier, found))
            group = SQL("GROUP BY %s HAVING %s", names, SQL(" AND ").join(having))
        return SQL("SELECT %s FROM (%s) facts %s", person_columns(*found), facts, group)

    def _check_amount(self, env):
        # sudo() reads the definition of the table; `_check_open` checks the rights of `env`'s user.
        table = self.table_id.sudo()
        if not table.amount_field:
            raise UserError(
                env._(
                    "The data table %s has no amount. Set the minimum total amount to 0, or choose"
                    " another data table.",
                    table.name,
                )
            )
        table.with_env(env)._check_open("amount_field")

    def _get_period(self, env):
        """Return the condition that a row's date is within the last `within_days`, today included.

        Days begin at midnight in the owner's time zone. Dates in the future are not excluded here,
        but by the data table (`_get_happened`).

        :raise UserError: if the data table has no date
        """
        # sudo() reads the definition of the table, whose rows `_select_facts` and `_get_where` read
        # with the rights of `env`'s user.
        table = self.table_id.sudo()
        if not table.date_field:
            raise UserError(
                env._(
                    "The data table %s has no date. Set the period to 0, or choose another data"
                    " table.",
                    table.name,
                )
            )
        today = Today(fields.Datetime.now(), env.context.get("tz") or "UTC")
        begin = today.begin(self.within_days, table._has_mere_dates())
        return Domain(table.date_field, ">=", begin)

    def _may_see_bare(self, people, column, source):
        """Return the condition on rows `m` that the user may see them if they are bare addresses.

        So a user neither gets nor finds out by counting the addresses that a colleague uploaded.

        :param people: the model of the rows, in the user's environment
        :param str column: the field of the rows that refers to ``source``
        :param source: the audience or email task from which the line takes its people
        :raise UserError: if the line excludes its people, and ``source`` has bare addresses that
            the user may not see: excluding only the others would mail people who were meant to be
            excluded
        """
        bare = people._bare_to_sql(SQL.identifier("m"))
        if self._takes_out() and self.env.execute_query(
            SQL(
                """SELECT FROM %s m WHERE %s = %s AND partner_id IS NULL AND res_id IS NULL
                      AND address_key IS NOT NULL AND (%s) IS NOT TRUE LIMIT 1""",
                SQL.identifier(people._table),
                SQL.identifier("m", column),
                source.id,
                bare,
            )
        ):
            raise UserError(
                people.env._(
                    "%s contains addresses that a colleague uploaded, so a line can't exclude its"
                    " people. Choose the audience under Except on the email task instead.",
                    source.display_name,
                )
            )
        return SQL("(m.partner_id IS NOT NULL OR m.res_id IS NOT NULL OR %s)", bare)

    def _select_readable(self, env, people):
        """Return SQL of ``people`` without source records that the owner may not read.

        A record that has a contact by now, such as a converted lead, counts as the contact.
        """
        if self._get_sorts() == CONTACTS:
            return people
        tables = self.env["directmail.data.table"]
        readable = tables._select_readable(env, people)
        converted = tables._select_converted(env)
        if not converted:
            return readable
        return SQL(
            """%s UNION ALL
               SELECT %s FROM (%s) people JOIN (%s) converted USING (res_model, res_id)
                WHERE people.partner_id IS NULL""",
            readable,
            person_columns("partner_id", alias="converted"),
            people,
            converted,
        )

    # === WHERE PEOPLE COME FROM === #

    def _get_taking_lines(self, seen):
        """Return these lines and those behind them that add people, without groups.

        :param seen: ids of audiences that were visited already
        """
        found = self.browse()
        for number, line in enumerate(self.sorted("sequence")):
            if number and line.operator == "except":
                continue
            if line.kind == "group":
                found |= line.child_ids._get_taking_lines(seen)
            elif line.kind == "audience":
                found |= line.source_id._get_taking_lines(seen)
            else:
                found |= line
        return found

    def _get_mailing_lists(self):
        """Return the mailing lists from which these lines take people."""
        # sudo(): see `directmail.audience._get_mailing_lists`.
        lists = self.snapshot_id._get_mailing_lists()
        for line in self.filtered(lambda line: line.kind in ("table", "list")):
            if line.table_id.model_name in SUBSCRIBERS:
                lists |= line._get_lists_of_table()
        return lists

    def _get_lists_of_table(self):
        """Return the lists that a line's filter on `SUBSCRIBERS` names; all, if it names none."""
        table, subscriptions = self.table_id, self.env[SUBSCRIPTION].sudo()
        try:
            domain = table._get_base_domain()
            if self.kind == "table":
                domain &= self._get_domain(self.env)
        except UserError:
            return subscriptions.list_id  # empty; a refresh reports the error in the filter
        # sudo(): as in `_get_mailing_lists`.
        named = list(_named_lists(table._get_model(self.env).sudo(), domain))
        domain = Domain.OR(named) if named else Domain.TRUE
        [(lists,)] = subscriptions._read_group(domain, [], ["list_id:recordset"])
        return lists


def _named_lists(model, domain):
    """Yield domains on `mailing.subscription` for the lists that a filter on `SUBSCRIBERS` names.

    Negative conditions are skipped: they name lists whose subscribers are not wanted.
    """
    for condition in Domain(domain).iter_conditions():
        operator = condition.operator
        if operator in Domain.NEGATIVE_OPERATORS:
            continue
        fields = [field for _model, field in steps(model, condition.field_expr)]
        names = condition.field_expr.split(".")
        for number, field in enumerate(fields):
            if field.comodel_name == "mailing.list":
                path = ".".join(("list_id", *names[number + 1 :]))
                yield Domain(path, operator, condition.value)
                break
        else:
            if fields[-1].comodel_name in SUBSCRIBERS and operator.rstrip("!").endswith("any"):
                yield from _named_lists(model.env[fields[-1].comodel_name], condition.value)


class DirectmailAudiencePick(models.Model):
    """The id of a record that was chosen by hand for a line of an audience.

    Each refresh checks, with the rights of the audience's owner, whether its person may be seen.
    """

    _name = "directmail.audience.pick"
    _description = "Selected Record"
    _log_access = False

    line_id = fields.Many2one(
        "directmail.audience.line", required=True, readonly=True, ondelete="cascade"
    )
    res_id = fields.Integer("Record", required=True, readonly=True)

    _record_unique = models.Constraint("UNIQUE(line_id, res_id)")

    @api.ondelete(at_uninstall=False)
    def _unlink_with_owner(self):
        self.line_id.audience_id._on_lines_changed()

    def _add(self, line, records):
        """Add records to a line, except those that the line has already.

        :param SQL records: selects ids of records of the line's model
        :return: the number of records added
        :rtype: int
        """
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_audience_pick (line_id, res_id)
                   SELECT %s, id FROM (%s) AS records(id)
                       ON CONFLICT (line_id, res_id) DO NOTHING""",
                line.id,
                records,
            )
        )
        added = self.env.cr.rowcount
        line.invalidate_recordset()
        if added:
            line.audience_id._mark_changed()
        return added

    @api.model
    def _move(self, merged, kept):
        """Replace merged records in all lines by the record that they are merged into.

        :param merged: records that are about to be deleted
        :param kept: the record of the same model that remains
        """
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """WITH gone AS (
                       DELETE FROM directmail_audience_pick p
                        USING directmail_audience_line r, directmail_data_table t
                        WHERE r.id = p.line_id AND t.id = r.table_id AND t.model_name = %(model)s
                          AND p.res_id = ANY(%(merged)s)
                    RETURNING p.line_id)
                   INSERT INTO directmail_audience_pick (line_id, res_id)
                   SELECT DISTINCT line_id, %(kept)s FROM gone
                       ON CONFLICT (line_id, res_id) DO NOTHING
                RETURNING id""",
                model=kept._name,
                merged=merged.ids,
                kept=kept.id,
            )
        )
        if rows:
            self.env["directmail.audience.line"].invalidate_model()
