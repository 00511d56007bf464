from datetime import timedelta

from psycopg2.errors import UniqueViolation

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..common import start_task
from ..common_recurring import RecurringCommon


@tagged("post_install", "-at_install")
class TestRecurring(RecurringCommon):
    """Recurring email tasks: their runs and who gets their mails, settings and rights."""

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
