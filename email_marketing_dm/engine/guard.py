"""Figures of the guard: complaints and invalid addresses of sender addresses, and of companies.

They are sums of `directmail.task.counter` over email tasks: see `is_recent`. When an owner goes on
beyond a limit, the counters of that moment are copied under other names; only what came since
then counts. What was accepted of a sender address does not count for the company either.
"""

from collections import namedtuple

from odoo.tools import SQL

from .trial import is_real

#: Figures and limits are about email tasks that started in so many days, or are not over.
DAYS = 30
#: Counters of `directmail.task.counter` that the guard reads.
COUNTED = ("delivered", "failed", "invalid", "spam", "complained")
#: States of email tasks that started and are not over.
NOT_OVER = ("sending", "paused")
#: Prefixes of the names under which `accept` copies them, for a sender address and for a company.
OF_SENDER, OF_COMPANY = "guard_", "company_"

Figures = namedtuple("Figures", "delivered known invalid complained")
Figures.__doc__ = """Numbers of mails since the last decision to go on.

:ivar delivered: mails that were delivered
:ivar known: mails whose outcome is known
:ivar invalid: mails to addresses that do not exist
:ivar complained: mails that were reported as spam
"""


def get_percent(part, whole):
    """Return a part in percent, 0 of nothing."""
    return 100 * part / whole if whole > 0 else 0


def make_figures(counts):
    """Return `Figures` of {counter of COUNTED: number of mails}."""
    return Figures(
        delivered=counts.get("delivered", 0),
        known=sum(counts.values()) - counts.get("complained", 0),
        invalid=counts.get("invalid", 0),
        complained=counts.get("complained", 0),
    )


def read_sender(env, sender_id):
    """Return the `Figures` of a sender address; the caller has flushed the email tasks."""
    found = _read(env, SQL("t.sender_id = %s", sender_id), (OF_SENDER,))
    return make_figures(found.get(sender_id, {}))


def read_company(env, company_id):
    """Return the `Figures` of a company without its trials, or None.

    None, if fewer than two sender addresses have mails: then the sum says nothing new. The caller
    has flushed the email tasks.
    """
    found = _read(env, _of_company(company_id), (OF_SENDER, OF_COMPANY))
    if sum(any(counts.values()) for counts in found.values()) < 2:
        return None
    return make_figures(
        {name: sum(counts.get(name, 0) for counts in found.values()) for name in COUNTED}
    )


def accept_sender(env, sender_id):
    """Let the figures of a sender address so far count no more."""
    _accept(env, SQL("t.sender_id = %s", sender_id), OF_SENDER)


def accept_company(env, company_id):
    """Let the figures of a company so far count no more, as its sum: each sender's still do."""
    _accept(env, _of_company(company_id), OF_COMPANY)


def _of_company(company_id):
    return SQL("t.company_id = %s AND %s", company_id, is_real(SQL("t.account_id")))


def _read(env, condition, prefixes):
    """Return {sender id: {counter: number of mails that were not accepted}}.

    Of several decisions to go on, the one counts that accepted most of an email task.

    :param SQL condition: on email tasks (t)
    :param prefixes: of names under which accepted figures count
    """
    names = [prefix + name for prefix in ("", *prefixes) for name in COUNTED]
    rows = env.execute_query(
        SQL(
            """SELECT sender_id, name, sum(counted - accepted)::int FROM (
                      SELECT t.sender_id, n.name,
                             COALESCE(sum(f.value) FILTER (WHERE f.name = n.name), 0) AS counted,
                             COALESCE(max(f.value) FILTER (WHERE f.name != n.name), 0) AS accepted
                        FROM directmail_task t
                        JOIN directmail_task_counter f ON f.task_id = t.id
                        JOIN unnest(%(names)s::text[], %(bases)s::text[]) AS n (stored, name)
                          ON n.stored = f.name
                       WHERE %(condition)s AND %(is_recent)s
                       GROUP BY t.id, n.name) AS of_task
                GROUP BY sender_id, name""",
            names=names,
            bases=list(COUNTED) * (1 + len(prefixes)),
            condition=condition,
            is_recent=is_recent(),
        )
    )
    counts = {}
    for sender_id, name, value in rows:
        counts.setdefault(sender_id, {})[name] = value
    return counts


def _accept(env, condition, prefix):
    env.cr.execute(
        SQL(
            """INSERT INTO directmail_task_counter AS c (task_id, writer, name, value)
               SELECT t.id, 'guard', %(prefix)s || f.name, sum(f.value)
                 FROM directmail_task t JOIN directmail_task_counter f ON f.task_id = t.id
                WHERE %(condition)s AND f.name = ANY(%(names)s) AND %(is_recent)s
                GROUP BY t.id, f.name
                   ON CONFLICT (task_id, writer, name)
                   DO UPDATE SET value = EXCLUDED.value""",
            prefix=prefix,
            condition=condition,
            names=list(COUNTED),
            is_recent=is_recent(),
        )
    )


def is_recent():
    """Return SQL that tells whether an email task (t) counts.

    It started in the last DAYS days, or is not over: a warm-up may take longer than that. Paused
    ones count, so that a decision to go on accepts what the task counts for when it is sent again.
    """
    return SQL(
        "(t.planned_at >= now() AT TIME ZONE 'UTC' - %s * interval '1 day'"
        " OR t.planned_at IS NOT NULL AND t.state IN %s)",
        DAYS,
        NOT_OVER,
    )
