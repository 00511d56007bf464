from odoo import fields

from .common import DirectmailCommon
from .common_events import EventsMixin


class GuardCommon(EventsMixin, DirectmailCommon):
    """Email tasks that are being sent, with figures as if results had arrived."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people("guard-1@example.com", "guard-2@example.com")
        cls.audience = cls._make_audience(cls.people)
        cls.template = cls._make_template()
        cls.company = cls.account.company_id.sudo()

    def _sending(self, sender=None, **figures):
        """Make a task that is being sent, with these figures so far."""
        task = self._make_task(self.audience, self.template, sender_id=(sender or self.sender).id)
        task.sudo().write({"planned_at": fields.Datetime.now(), "state": "sending"})
        self._count(task, **figures)
        return task

    def _count(self, task, **figures):
        counters = self.env["directmail.task.counter"]
        for name, value in figures.items():
            of_name = counters.search([("task_id", "=", task.id), ("name", "=", name)])
            if of_name:
                of_name.value += value
            else:
                counters.create(
                    {"task_id": task.id, "writer": "events", "name": name, "value": value}
                )

    def _guard(self):
        self.env.flush_all()
        self.env["directmail.sender"]._guard(self.company)
        self.env.invalidate_all()

    def _notes(self, task):
        return task.message_ids.filtered(
            lambda message: "example.com" in message.body and "%" in message.body
        )
