"""Deliver: keep calls to DirectMail in flight, and write each answer into its delivery.

One transaction writes the finished answers and claims the next mails (`engine.claim`). After its
commit, the calls for those mails start as the account's rate allows. The pool's threads make
network calls only; all database work stays on the cron's thread. There is no barrier: each finished
call frees its thread at once.
"""

import contextlib
import logging
import time
import uuid
from collections import deque
from dataclasses import replace

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.tools import SQL

from ..directmail.answers import Answer, Verdict, is_known_code
from ..directmail.pool import CallPool
from ..directmail.throttle import AdaptiveRate
from ..privacy.address import scrub
from . import claim
from .allowance import find_braked
from .content import MailBuilder
from .doubts import NO_ANSWER, Doubts

_logger = logging.getLogger(__name__)

LEASE_SECONDS = 600  # unless the account says otherwise
# Seconds that a run retries while PostgreSQL is away. After that its answers are lost, and the
# mails become *unknown* when their lease ends.
DATABASE_PATIENCE = 300
# One exchange with the database claims the mails that the rate allows in this time (seconds), if so
# many threads are free. At 100 mails a second smaller exchanges send no faster, but take twice the
# time of PostgreSQL.
AHEAD_SECONDS = 0.15
# Claimed mails start in steps of this length (seconds).
STEP_SECONDS = 0.02
# Give claimed mails back if the rate allows none of them for longer than this (seconds).
HELD_SECONDS = 1.0
# Stop the account after this number of calls in a row without a usable answer: a proxy or firewall
# probably drops the answers.
SILENCE_LIMIT = 20
# Key in the pool of the question about the account; all other keys are ids of deliveries.
ACCOUNT = "account"
#: Code of the answer for a mail whose encrypted address can't be decrypted; no call is made.
CANNOT_DECRYPT = "CannotDecrypt"
#: Answer for a claimed mail whose call was not started; the mail waits at its old place again.
NOT_STARTED = Answer(Verdict.THROTTLED)
HALTING = (Verdict.TASK_PAUSED, Verdict.ACCOUNT_STOPPED)


def is_passing(error):
    """Tell whether a retry can help: after a conflict with another write, or a lost connection.

    If the server dies in the middle of an answer, psycopg2 raises a plain `DatabaseError`, so that
    the exact class is checked.
    """
    return (
        isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
        or type(error) is psycopg2.DatabaseError
    )


def _read_answers(results):
    """Return [(delivery id, Answer)] of results of the pool, without addresses in the messages."""
    return [
        (key, replace(answer, message=scrub(answer.message, mail.to)))
        for key, mail, answer in results
    ]


def _find_first(env, answers):
    """Return {task id: the first of the answers about its deliveries}.

    :param answers: {delivery id: Answer}, in the order in which they came
    """
    rows = env.execute_query(
        SQL("SELECT id, task_id FROM directmail_delivery WHERE id IN %s", tuple(answers))
    )
    tasks, found = dict(rows), {}
    for delivery_id, answer in answers.items():
        if delivery_id in tasks:
            found.setdefault(tasks[delivery_id], answer)
    return found


class Deadline:
    """When a run ends; can be prolonged second by second.

    :param float seconds: length of the run
    :param float longest: upper bound instead of `seconds`, as long as `may_go_on` agrees
    :param may_go_on: () -> whether to prolong the run; called about once a second after `seconds`
    """

    def __init__(self, seconds, longest, may_go_on):
        now = time.monotonic()
        self._at, self._latest = now + seconds, now + longest
        self._may_go_on = may_go_on

    def has_passed(self):
        """Tell whether the run is over; prolong it if it may go on."""
        if self._at <= time.monotonic() < self._latest:
            if self._may_go_on():
                self._at = min(self._latest, time.monotonic() + 1)
            else:
                self._latest = self._at
        return time.monotonic() >= self._at

    def get_left(self):
        """Return the seconds that are left, 0 if none."""
        return max(0.0, self._at - time.monotonic())


class Dispatcher:
    """A run of one account's sender, from the cron.

    :param SenderContext context: the account's settings, its client, and what to do when DirectMail
        refuses a task or the account
    """

    def __init__(self, context):
        self.context = context
        self.account_id = context.claims.account_id
        self.token = uuid.uuid4().hex
        self.answered = 0
        self.builder = MailBuilder(context.mails)
        self.doubts = Doubts(context.claims, context.refusal_limit)
        self.rate = AdaptiveRate(context.rate_limit)
        self.pool = CallPool(context.threads, self._call)
        self._cr = None
        self._stopped = False
        self._silent = 0
        self._in_hand = {}
        self._made = deque()  # (delivery id, mail) of claimed mails whose calls have not started
        self._known = []  # answers since the last exchange, from `_make` and `_start`
        self._pauses = {}
        self._open = []  # DOUBTFUL answers that need the result of `ask_about_account`
        self._is_asking = False

    def _call(self, job):
        """Send a mail, or call `job` with the client if it is a question; runs in a pool thread."""
        client = self.context.client
        return job(client) if callable(job) else client.send(job)

    def run(self, seconds, longest=0, may_go_on=None):
        """Send until no mail is due, the time is up, or the account is stopped.

        :param float seconds: after which no new call starts; calls in flight are waited for
        :param float longest: upper bound instead of `seconds`, as long as `may_go_on` agrees
        :param may_go_on: (env) -> whether to continue; called about once a second after `seconds`
        """
        deadline = Deadline(
            seconds, longest, lambda: self._transact(lambda env, _attempt: may_go_on(env))
        )
        answers = []
        while True:
            is_over = self._stopped or deadline.has_passed()
            number = 0 if is_over or self._is_halting(answers) else self._count_wanted()
            claimed = self._exchange(answers, number) if answers or number else []
            self._react(answers)
            self._make(claimed)
            answers = self._start()
            if answers:
                continue
            if self.pool.in_flight:
                # A claim that found fewer mails than it looked for would find no more now.
                may_claim = not is_over and len(claimed) >= number
                answers = self._collect(self._get_patience(may_claim))
            elif is_over or not self._wait_for_work(number, deadline):
                return

    def _is_halting(self, answers):
        """Tell whether to claim nothing, because these answers will pause tasks or the account."""
        return (
            self._silent >= SILENCE_LIMIT
            or bool(self._pauses)
            or any(answer.verdict in HALTING for _id, answer in answers)
        )

    def _wait_for_work(self, number, deadline):
        """Wait where no call is in flight; tell whether another claim may find mails.

        :param int number: of mails that the last claim looked for, in vain
        """
        if number:
            return self._wait_for_results(deadline) or self._wait_for_leases(deadline)
        time.sleep(min(self.rate.delay(), deadline.get_left()))
        return True

    def close(self):
        """Write the finished answers, and release the threads and the connection.

        Deliveries whose calls are still in flight become *unknown* when their lease ends.
        """
        finished = self.pool.close(0)
        answers = [
            *self._known,
            *self._give_back(),
            *self._open,
            *_read_answers(row for row in finished if row[0] != ACCOUNT),
        ]
        self._known, self._open = [], []
        try:
            if answers:
                self._exchange(answers, 0)
        finally:
            self._hang_up()

    def _count_wanted(self):
        """Return how many mails to claim: by the free threads, and the rate in AHEAD_SECONDS."""
        return min(self.pool.free, self.rate.foresee(AHEAD_SECONDS))

    def _get_patience(self, may_claim):
        """Return how many seconds to wait for an answer if nothing else is to be done.

        :param bool may_claim: whether another claim may find mails
        """
        if not may_claim or not self.pool.free:
            return 1.0
        return 0.0 if self._count_wanted() else min(self.rate.delay(), 1.0)

    def _start(self):
        """Start the calls for the claimed mails as the rate allows.

        Stops early, and gives the remaining mails back, if an answer stops the account or pauses a
        task, or if DirectMail wants a pause.

        :return: [(delivery id, Answer)] of the calls that finished meanwhile, and of mails that
            were given back or could not be made
        """
        while self._made:
            for _mail in range(self.rate.take(min(self.pool.free, len(self._made)))):
                self.pool.submit(*self._made.popleft())
            if not self._made:
                break
            if self.pool.free:
                time.sleep(max(0.002, min(self.rate.delay(self._count_step()), STEP_SECONDS)))
            self._known += self._collect(0 if self.pool.free else 1.0)
            if self._is_halting(self._known) or self.rate.delay() > HELD_SECONDS:
                self._known += self._give_back()
        answers, self._known = self._known, []
        return answers

    def _count_step(self):
        """Return how many of the claimed mails should start together."""
        return max(1, min(len(self._made), int(self.rate.rate * STEP_SECONDS)))

    def _give_back(self):
        """Return [(delivery id, NOT_STARTED)] of the claimed mails whose calls have not started."""
        answers = [(delivery_id, NOT_STARTED) for delivery_id, _mail in self._made]
        self._made.clear()
        return answers

    def _collect(self, timeout):
        """Return [(delivery id, Answer)] of the calls that finished, after at most `timeout` s."""
        finished = self.pool.drain(timeout)
        answers = _read_answers(row for row in finished if row[0] != ACCOUNT)
        for _key, answer in answers:
            if answer.verdict in (Verdict.THROTTLED, Verdict.RETRY_LATER):
                trouble = answer.verdict == Verdict.RETRY_LATER
                self.rate.slow_down(answer.retry_after, halve=trouble)
            if answer.verdict == Verdict.DOUBTFUL and not is_known_code(answer.code):
                _logger.warning(
                    "DirectMail refused a mail with a code that is not known here:"
                    " %s %s (request %s)",
                    answer.code,
                    answer.message,
                    answer.request_id,
                )
            self._silent = self._silent + 1 if answer.verdict == Verdict.UNKNOWN else 0
        self.answered += len(answers)
        report = next((result for key, _job, result in finished if key == ACCOUNT), None)
        if report:
            self._is_asking = False
            self.doubts.hear(report)
            answers, self._open = self._open + answers, []
        return self._weigh(answers, report)

    def _weigh(self, answers, report):
        """Return the answers, with DOUBTFUL replaced by what `Doubts.weigh` decided.

        Answers that can't be judged without a report about the account are kept in
        `self._open`; their deliveries stay *sending*. The question is asked in a thread of the
        pool. One is free, because at least one call has just finished.

        :param report: the `doubts.AccountReport` that came with the answers, or None
        """
        if all(answer.verdict != Verdict.DOUBTFUL for _id, answer in answers):
            return answers

        def weigh(env, _attempt):
            if report and report.summary:
                self.context.save_summary(env, report.summary)
                env.flush_all()
            return self.doubts.weigh(env, answers, self._in_hand)

        weighed = self._transact(weigh)
        self._pauses.update(weighed.pauses)
        self._open += weighed.open
        if weighed.question and not self._is_asking:
            self._is_asking = True
            self.pool.submit(ACCOUNT, weighed.question, no_answer=NO_ANSWER)
        return weighed.answers

    def _make(self, claimed):
        """Make claimed mails, so that `_start` can send them.

        :param claimed: a list of `claim.Claimed`
        """
        self._in_hand.update((row.id, row.task_id) for row in claimed)
        by_task = {}
        for row in claimed:
            by_task.setdefault(row.task_id, []).append(row)
        for task_id, rows in by_task.items():
            self._known += self._make_of(task_id, rows)

    def _make_of(self, task_id, rows):
        """Do the same as `_make` for claimed mails of one task.

        :return: [(delivery id, Answer)] of mails that can't be made
        """
        try:
            mails = self._transact(lambda env, _attempt: self.builder.build(env, task_id, rows))
        except Exception as error:
            if is_passing(error):
                raise
            # No mail of these was sent, and further ones would fail too: pause with the error.
            _logger.exception("Mails of email task %s can't be made", task_id)
            answer = Answer(Verdict.TASK_PAUSED, "ContentError", str(error)[:200])
            return [(row.id, answer) for row in rows]
        self._made.extend(mails.items())
        unreadable = Answer(Verdict.PERSON_REFUSED, CANNOT_DECRYPT)
        return [(row.id, unreadable) for row in rows if row.id not in mails]

    def _exchange(self, answers, number):
        """Write the answers and claim up to `number` mails, in one transaction.

        The answers stay in memory until the commit has succeeded. If the connection is lost during
        the commit, it may or may not have happened. So the answers are written again, which changes
        nothing the second time, and `claim.orphans` finds the mails that the lost commit claimed.

        :rtype: list[claim.Claimed]
        """

        def exchange(env, attempt):
            context = self.context
            claim.write_answers(env, self.account_id, self.token, answers)
            claimed = claim.orphans(env, self.token, self._in_hand) if attempt else []
            if number:
                claimed += claim.claim(env, context.claims, self.token, number, context.lease)
            return claimed

        claimed = self._transact(exchange)
        for delivery_id, _answer in answers:
            self._in_hand.pop(delivery_id, None)
        return claimed

    def _transact(self, function):
        """Run a function in its own transaction; repeat it until the commit has succeeded.

        A run keeps one connection for all its transactions, because opening a cursor costs as much
        as a transaction's statements.

        :param function: called with an environment and the number of failed attempts; is called
            again after a conflict with another transaction's write or a lost connection
        :return: the result of the function
        :raise psycopg2.Error: if it still fails after DATABASE_PATIENCE seconds, or half the lease
            if that is shorter
        """
        give_up = time.monotonic() + min(DATABASE_PATIENCE, self.context.lease / 2)
        attempt = 0
        while True:
            try:
                self._cr = self._cr or self.context.open_cursor()
                result = function(api.Environment(self._cr, SUPERUSER_ID, {}), attempt)
                # The cursor is the run's own, so this commits no other changes than the function's.
                self._cr.commit()  # pylint: disable=invalid-commit
                return result
            except BaseException as error:
                self._hang_up()
                if not is_passing(error) or time.monotonic() > give_up:
                    raise
                attempt += 1
                _logger.info("Trying a transaction again: %s", str(error).strip())
                time.sleep(min(0.05 * 2**attempt, 2))

    def _hang_up(self):
        """Close the cursor, which rolls back and returns the connection to Odoo's pool."""
        cr, self._cr = self._cr, None
        if cr:
            # Closing the cursor of a lost connection raises.
            with contextlib.suppress(psycopg2.Error):
                cr.close()

    def _react(self, answers):
        """Stop the account (ACCOUNT_STOPPED, or SILENCE_LIMIT), else pause tasks (TASK_PAUSED)."""
        stops = [answer for _id, answer in answers if answer.verdict == Verdict.ACCOUNT_STOPPED]
        if self._silent >= SILENCE_LIMIT and not self._stopped:
            # Each further call would only make one more delivery *unknown*.
            stops.append(Answer(Verdict.ACCOUNT_STOPPED, "NoAnswer"))
        pauses = {
            delivery_id: answer
            for delivery_id, answer in answers
            if answer.verdict == Verdict.TASK_PAUSED
        }
        pauses |= self._pauses
        self._pauses = {}
        if not stops and not pauses:
            return

        def react(env, _attempt):
            if stops:
                self.context.stop_account(env, stops[0])
            else:
                for task_id, answer in _find_first(env, pauses).items():
                    self.context.pause_task(env, task_id, answer)
            env.flush_all()

        self._stopped = bool(stops)
        self._transact(react)

    def _wait_for_results(self, deadline):
        """Wait up to 0.5 s if mails wait for results of mails sent before: see `allowance`.

        :param Deadline deadline: of the run
        :return: whether they do, so that another claim may find mails
        :rtype: bool
        """

        def look(env, _attempt):
            if not find_braked(env, self.account_id):
                return False
            self.context.wake_events(env)
            env.flush_all()
            return True

        if not self._transact(look):
            return False
        time.sleep(min(0.5, deadline.get_left()))
        return True

    def _wait_for_leases(self, deadline):
        """Wait up to 0.5 s if leases of *sending* deliveries will end before the deadline.

        They are from a process that is gone. When a lease has ended, `claim.claim` makes the
        delivery *unknown*, which frees a place.

        :param Deadline deadline: of the run
        :return: whether there are such leases, so that another claim may find a place
        :rtype: bool
        """
        left = deadline.get_left()
        rows = self._transact(
            lambda env, _attempt: env.execute_query(
                SQL(
                    """SELECT 1 FROM directmail_delivery
                        WHERE account_id = %s AND state = 'sending'
                          AND lease_until < now() AT TIME ZONE 'UTC' + %s * interval '1 second'
                        LIMIT 1""",
                    self.account_id,
                    left,
                )
            )
        )
        if rows:
            time.sleep(min(0.5, left))
        return bool(rows)
