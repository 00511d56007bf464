import base64
import json
from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from ...models.series import directmail_series_run
from ..common import run_migration
from ..common_series import SeriesCommon


@tagged("post_install", "-at_install")
class TestSeries(SeriesCommon):
    """Series: who enters, which mails they get and when, and why somebody gets none."""

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

    def test_people_who_left_or_were_merged_get_the_rest_or_nothing(self):
        """Archived, deleted, encrypted, given to another company, and merged with a contact."""
        gone, deleted, hidden, secret, merged, twin = self._make_people(
            *(f"leaver{number}@customer.example" for number in range(6)), ref="series"
        )
        self.audience.action_refresh()
        keep = {"template_id": self.second.id, "if_not_mailed": "go_on"}
        series = self._start({"template_id": self.first.id}, {"kind": "wait"}, keep).sudo()
        self._go_on()
        self.assertEqual(series.inside_count, 8)
        entries = {
            person: self._get_entry(series, person)
            for person in (gone, deleted, hidden, secret, merged, twin)
        }
        gone.active = False
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        hidden.company_id = elsewhere
        secret.write({"email": False, "email_encrypted": "secret"})
        twin.email = merged.email
        self.env["base.partner.merge.automatic.wizard"].create({})._merge(
            [merged.id, twin.id], merged
        )
        deleted.unlink()
        self._go_on(days=1)
        mails = {
            person: entry.mail_ids.filtered(lambda mail: mail.task_id.template_id == self.second)
            for person, entry in entries.items()
        }
        self.assertEqual(mails[gone].reason, "gone")
        self.assertEqual(mails[deleted].reason, "gone")
        self.assertEqual((entries[hidden].reason, mails[hidden].ids), ("not_seen", []))
        self.assertEqual(mails[secret].reason, "no_address")
        # The merged contact has two places, and one mail.
        both = series.entry_ids.filtered(lambda entry: entry.partner_id == merged)
        self.assertEqual(len(both), 2)
        sent = both.mail_ids.filtered(lambda mail: mail.task_id.template_id == self.second)
        self.assertEqual(sorted(sent.mapped("state")), ["sent", "suppressed"])

    def test_contacts_whom_the_owner_cannot_see_any_more_get_no_mail_when_they_enter(self):
        [seen] = self._make_people("seen@customer.example", ref="series")
        series = self._start({"template_id": self.first.id}).sudo()
        self._go_on()
        [later] = self._make_people("later@customer.example", ref="series")
        self.audience.action_refresh()
        later.company_id = self.env["res.company"].create({"name": "Elsewhere"})
        self._go_on()
        self.assertTrue(self._get_entry(series, seen).mail_ids)
        entry = self._get_entry(series, later)
        self.assertEqual((entry.reason, entry.mail_ids.ids), ("not_seen", []))

    def test_an_audience_that_calls_off_its_own_series_is_told(self):
        series = self._make(exit_audience_ids=self.audience.ids)
        with self.assertRaisesRegex(UserError, "also calls off the series, so nobody would get"):
            series.action_start()

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

    def test_people_enter_in_batches_and_stand_at_the_mail_that_was_planned(self):
        self.patch(directmail_series_run, "BATCH", 1)
        series = self._start()
        self._advance()
        self.assertEqual(series.entry_ids.partner_id, self.people)
        for entry in series.entry_ids.sudo():
            self.assertEqual(
                (entry.delivery_id, entry.mail_ids.state), (entry.mail_ids.id, "waiting")
            )
            self.assertEqual(entry.mailed_at, entry.entered_at)
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people)
        self.assertEqual(series.step_ids.mapped("inside_count"), [0, 2, 0])

    def test_who_leaves_the_audience_between_two_batches_does_not_enter(self):
        self.patch(directmail_series_run, "BATCH", 1)
        series = self._start()
        advanced = self.env["directmail.series"].browse(series.id)  # as the cron's user does
        self.assertTrue(advanced._advance())
        self.assertEqual(series.entry_ids.partner_id, self.people[0])
        self.people[1].ref = False
        person = self._join("new@customer.example")
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people[0] | person)

    def test_nobody_enters_after_a_pause_in_the_middle_until_it_ends(self):
        self.patch(directmail_series_run, "BATCH", 1)
        series = self._start()
        advanced = self.env["directmail.series"].browse(series.id)  # as the cron's user does
        advanced._advance()
        series.action_pause()
        self._advance()
        self.assertEqual(series.entry_ids.partner_id, self.people[0])
        series.action_resume()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people)

    def test_engaged_people_enter_first_during_a_warm_up(self):
        series = self._start()
        self._go_on()
        series.entry_ids.filtered(
            lambda entry: entry.partner_id == self.people[1]
        ).mail_ids.sudo().opened_at = fields.Datetime.now()
        self._start(name="Second")
        self.sender.sudo().warmup_on = True  # the plan reads it
        self._advance()
        mails = self.env["directmail.delivery"].search([("state", "=", "waiting")], order="id")
        self.assertEqual(mails.partner_id.ids, self.people[::-1].ids)

    def test_an_upgrade_drops_the_foreign_keys_of_copied_columns(self):
        self.env.flush_all()
        self.env.cr.execute(
            """ALTER TABLE directmail_series_entry
                 ADD CONSTRAINT directmail_series_entry_step_id_fkey
                     FOREIGN KEY (step_id) REFERENCES directmail_series_step"""
        )
        run_migration(self.env.cr, "19.0.1.13.0/pre-series_entries.py")
        self.env.cr.execute(
            """SELECT array_agg(conname::text ORDER BY conname) FROM pg_constraint
                WHERE conrelid = 'directmail_series_entry'::regclass AND contype = 'f'"""
        )
        self.assertEqual(
            self.env.cr.fetchone(),
            (
                [
                    "directmail_series_entry_partner_id_fkey",
                    "directmail_series_entry_series_id_fkey",
                ],
            ),
        )

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

    def test_mails_that_were_planned_are_not_sent_too_late(self):
        series = self._start({"template_id": self.first.id, "late_hours": 2})
        for resume in (series.action_resume, series.action_resume_late):
            self._join(f"{resume.__name__}@customer.example")
            self._advance()
            series.action_pause()
            self.env.cr.execute(
                "UPDATE directmail_series_entry SET mailed_at = mailed_at - interval '3 hours'"
            )
            self.env.invalidate_all()
            resume()
            self._run_cron()
            self._advance(minutes=20)
        self.assertEqual(series.entry_ids.mapped("reason").count("too_late"), 3)
        self.assertEqual(
            self._get_mailed(self.first).mapped("email"), ["action_resume_late@customer.example"]
        )

    def test_a_mail_that_is_always_held_ends_as_too_late(self):
        """The hours of a series and do-not-disturb hours may leave a recipient no minute."""
        series = self._start({"template_id": self.first.id, "late_hours": 2})
        self._advance()
        for days, reasons in ((30, [False] * 2), (2, ["too_late"] * 2)):
            self.env.cr.execute(
                "UPDATE directmail_series_entry SET mailed_at = mailed_at - %s * interval '1 day'",
                [days],
            )
            mails = series.step_ids.task_ids.delivery_ids.sudo()
            mails.write({"not_before": fields.Datetime.now() - timedelta(minutes=1)})
            self.env.flush_all()
            if days == 2:
                self._run_cron()
                self._advance(minutes=20)
            self.env.invalidate_all()
            self.assertEqual(series.entry_ids.mapped("reason"), reasons)
        self.assertFalse(self._get_mailed(self.first))

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
        with self.assertRaisesRegex(UserError, "not their kind or conditions"):
            series.step_ids[1].kind = "end"
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
            (wait, {"wait_number": 2 * 10**9}),
            (wait, {"wait_number": 366 * 24 + 1, "wait_unit": "hour"}),
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

    def test_what_happened_is_told_in_the_readers_words(self):
        self.env["res.lang"]._activate_lang("zh_CN")
        self.env["ir.module.module"]._load_module_terms(["email_marketing_dm"], ["zh_CN"])
        series = self._start()
        self._advance()
        entry = self._get_entry(series, self.people[0]).with_context(lang="zh_CN")
        self.assertRegex(entry.history, "^[0-9/]+ [0-9:]+：进入")

    def test_whose_series_it_is(self):
        series = self._start()
        self._advance()
        for records in (series, series.step_ids, series.entry_ids):
            with self.assertRaises(AccessError):
                records.with_user(self.other).check_access("read")
