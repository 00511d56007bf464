from datetime import datetime, timedelta, timezone
from random import Random
from unittest.mock import patch
from zoneinfo import ZoneInfo

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import SQL

from ...clock.steps import Place
from ...engine import series as engine
from ...models.series import directmail_series_pace
from ..common_series import SeriesCommon


@tagged("post_install", "-at_install")
class TestSeriesRules(SeriesCommon):
    """What calls off a series for a person, when mails wait, and who enters again."""

    def test_called_off_for_people_who_leave_the_audience_or_come_into_another(self):
        buyers = self._make_audience(None, lines=[{"domain": "[('function', '=', 'bought')]"}])
        series = self._make(exit_left=True, exit_audience_ids=buyers.ids)
        with self.assertRaisesRegex(UserError, f"{buyers.name} has never been refreshed"):
            series.action_start()
        buyers.action_refresh()
        series.action_start()
        self._run_cron()
        self._go_on()
        self.assertEqual(series.inside_count, 2)
        self.people[0].function = "bought"
        buyers.action_refresh()
        self._advance()
        self.assertEqual(self._get_entry(series, self.people[0]).reason, "series_exit")
        self.people[1].ref = False
        self.audience.action_refresh()
        self._advance()
        entry = self._get_entry(series, self.people[1])
        self.assertEqual((entry.state, entry.reason), ("called_off", "series_left"))
        self.assertIn("Called off: Left the audience", entry.history)
        with self.assertRaisesRegex(UserError, "series “Welcome”"):
            buyers.unlink()

    def test_who_is_in_an_audience_that_calls_off_before_gets_no_mail(self):
        buyers = self._make_audience(None, lines=[{"domain": "[('function', '=', 'bought')]"}])
        self.people[0].function = "bought"
        # A contact of another person with the same address is the same person, for a mail.
        self._make_people("p1@customer.example", function="bought")
        buyers.action_refresh()
        step = {"template_id": self.first.id, "if_not_mailed": "go_on"}
        series = self._start(step, {"kind": "wait"}, exit_audience_ids=buyers.ids)
        self._go_on()
        self.assertFalse(self._get_mailed(self.first))
        self.assertEqual(series.entry_ids.mapped("reason"), ["series_exit"] * 2)

    def test_exits_are_checked_again_just_before_a_mail_is_sent(self):
        buyers = self._make_audience(None, lines=[{"domain": "[('function', '=', 'bought')]"}])
        buyers.action_refresh()
        series = self._start(exit_left=True, exit_audience_ids=buyers.ids)
        self._advance()
        mails = series.step_ids.task_ids.delivery_ids
        self.assertEqual(mails.mapped("state"), ["waiting"] * 2)
        self.people[0].function = "bought"
        buyers.action_refresh()
        self.people[1].ref = False
        self.audience.action_refresh()
        # The mails were planned before, and people are called off only at the next advance.
        self._run_cron()
        self.assertFalse(self._get_mailed(self.first))
        self.assertEqual(set(mails.mapped("reason")), {"series_exit", "series_left"})
        self._advance()
        self.assertEqual(set(series.entry_ids.mapped("reason")), {"series_exit", "series_left"})

    def test_a_mail_that_was_called_off_is_not_sent_to_who_comes_back(self):
        series = self._start(exit_left=True)
        self._advance()
        self.people[0].ref = False
        self.audience.action_refresh()
        self._advance()
        self.assertEqual(self._get_entry(series, self.people[0]).reason, "series_left")
        self.people[0].ref = "series"
        self.audience.action_refresh()
        self._run_cron()
        self.assertEqual(self._get_mailed(self.first), self.people[1])

    def test_an_audience_that_became_private_stops_the_start(self):
        audience = self._make_audience(self.people)
        audience.action_refresh()
        series = self._make(exit_audience_ids=audience.ids)
        audience.sudo().write({"user_id": self.other.id, "owner_pending": False})
        with self.assertRaisesRegex(UserError, "a colleague has made private"):
            series.action_start()
        with self.assertRaisesRegex(UserError, "can't be duplicated"):
            series.copy()

    def _start_by_a_colleague(self):
        """Start a series that asks after a day who is in a public audience of a colleague."""
        buyers = self._make_audience(self.people[0])
        buyers.action_refresh()
        buyers.sudo().write(
            {"user_id": self.other.id, "owner_pending": False, "visibility": "public"}
        )
        series = self._start(
            {"kind": "wait"},
            self._check("in", check_audience_id=buyers.id),
            {"template_id": self.first.id},
            exit_audience_ids=buyers.ids,
        )
        self._advance()
        # A person who was in the audience has left already.
        self.assertEqual((series.state, series.inside_count), ("running", 1))
        return series, buyers.sudo()

    def _assert_paused(self, series, message):
        self.assertEqual((series.state, series.inside_count), ("paused", 1))
        self.assertIn(message, series.state_message)
        self.assertFalse(series.step_ids[1].met_count + series.step_ids[1].not_met_count)

    def test_an_audience_that_becomes_private_pauses_a_running_series(self):
        series, buyers = self._start_by_a_colleague()
        buyers.visibility = "private"
        self._advance(days=1)
        self._assert_paused(series, "a colleague has made private")

    def test_addresses_that_a_colleague_adds_pause_a_running_series(self):
        """Else the series would tell which people of the owner are among them."""
        series, buyers = self._start_by_a_colleague()
        buyers.member_ids.write(
            {"partner_id": False, "email": "bare@example.com", "address_key": "k"}
        )
        self._advance(days=1)
        self._assert_paused(series, "can't use this audience")

    def test_mails_wait_for_the_hours_of_the_recipient(self):
        german, unknown = self.people
        german.country_id = self.env.ref("base.de")
        now = fields.Datetime.now()
        local = now.astimezone(ZoneInfo("Europe/Berlin"))
        hour = (local.hour + local.minute / 60 + 2) % 24
        self.account.sudo().tz = "Asia/Shanghai"
        series = self._start(
            {"template_id": self.first.id},
            hours_on=True,
            hour_from=hour,
            hour_to=(hour + 1) % 24,
        )
        self._go_on()
        self.assertFalse(self._get_mailed(self.first))
        mails = series.step_ids.task_ids.delivery_ids
        self.assertEqual(set(mails.mapped("fatigue_rule")), {"series_hours"})
        held = {mail.partner_id: mail.not_before for mail in mails}
        zones = {german: "Europe/Berlin", unknown: "Asia/Shanghai"}
        for person, zone in zones.items():
            moment = held[person].replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone))
            self.assertEqual(moment.hour * 60 + moment.minute, round(hour * 60), zone)
        with self.assertRaisesRegex(ValidationError, "must differ"):
            series.write({"hours_on": True, "hour_from": 9, "hour_to": 9})

    def _hold(self, **vals):
        """Start a series whose mails are held for two hours, but planned three hours ago."""
        now = fields.Datetime.now()
        hour = (now.hour + now.minute / 60 + 2) % 24
        self.account.sudo().tz = "UTC"
        step = {"template_id": self.first.id, "late_hours": 1}
        vals = {"hours_on": True, "hour_from": hour, "hour_to": (hour + 1) % 24, **vals}
        series = self._start(step, {"kind": "wait"}, **vals)
        self._go_on()
        self.assertEqual(set(series.entry_ids.mail_ids.mapped("state")), {"waiting"})
        self.env.cr.execute(
            "UPDATE directmail_series_entry SET mailed_at = mailed_at - interval '3 hours'"
        )
        self.env.invalidate_all()
        return series

    def test_mails_that_are_held_follow_changed_hours(self):
        series = self._hold()
        mails = series.entry_ids.mail_ids
        held_until = mails[0].not_before
        # Held again, for an hour longer.
        later = {name: (series[name] + 1) % 24 for name in ("hour_from", "hour_to")}
        with Form(series) as form:
            self.assertFalse(form.change_notice)
            form.hour_from, form.hour_to = later["hour_from"], later["hour_to"]
            self.assertIn("wait for the present hours (2) follow the new ones", form.change_notice)
        with patch.object(directmail_series_pace, "BATCH", 1):
            self._advance()
        self.assertLessEqual(mails[0].not_before, fields.Datetime.now())
        self._run_cron()
        self.assertEqual(set(mails.mapped("not_before")), {held_until + timedelta(hours=1)})
        self.assertFalse(series.sudo().held_from_id)
        # Sent at once, and none of them is too late.
        series.hours_on = False
        self._advance()
        self._run_cron()
        self.assertEqual(self._get_mailed(self.first), self.people)
        soon = fields.Datetime.now() + timedelta(minutes=2)
        self.assertLess(max(series.entry_ids.mapped("due_at")), soon)
        series.hour_from = 5  # without *Only at certain hours*
        self.assertFalse(series.sudo().held_from_id)

    def test_mails_of_a_paused_series_follow_changed_hours_when_it_goes_on(self):
        series = self._hold()
        series.action_pause()
        series.hours_on = False
        self._advance()
        self._run_cron()
        self.assertFalse(self._get_mailed(self.first))
        series.action_resume()
        self._advance()
        self._run_cron()
        self.assertEqual(self._get_mailed(self.first), self.people)

    def test_people_over_a_limit_are_mailed_when_it_is_raised(self):
        series = self._start({"template_id": self.first.id}, daily_limit=1)
        self._go_on()
        self.assertEqual(len(self._get_mailed(self.first)), 1)
        with Form(series) as form:
            form.daily_limit = 2
            self.assertIn("who wait for the next day (1) are mailed today", form.change_notice)
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people)
        with Form(series) as form:
            form.daily_limit = 1
            self.assertIn("still sent, even if they are more", form.change_notice)

    def test_no_more_mails_per_day_than_the_limit(self):
        series = self._start({"template_id": self.first.id}, daily_limit=1)
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people[0])
        self._go_on()
        self.assertEqual(series.inside_count, 1)
        # The next day.
        series.sudo().planned_day -= timedelta(days=1)
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people)

    def test_mails_that_were_held_overnight_count_for_the_next_day(self):
        series = self._start({"template_id": self.first.id}, daily_limit=1)
        self._advance()
        mail = series.entry_ids.mail_ids
        self.assertEqual(mail.state, "waiting")
        mail.sudo().not_before = fields.Datetime.now() + timedelta(hours=8)
        # The next day, before the held mail is sent.
        series.sudo().planned_day -= timedelta(days=1)
        self._advance()
        self.assertEqual(series.entry_ids.mail_ids, mail)

    def _leave_and_come(self, person):
        person.ref = False
        self.audience.action_refresh()
        person.ref = "series"
        self.audience.action_refresh()

    def test_people_enter_again_and_get_the_mails_again(self):
        series = self._start({"template_id": self.first.id}, {"kind": "wait"}, reentry="always")
        person = self.people[0]
        self._go_on()
        # Still inside.
        self._leave_and_come(person)
        self._go_on()
        self.assertEqual(series.entered_count, 2)
        self._go_on(days=1)
        self.assertEqual(series.finished_count, 2)
        self._leave_and_come(person)
        self._go_on()
        runs = self._get_entry(series, person).sorted("run")
        self.assertEqual(runs.mapped("run"), [1, 2])
        # Both in one month, so by one email task.
        mails = series.step_ids[0].task_ids.delivery_ids
        self.assertEqual(
            mails.filtered(lambda mail: mail.partner_id == person).mapped("state"), ["sent"] * 2
        )
        self.assertEqual(len(mails), 3)
        # Another contact with the same address gets the mail of neither run.
        twin = self._join("p0@customer.example")
        self._go_on()
        self.assertEqual(self._get_entry(series, twin).reason, "not_mailed")

    def test_people_enter_again_after_some_days(self):
        series = self._start({"template_id": self.first.id}, reentry="days", reentry_days=30)
        self._go_on()
        self._leave_and_come(self.people[0])
        self._go_on()
        self.assertEqual(series.entered_count, 2)
        self.env.cr.execute(
            "UPDATE directmail_series_entry SET entered_at = entered_at - interval '30 days'"
        )
        self._leave_and_come(self.people[0])
        self._go_on()
        self.assertEqual(series.entered_count, 3)
        self.assertEqual(len(self._get_entry(series, self.people[0]).mail_ids), 2)
        with self.assertRaisesRegex(ValidationError, "1 to 3660"):
            self._make(reentry="days", reentry_days=0)

    def test_random_people_enter_again_as_in_a_plain_simulation(self):
        """Random joins, leaves and ends, by contact, record and address; 100 series."""
        series = self._make()
        self.env.flush_all()
        people = [("res.partner", self.people[0].id), ("crm.lead", 1), ("crm.lead", 2), (None, 0)]
        runs = set()
        for seed in range(100):
            with self.subTest(seed), self.env.cr.savepoint() as savepoint:
                runs.add(self._simulate_entries(series, Random(seed), people))
                savepoint.rollback()
        self.assertGreater(max(runs), 2)

    def _set_members(self, comes, leaves):
        for model, number in leaves:
            column = "partner_id" if model == "res.partner" else "res_id" if model else "0"
            self.env.cr.execute(
                SQL(
                    """DELETE FROM directmail_audience_member
                        WHERE audience_id = %s AND COALESCE(%s, 0) = %s
                          AND COALESCE(res_model, '') = %s AND (partner_id IS NULL) = %s""",
                    self.audience.id,
                    SQL(column),
                    number,
                    "" if model == "res.partner" else model or "",
                    model != "res.partner",
                )
            )
        for model, number in comes:
            is_contact = model == "res.partner"
            self.env.cr.execute(
                """INSERT INTO directmail_audience_member
                          (audience_id, partner_id, res_model, res_id, email, address_key)
                   VALUES (%s, %s, %s, %s, %s, %s)""",
                [
                    self.audience.id,
                    number if is_contact else None,
                    None if is_contact else model,
                    None if is_contact else number or None,
                    None if is_contact else f"{number}@customer.example",
                    None if is_contact else f"key{number}",
                ],
            )

    def _simulate_entries(self, series, rng, people):
        audience, after, step = self.audience.id, 0, series.step_ids[0].id
        days = rng.choice([None, 0, 1, 30])
        again = None if days is None else timedelta(days=days)
        members, told = set(), {person: [] for person in people}
        now = datetime(2026, 3, 1)
        self.env.cr.execute(
            "DELETE FROM directmail_audience_member WHERE audience_id = %s", [audience]
        )
        for _refresh in range(6):
            now += timedelta(hours=rng.choice([1, 24, 24 * 30]))
            comes = {person for person in people if rng.random() < 0.4} - members
            leaves = {person for person in members if rng.random() < 0.5}
            members = members - leaves | comes
            self._set_members(comes, leaves)
            place = Place(step, now)
            company = series.company_id.id
            engine.enter(
                self.env,
                engine.Entering(series.id, company, audience, after, now, place, again),
                limit=10,
            )
            after = engine.find_last_member(self.env, audience)
            for person in comes:
                entries = told[person]
                if not entries or (
                    again is not None and not entries[-1][1] and entries[-1][0] <= now - again
                ):
                    entries.append([now, True])
            # Some have got to the end.
            for person in people:
                if told[person] and rng.random() < 0.6:
                    told[person][-1][1] = False
                    self.env.cr.execute(
                        """UPDATE directmail_series_entry SET state = 'finished'
                            WHERE series_id = %s AND COALESCE(res_model, CASE WHEN partner_id > 0
                                  THEN 'res.partner' END, '') = %s
                              AND COALESCE(partner_id, res_id, 0) = %s""",
                        [series.id, person[0] or "", person[1]],
                    )
            self.env.cr.execute(
                """SELECT COALESCE(res_model, CASE WHEN partner_id > 0 THEN 'res.partner' END),
                          COALESCE(partner_id, res_id, 0),
                          array_agg(entered_at ORDER BY run), array_agg(run ORDER BY run),
                          bool_or(state = 'inside')
                     FROM directmail_series_entry WHERE series_id = %s GROUP BY 1, 2""",
                [series.id],
            )
            found = {(model, number): rest for model, number, *rest in self.env.cr.fetchall()}
            self.assertEqual(
                found,
                {
                    person: [
                        [moment for moment, _inside in entries],
                        list(range(1, len(entries) + 1)),
                        entries[-1][1],
                    ]
                    for person, entries in told.items()
                    if entries
                },
            )
        return max(map(len, told.values()))
