import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.service.model import retrying
from odoo.tools import SQL

_logger = logging.getLogger(__name__)
CRON = "email_marketing_dm.ir_cron_directmail_results"
CRON_EVENTS = "email_marketing_dm.ir_cron_directmail_events"
# DirectMail keeps details for about a month; nearly everything is known after three days.
FOLLOW_DAYS = 3
# How long an unknown mail may yet turn up in DirectMail's records, in seconds.
UNKNOWN_WAIT = 24 * 3600
# Absence proves something only where nearly all mails known to be sent are visible.
CONTROL_SHARE = 0.95
# How often a user's button may ask DirectMail, and how many facts it may apply; the crons go on.
# More would hold up the page, and what collides with a cron is all done again.
ACTION_CALLS = 5
ACTION_FACTS = 2_000


class DirectmailTask(models.Model):
    """Asking DirectMail what became of a task's mails, by the task's own tag."""

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("paused_at",))

    polled_until = fields.Datetime("Read up to", compute="_compute_polled")
    poll_message = fields.Char("Reading", compute="_compute_polled")
    paused_at = fields.Datetime("Paused since", compute="_compute_paused_at", store=True)

    @api.depends("state")
    def _compute_paused_at(self):
        for task in self:
            task.paused_at = task.state == "paused" and fields.Datetime.now()

    def _get_last_moment(self):
        """Return since when no mail of the task goes out any more; False while some do."""
        self.ensure_one()
        return self.finished_at or (self.state == "paused" and self.paused_at)

    @api.depends("paused_at")
    def _compute_polled(self):
        """Say how far DirectMail's records of the task have been read."""
        since = fields.Datetime.now() - timedelta(days=FOLLOW_DAYS)
        polls = (self.env["directmail.poll"].sudo().search([("task_id", "in", self.ids)])).grouped(
            "task_id"
        )
        for task in self:
            poll = polls.get(task._origin)
            task.polled_until = poll and poll.covered_until
            task.poll_message = poll and poll._get_message()
            if task.state == "paused" and task.paused_at and task.paused_at < since:
                task.poll_message = self.env._(
                    "The email task has been paused for more than %s days, so results are no longer"
                    " read by themselves. Press Check results to read them now, or Resume.",
                    FOLLOW_DAYS,
                )

    @api.model
    def _cron_import_results(self):
        """Read DirectMail's records of every account, within its budget of calls.

        What a run does not get to is read by the next one, which begins with the accounts that
        have waited longest. What goes wrong with one account holds up no other.
        """
        accounts = self.env["directmail.account"].search([("state", "in", ("active", "stopped"))])
        self.env["ir.cron"]._commit_progress(remaining=len(accounts))
        self.env["directmail.first.contact"]._cron_poll()
        for account in accounts._order_for_polling():
            try:
                account._poll()
            except Exception:
                self.env.cr.rollback()
                _logger.exception("The results of DirectMail account %s can't be read", account.id)
                account.poll_ids.read_at = fields.Datetime.now()
            if not self.env["ir.cron"]._commit_progress(1):
                break

    @api.model
    def _get_unsettled_domain(self):
        since = fields.Datetime.now() - timedelta(days=FOLLOW_DAYS)
        return (
            Domain("tag_name", "!=", False)
            & Domain("state", "in", ("sending", "paused", "done", "cancelled"))
            & (Domain("finished_at", "=", False) | Domain("finished_at", ">=", since))
            & (Domain("state", "!=", "paused") | Domain("paused_at", ">=", since))
        )

    def _is_settled(self):
        """Tell whether every mail that has gone out so far has its outcome."""
        self.ensure_one()
        known = self.delivered_count + self.failed_count + self.invalid_count + self.spam_count
        return not self.unknown_count and known >= self.sent_count

    def action_import_results(self):
        """Ask DirectMail for results now; the crons do at once what takes longer than moments."""
        self.check_access("read")
        calls, complete = ACTION_CALLS, True
        tasks = self.sudo().filtered(lambda task: task.tag_name and task.planned_at)
        for task in tasks:
            if calls <= 0:
                complete = False
                break
            poll = task._get_poll()
            calls = poll._read(calls, begin=task._get_first_open())
            complete = task._apply_results(poll, ACTION_FACTS) and not poll.end and complete
        if complete:
            return True
        for cron in (CRON, CRON_EVENTS):
            self.env.ref(cron).sudo()._trigger()
        return tasks.account_id[:1]._notify(
            self.env._("There are more results. They are being read in the background."), "info"
        )

    def _schedule_results(self):
        """Look for results soon after the last mail, when most become known."""
        now = fields.Datetime.now()
        self.env.ref(CRON).sudo()._trigger([now + timedelta(minutes=minutes) for minutes in (1, 5)])

    def _read_results(self, calls):
        """Read on in DirectMail's records of this task, and apply what they say.

        :param int calls: how many DirectMail may be asked
        :return: how many calls are left
        :rtype: int
        :raise UserError: if DirectMail can't be asked
        """
        self.ensure_one()
        if not self.planned_at:
            return calls
        poll = self._get_poll()
        calls = poll._read(calls, begin=self._get_first_open())
        if self.env.context.get("cron_id"):
            retrying(lambda: self._apply_results(poll), self.env)
        else:
            self._apply_results(poll)
        return calls

    def _get_poll(self):
        return self.env["directmail.poll"]._get(self.account_id, "details", self)

    def _get_first_open(self):
        """Return when the first mail went out whose outcome is not known (naive UTC).

        Everything before it need not be read again. Where an unknown mail is old enough for its
        absence to be proved, all is read.
        """
        self.ensure_one()
        [(first, first_unknown)] = self.env.execute_query(
            SQL(
                """SELECT min(claimed_at), min(claimed_at) FILTER (WHERE state = 'unknown')
                     FROM directmail_delivery
                    WHERE task_id = %s AND state IN ('sent', 'unknown') AND outcome IS NULL""",
                self.id,
            )
        )
        if first_unknown and first_unknown < self._get_proof_time():
            first = self.planned_at
        return (first or self.planned_at) - timedelta(minutes=1)

    def _get_proof_time(self):
        """Return before when a mail must have gone out to be missed in DirectMail's records."""
        wait = self.account_id._get_seconds("unknown_wait_seconds", UNKNOWN_WAIT)
        return fields.Datetime.now() - timedelta(seconds=wait)

    def _apply_results(self, poll, limit=None):
        """Apply what was received; look for missing mails once all records have been read.

        :param int limit: how many facts at most; without it, all
        :return: whether all facts have been applied
        :rtype: bool
        """
        self.ensure_one()
        events = self.env["directmail.event"]
        if not limit:
            events._apply_all(self.company_id)
        elif events._apply_batch(self.company_id, limit) == limit:
            return False
        if not poll.end and poll.covered_until:
            self._resolve_unknown(poll.begin, poll.covered_until)
            self.results_at = fields.Datetime.now()
        self.env.invalidate_all()
        return True

    def _resolve_unknown(self, begin, end):
        """Settle unknown mails by records that have just been read, and mail again if asked to.

        :param begin: since when the records have been read completely (naive UTC)
        :param end: and until when
        """
        self._prove_absence(begin, end)
        self._send_again()

    def _prove_absence(self, begin, end):
        """Call unknown mails *not sent* where DirectMail's records prove it.

        They prove an absence only of mails that went out while they were read for, a wait before
        their end, and only if they show nearly all of the mails of that time that were certainly
        sent. Reading takes hours where mails are many: what has gone out since is not in them.

        :param begin: since when the records have just been read completely (naive UTC)
        :param end: and until when
        """
        self.ensure_one()
        if not self.unknown_count:
            return
        wait = fields.Datetime.now() - self._get_proof_time()
        before = min(self._get_proof_time(), end - wait)
        # What was pushed says nothing about how complete the records are.
        [(certain, visible)] = self.env.execute_query(
            SQL(
                """SELECT count(*), count(*) FILTER (WHERE EXISTS (
                              SELECT 1 FROM directmail_event e
                               WHERE e.delivery_id = d.id AND e.source = 'poll'))
                     FROM directmail_delivery d
                    WHERE task_id = %s AND state = 'sent'
                      AND claimed_at >= %s AND claimed_at < %s""",
                self.id,
                begin,
                before,
            )
        )
        if not certain or visible < CONTROL_SHARE * certain:
            return
        self.env["directmail.task.counter"]._apply(
            SQL(
                """UPDATE directmail_delivery d SET state = 'not_sent'
                    WHERE task_id = %s AND state = 'unknown' AND outcome IS NULL
                      AND claimed_at >= %s AND claimed_at < %s
                RETURNING d.task_id, 'unknown' AS old_state, d.state AS new_state,
                          NULL AS old_outcome, NULL AS new_outcome""",
                self.id,
                begin,
                before,
            ),
            "events",
        )

    # === SECOND TRY === #
    # What becomes of mails that never left, as DirectMail's records prove.

    def _send_again(self):
        """Let those wait once more whose mail never left, where the task's policy says so.

        Each person gets at most one second try.

        The message ID is made from the delivery, so the second mail carries that of the first: a
        mailbox that has both after all may show one.
        """
        self.ensure_one()
        if self.not_sent_policy != "again" or self.state not in ("sending", "paused", "done"):
            return
        if not self.env["directmail.delivery"].search_count(
            [("task_id", "=", self.id), ("state", "=", "not_sent"), ("resent", "=", False)], limit=1
        ):
            return
        # Whoever closes or cancels the task at this moment writes it too: one of the two is tried
        # again, and nobody is left waiting in a task that is over.
        rows = self.env.execute_query(
            SQL(
                """UPDATE directmail_task SET finished_at = finished_at
                    WHERE id = %s AND state IN ('sending', 'paused', 'done') RETURNING id""",
                self.id,
            )
        )
        if not rows:
            return
        [(again,)] = self.env["directmail.task.counter"]._apply(
            SQL(
                """UPDATE directmail_delivery d
                      SET state = 'waiting', resent = TRUE, claim_token = NULL, claimed_at = NULL,
                          lease_until = NULL, not_before = NULL, code = NULL, message = NULL
                    WHERE task_id = %s AND state = 'not_sent' AND resent IS NOT TRUE
                RETURNING d.task_id, 'not_sent' AS old_state, d.state AS new_state,
                          d.outcome AS old_outcome, d.outcome AS new_outcome""",
                self.id,
            ),
            "events",
        )
        if not again:
            return
        self.env.invalidate_all()
        if self.state == "done":
            self.write({"state": "sending", "finished_at": False})
        if self.state == "sending":
            self.account_id._trigger_sending()
