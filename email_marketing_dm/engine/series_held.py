"""Mails of a series that are held by its hours, and people who wait for its daily limit."""

from odoo.tools import SQL

from ..clock.steps import SOONEST


def count_due(env, series_id, at):
    """Return how many people are due at a step that sends a mail which was not planned yet."""
    [(number,)] = env.execute_query(
        SQL(
            """SELECT count(*) FROM directmail_series_entry e
                 JOIN directmail_series_step s ON s.id = e.step_id AND s.kind = 'mail'
                WHERE e.series_id = %s AND e.state = 'inside' AND e.delivery_id IS NULL
                  AND e.due_at <= %s""",
            series_id,
            at,
        )
    )
    return number


def _select_held(series_id, at):
    """Return SQL of the deliveries of a series that hours or quiet times hold after a moment.

    A mail that DirectMail did not take has no `fatigue_rule` while it waits for the next attempt.
    """
    return SQL(
        """SELECT d.id FROM directmail_series_step s
             JOIN directmail_task t ON t.series_step_id = s.id
              AND t.state NOT IN ('draft', 'done', 'cancelled')
             JOIN directmail_delivery d ON d.task_id = t.id AND d.state = 'waiting'
              AND COALESCE(d.not_before, '-infinity'::timestamp) > %s
            WHERE s.series_id = %s AND d.fatigue_rule IS NOT NULL""",
        at,
        series_id,
    )


def count_held(env, series_id, at):
    """Return how many mails of a series are held until after a moment."""
    [(number,)] = env.execute_query(
        SQL("SELECT count(*) FROM (%s) held", _select_held(series_id, at))
    )
    return number


def free_held(env, series_id, from_id, limit, at):
    """Let the next mails of a series be claimed that are held, and their people be looked at soon.

    Their `not_before` becomes now instead of null, so that none is too late by the time for which
    it was held. The caller has locked the gate.

    :param int from_id: only deliveries with this id or a higher one: claims may hold those below
        again
    :param int limit: of deliveries
    :param datetime at: now (naive UTC)
    :return: the last id of a full batch; None if there are no further ones
    """
    [(number, last)] = env.execute_query(
        SQL(
            """WITH held AS MATERIALIZED (
                   SELECT id FROM (%(held)s) AS held
                    WHERE id >= %(from)s ORDER BY id LIMIT %(limit)s
               ), freed AS (
                   UPDATE directmail_delivery d SET not_before = now() AT TIME ZONE 'UTC'
                     FROM held WHERE held.id = d.id
                RETURNING d.id, d.series_entry_id
               ), seen AS (
                   UPDATE directmail_series_entry e SET due_at = LEAST(e.due_at, %(soon)s)
                     FROM freed WHERE e.id = freed.series_entry_id AND e.delivery_id = freed.id
               )
               SELECT count(*), max(id) FROM freed""",
            held=_select_held(series_id, at),
            limit=limit,
            soon=at + SOONEST,
            **{"from": from_id},
        )
    )
    return last if number == limit else None
