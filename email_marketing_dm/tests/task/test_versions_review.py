from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged

from ..common import DirectmailCommon
from ..common_versions import VersionsMixin


@tagged("post_install", "-at_install")
class TestVersionsReview(VersionsMixin, DirectmailCommon):
    """Reviews of the versions of an A/B test, rejected versions, and changes after the start."""

    def _reject(self, *subjects, **vals):
        task = self._make_test(*subjects, **vals)
        task.action_send()
        [template] = task.version_ids[1].template_id
        self.emulator.reject(template.remote_ref, "Too loud")
        for other in task.version_ids[2:].template_id:
            self.emulator.approve(other.remote_ref)
        task._get_templates().action_check_review()
        return task

    def test_a_test_starts_when_all_versions_are_approved(self):
        task = self._make_test("One")
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.planned_at), ("pending", False))
        self._approve(task)
        self._run_cron()
        self.assertEqual(task.state, "sending")

    def test_the_owner_is_asked_about_a_rejected_version(self):
        task = self._reject("One")
        self._run_cron()
        self.assertEqual((task.state, task.planned_at), ("pending", False))
        self.assertIn("rejected version B", task.waiting_for)
        self.assertIn("Too loud", task.waiting_for)
        self.assertTrue(task.activity_ids)

    def test_a_test_goes_on_without_a_rejected_version(self):
        task = self._reject("One", "Two")
        task.version_ids[1].action_remove()
        self.assertFalse(task.activity_ids)
        self._run_cron()
        self.assertEqual(task.state, "sending")
        self.assertEqual(set(self._get_deliveries(task).mapped("version")), {"A", "C", False})

    def test_the_owner_is_asked_about_each_rejected_version(self):
        task = self._make_test("One", "Two")
        task.action_send()
        for template in task.version_ids[1:].template_id:
            self.emulator.reject(template.remote_ref, "Too loud")
        task._get_templates().action_check_review()
        task.version_ids[1].action_remove()
        self.assertIn("rejected version C", task.waiting_for)
        self.assertEqual(len(task.activity_ids), 1)
        self.assertIn("version C", task.activity_ids.note)

    def test_a_rejected_version_is_corrected(self):
        task = self._reject("One")
        task.version_ids[1].subject = "One, quietly"
        self.assertEqual(task.version_ids[1].template_state, "in_review")
        self.assertFalse(task.activity_ids)
        self.assertNotIn("rejected", task.waiting_for)
        self._approve(task)
        self._run_cron()
        self.assertEqual(task.state, "sending")

    def test_version_a_is_corrected_shortly_before_the_time(self):
        at = fields.Datetime.now() + timedelta(minutes=12)
        task = self._make_test("One", send_type="scheduled", scheduled_at=at)
        task.template_id = self._make_template(approved=False)
        task.action_send()
        self.emulator.reject(task.template_id.remote_ref, "Too loud")
        task._get_templates().action_check_review()
        self.assertIn("rejected version A", task.waiting_for)
        with freeze_time(at - timedelta(minutes=5)):
            with self.assertRaisesRegex(UserError, "within ten minutes"):
                task.subject = "Quiet"
            task.version_ids[0].subject = "Quiet"
        self.assertEqual(task.template_id.subject, "Quiet")
        self.assertEqual(task.template_id.state, "in_review")

    def test_templates_of_versions_keep_their_slots(self):
        task = self._make_test("One")
        self._approve(task)
        account = self.account.sudo()
        spare = [template for _rank, template in account._get_spare_templates()]
        self.assertNotIn(task.version_ids.template_id, spare)
        task.action_send()
        task.action_cancel()
        task.sudo().finished_at = fields.Datetime.now() - timedelta(days=2)
        ranks = {template: rank for rank, template in account._get_spare_templates()}
        self.assertEqual(ranks[task.version_ids.template_id.sudo()], 1)

    # === CHANGES DURING THE TEST === #

    def _pause_half_way(self, waiting, *subjects, **vals):
        """Return a paused test in which so many people of version B still wait."""
        task = self._send(*subjects, **vals)
        mailed = self._get_deliveries(task).filtered(lambda row: row.version == "B")
        mailed[:waiting].sudo().write({"state": "waiting", "claimed_at": False})
        task.sudo().write({"state": "sending", "verdict_at": False})
        task.action_pause()
        return task, len(mailed) - waiting

    def test_a_version_that_was_changed_during_the_test_is_not_sent_by_itself(self):
        task, mailed = self._pause_half_way(3, "One")
        second = task.version_ids[1]
        self.assertEqual(task.editable, "content")
        self.assertIn("If you change a version now", task.get_test_results()["advice"])
        second.subject = "Other"
        self.assertTrue(second.changed_at)
        self.assertEqual(second.changed_after, mailed)
        told = f"Version B was changed on .*, after {mailed} of its mails had been sent"
        self.assertRegex(task.get_test_results()["sentence"], told)
        self.assertRegex(task.message_ids[0].body, told)
        self.assertNotIn("If you change", task.get_test_results()["advice"])
        task.action_resume()
        self._approve(task)
        self._run_cron()
        self.assertEqual(sorted(self._get_subjects(task).values()).count("Other"), 3)
        self.assertIn("sends none to the rest", task.get_test_results()["advice"])
        self._react(task, B=mailed + 3)
        self._make_out(task)
        self._run_cron()
        self.assertTrue(task.compared_at)
        self.assertFalse(task.winner or task.winner_by or any(task.version_ids.mapped("is_winner")))
        self.assertEqual(task.test_state, "asked")
        sentence = task.get_test_results()["sentence"]
        self.assertRegex(sentence, f"^B is better: .* {told}")
        self.assertRegex(task.test_result, told)
        self.assertRegex(task.waiting_for, f"{told}.*Choose the version that the rest gets")
        self.assertTrue(task.activity_ids)
        rest = self._get_deliveries(task).filtered("is_rest")
        self.assertEqual(set(rest.mapped("state")), {"waiting"})
        task.action_choose_version("B")
        self._run_cron()
        self.assertEqual((task.state, task.winner_by), ("done", "hand"))
        self.assertRegex(task.get_test_results()["sentence"], told)
        self.assertEqual(set(rest.mapped("state")), {"sent"})

    def test_every_way_to_change_a_version_during_the_test_is_noticed(self):
        task, mailed = self._pause_half_way(3, "One", test_share=100)
        first, second = task.version_ids
        template = second.template_id
        second.template_id = self._make_template(name="Third", subject="Third")
        self.assertEqual(second.changed_after, mailed)
        self.assertFalse(first.changed_at)
        second.template_id = template
        self.assertFalse(second.changed_at, "no mail has the content in between")
        self.assertIn("content of its mails again", task.message_ids[0].body)
        # Another template with the same content changes nothing.
        second.template_id = self._make_template(name="Same", subject="One")
        self.assertFalse(second.changed_at)
        task.subject = "Another spring"
        self.assertTrue(first.changed_at)
        with self.assertRaisesRegex(UserError, "has been submitted"):
            template.subject = "Written directly"
        with self.assertRaisesRegex(UserError, "can't be changed"):
            task.account_id = self._make_account(name="Other")
        with self.assertRaisesRegex(AccessError, "can't be set directly"):
            self._make_test("Draft").version_ids[1].changed_after = 7
        with self.assertRaises(AccessError):
            second.with_user(self.other).subject = "Not mine"

    def test_a_change_that_all_versions_share_keeps_the_test_fair(self):
        task, _mailed = self._pause_half_way(3, "One")
        task.reply_to = task.reply_to
        self.assertNotIn("all versions", task.message_ids[0].body)
        task.reply_to = "service@example.com"
        self.assertIn("It is the same for all versions", task.message_ids[0].body)
        self.assertFalse(any(task.version_ids.mapped("changed_at")))

    def test_the_same_content_after_another_review_is_no_change(self):
        task, mailed = self._pause_half_way(3, "One")
        second = task.version_ids[1]
        second.template_id.sudo()._lapse("deleted")
        with self.assertRaisesRegex(UserError, "deleted in DirectMail's console"):
            task.action_resume()
        second.template_id.action_submit()
        self.emulator.reject(second.template_id.remote_ref, "Too loud")
        second.template_id.action_check_review()
        self.assertFalse(second.changed_at)
        second.subject = "One, quietly"
        self.assertEqual(second.changed_after, mailed)

    def test_a_change_that_no_figure_can_mix_is_not_told(self):
        task = self._make_test("One")
        self._start(task)
        task.action_pause()
        task.version_ids[1].subject = "Before the first mail"
        self.assertFalse(task.version_ids[1].changed_at)
        task, _mailed = self._pause_half_way(3, "Two")
        task.action_choose_version("B")
        task.subject = "Nobody of version A waits"
        self.assertFalse(task.version_ids[0].changed_at)
        task.version_ids[1].subject = "Three people of version B wait"
        self.assertTrue(task.version_ids[1].changed_at)
        self.assertEqual(task.test_state, "decided")
