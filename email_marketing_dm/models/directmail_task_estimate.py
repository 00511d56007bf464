from contextlib import closing

from odoo import fields, models
from odoo.tools import SQL

from ..engine import plan
from ..engine.tens import in_tens_to_sql
from .directmail_audience_refresh import RECENT
from .directmail_task_tens import UNTOLD


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
            waiting = self.waiting_count
            told = self._tell_state("waiting", waiting) if tens else waiting
            return {plan.Fate(None, None, None): told}
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
        """Return how many mails of other tasks get the account's quota before this one.

        Of tasks that mix in people whom not everybody may see, in tens.
        """
        self.ensure_one()
        [(ahead,)] = self.env.execute_query(
            SQL(
                """SELECT COALESCE(sum(CASE WHEN in_tens THEN %(told)s ELSE waiting END), 0)::bigint
                     FROM (SELECT t.in_tens, t.tens_mark, sum(c.value)::int AS waiting
                             FROM directmail_task_counter c
                             JOIN directmail_task t ON t.id = c.task_id
                            WHERE t.account_id = %(account)s AND t.state = 'sending'
                              AND c.name = 'waiting' AND t.id != %(task)s
                              AND t.priority >= %(priority)s
                            GROUP BY t.id) AS ahead""",
                told=in_tens_to_sql(SQL("waiting"), SQL("tens_mark"), UNTOLD["waiting"]),
                account=self.account_id.id,
                task=self.id,
                priority=self.priority,
            )
        )
        return ahead
