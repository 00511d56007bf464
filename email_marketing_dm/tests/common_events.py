from datetime import timedelta

from odoo import fields

from ..engine.events import Fact

START = fields.Datetime.to_datetime("2026-11-01 10:00:00")


class EventsMixin:
    def setUp(self):
        super().setUp()
        self.env["ir.config_parameter"].set_param("email_marketing_dm.machine_seconds", "0")
        self.events = self.env["directmail.event"].sudo()

    def _send(self, *emails, **vals):
        """Send a task to new people and return its deliveries in their order."""
        people = self._make_people(*emails)
        task = self._make_task(self._make_audience(people), **vals)
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "done")
        self.task = task.sudo()
        return self.task.delivery_ids.sorted("id")

    def _tell(self, delivery, kind, seconds=0, **values):
        """Let something have happened so many seconds after START."""
        values = {
            "source": "push",
            "occurred_at": START + timedelta(seconds=seconds),
            "company_id": self.account.company_id.id,
            "account_id": self.account.id,
            "delivery_id": delivery.id if delivery else None,
            **values,
        }
        self.env.flush_all()
        return self.events._receive([Fact(kind=kind, **values)])

    def _apply(self):
        self.events._apply_all(self.account.company_id)
        self.env.invalidate_all()
        self.assertSumRule(self.task)
