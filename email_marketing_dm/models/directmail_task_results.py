import logging
from datetime import timedelta, timezone

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import retrying
from odoo.tools import SQL

from ..directmail.address import scrub

_logger = logging.getLogger(__name__)

CRON = "email_marketing_dm.ir_cron_directmail_results"
# DirectMail keeps details for about a month; nearly everything is known after three days.
FOLLOW_DAYS = 3
# How long an unknown mail may yet turn up in DirectMail's records, in seconds.
UNKNOWN_WAIT = 24 * 3600
# Absence proves something only where nearly all mails known to be sent are visible.
CONTROL_SHARE = 0.95


class DirectmailTask(models.Model):
    """Asking DirectMail what became of a task's mails, by the task's own tag."""

    _inherit = "directmail.task"

    @api.model
    def _cron_import_results(self):
        """Import the results of every task that is not settled yet."""
        tasks = self.search(self._get_unsettled_domain()).filtered(
            lambda task: not task._is_settled()
        )
        self.env["ir.cron"]._commit_progress(remaining=len(tasks))
        for task in tasks:
            try:
                task._receive_results()
            except UserError as error:
                _logger.warning("Results of email task %s can't be read: %s", task.id, error)
            else:
                # Reading took a while, and the sender may be at work on the same people: a fresh
                # transaction applies what was read, again if need be.
                self.env["ir.cron"]._commit_progress()
                retrying(task._apply_results, self.env)
            if not self.env["ir.cron"]._commit_progress(1):
                break

    @api.model
    def _get_unsettled_domain(self):
        since = fields.Datetime.now() - timedelta(days=FOLLOW_DAYS)
        return (
            Domain("tag_name", "!=", False)
            & Domain("state", "in", ("sending", "paused", "done", "cancelled"))
            & (Domain("finished_at", "=", False) | Domain("finished_at", ">=", since))
        )

    def _is_settled(self):
        """Tell whether every mail that has gone out so far has its outcome."""
        self.ensure_one()
        known = self.delivered_count + self.failed_count + self.invalid_count + self.spam_count
        return not self.unknown_count and known >= self.sent_count

    def action_import_results(self):
        """Ask DirectMail for results now instead of waiting for the next import."""
        self.check_access("read")
        for task in self.sudo().filtered("tag_name"):
            task._receive_results()
            task._apply_results()
        return True

    def _schedule_results(self):
        """Look for results soon after the last mail, when most become known."""
        now = fields.Datetime.now()
        self.env.ref(CRON).sudo()._trigger([now + timedelta(minutes=minutes) for minutes in (1, 5)])

    def _receive_results(self):
        """Read every page of the task's details into the inbox of events.

        :raise UserError: if DirectMail can't be asked
        """
        self.ensure_one()
        if not self.planned_at:
            return
        key = self.env["directmail.keyring"]._get_master_key()
        start = self.planned_at.replace(tzinfo=timezone.utc) - timedelta(minutes=1)
        end = fields.Datetime.now().replace(tzinfo=timezone.utc) + timedelta(minutes=1)
        start = max(start, end - timedelta(days=30) + timedelta(minutes=1))

        def read(client):
            for page in client.list_delivery_details(self.tag_name, start, end):
                self.env["directmail.event"]._receive(
                    [self._read_detail(key, row) for row in page.rows if row.status]
                )

        self.account_id._call(read)

    def _apply_results(self):
        """Apply what was received, all pages of which must have been read."""
        self.ensure_one()
        self.env["directmail.event"]._apply_open(self)
        self._resolve_unknown()
        self.env.invalidate_all()
        self.results_at = fields.Datetime.now()

    def _read_detail(self, key, row):
        """Return a row of details as an event; the address itself goes no further."""
        moment = row.updated_at or fields.Datetime.now().replace(tzinfo=timezone.utc)
        return {
            "task_id": self.id,
            "address_key": key.address_key(row.address.strip().lower()),
            "outcome": row.status,
            "occurred_at": moment.astimezone(timezone.utc).replace(tzinfo=None),
            "code": row.error_classification,
            "message": scrub(row.message, row.address),
        }

    def _resolve_unknown(self):
        """Call unknown mails *not sent* where DirectMail's records prove it.

        The records have just been read completely. They prove an absence only after a wait, and
        only if they show nearly all of the mails that were certainly sent.
        """
        self.ensure_one()
        wait = self.account_id._get_seconds("unknown_wait_seconds", UNKNOWN_WAIT)
        before = fields.Datetime.now() - timedelta(seconds=wait)
        [(certain, visible)] = self.env.execute_query(
            SQL(
                """SELECT count(*), count(outcome) FROM directmail_delivery
                    WHERE task_id = %s AND state = 'sent' AND claimed_at < %s""",
                self.id,
                before,
            )
        )
        if not certain or visible < CONTROL_SHARE * certain:
            return
        self.env["directmail.task.counter"]._apply(
            SQL(
                """UPDATE directmail_delivery d SET state = 'not_sent'
                    WHERE task_id = %s AND state = 'unknown' AND outcome IS NULL
                      AND claimed_at < %s
                RETURNING d.task_id, 'unknown' AS old_state, d.state AS new_state,
                          NULL AS old_outcome, NULL AS new_outcome""",
                self.id,
                before,
            ),
            "events",
        )
