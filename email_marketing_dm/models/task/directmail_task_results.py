from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL, format_list, formatLang

from ...engine.sql import count_changes
from .directmail_task import STOPPED

CRON = "email_marketing_dm.ir_cron_directmail_results"
CRON_EVENTS = "email_marketing_dm.ir_cron_directmail_events"
# Results are read until this many days after the last mail: nearly all are known by then.
# DirectMail keeps them for about a month.
FOLLOW_DAYS = 3
# Results are read this many minutes after a task reached one of STOPPED: most come then.
LOOK_AFTER = (1, 5)
# Seconds after which a mail in state "unknown" should be in DirectMail's records, if it was sent.
UNKNOWN_WAIT = 24 * 3600
# `_prove_absence` trusts the records if they show at least this share of the mails that
# DirectMail accepted in the same period.
CONTROL_SHARE = 0.95
# Limits of the button *Check results*: calls to DirectMail, and facts applied. More would keep the
# user waiting, and a conflict with a cron repeats the whole request. The crons do the rest.
ACTION_CALLS = 5
ACTION_FACTS = 2_000
#: the counters that `_describe_results` names, in its order
DESCRIBED = ("delivered_count", "failed_count", "opened_count", "clicked_count")


class DirectmailTask(models.Model):
    """Results of a task: what `directmail.poll` has read by the task's `tag_name` is applied.

    `directmail.poll` says who calls whom.
    """

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("paused_at",))

    polled_until = fields.Datetime("Results fetched up to", compute="_compute_polled")
    poll_message = fields.Char("Fetching results", compute="_compute_polled")
    paused_at = fields.Datetime("Stopped since", compute="_compute_paused_at", store=True)

    @api.depends("state")
    def _compute_paused_at(self):
        for task in self:
            task.paused_at = task.state in ("paused", "failed") and fields.Datetime.now()

    def _get_last_moment(self):
        """Return when the task ended, failed or was paused (naive UTC); False while it sends."""
        self.ensure_one()
        return self.finished_at or (self.state in ("paused", "failed") and self.paused_at)

    def _has_just_stopped(self):
        """Return whether the task stopped so recently that imports of LOOK_AFTER may be due."""
        last = self._get_last_moment()
        return bool(last) and last > fields.Datetime.now() - timedelta(minutes=max(LOOK_AFTER) + 1)

    @api.depends("paused_at")
    def _compute_polled(self):
        """Copy the progress of the task's `directmail.poll`; explain where polling has stopped."""
        since = fields.Datetime.now() - timedelta(days=FOLLOW_DAYS)
        # sudo(): polls of the tasks in `self`, which the reader may see.
        polls = (self.env["directmail.poll"].sudo().search([("task_id", "in", self.ids)])).grouped(
            "task_id"
        )
        for task in self:
            poll = polls.get(task._origin)
            task.polled_until = poll and poll.covered_until
            task.poll_message = poll and poll._get_message()
            if task.state == "paused" and task.paused_at and task.paused_at < since:
                task.poll_message = self.env._(
                    "The email task has been paused for more than %s days, so delivery results are"
                    " no longer fetched automatically. Press Check results to fetch them now, or"
                    " press Resume to continue sending.",
                    FOLLOW_DAYS,
                )

    @api.model
    def _cron_import_results(self):
        """Read what DirectMail knows of the mails of all accounts: see `directmail.poll`."""
        self.env["directmail.first.contact"]._cron_poll()
        self.env["directmail.poll"]._read_accounts()

    @api.model
    def _get_unsettled_domain(self):
        since = fields.Datetime.now() - timedelta(days=FOLLOW_DAYS)
        return (
            Domain("tag_name", "!=", False)
            & Domain("state", "in", ("sending", *STOPPED))
            & (Domain("finished_at", "=", False) | Domain("finished_at", ">=", since))
            & (Domain("state", "not in", ("paused", "failed")) | Domain("paused_at", ">=", since))
        )

    def _is_settled(self):
        """Return whether every mail sent so far has an outcome, and none is "unknown"."""
        self.ensure_one()
        known = self.delivered_count + self.failed_count + self.invalid_count + self.spam_count
        return not self.unknown_count and known >= self.sent_count

    def _describe_results(self):
        """Return the task's results so far in words, from its stored counters.

        :return: e.g. "Delivered: 1,953, Failed: 14, Opened: 214, and Clicked: 48"; False before the
            first mail
        """
        if not self.sent_count:
            return False
        unmeasured = self.unmeasured_open_count
        return format_list(
            self.env,
            [
                self.env._(
                    "%(label)s: %(count)s",
                    label=self._fields[name]._description_string(self.env),
                    count=formatLang(self.env, self[name], digits=0),
                )
                for name in (*DESCRIBED, *(["unmeasured_open_count"] * bool(unmeasured)))
            ],
        )

    def action_import_results(self):
        """Read results from DirectMail now, within ACTION_CALLS and ACTION_FACTS.

        If there are more, trigger the crons that read and apply them.

        :return: a notification that says what was found
        :raise UserError: if DirectMail can't be called
        """
        self.check_access("read")
        before = self._sum_results()
        # sudo(): reading was checked above; importing writes guarded fields.
        polls, calls, complete = self.env["directmail.poll"].sudo(), ACTION_CALLS, True
        tasks = self.sudo().filtered(lambda task: task.tag_name and task.planned_at)
        for task in tasks:
            if calls <= 0:
                complete = False
                break
            calls, is_read = polls._read_task(task, calls, ACTION_FACTS)
            complete = complete and is_read
        if not complete:
            for cron in (CRON, CRON_EVENTS):
                self.env.ref(cron).sudo()._trigger()
        found = {name: count - before[name] for name, count in self._sum_results().items()}
        return self.account_id[:1]._notify(
            self._describe_found(found, complete), "success" if any(found.values()) else "info"
        )

    def _sum_results(self):
        """Return {name: number of people} of delivered, failed, opened and clicked mails."""
        return {
            "delivered": sum(self.mapped("delivered_count")),
            "failed": sum(
                task.failed_count + task.invalid_count + task.spam_count for task in self
            ),
            "opened": sum(self.mapped("opened_count")),
            "clicked": sum(self.mapped("clicked_count")),
        }

    def _describe_found(self, found, complete):
        """Return what *Check results* found, as a text.

        :param dict found: as of `_sum_results`, what is new
        :param bool complete: whether DirectMail has no more results
        """
        if any(found.values()):
            numbers = {name: formatLang(self.env, count, digits=0) for name, count in found.items()}
            text = self.env._(
                "New results: delivered %(delivered)s, not delivered %(failed)s, opened %(opened)s,"
                " clicked %(clicked)s.",
                **numbers,
            )
        elif complete:
            text = self.env._("No new results. DirectMail usually has them within a few minutes.")
        else:
            text = ""
        if complete:
            return text
        more = self.env._(
            "There are more delivery results. They are being fetched in the background."
        )
        return f"{text} {more}".strip()

    def _schedule_results(self):
        """Trigger the import LOOK_AFTER the last mail of tasks that have just stopped.

        For a trial at once as well: the emulator has the results of nearly all mails by then.
        """
        if tasks := self.filtered("planned_at"):
            now = fields.Datetime.now()
            times = [now + timedelta(minutes=m) for m in LOOK_AFTER]
            if any(task.account_id.is_trial for task in tasks):
                times.append(now)
            # sudo(): crons and users who may end the task call this.
            self.env.ref(CRON).sudo()._trigger(times)

    def _get_first_open(self):
        """Return where to begin reading (naive UTC): at the first mail without an outcome.

        If an "unknown" mail is old enough for `_prove_absence`, at `planned_at`, because the proof
        needs the records of all mails. If every mail has an outcome, at the first one that was
        proved absent, or else where the last window ended, so that *Check results* does not read
        everything again. One minute earlier in each case.
        """
        self.ensure_one()
        [(first, first_unknown, first_not_sent)] = self.env.execute_query(
            SQL(
                """SELECT min(claimed_at) FILTER (WHERE state != 'not_sent'),
                          min(claimed_at) FILTER (WHERE state = 'unknown'),
                          min(claimed_at) FILTER (WHERE state = 'not_sent')
                     FROM directmail_delivery
                    WHERE task_id = %s AND state IN ('sent', 'unknown', 'not_sent')
                      AND outcome IS NULL""",
                self.id,
            )
        )
        if first_unknown and first_unknown < self._get_proof_time():
            first = self.planned_at
        poll = self.env["directmail.poll"].search([("task_id", "=", self.id)])
        first = first or first_not_sent or poll.covered_until or self.planned_at
        return first - timedelta(minutes=1)

    def _get_proof_time(self):
        """Return before when mails must have gone out for `_prove_absence` to judge them."""
        wait = self.account_id._get_seconds("unknown_wait_seconds", UNKNOWN_WAIT)
        return fields.Datetime.now() - timedelta(seconds=wait)

    def _apply_results(self, poll, limit=None):
        """Apply the company's facts; call `_resolve_unknown` once the poll's window is complete.

        :param poll: the task's `directmail.poll`
        :param int limit: number of facts to apply at most; all by default
        :return: False if facts may be left
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
            self._store_figures()
        self.env.invalidate_all()
        return True

    def _resolve_unknown(self, begin, end):
        """Settle "unknown" mails by the records just read, then call `_send_again`.

        :param begin: begin of the period whose records were read completely (naive UTC)
        :param end: end of that period (naive UTC)
        """
        self._prove_absence(begin, end)
        self._send_again()

    def _prove_absence(self, begin, end):
        """Set "unknown" mails to "not_sent" where DirectMail's records prove that they never left.

        A mail is proved absent if it was claimed within the period of the records and at least
        `_get_proof_time`'s wait before their end, and the records show CONTROL_SHARE of the mails
        of that time that are in state "sent". Reading many records takes hours, so mails after
        `end` are not in them.

        :param begin: begin of the period whose records were read completely (naive UTC)
        :param end: end of that period (naive UTC)
        """
        self.ensure_one()
        if not self.unknown_count:
            return
        wait = fields.Datetime.now() - self._get_proof_time()
        before = min(self._get_proof_time(), end - wait)
        # Only polled events count: pushed ones don't show how complete the records are.
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

    def _send_again(self):
        """Set "not_sent" deliveries to "waiting" once, if `not_sent_policy` is "again".

        The Message-ID is made from the delivery, so the second mail has the same one: a mailbox
        that received both after all may show only one.
        """
        self.ensure_one()
        if self.not_sent_policy != "again" or self.state not in ("sending", "paused", "done"):
            return
        if not self.env["directmail.delivery"].search_count(
            [("task_id", "=", self.id), ("state", "=", "not_sent"), ("resent", "=", False)], limit=1
        ):
            return
        # No-op UPDATE to lock the task row: a concurrent close or cancel conflicts and is retried,
        # so no delivery waits in a task that is over.
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


class DirectmailTaskCounter(models.Model):
    """Number of deliveries of a task per state, outcome and mark (opened, clicked, ...).

    Each writer ('sender', 'events', 'user', 'conversions') updates rows of its own; the figure is
    the sum over the writers. So concurrent writers don't conflict on a row, nor on the task.
    """

    _name = "directmail.task.counter"
    _description = "Email Task Counter"
    _log_access = False

    task_id = fields.Many2one("directmail.task", required=True, ondelete="cascade")
    writer = fields.Char(required=True)
    name = fields.Char(required=True)
    value = fields.Integer(required=True)

    _writer_unique = models.UniqueIndex("(task_id, writer, name)")

    def _apply(self, changed, writer, result=None, marks=()):
        """Run an UPDATE of deliveries and add its changes to the counters, in one statement.

        :param SQL changed: an UPDATE ... RETURNING d.task_id, old_state, new_state, old_outcome,
            new_outcome and the columns of `marks` and `result`
        :param str writer: 'sender', 'events', 'user' or 'conversions'
        :param SQL result: expression to select from the changed rows; their number by default
        :param marks: names of further counters: see `engine.sql.count_changes`
        :return: the selected rows
        :rtype: list[tuple]
        """
        return self.env.execute_query(
            SQL(
                "WITH changed AS (%s), %s SELECT %s FROM changed",
                changed,
                count_changes(SQL.identifier("changed"), writer, marks),
                result or SQL("count(*)"),
            )
        )
