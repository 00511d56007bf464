from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..common import ACCESS_KEY_ID, DirectmailMixin
from ..common_http import PatientHttpCase
from ..common_series import SeriesMixin


@tagged("post_install", "-at_install")
class TestTour(SeriesMixin, DirectmailMixin, PatientHttpCase):
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

    def test_series(self):
        """From a ready-made series to one of the people who are in it."""
        self.env.company.write({"street": "1 Orchard Road", "city": "Singapore"})
        self._make_readers()
        self.start_tour("/odoo", "directmail_series_make", login="dm_user")
        series = self.env["directmail.series"].search([("user_id", "=", self.user.id)])
        for template in series.step_ids.template_id.with_user(self.user):
            template.action_submit()
            self.emulator.approve(template.remote_ref)
            template.action_check_review()
        url = f"/odoo/action-email_marketing_dm.directmail_series_action/{series.id}"
        self.start_tour(url, "directmail_series_start", login="dm_user")
        self._run_cron()
        self._go_on()
        self.start_tour(url, "directmail_series_people", login="dm_user")

    def test_topic(self):
        """An administrator makes a topic; an answer decides who gets a mail about it."""
        self.start_tour("/odoo", "directmail_topic_make", login="dm_admin")
        topic = self.env["directmail.purpose"].search([("name", "=", "Tour topic")])
        germany = self.env.ref("base.de")
        self.assertEqual((topic.rule, topic._get_rule(germany)), ("not_refused", "confirmed"))
        people = self._make_people("ada@example.com", "ben@example.com", "cleo@example.com")
        people[1].country_id = germany
        self.user.group_ids += self.env.ref("base.group_partner_manager")
        self.start_tour(
            f"/odoo/res.partner/{people[0].id}", "directmail_topic_answer", login="dm_user"
        )
        audience = self._make_audience(people)
        task = self._make_task(audience, purpose_id=topic.id)
        url = f"/odoo/directmail.task/{task.id}"
        self.start_tour(url, "directmail_topic_estimate", login="dm_user")
        task.action_send()
        self._run_cron()
        self.assertEqual(
            {row.partner_id: row.reason or row.state for row in task.sudo().delivery_ids},
            {people[0]: "topic_refused", people[1]: "not_agreed", people[2]: "sent"},
        )

    def test_sender(self):
        """Health of a sender address: DNS records, warm-up, guard."""
        domain = self.sender._get_domain()
        self.emulator.configure_account(ACCESS_KEY_ID, domains=[{"name": domain, "dmarc": False}])
        url = f"/odoo/action-email_marketing_dm.directmail_sender_action/{self.sender.id}"
        self.start_tour(url, "directmail_sender_dns", login="dm_admin")
        self.assertTrue(self.sender.dns_checked_at)
        self.start_tour(url, "directmail_sender_warm_up", login="dm_admin")
        self.assertFalse(self.sender.warmup_on)
        # Two sender addresses with too few mails to be judged alone.
        second = self.sender.sudo().copy({"email": f"second@{domain}"})
        people = self._make_people("tour-1@example.com")
        for sender in self.sender + second:
            task = self._make_task(self._make_audience(people))
            task.action_send()
            self._run_cron()
            task.sudo().write({"sender_id": sender.id})
            self.env["directmail.task.counter"].create(
                [
                    {"task_id": task.id, "writer": "events", "name": name, "value": value}
                    for name, value in (("delivered", 600), ("complained", 2))
                ]
            )
        task.sudo().delivery_ids.complained_at = fields.Datetime.now()
        self.start_tour(url, "directmail_sender_guard", login="dm_user")

    def test_composition(self):
        audience = self._make_readers()
        url = f"/odoo/action-email_marketing_dm.directmail_audience_action/{audience.id}"
        self.start_tour(url, "directmail_composition", login="dm_user")
        made = self.env["directmail.audience"].search([("user_id", "=", self.user.id)]) - audience
        self.assertEqual(made.line_ids[0].source_id, audience)
        self.assertEqual(made.line_ids[1].domain, "[('is_company', '=', False)]")

    def _make_readers(self):
        """Make a refreshed audience of two persons and a company."""
        self._make_people("p0@customer.example", "p1@customer.example", ref="dm-readers")
        company = self._make_people("office@customer.example", ref="dm-readers")
        company.write({"name": "Azure", "is_company": True})
        audience = self._make_audience(
            None, name="Tour readers", lines=[{"domain": "[('ref', '=', 'dm-readers')]"}]
        )
        audience.action_refresh()
        return audience
