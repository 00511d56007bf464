from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..common import DirectmailCommon, start_task


@tagged("post_install", "-at_install")
class TestTask(DirectmailCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.task_template = cls._make_template()

    def _send(self, people, **vals):
        task = self._make_task(self._make_audience(people), **vals)
        task.action_send()
        self._run_cron()
        return task

    def test_one_campaign(self):
        people = self._make_people(
            "ann@example.com",
            "ANN@example.com ",
            "bounce.bob@example.com",
            "fail.carl@example.com",
            "spam.dora@example.com",
            "black@example.com",
            "not an address",
            False,
            "erik@example.com",
        )
        self.env["mail.blacklist"].sudo()._add("black@example.com")
        task = self._send(people)
        self.assertEqual(task.state, "done")
        self.assertEqual(task.people_count, 9)
        self.assertEqual(task.sent_count, 5)
        reasons = task.delivery_ids.filtered("reason").mapped("reason")
        self.assertEqual(
            sorted(reasons), ["blacklisted", "duplicate", "invalid_address", "no_address"]
        )
        ledger = self.emulator.ledger(task.tag_name)
        self.assertEqual(
            sorted(row["to"] for row in ledger),
            sorted(task.delivery_ids.filtered(lambda d: d.state == "sent").mapped("email")),
        )
        self._import_results(task)
        self.assertEqual(
            (task.delivered_count, task.invalid_count, task.failed_count, task.spam_count),
            (2, 1, 1, 1),
        )
        self.assertSumRule(task)
        action = task.with_context(figure="invalid").action_view_deliveries()
        found = self.env["directmail.delivery"].with_user(self.user).search(action["domain"])
        self.assertEqual(found.partner_id, people[2])

    def test_results_twice_change_nothing(self):
        task = self._send(self._make_people("a@example.com", "bounce@example.com"))
        self._import_results(task)
        self._import_results(task)
        self.assertEqual((task.delivered_count, task.invalid_count), (1, 1))
        self.assertSumRule(task)

    def test_cron_imports_results(self):
        task = self._send(self._make_people("a@example.com", "bounce@example.com"))
        self.emulator.flush_outcomes()
        self.env.flush_all()
        self.assertFalse(task.sudo()._is_settled())
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_results").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual((task.delivered_count, task.invalid_count), (1, 1))
        self.assertTrue(task.results_at)
        self.assertTrue(task.sudo()._is_settled())
        self.assertSumRule(task)

    def test_mail_carries_headers_and_values(self):
        task = self._send(self._make_people("a@example.com", name="Zoë <b>"))
        [row] = self.emulator.ledger(task.tag_name)
        self.assertEqual(row["subject"], "Spring is here, Zoë <b>")
        self.assertTrue(row["message_id"])
        self.assertEqual(row["sender"], self.sender.email)

    def test_filled_in_here(self):
        self.account.sudo().content_mode = "body"
        task = self._send(self._make_people("a@example.com"))
        self.assertEqual(task.sent_count, 1)
        self.assertEqual(len(self.emulator.ledger(task.tag_name)), 1)

    def test_waits_for_the_review_then_goes_out(self):
        template = self._make_template(approved=False)
        template.action_submit()
        task = self._send(self._make_people("a@example.com"), template=template)
        self.assertEqual(task.state, "pending")
        self.assertIn("reviewing", task.waiting_for)
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        self._run_cron()
        self.assertEqual(task.state, "done")

    def test_rejected_template_fails_the_task(self):
        template = self._make_template(approved=False)
        template.action_submit()
        task = self._send(self._make_people("a@example.com"), template=template)
        self.emulator.reject(template.remote_ref, "Too loud.")
        template.action_check_review()
        self.assertEqual(task.state, "failed")
        self.assertIn("Too loud.", task.state_message)
        self.assertFalse(task.delivery_ids)
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 1))

    def test_scheduled(self):
        soon = fields.Datetime.now() + timedelta(hours=1)
        task = self._send(
            self._make_people("a@example.com"), send_type="scheduled", scheduled_at=soon
        )
        self.assertEqual(task.state, "pending")
        task.sudo().scheduled_at = fields.Datetime.now() - timedelta(seconds=1)
        self._run_cron()
        self.assertEqual(task.state, "done")

    def test_too_late(self):
        """A server that was down over the set time asks before it sends."""
        soon = fields.Datetime.now() + timedelta(hours=1)
        people = self._make_people("a@example.com")
        task = self._send(people, send_type="scheduled", scheduled_at=soon)
        long_ago = fields.Datetime.now() - timedelta(hours=30)
        task.template_id.sudo().reviewed_at = long_ago
        task.sudo().scheduled_at = long_ago
        self._run_cron()
        self.assertEqual((task.state, task.pause_reason), ("paused", "too_late"))
        self.assertRegex(task.state_message, "scheduled time .* has passed")
        self.assertFalse(task.delivery_ids)
        with self.assertRaisesRegex(UserError, "scheduled time has passed"):
            task.action_send()
        self.assertTrue(task.activity_ids)
        task.action_send_now()
        self.assertFalse(task.activity_ids)
        self._run_cron()
        self.assertEqual((task.state, task.pause_reason), ("done", False))

    def test_too_late_then_a_new_time(self):
        task = self._make_task(self._make_audience(self._make_people("a@example.com")))
        task.write(
            {"send_type": "scheduled", "scheduled_at": fields.Datetime.now() + timedelta(hours=1)}
        )
        task.action_send()
        task.template_id.sudo().reviewed_at = fields.Datetime.now() - timedelta(days=3)
        task.sudo().scheduled_at = fields.Datetime.now() - timedelta(days=2)
        self._run_cron()
        self.assertEqual(task.pause_reason, "too_late")
        task.scheduled_at = fields.Datetime.now() + timedelta(hours=2)
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.state_message), ("pending", False))
        task.action_cancel()
        self.assertEqual((task.state, task.people_count), ("cancelled", 0))

    def test_private_audience_of_somebody_else(self):
        theirs = self._make_audience(self._make_people("a@example.com"), user=self.other)
        with self.assertRaises(AccessError):
            self._make_task(theirs)
        theirs.visibility = "public"
        task = self._make_task(theirs)
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 1))

    def test_locked_ten_minutes_before(self):
        people = self._make_people("a@example.com")
        in_time = fields.Datetime.now() + timedelta(minutes=11)
        task = self._send(people, send_type="scheduled", scheduled_at=in_time)
        task.reply_to = "desk@example.com"
        task.sudo().scheduled_at = fields.Datetime.now() + timedelta(minutes=9)
        with self.assertRaisesRegex(UserError, "within ten minutes"):
            task.reply_to = "other@example.com"
        with self.assertRaisesRegex(UserError, "within ten minutes"):
            task.unlink()
        with self.assertRaisesRegex(UserError, "within ten minutes"):
            task.action_withdraw()

    def test_same_person_in_two_audiences(self):
        people = self._make_people("a@example.com", "b@example.com")
        task = self._make_task(self._make_audience(people) + self._make_audience(people[0]))
        task.action_send()
        self._run_cron()
        self.assertEqual((task.people_count, task.sent_count), (2, 2))

    def test_pause_resume_cancel(self):
        task = self._make_task(self._make_audience(self._make_people("a@x.com", "b@x.com")))
        task.action_send()
        start_task(task.sudo())
        self.assertEqual((task.state, task.waiting_count), ("sending", 2))
        task.action_pause()
        self._run_cron()
        self.assertEqual((task.state, task.waiting_count), ("paused", 2))
        self.assertEqual(task.pause_reason, "user")
        with self.assertRaisesRegex(UserError, "recipients of .* can't be changed"):
            task.use_as_is = True
        task.action_resume()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 2))

    def test_cancel_keeps_what_happened(self):
        task = self._make_task(self._make_audience(self._make_people("a@x.com", "b@x.com", False)))
        task.action_send()
        start_task(task.sudo())
        self.assertEqual((task.suppressed_count, task.progress), (1, 0))
        task.action_cancel()
        self._run_cron()
        self.assertEqual((task.state, task.cancelled_count), ("cancelled", 2))
        self.assertEqual(task.progress, 0, "nobody was mailed")
        self.assertSumRule(task)
        self.assertFalse(self.emulator.ledger(task.tag_name))

    def test_unsubscribed_after_the_plan(self):
        people = self._make_people("a@x.com", "b@x.com")
        task = self._make_task(self._make_audience(people))
        task.action_send()
        start_task(task.sudo())
        delivery = task.delivery_ids.filtered(lambda d: d.partner_id == people[0])
        self.env["directmail.optout"]._record(delivery, "one_click")
        self._run_cron()
        self.assertEqual((task.sent_count, task.suppressed_count), (1, 1))
        self.assertEqual(delivery.reason, "opted_out")
        self.assertSumRule(task)

    def test_template_and_sender_of_another_account(self):
        task = self._make_task(self._make_audience(self._make_people("a@x.com")))
        other = self._make_account(name="Other")
        with self.assertRaisesRegex(UserError, "The template belongs to another"):
            task.sudo().write({"account_id": other.id})
        with self.assertRaisesRegex(UserError, "The sender address belongs to another"):
            task.sudo().write({"account_id": other.id, "template_id": False})

    def test_empty_audience(self):
        with self.assertRaisesRegex(UserError, "nobody in it"):
            self._send(self.env["res.partner"])

    def test_audience_without_addresses(self):
        task = self._make_task(self._make_audience(self._make_people(False, "nonsense")))
        with self.assertRaisesRegex(UserError, r"address \(people in the audience: 2\)"):
            task.action_send()
        self.assertEqual(task.state, "draft")

    def test_everybody_unsubscribed(self):
        self.env["mail.blacklist"].sudo()._add("a@x.com")
        task = self._send(self._make_people("a@x.com"))
        self.assertEqual(task.state, "failed")
        self.assertFalse(task.delivery_ids, "nothing half-done stays behind")

    def test_quota_of_zero(self):
        self.emulator.configure_account("LTAIEMULATOR", daily_quota=0)
        self.addCleanup(self.emulator.configure_account, "LTAIEMULATOR", daily_quota=200000)
        self.account.action_synchronise()
        task = self._make_task(self._make_audience(self._make_people("a@x.com")))
        with self.assertRaisesRegex(UserError, "daily quota of this DirectMail account is 0"):
            task.action_send()

    def test_own_quota_count_stops_in_time(self):
        self.account.sudo().daily_quota = 3
        self.env["directmail.usage"].search([]).unlink()
        people = self._make_people(*[f"p{i}@x.com" for i in range(5)])
        task = self._send(people)
        self.assertEqual((task.state, task.sent_count, task.waiting_count), ("sending", 3, 2))
        self.assertIn("quota", task.waiting_for)
        self.account.sudo().daily_quota = 100
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 5))

    def test_a_lower_reserve_is_used_at_once(self):
        self.env["directmail.usage"].search([]).unlink()
        self.account.write({"quota_reserve": self.account.daily_quota - 1})
        task = self._send(self._make_people("a@x.com", "b@x.com"))
        self.assertEqual((task.state, task.waiting_count), ("sending", 1))
        triggers = self.env["ir.cron.trigger"].sudo()
        mine = [("cron_id", "=", self.account.sudo().cron_id.id)]
        triggers.search(mine).unlink()
        self.account.quota_reserve = 0
        self.assertTrue(triggers.search(mine), "the sender is not woken")

    def test_refused_content_pauses_everybody(self):
        """A refusal of the content pauses the task; it does not refuse person after person."""
        self.emulator.configure_account("LTAIEMULATOR", daily_quota=2)
        self.addCleanup(self.emulator.configure_account, "LTAIEMULATOR", daily_quota=200000)
        self.account.sudo().write({"threads": 1})
        task = self._send(self._make_people(*[f"q{i}@x.com" for i in range(6)]))
        self.assertEqual(task.state, "paused")
        self.assertTrue(task.state_message)
        self.assertEqual(task.refused_count, 0)
        self.assertEqual(task.sent_count + task.waiting_count, 6)
        self.emulator.configure_account("LTAIEMULATOR", daily_quota=200000)
        task.action_resume()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 6))
        self.assertEqual(len(self.emulator.ledger(task.tag_name)), 6)

    def test_refused_account_stops(self):
        task = self._make_task(self._make_audience(self._make_people("a@x.com")))
        task.action_send()
        start_task(task.sudo())
        self.account.access_key_secret = "wrong"
        self._run_cron()
        self.assertEqual((self.account.state, task.state), ("stopped", "paused"))
        self.assertEqual(task.waiting_count, 1)

    def test_template_changed_in_the_console(self):
        template = self._make_template()
        task = self._make_task(self._make_audience(self._make_people("a@x.com")), template)
        task.action_send()
        self.account._call(
            lambda client: client.modify_template(
                template.remote_ref, template.remote_name, "Hijacked", "Azure", "<p>Other</p>"
            )
        )
        self.emulator.approve(template.remote_ref)
        self._run_cron()
        self.assertEqual((task.state, task.pause_reason), ("paused", "template"))
        self.assertIn("console", task.state_message)
        self.assertFalse(self.emulator.ledger(task.tag_name or "none"))
        task.template_id = self._make_template()
        task.action_resume()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 1))

    def test_merged_contacts_keep_history(self):
        people = self._make_people("a@x.com", "b@x.com")
        task = self._send(people)
        self.env["base.partner.merge.automatic.wizard"]._merge(people.ids, people[1])
        self.assertEqual(len(task.delivery_ids), 2)
        self.assertSumRule(task)

    def test_rights(self):
        task = self._send(self._make_people("a@x.com"))
        theirs = task.with_user(self.other)
        self.assertFalse(theirs.search([("id", "=", task.id)]))
        with self.assertRaises(AccessError):
            theirs.action_pause()
        self.assertFalse(
            theirs.env["directmail.delivery"].search_count([("task_id", "=", task.id)])
        )
        self.assertEqual(task.with_user(self.admin).sent_count, 1)
        with self.assertRaises(AccessError):
            task.delivery_ids[0].write({"state": "waiting"})
        with self.assertRaises(UserError):
            task.unlink()

    def test_state_can_not_be_forged(self):
        task = self._make_task(self._make_audience(self._make_people("a@x.com")))
        for vals in ({"state": "sending"}, {"planned_at": fields.Datetime.now()}):
            with self.subTest(vals), self.assertRaises(AccessError):
                task.write(vals)
        with self.assertRaises(AccessError):
            self._make_task(task.audience_ids, task.template_id, state="sending")
        copied = task.copy()
        self.assertEqual((copied.state, copied.people_count), ("draft", 0))
