"""Exits: what calls off a series for a person, decided after refreshes, by the plan and by claims.

A person leaves a series who is no longer in its audience, or who is in an audience that calls it
off. Both are as of the last refresh of these audiences. Series that start by records are also
called off when the record no longer matches: `engine.series_starts.call_off_changed` decides it
each minute, with the owner's rights, and claims follow.
"""

from odoo.tools import SQL

from ..clock.steps import EXITS
from .audience import visible_contacts
from .exclusion import is_in

#: Days after which a mail that is held again and again is too late: the hours of a series and the
#: company's do-not-disturb hours may have no common minute where a recipient lives.
HELD_DAYS = 31


def select_exits(step):
    """Return SQL of what calls off the series of a step, as JSON; null for tasks of no series.

    {"stay": id of the audience in which people must stay, or null, "audiences": ids of those that
    call it off, "record": whether the record does, "late": hours after which a mail of the step is
    too late}. `engine.turn` reads it for each sending task, so it costs one look-up where the task
    is of no series.

    :param SQL step: id of a `directmail.series.step`, or null
    """
    return SQL(
        """(SELECT COALESCE(%s, '{"record": false, "stay": null, "audiences": []}'::jsonb)
                   || jsonb_build_object('late', step.late_hours)
              FROM directmail_series_step step
              JOIN directmail_series s ON s.id = step.series_id WHERE step.id = %s)""",
        _select_exits_of(SQL("s")),
        step,
    )


def _select_exits_of(series):
    return SQL(
        """CASE WHEN %(s)s.exit_left OR %(record)s OR EXISTS (SELECT FROM directmail_series_exit_rel
                                                WHERE directmail_series_id = %(s)s.id)
           THEN jsonb_build_object(
                'record', %(record)s, 'stay', CASE WHEN %(s)s.exit_left THEN %(s)s.audience_id END,
                'audiences', ARRAY(SELECT directmail_audience_id FROM directmail_series_exit_rel
                                    WHERE directmail_series_id = %(s)s.id
                                    ORDER BY directmail_audience_id)) END""",
        s=series,
        record=SQL("(%(s)s.start_kind = 'record' AND %(s)s.start_exit IS TRUE)", s=series),
    )


def select_hours(step):
    """Return SQL of `fatigue.TaskRules.hours` of the series of a step, as JSON.

    :param SQL step: id of a `directmail.series.step`, or null
    """
    return SQL(
        """(SELECT CASE WHEN s.hours_on THEN jsonb_build_array(
                   round(s.hour_from * 60)::int, round(s.hour_to * 60)::int) END
              FROM directmail_series_step step
              JOIN directmail_series s ON s.id = step.series_id WHERE step.id = %s)""",
        step,
    )


def read_exits(env, series_id):
    """Return what calls off a series: see `select_exits`, but without "late".

    The caller has flushed the series.

    Not read by the ORM, which leaves out audiences that the user can't see.

    :rtype: dict or None
    """
    rows = env.execute_query(
        SQL(
            "SELECT %s FROM directmail_series s WHERE id = %s",
            _select_exits_of(SQL("s")),
            series_id,
        )
    )
    return rows[0][0] if rows else None


def get_exit_reason(exits, person, delivery_id=None):
    """Return SQL of the reason why a series is called off for a person, or null.

    :param exits: see `select_exits`
    :param SQL person: name of a row with the columns of a person
    :param SQL delivery_id: of their mail; None before it is planned
    :return: SQL of "series_exit", "series_left", "series_record", "too_late" or null
    """
    reasons = [SQL("NULL::varchar")]
    if exits and delivery_id:
        reasons.append(_get_entry_reason(delivery_id, exits.get("late")))
    if exits and exits["audiences"]:
        found = is_in(exits["audiences"], person)
        reasons.append(SQL("CASE WHEN %s THEN 'series_exit' END", found))
    if exits and exits["stay"]:
        found = is_in([exits["stay"]], person)
        reasons.append(SQL("CASE WHEN NOT %s THEN 'series_left' END", found))
    return SQL("COALESCE(%s)", SQL(", ").join(reasons))


def _get_entry_reason(delivery_id, late):
    """Return SQL of the reason why the entry of a planned mail gets it no more, or null.

    The series was called off for the person meanwhile, perhaps by an audience in which they are
    again by now; or the mail waited too long after it was planned, or since it was held last.

    :param late: hours after which it is too late; None for never
    """
    return SQL(
        """(SELECT CASE WHEN e.state = 'called_off' AND e.reason = ANY(%(exits)s) THEN e.reason
                        WHEN e.delivery_id = d.id AND GREATEST(
                                  e.mailed_at, CASE WHEN d.not_before IS NOT NULL THEN LEAST(
                                  d.not_before, e.mailed_at + %(held)s * interval '1 day') END)
                             < now() AT TIME ZONE 'UTC' - %(late)s::int * interval '1 hour'
                        THEN 'too_late' END
              FROM directmail_delivery d
              JOIN directmail_series_entry e ON e.id = d.series_entry_id
             WHERE d.id = %(delivery)s)""",
        exits=list(EXITS),
        late=late,
        held=HELD_DAYS,
        delivery=delivery_id,
    )


def find_unseen(env, owner_env, entry_ids):
    """Return the ids of the entries of contacts whom a user may not see, as a set.

    :param owner_env: with the rights of the user
    :param entry_ids: ids of `directmail.series.entry`
    """
    rows = env.execute_query(
        SQL(
            """SELECT e.id FROM directmail_series_entry e
                 JOIN res_partner p ON p.id = e.partner_id AND p.active
                WHERE e.id = ANY(%s)
                  AND NOT EXISTS (SELECT FROM (%s) AS visible WHERE visible.id = p.id)""",
            list(entry_ids),
            visible_contacts(owner_env),
        )
    )
    return {row[0] for row in rows}


def sum_refreshes(series):
    """Return SQL of a number that grows with each refresh of an audience that calls off a series.

    A sum: of two audiences, the refresh with the lower id may be committed later.

    :param SQL series: name of a row of `directmail_series`
    """
    return SQL(
        """COALESCE((SELECT sum(last.id) FROM (
                       SELECT directmail_audience_id AS id FROM directmail_series_exit_rel
                        WHERE directmail_series_id = %(s)s.id
                        UNION SELECT %(s)s.audience_id WHERE %(s)s.exit_left) AS audience
                     CROSS JOIN LATERAL (SELECT max(z.id) AS id FROM directmail_audience_size z
                                          WHERE z.audience_id = audience.id) AS last), 0)::int""",
        s=series,
    )


def is_exit_due(series):
    """Return SQL that tells whether people of a series must be looked at for exits.

    :param SQL series: name of a row of `directmail_series`
    """
    return SQL(
        "(COALESCE(%(s)s.exit_pending, FALSE) OR COALESCE(%(s)s.exit_refreshes, 0) != %(sum)s)",
        s=series,
        sum=sum_refreshes(series),
    )


def start_exits(env, series_id):
    """Let the people of a series be looked at from the beginning, if an audience was refreshed.

    The caller has locked the series, and reads its fields anew.
    """
    env.cr.execute(
        SQL(
            """UPDATE directmail_series s
                  SET exit_pending = TRUE, exit_checked_id = 0, exit_refreshes = %(sum)s
                WHERE id = %(series)s AND COALESCE(exit_refreshes, 0) != %(sum)s""",
            sum=sum_refreshes(SQL("s")),
            series=series_id,
        )
    )


def call_off_exits(env, series_id, exits, after_id, limit, at):
    """Call off a series for the people of a batch who have left its audience or are in another.

    :param exits: see `select_exits`
    :param int after_id: only entries with a higher id
    :param int limit: of entries
    :param datetime at: now (naive UTC)
    :return: the last id of a full batch; None if there are no further entries
    """
    [(number, last)] = env.execute_query(
        SQL(
            """WITH people AS MATERIALIZED (
                   SELECT * FROM directmail_series_entry
                    WHERE series_id = %(series)s AND state = 'inside' AND id > %(after)s
                    ORDER BY id LIMIT %(limit)s
               ), judged AS MATERIALIZED (
                   SELECT id, %(reason)s AS reason FROM people
               ), changed AS (
                   UPDATE directmail_series_entry e
                      SET state = 'called_off', reason = judged.reason, step_id = NULL,
                          due_at = NULL, delivery_id = NULL, mailed_at = NULL, ended_at = %(at)s
                     FROM judged WHERE judged.id = e.id AND judged.reason IS NOT NULL
               )
               SELECT count(*), max(id) FROM people""",
            series=series_id,
            after=after_id,
            limit=limit,
            reason=get_exit_reason(exits, SQL("people")),
            at=at,
        )
    )
    return last if number == limit else None
