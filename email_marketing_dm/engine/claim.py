"""Write the answers to finished calls and claim the next mails, under the lock of the gate."""

from collections import namedtuple

from odoo.tools import SQL

from ..directmail.answers import Verdict
from .allowance import Rooms, give_back
from .clock import beijing_day
from .exclusion import is_excluded
from .family import has_got
from .fatigue import Eligibility
from .measuring import find_answer, get_measuring
from .people import current_addresses
from .readdress import readdress
from .series_exits import get_exit_reason
from .sql import count_changes
from .turn import read_turn

# The columns of a claimed delivery that `content.MailBuilder` needs to make its mail.
Claimed = namedtuple(
    "Claimed",
    "id task_id partner_id res_model res_id email email_encrypted address_key version measuring",
)
# Stands in the column new_state of `_claim_from` for deliveries that `readdress` must update first.
MOVED = "moved"
CLAIMED = SQL(", ").join(map(SQL.identifier, Claimed._fields))

# State of a delivery after its answer.
STATE_OF_VERDICT = {
    Verdict.ACCEPTED: "sent",
    Verdict.PERSON_REFUSED: "refused",
    Verdict.UNKNOWN: "unknown",
    # With the verdicts below DirectMail did not send the mail, so it waits to be tried again.
    Verdict.DOUBTFUL: "waiting",
    Verdict.UNDECIDED: "waiting",
    Verdict.TASK_PAUSED: "waiting",
    Verdict.ACCOUNT_STOPPED: "waiting",
    Verdict.RETRY_LATER: "waiting",
    Verdict.THROTTLED: "waiting",
}
# States after an answer that tells that DirectMail did not send the mail.
RETURNED = ("waiting", "refused")
# Seconds until a refused mail is tried again. 0 sets `not_before` to now: the mail is free at once,
# but `FREE_AT` sorts it behind all mails that were not tried yet.
DELAYS = {
    Verdict.RETRY_LATER: 15,
    Verdict.DOUBTFUL: 0,
    Verdict.UNDECIDED: 1,
    Verdict.TASK_PAUSED: 0,
}
# Upper bound of people of a task that one statement looks at.
PICK_MAX = 1000
# Upper bound per transaction, because it holds the gate lock; the next claim continues.
LOOK_MAX = 4000
# When a waiting mail may go out; the same expression as in `_waiting_index`.
FREE_AT = SQL("COALESCE(not_before, '-infinity'::timestamp)")


# The lock must come before the transaction's first read: see `directmail.gate`. JIT is off because
# PostgreSQL may compile a claim whose task excludes very many people, which takes seconds and does
# not make it faster.
GATE = SQL("LOCK TABLE directmail_gate IN EXCLUSIVE MODE; SET LOCAL jit = off;")


def lock_gate(env):
    """Lock `directmail_gate` for this transaction; wait while another one holds the lock."""
    env.cr.execute(GATE)


def write_answers(env, account_id, token, answers):
    """Lock the gate, and write the answers to calls of this run into their deliveries.

    Writing the same answers twice changes nothing: after the first time the deliveries are neither
    *sending* nor *unknown*, or are *unknown* as before. So the caller may repeat it after a commit
    whose result it did not learn.

    :param str token: of this run; deliveries claimed by another run are left alone
    :param answers: [(delivery id, `directmail.answers.Answer`)], in the order in which they came
    """
    if not answers:
        lock_gate(env)
        return
    # A microsecond between answers keeps their order: `engine.doubts` counts refusals in a row by
    # `refused_at` and `sent_at`.
    moment = SQL(
        "(statement_timestamp() AT TIME ZONE 'UTC' - answer.place * interval '1 microsecond')"
    )
    # A late answer overwrites *unknown*. An UNKNOWN answer for a mail whose outcome was reported
    # makes it *sent*, because the outcome proves that it was sent.
    _apply(
        env,
        account_id,
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
                      o.outcome AS old_outcome, d.outcome AS new_outcome,
                      o.claimed_at AS old_claimed_at""",
            values=_list_answers(answers),
            token=token,
            moment=moment,
        ),
        first=GATE,
        more=give_back()
        if any(STATE_OF_VERDICT[answer.verdict] in RETURNED for _id, answer in answers)
        else None,
    )


def _list_answers(answers):
    """Return SQL of the rows of a VALUES list with the answers: see `write_answers`."""
    return SQL(", ").join(
        SQL(
            "(%s, %s, %s, %s, %s, %s::float, %s, %s)",
            delivery_id,
            STATE_OF_VERDICT[answer.verdict],
            answer.env_id or None,
            None if answer.verdict == Verdict.ACCEPTED else answer.code or None,
            None if answer.verdict == Verdict.ACCEPTED else (answer.message or "")[:250] or None,
            DELAYS.get(answer.verdict),
            # A refusal counts once: an UNDECIDED person is tried again without counting.
            answer.verdict == Verdict.DOUBTFUL,
            len(answers) - place,
        )
        for place, (delivery_id, answer) in enumerate(answers)
    )


def expire_leases(env, account_id):
    """Set *sending* deliveries to *unknown* (*sent* if they have an outcome) after their lease.

    The lease outlasts every call, so the process that made the call is gone and its answer lost.
    """
    _apply(
        env,
        account_id,
        SQL(
            """UPDATE directmail_delivery d
                  SET state = CASE WHEN d.outcome IS NULL THEN 'unknown' ELSE 'sent' END,
                      lease_until = NULL
                 FROM directmail_delivery o
                WHERE o.id = d.id AND d.account_id = %s AND d.state = 'sending'
                  AND d.lease_until < now() AT TIME ZONE 'UTC'
            RETURNING d.task_id, o.state AS old_state, d.state AS new_state,
                      o.outcome AS old_outcome, d.outcome AS new_outcome""",
            account_id,
        ),
    )


def _apply(env, account_id, changed, result=None, first=None, ctes=None, also=None, more=None):
    """Run an UPDATE of deliveries; count its changes, and its mails against the day's quota.

    All of it is one round trip to the database. After each round trip this thread must get the GIL
    back from the threads that make calls, which takes longer than the statements themselves.

    :param SQL changed: the UPDATE, with RETURNING as `engine.sql.count_changes` needs it
    :param SQL result: the columns to select from the changed rows; by default their number
    :param SQL first: a statement to run before the UPDATE
    :param SQL ctes: CTEs that `changed` and `also` refer to, each followed by a comma
    :param SQL also: "UNION ALL SELECT ...", with further rows to return
    :param SQL more: a comma and further CTEs, which read the CTE `changed`
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
            ) %(more)s
            SELECT %(result)s FROM changed %(also)s""",
            first=first or SQL(),
            more=more or SQL(),
            ctes=ctes or SQL(),
            also=also or SQL(),
            changed=changed,
            counted=count_changes(SQL.identifier("changed"), "sender"),
            account=account_id,
            today=beijing_day(),
            result=result or SQL("count(*)"),
        )
    )


def orphans(env, token, known):
    """Return the mails that this run claimed in a commit whose result it did not learn.

    :param str token: of this run
    :param known: ids of the deliveries that the run knows it has claimed
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


def claim(env, context, token, limit, lease):
    """Claim the next mails of the account's tasks, by priority, then by the time of planning.

    The same order decides which tasks get the rest of the day's quota. Expired leases are resolved
    first, because they take places. A person who may not be mailed now is suppressed, or held until
    later, and the next person is taken instead. The caller has locked the gate.

    :param ClaimContext context: of the account
    :param str token: of this run
    :param int limit: maximum number; fewer if `Capacity.places` or `Capacity.quota` is lower
    :param float lease: seconds after which a mail without an answer counts as unknown
    :rtype: list[Claimed]
    """
    turn = read_turn(env, context)
    if turn.capacity.has_expired:
        expire_leases(env, context.account_id)
        turn = read_turn(env, context)
    state, places, _budget, quota, _has_expired = turn.capacity
    limit = min(limit, places, quota) if state == "active" else 0
    claimed = []
    looked_at = 0
    rooms = Rooms(env, turn)
    for task_id, rules in turn.tasks:
        eligibility, pick = Eligibility(env, rules, turn.rules, turn.at), limit
        most = rooms.get_most(rules.sender_id, len(claimed), limit)
        before = len(claimed)
        # After *not after*, nobody is claimed, and people who wait for a room are suppressed.
        is_over = bool(limit and rules.not_after and turn.at > rules.not_after)
        while (len(claimed) < most or is_over) and looked_at < LOOK_MAX:
            rows = _claim_from(
                env,
                context,
                (eligibility, turn.measuring),
                task_id,
                token,
                most - len(claimed),
                pick,
                lease,
            )
            claimed += [Claimed(*row) for state, *row in rows if state == "sending"]
            if not rows:
                break
            looked_at += len(rows)
            # Moved deliveries keep waiting; a later round checks them at their new addresses.
            if moved := [row[1] for row in rows if row[0] == MOVED]:
                changed = readdress(env, context.people, rules, task_id, moved)
                _apply(env, context.account_id, changed)
            # Grow: where many people in a row may not be mailed, small picks would be slow.
            pick = min(4 * pick, PICK_MAX)
        rooms.take(rules.sender_id, len(claimed) - before)
    rooms.count()
    return claimed


def _claim_from(env, context, rules, task_id, token, limit, pick, lease):
    """Claim up to `limit` mails among the next `pick` of a task; hold or suppress the others.

    :param rules: (the `Eligibility` of the task, the `MeasuringRules` of its company)
    :return: rows (new state, *`Claimed`); none if no mail of the task is due. A delivery whose
        person has another address by now, or became a contact, is not changed, and its row has
        `MOVED` as the state and no value but the id
    """
    eligibility, _measuring = rules
    return _apply(
        env,
        context.account_id,
        SQL(
            """UPDATE directmail_delivery d
                  SET state = CASE WHEN goes THEN 'sending'
                                   WHEN decided.reason IS NULL THEN 'waiting'
                                   ELSE 'suppressed' END,
                      reason = decided.reason,
                      fatigue_rule = decided.fatigue_rule,
                      not_before = COALESCE(held_until, not_before),
                      claim_token = %(token)s,
                      measuring = CASE WHEN goes THEN decided.measuring ELSE d.measuring END,
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
            at=eligibility.at,
        ),
        SQL("new_state, %s", CLAIMED),
        ctes=_judge_next(env, context, rules, task_id, limit, pick),
        also=SQL(
            "UNION ALL SELECT %s, id, %s FROM judged WHERE moved",
            MOVED,
            SQL(", ").join([SQL("NULL")] * (len(Claimed._fields) - 1)),
        ),
    )


def _judge_next(env, context, rules, task_id, limit, pick):
    """Return the CTEs of `_claim_from`: its next deliveries, and what is `decided` about each."""
    eligibility, measuring = rules
    task_rules = eligibility.task
    return SQL(
        # A materialized CTE makes LIMIT hold. PostgreSQL may run a subquery once per row of the
        # join, and with SKIP LOCKED each run would skip the rows that the run before locked and
        # take further ones.
        """people AS MATERIALIZED (
                SELECT id, partner_id, res_model, res_id, email, email_encrypted, address_key,
                       is_contact
                  FROM directmail_delivery
                 WHERE task_id = %(task)s AND state = 'waiting'
                   AND %(free_at)s <= now() AT TIME ZONE 'UTC'
                 ORDER BY %(free_at)s, id LIMIT %(pick)s FOR UPDATE SKIP LOCKED
           ), %(addressed)s, judged AS MATERIALIZED (
                SELECT addressed.id, flaw IS NULL AND moved AS moved,
                       COALESCE(flaw, %(excluded)s, %(exit)s, %(got)s,
                                eligibility.reason) AS reason,
                       CASE WHEN flaw IS NULL THEN eligibility.fatigue_rule END AS fatigue_rule,
                       CASE WHEN flaw IS NULL THEN eligibility.held_until END AS held_until,
                       %(measuring)s AS measuring,
                       row_number() OVER (PARTITION BY %(person)s ORDER BY addressed.id) AS copy
                  FROM addressed CROSS JOIN %(eligibility)s AS eligibility
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
        addressed=current_addresses(env, context.people, task_rules, planned=True),
        eligibility=eligibility.select(SQL("addressed")),
        measuring=get_measuring(
            measuring,
            find_answer(measuring, task_rules.company_id, SQL("addressed.address_key")),
            SQL("addressed.country_id"),
        ),
        excluded=is_excluded(task_rules, SQL("addressed")),
        exit=get_exit_reason(task_rules.exits, SQL("addressed"), SQL("addressed.id")),
        got=has_got(task_rules, SQL("addressed")),
        # Merging contacts can leave two deliveries of one contact in a task. Where limits count
        # by contact, claim one of them per statement, so that the limits see the first mail
        # when the second person is looked at.
        person=SQL("COALESCE(-addressed.partner_id, addressed.id)")
        if eligibility.rules.by_contact
        else SQL("addressed.id"),
    )


def add_usage(env, account_id, number):
    """Add a number of mails to the account's usage of today's quota, by Beijing's date."""
    if number:
        env.execute_query(
            SQL(
                """INSERT INTO directmail_usage AS u (account_id, day, used)
                   VALUES (%s, %s, %s)
                       ON CONFLICT (account_id, day) DO UPDATE SET used = u.used + EXCLUDED.used
                RETURNING used""",
                account_id,
                beijing_day(),
                number,
            )
        )
