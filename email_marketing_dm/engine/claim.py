"""Claim: the one transaction in which answers are written down and the next mails are taken."""

from collections import namedtuple

from odoo.tools import SQL

from ..directmail.answers import Verdict
from .clock import beijing_day
from .exclusion import is_excluded
from .fatigue import Case, Judge
from .fatigue_rules import make_rules, select_settings
from .people import find_addresses
from .readdress import readdress
from .sql import count_changes

# A delivery on its way: enough to make its mail.
Claimed = namedtuple(
    "Claimed", "id task_id partner_id res_model res_id email email_encrypted address_key"
)
# In place of a state: the person has to get their new address first.
MOVED = "moved"
CLAIMED = SQL(", ").join(map(SQL.identifier, Claimed._fields))

Room = namedtuple("Room", "state places budget quota has_expired")
Room.__doc__ = """How much an account may take.

:ivar state: of the account; None where this server's master key is not that of the data
:ivar places: how many more of its mails may be *sending*, whoever sends them
:ivar budget: mails a day that email tasks may use: the daily quota minus the account's reserve
:ivar quota: what is left of it: minus what this Odoo handed over since midnight in Beijing.
    DirectMail itself doesn't tell how much of the quota is used
:ivar has_expired: whether calls are under way whose answer can no longer come
"""

Turn = namedtuple("Turn", "room rules at cases")
Turn.__doc__ = """What a claim goes by, all read at once.

:ivar Room room: what the account may take
:ivar Rules rules: of fatigue control in the account's company
:ivar datetime at: the database's time, by which every host judges (naive UTC)
:ivar cases: [(task id, `fatigue.Case`)] of what the account sends, in the order of its turn
"""

# What becomes of a delivery when its answer is in.
STATE_OF_VERDICT = {
    Verdict.ACCEPTED: "sent",
    Verdict.PERSON_REFUSED: "refused",
    Verdict.UNKNOWN: "unknown",
    # The five below mean "certainly not sent", so the person keeps their place.
    Verdict.DOUBTFUL: "waiting",
    Verdict.TASK_PAUSED: "waiting",
    Verdict.ACCOUNT_STOPPED: "waiting",
    Verdict.RETRY_LATER: "waiting",
    Verdict.THROTTLED: "waiting",
}
# Until they are tried again, in seconds. Zero: at once, but behind all who were not tried yet.
DELAYS = {Verdict.RETRY_LATER: 15, Verdict.DOUBTFUL: 0, Verdict.TASK_PAUSED: 0}
# How many people of a task one statement looks at, at most.
PICK_MAX = 1000
# ... and one transaction: the gate is shut meanwhile. The next one goes on.
LOOK_MAX = 4000
# When a waiting mail may go out, as the index of waiting mails has it.
FREE_AT = SQL("COALESCE(not_before, '-infinity'::timestamp)")


# Must come before the transaction's first read: see `directmail.gate`. Compiling a claim, which
# PostgreSQL may do where a task leaves out very many people, takes seconds and saves nothing.
GATE = SQL("LOCK TABLE directmail_gate IN EXCLUSIVE MODE; SET LOCAL jit = off;")


def lock_gate(env):
    """Wait for the gate."""
    env.cr.execute(GATE)


def write_answers(env, account, token, answers):
    """Wait for the gate, and write down the answers to calls of this run.

    Writing the same answers again, after a commit whose success got lost, changes nothing.

    :param answers: [(delivery id, `directmail.answers.Answer`)]
    """
    if not answers:
        lock_gate(env)
        return
    values = SQL(", ").join(
        SQL(
            "(%s, %s, %s, %s, %s, %s::float, %s, %s)",
            delivery_id,
            STATE_OF_VERDICT[answer.verdict],
            answer.env_id or None,
            None if answer.verdict == Verdict.ACCEPTED else answer.code or None,
            None if answer.verdict == Verdict.ACCEPTED else (answer.message or "")[:250] or None,
            (answer.verdict == Verdict.DOUBTFUL and answer.retry_after)
            or DELAYS.get(answer.verdict),
            # One that is only looked at again is no further refusal: see engine.doubts.
            answer.verdict == Verdict.DOUBTFUL and not answer.retry_after,
            len(answers) - place,
        )
        for place, (delivery_id, answer) in enumerate(answers)
    )
    # In the order in which the answers came, a microsecond apart: refusals in a row are counted by.
    moment = SQL(
        "(statement_timestamp() AT TIME ZONE 'UTC' - answer.place * interval '1 microsecond')"
    )
    # An unknown mail whose answer comes after all, or whose outcome is known, was sent.
    _apply(
        env,
        account,
        SQL(
            """UPDATE directmail_delivery d
                  SET state = CASE WHEN answer.state = 'unknown' AND d.outcome IS NOT NULL
                                   THEN 'sent' ELSE answer.state END,
                      envelope = answer.envelope,
                      code = COALESCE(answer.code, d.code),
                      message = COALESCE(answer.message, d.message),
                      sent_at = CASE WHEN answer.state = 'sent' THEN %(moment)s
                                     ELSE d.sent_at END,
                      claimed_at = CASE WHEN answer.state = 'waiting' THEN NULL
                                        ELSE d.claimed_at END,
                      not_before = now() AT TIME ZONE 'UTC' + answer.delay * interval '1 second',
                      refused_at = CASE WHEN answer.refused THEN %(moment)s
                                        ELSE d.refused_at END,
                      refusals = CASE WHEN answer.refused THEN COALESCE(d.refusals, 0) + 1
                                      ELSE d.refusals END,
                      lease_until = NULL
                 FROM (VALUES %(values)s)
                      AS answer (id, state, envelope, code, message, delay, refused, place),
                      directmail_delivery o
                WHERE d.id = answer.id AND o.id = d.id AND d.claim_token = %(token)s
                  AND d.state IN ('sending', 'unknown')
            RETURNING d.task_id, o.state AS old_state, d.state AS new_state,
                      o.outcome AS old_outcome, d.outcome AS new_outcome""",
            values=values,
            token=token,
            moment=moment,
        ),
        first=GATE,
    )


def expire_leases(env, account):
    """Call those mails *unknown* whose answer can no longer come: their process is gone."""
    _apply(
        env,
        account,
        SQL(
            """UPDATE directmail_delivery d
                  SET state = CASE WHEN d.outcome IS NULL THEN 'unknown' ELSE 'sent' END,
                      lease_until = NULL
                 FROM directmail_delivery o
                WHERE o.id = d.id AND d.account_id = %s AND d.state = 'sending'
                  AND d.lease_until < now() AT TIME ZONE 'UTC'
            RETURNING d.task_id, o.state AS old_state, d.state AS new_state,
                      o.outcome AS old_outcome, d.outcome AS new_outcome""",
            account.id,
        ),
    )


def _apply(env, account, changed, result=None, first=None, ctes=None, also=None):
    """Run an UPDATE of deliveries; count its changes, and its mails against the day's quota.

    All in one message to the database. Whoever waits for an answer has to wait for Python too,
    which the calls' threads keep busy: that takes longer than what is asked for.

    :param SQL changed: as for `directmail.task.counter._apply`
    :param SQL result: what to select from the changed rows
    :param SQL first: a statement that comes before it
    :param SQL ctes: CTEs that `changed` and `also` refer to, each followed by a comma
    :param SQL also: what else to select
    """
    return env.execute_query(
        SQL(
            """%(first)s WITH %(ctes)s changed AS (%(changed)s), %(counted)s, used AS (
                INSERT INTO directmail_usage AS u (account_id, day, used)
                SELECT %(account)s, %(today)s, sum(mails)
                  FROM (SELECT CASE WHEN new_state = 'sending' THEN 1
                                    WHEN new_state IN ('waiting', 'refused')
                                     AND old_state IN ('sending', 'unknown') THEN -1 END AS mails
                          FROM changed) changed
                HAVING sum(mails) != 0
                    ON CONFLICT (account_id, day) DO UPDATE SET used = u.used + EXCLUDED.used
            )
            SELECT %(result)s FROM changed %(also)s""",
            first=first or SQL(),
            ctes=ctes or SQL(),
            also=also or SQL(),
            changed=changed,
            counted=count_changes(SQL.identifier("changed"), "sender"),
            account=account.id,
            today=beijing_day(),
            result=result or SQL("count(*)"),
        )
    )


def read_room(env, account):
    """Return how much an account may take now.

    :rtype: Room
    """
    [row] = env.execute_query(_select_room(account))
    return Room(*row)


def _select_room(account):
    account.flush_model(["state", "threads", "daily_quota", "quota_reserve"])
    host = account.env["directmail.keyring"]._find_host_key()
    return SQL(
        """SELECT CASE WHEN k.id IS NOT NULL AND k.next_fingerprint IS NULL THEN a.state END,
                  GREATEST(0, a.threads - sending.number), budget.mails,
                  GREATEST(0, budget.mails - COALESCE(usage.used, 0)), sending.expired
             FROM directmail_account a
            CROSS JOIN LATERAL (
                  SELECT GREATEST(0, COALESCE(a.daily_quota, 0) - COALESCE(a.quota_reserve, 0))
            ) AS budget (mails)
            CROSS JOIN LATERAL (
                  SELECT count(*), COALESCE(bool_or(lease_until < now() AT TIME ZONE 'UTC'), FALSE)
                    FROM directmail_delivery WHERE account_id = a.id AND state = 'sending'
            ) AS sending (number, expired)
             LEFT JOIN directmail_usage usage ON usage.account_id = a.id
                       AND usage.day = %s
              -- Under another master key nobody who has unsubscribed would be recognized.
              LEFT JOIN directmail_data_key k ON k.fingerprint = %s
             WHERE a.id = %s""",
        beijing_day(),
        host.fingerprint if host else None,
        account.id,
    )


def _read_turn(env, account):
    """Return the `Turn` of an account.

    Read without the ORM, as is everything that happens many times a second while mails go out.
    """
    env["directmail.task"].flush_model()
    rows = env.execute_query(
        SQL(
            """SELECT room.*, statement_timestamp() AT TIME ZONE 'UTC', a.company_id,
                      %(settings)s, task.*
                 FROM directmail_account a
                CROSS JOIN LATERAL (%(room)s) AS room
                 LEFT JOIN LATERAL (
                      SELECT t.id, t.company_id, t.sender_id,
                             COALESCE(t.is_notification, FALSE)
                             OR COALESCE(t.ignore_fatigue, FALSE),
                             t.not_after, a.tz,
                             ARRAY(SELECT mailing_list_id FROM directmail_task_mailing_list_rel
                                    WHERE directmail_task_id = t.id ORDER BY mailing_list_id),
                             t.address_form = 'encrypted',
                             (SELECT k.reference FROM directmail_aes_key k
                               WHERE k.company_id = t.company_id),
                             EXISTS (SELECT FROM directmail_delivery d
                                      WHERE d.task_id = t.id AND d.partner_id IS NULL),
                             ARRAY(SELECT directmail_audience_id
                                     FROM directmail_task_exclude_audience_rel
                                    WHERE directmail_task_id = t.id),
                             row_number() OVER (
                                 ORDER BY t.priority DESC, t.planned_at, t.id) AS place
                        FROM directmail_task t
                       WHERE t.account_id = a.id AND t.state = 'sending'
                      ) AS task ON TRUE
                WHERE a.id = %(account)s
                ORDER BY task.place""",
            settings=select_settings(SQL("a.company_id")),
            room=_select_room(account),
            account=account.id,
        )
    )
    first = len(Room._fields) + 3
    *room, at, company_id, settings = rows[0][:first]
    tasks = [row[first:] for row in rows if row[first]]
    cases = [(task_id, Case(*case)) for task_id, *case, _place in tasks]
    return Turn(Room(*room), make_rules(env, company_id, settings), at, cases)


def orphans(env, token, known):
    """Return what this run claimed in a commit whose success it never heard of.

    :param known: ids of the deliveries that the run knows to be its own
    :rtype: list[Claimed]
    """
    rows = env.execute_query(
        SQL(
            """SELECT %s FROM directmail_delivery
                WHERE claim_token = %s AND state = 'sending' AND id NOT IN %s""",
            CLAIMED,
            token,
            tuple(known) or (0,),
        )
    )
    return [Claimed(*row) for row in rows]


def claim(env, account, token, limit, lease):
    """Take the next mails of the account's tasks: urgent tasks first, then the older ones.

    That order also decides who gets the quota of the day. Calls whose answer can no longer come
    make room first. Whoever may not be mailed at this moment is suppressed, and the next one taken.

    :param str token: of this run
    :param int limit: how many at most; fewer where places or quota are short
    :param float lease: seconds until a mail without an answer counts as unknown
    :rtype: list[Claimed]
    """
    turn = _read_turn(env, account)
    if turn.room.has_expired:
        expire_leases(env, account)
        turn = _read_turn(env, account)
    limit = min(limit, turn.room.places, turn.room.quota) if turn.room.state == "active" else 0
    claimed = []
    looked_at = 0
    for task_id, case in turn.cases:
        judge, pick = Judge(env, case, turn.rules, turn.at), limit
        while len(claimed) < limit and looked_at < LOOK_MAX:
            rows = _claim_from(
                env, account, judge, task_id, token, limit - len(claimed), pick, lease
            )
            claimed += [Claimed(*row) for state, *row in rows if state == "sending"]
            if not rows:
                break
            looked_at += len(rows)
            # These are looked at again, at their new addresses.
            if moved := [row[1] for row in rows if row[0] == MOVED]:
                _apply(env, account, readdress(env, case, task_id, moved))
            # Where many in a row get no mail now, more of them are looked at at once.
            pick = min(4 * pick, PICK_MAX)
    return claimed


def _claim_from(env, account, judge, task_id, token, limit, pick, lease):
    """Take up to `limit` mails among the next `pick` of a task; hold or suppress the others.

    :return: rows (new state, *`Claimed`); none if nobody is due any more. Whoever has another
        address by now, or became a contact, is left as they are, with `MOVED` as the state
    """
    by_contact = judge.rules.by_contact
    return _apply(
        env,
        account,
        SQL(
            """UPDATE directmail_delivery d
                  SET state = CASE WHEN goes THEN 'sending'
                                   WHEN decided.reason IS NULL THEN 'waiting'
                                   ELSE 'suppressed' END,
                      reason = decided.reason,
                      fatigue_rule = decided.fatigue_rule,
                      not_before = COALESCE(held_until, not_before),
                      claim_token = %(token)s,
                      claimed_at = CASE WHEN goes THEN %(at)s END,
                      lease_until = CASE WHEN goes
                          THEN now() AT TIME ZONE 'UTC' + %(lease)s * interval '1 second' END
                 FROM decided
                WHERE d.id = decided.id
            RETURNING d.*,
                      'waiting' AS old_state, d.state AS new_state,
                      d.outcome AS old_outcome, d.outcome AS new_outcome""",
            token=token,
            lease=lease,
            at=judge.at,
        ),
        SQL("new_state, %s", CLAIMED),
        ctes=SQL(
            # The CTE is what makes LIMIT hold: as a mere subquery it may be run once per row of the
            # join, and each run, skipping what the one before has locked, would take more.
            """people AS MATERIALIZED (
                    SELECT id, partner_id, res_model, res_id, email, email_encrypted, address_key,
                           is_contact
                      FROM directmail_delivery
                     WHERE task_id = %(task)s AND state = 'waiting'
                       AND %(free_at)s <= now() AT TIME ZONE 'UTC'
                     ORDER BY %(free_at)s, id LIMIT %(pick)s FOR UPDATE SKIP LOCKED
               ), %(addressed)s, judged AS MATERIALIZED (
                    SELECT addressed.id, flaw IS NULL AND moved AS moved,
                           COALESCE(flaw, %(excluded)s, verdict.reason) AS reason,
                           CASE WHEN flaw IS NULL THEN verdict.fatigue_rule END AS fatigue_rule,
                           CASE WHEN flaw IS NULL THEN verdict.held_until END AS held_until,
                           row_number() OVER (PARTITION BY %(person)s ORDER BY addressed.id) AS copy
                      FROM addressed CROSS JOIN %(verdict)s AS verdict
               ), ranked AS (
                    SELECT *, row_number() OVER (
                               PARTITION BY reason IS NULL AND held_until IS NULL AND copy = 1
                               ORDER BY id) AS place
                      FROM judged WHERE NOT moved
               ), decided AS (
                    SELECT *, reason IS NULL AND held_until IS NULL AS goes FROM ranked
                     WHERE reason IS NOT NULL OR held_until IS NOT NULL
                        OR (copy = 1 AND place <= %(limit)s)
               ),""",
            task=task_id,
            limit=limit,
            pick=pick,
            free_at=FREE_AT,
            addressed=find_addresses(env, judge.case, planned=True),
            verdict=judge.verdict(SQL("addressed")),
            excluded=is_excluded(judge.case, SQL("addressed")),
            # Two contacts that were merged while the task runs are one person, twice in it.
            person=SQL("COALESCE(-addressed.partner_id, addressed.id)")
            if by_contact
            else SQL("addressed.id"),
        ),
        also=SQL(
            "UNION ALL SELECT %s, id, %s FROM judged WHERE moved",
            MOVED,
            SQL(", ").join([SQL("NULL")] * (len(Claimed._fields) - 1)),
        ),
    )


def add_usage(env, account, number):
    """Count mails against the account's quota of today in Beijing."""
    if number:
        env.execute_query(
            SQL(
                """INSERT INTO directmail_usage AS u (account_id, day, used)
                   VALUES (%s, %s, %s)
                       ON CONFLICT (account_id, day) DO UPDATE SET used = u.used + EXCLUDED.used
                RETURNING used""",
                account.id,
                beijing_day(),
                number,
            )
        )
