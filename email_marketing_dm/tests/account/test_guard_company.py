from odoo import fields
from odoo.tests import tagged

from ...directmail.endpoints import TRIAL
from ..common import ACCESS_KEY_ID
from ..common_guard import GuardCommon


@tagged("post_install", "-at_install")
class TestGuardCompany(GuardCommon):
    """All sender addresses of a company together pause its email tasks, as one alone does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.second = cls.sender.sudo().copy({"email": "second@mail.example.com"})

    def _send_from_second(self, *emails):
        """Send a task from the second sender address, and return its deliveries."""
        senders = self.sender + self.second
        self.emulator.configure_account(
            ACCESS_KEY_ID,
            senders=[{"address": sender.email, "type": "batch"} for sender in senders],
        )
        return self._send(*emails, sender_id=self.second.id)

    def test_two_sender_addresses_below_the_minimum(self):
        first = self._sending(delivered=500, complained=2)
        second = self._sending(self.second, delivered=499, complained=1)
        self._guard()
        self.assertEqual((first + second).mapped("state"), ["sending"] * 2)
        self._count(second, delivered=1)
        self._guard()
        self.assertEqual((first + second).mapped("state"), ["paused"] * 2)
        for task in first + second:
            self.assertEqual(task.pause_reason, "guard")
            self.assertIn("0.30% of the people", task.state_message)
            self.assertIn(f"any sender address of {self.company.name}", task.state_message)
            self.assertIn("Look at who complained", task.state_message)
            self.assertEqual(task.activity_ids.user_id, self.user)
        self.assertFalse(self.sender.guard_level)
        self.assertEqual(self.sender.company_guard_level, "danger")

    def test_one_sender_address_is_below_the_limit(self):
        """It is warned as a sender address; the other is not judged alone, but together."""
        first = self._sending(delivered=5000, complained=10)
        second = self._sending(self.second, delivered=900, complained=7)
        self._guard()
        self.assertEqual(first.state, "sending")
        self._count(second, complained=1)
        self._guard()
        self.assertEqual((first + second).mapped("state"), ["paused"] * 2)
        self.assertIn("any sender address", first.state_message)

    def test_a_sender_address_that_is_only_warned_is_paused_with_the_company(self):
        """At once: it is near its own limit and reaches it first in the same look."""
        tasks = self._sending(delivered=5000, complained=10)
        tasks += self._sending(self.second, delivered=999, complained=9)
        self._guard()
        self.assertEqual(tasks.mapped("state"), ["paused"] * 2)
        for task in tasks:
            self.assertIn("any sender address", task.state_message)
            self.assertFalse(self._notes(task), "one message is enough")

    def test_tasks_count_as_long_as_they_are_sent(self):
        """A warm-up may take longer than the days that are judged; so may a month of a series."""
        tasks = self._sending(delivered=600, complained=1)
        tasks += self._sending(self.second, delivered=600, complained=2)
        tasks.sudo().planned_at = fields.Datetime.subtract(fields.Datetime.now(), days=40)
        self._guard()
        self.assertFalse(set(tasks.mapped("state")) - {"sending"}, "0.25% of all")
        self._count(tasks[0], complained=1)
        self._guard()
        self.assertEqual(tasks.mapped("state"), ["paused"] * 2)
        tasks[0].with_user(self.user).action_resume()
        self._guard()
        self.assertEqual(tasks.mapped("state"), ["sending", "paused"], "its figures are accepted")

    def test_an_address_that_is_not_saved_has_no_level(self):
        new = self.env["directmail.sender"].new({})
        self.assertFalse(new.company_guard_level)
        self.assertFalse(new.guard_level)

    def test_invalid_addresses_of_all(self):
        tasks = self._sending(delivered=475, invalid=25)
        tasks += self._sending(self.second, delivered=476, invalid=24)
        self._guard()
        self.assertEqual(tasks.mapped("state"), ["sending"] * 2)
        self._count(tasks[1], invalid=2)
        self._guard()
        self.assertEqual(tasks.mapped("state"), ["paused"] * 2)
        self.assertIn("from all sender addresses", tasks[1].state_message)

    def test_owners_are_warned_once_before(self):
        tasks = self._sending(delivered=600, complained=1) + self._sending(
            self.second, delivered=400
        )
        self._guard()
        self._guard()
        for task in tasks:
            [note] = self._notes_of_company(task)
            self.assertIn("0.10%", note.body)
            self.assertEqual(task.state, "sending")
        self.assertEqual(self.sender.company_guard_level, "warning")
        self._count(tasks[0], delivered=90_000)
        self._guard()
        self.assertFalse(self.company.directmail_guard_told)

    def _notes_of_company(self, task):
        return task.message_ids.filtered(lambda message: "any sender address" in message.body)

    def test_one_sender_address_alone_is_told_as_such(self):
        """The sum of one is nothing new."""
        task = self._sending(delivered=10_000, complained=12)
        self._guard()
        self.assertFalse(self._notes_of_company(task))
        self.assertFalse(self.sender.company_guard_level)

    def test_trials_do_not_count(self):
        tasks = self._sending(delivered=500, complained=2)
        trial = self._make_account(name="Second")
        of_trial = self._sending(self.second, delivered=500, complained=2)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_account SET connection = %s WHERE id = %s", [TRIAL, trial.id]
        )
        self.env.cr.execute(
            "UPDATE directmail_task SET account_id = %s WHERE id = %s", [trial.id, of_trial.id]
        )
        self.env.invalidate_all()
        self._guard()
        self.assertEqual(tasks.state, "sending")

    def test_who_goes_on_is_stopped_again_by_new_complaints_only(self):
        first = self._sending(delivered=600, complained=2)
        second = self._sending(self.second, delivered=600, complained=2)
        self._guard()
        first.with_user(self.user).action_resume()
        second.with_user(self.user).action_resume()
        self._guard()
        self._count(first, delivered=350, complained=1)
        self._guard()
        self.assertEqual((first + second).mapped("state"), ["sending"] * 2)
        self.assertEqual(self.sender._read_figures().complained, 3, "its own figures still count")
        self._count(second, delivered=650, complained=2)
        self._guard()
        # Of 1,000 new mails, 3; and of the 1,250 of the second sender address, 4.
        self.assertEqual((first + second).mapped("state"), ["paused"] * 2)
        self.assertIn(self.second.email, second.state_message)
        self.assertIn("any sender address", first.state_message)

    def test_what_was_accepted_of_a_sender_address_counts_no_more(self):
        first = self._sending(delivered=1000, complained=5)
        second = self._sending(self.second, delivered=1000)
        self._guard()
        self.assertEqual(first.state, "paused")
        self.assertEqual(second.state, "sending", "0.25% of all")
        first.with_user(self.user).action_resume()
        self._count(second, complained=2)
        self._guard()
        self.assertEqual((first + second).mapped("state"), ["sending"] * 2)

    def test_no_other_task_starts_until_its_owner_decides(self):
        self._sending(delivered=600, complained=2)
        self._sending(self.second, delivered=600, complained=2)
        task = self._make_task(self.audience, self.template)
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.pause_reason), ("paused", "guard"))
        self.assertIn("any sender address", task.state_message)
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "done")

    def test_an_administrator_can_turn_it_off(self):
        tasks = self._sending(delivered=600, complained=6)
        tasks += self._sending(self.second, delivered=600, complained=6)
        self.company.directmail_guard = False
        self._guard()
        self.assertEqual(tasks.mapped("state"), ["sending"] * 2)
        self.assertFalse(self.sender.company_guard_level)

    def test_sending_slows_down_near_the_limit_of_all(self):
        """Where results are pushed, mails are sent as they arrive."""
        task = self._sending(delivered=40, complained=1)
        self._sending(self.second, delivered=40)
        self._guard()
        self.assertFalse(self.sender.sudo().is_braked, "no results are pushed")
        self.env["directmail.event.count"]._add(self.account, "push")
        self._guard()
        self.assertTrue(self.sender.sudo().is_braked)
        self.assertIn("together are near a limit", self.sender._explain_brake())
        self._count(task, delivered=9000)
        self._guard()
        self.assertFalse(self.sender.sudo().is_braked)

    def test_the_event_job_guards_and_shows_who_complained(self):
        self.company.directmail_guard_minimum = 3
        first, second = self._send("all-1@example.com", "all-2@example.com")
        [third] = self._send_from_second("all-3@example.com")
        tasks = self._sending() + self._sending(self.second)
        for mail in (first, second, third):
            self._tell(mail, "delivered")
        self._tell(third, "complaint", 2, provider="Gmail")
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_events").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(tasks.mapped("state"), ["paused"] * 2)
        self.assertIn("33.33% of the people", tasks[0].state_message)
        action = self.sender.with_user(self.user).action_view_company_troubles()
        found = self.env["directmail.delivery"].with_user(self.user).search(action["domain"])
        self.assertEqual(found, third)

    def test_the_worst_mailbox_provider_of_all_is_named(self):
        counters = self.env["directmail.task.counter"]
        tasks = self._sending(delivered=600, complained=2)
        tasks += self._sending(self.second, delivered=600, complained=2)
        for task, provider, complained in zip(tasks, ("Gmail", "Yahoo"), (1, 2), strict=True):
            for name, value in (("delivered", 500), ("complained", complained)):
                counters.create(
                    {
                        "task_id": task.id,
                        "writer": "providers",
                        "name": f"{name}@{provider}",
                        "value": value,
                    }
                )
        self._guard()
        self.assertIn("highest share is Yahoo: 0.40%", tasks[0].state_message)
