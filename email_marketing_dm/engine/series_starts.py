"""Starts of a series otherwise than by an audience; rows `directmail_series_entry`.

The caller has locked the gate and the row of the series, as for `engine.series`.
"""

from collections import namedtuple
from datetime import datetime, timedelta
from typing import NamedTuple

from odoo.tools import SQL

from ..clock.occasions import get_birthdays
from .audience import visible_contacts
from .exclusion import is_in
from .person import PERSON, person_columns
from .series import find_earlier_runs
from .sql import address_key, usable_address


class Starting(NamedTuple):
    """For whom a series starts.

    :ivar audience_id: only members of this audience enter; None for no such limit
    :ivar found: SQL with the columns `person.PERSON_COLUMNS`, `occasion` (varchar: what the start
        is about, at most one entry each; NULL for none) and `moment` (naive UTC: when it starts)
    :ivar each: whether each occasion starts the series, also for people who are inside
    :ivar again_after: without `each`: as in `engine.series.Entering`
    """

    series_id: int
    company_id: int
    audience_id: int | None
    found: SQL
    each: bool
    again_after: timedelta | None = None


def enter(env, starting, path):
    """Insert entries, and let them stand at their first step.

    :param Starting starting: for whom the series starts
    :param clock.steps.Path path: of the series
    """
    may_enter = SQL("TRUE")
    if not starting.each:
        may_enter = SQL("before.run IS NULL")
        if starting.again_after is not None:
            may_enter = SQL(
                "%s OR NOT before.inside AND before.entered_at <= m.moment - %s",
                may_enter,
                starting.again_after,
            )
    env.cr.execute(
        SQL(
            # Runs of a person are numbered, because unique indexes allow each run once.
            """WITH found AS (SELECT * FROM (%(found)s) people %(members)s), numbered AS (
                SELECT m.*, GREATEST(COALESCE(before.run, 0), %(address_run)s) AS last_run,
                       row_number() OVER (PARTITION BY m.partner_id, %(same_person)s
                                              ORDER BY m.moment, m.occasion) AS number
                  FROM found m %(before)s
                 WHERE NOT EXISTS (SELECT FROM directmail_series_entry e
                                    WHERE e.series_id = %(series)s AND e.occasion = m.occasion)
                   AND (%(may_enter)s)
            )
            INSERT INTO directmail_series_entry
                   (series_id, company_id, run, contact_number, %(person)s, occasion, state,
                    entered_at)
            SELECT %(series)s, %(company)s, last_run + number, partner_id, %(person)s, occasion,
                   'inside', moment
              FROM numbered WHERE %(each)s OR number = 1
             ORDER BY moment, partner_id, res_id
                ON CONFLICT DO NOTHING""",
            found=starting.found,
            before=find_earlier_runs(starting.series_id),
            **_number_by_address(starting),
            may_enter=may_enter,
            members=_among_members(starting.audience_id),
            series=starting.series_id,
            company=starting.company_id,
            person=PERSON,
            each=starting.each,
        )
    )
    _place(env, starting.series_id, path)


def _number_by_address(starting):
    """Return the parts of `enter` that number the runs of records `m` without a contact.

    If each record starts the series, those with one address are runs of one person, because an
    address gets the mail of a step once for each run.

    :return: {"address_run": the last run of the address, "same_person": what people differ in}
    """
    record = SQL("m.res_model || ',' || m.res_id")
    if not starting.each:
        return {"address_run": SQL("0"), "same_person": record}
    return {
        "address_run": SQL(
            """CASE WHEN m.partner_id IS NULL THEN (
                    SELECT max(e.run) FROM directmail_series_entry e
                     WHERE e.series_id = %s AND e.contact_number IS NULL
                       AND e.address_key = m.address_key) END""",
            starting.series_id,
        ),
        "same_person": SQL(
            "CASE WHEN m.partner_id IS NULL THEN COALESCE(m.address_key, %s) END", record
        ),
    }


def _among_members(audience_id):
    """Return the WHERE clause for rows `people` that are in an audience; empty without one."""
    return SQL("WHERE %s", is_in([audience_id], SQL("people"))) if audience_id else SQL()


def _place(env, series_id, path):
    """Let people who have just entered stand at their first step.

    `Path.enter` decides it once per moment, not per person.
    """
    fresh = SQL("series_id = %s AND state = 'inside' AND due_at IS NULL", series_id)
    rows = env.execute_query(
        SQL("SELECT DISTINCT entered_at FROM directmail_series_entry WHERE %s", fresh)
    )
    places = [(moment, *path.enter(moment)[:3]) for (moment,) in rows]
    if not places:
        return
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry e
                  SET step_id = new.step_id, state = new.state,
                      due_at = CASE WHEN new.state = 'inside' THEN new.moment END,
                      ended_at = CASE WHEN new.state != 'inside' THEN new.moment END
                 FROM unnest(%s::timestamp[], %s::int[], %s::timestamp[], %s::varchar[])
                      AS new (entered_at, step_id, moment, state)
                WHERE %s AND e.entered_at = new.entered_at""",
            *map(list, zip(*places, strict=True)),
            SQL("e.series_id = %s AND e.state = 'inside' AND e.due_at IS NULL", series_id),
        )
    )


# Contacts who are put into a series by hand: rows `directmail_series_request`.


def has_requests(env, series_id):
    """Tell whether contacts were put into a series and have not entered yet."""
    [(found,)] = env.execute_query(
        SQL("SELECT EXISTS (SELECT FROM directmail_series_request WHERE series_id = %s)", series_id)
    )
    return found


def select_requested(env, owner_env, series_id, at):
    """Return SQL of the contacts who were put into a series, as `Starting.found`.

    :param owner_env: with the rights of the owner of the series, who must see them
    :param datetime at: when they enter (naive UTC)
    """
    return SQL(
        """SELECT DISTINCT %s, NULL::varchar AS occasion, %s::timestamp AS moment
             FROM directmail_series_request
            WHERE series_id = %s AND partner_id IN (%s)""",
        person_columns("partner_id"),
        at,
        series_id,
        visible_contacts(owner_env),
    )


def delete_requests(env, series_id):
    """Delete the requests that `select_requested` has read.

    The transaction's snapshot has no later ones.
    """
    env.cr.execute(SQL("DELETE FROM directmail_series_request WHERE series_id = %s", series_id))


# People of records of a data table.


def select_people(env, found, master_key):
    """Return SQL of the people of records, as `Starting.found`.

    Contacts whom the owner may not read, and archived ones, are left out.

    :param env: with the rights of the owner of the series
    :param SQL found: with the columns partner_id, res_model, res_id and email, of which either
        the first is set or the others, occasion and moment
    :param master_key: of the address keys
    """
    return SQL(
        """SELECT %s, occasion, moment FROM (%s) found
            WHERE partner_id IS NULL OR partner_id IN (%s)""",
        person_columns(
            "partner_id",
            "res_model",
            "res_id",
            "email",
            address_key=SQL(
                "CASE WHEN %s THEN %s END",
                usable_address(SQL("email")),
                address_key(master_key, SQL("email")),
            ),
        ),
        found,
        visible_contacts(env),
    )


def select_dated(rows, model_name, local, day, yearly):
    """Return SQL of the records whose date, or its anniversary, is on a day.

    A record starts once a year, or once for each date that it has had.

    :param SQL rows: with the columns of a person, record and date
    :param str model_name: of the records
    :param SQL local: the local day of `date`
    :param clock.occasions.Day day: the day
    :param bool yearly: whether anniversaries count, and not the date itself
    :return: SQL, for `select_people`
    """
    if yearly:
        occasion = f"{day.base.year}"
        is_day = SQL(
            "EXTRACT(YEAR FROM %(day)s) < %(year)s"
            " AND EXTRACT(MONTH FROM %(day)s) * 100 + EXTRACT(DAY FROM %(day)s) = ANY(%(days)s)",
            day=local,
            year=day.base.year,
            days=get_birthdays(day.base),
        )
    else:
        occasion = f"{day.base:%Y-%m-%d}"
        is_day = SQL("%s = %s", local, day.base)
    return SQL(
        """SELECT partner_id, res_model, res_id, email,
                  %s || ',' || record || ',' || %s AS occasion, %s::timestamp AS moment
             FROM (%s) rows WHERE %s""",
        model_name,
        occasion,
        day.moment,
        rows,
        is_day,
    )


# Records that were created or changed.


class Look(NamedTuple):
    """What is known of changes before the records are read, in a transaction of its own.

    :ivar at: now (naive UTC)
    :ivar safe: records with an earlier date are committed: transactions that are open at `at`, or
        begin later, write later dates, because Odoo dates records by the begin of the transaction
    :ivar changes: {table: how many rows of it were written or deleted so far, as text}
    """

    at: datetime
    safe: datetime
    changes: dict[str, str]


Watching = namedtuple("Watching", "id model_name seen related_tables related_seen next_at")
Watching.__doc__ = """A running series that starts by records.

:ivar seen, related_tables, related_seen: `changes_seen` and the fields of these names
:ivar next_at: `next_start_at`; now where people are due whom their record may call off
"""


def read_watching(env):
    """Return the running series that start by records, as a list of `Watching`."""
    rows = env.execute_query(
        SQL(
            """SELECT s.id, t.model_name, s.changes_seen, s.related_tables, s.related_seen,
                      CASE WHEN s.start_exit AND EXISTS (
                                  SELECT FROM directmail_series_entry e
                                   WHERE e.series_id = s.id AND e.state = 'inside'
                                     AND e.due_at <= now() AT TIME ZONE 'UTC')
                           THEN now() AT TIME ZONE 'UTC' - interval '1 second'
                           ELSE s.next_start_at END
                 FROM directmail_series s JOIN directmail_data_table t ON t.id = s.start_table_id
                WHERE s.state IN ('running', 'closing') AND s.start_kind = 'record' ORDER BY s.id"""
        )
    )
    return [Watching(*row) for row in rows]


def take_look(env, tables):
    """Return a `Look`; the records must be read in a later transaction.

    :param tables: names of the tables whose changes are asked for
    """
    [(at, safe)] = env.execute_query(
        SQL(
            # A second, because dates may be rounded and a transaction begins before it is shown.
            """SELECT date_trunc('second', clock_timestamp() AT TIME ZONE 'UTC'),
                      LEAST(clock_timestamp(), min(xact_start)) AT TIME ZONE 'UTC'
                      - interval '1 second'
                 FROM pg_stat_activity
                WHERE datname = current_database() AND backend_type = 'client backend'
                  AND pid != pg_backend_pid()"""
        )
    )
    rows = env.execute_query(
        SQL(
            """SELECT relname, (n_tup_ins + n_tup_upd + n_tup_del)::varchar
                 FROM pg_stat_user_tables
                WHERE relname = ANY(%s) AND schemaname = current_schema""",
            tables,
        )
    )
    return Look(at, safe, dict(rows))


def select_changed(rows, model_name, hours, each, moment=None):
    """Return SQL of the records for which a series starts.

    :param SQL rows: with the columns of a person, record and date
    :param str model_name: of the records
    :param int hours: for how long they are unchanged
    :param bool each: whether each record starts it once; otherwise each change may start it, for
        people who may enter again
    :param datetime moment: when it starts (naive UTC); by default so many hours after their date
    :return: SQL, for `select_people`
    """
    occasion = SQL("%s || ',' || record", model_name)
    if not each:
        occasion = SQL("%s || ',' || EXTRACT(EPOCH FROM date)::bigint", occasion)
    return SQL(
        """SELECT partner_id, res_model, res_id, email,
                  %s AS occasion,
                  date_trunc('minute', COALESCE(%s, date + %s * interval '1 hour')) AS moment
             FROM (%s) rows""",
        occasion,
        SQL("%s::timestamp", moment),
        hours,
        rows,
    )


def select_record_ids(series_id):
    """Return SQL of the ids of the records of the people inside a series."""
    return SQL(
        """SELECT split_part(occasion, ',', 2)::int FROM directmail_series_entry
            WHERE series_id = %s AND state = 'inside' AND occasion IS NOT NULL""",
        series_id,
    )


def call_off_changed(env, series_id, rows, at):
    """Call off a series for people inside whose record is not among some rows any more.

    :param SQL rows: with the column record
    :param datetime at: now (naive UTC)
    """
    env.cr.execute(
        SQL(
            """UPDATE directmail_series_entry e
                  SET state = 'called_off', reason = 'series_record', step_id = NULL, due_at = NULL,
                      delivery_id = NULL, mailed_at = NULL, ended_at = %(at)s
                WHERE series_id = %(series)s AND state = 'inside' AND occasion IS NOT NULL
                  AND split_part(occasion, ',', 2)::int NOT IN (SELECT record FROM (%(rows)s) rows)
            """,
            at=at,
            series=series_id,
            rows=rows,
        )
    )


def find_first(env, rows):
    """Return the earliest date of some rows; None without rows."""
    [(first,)] = env.execute_query(SQL("SELECT min(date) FROM (%s) rows", rows))
    return first
