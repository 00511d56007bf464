"""Deliver: keep a few calls to DirectMail under way, and write each answer down.

One transaction writes the finished answers and takes the next mails; it commits; then those calls
start. Threads make network calls only, all database work stays on the cron's own thread, and
there is no barrier: whatever finishes makes room at once.
"""

import contextlib
import logging
import time
import uuid
from dataclasses import replace

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.tools import SQL

from ..directmail.answers import Answer, Verdict, is_known_code
from ..directmail.pool import CallPool
from ..directmail.throttle import AdaptiveRate
from ..privacy.address import scrub
from . import claim
from .content import MailBuilder
from .doubts import NO_ANSWER, Doubts

_logger = logging.getLogger(__name__)

LEASE_SECONDS = 600
# How long a run waits for PostgreSQL to come back before it gives its answers up to the lease.
DATABASE_PATIENCE = 300
# Where the account's rate is what holds sending up, one exchange with the database serves the mails
# that may go out in so many seconds. Half of what the limiter saves up at 100 a second, so that a
# slow exchange loses nothing.
GATHER_SECONDS = 0.05
# So many calls in a row without a usable answer: something in between swallows them.
SILENCE_LIMIT = 20
# Key of the question about the account itself, among the ids of deliveries in the pool.
ACCOUNT = "account"
HALTING = (Verdict.TASK_PAUSED, Verdict.ACCOUNT_STOPPED)


def is_passing(error):
    """Tell whether trying again can help: a conflict with another write, or a lost connection.

    A server that dies in the middle of an answer is a mere `DatabaseError`, of no class of its own.
    """
    return (
        isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
        or type(error) is psycopg2.DatabaseError
    )


def _read_answers(results):
    """Return [(delivery id, Answer)]; an address that is quoted in one goes no further."""
    return [
        (key, replace(answer, message=scrub(answer.message, mail.to)))
        for key, mail, answer in results
    ]


class Dispatcher:
    """One run of one account's sender.

    :param account: an active `directmail.account` record
    """

    def __init__(self, account):
        self.registry = account.env.registry
        self.account_id = account.id
        self.token = uuid.uuid4().hex
        self.lease = account._get_seconds("lease_seconds", LEASE_SECONDS)
        self.answered = 0
        self.builder = MailBuilder(account)
        self.doubts = Doubts(account.refusal_limit)
        self.rate = AdaptiveRate(account.rate_limit)
        # Read before the client is made: a key replaced in between counts as replaced.
        self.credentials = account._get_credentials_mark()
        self.client = account._get_client()
        self.pool = CallPool(account.threads, self._call)
        self._cr = None
        self._stopped = False
        self._silent = 0
        self._in_hand = {}
        self._pauses = {}
        self._open = []  # answers that wait for what DirectMail says about the account
        self._is_asking = False

    def _call(self, job):
        """Carry out a job, in a thread of the pool: send a mail, or ask a question."""
        return job(self.client) if callable(job) else self.client.send(job)

    def run(self, seconds, longest=0, may_go_on=None):
        """Send until nothing is left, the time is up, or the account is in trouble.

        :param float seconds: after which no new call starts; calls under way are waited for
        :param float longest: instead, as long as `may_go_on(env)` says so, asked once a second
        """
        deadline = time.monotonic() + seconds
        end = deadline - seconds + longest
        answers = []
        while True:
            if deadline <= time.monotonic() < end and not self._stopped:
                if self._transact(lambda env, _attempt: may_go_on(env)):
                    deadline = min(end, time.monotonic() + 1)
                else:
                    end = deadline
            late = self._stopped or time.monotonic() >= deadline
            halting = (
                self._silent >= SILENCE_LIMIT
                or self._pauses
                or any(answer.verdict in HALTING for _id, answer in answers)
            )
            room = 0 if late or halting else self._take_room()
            claimed = self._exchange(answers, room) if answers or room else []
            self._react(answers)
            answers = self._start(claimed)
            if answers:
                continue
            if not self.pool.in_flight:
                if late or (room and not self._wait_for_leases(deadline)):
                    return
                if not room:
                    time.sleep(min(self.rate.delay(), max(0, deadline - time.monotonic())))
                continue
            # Where nothing more can be taken, the next finished call is what to wait for.
            idle = late or not self.pool.free or (room and len(claimed) < room)
            answers = self._collect(1.0) if idle else self._gather()

    def close(self):
        """Let go of threads and connection. Calls under way resolve through their lease."""
        finished = self.pool.close(0)
        answers = [*self._open, *_read_answers(row for row in finished if row[0] != ACCOUNT)]
        self._open = []
        try:
            if answers:
                self._exchange(answers, 0)
        finally:
            self._hang_up()

    def _take_room(self):
        free = self.pool.free
        return self.rate.take(free) if free else 0

    def _gather(self):
        """Return the answers that came while the limiter saved up the next few mails.

        An exchange with the database for each mail makes sending no faster, but keeps the server
        busy. A free thread never waits for more mails than there are free threads, and a small
        task, or the beginning of one, with little under way, for no other mail at all.
        """
        batch = min(self.pool.free, int(self.rate.rate * GATHER_SECONDS))
        if batch < 2 or self.pool.in_flight < batch:
            return self._collect(max(0.002, min(self.rate.delay(), 1.0)))
        time.sleep(max(0.002, min(self.rate.delay(batch), GATHER_SECONDS)))
        return self._collect(0)

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
        told = next((result for key, _job, result in finished if key == ACCOUNT), None)
        if told:
            self._is_asking = False
            self.doubts.hear(told)
            answers, self._open = self._open + answers, []
        return self._weigh(answers, told)

    def _weigh(self, answers, told):
        """Return the answers, those changed that turn out to be one person's refusal.

        Those that can't be judged yet stay here, and their mails *sending*, until DirectMail has
        told about the account. That is asked in a thread of the pool, where one is free: at least
        one answer came.

        :param told: the `doubts.Account` that came with them, or None
        """
        if all(answer.verdict != Verdict.DOUBTFUL for _id, answer in answers):
            return answers

        def weigh(env, _attempt):
            account = env["directmail.account"].browse(self.account_id)
            if told and told.summary:
                account._read_summary(told.summary)
            weighed = self.doubts.weigh(env, account, answers, self._in_hand)
            env.flush_all()
            return weighed

        weighed = self._transact(weigh)
        self._pauses.update(weighed.pauses)
        self._open += weighed.open
        if weighed.question and not self._is_asking:
            self._is_asking = True
            self.pool.submit(ACCOUNT, weighed.question, no_answer=NO_ANSWER)
        return weighed.answers

    def _start(self, claimed):
        """Start the calls for what was claimed; return answers for mails that can't be made."""
        if not claimed:
            return []
        self._in_hand.update((row.id, row.task_id) for row in claimed)
        by_task = {}
        for row in claimed:
            by_task.setdefault(row.task_id, []).append(row)
        answers = []
        for task_id, rows in by_task.items():
            answers += self._start_of(task_id, rows)
        return answers

    def _start_of(self, task_id, rows):
        """Start the calls for one task's people; return answers for mails that can't be made."""
        try:
            mails = self._transact(lambda env, _attempt: self.builder.build(env, task_id, rows))
        except Exception as error:
            if is_passing(error):
                raise
            # Nothing was sent, and the next person would fail alike: pause and show it.
            _logger.exception("Mails of email task %s can't be made", task_id)
            answer = Answer(Verdict.TASK_PAUSED, "ContentError", str(error)[:200])
            return [(row.id, answer) for row in rows]
        for delivery_id, mail in mails.items():
            self.pool.submit(delivery_id, mail)
        unreadable = Answer(Verdict.PERSON_REFUSED, "CannotDecrypt")
        return [(row.id, unreadable) for row in rows if row.id not in mails]

    def _exchange(self, answers, room):
        """Write the answers and claim up to `room` mails, in one transaction.

        Answers stay in memory until their commit is certain. After a lost connection the commit
        may or may not have happened: the answers are written again, which changes nothing the
        second time, and mails that the lost commit claimed are found by the run's token.

        :rtype: list[claim.Claimed]
        """

        def exchange(env, attempt):
            account = env["directmail.account"].browse(self.account_id)
            claim.write_answers(env, account, self.token, answers)
            claimed = claim.orphans(env, self.token, self._in_hand) if attempt else []
            if room:
                claimed += claim.claim(env, account, self.token, room, self.lease)
            return claimed

        claimed = self._transact(exchange)
        for delivery_id, _answer in answers:
            self._in_hand.pop(delivery_id, None)
        return claimed

    def _transact(self, function):
        """Run a function in a transaction of its own until its commit has succeeded.

        All of a run's transactions use one connection: taking it anew each time would cost as much
        as what is done in them.

        :param function: called with an environment and the number of failed attempts; may be
            called again after a conflict with somebody else's write or a lost connection
        :return: what the function returned
        :raise psycopg2.Error: if the database stays away for too long
        """
        give_up = time.monotonic() + min(DATABASE_PATIENCE, self.lease / 2)
        attempt = 0
        while True:
            try:
                self._cr = self._cr or self.registry.cursor()
                result = function(api.Environment(self._cr, SUPERUSER_ID, {}), attempt)
                # a connection of this run's own, which nobody else's changes are in
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
        """Give the connection back; what it has not committed is undone."""
        cr, self._cr = self._cr, None
        if cr:
            # a connection that is lost can't be given back
            with contextlib.suppress(psycopg2.Error):
                cr.close()

    def _react(self, answers):
        """Pause tasks, or stop the account, where DirectMail says that going on is no use."""
        stops = [answer for _id, answer in answers if answer.verdict == Verdict.ACCOUNT_STOPPED]
        if self._silent >= SILENCE_LIMIT and not self._stopped:
            # Every further call would only make one more person unknown.
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
                account = env["directmail.account"].browse(self.account_id)
                account._on_refused(stops[0], self.credentials)
            else:
                deliveries = env["directmail.delivery"].browse(pauses)
                for task, refused in deliveries.grouped("task_id").items():
                    task._on_refused(pauses[refused[0].id])
            env.flush_all()

        self._stopped = bool(stops)
        self._transact(react)

    def _wait_for_leases(self, deadline):
        """Wait a moment if calls of a dead process will soon be known as unknown.

        :return: whether it is worth to look again
        :rtype: bool
        """
        left = deadline - time.monotonic()
        rows = self._transact(
            lambda env, _attempt: env.execute_query(
                SQL(
                    """SELECT 1 FROM directmail_delivery
                        WHERE account_id = %s AND state = 'sending'
                          AND lease_until < now() AT TIME ZONE 'UTC' + %s * interval '1 second'
                        LIMIT 1""",
                    self.account_id,
                    max(0.0, left),
                )
            )
        )
        if rows:
            time.sleep(min(0.5, max(0.0, left)))
        return bool(rows)
