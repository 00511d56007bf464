from datetime import timedelta
from zoneinfo import ZoneInfo

from odoo import fields
from odoo.fields import Command
from odoo.tools import SQL

from .common import DirectmailCommon, start_task


class FatigueCommon(DirectmailCommon):
    """A company with fatigue control, and helpers that record earlier messages to people."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.fatigue = cls.env["directmail.fatigue"].with_user(cls.admin).create({})
        cls.template = cls._make_template()
        cls.old_task = cls._make_task(cls.env["directmail.audience"], cls.template)

    def _set_limits(self, **limits):
        """Set limits, such as email_week=3; the others stay."""
        for name, number in limits.items():
            scope, span = name.split("_")
            rule = self.fatigue.rule_ids.filtered(lambda rule, span=span: rule.span == span)
            rule[f"{scope}_limit"] = number
        self.env.flush_all()

    def _set_hours(self, before=1.0, after=1.0, **vals):
        """Make the time from some hours before now until some hours after now quiet."""
        now = fields.Datetime.now().astimezone(ZoneInfo(self.account.tz))
        hour = now.hour + now.minute / 60
        self.fatigue.hours_ids = [
            Command.create({"begin": (hour - before) % 24, "finish": (hour + after) % 24, **vals})
        ]
        self.env.flush_all()

    def _add_past(self, person, *ages, state="sent", company=None, **vals):
        """Record a mail to a contact at each of these ages.

        :param ages: `timedelta`s
        """
        key = self.env["directmail.keyring"]._get_master_key()
        for age in ages:
            row = {
                "task_id": self.old_task.id,
                "account_id": self.account.id,
                "company_id": (company or self.account.company_id).id,
                "partner_id": person.id,
                "email": person.email_normalized,
                # One delivery per task and address: this one stands for one of another task.
                "address_key": key.address_key(person.email_normalized),
                "state": state,
                "claimed_at": fields.Datetime.now() - age,
                **vals,
            }
            task = self.old_task.copy()
            row["task_id"] = task.id
            self.env.flush_all()
            self.env.cr.execute(
                SQL(
                    "INSERT INTO directmail_delivery (%s) VALUES %s",
                    SQL(", ").join(map(SQL.identifier, row)),
                    tuple(row.values()),
                )
            )

    def _start(self, people, run=True, **vals):
        """Send a task to people; with `run` the sending cron runs once."""
        task = self._make_task(self._make_audience(people), self.template, **vals)
        task.action_send()
        if run:
            self._run_cron()
        else:
            start_task(task.sudo())
            self.env.invalidate_all()
        return task

    def _get_fates(self, task):
        """Return {contact: (state, reason, rule)}, after checking the sum rule."""
        self.env.invalidate_all()
        self.assertSumRule(task)
        return {
            delivery.partner_id: (delivery.state, delivery.reason, delivery.fatigue_rule)
            for delivery in self.env["directmail.delivery"].search([("task_id", "=", task.id)])
        }


MINUTES, HOURS, DAYS = (
    lambda number, unit=unit: timedelta(**{unit: number}) for unit in ("minutes", "hours", "days")
)
