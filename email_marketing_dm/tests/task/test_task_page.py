from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestTaskPage(DirectmailCommon):
    """What the task's page says: who can be mailed, settings, what is missing, when it starts."""

    def setUp(self):
        super().setUp()
        self.people = self._make_people("a@example.com", "b@example.com", False)
        self.audience = self._make_audience(self.people)

    def _make_draft(self, **vals):
        return (
            self.env["directmail.task"]
            .with_user(self.user)
            .create({"name": "Draft", "account_id": self.account.id, **vals})
        )

    def _get_missing(self, task):
        action = task.action_open_send()
        self.assertEqual(action["tag"], "directmail_task_missing")
        return {entry["field"]: entry["text"] for entry in action["params"]["missing"]}

    # === PEOPLE AND SETTINGS === #

    def test_who_can_be_mailed(self):
        task = self._make_draft()
        self.assertFalse(task.reach)
        task.audience_ids = self.audience
        self.assertIn("Not counted yet: Some people", task.reach)
        self.audience.action_refresh()
        self.assertIn("At most 2 of 3 people", task.reach)
        task.address_form = "encrypted"
        self.assertIn("People in the audiences: 3", task.reach)

    def test_the_figure_follows_the_form(self):
        self.audience.action_refresh()
        with Form(self.env["directmail.task"].with_user(self.user)) as form:
            form.name = "Live"
            form.audience_ids.add(self.audience)
            self.assertIn("At most 2 of 3 people", form.reach)

    def test_settings_are_summed_up_where_they_differ(self):
        task = self._make_draft()
        self.assertFalse(task.settings_summary)
        task.write({"address_type": "sender", "track_opens": False, "reply_to": "us@example.com"})
        self.assertEqual(
            task.settings_summary,
            "No random sender address · Replies go to us@example.com · Opens are not recorded",
        )

    def test_a_name_is_suggested(self):
        template = self._make_template(approved=False, name="Autumn")
        with Form(self.env["directmail.task"].with_user(self.user)) as form:
            form.template_id = template
            self.assertEqual(form.name, "Autumn")
            form.name = "Mine"
            form.template_id = self._make_template(approved=False, name="Winter")
            self.assertEqual(form.name, "Mine")
            self.assertEqual(form.sender_id, self.sender, "the first one that can send")

    # === WHAT IS MISSING === #

    def test_all_that_is_missing_is_said_at_once(self):
        task = self._make_draft()
        missing = self._get_missing(task)
        self.assertEqual(list(missing), ["audience_ids", "subject", "sender_id"])
        with self.assertRaises(UserError) as caught:
            task.action_send()
        self.assertEqual(caught.exception.args[0].splitlines(), list(missing.values()))

    def test_a_mail_that_cannot_be_reviewed_is_told_before_the_dialog(self):
        template = self._make_template(approved=False, body_html="<p>Hello</p>")
        task = self._make_task(self.audience, template)
        self.assertEqual(list(self._get_missing(task)), ["body_arch"])

    def test_a_time_in_the_past_is_refused_before_the_dialog(self):
        past = fields.Datetime.now() - timedelta(minutes=1)
        task = self._make_task(self.audience, send_type="scheduled", scheduled_at=past)
        self.assertIn("has passed", self._get_missing(task)["scheduled_at"])
        task.scheduled_at = fields.Datetime.now() + timedelta(days=1)
        self.assertEqual(task.action_open_send()["res_model"], "directmail.task.estimate")

    def test_an_estimate_needs_people(self):
        action = self._make_draft().action_open_estimate()
        self.assertEqual(action["params"]["missing"][0]["field"], "audience_ids")

    # === DIALOGS === #

    def _open_dialog(self, task):
        action = task.action_open_send()
        return action, self.env[action["res_model"]].with_user(self.user).browse(action["res_id"])

    def test_the_dialog_of_a_scheduled_task_says_when(self):
        at = fields.Datetime.now().replace(microsecond=0) + timedelta(days=2)
        task = self._make_task(self.audience, send_type="scheduled", scheduled_at=at)
        action, dialog = self._open_dialog(task)
        self.assertEqual(action["name"], "Schedule the mails")
        self.assertEqual(dialog.send_label, "Schedule for 2 people")
        self.assertEqual((dialog.is_scheduled, dialog.scheduled_at), (True, at))

    def test_the_dialog_of_mails_that_go_at_once_says_no_time(self):
        action, dialog = self._open_dialog(self._make_task(self.audience))
        self.assertEqual(action["name"], "Send the mails")
        self.assertEqual((dialog.send_label, dialog.is_scheduled), ("Send to 2 people", False))

    def test_a_test_is_sent_from_the_task(self):
        task = self._make_task(self.audience, address_type="sender")
        action = task.action_open_test()
        self.assertEqual(action["res_model"], "directmail.template.test")
        test = self.env[action["res_model"]].with_user(self.user)
        test = test.with_context(**action["context"]).create({})
        self.assertEqual(test.template_id, task.template_id)
        self.assertEqual((test.sender_id, test.address_type), (self.sender, "sender"))
        missing = self._make_draft().action_open_test()["params"]["missing"]
        self.assertEqual(missing[0]["field"], "subject")

    def test_a_scheduled_task_says_in_which_time_zone_it_starts(self):
        at = fields.Datetime.now().replace(hour=23, minute=30, second=0) + timedelta(days=2)
        task = self._make_task(self.audience, send_type="scheduled", scheduled_at=at)
        task.action_send()
        waiting = task.with_context(tz="Asia/Singapore").waiting_for
        self.assertRegex(waiting, r"\b0?7:30.*\(Asia/Singapore\)")

    # === FIGURES === #

    def test_results_are_not_known_before_the_first_look(self):
        task = self._make_task(self.audience)
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.has_results), ("done", False))
        known = {step["name"]: step["known"] for step in task.get_effectiveness()["funnel"]}
        self.assertEqual(
            known,
            {"people": True, "sent": True, "delivered": False, "opened": False, "clicked": False},
        )
        self._import_results(task)
        self.assertTrue(task.has_results)
        self.assertEqual((task.delivered_count, task.open_rate), (2, 0))
        self.assertTrue(all(step["known"] for step in task.get_effectiveness()["funnel"]))

    # === CALENDAR === #

    def test_moving_a_task_in_the_calendar_schedules_it(self):
        task = self._make_task(self.audience)
        at = fields.Datetime.now().replace(microsecond=0) + timedelta(days=3)
        task.calendar_at = at
        self.assertEqual((task.send_type, task.scheduled_at), ("scheduled", at))
        task.action_send()
        task.calendar_at = at + timedelta(days=1)
        self.assertEqual((task.state, task.scheduled_at), ("pending", at + timedelta(days=1)))

    def test_what_cannot_be_moved_in_the_calendar(self):
        task = self._make_task(self.audience)
        soon = fields.Datetime.now() + timedelta(days=1)
        with self.assertRaisesRegex(UserError, "in the past"):
            task.calendar_at = fields.Datetime.now() - timedelta(hours=1)
        with self.assertRaises(AccessError):
            task.with_user(self.other).calendar_at = soon
        task.action_send()
        self._run_cron()
        with self.assertRaisesRegex(UserError, "has started"):
            task.calendar_at = soon
        self.assertEqual(task.calendar_at, task.planned_at)

    def test_creating_a_task_in_the_calendar_schedules_it(self):
        at = fields.Datetime.now().replace(microsecond=0) + timedelta(days=3)
        tasks = self.env["directmail.task"].with_user(self.user)
        form = Form(tasks.with_context(default_calendar_at=fields.Datetime.to_string(at)))
        self.assertEqual((form.send_type, form.scheduled_at), ("scheduled", at))
        form.name = "From the calendar"
        form.scheduled_at = at + timedelta(hours=1)
        task = form.save()
        self.assertEqual((task.scheduled_at, task.calendar_at), (at + timedelta(hours=1),) * 2)
