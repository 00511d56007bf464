from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ..common_series import SeriesCommon


@tagged("post_install", "-at_install")
class TestSeriesCheck(SeriesCommon):
    """Conditions of series: which steps people skip."""

    def _react(self, people, field):
        """Let people have opened or clicked the mails that they got."""
        mails = self.env["directmail.delivery"].search([("partner_id", "in", people.ids)])
        mails.sudo().write({field: fields.Datetime.now()})

    def test_only_who_opened_the_last_mail_goes_on(self):
        series = self._start(
            {"template_id": self.first.id},
            {"kind": "wait"},
            self._check(),
            {"template_id": self.second.id},
        )
        self._go_on()
        self._react(self.people[0], "opened_at")
        self._go_on(days=1)
        self.assertEqual(self._get_mailed(self.second), self.people[0])
        entry = self._get_entry(series, self.people[1])
        self.assertEqual((entry.state, entry.reason), ("called_off", "not_met"))
        self.assertIn("Step 3, Only if: Condition not met", entry.history)
        check = series.step_ids[2]
        self.assertIn("1 met, 1 not met, 0 not known", check.check_figures)
        self.assertIn("opened “Hello”; if not: end (1 met", check.summary)

    def test_who_must_not_be_measured_is_not_known(self):
        for unknown, mailed in (("go_on", self.people), ("not_met", self.people[1])):
            with self.subTest(unknown):
                series = self._start(
                    {"template_id": self.first.id},
                    {"kind": "wait"},
                    self._check("not_clicked", check_unknown=unknown),
                    {"template_id": self.second.id},
                )
                self._go_on()
                mail = self._get_entry(series, self.people[0]).mail_ids
                mail.sudo().measuring = "withdrawn"
                self._go_on(days=1)
                self._go_on()
                mails = series.step_ids[3].task_ids.delivery_ids
                self.assertEqual(mails.partner_id, mailed)
                self.assertEqual(series.step_ids[2].not_known_count, 1)
                history = self._get_entry(series, self.people[0]).history
                self.assertIn("Not known: opens and clicks of this person may not", history)
                series.action_stop()

    def test_who_is_not_in_an_audience_skips_steps(self):
        buyers = self._make_audience(self.people[0])
        buyers.action_refresh()
        series = self._make(
            self._check("in", check_audience_id=buyers.id, check_otherwise="step"),
            {"template_id": self.first.id},
            {"kind": "wait"},
            self._check("not_in", check_audience_id=buyers.id, check_otherwise="next"),
            {"kind": "end"},
            {"template_id": self.second.id, "late_hours": 48},
        )
        with self.assertRaisesRegex(UserError, "Choose a later step"):
            series.action_start()
        series.step_ids[0].check_goto_id = series.step_ids[3]
        copy = series.copy()
        self.assertEqual(copy.step_ids[0].check_goto_id, copy.step_ids[3])
        series.action_start()
        self._run_cron()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people[0])
        self.assertEqual(self._get_entry(series, self.people[1]).state, "finished")
        self._go_on(days=1)
        self._go_on()
        self.assertEqual(self._get_mailed(self.second), self.people[0])
        with self.assertRaisesRegex(UserError, "series “Welcome”"):
            buyers.unlink()

    def test_who_is_in_an_audience_by_another_contact_with_the_same_address(self):
        self._make_people("p1@customer.example", function="bought")
        buyers = self._make_audience(None, lines=[{"domain": "[('function', '=', 'bought')]"}])
        buyers.action_refresh()
        series = self._start(
            self._check("not_in", check_audience_id=buyers.id),
            {"template_id": self.first.id},
        )
        self._go_on()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people[0])
        self.assertEqual(series.step_ids[0].not_met_count, 1)

    def test_an_audience_that_became_private_is_not_named(self):
        buyers = self._make_audience(self.people[0])
        series = self._make(self._check("in", check_audience_id=buyers.id))
        buyers.sudo().write(
            {"user_id": self.other.id, "owner_pending": False, "name": "Secret plan"}
        )
        self.env.invalidate_all()
        self.assertNotIn("Secret plan", series.step_ids.summary)

    def test_conditions_of_a_started_series(self):
        series = self._start({"template_id": self.first.id}, self._check("clicked"), reentry="days")
        with self.assertRaisesRegex(UserError, "not their kind or conditions"):
            series.step_ids[1].check_kind = "opened"
        buyers = self._make_audience(self.people[0])
        step = fields.Command.create(self._check("in", check_audience_id=buyers.id))
        with self.assertRaisesRegex(UserError, "has never been refreshed"):
            series.step_ids = [step]
        buyers.action_refresh()
        series.step_ids = [step]
        with self.assertRaisesRegex(UserError, "can be changed"):
            series.reentry = "never"
        series.write({"daily_limit": 5, "hours_on": True})

    def test_a_condition_stays_about_a_mail_that_was_removed(self):
        series = self._start(
            {"template_id": self.first.id},
            {"template_id": self.second.id},
            {"kind": "wait"},
            self._check("opened"),
            {"template_id": self.first.id},
        )
        mail, check = series.step_ids[1], series.step_ids[3]
        mail.unlink()
        self.assertEqual(check._get_checked_mail(), mail)
        # The series can be resumed, although the mail is gone.
        series.action_pause()
        series.action_resume()
        self.assertEqual(series.state, "running")
        # A duplicate does not ask about another mail instead.
        with self.assertRaisesRegex(UserError, "Choose the condition"):
            series.copy().action_start()

    def test_what_a_condition_lacks_is_told(self):
        series = self._make(
            {"kind": "check", "check_kind": "clicked"},
            {"template_id": self.first.id},
            {"kind": "check", "check_kind": "in"},
            {"kind": "check", "check_kind": "opened"},
        )
        with self.assertRaises(UserError) as caught:
            series.action_start()
        lines = str(caught.exception).splitlines()
        self.assertEqual(len(lines), 3, lines)
        self.assertIn("Step 1, Only if: Choose an earlier step", lines[0])
        self.assertIn("Step 3, Only if: Choose the audience", lines[1])
        self.assertIn("Step 4, Only if: Choose what happens with people whose opens", lines[2])
