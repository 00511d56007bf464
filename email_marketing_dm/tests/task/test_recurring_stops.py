from datetime import timedelta

from psycopg2.errors import UniqueViolation

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..common_recurring import RecurringCommon


@tagged("post_install", "-at_install")
class TestRecurringStops(RecurringCommon):
    """Runs of recurring email tasks that are missed or skipped, and what ends or stops a task."""

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
