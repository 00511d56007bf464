"""Series: who enters, who is due, and where people stand next; rows `directmail_series_entry`.

The caller has locked the row of the series, so that no other server advances its people meanwhile.
What a step does with a person is decided by `clock.steps`.
"""

from collections import namedtuple
from datetime import datetime
from typing import NamedTuple

from odoo.tools import SQL

from ..clock.steps import SOONEST, Mail, Place
from .people import current_addresses
from .person import PERSON

Due = namedtuple("Due", "id step_id due_at mail")
Due.__doc__ = """A person who is due.

:ivar id: of the entry
:ivar step_id: None if the step was removed
:ivar clock.steps.Mail mail: of this step; None if none was planned
"""


class Entering(NamedTuple):
    """Which members of an audience enter a series, and where they stand then.

    :ivar after_id: only members with a higher id enter
    :ivar at: when they enter (naive UTC)
    :ivar clock.steps.Place place: where they stand
    """

    series_id: int
    company_id: int
    audience_id: int
    after_id: int
    at: datetime
    place: Place


def find_due_series(env, at):
    """Return the ids of the running series that have something to do, in one statement.

    These are series with people who are due, whose audience was refreshed since it was read, or
    that only wait for their last people and have none.
    """
    rows = env.execute_query(
        SQL(
            """SELECT s.id FROM directmail_series s
                WHERE s.state IN ('running', 'closing') AND (
                      EXISTS (SELECT FROM directmail_series_entry e
                               WHERE e.series_id = s.id AND e.state = 'inside'
                                 AND e.due_at <= %s)
                   OR s.state = 'running' AND s.last_refresh_id < %s
                   OR s.state = 'closing' AND NOT EXISTS (
                              SELECT FROM directmail_series_entry e
                               WHERE e.series_id = s.id AND e.state = 'inside'))
                ORDER BY s.id""",
            at,
            _select_last_refresh(SQL("s.audience_id")),
        )
    )
    return [row[0] for row in rows]


def find_next_due(env, at):
    """Return when the next person of a running series is due who is not due yet (naive UTC)."""
    [(moment,)] = env.execute_query(
        SQL(
            # The LATERAL subquery is one index lookup per series, however many people are inside.
            """SELECT min(first.due_at) FROM directmail_series s CROSS JOIN LATERAL (
                      SELECT due_at FROM directmail_series_entry
                       WHERE series_id = s.id AND state = 'inside'
                         AND due_at > %s
                       ORDER BY due_at LIMIT 1) first
                WHERE s.state IN ('running', 'closing')""",
            at,
        )
    )
    return moment


def lock_series(env, series_id):
    """Lock a series for this transaction; return whether it runs and no other server has it."""
    return bool(
        env.execute_query(
            SQL(
                """SELECT id FROM directmail_series
                    WHERE id = %s AND state IN ('running', 'closing')
                      FOR NO KEY UPDATE SKIP LOCKED""",
                series_id,
            )
        )
    )


def _select_last_refresh(audience_id):
    # Not the moment of the refresh: two refreshes may be in the same second.
    return SQL(
        "COALESCE((SELECT max(id) FROM directmail_audience_size WHERE audience_id = %s), 0)",
        audience_id,
    )


def find_last_refresh(env, audience_id):
    """Return the id of the `directmail.audience.size` of an audience's last refresh; 0 without."""
    [(last,)] = env.execute_query(SQL("SELECT %s", _select_last_refresh(SQL("%s", audience_id))))
    return last


def find_last_member(env, audience_id):
    """Return the highest id of the members of an audience; 0 without any."""
    [(last,)] = env.execute_query(
        SQL(
            "SELECT COALESCE(max(id), 0) FROM directmail_audience_member WHERE audience_id = %s",
            audience_id,
        )
    )
    return last


def enter(env, entering):
    """Insert entries of the members who enter.

    A unique index on the number of the contact, the record or the address lets each person enter
    once. Contacts that were merged keep their entries, and the merged contact enters no more.

    :param Entering entering: who enters
    """
    place = entering.place
    env.cr.execute(
        SQL(
            """INSERT INTO directmail_series_entry
                      (series_id, company_id, run, contact_number, %(person)s,
                       state, step_id, due_at, entered_at, ended_at)
               SELECT %(series)s, %(company)s, 1, partner_id, %(person)s,
                      %(state)s, %(step)s, %(due)s, %(at)s, %(ended)s
                 FROM directmail_audience_member m
                WHERE m.audience_id = %(audience)s AND m.id > %(after)s
                  AND (m.partner_id IS NULL OR NOT EXISTS (
                       SELECT FROM directmail_series_entry e
                        WHERE e.series_id = %(series)s AND e.partner_id = m.partner_id))
                ORDER BY m.id
                   ON CONFLICT DO NOTHING""",
            series=entering.series_id,
            company=entering.company_id,
            audience=entering.audience_id,
            after=entering.after_id,
            person=PERSON,
            at=entering.at,
            state=place.state,
            step=place.step_id,
            due=None if place.step_id is None else place.due_at,
            ended=place.due_at if place.step_id is None else None,
        )
    )


def find_due_steps(env, series_id, at):
    """Return the ids of the steps at which people are due whose mail was not planned yet."""
    rows = env.execute_query(
        SQL(
            """SELECT DISTINCT step_id FROM directmail_series_entry
                WHERE series_id = %s AND state = 'inside' AND delivery_id IS NULL
                  AND due_at <= %s""",
            series_id,
            at,
        )
    )
    return {row[0] for row in rows}


def read_due(env, series_id, at, limit, stopped=()):
    """Return the people of a series who are due, as `Due`, those first who are due the longest.

    :param stopped: ids of the steps that can't plan mails at the moment, whose people keep waiting
    """
    rows = env.execute_query(
        SQL(
            """SELECT e.id, e.step_id, e.due_at, e.delivery_id, d.state, e.mailed_at,
                      COALESCE(d.sent_at, CASE WHEN d.state IN ('sent', 'unknown')
                                               THEN d.claimed_at END),
                      d.not_before
                 FROM directmail_series_entry e
                 LEFT JOIN directmail_delivery d ON d.id = e.delivery_id
                WHERE e.series_id = %s AND e.state = 'inside'
                  AND e.due_at <= %s
                  AND NOT (e.step_id = ANY(%s) AND e.delivery_id IS NULL)
                ORDER BY e.due_at, e.id LIMIT %s""",
            series_id,
            at,
            list(stopped),
            limit,
        )
    )
    return [
        Due(number, step_id, due_at, Mail(*mail) if delivery_id else None)
        for number, step_id, due_at, delivery_id, *mail in rows
    ]


def move(env, places):
    """Let people stand where `clock.steps` decided.

    :param places: [(entry id, `clock.steps.Place`, whether the mail of the step is not over)]
    """
    if not places:
        return
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry e
                  SET step_id = new.step_id, state = new.state, reason = new.reason,
                      due_at = CASE WHEN new.state = 'inside' THEN new.moment END,
                      ended_at = CASE WHEN new.state != 'inside' THEN new.moment END,
                      delivery_id = CASE WHEN new.stays THEN e.delivery_id END,
                      mailed_at = CASE WHEN new.stays THEN e.mailed_at END
                 FROM unnest(%s::int[], %s::int[], %s::timestamp[], %s::varchar[], %s::varchar[],
                             %s::boolean[])
                      AS new (id, step_id, moment, state, reason, stays)
                WHERE e.id = new.id""",
            *map(list, zip(*((one, *place, stays) for one, place, stays in places), strict=True)),
        )
    )


def remember_mails(env, task_id, entry_ids, at):
    """Store in entries the deliveries that a plan has made of them.

    :param int task_id: of the step
    :param datetime at: when they were planned (naive UTC)
    """
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry e
                  SET delivery_id = d.id, mailed_at = %s, due_at = %s
                 FROM directmail_delivery d
                WHERE d.series_entry_id = e.id AND d.task_id = %s AND e.id = ANY(%s)""",
            at,
            at + SOONEST,
            task_id,
            entry_ids,
        )
    )


def call_off(env, series_id, reason, at):
    """Call off the series for everybody inside."""
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry
                  SET state = 'called_off', reason = %s, step_id = NULL, due_at = NULL,
                      delivery_id = NULL, mailed_at = NULL, ended_at = %s
                WHERE series_id = %s AND state = 'inside'""",
            reason,
            at,
            series_id,
        )
    )


def forgive(env, series_id, at):
    """Let people whose mail became due in the past be due now, so that none of them is late."""
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry SET due_at = %(at)s
                WHERE series_id = %(series)s AND state = 'inside' AND delivery_id IS NULL
                  AND due_at < %(at)s""",
            series=series_id,
            at=at,
        )
    )


# The parts of the plan's statement for a step of a series: see `engine.plan`.


def entered_people(env, context, rules, entry_ids, lenders):
    """Return CTEs ending in `addressed`: the people of some entries, at their present addresses.

    :param PeopleContext context: how to find people and addresses
    :param rules: the `fatigue.TaskRules` of the task
    :param lenders: the `people.Lenders` of the task, which has one audience
    :return: SQL; `addressed` also has `series_entry_id`
    :rtype: SQL
    """
    return SQL(
        """people AS (
            SELECT %s, contact_number IS NOT NULL AS is_contact, %s::int AS lender_id,
                   id AS series_entry_id
              FROM directmail_series_entry WHERE id = ANY(%s)
        ), %s""",
        PERSON,
        lenders.owner_ids[0] if lenders.owner_ids else None,
        list(entry_ids),
        current_addresses(env, context, rules, carried=("lender_id", "series_entry_id")),
    )


def carry_entries(entry_ids):
    """Return the column that leads from a person to the entry; empty outside of a series."""
    return SQL() if entry_ids is None else SQL(", series_entry_id")


def get_earlier_mails(task_ids, person):
    """Return the parts of the plan's statement that find the addresses that got the step's mail.

    :param task_ids: ids of the tasks that send the step, each for a month
    :param SQL person: name of a row with the column address_key
    :return: as `engine.family.get_family`
    :rtype: dict
    """
    return {
        "got": SQL(),
        # By `_address_unique`: one lookup for each month of the step.
        "join_got": SQL(
            """LEFT JOIN LATERAL (
                    SELECT d.address_key FROM directmail_delivery d
                     WHERE d.task_id = ANY(%s) AND d.address_key = %s.address_key
                       AND d.state != 'suppressed' LIMIT 1) got ON TRUE""",
            list(task_ids),
            person,
        ),
        "is_got": SQL("WHEN got.address_key IS NOT NULL THEN 'family'"),
    }
