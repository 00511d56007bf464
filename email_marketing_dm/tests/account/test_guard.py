from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged

from ..common import ACCESS_KEY_ID
from ..common_guard import GuardCommon


@tagged("post_install", "-at_install")
class TestGuard(GuardCommon):
    """Sender addresses about which too many people complain pause their email tasks."""

    def test_too_many_complaints_pause_the_tasks_of_the_sender(self):
        first = self._sending(delivered=990, complained=2)
        second = self._sending(delivered=10)
        self._guard()
        self.assertEqual((first + second).mapped("state"), ["sending"] * 2)
        self._count(second, complained=1)
        self._guard()
        self.assertEqual((first + second).mapped("state"), ["paused"] * 2)
        self.assertEqual(first.pause_reason, "guard")
        self.assertIn("0.30% of the people", first.state_message)
        self.assertIn(self.sender.email, first.state_message)
        self.assertEqual(first.activity_ids.user_id, self.user)

    def test_other_sender_addresses_go_on(self):
        other = self.sender.sudo().copy({"email": "guarded@mail.example.com"})
        task = self._sending(other, delivered=20_000)
        self._sending(delivered=2000, complained=20)
        self._guard()
        self.assertEqual(task.state, "sending")

    def test_too_many_invalid_addresses_pause_the_tasks(self):
        task = self._sending(delivered=951, invalid=49)
        self._guard()
        self.assertEqual(task.state, "sending")
        self._count(task, invalid=2)
        self._guard()
        self.assertEqual((task.state, task.pause_reason), ("paused", "guard"))
        self.assertIn("addresses that do not exist", task.state_message)

    def test_a_few_mails_are_not_judged(self):
        task = self._sending(delivered=999, complained=50)
        self._guard()
        self.assertEqual(task.state, "sending")
        self.company.directmail_guard_minimum = 500
        self._guard()
        self.assertEqual(task.state, "paused")

    def test_owners_are_warned_once_before(self):
        task = self._sending(delivered=10_000, complained=12)
        self._guard()
        self._guard()
        self.assertEqual((task.state, len(self._notes(task))), ("sending", 1))
        self.assertEqual(self.sender.guard_level, "warning")
        self.assertIn("0.12%", self._notes(task).body)
        self._count(task, delivered=90_000)
        self._guard()
        self.assertFalse(self.sender.guard_level)

    def test_who_goes_on_is_stopped_again_by_new_complaints_only(self):
        task = self._sending(delivered=1000, complained=5)
        self._guard()
        task.with_user(self.user).action_resume()
        self._guard()
        self.assertEqual(task.state, "sending")
        self._count(task, delivered=999)
        self._guard()
        self.assertEqual(task.state, "sending")
        self._count(task, delivered=1, complained=3)
        self._guard()
        self.assertEqual(task.state, "paused")

    def test_no_other_task_starts_until_its_owner_decides(self):
        self._sending(delivered=1000, complained=5)
        task = self._make_task(self.audience, self.template)
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.pause_reason), ("paused", "guard"))
        self.assertFalse(task.planned_at)
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "done")

    def test_old_tasks_do_not_count(self):
        old = self._sending(delivered=1000, complained=50)
        self.env.flush_all()
        self.assertEqual(self.sender.guard_level, "danger")
        month_ago = fields.Datetime.subtract(fields.Datetime.now(), days=31)
        old.sudo().write({"planned_at": month_ago, "state": "done"})
        task = self._sending(delivered=1000)
        self._guard()
        self.assertEqual(task.state, "sending")
        self.assertFalse(self.sender.guard_level)

    def test_an_administrator_can_turn_it_off(self):
        self.company.directmail_guard = False
        task = self._sending(delivered=1000, complained=50)
        self._guard()
        self.assertEqual(task.state, "sending")
        new = self._make_task(self.audience, self.template)
        new.action_send()
        self._run_cron()
        self.assertEqual(new.state, "done")

    def test_limits_that_make_no_sense_are_refused(self):
        for values in (
            {"directmail_complaint_limit": 0},
            {"directmail_invalid_limit": 101},
            {"directmail_guard_minimum": 0},
        ):
            with self.assertRaises(ValidationError):
                self.company.write(values)

    def test_the_event_job_guards_and_shows_who_complained(self):
        self.company.directmail_guard_minimum = 2
        first, second = self._send("guard-3@example.com", "guard-4@example.com")
        task = self._sending()
        self._tell(first, "delivered")
        self._tell(second, "delivered", 1)
        self._tell(first, "complaint", 2)
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_events").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual((task.state, task.pause_reason), ("paused", "guard"))
        action = self.sender.with_user(self.user).action_view_troubles()
        self.assertEqual(action["mobile_view_mode"], "kanban", "a phone shows cards")
        found = self.env["directmail.delivery"].with_user(self.user).search(action["domain"])
        self.assertEqual(found, first)

    def test_the_worst_mailbox_provider_is_named(self):
        mails = self._send(*[f"guard-{i}@example.com" for i in range(5, 9)])
        task = mails[0].task_id.sudo()
        for number, mail in enumerate(mails):
            provider = "Gmail" if number % 2 else "Other"
            self._tell(mail, "delivered", provider=provider)
        self._tell(mails[1], "complaint", 1)
        self._tell(mails[3], "invalid", 2, provider="Gmail")
        self._apply()
        counts = self.env["directmail.task.counter"].search(
            [("task_id", "=", task.id), ("writer", "=", "providers")]
        )
        self.assertEqual(
            {count.name: count.value for count in counts},
            {
                "delivered@Gmail": 1,
                "invalid@Gmail": 1,
                "complained@Gmail": 1,
                "delivered@Other": 2,
            },
        )
        table = self.sender.with_user(self.admin).provider_table
        self.assertIn("Gmail", table)
        self.assertIn("100.00%", table)
        self.assertIn("Other providers", table)
        with self.assertRaises(AccessError):
            self.sender.with_user(self.user).read(["provider_table"])
        counts.filtered(lambda count: count.name == "delivered@Gmail").value = 300
        counts.filtered(lambda count: count.name == "delivered@Other").value = 700
        paused = self._sending(delivered=1000, complained=3)
        self._guard()
        self.assertIn("highest share is Gmail: 0.33%", paused.state_message)
        gmail = counts.filtered(lambda count: count.name == "complained@Gmail")
        gmail.name = "complained@Other"
        self.env.flush_all()
        sentence = self.sender.sudo()._explain_worst_provider(is_complaints=True)
        self.assertFalse(sentence, "All other providers together are no provider.")

    def test_dns_records_are_read_and_missing_dmarc_is_said_before_sending(self):
        domain = self.sender._get_domain()
        self.emulator.configure_account(ACCESS_KEY_ID, domains=[{"name": domain, "dmarc": False}])
        with self.assertRaises(AccessError):
            self.sender.with_user(self.user).action_check_domain()
        self.assertFalse(self.sender._warn_of_dmarc(5000))
        self.assertIn("not known", self.sender._warn_of_dmarc(5001))
        self.sender.with_user(self.admin).action_check_domain()
        self.assertTrue(self.sender.dns_checked_at)
        states = {row["kind"]: row["state"] for row in self.sender.dns_records}
        self.assertEqual((states["SPF"], states["DMARC"]), ("verified", "not_verified"))
        self.assertIn("_dmarc.", self.sender.dns_table)
        task = self._make_task(self.audience, self.template)
        estimate = self.env["directmail.task.estimate"]._make(task, True).sudo()
        self.assertFalse(estimate.dmarc_warning)
        estimate.mail_count = 5001
        self.assertIn(domain, estimate.dmarc_warning)

    def test_mails_that_the_domain_sent_today_count_for_dmarc(self):
        """Also those of another sender address and user; not those of yesterday or elsewhere."""
        sender = self.sender.sudo()
        domain = sender._get_domain()
        row = {"kind": "DMARC", "host": "_dmarc", "wanted": "v=DMARC1", "seen": ""}
        sender.dns_records = [{**row, "state": "not_verified"}]
        other = sender.copy({"email": f"second@{domain}"})
        elsewhere = sender.copy({"email": f"third@sub.{domain}"})
        task = self._make_task(self.audience, self.template)
        estimate = self.env["directmail.task.estimate"]._make(task, True).sudo()
        estimate.mail_count = 4999
        for address, number, days in ((other, 1, 0), (elsewhere, 9, 0), (other, 9, 1)):
            self._claim(self._sending(address), number, days)
        estimate.invalidate_recordset()
        self.assertFalse(estimate.dmarc_warning, "5,000 mails of the domain today")
        self._claim(self._sending(other), 1)
        estimate.invalidate_recordset()
        self.assertIn(f"{domain} has no DMARC record", estimate.dmarc_warning)
        self.assertIn("already sent today", estimate.dmarc_warning)
        tomorrow = fields.Datetime.add(fields.Datetime.now(), days=1)
        self.assertFalse(sender._warn_of_dmarc(4999, tomorrow), "it starts on another day")
        sender.dns_records = [{**row, "state": "verified"}]
        self.assertFalse(sender._warn_of_dmarc(4999))
        sender.dns_records = False
        self.assertIn("not known", sender._warn_of_dmarc(4999))
        self.assertFalse(sender._warn_of_dmarc(0), "the email task mails nobody")

    def _claim(self, task, number, days=0):
        """Let a task have mailed a number of addresses so many days ago."""
        self.env.flush_all()
        self.env.cr.execute(
            """INSERT INTO directmail_delivery
                      (task_id, account_id, company_id, address_key, state, claimed_at)
               SELECT %s, %s, %s, 'dmarc' || n, 'sent', %s FROM generate_series(1, %s) AS n""",
            [
                task.id,
                self.account.id,
                self.company.id,
                fields.Datetime.subtract(fields.Datetime.now(), days=days),
                number,
            ],
        )

    def test_an_email_task_without_a_sender_address_can_be_estimated(self):
        task = self._make_task(self.audience, self.template, sender_id=False)
        task.sudo().sender_id = False
        action = task.action_open_estimate()
        estimate = self.env[action["res_model"]].browse(action["res_id"])
        self.assertFalse(estimate.dmarc_warning)
        self.assertTrue(estimate.headline)

    def test_a_domain_that_directmail_does_not_list_is_said(self):
        sender = self.sender.sudo().copy({"email": "news@elsewhere.example.net"})
        action = sender.with_user(self.admin).action_check_domain()
        self.assertIn("elsewhere.example.net", action["params"]["message"])
