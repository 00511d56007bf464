from collections import Counter

from odoo.exceptions import UserError
from odoo.tests import tagged

from ..common import DirectmailCommon
from ..common_versions import VersionsMixin


@tagged("post_install", "-at_install")
class TestVersionsFamily(VersionsMixin, DirectmailCommon):
    """Follow-ups of an A/B test, and content that was changed: nobody gets a mail twice."""

    def _follow(self, task, people, **vals):
        wizard = (
            self.env["directmail.task.follow.up"]
            .with_user(self.user)
            .create({"task_id": task.id, "people": people, **vals})
        )
        return task.browse(wizard.action_create()["res_id"])

    def test_a_follow_up_sends_the_winner_to_whom_it_has_not_reached(self):
        task = self._send("One", test_share=50)
        task.action_choose_version("B")
        self._run_cron()
        self.assertEqual(task.state, "done")
        deliveries = self._get_deliveries(task)
        failed = {letter: deliveries.filtered(lambda d, v=letter: d.version == v)[0]
                  for letter in "AB"}  # fmt: skip
        for delivery in failed.values():
            delivery.sudo().write({"outcome": "failed", "code": "SmtpMfFreq"})
        self.env.flush_all()
        follow_up = self._follow(task, "failed_temporarily", mail="same")
        self.assertFalse(follow_up.version_ids)
        self.assertEqual(follow_up.template_id, task.version_ids[1].template_id)
        with self.assertRaisesRegex(UserError, "follow-up can't have an A/B test"):
            follow_up.action_add_version()
        follow_up.action_send()
        self._run_cron()
        self.assertEqual(
            set(self._get_deliveries(follow_up).mapped("state")), {"sent"}, follow_up.state_message
        )
        self.assertEqual(len(self._get_subjects(follow_up)), 2)

    def test_a_follow_up_leaves_out_whom_the_winner_reached(self):
        task = self._send("One", test_share=50)
        task.action_choose_version("B")
        self._run_cron()
        follow_up = self._follow(task, "failed_temporarily", mail="same")
        follow_up.audience_ids = self.audience
        follow_up.action_send()
        self._run_cron()
        by_version = self._get_deliveries(task).grouped("version")
        got = self._get_subjects(follow_up)
        self.assertEqual(set(got), set(by_version["A"].mapped("email")))
        reasons = Counter(self._get_deliveries(follow_up).mapped("reason"))
        self.assertEqual(reasons["family"], len(by_version["B"]))
        # A second try of the first task needs no ticket for version A, and has one for B.
        again = by_version["A"][0] | by_version["B"][0]
        again.sudo().write({"state": "waiting", "claimed_at": False})
        task.sudo().state = "sending"
        self.env.flush_all()
        self._run_cron()
        self.assertEqual(again.mapped("state"), ["sent", "sent"])

    def test_a_second_try_after_a_change_compares_each_version_with_the_family(self):
        """A follow-up sent `other`, which version A sends now; B's new content is nobody's yet."""
        task = self._send("One", test_share=100)
        other = self._make_template(name="Other", subject="Other")
        follow_up = self._follow(task, "not_clicked", mail="template", template_id=other.id)
        follow_up.audience_ids = self.audience
        follow_up.action_send()
        self._run_cron()
        self.assertEqual(follow_up.sent_count, len(self.people))
        by_version = self._get_deliveries(task).grouped("version")
        again = by_version["A"][0] | by_version["B"][0]
        again.sudo().write({"state": "waiting", "claimed_at": False})
        task.sudo().state = "sending"
        task.action_pause()
        task.template_id = other
        task.version_ids[1].template_id = self._make_template(name="Third", subject="Third")
        task.action_resume()
        self._run_cron()
        self.assertEqual(
            [(row.state, row.reason) for row in again], [("suppressed", "family"), ("sent", False)]
        )
        self.assertEqual(self._get_subjects(task)[again[1].email], "Third")
        # A follow-up with the content of today's version B leaves out whom B was sent to.
        third = self._follow(
            task,
            "failed_temporarily",
            mail="template",
            template_id=task.version_ids[1].template_id.id,
        )
        third.audience_ids = self.audience
        third.action_send()
        self._run_cron()
        fates = self._get_deliveries(third).grouped(lambda row: row.reason or row.state)
        self.assertEqual(set(fates["family"].mapped("email")), set(by_version["B"].mapped("email")))
        self.assertEqual(set(fates["sent"].mapped("email")), set(by_version["A"].mapped("email")))
