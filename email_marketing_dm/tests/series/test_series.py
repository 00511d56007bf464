import base64
import json
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from ..common import DirectmailCommon

CRON = "email_marketing_dm.ir_cron_directmail_series"


@tagged("post_install", "-at_install")
class TestSeries(DirectmailCommon):
    """Series: who enters, which mails they get and when, and why somebody gets none."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people("p0@customer.example", "p1@customer.example", ref="series")
        cls.audience = cls._make_audience(None, lines=[{"domain": "[('ref', '=', 'series')]"}])
        cls.audience.action_refresh()
        cls.first = cls._make_template(name="Hello")
        cls.second = cls._make_template(name="Tips")

    def setUp(self):
        super().setUp()
        self.emulator.clear_faults()

    def _make(self, *steps, **vals):
        """Make a series: by default a mail, a day, a mail."""
        steps = steps or (
            {"template_id": self.first.id},
            {"kind": "wait"},
            {"template_id": self.second.id},
        )
        return (
            self.env["directmail.series"]
            .with_user(self.user)
            .create(
                {
                    "name": "Welcome",
                    "account_id": self.account.id,
                    "audience_id": self.audience.id,
                    "sender_id": self.sender.id,
                    "tz": "Europe/Berlin",
                    "entry": "all",
                    "step_ids": [
                        fields.Command.create({"sequence": place, **step})
                        for place, step in enumerate(steps)
                    ],
                    **vals,
                }
            )
        )

    def _start(self, *steps, **vals):
        """Start a series, and let its email tasks begin."""
        series = self._make(*steps, **vals)
        series.action_start()
        self._run_cron()
        return series

    def _advance(self, **ago):
        """Run the cron of series, after moving people's moments back by so much.

        And a minute more: the cron's present has no fractions of seconds, but a moment after a mail
        that was sent in this very second has.
        """
        self.env.flush_all()
        if ago:
            self.env.cr.execute(
                "UPDATE directmail_series_entry SET due_at = due_at - %s",
                [timedelta(**ago) + timedelta(minutes=1)],
            )
        with self.enter_registry_test_mode():
            self.env.ref(CRON).method_direct_trigger()
        self.env.invalidate_all()

    def _go_on(self, **ago):
        """Plan what is due, send it, and look at the mails."""
        self._advance(**ago)
        self._run_cron()
        self._advance(minutes=20)

    def _join(self, *emails):
        people = self._make_people(*emails, ref="series")
        self.audience.action_refresh()
        return people

    def _get_mailed(self, template):
        mails = self.env["directmail.delivery"].search(
            [("task_id.series_step_id.template_id", "=", template.id), ("state", "=", "sent")]
        )
        return mails.partner_id

    def _get_entry(self, series, person):
        return series.entry_ids.filtered(lambda entry: entry.partner_id == person)

    def test_people_get_one_mail_after_the_other(self):
        series = self._start()
        self.assertEqual(series.step_ids.task_ids.mapped("state"), ["sending", "sending"])
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people)
        self.assertFalse(self._get_mailed(self.second))
        entry = self._get_entry(series, self.people[0])
        self.assertEqual(entry.step_id, series.step_ids[1])
        self.assertIn("Step 1, Hello: Sent", entry.history)
        self.assertIn("Send “Tips”", entry.prospect)
        self.assertEqual(series.step_ids.mapped("inside_count"), [0, 2, 0])
        self._go_on(days=1)
        self.assertEqual(self._get_mailed(self.second), self.people)
        self.assertEqual(series.entry_ids.mapped("state"), ["finished"] * 2)
        self.assertEqual((series.entered_count, series.finished_count), (2, 2))
        self.assertEqual(series.step_ids.mapped("sent_count"), [2, 0, 2])
        self._go_on(days=9)
        self.assertEqual(series.step_ids.mapped("sent_count"), [2, 0, 2])
        self.assertEqual(series.state, "running")

    def test_the_data_of_a_person_in_a_series_are_exported_and_erased(self):
        series = self._start()
        self._go_on()
        person = self.people[0]
        wizard = (
            self.env["directmail.erasure"]
            .with_user(self.admin)
            .with_context(active_model="res.partner", active_ids=person.ids)
            .create({})
        )
        wizard.action_export()
        [told] = json.loads(base64.b64decode(wizard.file))["series"]
        self.assertEqual((told["series"], told["state"]), ("Welcome", "inside"))
        wizard.action_erase()
        self.env.invalidate_all()
        self.assertEqual(series.entry_ids.partner_id, self.people[1])

    def test_from_now_on_those_in_the_audience_before_get_nothing(self):
        series = self._start(entry="new")
        self._go_on()
        self.assertFalse(series.entry_ids)
        person = self._join("new@customer.example")
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), person)
        # Who leaves and comes again does not enter twice.
        person.ref = False
        self.audience.action_refresh()
        person.ref = "series"
        self.audience.action_refresh()
        self._go_on(days=2)
        self.assertEqual(series.entered_count, 1)

    def test_all_that_is_missing_is_told_at_once(self):
        template = self._make_template(approved=False, name="Draft")
        audience = self._make_audience(self.people)
        series = self._make(
            {"template_id": template.id}, {}, audience_id=audience.id, sender_id=False
        )
        with self.assertRaises(UserError) as caught:
            series.action_start()
        lines = str(caught.exception).splitlines()
        self.assertEqual(len(lines), 4, lines)
        self.assertIn("never been refreshed", lines[0])
        self.assertIn("Submit the template Draft for review first.", lines[1])
        self.assertIn("Choose the template", lines[2])
        self.assertIn("sender address", lines[3])
        self.assertEqual(series.state, "draft")

    def test_who_has_unsubscribed_gets_nothing_and_the_reason_is_told(self):
        self.env["mail.blacklist"]._add("p0@customer.example")
        series = self._start()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people[1])
        entry = self._get_entry(series, self.people[0])
        self.assertEqual((entry.state, entry.reason), ("called_off", "not_mailed"))
        self.assertIn("Blacklisted", entry.history)
        self.assertFalse(entry.prospect)

    def test_a_step_that_was_not_mailed_may_go_on(self):
        self.env["mail.blacklist"]._add("p0@customer.example")
        series = self._start(
            {"template_id": self.first.id, "if_not_mailed": "go_on"},
            {"kind": "wait"},
            {"template_id": self.second.id},
        )
        self._go_on()
        self.assertEqual(self._get_entry(series, self.people[0]).step_id, series.step_ids[1])

    def test_an_address_gets_a_step_once_in_all_months(self):
        series = self._start()
        self._go_on()
        task = series.step_ids[0].task_ids
        task.sudo().series_month = task.series_month - timedelta(days=31)
        self.env.flush_all()
        twin = self._join("p0@customer.example")
        self._advance()
        self.assertEqual(len(series.step_ids[0].task_ids), 2)
        self._run_cron()
        self._go_on()
        entry = self._get_entry(series, twin)
        self.assertEqual((entry.state, entry.reason), ("called_off", "not_mailed"))
        self.assertIn("Already got this mail", entry.history)
        # The email task of the month that is over has ended.
        self.assertEqual(task.state, "done")

    def test_nobody_gets_a_mail_that_is_too_late(self):
        series = self._start(
            {"kind": "wait"}, {"template_id": self.first.id, "late_hours": 2}, entry="all"
        )
        self._advance()
        self.assertEqual(series.inside_count, 2)
        self._go_on(hours=27)
        self.assertFalse(self._get_mailed(self.first))
        self.assertEqual(series.entry_ids.mapped("reason"), ["too_late"] * 2)

    def test_paused_and_resumed(self):
        series = self._start({"kind": "wait"}, {"template_id": self.first.id, "late_hours": 2})
        self._advance()
        series.action_pause()
        self.assertEqual(series.step_ids.task_ids.mapped("state"), ["paused"])
        self._join("new@customer.example")
        self._go_on(days=3)
        self.assertEqual((series.entered_count, series.inside_count), (2, 2))
        series.action_resume_late()
        self._go_on()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people)
        # Who entered the audience during the pause enters the series now.
        self.assertEqual(series.inside_count, 1)

    def test_resumed_without_those_who_are_late(self):
        series = self._start({"kind": "wait"}, {"template_id": self.first.id, "late_hours": 2})
        self._advance()
        series.action_pause()
        self._advance(days=3)
        series.action_resume()
        self._go_on()
        self.assertEqual(series.entry_ids.mapped("reason"), ["too_late"] * 2)

    def test_ended_with_those_inside(self):
        series = self._start()
        self._go_on()
        series.action_close()
        self._join("new@customer.example")
        self._go_on(days=1)
        self._advance()
        self.assertEqual(series.entered_count, 2)
        self.assertEqual(self._get_mailed(self.second), self.people)
        self.assertEqual(series.state, "ended")
        self._run_cron()
        self.assertEqual(series.step_ids.task_ids.mapped("state"), ["done", "done"])

    def test_stopped_at_once(self):
        series = self._start()
        self._advance()
        series.action_stop()
        self._run_cron()
        self.assertEqual(series.entry_ids.mapped("reason"), ["stopped"] * 2)
        self.assertFalse(self._get_mailed(self.first))
        self.assertEqual(set(series.step_ids.task_ids.mapped("state")), {"cancelled"})
        with self.assertRaisesRegex(UserError, "was started already"):
            series.action_start()

    def test_a_template_that_lapses_stops_its_step_with_the_reason(self):
        series = self._start()
        self.first._lapse("deleted")
        self._go_on()
        self.assertIn("deleted", series.step_ids[0].problem)
        self.assertFalse(self._get_mailed(self.first))
        self.assertEqual(series.inside_count, 2)

    def test_what_can_not_be_changed(self):
        series = self._start()
        task = series.step_ids[0].task_ids
        for action in (task.action_cancel, task.action_withdraw):
            with self.assertRaisesRegex(UserError, "Pause or end the series"):
                action()
        with self.assertRaisesRegex(UserError, "can't be changed because it was started"):
            series.step_ids[1].wait_number = 3
        with self.assertRaisesRegex(UserError, "only its name"):
            series.tz = "UTC"
        with self.assertRaisesRegex(UserError, "can't be deleted"):
            series.unlink()
        with self.assertRaisesRegex(UserError, "series “Welcome”"):
            self.audience.unlink()
        with self.assertRaises(AccessError):
            series.state = "draft"
        series.name = "Hello and welcome"
        copy = series.copy()
        self.assertEqual((copy.state, len(copy.step_ids), copy.started_at), ("draft", 3, False))

    def test_settings_of_steps_that_can_not_be(self):
        series = self._make()
        wait, mail = series.step_ids[1], series.step_ids[2]
        for step, vals in (
            (wait, {"wait_number": 0}),
            (wait, {"wait_number": -1, "wait_until": "hour"}),
            (wait, {"wait_number": 367}),
            (wait, {"wait_until": "hour", "wait_hour": 24}),
            (wait, dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), False)
             | {"wait_until": "weekday"}),
            (mail, {"late_hours": 0}),
        ):  # fmt: skip
            with self.subTest(vals), self.assertRaises(ValidationError), self.env.cr.savepoint():
                step.write(vals)
        with self.assertRaisesRegex(UserError, "at most 20 steps"):
            series.write(
                {"step_ids": [fields.Command.create({"kind": "wait"}) for _number in range(18)]}
            )

    def test_waits_are_told_in_the_readers_words(self):
        self.env["res.lang"]._activate_lang("de_DE")
        steps = self._make(
            {"template_id": self.first.id},
            {"kind": "wait"},
            {"kind": "wait", "wait_number": 2, "wait_unit": "hour"},
        ).step_ids
        self.assertEqual(steps[1:].mapped("summary"), ["Wait: 1 day", "Wait: 2 hours"])
        german = steps[1:].with_context(lang="de_DE").mapped("summary")
        self.assertEqual(german, ["Warten: 1 Tag", "Warten: 2 Stunden"])

    def test_whose_series_it_is(self):
        series = self._start()
        self._advance()
        for records in (series, series.step_ids, series.entry_ids):
            with self.assertRaises(AccessError):
                records.with_user(self.other).check_access("read")
