import logging
from datetime import datetime, time, timedelta, timezone
from functools import partial

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.service.model import retrying
from odoo.tools import SQL, config

from ...directmail.const import BEIJING
from ...engine.claim import FREE_AT, expire_leases
from ...engine.dispatcher import is_passing
from ...engine.versions import HELD

_logger = logging.getLogger(__name__)
# Longest run outside a cron; Odoo gives a cron about ten seconds.
RUN_SECONDS = 600
# Longest run of a cron while `_may_go_on`: prolonged, because between two runs nothing is sent.
LONGEST_SECONDS = 40
# Versions without an approved template; version A sends the task's own.
UNREADY = [
    ("letter", "!=", "A"),
    "|",
    ("template_id", "=", False),
    ("template_id.state", "!=", "approved"),
]


class DirectmailAccount(models.Model):
    """The sending cron: one per account, so that accounts send side by side.

    It does not send from a copied database, for an account that DirectMail refuses, or without
    quota.
    """

    _inherit = "directmail.account"

    refusal_limit = fields.Integer(
        "Refusals in a row",
        default=5,
        help="An email task is paused when DirectMail refuses this number of recipients in a row"
        " with the same code. Fewer recipients are only marked as refused, and the task continues."
        " Raise the limit if your lists contain many addresses that DirectMail refuses.",
    )

    _refusal_range = models.Constraint(
        "CHECK(refusal_limit BETWEEN 2 AND 1000)",
        "Refusals in a row must be between 2 and 1,000.",
    )

    @api.model
    def _cron_send(self, account_id):
        """Start due tasks, send until the cron's time is up, and schedule the next run."""
        account = self.browse(account_id).exists()
        if not account:
            return
        since = self.env.cr.now()
        retrying(account._cancel_rest, self.env)
        if self.env["directmail.keyring"]._find_problem():
            return
        self.env["mail.blacklist"]._complete_keys()
        self.env["ir.cron"]._commit_progress()
        if not self.env["directmail.unsubscribe.request"]._apply_open():
            # sudo(): the account's cron calls this, not a user.
            account.sudo().cron_id._trigger()
            return
        if not account._is_armed() or not retrying(account._find_emulator, self.env):
            self.env["ir.cron"]._commit_progress()
            return
        retrying(account._warn_of_expiry, self.env)
        # sudo(): the account's cron calls this, not a user.
        retrying(lambda: self.env["directmail.sender"].sudo()._end_warm_ups(account), self.env)
        self.env["ir.cron"]._commit_progress()
        account._start_due_tasks()
        if not account._send(since):
            # Without a dispatcher, nothing else does this: calls of paused and cancelled tasks may
            # have been under way when a server died.
            retrying(lambda: expire_leases(self.env, account.id), self.env)
            self.env["ir.cron"]._commit_progress()
        self.env["directmail.task"]._decide_tests(account)
        # Retried, because a user or the import of results may write the same task concurrently.
        retrying(account._finish_tasks, self.env)
        self.env["ir.cron"]._commit_progress()
        if not account._get_capacity().quota:
            retrying(account._tell_waiting_for_quota, self.env)
        account._schedule_next_run()

    def _cancel_rest(self):
        """Cancel waiting deliveries of tasks that were cancelled while mails were being sent."""
        self.ensure_one()
        rows = self.env.execute_query(
            SQL(
                """SELECT id FROM directmail_task t
                    WHERE account_id = %s AND state = 'cancelled' AND EXISTS (
                          SELECT 1 FROM directmail_delivery
                           WHERE task_id = t.id AND state = 'waiting')""",
                self.id,
            )
        )
        for task in self.env["directmail.task"].browse(row[0] for row in rows):
            task._cancel_waiting()

    def _start_due_tasks(self):
        """Prepare and launch the due tasks; commit after each step."""
        for task in self._get_due_tasks():
            # The task's owner reads the messages that the cron writes.
            task = task._with_owner_language()
            for step in (task._prepare, task._launch):
                goes_on = retrying(partial(self._take_step, task, step), self.env)
                self.env["ir.cron"]._commit_progress()
                if not goes_on:
                    break

    def _take_step(self, task, step):
        """Run a step of a task's start; an unforeseen error fails this task, not the others.

        :param step: `_prepare` or `_launch` of the task
        :return: whether to run the next step
        :raise Exception: a passing error (`is_passing`), for `retrying`
        """
        try:
            with self.env.cr.savepoint():
                goes_on = step()
                self.env.flush_all()
                return goes_on
        except Exception as error:
            if is_passing(error):
                raise
            _logger.exception("Email task %s can't be started", task.id)
            task._fail(
                task.env._(
                    "An unexpected error occurred while the mails were being prepared. Nobody else"
                    " was mailed. Ask an administrator to check the server's log, then send again."
                )
            )

    def _get_due_tasks(self):
        """Return the pending tasks with an approved template that are due or already planned."""
        self.ensure_one()
        return self.env["directmail.task"].search(
            [
                ("account_id", "=", self.id),
                ("state", "=", "pending"),
                ("send_type", "!=", "repeat"),
                ("template_id.state", "=", "approved"),
                ("version_ids", "not any", UNREADY),
                "|",
                "|",
                ("planned_at", "!=", False),
                ("scheduled_at", "=", False),
                ("scheduled_at", "<=", fields.Datetime.now()),
            ],
            order="priority desc, scheduled_at, id",
        )

    def _send(self, since):
        """Run the dispatcher until nothing is left or the cron's time is up.

        :param datetime since: when the cron began (naive UTC)
        :return: whether there was anything to send
        :rtype: bool
        """
        self.ensure_one()
        if not self.env["directmail.task"].search_count(
            [("account_id", "=", self.id), ("state", "=", "sending")], limit=1
        ):
            return False
        # Odoo counts a cron as failed after three time-outs without reported progress. Reset its
        # counter, because the dispatcher commits progress in transactions of its own.
        # sudo(): the cron calls this, not a user; the row is that of its own run.
        progress = self.env["ir.cron.progress"].sudo()
        progress.browse(self.env.context.get("ir_cron_progress_id")).timed_out_counter = 0
        # Commits: a snapshot open for the whole run would keep vacuum from removing rows.
        seconds = self.env["ir.cron"]._commit_progress(remaining=1)
        dispatcher = self._make_dispatcher()
        try:
            dispatcher.run(
                min(seconds, RUN_SECONDS),
                self._get_longest_run(),
                lambda env: self.with_env(env)._may_go_on(since),
            )
        finally:
            dispatcher.close()
        # Begin a new snapshot and drop the cache, to see what the dispatcher has committed.
        self.env["ir.cron"]._commit_progress(dispatcher.answered)
        self.env.invalidate_all()
        return True

    @api.model
    def _get_longest_run(self):
        """Return the seconds of a prolonged run.

        At most a third of the time after which Odoo kills a cron: calls that are under way at the
        end of the run are waited for.
        """
        limit = config["limit_time_real_cron"]
        limit = config["limit_time_real"] if limit < 0 else limit
        return min(LONGEST_SECONDS, limit / 3) if limit > 0 else LONGEST_SECONDS

    def _may_go_on(self, since):
        """Tell whether to prolong a run: no other cron is due, and this one has no new work.

        New work is a trigger of the account's cron since the run began, or a task to finish.

        :param datetime since: when this run began (naive UTC)
        """
        # sudo(): the account's cron calls this, not a user.
        cron = self.sudo().cron_id
        if any(job["id"] != cron.id for job in cron._get_all_ready_jobs(self.env.cr)):
            return False
        woken = Domain("cron_id", "=", cron.id) & Domain("call_at", "<=", fields.Datetime.now())
        woken &= Domain("call_at", ">", since) | Domain("create_date", ">", since)
        triggers = self.env["ir.cron.trigger"].sudo()
        return not triggers.search_count(woken, limit=1) and not self._get_finished_tasks()

    def _get_finished_tasks(self):
        """Return the emptied tasks whose `_may_end` lets users see that they are over."""
        return self._get_emptied_tasks().filtered(lambda task: task._may_end())

    def _get_emptied_tasks(self):
        """Return the sending tasks without a waiting or sending delivery."""
        self.ensure_one()
        self.env["directmail.task"].flush_model(["account_id", "state"])
        self.env["directmail.delivery"].flush_model(["state", "task_id"])
        # One statement for all: series keep many tasks sending of which nobody waits.
        rows = self.env.execute_query(
            SQL(
                """SELECT id FROM directmail_task t
                    WHERE account_id = %s AND state = 'sending' AND NOT EXISTS (
                          SELECT FROM directmail_delivery
                           WHERE task_id = t.id AND state IN ('waiting', 'sending'))""",
                self.id,
            )
        )
        return self.env["directmail.task"].browse(row[0] for row in rows)

    def _finish_tasks(self):
        """Finish the tasks of `_get_finished_tasks`."""
        self.ensure_one()
        # Lock the tasks in the transaction's first statement, so that no other transaction writes
        # them between the reads below and the commit.
        self.env.execute_query(
            SQL(
                """SELECT id FROM directmail_task WHERE account_id = %s AND state = 'sending'
                      FOR NO KEY UPDATE""",
                self.id,
            )
        )
        for task in self._get_finished_tasks():
            task._with_owner_language()._finish()

    def _tell_waiting_for_quota(self):
        """Notify the owners of sending tasks that only wait for quota."""
        self.ensure_one()
        tasks = self.env["directmail.task"].search(
            [("account_id", "=", self.id), ("state", "=", "sending")]
        )
        tasks.filtered(
            lambda task: (
                task.in_tens
                or (
                    task.waiting_count
                    and not task._get_held_until()
                    and not task._explain_waiting_rest()
                )
            )
        )._tell_waiting_for_quota()
        self.env["ir.cron"]._commit_progress()

    def _schedule_next_run(self):
        """Trigger this account's cron for the time at which there will be something to do.

        Reporting remaining work to Odoo would not do: Odoo runs such a cron only at the next
        minute, and calls it once more in vain if its time is up.
        """
        self.ensure_one()
        spent = self._get_spent_senders()
        [(free, free_at, lease_until, is_spent, not_after)] = self.env.execute_query(
            SQL(
                # The LATERAL subquery is one index lookup per task, however many people wait.
                """SELECT bool_or(first.free_at <= now() AT TIME ZONE 'UTC'
                                  AND (t.sender_id = ANY(%(spent)s::int[])) IS NOT TRUE),
                          min(NULLIF(first.free_at, '-infinity'))
                              FILTER (WHERE first.free_at < %(held)s),
                          (SELECT min(lease_until) FROM directmail_delivery
                            WHERE account_id = %(account)s AND state = 'sending'),
                          bool_or(t.sender_id = ANY(%(spent)s::int[])),
                          -- People who then still wait for the warm-up are suppressed.
                          min(t.not_after) FILTER (WHERE t.sender_id = ANY(%(spent)s::int[])
                              AND t.not_after >= now() AT TIME ZONE 'UTC')
                     FROM directmail_task t CROSS JOIN LATERAL (
                          SELECT %(free_at)s AS free_at FROM directmail_delivery
                           WHERE task_id = t.id AND state = 'waiting'
                           ORDER BY %(free_at)s, id LIMIT 1) first
                    WHERE t.account_id = %(account)s AND t.state = 'sending'""",
                account=self.id,
                free_at=FREE_AT,
                held=HELD,
                spent=list(spent),
            )
        )
        if free and self._get_capacity().quota:
            times = [fields.Datetime.now()]
        elif free:
            times = [self._get_next_day()]
        else:
            times = [free_at]
        if is_spent:
            times += [min(spent.values()), not_after and not_after + timedelta(seconds=1)]
        emptied = self._get_emptied_tasks()
        times += [lease_until, *(task._get_latest_end() for task in emptied)]
        times += self.env["directmail.task"]._get_open_tests(self).mapped("verdict_at")
        if any(times):
            # sudo(): the account's cron calls this, not a user.
            # A set: the email tasks of series all end with their month.
            self.sudo().cron_id._trigger(list({moment for moment in times if moment}))
        self.env["ir.cron"]._commit_progress(remaining=0)

    def _get_spent_senders(self):
        """Return {sender id: when it may send again} of those whose warm-up is spent for today."""
        self.ensure_one()
        # sudo(): the account's cron calls this, not a user.
        senders = self.env["directmail.sender"].sudo()
        senders = senders.search([("account_id", "=", self.id), ("warmup_on", "=", True)])
        spent = {sender.id: sender._get_spent_until() for sender in senders}
        return {sender_id: until for sender_id, until in spent.items() if until}

    def _get_next_day(self):
        """Return when DirectMail's next day begins: 00:01 in Beijing, as naive UTC."""
        tomorrow = datetime.now(BEIJING).date() + timedelta(days=1)
        midnight = datetime.combine(tomorrow, time(0, 1), BEIJING)
        return midnight.astimezone(timezone.utc).replace(tzinfo=None)

    def _stop(self, message):
        """Stop sending with this account until an administrator activates it again."""
        self.ensure_one()
        # sudo(): the sending cron calls this, not a user.
        self.sudo().write({"state": "stopped", "state_message": message})
        self.sudo().message_post(body=message)

    def _explain_stop(self, answer):
        """Return why the account stops and what to do next.

        :param answer: the `directmail.answers.Answer` that stops it
        """
        if answer.code == "NoAnswer":
            return self.env._(
                "Sending has stopped, because DirectMail did not answer many calls in a row and it"
                " is not known whether those mails were sent. Test the connection, activate the"
                " account, then resume the email tasks."
            )
        if self.credentials == "sts" and answer.code.startswith("InvalidSecurityToken"):
            return self.env._(
                "The temporary key of this account has expired (%(code)s). No recipient was"
                " skipped. Press Replace the key on the account and enter a new one, activate the"
                " account, then resume the email tasks.",
                code=answer.code,
            )
        return self.env._(
            "DirectMail refuses this account (%(code)s %(message)s). Test the connection, fix the"
            " problem that it reports, activate the account, then resume the email tasks.",
            code=answer.code,
            message=answer.message,
        )

    def _on_refused(self, answer, mark=None):
        """Stop the account, because DirectMail refuses it, and pause its sending tasks.

        :param answer: the refusal, a `directmail.answers.Answer`
        :param mark: `_get_credentials_mark` of the credentials that were used
        """
        self.ensure_one()
        if mark and mark != self._get_credentials_mark() and answer.code != "NoAnswer":
            # The key was replaced during the run, and the old one no longer works. The refused
            # deliveries wait again, and the next run uses the new key.
            _logger.info("DirectMail account %s: a replaced key was refused", self.id)
            return
        self = self.with_context(lang=self.company_id.partner_id.lang)
        message = self._explain_stop(answer)
        self._stop(message)
        # sudo(): the sending cron calls this; tasks of all owners stop with the account.
        tasks = (
            self.env["directmail.task"]
            .sudo()
            .search([("account_id", "=", self.id), ("state", "=", "sending")])
        )
        for task in tasks:
            task._pause("account", message)


class DirectmailUsage(models.Model):
    """Number of mails this Odoo handed to DirectMail on a day in Beijing, where quotas reset."""

    _name = "directmail.usage"
    _description = "DirectMail Daily Usage"
    _log_access = False
    _rec_name = "day"

    account_id = fields.Many2one("directmail.account", required=True, ondelete="cascade")
    day = fields.Date(required=True)
    used = fields.Integer(required=True, default=0)

    _day_unique = models.UniqueIndex("(account_id, day)")


class DirectmailGate(models.Model):
    """An empty table that serves as a lock.

    Odoo's cursors run at REPEATABLE READ: a transaction that claims deliveries does not see claims
    that others commit after its first read, and could exceed a limit. So it locks this table
    *before its first read* (`engine.claim.lock_gate`). So do all other transactions that must not
    run beside a claim: answers, test mails, First contact, the start of a recomputation of keys.
    """

    _name = "directmail.gate"
    _description = "DirectMail Sending Lock"
    _log_access = False
