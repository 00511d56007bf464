"""Every verdict of the SQL against a plain reading of the rules, for many people at once."""

import os
from datetime import datetime, timedelta, timezone
from random import Random
from zoneinfo import ZoneInfo

from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import SQL

from ...engine import plan
from ..common_fatigue import FatigueCommon

#: settings, each judged for all the people: together 10,000 cases
ROUNDS, PEOPLE = 60, 170
SPANS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(hours=24),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
# What recipients can ask for: at most one mail in so many calendar days.
CAPS = {"week": 7, "fortnight": 14, "month": 28}
STATES = ("sent", "sent", "sent", "sending", "unknown", "refused", "not_sent", "waiting")
# Days on which clocks are set somewhere, and ordinary ones.
DAYS = ("2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25", "2026-11-01", "2026-12-31")
COUNTRIES = {
    "sg": "Asia/Singapore", "de": "Europe/Berlin", "uk": "Europe/London", "in": "Asia/Kolkata",
    "np": "Asia/Kathmandu", "us": None, "au": None,
}  # fmt: skip
ZONES = ("America/New_York", "Europe/Lisbon", "Pacific/Auckland", "UTC")


@tagged("post_install", "-at_install")
class TestFatigueOracle(FatigueCommon):
    def test_ten_thousand_cases(self):
        seed = int(os.environ.get("SEED") or 3)
        random = Random(seed)
        self._prepare()
        seen, cases = set(), 0
        for number in range(ROUNDS):
            at = self._draw_settings(random)
            history = self._draw_history(random, at)
            self._draw_wishes(random, at)
            found = self._judge(at)
            for person in self.people:
                expected = self._judge_plainly(person, at, history)
                self.assertEqual(
                    found[person.id], expected, f"seed {seed}, round {number}, {person.email}"
                )
                seen.add((expected[0], expected[1], bool(expected[2])))
                cases += 1
        self.assertGreaterEqual(cases, 10_000)
        # All kinds of verdicts came up, so the rounds prove something.
        rules = {rule for _reason, rule, _held in seen}
        spans = {f"{scope}_{span}" for scope in ("email", "global") for span in SPANS}
        self.assertLessEqual(spans | {None, "hours", "period"}, rules)
        self.assertIn((None, "hours", True), seen)
        self.assertIn(("quiet", "period", False), seen)
        self.assertLessEqual({"paused", "less_often"}, {reason for reason, _rule, _held in seen})

    def _prepare(self):
        random = Random(1)
        self.people = self._make_people(*[f"p{n}@example.com" for n in range(PEOPLE)])
        self.people[90:].mapped(lambda person: person.write({"email": person.email.upper()}))
        for person in self.people:
            code = random.choice([*COUNTRIES, None])
            person.country_id = code and self.env.ref(f"base.{code}")
            person.tz = random.choice([*ZONES, False])
        audience = self._make_audience(self.people)
        audience.action_refresh()
        self.task = self._make_task(audience, self.template).sudo()
        self.past = self.old_task.copy().sudo()
        # Several past mails to one person need several tasks; without this index one will do.
        self.env.cr.execute("DROP INDEX directmail_delivery_address_unique")
        key = self.env["directmail.keyring"]._get_master_key()
        self.keys = {p.id: key.address_key(p.email_normalized) for p in self.people}
        small = self._make_audience(self.people[:5], visibility="public")
        small.action_refresh()
        self.exempt = small
        self.other_company = self.env["res.company"].create({"name": "Other"})

    # === DRAWING === #

    def _draw_settings(self, random):
        day = datetime.fromisoformat(random.choice(DAYS))
        at = day + timedelta(seconds=random.randrange(48 * 3600))
        active = random.sample([*SPANS], random.randint(0, 5))
        self._limits = {}
        for rule in self.fatigue.rule_ids:
            on = rule.span in active
            emails, everything = random.choice((0, 1, 2, 3, 5)), random.choice((0, 1, 2, 4))
            self._limits["email", rule.span] = rule.email_limit = on * emails
            self._limits["global", rule.span] = rule.global_limit = on * everything
        self._hours = []
        for _n in range(random.choice((0, 0, 1, 1, 2))):
            begin, finish = random.sample(range(0, 1440, 5), 2)
            if self._hours and (self._hours[0][0] - self._hours[0][1]) % 1440 > 15:
                # Next to each other, so that one holds into the other.
                begin = self._hours[0][1]
                finish = (begin + 15) % 1440
            elif self._hours:
                break
            self._hours.append((begin, finish, random.choice(("hold", "hold", "drop"))))
        hours = [
            {"begin": begin / 60, "finish": finish / 60, "action": action}
            for begin, finish, action in self._hours
        ]
        first = at.date() + timedelta(random.randint(-2, 1))
        periods = [
            {
                "name": "Holiday",
                "first_day": first,
                "last_day": first + timedelta(random.randint(0, 3)),
                "action": random.choice(("hold", "drop")),
            }
            for _n in range(random.choice((0, 0, 0, 1)))
        ]
        self._periods = [(p["first_day"], p["last_day"], p["action"]) for p in periods]
        self._rests = {}
        self._by_contact = random.random() < 0.5
        self.fatigue.write(
            {
                "identity": "contact" if self._by_contact else "address",
                "zone": random.choice(("account", "recipient", "recipient")),
                "trust_contact_tz": random.random() < 0.3,
                "hours_ids": [Command.clear(), *map(Command.create, hours)],
                "period_ids": [Command.clear(), *map(Command.create, periods)],
                "exempt_audience_ids": [
                    Command.set(self.exempt.ids if random.random() < 0.2 else [])
                ],
            }
        )
        self.account.sudo().tz = random.choice(("Asia/Singapore", "Europe/Paris"))
        later = timedelta(minutes=random.randint(1, 1500))
        self.task.not_after = at + later if random.random() < 0.2 else False
        return at

    def _draw_history(self, random, at):
        """Write a past.

        :return: {address key or contact id: [(number, kind, key, contact id, state, moment,
            counts)]}
        """
        self.env.cr.execute(
            SQL("DELETE FROM directmail_delivery; DELETE FROM mailing_trace"),
        )
        history = []
        for person in self.people:
            for _n in range(random.choice((0, 1, 2, 3, 6))):
                # At the very edge of a window as often as anywhere.
                span = random.choice(
                    [*SPANS.values(), *(timedelta(days=days) for days in CAPS.values())]
                )
                age = span * random.choice((1, random.random(), random.random() * 1.5))
                moment = (at - age).replace(microsecond=0)
                kind = random.choice(("email", "email", "email", "mailing", "sms"))
                # Sometimes the address, or the contact, was another one then.
                key = self.keys[random.choice((person, person, person, *self.people[:3])).id]
                contact = random.choice((person.id, person.id, self.people[0].id, None))
                history.append(
                    (kind, key, contact, random.choice(STATES), moment, random.random() < 0.9)
                )
        addresses = {self.keys[person.id]: person.email_normalized for person in self.people}
        rows = [
            (
                self.past.id, self.account.id, self.account.company_id.id, contact, key, state,
                moment, not counts,
            )
            for kind, key, contact, state, moment, counts in history
            if kind == "email"
        ]  # fmt: skip
        traces = [
            (
                "mail" if kind == "mailing" else "sms", "res.partner", contact or 1,
                addresses[key] if kind == "mailing" else None,
                moment if state in ("sent", "sending", "unknown") else None, not counts,
            )
            for kind, key, contact, state, moment, counts in history
            if kind != "email"
        ]  # fmt: skip
        for table, columns, values in (
            (
                "directmail_delivery",
                "task_id account_id company_id partner_id address_key state claimed_at uncounted",
                rows,
            ),
            ("mailing_trace", "trace_type model res_id email sent_datetime is_test_trace", traces),
        ):
            if values:
                self.env.cr.execute(
                    SQL(
                        "INSERT INTO %s (%s) VALUES %s",
                        SQL.identifier(table),
                        SQL(", ").join(map(SQL.identifier, columns.split())),
                        SQL(", ").join(SQL("%s", row) for row in values),
                    )
                )
        found = {}
        for number, (kind, key, contact, *others) in enumerate(history):
            for owner in (key, contact):
                found.setdefault(owner, []).append((number, kind, key, contact, *others))
        return found

    def _draw_wishes(self, random, at):
        """Write preferences of some people: caps, pauses and rows that say neither."""
        self.env.cr.execute(SQL("DELETE FROM directmail_preference"))
        self._wishes = {}
        some = random.sample(list(self.people), random.choice((0, 30, PEOPLE)))
        for person in some:
            pause = timedelta(minutes=random.choice((0, 1, -1, random.randint(-600, 1500))))
            self._wishes[person] = (
                random.choice((None, *CAPS)),
                random.choice((None, None, None, at + pause)),
            )
        rows = [
            (self.account.company_id.id, self.keys[person.id], *wish)
            for person, wish in self._wishes.items()
        ]
        # Of another company, and of nobody.
        rows += [(self.other_company.id, self.keys[self.people[1].id], "week", None)]
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_preference (company_id, address_key, cap, paused_until)
                   VALUES %s""",
                SQL(", ").join(SQL("%s", row) for row in rows),
            )
        )

    # === JUDGING === #

    def _judge(self, at):
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                "WITH %s SELECT partner_id, reason, fatigue_rule, held_until FROM judged",
                plan.select_judged(self.env, self.task._get_task_plan(), at),
            )
        )
        return {person: tuple(verdict) for person, *verdict in rows}

    def _judge_plainly(self, person, at, history):
        """Return (reason, rule, held until) as one reads the settings."""
        latest = self.task.not_after
        if latest and at > latest:
            return "too_late", None, None
        exempt = self.fatigue.exempt_audience_ids and person in self.people[:5]
        rest = None if exempt else self._rest_plainly(person, at)
        if wish := self._find_wish(person, (rest and rest[1]) or at, history):
            return wish, None, None
        if exempt:
            return None, None, None
        if rest and (rest[1] is None or (latest and rest[1] > latest)):
            return "quiet", rest[0], None
        moment = rest[1] if rest else at
        rule = self._find_limit(person, moment, history)
        if rule:
            return "fatigue", rule, None
        return None, rest and rest[0], rest and rest[1]

    def _find_wish(self, person, moment, history):
        """Return why the person does not want a mail at a moment, by days of the account's zone."""
        cap, until = self._wishes.get(person, (None, None))
        if until and until > moment:
            return "paused"
        zone = ZoneInfo(self.account.tz)

        def day(when):
            return when.replace(tzinfo=timezone.utc).astimezone(zone).date()

        key = self.keys[person.id]
        got = [
            day(when)
            for _number, kind, whose, _contact, state, when, counts in history.get(key, ())
            if kind == "email" and whose == key and counts
            if state in ("sent", "sending", "unknown")
        ]
        if cap and any(day(moment) - when < timedelta(days=CAPS[cap]) for when in got):
            return "less_often"
        return None

    def _find_limit(self, person, moment, history):
        emails, others = [], []
        mine = {*history.get(self.keys[person.id], ()), *history.get(person.id, ())}
        for _number, kind, key, contact, state, when, counts in mine:
            if state not in ("sent", "sending", "unknown") or not counts:
                continue
            by_key, by_contact = key == self.keys[person.id], contact == person.id
            if kind == "email":
                emails += [when] * (by_contact if self._by_contact else by_key)
            else:
                others += [when] * (by_key if kind == "mailing" else by_contact)
        for span in reversed(SPANS):
            for scope, sent in (("email", emails), ("global", emails + others)):
                limit = self._limits[scope, span]
                if limit and sum(when > moment - SPANS[span] for when in sent) >= limit:
                    return f"{scope}_{span}"
        return None

    def _rest_plainly(self, person, at):
        """Return (rule, until or None if dropped), looking at the clock minute by minute."""
        name = self._find_zone(person)
        if name not in self._rests:
            self._rests[name] = self._look(ZoneInfo(name), at)
        return self._rests[name]

    def _find_zone(self, person):
        fatigue = self.fatigue
        if fatigue.zone == "recipient":
            if fatigue.trust_contact_tz and person.tz:
                return person.tz
            code = person.country_id.code
            code = {"GB": "uk"}.get(code, (code or "").lower())
            if COUNTRIES.get(code):
                return COUNTRIES[code]
        return self.account.tz

    def _look(self, zone, at):
        dropping = self._find_rule(zone, at, "drop")
        if dropping:
            return dropping, None
        holding, moment = self._find_rule(zone, at, "hold"), at
        if not holding:
            return None
        while self._find_rule(zone, moment, "hold"):
            # Clocks are set, and hours end, at full minutes.
            moment = moment.replace(second=0) + timedelta(minutes=1)
        dropping = self._find_rule(zone, moment, "drop")
        return (dropping, None) if dropping else (holding, moment)

    def _find_rule(self, zone, moment, action):
        local = moment.replace(tzinfo=timezone.utc).astimezone(zone)
        for period in self._periods:
            if period[2] == action and period[0] <= local.date() <= period[1]:
                return "period"
        clock = local.hour * 60 + local.minute
        for begin, finish, what in self._hours:
            inside = begin <= clock < finish if begin < finish else not finish <= clock < begin
            if what == action and inside:
                return "hours"
        return None
