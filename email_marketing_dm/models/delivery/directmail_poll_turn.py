import logging
from datetime import datetime, timedelta
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import retrying

from .directmail_poll import LISTS

_logger = logging.getLogger(__name__)
# Account or network error: stop polling this account. Its other records would fail too, and the
# time-out of each would delay the other accounts.
TROUBLE = ("credentials", "clock", "unreachable", "not_directmail", "throttled", "server")
# A task whose last mail went out more than QUICKLY ago is read only once per SLOWLY.
QUICKLY, SLOWLY = timedelta(hours=6), timedelta(hours=1)


class DirectmailPoll(models.Model):
    """Reading of results: whose records are read next, and what becomes of them.

    Calls go one way. The cron calls `_read_accounts`, which calls `_read_account`, which calls
    `_read_task` for tasks and `_read` for the lists of an account; the button *Check results* of a
    task calls `_read_task`. `_read_task` calls `_read`, then `directmail.task._apply_results`.
    `_read` asks DirectMail with the account's client. Accounts and tasks do not call back.
    """

    _inherit = "directmail.poll"

    @api.model
    def _read_accounts(self):
        """Read the records of every active or stopped account, longest waiting first.

        An account that is not reached is read first by the next run. An error of one account is
        logged and does not keep the others from being read.
        """
        accounts = self.env["directmail.account"].search([("state", "in", ("active", "stopped"))])
        self.env["ir.cron"]._commit_progress(remaining=len(accounts))
        for account in self._order_accounts(accounts):
            try:
                self._read_account(account)
            except Exception:
                self.env.cr.rollback()
                _logger.exception("The results of DirectMail account %s can't be read", account.id)
                account.poll_ids.read_at = fields.Datetime.now()
            if not self.env["ir.cron"]._commit_progress(1):
                break

    @api.model
    def _read_account(self, account):
        """Read an account's records, least recently read first, in at most `poll_calls` calls."""
        if account.state == "active" and not account._is_armed():
            return
        sources = [(self._get(account, kind), None) for kind in LISTS]
        sources += [
            (self._get(account, "details", task), task)
            for task in self._get_unsettled_tasks(account)
        ]
        calls, cron = account.poll_calls, self.env.context.get("cron_id")
        for poll, task in sorted(sources, key=lambda source: source[0].read_at or datetime.min):
            try:
                calls = self._read_task(task, calls)[0] if task else poll._read(calls)
            except UserError as error:
                _logger.warning("DirectMail account %s: %s", account.id, error)
                if getattr(error.__cause__, "kind", None) in TROUBLE:
                    break
                # Go on after other errors: RAM may allow the key to read the other records.
            if calls <= 0 or cron and not self.env["ir.cron"]._commit_progress():
                break

    @api.model
    def _read_task(self, task, calls, facts=None):
        """Continue reading DirectMail's records of a task, and apply them.

        :param int calls: number of calls to DirectMail that may be made
        :param int facts: number of facts to apply at most; all by default
        :return: (number of calls that are left, False if records or facts may be left)
        :rtype: tuple[int, bool]
        :raise UserError: if DirectMail can't be called
        """
        if not task.planned_at:
            return calls, True
        poll = self._get(task.account_id, "details", task)
        calls = poll._read(calls, begin=task._get_first_open())
        apply = partial(task._apply_results, poll, facts)
        complete = retrying(apply, self.env) if self.env.context.get("cron_id") else apply()
        return calls, complete and not poll.end

    @api.model
    def _order_accounts(self, accounts):
        """Return these accounts, least recently read first."""
        rows = self._read_group(
            [("account_id", "in", accounts.ids)], ["account_id"], ["read_at:max"]
        )
        read_at = {account: moment for account, moment in rows if moment}
        return accounts.sorted(lambda account: read_at.get(account, datetime.min))

    @api.model
    def _get_unsettled_tasks(self, account):
        """Return an account's tasks with mails without an outcome, least recently read first.

        A task whose last mail is older than QUICKLY is left out if it was read within SLOWLY. A
        window of records that was begun is read to its end, whatever the task's outcomes.
        """
        now = fields.Datetime.now()
        task = self.env["directmail.task"]
        tasks = task.search(task._get_unsettled_domain() & Domain("account_id", "=", account.id))
        begun = account.poll_ids.filtered(lambda poll: poll.end and not poll.error).task_id
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
