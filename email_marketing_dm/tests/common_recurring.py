from datetime import timedelta

from odoo import fields

from .common import DirectmailCommon

CRON = "email_marketing_dm.ir_cron_directmail_recurring"


class RecurringCommon(DirectmailCommon):
    """Two people in an audience, and helpers that make recurring email tasks and their runs."""

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
