"""Snapshots: who was in an audience at several moments, in a row per person and change.

A row of `directmail_audience_stay` says that a person was in all snapshots of an audience from the
snapshot `since_id` to the one before `until_id`, or to the latest one if that is null. A snapshot
of an audience in which nobody has changed writes no row.

Snapshots are numbered by their ids, which grow with time: transactions that take or delete
snapshots of an audience `touch` it first, so that of two at once one is repeated.
"""

from odoo.tools import SQL

from .audience_members import IDENTITY
from .people_models import MOST_DAYS
from .person import PERSON, PERSON_COLUMNS, person_columns

STAY = SQL("directmail_audience_stay")


def touch(env, audience_ids):
    """Update audiences without a change: a transaction with an older view of them conflicts.

    A lock alone would not do: under REPEATABLE READ, who gets it after another transaction's end
    still does not see the snapshots which that one took or deleted.
    """
    env.cr.execute(
        SQL(
            "UPDATE directmail_audience SET snapshot_days = snapshot_days WHERE id = ANY(%s)",
            list(audience_ids),
        )
    )


def take_snapshot(env, audience_id, number):
    """Keep who is in an audience now, as a snapshot.

    :param int number: id of the new snapshot, which no row refers to yet
    :return: (number of people who were not in the snapshot before, who were only in that one)
    :rtype: tuple
    """
    # Full joins for the reason that `audience_members.replace_members` names.
    return env.execute_query(
        SQL(
            """WITH members AS MATERIALIZED (
                   SELECT %(person)s, %(identity)s AS identity FROM directmail_audience_member
                    WHERE audience_id = %(audience)s
               ), stays AS MATERIALIZED (
                   SELECT id, partner_id, %(identity)s AS identity FROM %(stay)s
                    WHERE audience_id = %(audience)s AND until_id IS NULL
               ), changed AS MATERIALIZED (
                   SELECT s.id, %(contact)s
                     FROM (SELECT * FROM stays WHERE partner_id IS NOT NULL) s
                     FULL JOIN (SELECT * FROM members WHERE partner_id IS NOT NULL) m
                       ON m.partner_id = s.partner_id
                    WHERE s.id IS NULL OR m.partner_id IS NULL
                    UNION ALL
                   SELECT s.id, %(other)s
                     FROM (SELECT * FROM stays WHERE partner_id IS NULL) s
                     FULL JOIN (SELECT * FROM members WHERE partner_id IS NULL) m
                       ON m.identity = s.identity
                    WHERE s.id IS NULL OR m.identity IS NULL
               ), gone AS (
                   UPDATE %(stay)s SET until_id = %(number)s
                    WHERE id IN (SELECT id FROM changed WHERE id IS NOT NULL) RETURNING 1
               ), entered AS (
                   INSERT INTO %(stay)s (audience_id, since_id, %(person)s)
                   SELECT %(audience)s, %(number)s, %(person)s FROM changed
                    WHERE id IS NULL ORDER BY partner_id RETURNING 1
               )
               SELECT (SELECT count(*) FROM entered), (SELECT count(*) FROM gone)""",
            person=PERSON,
            contact=person_columns("partner_id", alias="m"),
            other=person_columns(*PERSON_COLUMNS, alias="m"),
            identity=IDENTITY,
            audience=audience_id,
            stay=STAY,
            number=number,
        )
    )[0]


def covers(stay, number):
    """Return SQL of the condition that a person was in a snapshot.

    :param SQL stay: name of a row of `directmail_audience_stay` of the snapshot's audience
    :param int number: id of the snapshot
    """
    return SQL(
        "%(stay)s.since_id <= %(number)s AND (%(stay)s.until_id IS NULL"
        " OR %(stay)s.until_id > %(number)s)",
        stay=stay,
        number=number,
    )


def forget_stays(env, audience_ids):
    """Delete the rows of people who are in no snapshot any more, after snapshots were deleted."""
    env.cr.execute(
        SQL(
            """DELETE FROM %s stay WHERE audience_id = ANY(%s) AND NOT EXISTS (
                   SELECT FROM directmail_audience_snapshot s
                    WHERE s.audience_id = stay.audience_id AND s.id >= stay.since_id
                      AND (stay.until_id IS NULL OR s.id < stay.until_id))""",
            STAY,
            list(audience_ids),
        )
    )


def find_old(env):
    """Return the ids of snapshots that are older than their audience keeps them, and unused.

    More than `MOST_DAYS` days count as so many: an earlier date may be none.
    """
    rows = env.execute_query(
        SQL(
            """SELECT s.id FROM directmail_audience_snapshot s
                 JOIN directmail_audience a ON a.id = s.audience_id
                WHERE a.snapshot_days > 0
                  AND s.taken_at < now() AT TIME ZONE 'UTC'
                                   - make_interval(days => LEAST(a.snapshot_days, %s))
                  AND NOT EXISTS (SELECT FROM directmail_audience_line l
                                   WHERE l.snapshot_id = s.id)""",
            MOST_DAYS,
        )
    )
    return [number for (number,) in rows]
