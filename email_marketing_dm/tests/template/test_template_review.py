from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..common import BODY
from ..common_review import CRON, ReviewCommon


@tagged("post_install", "-at_install")
class TestTemplateReview(ReviewCommon):
    def test_owner_is_told_of_a_rejection(self):
        template = self._submitted()
        self.emulator.reject(template.remote_ref, "Name the sender's address.")
        with self._bus_of(self.user) as told:
            self._run_review_cron()
        self.assertEqual(template.state, "rejected")
        message = self._message(template, "Name the sender's address.")
        self.assertIn(self.user.partner_id, message.notified_partner_ids)
        [activity] = template.activity_ids
        self.assertEqual(activity.user_id, self.user)
        self.assertIn("Name the sender's address.", activity.note)
        self.assertIn("Name the sender's address.", told[0]["message"])

        template.body_html = BODY.replace("Orchard Road", "Orchard Road 12")
        template.action_submit()
        self.assertFalse(template.activity_ids, "what was asked for is done")

    def test_a_rejection_without_a_comment(self):
        template = self._submitted()
        task = self._pending_task(template)
        self.emulator.reject(template.remote_ref, "")
        self._run_review_cron()
        self.assertTrue(self._message(template, "without giving a reason. Correct it"))
        self.assertIn("without giving a reason. Correct it", task.state_message)

    def test_owner_is_told_of_an_approval(self):
        template = self._submitted()
        self.emulator.approve(template.remote_ref)
        with self._bus_of(self.user) as told:
            self._run_review_cron()
        self.assertTrue(self._message(template, "approved"))
        self.assertEqual(template.activity_ids.user_id, self.user)
        self.assertEqual(told[0]["type"], "success")

    def _message(self, template, text):
        return template.message_ids.filtered(lambda message: text in message.body)

    @contextmanager
    def _bus_of(self, user):
        told = []

        def send(record, kind, message, **_kwargs):
            if record == user and kind == "simple_notification":
                told.append(message)

        with patch.object(type(self.env["res.users"]), "_bus_send", send):
            yield told

    def test_who_submitted_and_when(self):
        template = self._submitted()
        self.assertEqual(template.submitted_by_id, self.user)
        self.assertEqual(template.message_ids[0].author_id, self.user.partner_id)
        self.assertIn(template.remote_name, template.message_ids[0].body)

    def test_waiting_tasks_are_counted_for_everybody(self):
        template = self._submitted()
        self._pending_task(template)
        self._pending_task(template)
        self.assertEqual(template.waiting_task_count, 2)
        self.assertEqual(template.with_user(self.other).waiting_task_count, 2)
        self.env.invalidate_all()
        self.assertFalse(template.with_user(self.other).task_ids, "whose they are is private")

    def test_only_who_may_change_a_template_asks_about_it(self):
        template = self._submitted()
        self.emulator.approve(template.remote_ref)
        calls = self.emulator.calls()
        with self.assertRaises(AccessError):
            template.with_user(self.other).action_check_review()
        self.assertEqual(self.emulator.calls(), calls)
        template.with_user(self.admin).action_check_review()
        self.assertEqual(template.state, "approved")

    def test_an_answer_to_the_older_text_is_ignored(self):
        template = self._submitted()
        self.emulator.approve(template.remote_ref)
        older = template._ask(self.account)
        template.action_edit()
        template.subject = "Another subject"
        template.action_submit()
        template._apply_listing(self.account, older)
        self.assertEqual(template.state, "in_review")
        template.action_check_review()
        self.assertEqual(template.state, "in_review", "DirectMail reviews the newer text")
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        self.assertEqual(template.state, "approved")

    def test_unchanged_text_keeps_its_place_in_the_queue(self):
        template = self._submitted()
        calls = self.emulator.calls()
        template.action_edit()
        template.action_submit()
        self.assertEqual(template.state, "in_review")
        modified = self.emulator.calls().get(("ModifyTemplate", "ok"), 0)
        self.assertEqual(modified, calls.get(("ModifyTemplate", "ok"), 0))

    def test_when_directmail_is_asked(self):
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", self.env.ref(CRON).id)])
        triggers.unlink()
        template = self._submitted()
        self.assertEqual(self._checks(), [1], "every minute for the first ten")
        template.action_check_review()
        template.action_check_review()
        self.assertEqual(self._checks(), [1], "asking by hand adds nothing")

        def clear():
            self.env["ir.cron.trigger"].search([("cron_id", "=", self.env.ref(CRON).id)]).unlink()

        clear()
        template.sudo().submitted_at -= timedelta(minutes=11)
        template.action_check_review()
        self.assertEqual(self._checks(), [], "then hourly, which is the cron's own interval")
        self.assertEqual(self.env.ref(CRON).interval_type, "hours")
        at = fields.Datetime.now() + timedelta(minutes=180)
        self._pending_task(template, send_type="scheduled", scheduled_at=at)
        self.assertEqual(self._checks(), [5, 180], "every five while a task waits, and at its time")

    def test_one_call_asks_about_many(self):
        templates = [self._submitted(name=f"Template {number}") for number in range(4)]
        for template in templates:
            self.emulator.approve(template.remote_ref)
        before = sum(self.emulator.calls().values())
        self._run_review_cron()
        self.assertEqual({template.state for template in templates}, {"approved"})
        self.assertEqual(sum(self.emulator.calls().values()) - before, 1)

    def test_unreachable_directmail_is_asked_again(self):
        template = self._submitted()
        self.emulator.set_fault("close", action="QueryTemplateByParam")
        with self.assertLogs("odoo.addons.email_marketing_dm", "WARNING"):
            self._run_review_cron()
        self.assertEqual(template.state, "in_review")
        self.assertTrue(self._checks())
        with self.assertRaisesRegex(UserError, "can't be reached"):
            template.action_check_review()

    def test_a_copied_database_asks_and_changes_nothing(self):
        template = self._submitted()
        self.account.sudo().database_identity = "another database"
        before = sum(self.emulator.calls().values())
        with self.assertRaisesRegex(UserError, "not active"):
            template.action_edit() and template.action_submit()
        with self.assertRaisesRegex(UserError, "not active"):
            template.action_check_review()
        self._run_review_cron()
        template.unlink()
        self.assertEqual(sum(self.emulator.calls().values()), before)
        self.assertEqual(len(self.emulator.templates()), 1, "it belongs to the original")
