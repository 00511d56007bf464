import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.service.model import retrying
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

BATCH = 20_000


class DirectmailTask(models.Model):
    """After a while a task's people are forgotten; its figures are not."""

    _inherit = "directmail.task"

    @api.model
    def _cron_remove_details(self):
        """Forget the people of tasks that ended long ago, a batch at a time."""
        cron = self.env["ir.cron"]
        tasks = self._get_outdated()
        cron._commit_progress(remaining=len(tasks))
        for task in tasks:
            while retrying(task._remove_details, self.env):
                if not cron._commit_progress():
                    return
            if not cron._commit_progress(1):
                return

    @api.model
    def _get_outdated(self):
        """Return the tasks whose people's details have been kept for long enough."""
        outdated = self.browse()
        accounts = self.env["directmail.account"].with_context(active_test=False)
        for account in accounts.search([("retention_days", ">", 0)]):
            before = fields.Datetime.now() - timedelta(days=account.retention_days)
            outdated |= self.with_context(active_test=False).search(
                [
                    ("account_id", "=", account.id),
                    ("state", "in", ("done", "cancelled")),
                    ("finished_at", "<", before),
                    ("planned_at", "!=", False),
                    "|",
                    ("details_removed_at", "=", False),
                    ("delivery_ids", "!=", False),
                ]
            )
        return outdated

    def _remove_details(self):
        """Delete some of the task's people, after writing down what they add up to.

        :return: whether some are left
        :rtype: bool
        """
        self.ensure_one()
        if not self.details_removed_at:
            self.write(
                {
                    "details_totals": self._count_details(),
                    "details_removed_at": fields.Datetime.now(),
                }
            )
        self.env.flush_all()
        removed = self.env.execute_query(
            SQL(
                """DELETE FROM directmail_delivery WHERE id IN (
                        SELECT id FROM directmail_delivery WHERE task_id = %s LIMIT %s
                   ) RETURNING id""",
                self.id,
                BATCH,
            )
        )
        self.env["directmail.delivery"].invalidate_model()
        self.env["directmail.event"].invalidate_model()
        if removed:
            _logger.info("Email task %s: details of %s people removed", self.id, len(removed))
        return len(removed) == BATCH
