"""Fatigue: whether a person may be mailed at a moment, for the plan, the estimate and claims."""

import json
from collections import namedtuple

import pytz

from odoo.fields import Datetime
from odoo.tools import SQL

from ..clock.quiet import Hours, QuietTimes, country_zones, quiet_clock
from ..clock.spans import LONGEST
from .control import get_control_reason
from .fatigue_rules import FatigueRules, find_sms_models
from .idn import other_spelling
from .mailing_consent import get_mailing_reason
from .preferences import get_wish_reason
from .sql import changing_reason

# Condition on deliveries that count as sent. It must read exactly as in the partial indexes of
# `directmail.delivery`, or PostgreSQL would not use them.
COUNTED = "state IN ('sending', 'unknown', 'sent') AND uncounted IS NOT TRUE"


TaskRules = namedtuple(
    "TaskRules",
    "company_id sender_id is_free not_after zone lists is_encrypted aes_reference has_records"
    " except_ids content_id control version_contents mailing wishes"
    " exits hours",
    defaults=(None, None, None, None, None, None, None),
)
TaskRules.__doc__ = """The properties of a task that decide whether its people may be mailed.

:ivar int sender_id: of its `directmail.sender`, or None
:ivar is_free: whether the task is exempt from limits and quiet times: a notification, or one that
    ignores fatigue control
:ivar not_after: the last moment at which its mails may be sent (naive UTC), or None
:ivar zone: name of the time zone of the account
:ivar lists: ids of the mailing lists whose opt-outs count
:ivar is_encrypted: whether contacts are mailed at their encrypted addresses
:ivar aes_reference: reference of the company's present AES key, which marks the addresses that were
    decrypted with it; None without a key
:ivar has_records: whether some of its people are not contacts
:ivar except_ids: ids of the *Except* audiences, whose people are left out
:ivar content_id: id of the `directmail.family.content` that it sends; None outside of a family
:ivar control: its control groups: see `engine.control.select_groups`; None without any
:ivar version_contents: {letter: the same of a version}, instead of `content_id`; None if no
    follow-up sends the content of a version
:ivar mailing: the rules of its purpose: see `engine.mailing_consent.select_purpose`; None without
:ivar wishes: whether preferences of recipients can hold back its mails: see `engine.preferences`
:ivar exits: what calls off its series: see `engine.series_exits.select_exits`; None if nothing does
:ivar hours: [first, last] minute of the recipient's local day between which its series may mail;
    None for the whole day
"""


class Eligibility:
    """Decides for each person of a task whether a mail may go out at a moment.

    The hours of a series are quiet times, too, but by the recipient's zone whatever the company's
    setting, and for everybody. If quiet times hold a mail until later, the limits are applied as of
    that later moment: a limit that will still be reached then stops the mail now; one whose window
    will have passed does not.

    :param TaskRules task: of the task
    :param FatigueRules rules: of its company; ignored if the task `is_free`
    :param datetime at: the moment to decide for, naive UTC
    """

    def __init__(self, env, task, rules, at):
        self.env, self.task, self.at = env, task, at
        self.rules = FatigueRules(rules.company_id) if task.is_free else rules
        self.trust_contact_tz = rules.trust_contact_tz

    def select(self, person):
        """Return SQL of a lateral subquery that tells whether one person may be mailed.

        :param SQL person: name of a row with partner_id, email, address_key and country_id
        :return: one row (reason varchar, fatigue_rule varchar, held_until timestamp). With a
            `reason` the person gets no mail; with `held_until` the mail waits until then;
            `fatigue_rule` is the rule that decided either
        :rtype: SQL
        """
        basic = self._basic_reason(person)
        control = get_control_reason(self.task.control, SQL("%s.address_key", person))
        window = self._find_window(person)
        # In both statements, OFFSET 0 keeps the planner from copying `final.reason` to each place
        # where it is used.
        if not self.rules:
            return SQL(
                """LATERAL (
                    SELECT final.reason,
                           CASE WHEN final.reason IS NULL AND series.until IS NOT NULL
                                THEN 'series_hours' END::varchar AS fatigue_rule,
                           CASE WHEN final.reason IS NULL THEN series.until END AS held_until
                      FROM (SELECT COALESCE(%s, %s, %s) AS reason OFFSET 0) AS final
                     CROSS JOIN LATERAL (SELECT %s AS until) AS series
                )""",
                basic,
                self._wish_reason(person, SQL("%s::timestamp", self.at)),
                control,
                window,
            )
        rests, rest = self._rest(person)
        moment = SQL("%s::timestamp", self.at)
        if rests or self.task.hours:
            moment = SQL("COALESCE(GREATEST(rest.until, series.until), %s)", moment)
        return SQL(
            """LATERAL (
                SELECT final.reason,
                       CASE WHEN final.reason = 'fatigue' THEN caps.rule
                            WHEN final.reason = 'quiet' THEN rest.rule
                            WHEN final.reason IS NULL THEN COALESCE(rest.rule, CASE
                                WHEN series.until IS NOT NULL THEN 'series_hours' END)
                       END AS fatigue_rule,
                       CASE WHEN final.reason IS NULL
                            THEN GREATEST(rest.until, series.until) END AS held_until
                  FROM (%(exempt)s) AS exempt
                 CROSS JOIN LATERAL (%(rest)s) AS rest
                 CROSS JOIN LATERAL (SELECT %(window)s AS until) AS series
                 CROSS JOIN LATERAL (%(caps)s) AS caps
                 CROSS JOIN LATERAL (
                    SELECT COALESCE(%(basic)s, %(wish)s, CASE
                        WHEN rest.drops OR rest.until > %(latest)s::timestamp THEN 'quiet'
                        WHEN caps.rule IS NOT NULL AND NOT exempt.yes THEN 'fatigue'
                    END, %(control)s) AS reason
                    OFFSET 0
                 ) AS final
            )""",
            exempt=self._exempt(person),
            rest=rest,
            window=window,
            caps=self._caps(person, moment),
            basic=basic,
            wish=self._wish_reason(person, moment),
            control=control,
            latest=self.task.not_after,
        )

    def _basic_reason(self, person):
        """Return SQL of a reason that fatigue control and the recipient's wishes don't change.

        Opt-outs and lists, the topic, and the task's deadline.
        """
        reason = changing_reason(
            SQL("%s.email", person),
            SQL("%s.address_key", person),
            SQL("%s", self.task.company_id),
            SQL("%s::int", self.task.sender_id),
            self.task.lists,
        )
        if self.task.mailing:
            topic = get_mailing_reason(self.task.mailing, self.task.company_id, person)
            reason = SQL("COALESCE(%s, %s)", reason, topic)
        if self.task.not_after and self.at > self.task.not_after:
            return SQL("COALESCE(%s, 'too_late')", reason)
        return reason

    def _wish_reason(self, person, moment):
        # Also for exempt people: a company's exemption does not override a person's own wish.
        return get_wish_reason(self.task, person, moment, SQL(COUNTED))

    def _exempt(self, person):
        """Return SQL of one row (yes boolean): whether limits and quiet times spare the person."""
        rules = self.rules
        if not (rules.exempt_partners or rules.exempt_keys or rules.exempt_encrypted):
            return SQL("SELECT FALSE AS yes")
        return SQL(
            """SELECT COALESCE(%(p)s.partner_id = ANY(%(ids)s), FALSE)
                   OR COALESCE(%(p)s.address_key = ANY(
                        CASE WHEN %(p)s.email IS NULL THEN %(encrypted)s::varchar[]
                             ELSE %(keys)s::varchar[] END), FALSE) AS yes""",
            p=person,
            ids=list(rules.exempt_partners),
            keys=list(rules.exempt_keys),
            encrypted=list(rules.exempt_encrypted),
        )

    def _rest(self, person):
        """Return the quiet times that hold for a person at the moment.

        :return: (False if no person can rest now, SQL of one row (rule, until, drops))
        """
        nobody = (
            False,
            SQL("SELECT NULL::varchar AS rule, NULL::timestamp AS until, FALSE AS drops"),
        )
        if not self.rules.quiet:
            return nobody
        clock, account_zone = quiet_clock(self.rules.quiet), self.task.zone
        default = clock.rest(account_zone, self.at)
        found = SQL("%s::jsonb", json.dumps(_as_json(default)))
        if self.rules.by_recipient:
            found = self._rest_by_recipient(clock, person)
            if not found:
                return nobody
        elif not default:
            return nobody
        return True, SQL(
            """SELECT found.rest ->> 0 AS rule, (found.rest ->> 1)::timestamp AS until,
                      found.rest ->> 0 IS NOT NULL AND found.rest ->> 1 IS NULL AS drops
                 FROM (SELECT CASE WHEN NOT exempt.yes THEN %s END AS rest) AS found""",
            found,
        )

    def _rest_by_recipient(self, clock, person):
        """Return SQL of the rest as JSON in a person's time zone; None if nobody rests now."""
        default = clock.rest(self.task.zone, self.at)
        countries = self._rest_by_country(clock)
        own = self._rest_by_zone(clock) if self.trust_contact_tz else {}
        if not default and not any(countries.values()) and not any(own.values()):
            return None
        return SQL(
            """(SELECT COALESCE(%(own)s::jsonb -> p.tz,
                                %(countries)s::jsonb -> p.country_id::text, %(default)s::jsonb)
                  FROM (SELECT 1) AS one
             LEFT JOIN res_partner p ON p.id = %(person)s.partner_id)""",
            own=json.dumps(own),
            countries=json.dumps(countries),
            default=json.dumps(_as_json(default)),
            person=person,
        )

    def _find_window(self, person):
        """Return SQL of the moment until which the hours of a series hold a mail, or null."""
        nobody = SQL("NULL::timestamp")
        if not self.task.hours:
            return nobody
        first, last = self.task.hours
        clock = quiet_clock(QuietTimes(hours=(Hours(last, first),)))
        found = self._rest_by_recipient(clock, person)
        return SQL("(%s ->> 1)::timestamp", found) if found else nobody

    def _rest_by_country(self, clock):
        """Return {country id: rest as JSON or None} of the countries with a single time."""
        zones = country_zones(self.at.year)
        rows = self.env.execute_query(SQL("SELECT id, code FROM res_country"))
        return {
            str(country): _as_json(clock.rest(zones[code], self.at))
            for country, code in rows
            if code in zones
        }

    def _rest_by_zone(self, clock):
        return {name: _as_json(clock.rest(name, self.at)) for name in pytz.all_timezones}

    def _caps(self, person, moment):
        """Return SQL of the code of the limit that a person has reached at a moment, or null."""
        if not self.rules.limits:
            return SQL("SELECT NULL::varchar AS rule")
        cases = SQL(" ").join(
            SQL(
                "WHEN count(*) FILTER (WHERE %s history.at > %s - %s) >= %s THEN %s",
                SQL() if limit.is_global else SQL("history.kind = 'email' AND"),
                moment,
                limit.window,
                limit.number,
                limit.code,
            )
            for limit in self.rules.limits
        )
        longest = max(limit.window for limit in self.rules.limits)
        everything = max(
            (limit.window for limit in self.rules.limits if limit.is_global), default=None
        )
        return SQL(
            "SELECT CASE %s END AS rule FROM (%s) AS history",
            cases,
            SQL(" UNION ALL ").join(_history(self.rules, person, moment, (longest, everything))),
        )


def _history(rules, person, moment, spans, told=None):
    """Yield SELECTs (at, kind, source) of the messages that a person was sent.

    :param SQL moment: the moment (timestamp) from which `spans` reach back
    :param spans: (how far back to look for our emails of this company, and for Odoo's own mailings
        and SMS; None to ignore these)
    :param SQL told: a condition on rows of `directmail_delivery`; the deliveries that may be shown
    """
    own, everything = spans
    ours = SQL(
        """SELECT claimed_at AS at, 'email' AS kind, task_id AS source FROM directmail_delivery
            WHERE %s AND company_id = %s AND claimed_at > (%s - %s) %s""",
        SQL(COUNTED),
        rules.company_id,
        moment,
        own,
        SQL("AND (%s)", told) if told else SQL(),
    )
    if rules.by_contact:
        yield SQL("%s AND partner_id = %s.partner_id", ours, person)
        yield SQL(
            "%s AND %s.partner_id IS NULL AND address_key = %s.address_key", ours, person, person
        )
    else:
        yield SQL("%s AND address_key = %s.address_key", ours, person)
    if not everything:
        return
    sent = SQL(
        """FROM mailing_trace t
          WHERE t.sent_datetime IS NOT NULL AND t.is_test_trace IS NOT TRUE
            AND t.sent_datetime > (%s - %s)""",
        moment,
        everything,
    )
    yield SQL(
        "SELECT t.sent_datetime, 'mailing', %s %s AND t.trace_type = 'mail' AND t.email = %s.email",
        SQL("t.mass_mailing_id"),
        sent,
        person,
    )
    yield SQL(
        "SELECT t.sent_datetime, 'mailing', t.mass_mailing_id %s AND t.trace_type = 'mail' AND %s",
        sent,
        other_spelling(SQL("t.email"), SQL("%s.email", person)),
    )
    for model, table in rules.sms_models:
        whose = (
            SQL("t.res_id = %s.partner_id", person)
            if model == "res.partner"
            else SQL(
                "t.res_id IN (SELECT r.id FROM %s r WHERE r.partner_id = %s.partner_id)",
                SQL.identifier(table),
                person,
            )
        )
        yield SQL(
            "SELECT t.sent_datetime, 'sms', t.mass_mailing_id %s AND t.trace_type = 'sms'"
            " AND t.model = %s AND %s",
            sent,
            model,
            whose,
        )


def select_history(env, rules, person, at, seen):
    """Return SQL (at, kind, source) of the messages that count for a person in the longest window.

    Mails to other people at the same address count towards the limits. Of these, only mails in
    clear are shown, and only if the reader may see their person. Otherwise a user could make a
    contact with a guessed address, and see to whom the address belongs.

    :param SQL person: name of a row with partner_id, email and address_key
    :param datetime at: naive UTC
    :param SQL seen: whether the reader may see the person of a row of `directmail_delivery`
    :return: SQL; kind is 'email' (source: the task), 'mailing' or 'sms' (source: Odoo's mailing)
    """
    rules = FatigueRules(**{**vars(rules), "sms_models": find_sms_models(env)})
    # Where limits count by address, also restrict a contact's own mails to the same form, clear or
    # encrypted. Otherwise a user who may change a contact's address could try guessed addresses
    # until the mails that went to its encrypted address appear.
    same_form = SQL("(directmail_delivery.email IS NULL) = (%s.email IS NULL)", person)
    told = SQL(
        "partner_id = %(person)s.partner_id AND %(own)s"
        " OR directmail_delivery.email IS NOT NULL AND %(person)s.email IS NOT NULL AND %(seen)s",
        person=person,
        own=SQL("TRUE") if rules.by_contact else same_form,
        seen=seen,
    )
    return SQL(" UNION ALL ").join(_history(rules, person, SQL("%s", at), (LONGEST, LONGEST), told))


def _as_json(rest):
    """Return a `Rest` as the JSON array [rule, until or null] for SQL; None stays None."""
    return rest and [rest.rule, rest.until and Datetime.to_string(rest.until)]
