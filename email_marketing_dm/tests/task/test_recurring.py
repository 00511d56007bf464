from datetime import timedelta

from psycopg2.errors import UniqueViolation

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..common import DirectmailCommon, start_task

CRON = "email_marketing_dm.ir_cron_directmail_recurring"


@tagged("post_install", "-at_install")
class TestRecurring(DirectmailCommon):
    """Recurring email tasks: what their cron makes, skips and stops, and who gets mails."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people("p0@customer.example", "p1@customer.example", ref="repeat")
        cls.audience = cls._make_audience(None, lines=[{"domain": "[('ref', '=', 'repeat')]"}])
        cls.template = cls._make_template()

    def setUp(self):
        super().setUp()
        self.emulator.clear_faults()

    def _make(self, **vals):
        """Make a recurring task, not started; its own next run is half an hour away."""
        values = {
            "send_type": "repeat",
            "repeat_unit": "hour",
            "repeat_minute": self._get_minute(30),
            "repeat_tz": "Asia/Kathmandu",
        }
        return self._make_task(
            self.audience, self.template, **{"name": "Weekly news", **values, **vals}
        )

    def _get_minute(self, later):
        """Return the minute that Kathmandu's clocks, 5:45 ahead, show so many minutes later."""
        return (fields.Datetime.now().minute + 45 + later) % 60

    def _start(self, **vals):
        task = self._make(**vals)
        task.action_send()
        self.assertEqual(task.state, "pending")
        return task

    def _make_daily(self, hours, **vals):
        """Start a daily task whose time is so many hours ago, or less than a minute more."""
        moment = fields.Datetime.now() - timedelta(hours=hours)
        vals.update(repeat_unit="day", repeat_tz="UTC")
        return self._start(repeat_hour=moment.hour + moment.minute / 60, **vals)

    def _let_due(self, task, **ago):
        """Let the next run have been due, by default a minute ago; run the cron."""
        task = task.sudo()
        due = fields.Datetime.now() - timedelta(**(ago or {"minutes": 1}))
        if task.run_ids:
            due = max(due, task.run_ids[0].moment + timedelta(seconds=1))
        task.next_run_at = due
        self._run_recurring()

    def _run_recurring(self):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref(CRON).method_direct_trigger()
        self.env.invalidate_all()

    def _repeat(self, task, **ago):
        """Make the run that is due, and let it mail its people; return it."""
        self._let_due(task, **ago)
        run = task.run_ids[:1].task_id
        self._run_cron()
        return run

    def _get_mailed(self, run):
        deliveries = self.env["directmail.delivery"].search(
            [("task_id", "=", run.id), ("state", "=", "sent")]
        )
        return deliveries.partner_id

    def _join(self):
        return self._make_people("new@customer.example", ref="repeat")

    def test_who_resumes_after_complaints_gets_the_next_runs(self):
        task = self._start()
        run = self._repeat(task)
        self.account.company_id.sudo().directmail_guard_minimum = 2
        self.env["directmail.task.counter"].create(
            [
                {"task_id": run.id, "writer": "events", "name": name, "value": 2}
                for name in ("delivered", "complained")
            ]
        )
        self.assertFalse(self._repeat(task).exists(), "the sender address is over its limit")
        self.assertEqual((task.state, task.pause_reason), ("paused", "run"))
        self.assertIn("reported them as spam", task.state_message)
        task.action_resume()
        self.assertEqual(self._repeat(task).state, "done")

    # === RUNS === #

    def test_each_run_mails_everybody_and_has_its_figures(self):
        task = self._start()
        self.assertGreater(task.next_run_at, fields.Datetime.now())
        first = self._repeat(task)
        second = self._repeat(task)
        self.assertNotEqual(first, second)
        for run in first | second:
            self.assertEqual((run.state, run.recurring_id, run.user_id), ("done", task, self.user))
            self.assertEqual(self._get_mailed(run), self.people)
            self.assertIn("Weekly news, ", run.name)
        self.assertEqual(task.state, "pending")
        self.assertFalse(task.planned_at, "the recurring task mails nobody itself")
        self.assertEqual((task.run_count, task.runs_sent_count), (2, 4))
        self._import_results(first)
        self.env.invalidate_all()
        rows = task.run_ids
        self.assertEqual(rows.mapped("delivered_count"), [0, 2])
        self.assertEqual(task.runs_delivered_count, 2)
        self.assertEqual(task.action_view_runs()["domain"], [("recurring_id", "=", task.id)])

    def test_a_daily_task_runs_again(self):
        """Two runs on one day are told apart by their times."""
        task = self._make_daily(-1)
        task.action_run_now()
        self._run_cron()
        task.run_ids.sudo().moment -= timedelta(minutes=1)
        task.action_run_now()
        self._run_cron()
        runs = task.run_ids.task_id
        self.assertEqual(runs.mapped("state"), ["done", "done"])
        self.assertEqual(len(set(runs.mapped("name"))), 2)
        task.run_ids.sudo()[0].moment -= timedelta(days=3)
        task.run_ids.sudo()[1].moment -= timedelta(days=5)
        self.assertEqual(self._repeat(task).state, "done")

    def test_nobody_twice_where_only_new_people_are_mailed(self):
        """Whatever the later runs send, and a run that has nobody to mail is no failure."""
        task = self._start(repeat_people="new")
        self.assertEqual(self._get_mailed(self._repeat(task)), self.people)
        new = self._join()
        task.template_id = self._make_template(subject="Another subject")
        second = self._repeat(task)
        self.assertEqual(self._get_mailed(second), new)
        self.assertEqual(second.suppressed_count, 2)
        self._repeat(task)
        row = task.run_ids[0]
        self.assertIn("Nobody new", row.note)
        self.assertFalse(row.task_id)
        self.assertEqual((task.state, task.run_count), ("pending", 2))
        later = self._make_people("later@customer.example", ref="repeat")
        self.assertEqual(self._get_mailed(self._repeat(task)), later)

    def test_only_new_people_after_runs_that_mailed_everybody(self):
        task = self._start()
        self._repeat(task)
        new = self._join()
        task.repeat_people = "new"
        self.assertEqual(self._get_mailed(self._repeat(task)), new)

    def test_a_new_run_may_not_claim_who_has_a_ticket(self):
        """Even if the plan were wrong: the ticket of an earlier run stops the later one."""
        task = self._start(repeat_people="new")
        first = self._repeat(task)
        self._join()
        self._let_due(task)
        run = task.run_ids[:1].task_id
        start_task(run.sudo())
        delivery = self.env["directmail.delivery"].search(
            [("task_id", "=", run.id), ("partner_id", "=", self.people[0].id)]
        )
        self.assertEqual(delivery.reason, "family")
        tickets = self.env["directmail.family.mail"]
        content = run.sudo().family_content_id
        self.assertEqual(content, first.sudo().family_content_id)
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(UniqueViolation),
            self.env.cr.savepoint(),
        ):
            ticket = {"id": 0, "content_id": content, "released": False}
            tickets.create({**ticket, "address_key": delivery.address_key})

    def test_a_follow_up_of_a_run_counts_as_a_mail(self):
        task = self._start(repeat_people="new")
        run = self._repeat(task)
        new = self._join()
        wizard = self.env["directmail.task.follow.up"].with_user(self.user)
        action = wizard.create({"task_id": run.id, "people": "joined"}).action_create()
        follow_up = run.browse(action["res_id"])
        self.assertEqual((follow_up.send_type, follow_up.family_id), ("now", task))
        follow_up.action_send()
        self._run_cron()
        self.assertEqual(self._get_mailed(follow_up), new)
        self._repeat(task)
        self.assertIn("Nobody new", task.run_ids[0].note)

    def test_people_of_runs_are_stored_as_long_as_nobody_may_be_mailed_twice(self):
        task = self._start(repeat_people="new")
        run = self._repeat(task)
        run.sudo().finished_at = fields.Datetime.now() - timedelta(days=9999)
        self.account.retention_days = 400
        self.assertNotIn(run, run._get_outdated())
        task.action_stop_repeating()
        self.assertIn(run, run._get_outdated())
        everybody = self._repeat(self._start())
        everybody.sudo().finished_at = run.finished_at
        self.assertIn(everybody, run._get_outdated())

    def test_run_now(self):
        task = self._start(repeat_end="runs", repeat_runs=2)
        following = task.next_run_at
        task.action_run_now()
        self.assertEqual(task.next_run_at, following)
        with self.assertRaisesRegex(UserError, "not finished"):
            task.action_run_now()
        self._run_cron()
        self.assertEqual(self._get_mailed(task.run_ids.task_id), self.people)
        task.run_ids.sudo().moment -= timedelta(hours=1)
        task.action_run_now()
        self.assertEqual((task.state, task.next_run_at), ("done", False))
        with self.assertRaisesRegex(UserError, "does not repeat"):
            task.action_run_now()

    # === MISSED, SKIPPED, ENDED === #

    def test_missed_runs_are_made_up_for_once(self):
        task = self._make_daily(3, repeat_late=4)
        self._let_due(task, days=5, hours=3)
        self.assertEqual(task.run_count, 1)
        self.assertIn("Earlier runs since", task.run_ids.note)
        self.assertLess(task.run_ids.moment, fields.Datetime.now() - timedelta(hours=3, minutes=-2))
        self.assertGreater(task.next_run_at, fields.Datetime.now())
        self._run_recurring()
        self.assertEqual(len(task.run_ids), 1)

    def test_a_run_that_is_too_late_is_skipped(self):
        task = self._make_daily(5, repeat_late=4)
        self._let_due(task, days=5, hours=5)
        self.assertEqual((task.run_count, len(task.run_ids)), (0, 1))
        self.assertIn("not running in time", task.run_ids.note)
        self.assertEqual(task.state, "pending")
        self.assertGreater(task.next_run_at, fields.Datetime.now())

    def test_one_run_at_a_time(self):
        task = self._start()
        self._let_due(task)
        run = task.run_ids.task_id
        self._let_due(task)
        self.assertIn("previous run is not finished", task.run_ids[0].note)
        self.assertEqual(task.run_count, 1)
        run.action_cancel()
        self._let_due(task)
        self.assertEqual(task.run_count, 2)

    def test_a_moment_has_one_run(self):
        task = self._start()
        self._let_due(task)
        row = task.run_ids
        # What a server would do that had seen the old `next_run_at`.
        task.sudo().next_run_at = row.moment
        self._run_recurring()
        self.assertEqual(task.run_ids, row)
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation):
            row.sudo().create({"recurring_id": task.id, "moment": row.moment})

    def test_a_run_without_a_refreshed_audience_is_skipped_where_the_owner_wants_it(self):
        self.audience.action_refresh()
        task = self._start(repeat_refreshed=True, use_as_is=True)
        self._repeat(task)
        self._let_due(task)
        self.assertIn("no audience was refreshed", task.run_ids[0].note)
        self.audience.sudo().refreshed_at = fields.Datetime.now() + timedelta(seconds=1)
        self._let_due(task)
        self.assertEqual(task.run_count, 2)

    def test_it_ends_after_its_runs(self):
        task = self._start(repeat_end="runs", repeat_runs=2)
        self.assertEqual(len(task.repeat_next.splitlines()), 2)
        self._repeat(task)
        self.assertEqual(len(task.repeat_next.splitlines()), 1)
        self._repeat(task)
        self.assertEqual((task.state, task.next_run_at), ("done", False))
        self.assertTrue(task.finished_at)

    def test_it_ends_on_its_last_day(self):
        today = fields.Date.today()
        task = self._make_daily(0, repeat_end="date", repeat_until=today + timedelta(days=1))
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_task SET repeat_until = %s WHERE id = %s", [today, task.id]
        )
        self.env.invalidate_all()
        self._let_due(task)
        self.assertEqual((task.state, task.run_count), ("done", 1))

    def test_an_end_in_the_past_is_told(self):
        yesterday = fields.Date.today() - timedelta(days=2)
        task = self._make(repeat_end="date", repeat_until=yesterday)
        self.assertIn("repeat_end", [name for name, _text in task._find_problems()])
        with self.assertRaisesRegex(UserError, "later day"):
            task.action_send()

    def test_a_run_that_waited_too_long_is_skipped(self):
        task = self._start()
        self._let_due(task)
        run = task.run_ids.task_id
        run.sudo().scheduled_at = fields.Datetime.now() - timedelta(days=6)
        self._run_cron()
        self.assertFalse(run.exists())
        self.assertIn("scheduled time", task.run_ids.note)
        self.assertEqual((task.state, task.run_count), ("pending", 0))

    # === STOPS === #

    def test_an_owner_without_rights_stops_it(self):
        task = self._start()
        self.user.sudo().group_ids = [fields.Command.clear()]
        self._check_stop(task, "no longer in the group")

    def test_an_account_that_is_not_active_stops_it(self):
        task = self._start()
        self.account.action_deactivate()
        self._check_stop(task, "account is not active")
        self.account.action_activate()
        task.action_resume()
        self.assertEqual(self._get_mailed(self._repeat(task)), self.people)

    def test_a_sender_address_that_is_gone_stops_it(self):
        task = self._start()
        self.sender.sudo().frozen = True
        self._check_stop(task, "sender address")

    def _check_stop(self, task, reason):
        """The owner is told why, and no run is made until the task goes on."""
        self._let_due(task)
        task = task.sudo()
        self.assertEqual((task.state, task.pause_reason), ("paused", "run"))
        self.assertIn(reason, task.state_message)
        self.assertIn(reason, task.run_ids.note)
        self.assertFalse(task.next_run_at or task.run_ids.task_id)
        self.assertEqual(task.activity_ids.user_id, self.user)
        self._run_recurring()
        self.assertEqual(len(task.run_ids), 1)

    def test_a_template_that_lapses_stops_it_and_resuming_goes_on(self):
        task = self._start()
        self._let_due(task)
        run = task.run_ids.task_id
        self.template.sudo().state = "lapsed"
        self.template.sudo()._get_tasks("pending", "sending", "paused")._on_review(self.template)
        self.assertFalse(run.exists(), "a run that did not start leaves its reason only")
        self.assertEqual((task.state, task.next_run_at), ("paused", False))
        self.assertEqual(len(task.activity_ids), 1)
        self.template.sudo().state = "approved"
        task.action_resume()
        self.assertEqual((task.state, task.state_message), ("pending", False))
        self.assertGreater(task.next_run_at, fields.Datetime.now())
        self.assertFalse(task.activity_ids)

    def test_an_audience_that_cannot_be_refreshed_stops_it(self):
        task = self._start()
        line = self.audience.line_ids.sudo()
        self.env.cr.execute(
            "UPDATE directmail_audience_line SET domain = %s WHERE id = %s",
            ["[('no_such_field', '=', 1)]", line.id],
        )
        line.invalidate_recordset()
        self._let_due(task)
        self.assertEqual((task.state, task.pause_reason), ("paused", "run"))
        self.assertIn(self.audience.name, task.state_message)

    def test_a_new_owner_decides_first(self):
        task = self._start()
        task.with_user(self.admin).user_id = self.other
        self.assertEqual((task.state, task.next_run_at), ("draft", False))

    def test_paused_archived_and_stopped_tasks_make_no_runs(self):
        task = self._start()
        task.action_pause()
        self.assertEqual(
            (task.state, task.pause_reason, task.next_run_at), ("paused", "user", False)
        )
        task.action_resume()
        self.assertTrue(task.next_run_at)
        task.action_archive()
        self.assertEqual((task.state, task.next_run_at), ("paused", False))
        task.action_unarchive()
        task.action_resume()
        task.action_stop_repeating()
        self.assertEqual((task.state, task.next_run_at), ("done", False))
        self._run_recurring()
        self.assertFalse(task.run_ids)

    # === SETTINGS === #

    def test_changes_apply_to_the_next_runs(self):
        task = self._start()
        first = self._repeat(task)
        other = self._make_audience(self.people[1], name="Another one")
        minute = self._get_minute(20)
        task.write({"audience_ids": [fields.Command.set(other.ids)], "repeat_minute": minute})
        self.assertEqual(task.next_run_at.minute, (minute + 15) % 60)
        second = self._repeat(task)
        self.assertEqual(first.audience_ids, self.audience)
        self.assertEqual(self._get_mailed(second), self.people[1])

    def test_what_cannot_repeat_is_refused(self):
        for vals in (
            {"repeat_unit": "week", "mon": False},
            {"repeat_unit": "month", "repeat_day": 32},
            {"repeat_hour": 24},
            {"repeat_minute": 60},
            {"repeat_end": "date"},
            {"repeat_end": "runs", "repeat_runs": 0},
            {"repeat_late": 25},
            {"repeat_tz": False},
        ):
            with self.subTest(vals=vals), self.assertRaises(ValidationError):
                self._make(**vals)
        task = self._make()
        with self.assertRaisesRegex(UserError, "A/B test"):
            task.action_add_version()
        test = self._make(send_type="now")
        action = test.action_add_version()
        versions = self.env["directmail.task.version"].with_user(self.user)
        versions.with_context(**action["context"]).create({"subject": "Only this week"})
        with self.assertRaisesRegex(ValidationError, "A/B test"):
            test.send_type = "repeat"

    def test_whether_it_repeats_is_fixed_once_it_was_started(self):
        task = self._start()
        with self.assertRaisesRegex(UserError, "after it was started"):
            task.send_type = "now"
        with self.assertRaisesRegex(UserError, "repeats"):
            task.calendar_at = fields.Datetime.now() + timedelta(days=1)
        with self.assertRaisesRegex(UserError, "still repeats"):
            task.unlink()
        self._repeat(task)
        task.action_stop_repeating()
        with self.assertRaises(UserError):
            task.unlink()
        copied = task.copy()
        self.assertEqual((copied.send_type, copied.state, copied.run_count), ("repeat", "draft", 0))
        self.assertFalse(task.run_ids.task_id.copy().recurring_id)

    def test_next_runs_are_told_in_the_zones_of_task_and_user(self):
        self.user.tz = "Europe/Berlin"
        form = Form(
            self.env["directmail.task"].with_user(self.user).with_context(tz="Europe/Berlin")
        )
        form.name = "News"
        form.send_type = "repeat"
        form.repeat_unit = "month"
        form.repeat_day = 31
        form.repeat_hour = 9.5
        lines = form.repeat_next.splitlines()
        self.assertEqual([line.count("Europe/Berlin") for line in lines], [1, 1])
        self.assertIn("9:30", lines[0])
        form.repeat_tz = "Asia/Shanghai"
        self.assertRegex(
            form.repeat_next, r"9:30.AM \(Asia/Shanghai\), for you .*\(Europe/Berlin\)"
        )

    def test_it_is_told_in_a_sentence(self):
        task = self._make(repeat_unit="week", thu=True, repeat_hour=9.5)
        self.assertEqual(
            task.repeat_summary.replace("\u202f", " "),
            "Every week · Monday and Thursday · 9:30 AM (Asia/Kathmandu)",
        )
        task.write({"repeat_unit": "month", "repeat_day": 31, "repeat_end": "runs"})
        self.assertIn("day 31", task.repeat_summary)
        self.assertIn("number of runs: 10", task.repeat_summary)

    # === RIGHTS === #

    def test_rights_are_those_of_the_task(self):
        task = self._start()
        self._let_due(task)
        row = task.run_ids
        for name in ("action_run_now", "action_stop_repeating", "action_view_runs", "action_pause"):
            with self.subTest(name), self.assertRaises(AccessError):
                getattr(task.with_user(self.other), name)()
        self.assertFalse(row.with_user(self.other).search([("id", "=", row.id)]))
        with self.assertRaises(AccessError):
            row.with_user(self.other).action_open()
        for vals in ({"moment": fields.Datetime.now()}, {"task_id": False}):
            with self.assertRaises(AccessError):
                row.with_user(self.admin).write(vals)
        for name in ("next_run_at", "recurring_id"):
            with self.assertRaises(AccessError):
                task.with_user(self.user).write({name: False})
        self.assertEqual(row.with_user(self.user).action_open()["res_id"], row.task_id.id)

    def test_a_run_of_another_owner_tells_no_figures(self):
        task = self._start()
        run = self._repeat(task)
        run.with_user(self.admin).user_id = self.other
        row = task.run_ids.with_user(self.user)
        self.env.invalidate_all()
        self.assertEqual((row.sent_count, task.with_user(self.user).runs_sent_count), (0, 0))
        self.assertEqual(row.with_user(self.admin).sent_count, 2)
