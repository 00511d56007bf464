"""A model of tasks and deliveries, driven at random: whatever happens, in whatever order, nobody is
mailed twice and nobody disappears.
"""

import os
from datetime import datetime, timezone

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ...directmail.answers import Answer, Verdict
from ...engine import claim
from ..common import DirectmailCommon, start_task

PEOPLE = 8
THREADS = 3
# A long run asks for more; each example takes a second or two.
EXAMPLES = int(os.environ.get("DIRECTMAIL_MODEL_EXAMPLES") or 12)
SEED = os.environ.get("DIRECTMAIL_MODEL_SEED")
STEPS = int(os.environ.get("DIRECTMAIL_MODEL_STEPS") or 30)
CERTAIN = ("waiting", "suppressed", "cancelled", "not_sent")
# Verdict, and whether DirectMail may have taken the mail.
ANSWERS = {
    Verdict.ACCEPTED: (True,),
    Verdict.PERSON_REFUSED: (False,),
    Verdict.RETRY_LATER: (False,),
    Verdict.THROTTLED: (False,),
    Verdict.UNKNOWN: (True, False),
}


class TaskMachine(RuleBasedStateMachine):
    """Two tasks of one account, the runs that send them, their owner, and DirectMail's ledger.

    The ledger is kept here and the engine never sees it; what it claims must agree with it.
    """

    test = None
    under_way = Bundle("under_way")
    lost = Bundle("lost")

    def __init__(self):
        super().__init__()
        self.env = self.test.env
        self.savepoint = self.env.cr.savepoint()
        self.account = self.test.account.sudo()
        self.account.write({"threads": THREADS, "daily_quota": 1000, "quota_reserve": 0})
        self.ledger = {}
        self.known = {}
        self.runs = 0
        self.tasks = [self._start(number) for number in range(2)]

    def teardown(self):
        self.savepoint.close(rollback=True)
        self.env.invalidate_all()

    def _start(self, number):
        task = self.test._make_task(self.test.audience, self.test.template, name=f"Task {number}")
        task.action_send()
        start_task(task.sudo())
        return task

    def _states(self, *states):
        self.env.flush_all()
        return self.env["directmail.delivery"].search(
            [("task_id", "in", [task.id for task in self.tasks]), ("state", "in", states)]
        )

    # === THE SENDER === #

    @rule(target=under_way, number=st.integers(1, THREADS))
    def claim(self, number):
        """One run's turn, as the dispatcher takes it."""
        self.env.flush_all()
        self.env.invalidate_all()
        self.runs += 1
        token = f"run {self.runs}"
        rows = claim.claim(self.env, self.account._make_claim_context(), token, number, 600)
        self.env.invalidate_all()
        for row in rows:
            assert row.id not in self.known, "a mail whose fate is known is claimed again"
        return [(token, row) for row in rows]

    @rule(
        calls=consumes(under_way),
        verdict=st.sampled_from(sorted(ANSWERS)),
        accepted=st.booleans(),
        twice=st.booleans(),
    )
    def answer(self, calls, verdict, accepted, twice):
        """The calls end. Their answers may be written twice, after a commit got lost."""
        self._write(calls, verdict, accepted and True in ANSWERS[verdict], twice)

    @rule(target=lost, calls=consumes(under_way), accepted=st.booleans())
    def crash(self, calls, accepted):
        """The server dies: DirectMail may or may not have the mails."""
        for token, row in calls:
            if accepted:
                self._accept(row)
            self.env.cr.execute(
                """UPDATE directmail_delivery SET lease_until = now() - interval '1 hour'
                    WHERE id = %s AND claim_token = %s AND state = 'sending'""",
                (row.id, token),
            )
        self.env.invalidate_all()
        return calls if accepted else []

    @rule(calls=consumes(lost))
    def late_answer(self, calls):
        """It was no crash, only slow: the answer comes after the lease."""
        claim.expire_leases(self.env, self.account.id)
        self._write(calls, Verdict.ACCEPTED, accepted=None)

    def _write(self, calls, verdict, accepted, twice=False):
        for token, row in calls:
            if verdict == Verdict.ACCEPTED and accepted is not None or accepted:
                self._accept(row)
            envelope = str(row.id) if verdict == Verdict.ACCEPTED else ""
            answer = Answer(verdict, code="" if envelope else "Code", env_id=envelope)
            for _time in range(2 if twice else 1):
                claim.write_answers(self.env, self.account.id, token, [(row.id, answer)])
            if verdict in (Verdict.ACCEPTED, Verdict.PERSON_REFUSED):
                self.known[row.id] = "sent" if verdict == Verdict.ACCEPTED else "refused"
        self.env.invalidate_all()
        self._let_retry()

    def _accept(self, row):
        self.ledger[row.id] = self.ledger.get(row.id, 0) + 1

    def _let_retry(self):
        """Time passes: who is to be tried later may be tried now."""
        self.env.cr.execute(
            "UPDATE directmail_delivery SET not_before = NULL WHERE not_before IS NOT NULL"
        )
        self.env.invalidate_all()

    @rule()
    def end_of_run(self):
        """What the cron does after a run: leases, ended tasks."""
        claim.expire_leases(self.env, self.account.id)
        self.env.invalidate_all()
        self.account._finish_tasks()

    # === THE OWNER === #

    @rule(number=st.integers(0, 1), action=st.sampled_from(["pause", "resume", "cancel", "send"]))
    def press(self, number, action):
        """Any button at any time; what is refused changes nothing."""
        task = self.tasks[number]
        before = task.state
        try:
            with self.env.cr.savepoint():
                getattr(task, f"action_{action}")()
        except UserError:
            self.env.invalidate_all()
            assert task.state == before

    @rule(number=st.integers(0, 1), name=st.sampled_from(["reply_to", "use_as_is", "template_id"]))
    def edit(self, number, name):
        """A change is taken in states that allow it, and never while mails go out."""
        task = self.tasks[number]
        value = {
            "reply_to": "desk@example.com", "use_as_is": True, "template_id": self.test.template.id,
        }  # fmt: skip
        try:
            with self.env.cr.savepoint():
                task.write({name: value[name]})
        except UserError:
            self.env.invalidate_all()
        else:
            assert task.state in ("paused", "failed") and name != "use_as_is"
            assert not task.sending_count

    @rule()
    def go_on(self):
        """The cron takes up what was corrected."""
        for task in self.account._get_due_tasks().filtered(lambda task: task in self.mine):
            start_task(task)

    @property
    def mine(self):
        return self.env["directmail.task"].union(*self.tasks).sudo()

    # === THE WORLD === #

    @rule(left=st.sampled_from([0, 1, 1000]))
    def quota(self, left):
        """Somebody changes the quota, or a new day begins."""
        self.env["directmail.usage"].search([]).unlink()
        self.account.daily_quota = left

    @rule(number=st.integers(0, 1), complete=st.booleans())
    def records(self, number, complete):
        """DirectMail's records are read; complete ones prove what never left."""
        task = self.tasks[number].sudo()
        seen = self._states("unknown", "sent", "not_sent").filtered(
            lambda row: row.task_id == task and row.id in self.ledger
        )
        self.test._report(task, seen)
        if complete:
            self.env.cr.execute(
                """UPDATE directmail_delivery SET claimed_at = claimed_at - interval '25 hours'
                    WHERE task_id = %s AND state IN ('unknown', 'sent')""",
                (task.id,),
            )
            self.env.invalidate_all()
            task._resolve_unknown(task.planned_at, fields.Datetime.now())
        self.env.invalidate_all()

    # === WHAT ALWAYS HOLDS === #

    @invariant()
    def nobody_is_mailed_twice(self):
        assert all(times == 1 for times in self.ledger.values()), self.ledger

    @invariant()
    def nobody_disappears(self):
        self.env.flush_all()
        self.env.invalidate_all()
        for task in self.tasks:
            assert task.people_count == PEOPLE
            self.test.assertSumRule(task.sudo())

    @invariant()
    def what_is_certain_is_true(self):
        for row in self._states(*CERTAIN, "refused"):
            assert row.id not in self.ledger, f"{row.state}, but DirectMail has it"
        for row in self._states("sent"):
            assert row.id in self.ledger, "sent, but DirectMail doesn't have it"

    @invariant()
    def known_answers_stay(self):
        rows = self.env["directmail.delivery"].browse(self.known)
        assert all(row.state == self.known[row.id] for row in rows)

    @invariant()
    def few_are_under_way(self):
        assert len(self._states("sending")) <= THREADS

    @invariant()
    def done_means_that_nobody_waits(self):
        for task in self.tasks:
            if task.state == "done":
                assert not task.waiting_count
                assert not task.sending_count


@tagged("post_install", "-at_install")
class TestTaskModel(DirectmailCommon):
    def test_whatever_happens(self):
        people = self._make_people(*[f"m{number}@example.com" for number in range(PEOPLE)])
        self.audience = self._make_audience(people)
        self.template = self._make_template()
        machine = type("Machine", (TaskMachine,), {"test": self})
        if SEED:
            machine = seed(int(SEED))(machine)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=not SEED,
                suppress_health_check=list(HealthCheck),
                database=None,
                print_blob=True,
            ),
        )

    def _report(self, task, deliveries):
        """Let DirectMail's records show these mails."""
        events = self.env["directmail.event"]
        account = task.account_id
        events._receive(
            [
                events._make_fact(
                    account,
                    "poll",
                    "delivered",
                    datetime.now(timezone.utc),
                    delivery_id=row.id,
                    fingerprint=f"model {row.id}",
                )
                for row in deliveries
            ]
        )
        events._apply_all(account.company_id)
        self.env.invalidate_all()
