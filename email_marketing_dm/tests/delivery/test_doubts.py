from datetime import datetime

from odoo.tests import tagged

from directmail_emulator.faults import KINDS

from ...directmail.const import BEIJING
from ..common import DirectmailCommon, start_task

SPAM = "InvalidSendMail.Spam"
#: so long an answer is awaited while mails go on: long enough for a dozen of them on a busy machine
ANSWER_SECONDS = 25


@tagged("post_install", "-at_install")
class TestDoubts(DirectmailCommon):
    """Refusals that may concern one person or everybody."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # These tests ask about the account more often than ten times a minute.
        unlimited = {"DescAccountSummary": "0", "SingleSendMail": "100/s"}
        cls.emulator.change_settings({"throttle": {"operations": unlimited}})
        cls.task_template = cls._make_template()

    def _plan(self, number, **vals):
        """Start a task for p0 to p<number - 1>, none of whom is mailed yet."""
        people = self._make_people(*[f"p{i}@example.com" for i in range(number)])
        task = self._make_task(self._make_audience(people), **vals)
        task.action_send()
        start_task(task.sudo())
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
        """Each code, and the first, a middle and the last of more people than calls at once."""
        self.account.sudo().threads = 8
        for code, person in (
            (SPAM, "p0"),
            (SPAM, "p19"),
            (SPAM, "p39"),
            ("InvalidReceiverName.Malformed", "p39"),
            ("NeverHeardOfIt", "p19"),
        ):
            with self.subTest(code=code, person=person):
                task = self._plan(40)
                self._refuse(f"{person}@example.com", code=code)
                self._run_cron()
                self._check(task, "done", sent=39, refused=1)
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
                self.account.sudo().write({"daily_quota": 200000, "synchronised_at": False})
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
        """Without others to compare with, the task pauses; after *Resume* the person is refused."""
        self.account.sudo().threads = 1
        for number in (2, 4):
            with self.subTest(number=number):
                task = self._plan(10)
                self._refuse(*[f"p{i}@example.com" for i in range(10 - number, 10)])
                self._run_cron()
                self._check(task, "paused", sent=10 - number, waiting=number)
                self._resume(task)
                self._check(task, "done", sent=10 - number, refused=number)
                self.emulator.clear_faults()

    def test_many_tasks_in_a_minute_are_no_reason_to_pause(self):
        """DirectMail answers only some ten questions about the account a minute."""
        self.account.sudo().threads = 1
        self._refuse("p2@example.com")
        for _number in range(12):
            task = self._plan(3)
            self._run_cron()
            self._check(task, "done", sent=2, refused=1)

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

    def _leave(self, mails):
        """Let DirectMail take so many more mails, of which this database knows nothing."""
        accepted = self.emulator.get("/api/ledger/summary")["accepted"]
        self.emulator.configure_account("LTAIEMULATOR", daily_quota=accepted + mails)
        self.addCleanup(self.emulator.configure_account, "LTAIEMULATOR", daily_quota=200000)
        # As it was before others used it up.
        self.account.sudo().write({"daily_quota": 200000, "synchronised_at": False})

    def _resume(self, task):
        """Resume later. In a test all transactions begin at the same time."""
        self.env.flush_all()
        self.env.cr.execute(
            """UPDATE directmail_delivery SET not_before = refused_at - interval '1 hour'
                WHERE not_before IS NOT NULL"""
        )
        task.action_resume()
        self._run_cron()

    def test_a_quota_that_is_used_up_twice_is_nobodys_own_refusal(self):
        for threads in (1, 10):
            with self.subTest(threads=threads):
                self.account.sudo().threads = threads
                task = self._plan(23)
                self._leave(10)
                self._run_cron()
                self._check(task, "paused", sent=10, waiting=13)
                # The next day all others pass, and two of the people who were refused before.
                people = task.delivery_ids
                never_tried = len(people.filtered(lambda d: not d.code and not d.sent_at))
                self._leave(never_tried + 2)
                self._resume(task)
                left = 13 - never_tried - 2
                self._check(task, "paused", sent=23 - left, waiting=left)
                self._leave(1000)
                self._resume(task)
                self._check(task, "done", sent=23)

    def test_resume_tries_several_though_everybody_was_tried(self):
        self.account.sudo().threads = 1
        task = self._plan(10)
        self._refuse()
        self._run_cron()
        for calls in (10, 15, 20):
            self._resume(task)
            self._check(task, "paused", waiting=10)
            self.assertEqual(self.emulator.faults()[0]["hits"], calls)

    def test_more_people_than_the_limit_are_left(self):
        """They wait, tried several at a time, until the limit says that so many are possible."""
        self.account.sudo().threads = 1
        task = self._plan(20)
        self._refuse(*[f"p{i}@example.com" for i in range(13, 20)])
        self._run_cron()
        for calls in (10, 15):
            self._resume(task)
            self._check(task, "paused", sent=13, waiting=7)
            self.assertEqual(sum(fault["hits"] for fault in self.emulator.faults()), calls)
        self.account.sudo().refusal_limit = 8
        self._resume(task)
        self._resume(task)
        self._check(task, "done", sent=13, refused=7)

    def test_a_run_that_ends_early_is_taken_up_by_the_next_one(self):
        """A killed run leaves nothing but what is in the database."""
        self.account.sudo().threads = 1
        task = self._plan(30)
        self._refuse()
        self.env.flush_all()
        runs = 0
        with self.enter_registry_test_mode():
            while task.state == "sending" and runs < 30:
                runs += 1
                dispatcher = self.account._make_dispatcher()
                # The time is up after the first call.
                dispatcher.run(0.001)
                dispatcher.close()
                self.env.invalidate_all()
        self._check(task, "paused", waiting=30)
        self.assertEqual(self.emulator.faults()[0]["hits"], 5)
        self.assertGreater(runs, 1)

    def test_others_used_up_the_quota_before_the_last_people(self):
        """Fewer are left than would pause the task, and this database has quota left."""
        self.account.sudo().threads = 1
        for left in (1, 3):
            with self.subTest(left=left):
                task = self._plan(10)
                self._leave(10 - left)
                for _attempt in range(3):
                    self._run_cron()
                    self._check(task, "paused", sent=10 - left, waiting=left)
                    self._resume(task)
                    self._check(task, "paused", sent=10 - left, waiting=left)
                self._leave(1000)
                self._resume(task)
                self._check(task, "done", sent=10)

    def test_the_last_person_is_refused_where_the_key_may_not_count(self):
        self.account.sudo().threads = 1
        task = self._plan(3)
        self.addCleanup(self.emulator.configure_account, "LTAIEMULATOR", permissions=["dm:*"])
        self.emulator.configure_account(
            "LTAIEMULATOR", permissions=["dm:Desc*", "dm:Query*", "dm:Single*", "dm:*Tag"]
        )
        self._refuse("p2@example.com")
        self._run_cron()
        self._check(task, "done", sent=2, refused=1)

    def test_the_last_person_is_refused_though_an_answer_about_the_account_makes_no_sense(self):
        """An unreadable report about the account does not end the sender's run."""
        self.account.sudo().threads = 1
        odd = [kind for kind in KINDS if kind.startswith("odd_")]
        for action in ("SenderStatisticsByTagNameAndBatchID", "DescAccountSummary"):
            for kind in odd:
                with self.subTest(action=action, kind=kind):
                    self.account.sudo().synchronised_at = False
                    task = self._plan(3)
                    self._refuse("p2@example.com")
                    self.emulator.set_fault(kind, action=action)
                    self._run_cron()
                    self.env.invalidate_all()
                    self.assertEqual(task.sent_count, 2)
                    self.assertEqual(task.refused_count + task.waiting_count, 1)
                    self.assertIn(task.state, ("done", "paused"), task.state_message)
                    self.emulator.clear_faults()

    def test_a_refusal_in_words_that_no_database_takes_is_written_down(self):
        self.account.sudo().threads = 1
        for words in ("No\0body", "Half a \ud83d pair"):
            with self.subTest(words):
                task = self._plan(3)
                self.emulator.set_fault(
                    "error", action="SingleSendMail", to="p1@example.com", status=400,
                    code="InvalidToAddress.Spam", message=words,
                )  # fmt: skip
                self._run_cron()
                self._check(task, "done", sent=2, refused=1)
                self.emulator.clear_faults()

    def test_other_tasks_go_on_while_directmail_is_asked_about_the_account(self):
        self.account.sudo().write({"threads": 2, "synchronised_at": False})
        first, second = self._plan(2), self._plan(30)
        self._refuse("p1@example.com")
        self.emulator.set_fault("slow", action="DescAccountSummary", delay=ANSWER_SECONDS)
        for _run in range(2):
            self._run_cron()
        self._check(first, "done", sent=1, refused=1)
        self._check(second, "done", sent=29, refused=1)
        tasks = (first, second)
        times = [row["accepted_at"] for t in tasks for row in self.emulator.ledger(t.tag_name)]
        # The question comes after the first mail, so its answer comes later than this.
        meanwhile = [moment for moment in times if moment < min(times) + ANSWER_SECONDS]
        self.assertGreater(len(meanwhile), 10, "the mails did not wait for that answer")

    def test_two_servers_count_the_same_refusals(self):
        self.account.sudo().threads = 1
        task = self._plan(30)
        self._refuse()
        self.env.flush_all()
        with self.enter_registry_test_mode():
            runs = [self.account._make_dispatcher(), self.account._make_dispatcher()]
            for number in range(30):
                runs[number % 2].run(0.001)
                self.env.invalidate_all()
                if task.state != "sending":
                    break
            for run in runs:
                run.close()
        self._check(task, "paused", waiting=30)
        self.assertEqual(self.emulator.faults()[0]["hits"], 5)

    def test_people_accepted_in_between_break_the_row_for_the_other_server_too(self):
        self.account.sudo().write({"threads": 1, "refusal_limit": 3})
        task = self._plan(20)
        self._refuse(*[f"p{i}@example.com" for i in range(20) if i % 4 < 2])
        self.env.flush_all()
        with self.enter_registry_test_mode():
            runs = [self.account._make_dispatcher(), self.account._make_dispatcher()]
            for number in range(20):
                runs[number % 2].run(0.001)
            for run in runs:
                run.close()
        self.env.invalidate_all()
        self.assertEqual((task.state, task.sent_count), ("sending", 10))
        self._run_cron()
        self._check(task, "done", sent=10, refused=10)
