"""The account of the demo's campaign: the database's figures, checked against the emulator's."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field

import psycopg2

from . import demo_server

REASONS = {
    "no_address": "no email address",
    "invalid_address": "unusable email address",
    "duplicate": "same address as another person",
    "blacklisted": "blacklisted",
    "opted_out": "unsubscribed earlier",
}
OUTCOMES = {
    "delivered": "delivered",
    "invalid": "invalid address",
    "failed": "failed",
    "spam": "taken for spam",
}


@dataclass
class Figures:
    """What the database says about one email task."""

    people: set = field(default_factory=set)  # ids of the contacts in its audiences
    planned: list = field(default_factory=list)  # ids of the contacts in its deliveries
    settled: set = field(default_factory=set)  # those of them with a known outcome
    states: Counter = field(default_factory=Counter)
    reasons: Counter = field(default_factory=Counter)
    outcomes: Counter = field(default_factory=Counter)  # of sent; None: not known
    results: dict = field(default_factory=dict)  # {address of a mail sent: outcome}
    held_back: set = field(default_factory=set)  # addresses suppressed, unless as duplicates
    blacklist: set = field(default_factory=set)
    tag: str = ""
    seconds: float = 0.0  # from the first call to the last answer
    quota: int = 0
    used: int = 0
    optouts: int = 0  # people who unsubscribed by a mail of this task


def read_figures(task):
    """Read the figures of a task from the database, by SQL of its own. :rtype: Figures"""
    figures = Figures()
    with contextlib.closing(psycopg2.connect(dbname=demo_server.DATABASE)) as connection:

        def select(query):
            with connection.cursor() as cursor:
                cursor.execute(query, {"task": task})
                return cursor.fetchall()

        figures.people = {
            row[0]
            for row in select(
                """SELECT DISTINCT m.partner_id
                 FROM directmail_audience_directmail_task_rel r
                 JOIN directmail_audience_member m ON m.audience_id = r.directmail_audience_id
                WHERE r.directmail_task_id = %(task)s"""
            )
        }
        for partner, state, reason, outcome, email in select(
            "SELECT partner_id, state, reason, outcome, lower(email) FROM directmail_delivery"
            " WHERE task_id = %(task)s"
        ):
            figures.planned.append(partner)
            figures.states[state] += 1
            if state == "suppressed":
                figures.reasons[reason] += 1
                if email and reason != "duplicate":
                    figures.held_back.add(email)
            elif state == "sent":
                figures.outcomes[outcome] += 1
                figures.results[email] = outcome
            if reason or outcome or state in ("refused", "unknown"):
                figures.settled.add(partner)
        figures.blacklist = {
            row[0] for row in select("SELECT lower(email) FROM mail_blacklist WHERE active")
        }
        [(figures.tag, figures.quota, figures.used)] = select(
            """SELECT t.tag_name, a.daily_quota, COALESCE(sum(u.used), 0)
                 FROM directmail_task t JOIN directmail_account a ON a.id = t.account_id
                 LEFT JOIN directmail_usage u ON u.account_id = a.id
                WHERE t.id = %(task)s GROUP BY t.id, a.id"""
        )
        [(figures.seconds,)] = select(
            """SELECT extract(epoch FROM max(sent_at) - min(claimed_at))::float
                 FROM directmail_delivery WHERE task_id = %(task)s AND state = 'sent'"""
        )
        [(figures.optouts,)] = select(
            """SELECT count(*) FROM directmail_optout
                WHERE task_id = %(task)s AND origin IN ('one_click', 'page', 'directmail')"""
        )
    return figures


class Account:
    """The result of a campaign, and whether its figures add up.

    :param campaign: a finished `demo_campaign.Campaign`
    :param emulator: the emulator that took its mails
    :param dict made: what `demo_data` says it put into the database
    """

    def __init__(self, campaign, emulator, made):
        self._made = made
        self._comment = campaign.review_comment
        self._shown = campaign.shown()
        self._figures = read_figures(campaign.task)
        self._ledger = emulator.ledger(tag=self._figures.tag)
        self._summary = emulator.summary(self._figures.tag)
        self._used = emulator.get("/api/status")["accounts"][0]["used_today"]
        self._checks = list(self._check())

    @property
    def adds_up(self):
        return all(holds for _text, holds in self._checks)

    # What the last line says

    @property
    def sent(self):
        return self._figures.states["sent"] + self._figures.states["refused"]

    @property
    def failed(self):
        """The part of `sent` that was refused or not delivered."""
        outcomes = self._figures.outcomes
        return self._figures.states["refused"] + sum(
            outcomes[name] for name in ("invalid", "failed", "spam")
        )

    @property
    def duplicates(self):
        """Addresses that the ledger saw more than once for the task."""
        return sum(
            mails > 1 for mails in Counter(row["to"].lower() for row in self._ledger).values()
        )

    @property
    def lost(self):
        """People of the audience with neither an outcome nor a reason."""
        return len(self._figures.people - self._figures.settled)

    def _check(self):
        """Yield (what must hold, whether it does)."""
        figures, states = self._figures, self._figures.states
        ledger = {row["to"].lower(): row["outcome"] for row in self._ledger}
        yield (
            "everybody in the audience has exactly one delivery, and nobody else has one",
            sorted(figures.planned) == sorted(figures.people),
        )
        yield (
            "audience = suppressed + sent + unknown",
            len(figures.people) == states["suppressed"] + self.sent + states["unknown"],
        )
        yield "sent = delivered + failed", self.sent == figures.outcomes["delivered"] + self.failed
        yield (
            "the addresses in the ledger are those of the deliveries that were sent",
            ledger.keys() == figures.results.keys(),
        )
        yield (
            "nobody was mailed twice",
            self.duplicates == 0 == self._summary["duplicates"]
            and len(self._ledger) == len(ledger) == states["sent"],
        )
        yield (
            "nobody who was held back, or is blacklisted, is in the ledger",
            not ledger.keys() & (figures.held_back | figures.blacklist),
        )
        yield "each person's result is the one in the ledger", figures.results == ledger
        yield (
            "the task shows the same figures to its owner",
            self._shown
            == {
                **dict.fromkeys(self._shown, 0),
                "people": len(figures.people),
                **states,
                **{name: number for name, number in figures.outcomes.items() if name},
            },
        )
        yield (
            "people and reasons are those that the data was made with",
            (len(figures.people), dict(figures.reasons))
            == (self._made["audience"], self._made["suppressed"]),
        )
        yield (
            "results are those that the data was made with",
            dict(figures.outcomes) == self._made["outcomes"],
        )
        yield (
            "everybody who pressed their mail program's unsubscribe button has unsubscribed",
            figures.optouts
            == self._summary["outcomes"].get("unsubscribe", 0)
            == self._made["unsubscribe"],
        )
        yield (
            "the quota used is the emulator's count",
            figures.used == self._used == len(self._ledger),
        )
        yield "nobody is lost", self.lost == 0

    def lines(self):
        """Return the account as lines of text, the last one for programs."""
        figures, made = self._figures, self._made
        yield ""
        yield (
            f"Spring letter: {made['contacts']:,} contacts in the database,"
            f" {len(figures.people):,} in the audience,"
            f" {made['countries']} countries, {made['languages']} languages"
        )
        yield f'Reviewed:      "{self._comment}"'
        yield ""
        yield row("audience", len(figures.people))
        yield row("suppressed", figures.states["suppressed"])
        for reason, text in REASONS.items():
            yield row(f"    {text}", figures.reasons[reason])
        yield row("sent", self.sent)
        for outcome, text in OUTCOMES.items():
            yield row(f"    {text}", figures.outcomes[outcome])
        yield row("    refused", figures.states["refused"])
        if figures.outcomes[None]:
            yield row("    result not known yet", figures.outcomes[None])
        yield row("unknown", figures.states["unknown"])
        for state in ("waiting", "sending", "not_sent", "cancelled"):
            if figures.states[state]:
                yield row(state.replace("_", " "), figures.states[state])
        yield row("unsubscribed by this mail", figures.optouts)
        yield ""
        rate = figures.states["sent"] / figures.seconds if figures.seconds else 0
        yield f"  {figures.seconds:.1f} s from first call to last answer, {rate:.0f} mails a second"
        yield f"  quota: {figures.used:,} of {figures.quota:,} used today"
        yield ""
        for text, holds in self._checks:
            yield f"  {'ok   ' if holds else 'WRONG'}  {text}"
        yield ""
        yield (
            f"campaign: audience={len(figures.people)} suppressed={figures.states['suppressed']}"
            f" sent={self.sent} delivered={figures.outcomes['delivered']} failed={self.failed}"
            f" unknown={figures.states['unknown']} duplicates={self.duplicates} lost={self.lost}"
        )


def row(text, number):
    return f"  {text:<36}{number:>8,}"
