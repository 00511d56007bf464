from datetime import datetime

from odoo.tests import tagged

from ..directmail.const import BEIJING
from .common import DirectmailCommon

SPAM = "InvalidSendMail.Spam"


@tagged("post_install", "-at_install")
class TestDoubts(DirectmailCommon):
    """Refusals that may concern one person or everybody."""

    def _plan(self, number, **vals):
        """Start a task for p0 to p<number - 1>, none of whom is mailed yet."""
        people = self._make_people(*[f"p{i}@example.com" for i in range(number)])
        task = self._make_task(self._make_audience(people), **vals)
        task.action_send()
        task.sudo()._start()
        self.env.flush_all()
        return task

    def _refuse(self, *people, code=SPAM, **vals):
        for person in people or ("*",):
            self.emulator.set_fault(
                "error", action="SingleSendMail", to=person, status=400, code=code, message="No.",
                **vals,
            )  # fmt: skip
        self.addCleanup(self.emulator.clear_faults)

    def _check(self, task, state, **counts):
        self.env.invalidate_all()
        names = ("sent", "refused", "waiting")
        found = {name: task[f"{name}_count"] for name in names if task[f"{name}_count"]}
        self.assertEqual((task.state, found), (state, counts))
        rows = (
            self.env["directmail.delivery"]
            .sudo()
            ._read_group([("task_id", "=", task.id)], ["state"], ["__count"])
        )
        self.assertEqual(dict(rows), counts, "the counters say what the rows say")
        self.assertEqual(len(self.emulator.ledger(task.tag_name)), counts.get("sent", 0))

    def test_one_person_refused_for_good_stops_nobody(self):
        for code in (SPAM, "InvalidReceiverName.Malformed", "NeverHeardOfIt"):
            for person in ("p0", "p70", "p145"):
                with self.subTest(code=code, person=person):
                    task = self._plan(146)
                    self._refuse(f"{person}@example.com", code=code)
                    self._run_cron()
                    self._check(task, "done", sent=145, refused=1)
                    refused = task.delivery_ids.filtered(lambda d: d.state == "refused")
                    self.assertEqual((refused.email, refused.code), (f"{person}@example.com", code))
                    self.emulator.clear_faults()

    def test_several_people_each_for_a_reason_of_their_own(self):
        task = self._plan(60)
        self._refuse("p3@example.com")
        self._refuse("p9@example.com", code="NeverHeardOfIt")
        self._run_cron()
        self._check(task, "done", sent=58, refused=2)

    def test_more_than_the_limit_but_never_in_a_row(self):
        self.account.sudo().write({"threads": 1, "refusal_limit": 3})
        task = self._plan(40)
        self._refuse(*[f"p{i}@example.com" for i in range(0, 40, 4)])
        self._run_cron()
        self._check(task, "done", sent=30, refused=10)

    def test_everybody_is_refused(self):
        self.account.sudo().threads = 1
        task = self._plan(20)
        self._refuse()
        self._run_cron()
        self._check(task, "paused", waiting=20)
        self.assertEqual(task.pause_reason, "refused")
        self.assertIn(SPAM, task.state_message)
        [rule] = self.emulator.faults()
        self.assertEqual(rule["hits"], 5, "as many as the account says, and no more")
        for number in (10, 15, 20):  # people that have been tried, each time others
            task.action_resume()
            self._run_cron()
            self._check(task, "paused", waiting=20)
            tried = task.delivery_ids.filtered(lambda d: d.code)
            self.assertEqual(len(tried), number)
        self.emulator.clear_faults()
        task.action_resume()
        self._run_cron()
        self._check(task, "done", sent=20)

    def test_the_limit_is_the_accounts(self):
        self.account.sudo().write({"threads": 1, "refusal_limit": 3})
        task = self._plan(20)
        self._refuse()
        self._run_cron()
        self._check(task, "paused", waiting=20)
        self.assertEqual(self.emulator.faults()[0]["hits"], 3)

    def test_the_only_person_there_is(self):
        task = self._plan(1)
        self._refuse()
        self._run_cron()
        self._check(task, "paused", waiting=1)
        self.emulator.clear_faults()
        task.action_resume()
        self._run_cron()
        self._check(task, "done", sent=1)

    def test_the_quota_is_nobodys_own_refusal(self):
        """DirectMail says it with the same code; its quota is known only by asking."""
        self.account.sudo().threads = 1
        self.addCleanup(self.emulator.configure_account, "LTAIEMULATOR", daily_quota=200000)
        for left in (1, 2, 10):
            with self.subTest(left=left):
                self.env["directmail.usage"].search([]).unlink()
                self.account.sudo().daily_quota = 200000
                task = self._plan(30)
                accepted = self.emulator.get("/api/ledger/summary")["accepted"]
                self.emulator.configure_account("LTAIEMULATOR", daily_quota=accepted + 30 - left)
                # What was used before this database began to count.
                today = datetime.now(BEIJING).date()
                self.env["directmail.usage"].create(
                    {"account_id": self.account.id, "day": today, "used": accepted}
                )
                self._run_cron()
                self.env.invalidate_all()
                self.assertEqual((task.sent_count, task.refused_count), (30 - left, 0))
                self.assertEqual(task.waiting_count, left)
                self.emulator.configure_account("LTAIEMULATOR", daily_quota=200000)
                self.account.sudo().daily_quota = 200000
                if task.state == "paused":
                    task.action_resume()
                self._run_cron()
                self._check(task, "done", sent=30)

    def test_the_last_two_ask_once(self):
        """With nobody left to tell by, the owner is asked; after that it is theirs."""
        self.account.sudo().threads = 1
        task = self._plan(10)
        self._refuse("p8@example.com", "p9@example.com")
        self._run_cron()
        self._check(task, "paused", sent=8, waiting=2)
        task.action_resume()
        self._run_cron()
        self._check(task, "done", sent=8, refused=2)

    def test_what_was_refused_once_and_is_accepted_then_is_sent(self):
        task = self._plan(50)
        self._refuse("p4@example.com", times=1)
        self._run_cron()
        self._check(task, "done", sent=50)

    def test_a_task_of_another_sender_goes_on(self):
        first, second = self._plan(40), self._plan(40)
        self._refuse("p1@example.com")
        self._run_cron()
        self._check(first, "done", sent=39, refused=1)
        self._check(second, "done", sent=39, refused=1)
