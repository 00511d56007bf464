import logging
from datetime import datetime, timedelta

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..groups import GROUP_ADMIN
from .directmail_poll import LISTS

_logger = logging.getLogger(__name__)

# What is wrong with the account or its line: the other records could not be read either, and
# waiting for each of them would be at the cost of other accounts.
TROUBLE = ("credentials", "clock", "unreachable", "not_directmail", "throttled", "server")
QUICKLY, SLOWLY = timedelta(hours=6), timedelta(hours=1)


class DirectmailAccount(models.Model):
    """Asking DirectMail what became of the mails, who unsubscribed and who complained."""

    _inherit = "directmail.account"

    poll_calls = fields.Integer(
        "Calls per import",
        default=100,
        help="How often DirectMail is asked for results in one import, every ten minutes. A call"
        " brings the results of 100 mails; what is left is read by the next import.",
    )
    bounce_limit = fields.Integer(
        "Bounces until no more mail",
        default=1,
        help="An address that does not exist gets no more mail after so many bounces. 0: it is"
        " mailed all the same, which harms your reputation.",
    )
    poll_ids = fields.One2many(
        "directmail.poll", "account_id", "Records read", readonly=True, groups=GROUP_ADMIN
    )

    _poll_calls_range = models.Constraint(
        "CHECK(poll_calls BETWEEN 1 AND 10000)", "Calls per import must be between 1 and 10,000."
    )
    _bounce_limit_range = models.Constraint(
        "CHECK(bounce_limit >= 0)", "Bounces can't be fewer than none."
    )

    def _poll(self):
        """Read on in this account's records, the longest unread first, within its budget."""
        self.ensure_one()
        if self.state == "active" and not self._is_armed():
            return
        polls = self.env["directmail.poll"]
        sources = [(polls._get(self, kind), None) for kind in LISTS]
        sources += [
            (polls._get(self, "details", task), task) for task in self._get_unsettled_tasks()
        ]
        calls, cron = self.poll_calls, self.env.context.get("cron_id")
        for poll, task in sorted(sources, key=lambda source: source[0].read_at or datetime.min):
            try:
                calls = task._read_results(calls) if task else poll._read(calls)
            except UserError as error:
                _logger.warning("DirectMail account %s: %s", self.id, error)
                if getattr(error.__cause__, "kind", None) in TROUBLE:
                    break
                # The key may be allowed to read some records and not others.
            if calls <= 0 or cron and not self.env["ir.cron"]._commit_progress():
                break

    def _order_for_polling(self):
        """Return these accounts, the longest unread first."""
        rows = self.env["directmail.poll"]._read_group(
            [("account_id", "in", self.ids)], ["account_id"], ["read_at:max"]
        )
        read_at = {account: moment for account, moment in rows if moment}
        return self.sorted(lambda account: read_at.get(account, datetime.min))

    def _get_unsettled_tasks(self):
        """Return the tasks whose mails have no outcome yet, the longest unread first.

        What has no outcome after hours is looked for once an hour only. Whatever a user has begun
        to read is read to its end.
        """
        now = fields.Datetime.now()
        task = self.env["directmail.task"]
        tasks = task.search(task._get_unsettled_domain() & Domain("account_id", "=", self.id))
        begun = self.poll_ids.filtered(lambda poll: poll.end and not poll.error).task_id
        return (
            (tasks | begun)
            .filtered(
                lambda task: (
                    task in begun
                    or not task._is_settled()
                    and not (
                        (last := task._get_last_moment())
                        and last < now - QUICKLY
                        and task.results_at
                        and task.results_at > now - SLOWLY
                    )
                )
            )
            .sorted(lambda task: task.results_at or task.planned_at)
        )
