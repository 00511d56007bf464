"""Read the fatigue rules of a company that are in force now, and the people exempt from them."""

from dataclasses import dataclass, field
from datetime import date

from odoo.tools import SQL

from ..clock.quiet import Hours, Period, QuietTimes
from ..clock.spans import LONGEST_FIRST, SPANS
from .sql import address_key

SCOPES = ("email", "global")


@dataclass(frozen=True)
class Limit:
    """At most ``number`` messages to a person within a window.

    :ivar code: scope and span, such as "email_day", as in the field `fatigue_rule`
    """

    code: str
    number: int

    @property
    def window(self):
        """The length of the span in which messages are counted, as `SPANS` has it."""
        return SPANS[self.code.partition("_")[2]].length

    @property
    def is_global(self):
        """Whether Odoo's own mailings and SMS count, too, not only our emails."""
        return self.code.startswith("global")


@dataclass(frozen=True)
class FatigueRules:
    """The fatigue rules for the people of one company; false without limits and quiet times.

    :ivar by_contact: whether limits count by contact instead of by address
    :ivar by_recipient: whether quiet times follow the recipient's time zone, not the account's
    :ivar trust_contact_tz: whether the contact's `tz` counts before that of its country
    :ivar sms_models: (model, table) of the models in Odoo's SMS traces: see `find_sms_models`
    """

    company_id: int
    limits: tuple = ()
    by_contact: bool = False
    quiet: QuietTimes = field(default_factory=QuietTimes)
    by_recipient: bool = False
    trust_contact_tz: bool = False
    exempt_partners: tuple = ()
    exempt_keys: tuple = ()  # of addresses in clear
    exempt_encrypted: tuple = ()  # address keys of encrypted ones; see `engine.exclusion` for why
    sms_models: tuple = ()

    def __bool__(self):
        return bool(self.limits or self.quiet)


def read_rules(env, context, company_id):
    """Return the rules in force, and the database's time, so that all servers judge by one clock.

    :param PeopleContext context: how to find people and addresses
    :return: (rules, naive UTC)
    :rtype: tuple[FatigueRules, datetime.datetime]
    """
    [(at, settings)] = env.execute_query(
        SQL(
            "SELECT statement_timestamp() AT TIME ZONE 'UTC', %s",
            select_settings(SQL("%s", company_id)),
        )
    )
    return make_rules(env, context, company_id, settings), at


def select_settings(company):
    """Return SQL of a scalar subquery with the JSON settings that `make_rules` reads.

    :param SQL company: id of the company
    """
    return SQL(
        """(SELECT json_build_object(
                'id', f.id, 'identity', f.identity, 'zone', f.zone,
                'trust_contact_tz', f.trust_contact_tz,
                'exempt', f.exempt_suspended IS NOT TRUE AND EXISTS (
                    SELECT 1 FROM directmail_fatigue_exempt_rel r WHERE r.fatigue_id = f.id),
                'limits', (
                    SELECT json_agg(json_build_array(r.span, r.email_limit, r.global_limit))
                      FROM directmail_fatigue_rule r WHERE r.fatigue_id = f.id),
                'hours', (
                    SELECT json_agg(json_build_array(h.begin, h.finish, h.action) ORDER BY h.id)
                      FROM directmail_quiet_hours h WHERE h.fatigue_id = f.id),
                'periods', (
                    SELECT json_agg(json_build_array(p.first_day, p.last_day, p.action)
                                    ORDER BY p.id)
                      FROM directmail_quiet_period p WHERE p.fatigue_id = f.id))
              FROM directmail_fatigue f WHERE f.company_id = %s)""",
        company,
    )


def make_rules(env, context, company_id, settings):
    """Return the rules in force in a company.

    :param PeopleContext context: how to find people and addresses
    :param dict settings: the result of `select_settings`, or None
    :rtype: FatigueRules
    """
    if not settings:
        return FatigueRules(company_id)
    rules = FatigueRules(
        company_id,
        limits=_read_limits(settings["limits"] or ()),
        by_contact=settings["identity"] == "contact",
        quiet=QuietTimes(
            tuple(
                Hours(_minute(begin), _minute(finish), action == "drop")
                for begin, finish, action in settings["hours"] or ()
            ),
            tuple(
                Period(date.fromisoformat(first), date.fromisoformat(last), action == "drop")
                for first, last, action in settings["periods"] or ()
            ),
        ),
        by_recipient=settings["zone"] == "recipient",
        trust_contact_tz=bool(settings["trust_contact_tz"]),
    )
    return _complete(env, context, rules, settings) if rules else rules


def _read_limits(rows):
    numbers = {span: (email, all_kinds) for span, email, all_kinds in rows}
    return tuple(
        Limit(f"{scope}_{span}", int(number))
        for span in LONGEST_FIRST
        for scope, number in zip(SCOPES, numbers.get(span, (0, 0)), strict=True)
        if number
    )


def _minute(hours):
    return round(hours * 60) % (24 * 60)


def _complete(env, context, rules, settings):
    """Return the rules with exempt people and SMS models, each queried only if it can matter."""
    found = {}
    if settings["exempt"]:
        people = _read_exempt(env, context.get_master_key(env), settings["id"])
        found["exempt_partners"] = tuple(row[0] for row in people if row[0])
        found["exempt_keys"] = tuple(row[1] for row in people if row[1] and not row[2])
        found["exempt_encrypted"] = tuple(row[1] for row in people if row[1] and row[2])
    if any(limit.is_global for limit in rules.limits):
        found["sms_models"] = find_sms_models(env)
    return FatigueRules(**{**vars(rules), **found})


def count_exempt(env, fatigue_id):
    """Return the number of people on an exempt list, counted in SQL."""
    return env.execute_query(
        SQL(
            """SELECT count(*) FROM (
                    SELECT DISTINCT m.partner_id,
                           CASE WHEN m.partner_id IS NULL THEN m.address_key END,
                           m.email_encrypted IS NOT NULL
                      FROM directmail_audience_member m
                      JOIN directmail_fatigue_exempt_rel r ON r.audience_id = m.audience_id
                     WHERE r.fatigue_id = %s
               ) AS people""",
            fatigue_id,
        )
    )[0][0]


def _read_exempt(env, master_key, fatigue_id):
    """Return the people on an exempt list.

    :return: [(contact id or None, address key or None, whether the address is encrypted)]
    """
    return env.execute_query(
        SQL(
            """SELECT DISTINCT m.partner_id, CASE WHEN m.partner_id IS NULL THEN m.address_key
                                   WHEN p.email_normalized IS NOT NULL THEN %s END,
                      m.email_encrypted IS NOT NULL
                 FROM directmail_audience_member m
                 JOIN directmail_fatigue_exempt_rel r ON r.audience_id = m.audience_id
            LEFT JOIN res_partner p ON p.id = m.partner_id
                WHERE r.fatigue_id = %s""",
            address_key(master_key, SQL("p.email_normalized")),
            fatigue_id,
        )
    )


def find_sms_models(env):
    """Return (model, table) of each mailing model with sent SMS that is or links to a contact."""
    candidates = [
        name
        for name, model in env.registry.items()
        if getattr(model, "_mailing_enabled", False)
        and (name == "res.partner" or _leads_to_contact(model))
    ]
    rows = env.execute_query(
        SQL(
            """SELECT name FROM unnest(%s) AS name WHERE EXISTS (
                SELECT 1 FROM mailing_trace
                 WHERE model = name AND trace_type = 'sms' AND sent_datetime IS NOT NULL
                   AND is_test_trace IS NOT TRUE)""",
            candidates,
        )
    )
    return tuple((name, env[name]._table) for (name,) in sorted(rows))


def _leads_to_contact(model):
    found = model._fields.get("partner_id")
    return bool(found and found.store and found.comodel_name == "res.partner")
