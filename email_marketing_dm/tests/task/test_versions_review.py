from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from ..common import DirectmailCommon
from ..common_versions import VersionsMixin


@tagged("post_install", "-at_install")
class TestVersionsReview(VersionsMixin, DirectmailCommon):
    """Reviews of the versions of an A/B test, and rejected versions."""

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
