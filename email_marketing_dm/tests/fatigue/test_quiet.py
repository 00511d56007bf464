from datetime import timedelta
from zoneinfo import ZoneInfo

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import tagged

from ...engine import plan
from ..common_fatigue import HOURS, FatigueCommon


@tagged("post_install", "-at_install")
class TestQuiet(FatigueCommon):
    def _get_triggers(self):
        cron = self.account.sudo().cron_id
        return self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]).mapped("call_at")

    def test_held_until_the_hours_end(self):
        self._set_hours()
        ann = self._make_people("ann@example.com")
        task = self._start(ann)
        self.assertEqual(self._get_fates(task)[ann], ("waiting", False, "hours"))
        self.assertEqual(task.state, "sending")
        [delivery] = task.delivery_ids
        self.assertAlmostEqual(
            delivery.not_before, fields.Datetime.now() + HOURS(1), delta=timedelta(minutes=2)
        )
        self.assertIn("held back", task.waiting_for)
        self.assertIn("Do-not-disturb hours", delivery.explanation)
        self.assertIn("Waiting until", task.held_back)
        self.assertFalse(self.emulator.ledger(task.tag_name))
        # Woken when they end, and not before.
        triggers = [at for at in self._get_triggers() if at > fields.Datetime.now() + HOURS(0.1)]
        self.assertEqual(set(triggers), {delivery.not_before})
        # The hours end.
        self.fatigue.sudo().hours_ids.unlink()
        delivery.sudo().not_before = fields.Datetime.now() - HOURS(1)
        self._run_cron()
        self.assertEqual(self._get_fates(task)[ann], ("sent", False, False))
        self.assertEqual(task.state, "done")

    def test_hours_that_begin_while_a_task_runs(self):
        ann = self._make_people("ann@example.com")
        task = self._start(ann, run=False)
        self.assertFalse(task.delivery_ids.not_before)
        self._set_hours()
        self._run_cron()
        self.assertEqual(self._get_fates(task)[ann], ("waiting", False, "hours"))
        self.assertSumRule(task)

    def test_held_again_where_the_next_hours_begin(self):
        self._set_hours()
        ann = self._make_people("ann@example.com")
        task = self._start(ann)
        task.delivery_ids.sudo().not_before = fields.Datetime.now() - HOURS(1)
        self._run_cron()
        self.assertGreater(task.delivery_ids.not_before, fields.Datetime.now())

    def test_dropped(self):
        self._set_hours(action="drop")
        bob, ann = self._make_people("bob@example.com", "ann@example.com")
        audience = self._make_audience(bob, visibility="public")
        audience.action_refresh()
        self.fatigue.exempt_audience_ids = audience
        task = self._start(ann + bob)
        self.assertEqual(self._get_fates(task)[ann], ("suppressed", "quiet", "hours"))
        self.assertEqual(self._get_fates(task)[bob][0], "sent", "exempt")

    def test_not_after(self):
        self._set_hours(after=3)
        ann = self._make_people("ann@example.com", "bob@example.com")
        early = self._make_task(
            self._make_audience(ann), self.template, not_after=fields.Datetime.now() + HOURS(1)
        )
        late = self._make_task(
            self._make_audience(ann), self.template, not_after=fields.Datetime.now() + HOURS(5)
        )
        (early + late)._refresh_audiences()
        [early_fate] = early.sudo()._count_fates()
        self.assertEqual(early_fate, plan.Fate("quiet", "hours", None))
        [late_fate] = late.sudo()._count_fates()
        self.assertTrue(late_fate.held_until)

    def test_not_after_has_passed(self):
        ann = self._make_people("ann@example.com")
        task = self._start(ann, run=False, not_after=fields.Datetime.now() + HOURS(1))
        task.sudo().not_after = fields.Datetime.now() - HOURS(1)
        self._run_cron()
        self.assertEqual(self._get_fates(task)[ann], ("suppressed", "too_late", False))

    def test_not_after_before_the_start(self):
        soon = fields.Datetime.now() + HOURS(2)
        with self.assertRaises(ValidationError):
            self._make_task(
                self._make_audience(self._make_people("ann@example.com")),
                self.template,
                send_type="scheduled",
                scheduled_at=soon,
                not_after=soon - HOURS(1),
            )

    def test_quiet_period(self):
        today = fields.Datetime.now().astimezone(ZoneInfo(self.account.tz)).date()
        self.fatigue.period_ids = [
            Command.create({"name": "Fair", "first_day": today, "last_day": today})
        ]
        ann = self._make_people("ann@example.com")
        task = self._start(ann)
        self.assertEqual(self._get_fates(task)[ann], ("waiting", False, "period"))
        local = task.delivery_ids.not_before.replace(tzinfo=ZoneInfo("UTC")).astimezone(
            ZoneInfo(self.account.tz)
        )
        self.assertEqual((local.date(), local.hour), (today + timedelta(days=1), 0))

    def test_limit_is_judged_for_the_time_of_leaving(self):
        """Mailed 23 hours ago, held for three: by then the limit of a day has passed."""
        self._set_limits(email_day=1)
        self._set_hours(after=3)
        ann, bob = self._make_people("ann@example.com", "bob@example.com")
        self._add_past(ann, HOURS(23))
        self._add_past(bob, HOURS(20))
        fates = self._get_fates(self._start(ann + bob))
        self.assertEqual(fates[ann], ("waiting", False, "hours"))
        self.assertEqual(fates[bob], ("suppressed", "fatigue", "email_day"))

    def test_zone_of_the_recipient(self):
        self.fatigue.zone = "recipient"
        self.account.sudo().tz = "Asia/Singapore"
        self._set_hours()
        here = self.env.ref("base.sg")
        far, large = self.env.ref("base.uk"), self.env.ref("base.us")
        ann, bob, carl, dora = self._make_people(
            "ann@example.com", "bob@example.com", "carl@example.com", "dora@example.com"
        )
        ann.country_id, bob.country_id, carl.country_id = here, far, large
        fates = self._get_fates(self._start(ann + bob + carl + dora))
        self.assertEqual(fates[ann][0], "waiting")
        self.assertEqual(fates[bob][0], "sent", "another time of day in London")
        self.assertEqual(fates[carl][0], "waiting", "several zones: the account's")
        self.assertEqual(fates[dora][0], "waiting", "no country: the account's")

    def test_zone_of_the_contact_only_where_trusted(self):
        self.fatigue.zone = "recipient"
        self._set_hours()
        ann, bob = self._make_people("ann@example.com", "bob@example.com", tz="Europe/London")
        self.assertEqual(self._get_fates(self._start(ann))[ann][0], "waiting")
        self.fatigue.trust_contact_tz = True
        self.env.flush_all()
        self.assertEqual(self._get_fates(self._start(bob))[bob][0], "sent")

    def test_change_of_settings_lets_the_held_go(self):
        self._set_hours()
        ann = self._make_people("ann@example.com")
        task = self._start(ann)
        self.assertEqual(task.waiting_count, 1)
        self.fatigue.hours_ids = [Command.clear()]
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 1))

    def test_notification_is_not_held(self):
        self._set_hours()
        ann = self._make_people("ann@example.com")
        self.assertEqual(self._get_fates(self._start(ann, is_notification=True))[ann][0], "sent")

    def test_cancelled_while_held(self):
        self._set_hours()
        ann = self._make_people("ann@example.com")
        task = self._start(ann)
        task.action_cancel()
        self._run_cron()
        self.assertEqual(self._get_fates(task)[ann][0], "cancelled")
        self.assertFalse(task.waiting_for)

    # === SETTINGS === #

    def test_bad_hours(self):
        for rows in (
            [{"begin": 8, "finish": 8}],
            [{"begin": 0, "finish": 12}, {"begin": 12, "finish": 24}],
            [{"begin": 25, "finish": 8}],
            [{"begin": -1, "finish": 8}],
        ):
            with self.subTest(rows=rows), self.assertRaises(ValidationError):
                self.fatigue.hours_ids = [Command.clear(), *map(Command.create, rows)]

    def test_twenty_periods(self):
        day = fields.Date.to_date("2027-01-01")
        periods = [
            {"name": f"Day {n}", "first_day": day + timedelta(n), "last_day": day + timedelta(n)}
            for n in range(21)
        ]
        self.fatigue.period_ids = [*map(Command.create, periods[:20])]
        with self.assertRaisesRegex(ValidationError, "21"):
            self.fatigue.period_ids = [Command.create(periods[20])]
