"""The traits by which an audience's contacts are counted: see `Trait`."""

from datetime import timedelta

from odoo import fields
from odoo.fields import Domain
from odoo.tools import SQL

from ...engine.measuring import NOTHING, WITHDRAWN
from ...engine.people_models import Today
from ...engine.trial import is_real
from ..odoo.res_partner import GROUPS

#: Table of the contacts' tags.
TAGS = "res_partner_res_partner_category_rel"
#: data tables of purchases, the preferred one first
PURCHASES = ("sale_orders", "pos_orders", "invoices")
#: Days within which an email counts for the trait `engagement`.
LATELY = 90
#: Upper bounds, in days, of the values of `age` and `purchase`; the value is its position.
SPANS = (30, 90, 365)
#: of a fact of a table of purchases: a refund, whose amount is negative, is no purchase
IS_PURCHASE = SQL("amount IS NULL OR amount >= 0")


class Trait:
    """A property of contacts with few values.

    All methods get an environment with the reader's rights, limited to the audience's company, so
    that a trait tells no more than the reader could search for.

    :ivar str name: identifies it
    :ivar ordered: its values in the order in which they are shown; without, the most frequent first
    :ivar fields: names of the fields of contacts that it reads
    :ivar type: the Python type of its values, besides None
    """

    name = None
    type = str
    ordered = ()
    fields = ()

    def may_read(self, contacts):
        """Tell whether the reader may read `fields`; other traits are shown without this one.

        :param contacts: an empty `res.partner` in the reader's environment
        """
        return all(
            contacts._has_field_access(contacts._fields[name], "read") for name in self.fields
        )

    def get_label(self, env):
        """Return the name of the trait."""
        raise NotImplementedError

    def get_note(self, env):
        """Return what to know about its figures, or False."""
        return False

    def to_sql(self, contacts, query):
        """Return SQL of a contact's value, or None if the reader can't use the trait.

        :param contacts: an empty `res.partner` in the reader's environment
        :param query: of the contacts; joins may be added
        """
        raise NotImplementedError

    def label_values(self, env, values):
        """Return {value: label}; a value without a label is not shown by itself."""
        raise NotImplementedError

    def make_lines(self, env, value):
        """Return values of `directmail.audience.line`s that keep people with a value, or [].

        The first one is combined by "and" with the lines above, as its `operator` says.
        """
        return []

    def _make_contact_line(self, env, domain):
        tables = env["directmail.data.table"]
        contacts = tables.search([("preset", "=", "contacts"), ("usable", "=", True)], limit=1)
        if not contacts:
            return []
        return [{"operator": "and", "table_id": contacts.id, "domain": domain}]


class FieldTrait(Trait):
    """A field of contacts: a relation or a selection."""

    def __init__(self, name, field=None):
        self.name = name
        self._field = field or name
        self.fields = (self._field,)
        # Values of a relation are ids of records.
        self.type = int if self._field.endswith("_id") else str

    def get_label(self, env):
        return env["res.partner"]._fields[self._field]._description_string(env)

    def to_sql(self, contacts, query):
        models = GROUPS.get(self._field)
        if models and not contacts.env[models]._get_shown(contacts.env.company).computed_at:
            return None
        return contacts._field_to_sql(query.table, self._field, query)

    def label_values(self, env, values):
        field = env["res.partner"]._fields[self._field]
        labels = {None: env._("Not set")}
        if field.type != "many2one":
            return labels | dict(field._description_selection(env))
        records = env[field.comodel_name].with_context(active_test=False)
        found = records.browse([value for value in values if value]).exists()
        readable = found._filtered_access("read")
        return labels | {record.id: record.display_name for record in readable}

    def make_lines(self, env, value):
        return self._make_contact_line(env, repr([(self._field, "=", value or False)]))


class CompanyTrait(Trait):
    """Whether the contact is a company or a person."""

    name = "company_type"
    ordered = ("company", "person")
    fields = ("is_company",)

    def get_label(self, env):
        return env._("Company or person")

    def to_sql(self, contacts, query):
        is_company = contacts._field_to_sql(query.table, "is_company", query)
        return SQL("CASE WHEN %s THEN 'company' ELSE 'person' END", is_company)

    def label_values(self, env, values):
        return dict(env["res.partner"]._fields["company_type"]._description_selection(env))

    def make_lines(self, env, value):
        return self._make_contact_line(env, repr([("is_company", "=", value == "company")]))


class TagTrait(Trait):
    """The tags of a contact. It has several values, so `count_links` counts it, not its SQL."""

    name = "tags"
    type = int
    fields = ("category_id",)

    def get_label(self, env):
        return env["res.partner"]._fields["category_id"]._description_string(env)

    def label_values(self, env, values):
        tags = env["res.partner.category"].browse([value for value in values if value]).exists()
        readable = tags._filtered_access("read")
        return {None: env._("No tag")} | {tag.id: tag.display_name for tag in readable}

    def make_lines(self, env, value):
        domain = [("category_id", "in", [value])] if value else [("category_id", "=", False)]
        return self._make_contact_line(env, repr(domain))


class AgeTrait(Trait):
    """How long ago the contact was created, in days of the reader's calendar."""

    name = "age"
    type = int
    ordered = tuple(range(len(SPANS) + 1))
    fields = ("create_date",)

    def get_label(self, env):
        return env._("Contact since")

    def to_sql(self, contacts, query):
        created = contacts._field_to_sql(query.table, "create_date", query)
        today = Today(fields.Datetime.now(), contacts.env.context.get("tz") or "UTC")
        cases = SQL(" ").join(
            SQL("WHEN %s >= %s THEN %s", created, today.begin(days, False), number)
            for number, days in enumerate(SPANS)
        )
        return SQL("CASE %s ELSE %s END", cases, len(SPANS))

    def label_values(self, env, values):
        return _label_spans(env)

    def make_lines(self, env, value):
        conditions = []
        if value < len(SPANS):
            conditions.append(f"('create_date', '>=', {self._tell_day(SPANS[value])})")
        if value:
            conditions.append(f"('create_date', '<', {self._tell_day(SPANS[value - 1])})")
        return self._make_contact_line(env, f"[{', '.join(conditions)}]")

    def _tell_day(self, days):
        return f"(context_today() - relativedelta(days={days - 1})).strftime('%Y-%m-%d')"


class PurchaseTrait(Trait):
    """How long ago the contact bought last, by the first data table of purchases that is usable."""

    name = "purchase"
    type = int
    ordered = (*range(len(SPANS) + 1), None)

    def get_label(self, env):
        return env._("Last purchase")

    def get_note(self, env):
        # sudo(): the name of a data table that the reader may use.
        return env._("By the data table %s.", self._get_table(env).sudo().name)

    def to_sql(self, contacts, query):
        env = contacts.env
        table = self._get_table(env)
        if not table:
            return None
        bought = query.make_alias(query.table, "bought")
        facts = table._select_facts(env, visible_only=False)
        # sudo(): the definition of the table; `_select_facts` reads its rows with the reader's
        # rights.
        today = Today(fields.Datetime.now(), env.context.get("tz") or "UTC")
        is_date = table.sudo()._has_mere_dates()
        cases = SQL(" ").join(
            SQL(
                "WHEN max(date) FILTER (WHERE %s) >= %s THEN %s",
                IS_PURCHASE,
                today.begin(days, is_date),
                number,
            )
            for number, days in enumerate(SPANS)
        )
        last = SQL(
            """(SELECT partner_id, CASE %s ELSE %s END AS span FROM (%s) facts GROUP BY partner_id
                HAVING count(*) FILTER (WHERE %s) > 0)""",
            cases,
            len(SPANS),
            facts,
            IS_PURCHASE,
        )
        query.add_join(
            "LEFT JOIN",
            bought,
            last,
            SQL(
                "%s = %s",
                SQL.identifier(bought, "partner_id"),
                SQL.identifier(query.table, "id"),
            ),
        )
        return SQL.identifier(bought, "span")

    def label_values(self, env, values):
        return _label_spans(env) | {None: env._("No purchase")}

    def make_lines(self, env, value):
        table = self._get_table(env)
        line = {"table_id": table.id, "operator": "and"}
        if not table:
            return []
        if table._is_open("amount_field"):
            # sudo(): the definition of the table, as in `to_sql`.
            line["domain"] = repr(["!", (table.sudo().amount_field, "<", 0)])
        if value is None:
            return [{**line, "operator": "except"}]
        lines = [{**line, "within_days": SPANS[value]} if value < len(SPANS) else line]
        if value:
            lines.append({**line, "operator": "except", "within_days": SPANS[value - 1]})
        return lines

    def _get_table(self, env):
        tables = env["directmail.data.table"].search(
            [("preset", "in", PURCHASES), ("usable", "=", True)]
        )
        dated = tables.filtered(lambda table: table._is_open("date_field"))
        return dated.sorted(lambda table: PURCHASES.index(table.preset))[:1]


class EngagementTrait(Trait):
    """What the contact did with the emails of the last `LATELY` days, machines left out.

    An email counts as in `engine.engagement`: received, and outside of a trial.

    People whose opens and clicks were not recorded have a value of their own: of them, nothing is
    known.
    """

    name = "engagement"
    ordered = ("clicked", "opened", "quiet", "unmeasured", None)

    def get_label(self, env):
        return env._("Emails of the last %s days", LATELY)

    def get_note(self, env):
        return env._("Only email tasks that you may see. Opens and clicks by machines don't count.")

    def to_sql(self, contacts, query):
        deliveries = contacts.env["directmail.delivery"]
        if not deliveries.has_access("read"):
            return None
        rules = contacts.env["ir.rule"]._compute_domain(deliveries._name, "read")
        since = fields.Datetime.now() - timedelta(days=LATELY)
        mailed = (
            Domain("company_id", "=", contacts.env.company.id)
            & Domain("state", "=", "sent")
            & Domain("outcome", "in", [False, "delivered"])
            & Domain("claimed_at", ">=", since)
            & Domain("partner_id", "!=", False)
        )
        # sudo() leaves out only the look at each person, whom the query of contacts looks at; the
        # reader's record rules are in the domain.
        found = deliveries.sudo()._search(mailed & Domain(rules))
        delivery = SQL.identifier(found.table)
        found.add_where(is_real(SQL("%s.account_id", delivery)))
        task = found.join(found.table, "task_id", "directmail_task", "id", "recorded")
        levels = SQL(
            """max(CASE WHEN %(d)s.measuring IN %(unmeasured)s THEN 1
                        WHEN %(d)s.clicked_at IS NOT NULL THEN 4
                        WHEN %(d)s.measuring IS NULL AND %(d)s.opened_at IS NOT NULL THEN 3
                        WHEN %(d)s.measuring IS NULL AND %(task)s.track_opens
                         AND %(task)s.nobody_measured IS NOT TRUE THEN 2 ELSE 1 END)""",
            d=delivery,
            task=SQL.identifier(task),
            unmeasured=(NOTHING, WITHDRAWN),
        )
        found.groupby = SQL("%s.partner_id", delivery)
        alias = query.make_alias(query.table, "mailed")
        query.add_join(
            "LEFT JOIN",
            alias,
            SQL("(%s)", found.select(SQL("%s.partner_id", delivery), SQL("%s AS level", levels))),
            SQL("%s = %s", SQL.identifier(alias, "partner_id"), SQL.identifier(query.table, "id")),
        )
        return SQL(
            """CASE %s WHEN 4 THEN 'clicked' WHEN 3 THEN 'opened' WHEN 2 THEN 'quiet'
                       WHEN 1 THEN 'unmeasured' END""",
            SQL.identifier(alias, "level"),
        )

    def label_values(self, env, values):
        return {
            "clicked": env._("Clicked"),
            "opened": env._("Opened, not clicked"),
            "quiet": env._("Neither opened nor clicked"),
            "unmeasured": env._("Not recorded"),
            None: env._("No email"),
        }


def _label_spans(env):
    labels = {0: env._("The last %s days", SPANS[0])}
    for number in range(1, len(SPANS)):
        labels[number] = env._(
            "%(first)s to %(last)s days ago", first=SPANS[number - 1], last=SPANS[number]
        )
    labels[len(SPANS)] = env._("More than %s days ago", SPANS[-1])
    return labels


#: All traits, in the order in which they are shown.
TRAITS = (
    FieldTrait("country", "country_id"),
    FieldTrait("lang"),
    CompanyTrait(),
    FieldTrait("rfm", "directmail_rfm_type"),
    FieldTrait("aipl", "directmail_aipl_stage"),
    TagTrait(),
    FieldTrait("salesperson", "user_id"),
    AgeTrait(),
    PurchaseTrait(),
    EngagementTrait(),
)
TRAIT_OF = {trait.name: trait for trait in TRAITS}
