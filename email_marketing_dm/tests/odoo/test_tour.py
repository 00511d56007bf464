from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..common import DirectmailMixin
from ..common_http import PatientHttpCase


@tagged("post_install", "-at_install")
class TestTour(DirectmailMixin, PatientHttpCase):
    """The whole path as a plain marketing user walks it, in a real browser."""

    def test_one_campaign(self):
        self._make_people(
            "ada@example.com", "bounce.ben@example.com", "cleo@example.com", False, ref="dm-tour"
        )
        self.start_tour("/odoo?debug=1", "directmail_prepare", login="dm_user")
        template = self.env["directmail.template"].search([("name", "=", "Tour template")])
        self.assertEqual(template.state, "in_review")
        self.emulator.approve(template.remote_ref, "Well done.")

        self.start_tour("/odoo?debug=1", "directmail_send", login="dm_user")
        task = self.env["directmail.task"].search([("name", "=", "Tour task")])
        self.assertEqual(task.state, "pending")
        self._run_cron()
        self.assertEqual(task.state, "done")
        self.emulator.flush_outcomes()

        self.start_tour("/odoo?debug=1", "directmail_results", login="dm_user")
        self.assertEqual((task.sent_count, task.delivered_count, task.invalid_count), (3, 2, 1))
        self.assertEqual(len(self.emulator.ledger(task.tag_name)), 3)

    def test_what_is_busy_is_no_fault_to_report(self):
        """The client chooses the dialog by the error's exact class, or by what the error names."""
        audience = self._make_audience(self._make_people("ada@example.com"))
        url = f"/odoo/action-email_marketing_dm.directmail_audience_action/{audience.id}"
        with (
            patch.object(
                type(audience), "try_lock_for_update", lambda records, **_options: records.browse()
            ),
            mute_logger("odoo.http"),
        ):
            self.start_tour(url, "directmail_busy", login="dm_user")

    def test_edit_audience(self):
        self._make_people("ada@example.com", ref="dm-one")
        self._make_people("bo@example.com", "cy@example.com", ref="dm-two")
        audience = self._make_audience(None, lines=[{"domain": "[('ref', 'like', 'dm-')]"}])
        url = f"/odoo/directmail.audience/{audience.id}?debug=1"
        self.start_tour(url, "directmail_audience_edit", login="dm_user")
        self.assertEqual(audience.line_ids.domain, "[('ref', '=', 'dm-two')]")

    def test_take_over(self):
        audience = self._make_audience(self._make_people("ada@example.com"), user=self.other)
        audience.with_user(self.admin).user_id = self.user
        audience = audience.with_user(self.user)
        self.assertTrue(audience.owner_pending)
        url = f"/odoo/action-email_marketing_dm.directmail_audience_action/{audience.id}"
        self.start_tour(url, "directmail_take_over", login="dm_user")
        self.assertFalse(audience.owner_pending)
