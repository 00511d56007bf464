"""How many mails sender addresses may still claim: warm-up, and the brake of the guard.

Both are read under the lock of the gate, so that they are exact over email tasks and servers.
"""

from collections import namedtuple

from odoo.tools import SQL

from ..clock.daily import day_start, local_day
from ..clock.warm_up import WarmUp, get_limit

#: Mails of a braked sender address whose results are not known may be at most so many; counted are
#: those of the last `AHEAD_SECONDS`, so that results that never come do not stop it.
AHEAD_MAX = 400
AHEAD_SECONDS = 60

Allowance = namedtuple("Allowance", "limit used day ahead is_over")
Allowance.__doc__ = """What a sender address may still claim.

:ivar limit: mails of today by its warm-up; None without a warm-up
:ivar used: mails of today that count toward it
:ivar day: today's date in the account's time zone
:ivar ahead: mails sent lately whose results are not known, if the guard brakes it; else None
:ivar is_over: whether the warm-up has reached its end, so that it limits no more
"""


def get_room(allowance):
    """Return how many mails may be claimed, or None for any number. :rtype: int"""
    rooms = []
    if is_limited(allowance):
        rooms.append(allowance.limit - allowance.used)
    if allowance.ahead is not None:
        rooms.append(AHEAD_MAX - allowance.ahead)
    return max(0, min(rooms)) if rooms else None


def is_limited(allowance):
    """Return whether a warm-up limits the mails of today. :rtype: bool"""
    return allowance.limit is not None and not allowance.is_over


def is_spent(allowance):
    """Return whether the warm-up allows no further mail today. :rtype: bool"""
    return is_limited(allowance) and allowance.used >= allowance.limit


def is_braked(allowance):
    """Return whether the next mail waits for results of mails sent before. :rtype: bool"""
    return allowance.ahead is not None and allowance.ahead >= AHEAD_MAX and not is_spent(allowance)


def read_allowances(env, sender_ids, zone, at=None):
    """Return the allowances of the sender addresses that have a warm-up or are braked.

    :param sender_ids: ids of `directmail.sender`
    :param str zone: of their account; its days count
    :param datetime at: the database's time (naive UTC); by default it is read
    :return: {sender id: `Allowance`}
    :rtype: dict
    """
    if not sender_ids:
        return {}
    rows = env.execute_query(
        SQL(
            """SELECT s.id, s.warmup_on, s.warmup_start, s.warmup_growth, s.warmup_end,
                      last.mail_limit, last.used, last.day,
                      COALESCE(%(at)s, statement_timestamp() AT TIME ZONE 'UTC'),
                      CASE WHEN s.is_braked THEN %(ahead)s END
                 FROM directmail_sender s
                 LEFT JOIN LATERAL (
                      SELECT mail_limit, used, day FROM directmail_sender_usage
                       WHERE sender_id = s.id AND day >= s.warmup_since
                       ORDER BY day DESC LIMIT 1) last ON s.warmup_on
                WHERE s.id = ANY(%(senders)s) AND (s.warmup_on OR s.is_braked)""",
            at=at,
            ahead=_count_ahead(),
            senders=list(sender_ids),
        )
    )
    allowances = {}
    for sender_id, is_warming, start, growth, end, limit, used, day, moment, ahead in rows:
        if not is_warming:
            allowances[sender_id] = Allowance(None, 0, None, ahead, False)
            continue
        today = local_day(moment, zone)
        # Another time zone of the account must not begin an earlier day.
        is_today = day is not None and day >= today
        last = None if day is None else (limit, used, is_today)
        if last is None:
            used = count_claimed_since(env, [sender_id], day_start(today, zone))
        limit = get_limit(WarmUp(start, growth, end), last)
        allowances[sender_id] = Allowance(
            limit=limit,
            used=used if is_today or last is None else 0,
            day=day if is_today else today,
            ahead=ahead,
            is_over=limit >= end,
        )
    return allowances


def _count_ahead():
    """Return SQL of the number of mails of a sender (s) sent lately, without a known result."""
    return SQL(
        """(SELECT count(*) FROM directmail_delivery d JOIN directmail_task t ON t.id = d.task_id
             WHERE d.account_id = s.account_id AND d.state = 'sending' AND t.sender_id = s.id)
         + (SELECT count(*) FROM directmail_task t JOIN directmail_delivery d ON d.task_id = t.id
             WHERE t.account_id = s.account_id AND t.sender_id = s.id AND d.state = 'sent'
               AND t.state IN ('sending', 'paused') AND d.outcome IS NULL
               AND d.sent_at > now() AT TIME ZONE 'UTC' - %s * interval '1 second')""",
        AHEAD_SECONDS,
    )


def count_claimed_since(env, sender_ids, begin, most=None):
    """Return how many mails sender addresses have handed over since the beginning of a day.

    :param sender_ids: ids of `directmail.sender`
    :param datetime begin: of the day (naive UTC)
    :param int most: stop counting at so many mails; None: count all
    :rtype: int
    """
    [(number,)] = env.execute_query(
        SQL(
            """SELECT count(*) FROM (
                      SELECT FROM directmail_task t JOIN directmail_delivery d ON d.task_id = t.id
                       WHERE t.sender_id = ANY(%(senders)s) AND t.planned_at IS NOT NULL
                         AND (t.finished_at IS NULL OR t.finished_at >= %(begin)s)
                         AND d.claimed_at >= %(begin)s
                         AND d.state IN ('sending', 'unknown', 'sent')
                       LIMIT %(most)s) AS mails""",
            senders=list(sender_ids),
            begin=begin,
            most=most,
        )
    )
    return number


def count_claimed(env, claimed, zone):
    """Count claimed mails toward the warm-ups of their sender addresses.

    :param claimed: {sender id: (its `Allowance`, number of mails)}
    """
    for sender_id, (allowance, number) in claimed.items():
        if number and is_limited(allowance):
            env.cr.execute(
                SQL(
                    """INSERT INTO directmail_sender_usage AS u
                              (sender_id, day, starts_at, used, mail_limit)
                       VALUES (%s, %s, %s, %s, %s)
                           ON CONFLICT (sender_id, day) DO UPDATE
                          SET used = EXCLUDED.used""",
                    sender_id,
                    allowance.day,
                    day_start(allowance.day, zone),
                    allowance.used + number,
                    allowance.limit,
                )
            )


class Rooms:
    """How many mails the sender addresses of a turn may still claim.

    :param turn.Turn turn: of the account
    """

    def __init__(self, env, turn):
        self.env = env
        # All tasks are those of one account, and so have its time zone.
        self.zone = turn.tasks[0][1].zone if turn.tasks else None
        self.allowances = read_allowances(env, turn.limited, self.zone, turn.at)
        self.taken = dict.fromkeys(self.allowances, 0)

    def get_most(self, sender_id, claimed, limit):
        """Return at how many claimed mails a sender's task must stop, at most at `limit`."""
        if sender_id not in self.allowances:
            return limit
        room = get_room(self.allowances[sender_id])
        return limit if room is None else min(limit, claimed + room - self.taken[sender_id])

    def take(self, sender_id, number):
        """Note that mails of a sender were claimed."""
        if sender_id in self.taken:
            self.taken[sender_id] += number

    def count(self):
        """Count what was taken toward the warm-ups."""
        counts = {key: (self.allowances[key], number) for key, number in self.taken.items()}
        count_claimed(self.env, counts, self.zone)


def give_back():
    """Return a CTE that gives mails that DirectMail did not send back to the day of their claim.

    It reads the CTE `changed` with task_id, old_state, new_state and old_claimed_at.

    :rtype: SQL
    """
    return SQL(
        """, given_back AS (
            UPDATE directmail_sender_usage u SET used = GREATEST(0, u.used - back.mails)
              FROM (SELECT day.id, count(*) AS mails
                      FROM changed JOIN directmail_task t ON t.id = changed.task_id
                     CROSS JOIN LATERAL (
                           SELECT id FROM directmail_sender_usage
                            WHERE sender_id = t.sender_id AND starts_at <= changed.old_claimed_at
                              AND starts_at > changed.old_claimed_at - interval '26 hours'
                            ORDER BY starts_at DESC LIMIT 1) day
                     WHERE changed.old_state IN ('sending', 'unknown')
                       AND changed.new_state IN ('waiting', 'refused')
                     GROUP BY day.id) back
             WHERE u.id = back.id
        )"""
    )


def find_braked(env, account_id):
    """Return whether mails of an account wait only for results of mails sent before.

    :rtype: bool
    """
    rows = env.execute_query(
        SQL(
            """SELECT DISTINCT t.sender_id, a.tz
                 FROM directmail_task t JOIN directmail_sender s ON s.id = t.sender_id
                 JOIN directmail_account a ON a.id = t.account_id
                WHERE t.account_id = %s AND t.state = 'sending' AND s.is_braked AND EXISTS (
                      SELECT FROM directmail_delivery
                       WHERE task_id = t.id AND state = 'waiting'
                         AND COALESCE(not_before, '-infinity'::timestamp)
                             <= now() AT TIME ZONE 'UTC')""",
            account_id,
        )
    )
    if not rows:
        return False
    allowances = read_allowances(env, [row[0] for row in rows], rows[0][1])
    return any(is_braked(allowance) for allowance in allowances.values())
