from contextlib import closing

from odoo import fields, models
from odoo.tools import SQL

from ..engine import plan
from .directmail_audience_refresh import RECENT


class DirectmailTask(models.Model):
    """How many people a task would reach, worked out without changing anything."""

    _inherit = "directmail.task"

    def _estimate_people(self, tens=False):
        """Count who would get a mail and why others would not, as the plan would find them now.

        :param bool tens: as for `engine.plan.estimate`
        :return: {`engine.plan.Fate`: number of people}
        :rtype: dict
        :raise UserError: if an audience can't be refreshed
        """
        self.ensure_one()
        if self.planned_at:
            return {plan.Fate(None, None, None): self.waiting_count}
        # Refreshed as for the plan, if that was not done lately, and put back as it was.
        with closing(self.env.cr.savepoint()):
            if not self.use_as_is:
                changed = self._get_all_audiences()._may_have_changed()
                self._refresh_audiences(None if changed else fields.Datetime.now() - RECENT)
            self._check_refreshed()
            self.env.flush_all()
            counts = plan.estimate(self, tens)
        self.env.invalidate_all()
        return counts

    def _count_ahead(self):
        """Return how many mails of other tasks get the account's quota before this one."""
        self.ensure_one()
        [(ahead,)] = self.env.execute_query(
            SQL(
                """SELECT COALESCE(sum(c.value), 0)::bigint
                     FROM directmail_task_counter c JOIN directmail_task t ON t.id = c.task_id
                    WHERE t.account_id = %s AND t.state = 'sending' AND c.name = 'waiting'
                      AND t.id != %s AND t.priority >= %s""",
                self.account_id.id,
                self.id,
                self.priority,
            )
        )
        return ahead
