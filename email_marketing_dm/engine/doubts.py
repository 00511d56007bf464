"""Refusals that may concern one person or everybody: whose are they?

DirectMail uses some codes for both. A person who is refused with one of them stays waiting and goes
last, so that the others of the task are tried. What became of those says whose refusal it was.
"""

import logging
from collections import namedtuple
from dataclasses import replace
from datetime import datetime, timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..directmail.answers import Verdict

_logger = logging.getLogger(__name__)

Doubt = namedtuple("Doubt", "task_id refusals passed sent doubted")
Doubt.__doc__ = """A person in doubt, before the answer that is judged.

:ivar int refusals: how often they were refused so far
:ivar bool passed: whether a call of the same task that began after the last refusal was accepted
:ivar bool sent: whether any mail of the task was accepted
:ivar int doubted: how many people of the task, still to be mailed, were refused so far
"""


# Seconds until a person is tried again of whom calls that are under way have yet to tell.
LOOK_AGAIN = 1.0
# What DirectMail said about the account is asked again after this time.
ACCOUNT_AGE = timedelta(seconds=10)
# So many refusals at least are noted of a person about whom the task's owner was asked.
ASKED = 2


class Doubts:
    """Judges doubtful answers of one run of one account's sender.

    :param int limit: so many people in a row, refused with the same code, pause the task
    """

    def __init__(self, limit):
        self.limit = limit
        self._rows = {}  # task id -> (code, ids of the people refused in a row)
        self._read_tasks = set()  # ids of the tasks whose row of an earlier run is in _rows
        self._doubted = set()  # ids of the people who were refused in this run

    def forget_rows(self, answers, tasks):
        """Note which tasks get through: what was refused before is not in a row any more."""
        for key, answer in answers:
            if answer.verdict == Verdict.ACCEPTED:
                self._rows.pop(tasks.get(key), None)
                self._read_tasks.add(tasks.get(key))

    def weigh(self, env, account, answers, tasks):
        """Say what doubtful answers mean.

        The person is refused where others passed meanwhile. The task pauses where too many in a
        row are refused, or nobody is left to tell by. Else the person stays waiting and goes last.

        :param answers: [(delivery id, Answer)], in the order in which they came
        :param tasks: {delivery id: task id} of the calls under way, these included
        :return: (the answers, PERSON_REFUSED instead of DOUBTFUL where it is certain;
            {delivery id: Answer} of those that pause their task)
        """
        doubts = self._read(
            env, [key for key, answer in answers if answer.verdict == Verdict.DOUBTFUL]
        )
        self._read_rows(env, {doubt.task_id for doubt in doubts.values()} - self._read_tasks)
        under_way = tasks.keys() - {key for key, _answer in answers}
        result, pauses = [], {}
        for key, answer in answers:
            self.forget_rows([(key, answer)], tasks)
            if key in doubts:
                doubt, answer = doubts[key], replace(answer, retry_after=None)
                verdict = self._judge(account, key, answer, doubt)
                others = {other for other in under_way if tasks[other] == doubt.task_id}
                if verdict == Verdict.PERSON_REFUSED:
                    answer = replace(answer, verdict=verdict)
                elif doubt.refusals and others - self._doubted and not self._is_full(doubt):
                    answer = replace(answer, retry_after=LOOK_AGAIN)
                elif verdict == Verdict.TASK_PAUSED:
                    pauses[key] = answer
                    # The task may be resumed while this run goes on.
                    self._rows.pop(doubt.task_id, None)
                self._doubted.add(key)
            result.append((key, answer))
        return result, pauses

    def _judge(self, account, key, answer, doubt):
        if doubt.refusals and doubt.passed:
            return Verdict.PERSON_REFUSED
        code, people = self._rows.get(doubt.task_id, (None, frozenset()))
        people = people | {key} if code == answer.code else frozenset({key})
        self._rows[doubt.task_id] = (answer.code, people)
        if self._is_full(doubt):
            return Verdict.TASK_PAUSED
        if not doubt.refusals:
            return Verdict.DOUBTFUL
        # Everybody else has been tried, and the content was accepted for others before. What is
        # left is the account, which can be asked about. A pause speaks for several people: whoever
        # resumed the task has settled what concerned all.
        is_personal = doubt.sent and (doubt.doubted == 1 or doubt.refusals >= ASKED)
        if is_personal and doubt.doubted < self.limit and _is_in_order(account):
            return Verdict.PERSON_REFUSED
        return Verdict.TASK_PAUSED

    def _is_full(self, doubt):
        return len(self._rows[doubt.task_id][1]) >= self.limit

    def _read_rows(self, env, task_ids):
        """Take up where an earlier run, or one that was killed, had come to with these tasks."""
        rows = env.execute_query(
            SQL(
                """SELECT d.task_id, d.id, d.code
                     FROM directmail_delivery d JOIN (
                          SELECT t.id, (SELECT max(sent_at) FROM directmail_delivery o
                                         WHERE o.task_id = t.id AND o.state = 'sent') AS sent_at
                            FROM directmail_task t WHERE t.id IN %s) t ON t.id = d.task_id
                    WHERE d.state = 'waiting' AND d.refusals > 0
                      AND (t.sent_at IS NULL OR d.refused_at > t.sent_at)
                    ORDER BY d.refused_at, d.id""",
                tuple(task_ids) or (0,),
            )
        )
        self._read_tasks |= task_ids
        for task_id, delivery_id, code in rows:
            last, people = self._rows.get(task_id, (None, frozenset()))
            people = people | {delivery_id} if code == last else frozenset({delivery_id})
            self._rows[task_id] = (code, people)

    def _read(self, env, ids):
        """Return {delivery id: Doubt}."""
        if not ids:
            return {}
        rows = env.execute_query(
            SQL(
                """SELECT d.id, d.task_id, COALESCE(d.refusals, 0),
                          EXISTS (SELECT FROM directmail_delivery o
                                   WHERE o.task_id = d.task_id AND o.state = 'sent'
                                     AND o.claimed_at > d.refused_at),
                          EXISTS (SELECT FROM directmail_delivery o
                                   WHERE o.task_id = d.task_id AND o.state = 'sent'),
                          CASE WHEN d.refusals > 0 THEN (
                              SELECT count(*) FROM directmail_delivery o
                               WHERE o.task_id = d.task_id AND o.state IN ('waiting', 'sending')
                                 AND o.refusals > 0) END
                     FROM directmail_delivery d WHERE d.id IN %s""",
                tuple(ids),
            )
        )
        return {row[0]: Doubt(*row[1:]) for row in rows}


def settle_refusals(task, limit):
    """Take note that a task is resumed, for the people who wait and were refused.

    As many as pause the task, or more, speak of the task: they are tried like all others, and what
    was refused before counts no more. Fewer than that have been asked about: the next refusal is
    their own, if others of the task were accepted.

    :param task: a paused `directmail.task` record; the caller checked that the user may write it
    :param int limit: see `directmail.account.refusal_limit`; 1 where the content was changed
    """
    deliveries = task.env["directmail.delivery"]
    deliveries.flush_model(["task_id", "state", "refusals", "refused_at"])
    task.env.execute_query(
        SQL(
            """WITH doubted AS (
                    SELECT id, count(*) OVER () >= %(limit)s AS is_tasks FROM directmail_delivery
                     WHERE task_id = %(task)s AND state IN ('waiting', 'sending') AND refusals > 0)
               UPDATE directmail_delivery d
                  SET refusals = CASE WHEN NOT is_tasks THEN GREATEST(refusals, %(least)s) END,
                      refused_at = CASE WHEN NOT is_tasks THEN refused_at END
                 FROM doubted WHERE d.id = doubted.id
            RETURNING d.id""",
            task=task.id,
            limit=limit,
            least=ASKED if task.pause_reason == "refused" else 1,
        )
    )
    deliveries.invalidate_model(["refusals", "refused_at"])


def _is_in_order(account):
    """Tell whether DirectMail has nothing against the account itself, and quota is left."""
    try:
        # DirectMail allows about ten of these calls a minute: see `client.describe_account`.
        if (account.synchronised_at or datetime.min) < fields.Datetime.now() - ACCOUNT_AGE:
            account._read_summary(account._call(lambda client: client.describe_account()))
    except UserError as error:
        _logger.info("DirectMail account %s can't be asked about: %s", account.id, error)
        return False
    return account.health == "ok" and account._get_room().quota > 0
