"""Decide whether a DOUBTFUL answer refuses one person or every mail of the task.

DirectMail uses the same codes for both. A person who is refused with one of them keeps waiting and
is tried again after all others of the task. The answers for the others tell which of the two it is.
"""

import logging
import time
from collections import namedtuple
from dataclasses import replace
from datetime import timedelta
from functools import partial

from odoo.tools import SQL

from ..directmail.answers import Verdict
from ..directmail.errors import DirectMailError
from .turn import read_capacity

_logger = logging.getLogger(__name__)

Doubt = namedtuple("Doubt", "task_id refusals passed sent")
Doubt.__doc__ = """A person with a DOUBTFUL answer, as before that answer.

:ivar int refusals: number of earlier DOUBTFUL answers for the person
:ivar bool passed: whether a call of the same task that began after the last refusal was accepted
:ivar bool sent: whether any mail of the task was accepted
"""

Weighed = namedtuple("Weighed", "answers pauses open question")
Weighed.__doc__ = """The result of `Doubts.weigh`.

:ivar answers: [(delivery id, Answer)], with another verdict than DOUBTFUL where it was decided
:ivar pauses: {delivery id: Answer} of the answers that pause their task
:ivar open: [(delivery id, Answer)] that can only be judged after DirectMail has told about the
    account: weigh them again then
:ivar question: the function that asks DirectMail about the account, to be called with the client in
    a thread of the pool; None if `open` is empty
"""

AccountReport = namedtuple("AccountReport", "is_known summary requests")
AccountReport.__doc__ = """DirectMail's answer to `ask_about_account`.

:ivar bool is_known: whether the account's state and quota are known, from now or a moment ago
:ivar summary: an `AccountSummary`, or None if it was not asked for or not answered
:ivar requests: number of mails that were handed over today, also by other systems; None if
    DirectMail did not tell
"""

# Result for a question whose call raised an unexpected exception.
NO_ANSWER = AccountReport(False, None, None)
# A report about the account is used for this time; then DirectMail is asked again.
REPORT_AGE = timedelta(seconds=10)
# `settle_refusals` raises `refusals` to at least this, which marks people about whom the task's
# owner was asked by a pause.
ASKED = 2


def ask_about_account(client, is_known):
    """Ask DirectMail about the account; runs in a thread, so it uses no database.

    :param bool is_known: whether the account's state and quota were read a moment ago. Then they
        are not asked for, because DirectMail allows about ten of these calls a minute
    :rtype: AccountReport
    """
    summary = requests = None
    try:
        summary = None if is_known else client.describe_account()
        is_known = True
        requests = client.count_requests_today()
    except DirectMailError as error:
        # The AccessKey may lack the permission to count. Then only `Capacity.quota`, which counts
        # the mails of this database, is checked.
        _logger.info("DirectMail does not tell all about an account: %s", error)
    return AccountReport(is_known, summary, requests)


class Doubts:
    """Judges the DOUBTFUL answers of one run of one account's sender.

    The number of refusals in a row is read from the database each time, so that a run after a
    killed one continues the count, and a run on another server counts the same refusals.

    :param ClaimContext context: of the account
    :param int limit: the task pauses after this number of people refused in a row with the same
        code
    """

    def __init__(self, context, limit):
        self.context = context
        self.limit = limit
        self._report = None  # the last result of `ask_about_account`
        self._reported_at = None  # when that result came, by the monotonic clock

    def hear(self, report):
        """Store the result of `ask_about_account`."""
        self._report = report
        self._reported_at = time.monotonic()

    def weigh(self, env, answers, tasks):
        """Decide what DOUBTFUL answers mean; see `_judge`.

        A person who is refused again is PERSON_REFUSED if another mail of the task was accepted
        since the first refusal. The task pauses if too many people in a row are refused, or if no
        other person of the task is left to compare with. Otherwise the person keeps waiting and is
        tried after all others. Does not change `self`, so that its transaction can be repeated.

        :param env: of the run's transaction
        :param answers: [(delivery id, Answer)], in the order in which they came
        :param tasks: {delivery id: task id} of the calls in flight, and of `answers`
        :rtype: Weighed
        """
        doubts = self._read(
            env, [key for key, answer in answers if answer.verdict == Verdict.DOUBTFUL]
        )
        refused, rows = self._read_refused(env, {doubt.task_id for doubt in doubts.values()})
        under_way = tasks.keys() - {key for key, _answer in answers}
        weighed = Weighed([], {}, [], None)
        for key, answer in answers:
            if answer.verdict == Verdict.ACCEPTED:
                rows.pop(tasks.get(key), None)
            if key not in doubts:
                weighed.answers.append((key, answer))
                continue
            doubt = doubts[key]
            people = refused.setdefault(doubt.task_id, set())
            people.add(key)
            others = {other for other in under_way if tasks[other] == doubt.task_id} - people
            verdict = self._judge(env, key, answer, doubt, rows, len(people), others)
            if verdict is None:
                weighed.open.append((key, answer))
                continue
            if verdict == Verdict.TASK_PAUSED:
                weighed.pauses[key] = answer
                rows.pop(doubt.task_id, None)
            else:
                answer = replace(answer, verdict=verdict)
            weighed.answers.append((key, answer))
        return weighed._replace(question=self._make_question(env) if weighed.open else None)

    def _judge(self, env, key, answer, doubt, rows, doubted, others):
        """Return the `Verdict` for a DOUBTFUL answer; None to ask about the account first.

        :param rows: {task id: (code, ids of the people refused in a row)}; this answer is added
        :param int doubted: number of people of the task who were refused and are still to be mailed
        :param others: ids of deliveries of the task in flight whose people were never refused
        """
        if doubt.refusals and doubt.passed:
            return Verdict.PERSON_REFUSED
        code, people = rows.get(doubt.task_id, (None, frozenset()))
        people = people | {key} if code == answer.code else frozenset({key})
        rows[doubt.task_id] = (answer.code, people)
        if len(people) >= self.limit:
            return Verdict.TASK_PAUSED
        if not doubt.refusals:
            return Verdict.DOUBTFUL
        if others:
            return Verdict.UNDECIDED
        # The person was tried again last, so all others of the task have been tried. Pause if no
        # mail of the task was ever accepted, because then the content may be refused. Pause also if
        # several people are in doubt and the owner was not asked yet: by resuming, the owner says
        # that the task is in order. Otherwise only the account can be the cause, and DirectMail can
        # be asked about that.
        if not doubt.sent or (doubted > 1 and doubt.refusals < ASKED) or doubted >= self.limit:
            return Verdict.TASK_PAUSED
        if not self._has_report():
            return None
        return Verdict.PERSON_REFUSED if self._is_in_order(env) else Verdict.TASK_PAUSED

    def _has_report(self):
        """Tell whether there is a report about the account that is not older than REPORT_AGE."""
        age = REPORT_AGE.total_seconds()
        return self._reported_at is not None and time.monotonic() - self._reported_at < age

    def _is_in_order(self, env):
        """Tell whether the account's health is "ok" and some of the daily quota is left."""
        [(health, daily_quota)] = env.execute_query(
            SQL(
                "SELECT health, COALESCE(daily_quota, 0) FROM directmail_account WHERE id = %s",
                self.context.account_id,
            )
        )
        if (
            not self._report.is_known
            or health != "ok"
            or read_capacity(env, self.context).quota < 1
        ):
            return False
        # Other systems may have used up the quota, which `Capacity.quota` doesn't see.
        return self._report.requests is None or self._report.requests < daily_quota

    def _make_question(self, env):
        [(is_known,)] = env.execute_query(
            SQL(
                """SELECT COALESCE(synchronised_at >= now() AT TIME ZONE 'UTC' - %s, FALSE)
                     FROM directmail_account WHERE id = %s""",
                REPORT_AGE,
                self.context.account_id,
            )
        )
        return partial(ask_about_account, is_known=is_known)

    def _read_refused(self, env, task_ids):
        """Return the deliveries of some tasks that were refused and are still to be mailed.

        :return: ({task id: ids of all of them}, {task id: (code, ids of those refused in a row with
            the same code, after the task's last accepted mail)})
        """
        found = env.execute_query(
            SQL(
                """SELECT d.task_id, d.id, d.code, NOT EXISTS (
                              SELECT FROM directmail_delivery o
                               WHERE o.task_id = d.task_id AND o.state = 'sent'
                                 AND o.sent_at > d.refused_at)
                     FROM directmail_delivery d
                    WHERE d.task_id IN %s AND d.state IN ('waiting', 'sending') AND d.refusals > 0
                    ORDER BY d.refused_at, d.id""",
                tuple(task_ids) or (0,),
            )
        )
        refused, rows = {}, {}
        for task_id, delivery_id, code, is_last in found:
            refused.setdefault(task_id, set()).add(delivery_id)
            if is_last:
                last, people = rows.get(task_id, (None, frozenset()))
                people = people | {delivery_id} if code == last else frozenset({delivery_id})
                rows[task_id] = (code, people)
        return refused, rows

    def _read(self, env, ids):
        """Return {delivery id: Doubt} of deliveries with a DOUBTFUL answer."""
        if not ids:
            return {}
        rows = env.execute_query(
            SQL(
                """SELECT d.id, d.task_id, COALESCE(d.refusals, 0),
                          d.refusals > 0 AND EXISTS (
                              SELECT FROM directmail_delivery o
                               WHERE o.task_id = d.task_id AND o.state = 'sent'
                                 AND o.sent_at > d.refused_at AND o.claimed_at > d.refused_at),
                          EXISTS (SELECT FROM directmail_delivery o
                                   WHERE o.task_id = d.task_id AND o.state = 'sent')
                     FROM directmail_delivery d WHERE d.id IN %s""",
                tuple(ids),
            )
        )
        return {row[0]: Doubt(*row[1:]) for row in rows}


def settle_refusals(env, task_id, limit, was_asked):
    """Update the refused people of a paused task that is resumed; the caller has flushed them.

    If at least `limit` people are in doubt, the refusals concerned the task: `refusals` and
    `refused_at` are emptied, so that these people are tried like all others. If fewer are in doubt,
    `refusals` is raised to `ASKED` if the pause asked the owner about them, so that the next
    refusal counts as the person's own if other mails of the task were accepted. All of them keep
    their place behind people who were not tried yet, but nobody waits out the delay of an UNDECIDED
    answer any more.

    :param int limit: see `directmail.account.refusal_limit`; 1 if the content was changed
    :param bool was_asked: whether the task was paused because of refusals
    """
    env.execute_query(
        SQL(
            """WITH doubted AS (
                    SELECT id, count(*) OVER () >= %(limit)s AS is_tasks FROM directmail_delivery
                     WHERE task_id = %(task)s AND state IN ('waiting', 'sending') AND refusals > 0)
               UPDATE directmail_delivery d
                  SET refusals = CASE WHEN NOT is_tasks THEN GREATEST(refusals, %(least)s) END,
                      refused_at = CASE WHEN NOT is_tasks THEN refused_at END,
                      not_before = LEAST(d.not_before, now() AT TIME ZONE 'UTC')
                 FROM doubted WHERE d.id = doubted.id
            RETURNING d.id""",
            task=task_id,
            limit=limit,
            least=ASKED if was_asked else 1,
        )
    )
