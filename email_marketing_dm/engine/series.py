"""Series: who enters, who is due, and where people stand next; rows `directmail_series_entry`.

The caller has locked the row of the series (`engine.series_lock`), so that no other server advances
its people meanwhile. What a step does with a person is decided by `clock.steps`.
"""

from collections import namedtuple
from datetime import datetime, timedelta
from typing import NamedTuple

from odoo.tools import SQL

from ..clock.steps import SOONEST, Mail, Place
from .person import PERSON
from .series_exits import is_exit_due
from .series_order import add_passed
from .sql import index_lookups

Due = namedtuple("Due", "id step_id due_at mail passed", defaults=(None,))
Due.__doc__ = """A person who is due.

:ivar id: of the entry
:ivar step_id: None if the step was removed
:ivar clock.steps.Mail mail: of this step; None if none was planned
:ivar passed: ids of the steps that they have passed, if the order was changed while they were
    inside; None otherwise
"""


class Entering(NamedTuple):
    """Which members of an audience enter a series, and where they stand then.

    :ivar after_id: only members with a higher id enter
    :ivar at: when they enter (naive UTC)
    :ivar clock.steps.Place place: where they stand
    :ivar again_after: how long after entering people may enter again who are not inside; None:
        never
    :ivar is_planned: whether the caller plans the mail of `place` for all who enter
    """

    series_id: int
    company_id: int
    audience_id: int
    after_id: int
    at: datetime
    place: Place
    again_after: timedelta | None = None
    is_planned: bool = False


class Entered(NamedTuple):
    """What `enter` has read and done.

    :ivar last_id: the highest id of the members that were read; None if there were none
    :ivar is_last: whether these were all
    :ivar entry_ids: ids of the entries that were inserted
    """

    last_id: int | None
    is_last: bool
    entry_ids: list[int]


def find_due_series(env, at):
    """Return the ids of the running series that have something to do, in one statement.

    These are series with people who are due or were put in by hand, whose audience was refreshed
    since it was read, that start on a date which has come, whose hours were changed, or that only
    wait for their last people and have none.
    """
    rows = env.execute_query(
        SQL(
            """SELECT s.id FROM directmail_series s
                WHERE s.state IN ('running', 'closing')
                  AND COALESCE(s.yields_until, '-infinity') <= %s AND (
                      EXISTS (SELECT FROM directmail_series_entry e
                               WHERE e.series_id = s.id AND e.state = 'inside'
                                 AND e.due_at <= %s)
                   OR s.state = 'running' AND s.start_kind = 'audience' AND s.last_refresh_id < %s
                   OR s.state = 'running' AND s.next_start_at <= %s
                   OR s.held_from_id > 0
                   OR EXISTS (SELECT FROM directmail_series_request r WHERE r.series_id = s.id)
                   OR %s
                   OR s.state = 'closing' AND NOT EXISTS (
                              SELECT FROM directmail_series_entry e
                               WHERE e.series_id = s.id AND e.state = 'inside'))
                ORDER BY s.id""",
            at,
            at,
            _select_last_refresh(SQL("s.audience_id")),
            at,
            is_exit_due(SQL("s")),
        )
    )
    return [row[0] for row in rows]


def find_next_due(env, at):
    """Return when a running series has something to do next, later than now (naive UTC).

    That is when the next person is due, or when the series starts for further people.
    """
    [(moment,)] = env.execute_query(
        SQL(
            # The LATERAL subquery is one index lookup per series, however many people are inside.
            """SELECT min(LEAST(first.due_at, CASE WHEN s.state = 'running' AND s.next_start_at > %s
                                                   THEN s.next_start_at END))
                 FROM directmail_series s LEFT JOIN LATERAL (
                      SELECT due_at FROM directmail_series_entry
                       WHERE series_id = s.id AND state = 'inside'
                         AND due_at > %s
                       ORDER BY due_at LIMIT 1) first ON TRUE
                WHERE s.state IN ('running', 'closing')""",
            at,
            at,
        )
    )
    return moment


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


def enter(env, entering, limit):
    """Insert entries of the members who enter, of a batch of members.

    A unique index on the number of the contact, the record or the address, and `run`, which counts
    how often a person has entered, lets each person enter once per run. Contacts that were merged
    keep their entries, and the merged contact enters as one who was inside.

    With `is_planned`, entries have the ids of deliveries that the plan is going to insert, and
    stand as after `remember_mails`: each entry is written once.

    :param Entering entering: who enters
    :param int limit: how many members are read
    :rtype: Entered
    """
    place = entering.place
    before, may_enter = _select_entering(entering)
    with index_lookups(env):
        [(number, last_id, entry_ids)] = env.execute_query(
            SQL(
                """WITH members AS MATERIALIZED (
                       SELECT * FROM directmail_audience_member
                        WHERE audience_id = %(audience)s AND id > %(after)s
                        ORDER BY id LIMIT %(limit)s
                   ), entered AS (
                       INSERT INTO directmail_series_entry
                              (series_id, company_id, run, contact_number, %(person)s, state,
                               step_id, due_at, entered_at, ended_at, delivery_id, mailed_at)
                       SELECT %(series)s, %(company)s, COALESCE(before.run, 0) + 1, partner_id,
                              %(person)s, %(state)s, %(step)s, %(due)s, %(at)s, %(ended)s,
                              %(delivery)s, %(mailed)s
                         FROM members m %(before)s WHERE (%(may_enter)s) ORDER BY m.id
                           ON CONFLICT DO NOTHING
                    RETURNING id
                   )
                   SELECT count(*), max(id), ARRAY(SELECT id FROM entered) FROM members""",
                **_get_standing(entering),
                series=entering.series_id,
                company=entering.company_id,
                audience=entering.audience_id,
                after=entering.after_id,
                limit=limit,
                person=PERSON,
                at=entering.at,
                state=place.state,
                step=place.step_id,
                before=before,
                may_enter=may_enter,
            )
        )
    return Entered(last_id, number < limit, entry_ids)


def _select_entering(entering):
    """Return how often a member `m` has entered, as a join `before`, and whether they may now."""
    if entering.again_after is not None:
        return find_earlier_runs(entering.series_id), SQL(
            "before.run IS NULL OR NOT before.inside AND before.entered_at <= %s",
            entering.at - entering.again_after,
        )
    return (
        SQL("CROSS JOIN (SELECT NULL::int AS run) before"),
        SQL(
            # Always true for those who are no contacts. With OFFSET, it is one look-up for each
            # member of the batch, never a join that reads everybody who has entered.
            """NOT EXISTS (
               SELECT FROM directmail_series_entry e
                WHERE e.series_id = %s AND e.partner_id = m.partner_id OFFSET 0)""",
            entering.series_id,
        ),
    )


def _get_standing(entering):
    """Return the parts of the statement that let people stand at a place, perhaps with a mail."""
    place = entering.place
    if entering.is_planned:
        return {
            "due": SQL("%s", entering.at + SOONEST),
            "ended": SQL("NULL"),
            "delivery": SQL("nextval('directmail_delivery_id_seq')"),
            "mailed": SQL("%s", entering.at),
        }
    return {
        "due": SQL("%s", None if place.step_id is None else place.due_at),
        "ended": SQL("%s", place.due_at if place.step_id is None else None),
        "delivery": SQL("NULL"),
        "mailed": SQL("NULL"),
    }


def find_earlier_runs(series_id):
    """Return a LATERAL join, `before`: how often a person `m` has entered a series, and when last.

    One look-up each by the merged or original contact, the record and the address.
    """
    entries = SQL(
        "SELECT run, state, entered_at FROM directmail_series_entry e WHERE e.series_id = %s AND",
        series_id,
    )
    return SQL(
        """LEFT JOIN LATERAL (
            SELECT max(run) AS run, bool_or(state = 'inside') AS inside,
                   max(entered_at) AS entered_at
              FROM (%(entries)s e.partner_id = m.partner_id
                    UNION ALL %(entries)s e.contact_number = m.partner_id
                    UNION ALL %(entries)s m.partner_id IS NULL AND e.contact_number IS NULL
                           AND e.res_model = m.res_model AND e.res_id = m.res_id
                    UNION ALL %(entries)s m.partner_id IS NULL AND m.res_id IS NULL
                           AND e.contact_number IS NULL AND e.res_id IS NULL
                           AND e.address_key = m.address_key) AS e
           ) before ON TRUE""",
        entries=entries,
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
            """SELECT e.id, e.step_id, e.due_at, e.passed, e.delivery_id, d.state, e.mailed_at,
                      COALESCE(d.sent_at, CASE WHEN d.state IN ('sent', 'unknown')
                                               THEN d.claimed_at END),
                      d.not_before, d.reason
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
        Due(
            number,
            step_id,
            due_at,
            Mail(*mail) if delivery_id else None,
            None if passed is None else frozenset(map(int, passed)),
        )
        for number, step_id, due_at, passed, delivery_id, *mail in rows
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
            *map(
                list, zip(*((one, *place[:4], stays) for one, place, stays in places), strict=True)
            ),
        )
    )
    if passed := {one: place.passed for one, place, _stays in places if place.passed}:
        add_passed(env, passed)


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


def count_waiting(env, series_id):
    """Return how many mails of a series wait in email tasks that are being sent."""
    [(number,)] = env.execute_query(
        SQL(
            """SELECT count(*) FROM directmail_series_step s
                 JOIN directmail_task t ON t.series_step_id = s.id AND t.state = 'sending'
                 JOIN directmail_delivery d ON d.task_id = t.id AND d.state = 'waiting'
                WHERE s.series_id = %s""",
            series_id,
        )
    )
    return number


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
    """Let people whose mail became due in the past be due now, so that none of them is late.

    Nor is a mail that was planned and waits to be sent.
    """
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry e SET mailed_at = %(at)s
                 FROM directmail_delivery d
                WHERE e.series_id = %(series)s AND e.state = 'inside' AND d.id = e.delivery_id
                  AND d.state = 'waiting' AND e.mailed_at < %(at)s""",
            series=series_id,
            at=at,
        )
    )
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry SET due_at = %(at)s
                WHERE series_id = %(series)s AND state = 'inside' AND delivery_id IS NULL
                  AND due_at < %(at)s""",
            series=series_id,
            at=at,
        )
    )


def let_go_on(env, step_ids, at):
    """Let the people be due who are at steps that were removed, unless their mail is under way."""
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry SET due_at = %(at)s
                WHERE step_id = ANY(%(steps)s) AND state = 'inside' AND delivery_id IS NULL
                  AND due_at > %(at)s""",
            steps=list(step_ids),
            at=at,
        )
    )
