"""Versions: the SQL of a task's A/B test.

The plan assigns the people of the *test group* to versions by a hash of their address key, never by
a random draw. The rest waits with `not_before` = `HELD`, so that claims never read it, until the
decision releases it.
"""

from dataclasses import dataclass
from datetime import datetime

from odoo.tools import SQL

from .assignment import get_share
from .control import ASSIGNMENTS
from .measuring import RULED_OUT

LETTERS = "ABCDE"
#: `not_before` of the rest before the decision. Not 'infinity', which Python can't represent.
HELD = datetime(9999, 1, 1)
# States of deliveries whose mail was, or may have been, handed over to DirectMail.
MAILED = SQL("state IN ('sent', 'unknown')")


@dataclass(frozen=True)
class TestGroup:
    """Who gets which version.

    :ivar letters: of the versions, in alphabetical order
    :ivar share: of the people, from 0 to 1, that is in the test group
    :ivar people: number of people in the test group instead of `share`; None to use the share
    """

    letters: str
    share: float
    people: int | None = None


def assign_versions(task_id, group):
    """Return the parts of the plan's INSERT that assign the people of `judged`.

    Suppressed people keep their version: versions are compared by assignment. People without an
    address key are assigned to nothing, nor are duplicates, whose address is assigned once, nor
    people of control groups, whom no version could reach.

    :param TestGroup group: None without a test
    :return: {"assigned": a join, "columns", "values": of the INSERT, "fatigue_rule", "held_until":
        expressions}
    :rtype: dict
    """
    if not group:
        return {
            "assigned": SQL(),
            "columns": SQL(),
            "values": SQL(),
            "fatigue_rule": SQL("fatigue_rule"),
            "held_until": SQL("held_until"),
        }
    share = SQL("%s::float", group.share)
    if group.people:
        share = SQL(
            """(SELECT LEAST(1, %s::float / GREATEST(1, count(*)))
                  FROM judged WHERE reason IS NULL)""",
            group.people,
        )
    is_held = SQL("reason IS NULL AND assigned.is_rest")
    return {
        # OFFSET 0 keeps the planner from copying the hash to each place where `place` is used.
        "assigned": SQL(
            """CROSS JOIN LATERAL (
                    SELECT CASE WHEN COALESCE(reason, '') NOT IN %(outside)s
                                THEN %(hash)s END AS place
                    OFFSET 0
               ) AS hashed
               CROSS JOIN (SELECT %(share)s AS share) AS test
               CROSS JOIN LATERAL (
                    SELECT CASE WHEN place < share THEN %(version)s END AS version,
                           CASE WHEN place >= share THEN TRUE END AS is_rest
               ) AS assigned""",
            outside=("duplicate", *ASSIGNMENTS),
            hash=get_share(f"version/{task_id}", SQL("judged.address_key")),
            share=share,
            version=_slice(group.letters, SQL("place / share")),
        ),
        "columns": SQL(", version, is_rest"),
        "values": SQL(", assigned.version, assigned.is_rest"),
        "fatigue_rule": SQL("CASE WHEN %s THEN NULL ELSE fatigue_rule END", is_held),
        "held_until": SQL("CASE WHEN %s THEN %s ELSE held_until END", is_held, HELD),
    }


def _slice(letters, share):
    """Return SQL of the letter of one of equally wide slices of [0, 1)."""
    return SQL(
        "substr(%s, 1 + LEAST(%s, floor((%s) * %s)::int), 1)",
        letters,
        len(letters) - 1,
        share,
        len(letters),
    )


def count_waiting(env, task_id):
    """Return {letter: number of people of the test group who wait}."""
    return dict(
        env.execute_query(
            SQL(
                """SELECT version, count(*) FROM directmail_delivery
                    WHERE task_id = %s AND state = 'waiting' AND version IS NOT NULL
                    GROUP BY version""",
                task_id,
            )
        )
    )


def is_out(env, task_id):
    """Tell whether no mail of the test group waits or is being sent; two index look-ups.

    Before the decision, every waiting person but the rest is of the test group, and the rest comes
    last in the order of claims. Also true without a waiting person.
    """
    [(waits, is_sending)] = env.execute_query(
        SQL(
            """SELECT EXISTS (
                        SELECT FROM directmail_delivery WHERE task_id = %(task)s
                           AND state = 'waiting'
                           AND COALESCE(not_before, '-infinity'::timestamp) < %(held)s),
                      EXISTS (
                        SELECT FROM directmail_delivery
                         WHERE task_id = %(task)s AND state = 'sending')""",
            task=task_id,
            held=HELD,
        )
    )
    return not waits and not is_sending


def get_last_moment(env, task_id):
    """Return when the last mail of the test group was handed over (naive UTC), or None."""
    [(moment,)] = env.execute_query(
        SQL(
            """SELECT max(claimed_at) FROM directmail_delivery
                WHERE task_id = %s AND version IS NOT NULL AND %s""",
            task_id,
            MAILED,
        )
    )
    return moment


def release(env, task_id, letter):
    """Let the rest have a version, and go out from now on; return the number of people."""
    return _release(env, task_id, SQL("%s", letter), SQL("TRUE"))


def release_evenly(env, task_id, letters):
    """Split the rest evenly: it joins the test group. Return the number of people."""
    hashed = get_share(f"version/{task_id}/rest", SQL("address_key"))
    return _release(env, task_id, _slice(letters, hashed), SQL("NULL"))


def _release(env, task_id, version, is_rest):
    env.cr.execute(
        SQL(
            """UPDATE directmail_delivery
                  SET version = %(version)s, is_rest = %(is_rest)s, not_before = NULL
                WHERE task_id = %(task)s AND state = 'waiting' AND is_rest
                  AND version IS NULL AND not_before = %(held)s""",
            version=version,
            is_rest=is_rest,
            task=task_id,
            held=HELD,
        )
    )
    return env.cr.rowcount


def count_versions(env, task_id):
    """Count the test group by version.

    Reactions are of people, not of machines, and only of those who were mailed.

    :return: {letter: {"assigned", "mailed", "delivered", "opened", "clicked", "converted": number
        of people; "open_base", "click_base": those of "mailed" whose opens or clicks are recorded;
        "revenue", "squares", "cubes": sums over people}}
    :rtype: dict
    """
    rows = env.execute_query_dict(
        SQL(
            """SELECT version, count(*) AS assigned,
                      count(*) FILTER (WHERE %(mailed)s) AS mailed,
                      count(*) FILTER (WHERE %(mailed)s AND outcome = 'delivered') AS delivered,
                      count(*) FILTER (WHERE %(mailed)s AND (measuring IS NULL
                                       OR measuring NOT IN %(no_open)s)) AS open_base,
                      count(*) FILTER (WHERE %(mailed)s AND (measuring IS NULL
                                       OR measuring NOT IN %(no_click)s)) AS click_base,
                      count(*) FILTER (WHERE %(mailed)s AND opened_at IS NOT NULL) AS opened,
                      count(*) FILTER (WHERE %(mailed)s AND clicked_at IS NOT NULL) AS clicked,
                      count(*) FILTER (WHERE %(mailed)s AND converted_at IS NOT NULL) AS converted,
                      COALESCE(sum(amount), 0) AS revenue,
                      COALESCE(sum(amount ^ 2), 0) AS squares,
                      COALESCE(sum(amount ^ 3), 0) AS cubes
                 FROM (SELECT *, CASE WHEN %(mailed)s THEN conversion_amount::float END AS amount
                         FROM directmail_delivery
                        WHERE task_id = %(task)s AND version IS NOT NULL
                          AND is_rest IS NULL) AS people
                GROUP BY version""",
            mailed=MAILED,
            task=task_id,
            no_open=RULED_OUT["open"],
            no_click=RULED_OUT["click"],
        )
    )
    return {row.pop("version"): row for row in rows}


def count_rest(env, task_id):
    """Return {"people", "waiting", "sent"}: numbers of people who are not in the test group."""
    [row] = env.execute_query_dict(
        SQL(
            """SELECT count(*) AS people,
                      count(*) FILTER (WHERE state = 'waiting') AS waiting,
                      count(*) FILTER (WHERE %s) AS sent
                 FROM directmail_delivery WHERE task_id = %s AND is_rest""",
            MAILED,
            task_id,
        )
    )
    return row


def count_hours(env, task_id, column, hours):
    """Count the first reactions of the test group by hour since the task was planned.

    :param str column: with the moment of the reaction, such as "clicked_at"
    :param int hours: count at most so many
    :return: {(hour, letter): number of people}
    :rtype: dict
    """
    rows = env.execute_query(
        SQL(
            """SELECT floor(extract(epoch FROM %(moment)s - t.planned_at) / 3600)::int AS hour,
                      d.version, count(*)
                 FROM directmail_delivery d JOIN directmail_task t ON t.id = d.task_id
                WHERE d.task_id = %(task)s AND d.version IS NOT NULL AND d.is_rest IS NULL
                  AND d.%(mailed)s AND %(moment)s < t.planned_at + %(hours)s * interval '1 hour'
                GROUP BY 1, 2""",
            moment=SQL.identifier("d", column),
            mailed=MAILED,
            task=task_id,
            hours=hours,
        )
    )
    return {(max(0, hour), letter): number for hour, letter, number in rows}
