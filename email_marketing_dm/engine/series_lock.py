"""The lock on the row of a series: the cron has it while it advances a batch of people.

Users come first: their buttons and changes of steps need the same row, and the cron makes room for
those who wait.
"""

from odoo.tools import SQL


def lock_series(env, series_id):
    """Lock a series for this transaction; return whether it runs and no other server has it.

    Nor is it locked while the cron makes room for a user: see `make_room`.
    """
    return bool(
        env.execute_query(
            SQL(
                """SELECT id FROM directmail_series
                    WHERE id = %s AND state IN ('running', 'closing')
                      AND COALESCE(yields_until, '-infinity') <= now() AT TIME ZONE 'UTC'
                      FOR NO KEY UPDATE SKIP LOCKED""",
                series_id,
            )
        )
    )


def make_room(env, series_id, until):
    """Let the cron leave a series alone for a while, if somebody waits for its row.

    The one who waits can't have the row after this transaction, which has changed it: PostgreSQL
    reports a serialization error, and Odoo repeats the request after a random pause. The next
    batches would have the row again by then, in each of Odoo's five tries.

    :param datetime until: how long (naive UTC)
    :return: whether somebody waits
    """
    return bool(
        env.execute_query(
            SQL(
                # Who waits for a row waits for the transaction that has it, and has the lock of the
                # row's tuple meanwhile. Waits for other rows of this transaction don't count.
                """UPDATE directmail_series SET yields_until = %s
                    WHERE id = %s AND EXISTS (
                          SELECT FROM pg_locks w JOIN pg_locks t ON t.pid = w.pid
                           WHERE w.locktype = 'transactionid' AND NOT w.granted
                             AND w.transactionid = pg_current_xact_id_if_assigned()::xid
                             AND t.locktype = 'tuple' AND t.granted
                             AND t.relation = 'directmail_series'::regclass)
                RETURNING id""",
                until,
                series_id,
            )
        )
    )


def end_room(env, series_ids):
    """Let the cron advance series again; return whether it had made room in one of them.

    The caller has locked their rows.
    """
    return bool(
        env.execute_query(
            SQL(
                """UPDATE directmail_series SET yields_until = NULL
                    WHERE id = ANY(%s) AND yields_until IS NOT NULL RETURNING id""",
                list(series_ids),
            )
        )
    )


def touch(env, series_ids):
    """Update rows of series without a change.

    A transaction that locks one of them later, with a snapshot of before, fails and is repeated.
    """
    env.cr.execute(
        SQL(
            "UPDATE directmail_series SET started_at = started_at WHERE id = ANY(%s)",
            list(series_ids),
        )
    )
