from odoo import fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import SQL

from ...engine.audience import Line
from ...engine.paths import steps
from ...engine.people_models import Today

CONTACTS = frozenset(("contact",))
EVERYBODY = frozenset(("contact", "record", "address", "encrypted"))
#: what a task's deliveries must be for a person to be in the line
RESULT_CONDITIONS = {
    "delivered": SQL("outcome = 'delivered'"),
    "failed": SQL("outcome = 'failed'"),
    "invalid": SQL("outcome = 'invalid'"),
    "spam": SQL("outcome = 'spam'"),
    "opened": SQL("opened_at IS NOT NULL"),
    "clicked": SQL("clicked_at IS NOT NULL"),
    # Whoever never got the mail could not open it.
    "not_opened": SQL("COALESCE(outcome, 'delivered') = 'delivered' AND opened_at IS NULL"),
    "not_clicked": SQL("COALESCE(outcome, 'delivered') = 'delivered' AND clicked_at IS NULL"),
    "converted": SQL("converted_at IS NOT NULL"),
}
SUBSCRIPTION = "mailing.subscription"
#: records that stand for readers of Odoo's mailing lists
READERS = ("mailing.contact", SUBSCRIPTION)


class DirectmailAudienceRule(models.Model):
    """What each kind of line selects.

    ``_select_<kind>(env)`` returns SQL of the six columns of a person, with the rights of the
    user of ``env``. It may select a person several times, and contacts that the user may not see
    or that are archived: those are taken out at the end, once.
    """

    _inherit = "directmail.audience.rule"

    def _as_line(self, env):
        """Return the line as `engine.audience` reads it.

        :param env: the owner's, limited to the audience's company
        :raise UserError: (or a subclass) if the line can't be used, saying why
        """
        self.ensure_one()
        rule = self.sudo()
        if rule.kind == "group":
            lines = tuple(child._as_line(env) for child in rule.child_ids.sorted("sequence"))
            if not lines:
                raise UserError(self.env._("A group has no lines. Add some, or remove the group."))
            return Line(rule.operator, lines=lines)
        where = rule._get_where(env)
        return Line(
            rule.operator,
            None if where else getattr(rule, f"_select_{rule.kind}")(env),
            where,
            rule._get_sorts(),
            rule._finds_visible_only(env),
            rule._finds_each_once(),
        )

    def _get_where(self, env):
        """Return the line as a condition on contacts themselves, or None if it is more than that.

        :rtype: SQL or None
        """
        table = self.table_id
        if self.kind != "table" or table.partner_path != "id" or table.email_path:
            return None
        if self._get_having(env):
            return None
        return table._get_where(env, self._get_table_domain(env), future=self._takes_out())

    def _get_sorts(self):
        """Return the sorts of people that the line can find (see `engine.audience`)."""
        if self.kind in ("table", "list"):
            sorts = ["contact"] * bool(self.table_id.partner_path)
            return frozenset(sorts + ["record"] * bool(self.table_id.email_path))
        # Nearly always there are contacts only, and much less is to do.
        return EVERYBODY if self._finds_others_than_contacts() else CONTACTS

    def _finds_others_than_contacts(self):
        """Tell whether the line, not being one over a data table, may find other people too.

        A kind that may has a method `_finds_others_<kind>`.
        """
        return getattr(self, f"_finds_others_{self.kind}", bool)()

    def _finds_others_audience(self):
        return self.source_id._has_others_than_contacts()

    def _finds_others_task(self):
        deliveries = self.env["directmail.delivery"]
        others = [("task_id", "=", self.task_id.id), ("partner_id", "=", False)]
        return bool(deliveries.search_count(others, limit=1))

    def _finds_visible_only(self, env):
        """Tell whether the line itself leaves out contacts that the owner may not see."""
        return (
            self.kind in ("table", "list")
            and self.table_id.partner_path == "id"
            and not self.table_id.with_env(env)._get_setting().is_open
        )

    def _finds_each_once(self):
        """Tell whether the line, where it finds only contacts, finds none of them twice."""
        if self.kind in ("table", "list"):
            # Rows are grouped by who they speak of, where they are counted or added up.
            grouped = self.kind == "table" and (self.min_count > 1 or self.min_amount)
            return not self.table_id.email_path and (grouped or self.table_id.partner_path == "id")
        return self.kind in ("audience", "rfm", "aipl")

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
                env._("The data table of a line was removed, and with it whom it listed.")
            )
        picked = SQL(
            "SELECT res_id FROM directmail_audience_pick WHERE rule_id = %s", self._origin.id or 0
        )
        if self._takes_out():
            # A record that was chosen to be left out stays so when it is archived.
            env = env(context={**env.context, "active_test": False})
        facts = self.table_id._select_facts(
            env, Domain("id", "any", picked), visible_only=False, future=True
        )
        return self._group_people(facts)

    def _select_audience(self, env):
        source = self.source_id.with_env(env)
        if not source:
            raise UserError(
                env._("The audience of a line was removed. Choose another, or remove the line.")
            )
        if not source.has_access("read"):
            raise AccessError(
                env._(
                    "The audience of a line is private to somebody else. Choose another, or remove"
                    " the line."
                )
            )
        return self._select_readable(
            env,
            SQL(
                """SELECT partner_id, res_model, res_id, email, email_encrypted, address_key
                     FROM directmail_audience_member m WHERE audience_id = %s AND %s""",
                source.id,
                self._is_told(source.env["directmail.audience.member"], "audience_id", source),
            ),
        )

    def _select_task(self, env):
        task = self.task_id.with_env(env)
        if not task or not self.task_result:
            raise UserError(
                env._("The email task of a line was removed. Choose another, or remove the line.")
            )
        if not task.has_access("read"):
            raise AccessError(env._("The email task of a line is somebody else's."))
        if task.sudo().details_removed_at:
            raise UserError(
                env._(
                    "Who got the email task %s is no longer on record. Choose another, or remove"
                    " the line.",
                    task.name,
                )
            )
        return self._select_readable(
            env,
            SQL(
                """SELECT partner_id, res_model, res_id, email, email_encrypted, address_key
                     FROM directmail_delivery m
                    WHERE task_id = %s AND %s AND %s %s""",
                task.id,
                get_result_condition(self.task_result, self.link_id.id),
                self._is_told(task.env["directmail.delivery"], "task_id", task),
                # A contact that was deleted would come back as a bare address.
                SQL()
                if self._takes_out()
                else SQL("AND (partner_id IS NOT NULL OR is_contact IS NOT TRUE)"),
            ),
        )

    # === PARTS === #

    def _get_table_domain(self, env):
        """Return which rows of the data table count: the filter, and lately enough."""
        domain = self._get_domain(env)
        return domain & self._get_period(env) if self.within_days else domain

    def _get_having(self, env):
        """Return the conditions on all of a person's rows: often enough, and enough in all."""
        having = []
        if self.min_count > 1:
            having.append(SQL("count(*) >= %s", self.min_count))
        if self.min_amount:
            self._check_amount(env)
            having.append(SQL("sum(amount) >= %s", self.min_amount))
        return having

    def _takes_out(self):
        """Tell whether whoever the line finds gets no mail, groups around it considered.

        Then records of the future count too: nobody is mailed because of a date to come.
        """
        taken, line = False, self.sudo()
        while line:
            lines = line.parent_id.child_ids or line.audience_id._get_top_rules()
            is_first = line == lines.sorted("sequence")[:1]  # whose operator is of no account
            taken ^= line.operator == "except" and not is_first
            line = line.parent_id
        return taken

    def _group_people(self, facts, having=()):
        """Return the people of a data table's facts, those of whom ``having`` is true."""
        if self.table_id.email_path:
            columns = SQL("partner_id, res_model, res_id, email")
            person = SQL("1, 2, 3, 4")
        else:
            columns = SQL("partner_id, NULL::varchar AS res_model, NULL::int AS res_id,"
                          " NULL::text AS email")  # fmt: skip
            person = SQL("1")
        return SQL(
            """SELECT %s, NULL::text AS email_encrypted, NULL::text AS address_key
                 FROM (%s) facts %s""",
            columns,
            facts,
            SQL("GROUP BY %s HAVING %s", person, SQL(" AND ").join(having)) if having else SQL(),
        )

    def _check_amount(self, env):
        table = self.table_id.sudo()
        if not table.amount_field:
            raise UserError(env._("The data table %s has no amount.", table.name))
        table.with_env(env)._check_open("amount_field")

    def _get_period(self, env):
        """Return the condition that it happened within the last days, today included.

        Days are those of the owner's time zone. That it has happened at all is for the table to
        say.
        """
        table = self.table_id.sudo()
        if not table.date_field:
            raise UserError(env._("The data table %s has no date.", table.name))
        today = Today(fields.Datetime.now(), env.context.get("tz") or "UTC")
        begin = today.begin(self.within_days, table._has_mere_dates())
        return Domain(table.date_field, ">=", begin)

    def _is_told(self, people, column, source):
        """Return the condition on rows `m` that the user sees their bare addresses.

        So nobody gets, or finds out by counting, what a colleague has uploaded.

        :param people: the model of the rows, in the user's environment
        :param str column: the field that leads to `source`
        :param source: the audience or email task that the line takes its people from
        :raise UserError: if others would have to be left out, but can't be told
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
                    "%s has addresses that a colleague uploaded, so a line can't leave out its"
                    " people. Choose the audience under Except of the email task instead.",
                    source.display_name,
                )
            )
        return SQL("(m.partner_id IS NOT NULL OR m.res_id IS NOT NULL OR %s)", bare)

    def _select_readable(self, env, people):
        """Return people without those records of other models that the owner may not read."""
        if self._get_sorts() == CONTACTS:
            return people
        return self.env["directmail.data.table"]._select_readable(env, people)

    # === MAILING LISTS === #
    # Which of Odoo's mailing lists a line chooses people from.

    def _get_mailing_lists(self, seen):
        """Return the mailing lists that lines choose people from."""
        lists = self.env["mailing.list"].sudo()
        for number, rule in enumerate(self.sorted("sequence")):
            if number and rule.operator == "except":
                continue
            if rule.kind == "group":
                lists |= rule.child_ids._get_mailing_lists(seen)
            elif rule.kind == "audience":
                lists |= rule.source_id._get_mailing_lists(seen)
            elif rule.kind in ("table", "list") and rule.table_id.model_name in READERS:
                lists |= rule._get_lists_of_table()
        return lists

    def _get_lists_of_table(self):
        """Return the lists that the filters of a line on readers name; all of them if none."""
        table, subscriptions = self.table_id, self.env[SUBSCRIPTION].sudo()
        try:
            domain = table._get_base_domain()
            if self.kind == "table":
                domain &= self._get_domain(self.env)
        except UserError:
            return subscriptions.list_id  # none: the line can't be refreshed, and says so itself
        named = list(_named_lists(table._get_model(self.env).sudo(), domain))
        domain = Domain.OR(named) if named else Domain.TRUE
        [(lists,)] = subscriptions._read_group(domain, [], ["list_id:recordset"])
        return lists


def get_result_condition(result, link_id=False):
    """Return the condition on deliveries of an email task that had a result.

    :param str result: one of `RESULT_CONDITIONS`
    :param int link_id: of the `directmail.link` that people clicked; False: any
    :rtype: SQL
    """
    condition = RESULT_CONDITIONS[result]
    if result == "clicked" and link_id:
        condition = SQL(
            """id IN (SELECT delivery_id FROM directmail_event
                       WHERE link_id = %s AND kind = 'click' AND machine IS NOT TRUE)""",
            link_id,
        )
    return SQL("state = 'sent' AND %s", condition)


def _named_lists(model, domain):
    """Yield filters on subscriptions for the mailing lists that a filter on readers asks for."""
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
            if fields[-1].comodel_name in READERS and operator.rstrip("!").endswith("any"):
                yield from _named_lists(model.env[fields[-1].comodel_name], condition.value)
