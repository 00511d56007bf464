import logging
from datetime import timedelta
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.service.model import retrying
from odoo.tools import format_date, format_datetime

from ...clock.daily import local_day
from ...engine import family
from ...engine.clock import describe_moment

_logger = logging.getLogger(__name__)
CRON = "email_marketing_dm.ir_cron_directmail_recurring"


class DirectmailTask(models.Model):
    """Recurring tasks: how the cron makes their runs.

    A run and the row about it (`directmail.task.run`) are made in one transaction that locks the
    recurring task. A unique index allows one row per moment, so neither two servers nor kills can
    make two runs for it.
    """

    _inherit = "directmail.task"
    _due_field = "next_run_at"
    _error_field = "state_message"
    _cron = CRON

    # === ACTIONS === #

    def action_stop_repeating(self):
        """End recurring tasks; runs that were made go on."""
        self.check_access("write")
        self._lock()
        for task in self:
            if task.send_type == "repeat" and task.state in ("pending", "paused", "failed"):
                task._end_repeating()
        return True

    def action_run_now(self):
        """Make a run now, besides those of the rhythm."""
        self.check_access("write")
        self._lock()
        for task in self:
            if task.send_type != "repeat" or task.state != "pending":
                raise UserError(self.env._("%s does not repeat at the moment.", task.name))
            task._check_settings()
            if task._find_open_run():
                raise UserError(task._explain_open_run())
            # sudo(): writing was checked above; rows about runs are made by the addon only.
            task.sudo()._make_run(fields.Datetime.now())
            task.sudo()._end_after_last_run()
        return True

    def action_view_runs(self):
        """Open the email tasks that are runs of this one."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_task_action"
        )
        return {
            **action,
            "display_name": self.env._("Runs"),
            "domain": list(Domain("recurring_id", "=", self.id)),
            "context": {},
        }

    # === CRON === #

    @api.model
    def _cron_repeat(self):
        """Make the runs of recurring tasks that are due."""
        self._run_due()

    def _run_when_due(self):
        """Override: make or skip the run that is due; stop the task if that fails unexpectedly."""
        task = self._with_owner_language()
        try:
            retrying(task._repeat, self.env)
        except Exception:
            _logger.exception("The run of email task %s can't be made", self.id)
            self.env.cr.rollback()
            message = self.env._(
                "An unexpected error occurred. Ask an administrator to check the server log."
            )
            retrying(partial(task._stop_repeating, message), self.env)

    def _repeat(self):
        """Make or skip the run that is due, and set the next one."""
        self._lock()
        self.invalidate_recordset()
        now, due = fields.Datetime.now(), self.next_run_at
        if self.state != "pending" or not due or due > now:
            return  # another server was faster, or a user paused the task
        rhythm = self._get_rhythm()
        moment = rhythm.last_moment(due, now) or due
        row = self._add_run(moment, due)
        if not row:
            pass  # *Run now* was pressed at this moment
        elif note := self._find_reason_to_skip(moment, now):
            row.note = "\n".join(filter(None, [row.note, note]))
        else:
            self._try_to_run(row)
        if self.state == "pending":
            self.next_run_at = rhythm.next_moment(max(now, moment))
            self._end_after_last_run()
            self._wake_cron()

    def _add_run(self, moment, due=None):
        """Insert the row about a run; return it, empty if there is one for the moment already.

        :param datetime moment: of the run (naive UTC)
        :param datetime due: the first of the moments that were missed before
        """
        runs = self.env["directmail.task.run"]
        if runs.search_count([("recurring_id", "=", self.id), ("moment", "=", moment)], limit=1):
            return runs
        note = (
            due
            and due < moment
            and self.env._(
                "Earlier runs since %s were missed and are not made up for.",
                describe_moment(self.env, due, self.repeat_tz),
            )
        )
        return runs.create({"recurring_id": self.id, "moment": moment, "note": note})

    def _find_reason_to_skip(self, moment, now):
        """Return why no run is made for a moment, or None."""
        if now - moment > timedelta(hours=self.repeat_late):
            return self.env._("Skipped, because the server was not running in time.")
        if self._find_open_run():
            return self._explain_open_run()
        if self.repeat_refreshed and not self._is_refreshed():
            return self.env._("Skipped, because no audience was refreshed since the previous run.")
        return None

    def _find_open_run(self):
        """Return the latest run if it has not started, has stopped or still has mails to send."""
        latest = (
            self.env["directmail.task.run"]
            .search([("recurring_id", "=", self.id), ("task_id", "!=", False)], limit=1)
            .task_id
        )
        # Where figures are rounded, a task stays open for a day, and this must not tell whether
        # anybody waits: see `_may_end`.
        is_sending = latest.state == "sending" and not latest.in_tens
        is_open = latest.state in ("pending", "paused", "failed") or is_sending
        return latest if is_open else latest.browse()

    def _explain_open_run(self):
        return self.env._("Skipped, because the previous run is not finished.")

    def _is_refreshed(self):
        """Return whether an audience was refreshed after the previous run had chosen its people."""
        latest = (
            self.env["directmail.task.run"]
            .search([("recurring_id", "=", self.id), ("task_id.planned_at", "!=", False)], limit=1)
            .task_id
        )
        refreshed = [
            audience.refreshed_at for audience in self._read_all_audiences()["audience_ids"]
        ]
        return not latest or any(moment and moment > latest.planned_at for moment in refreshed)

    # === RUNS === #

    def _try_to_run(self, row):
        """Make a run; stop the task if it can't start.

        :param row: the `directmail.task.run`
        """
        try:
            with self.env.cr.savepoint():
                self._check_settings()
                self._make_run(row.moment, row)
        except UserError as error:
            row.note = error.args[0]
            self._stop_repeating(error.args[0])

    def _make_run(self, moment, row=None):
        """Make a run with the rights of the owner, and send it.

        :param datetime moment: naive UTC
        :param row: its `directmail.task.run`; a new one by default
        :raise UserError: if the owner may not send it, or another run is at this very moment
        """
        row = row or self._add_run(moment)
        if not row:
            raise UserError(self.env._("There is a run at this moment already."))
        here = self.with_env(self._get_owner_env())
        run = here.copy(
            {
                "name": self._name_run(moment),
                "send_type": "scheduled",
                "scheduled_at": moment,
                "not_after": False,
            }
        ).with_env(self.env)
        run.write(
            {
                "recurring_id": self.id,
                # Runs that mail everybody are no family: people may get each of them.
                "family_id": self.repeat_people == "new" and self.id,
            }
        )
        if not run.use_as_is:
            run._check_lines()
        run._proceed("pending")
        row.write({"task_id": run.id, "is_made": True})
        # Updates the row: a transaction that waits for the lock of `_lock` must not go on, because
        # it does not see this run.
        self.last_run_at = moment

    def _name_run(self, moment):
        """Return the name of a run, with its date; every hour, with its time, too."""
        tz = self.repeat_tz
        if self.repeat_unit == "hour" or self.run_ids.filtered(
            lambda row: row.task_id and self._is_same_day(row.moment, moment)
        ):
            date = format_datetime(self.env, moment, tz=tz, dt_format="short")
        else:
            date = format_date(
                self.env, fields.Datetime.context_timestamp(self.with_context(tz=tz), moment).date()
            )
        return self.env._("%(name)s, %(date)s", name=self.name, date=date)

    def _is_same_day(self, one, other):
        """Tell whether two moments (naive UTC) are on one day in the task's time zone."""
        return local_day(one, self.repeat_tz) == local_day(other, self.repeat_tz)

    def _end_after_last_run(self):
        """End the task if no run comes any more."""
        if self.state == "pending" and self._find_end_problem():
            self._end_repeating()
            here = self._with_owner_language()
            here._tell_owner(
                here.env._("The email task has ended: its last run was made."), "success"
            )

    def _end_repeating(self):
        # sudo(): callers have checked the right to write the task; the fields are guarded.
        self.sudo().write(
            {
                "state": "done",
                "finished_at": fields.Datetime.now(),
                "pause_reason": False,
                "state_message": False,
            }
        )
        self._close_activities()

    def _stop_repeating(self, message):
        """Pause a recurring task because a run can't start, and ask its owner.

        :param str message: why, and what to do
        """
        if self.state == "pending":
            self._pause("run", message)

    def _is_unstarted_run(self):
        return bool(self.recurring_id) and not self.planned_at and self.state == "pending"

    def _give_up_run(self, message, stops=True):
        """Delete a run that can't start; its row keeps the reason.

        :param str message: why
        :param bool stops: whether the recurring task stops, too
        """
        # sudo(): the sending cron calls this; a colleague may own the recurring task now.
        rows = self.env["directmail.task.run"].sudo().search([("task_id", "=", self.id)])
        rows.write({"note": message, "is_made": False, "task_id": False})
        recurring = self.recurring_id.sudo()
        self.write({"state": "draft", "state_message": False})
        self.unlink()
        if stops:
            recurring._with_owner_language()._stop_repeating(message)

    # === NOBODY TWICE === #

    def _mails_new_people(self):
        """Return whether people who were mailed by an earlier run get no mail of this task."""
        if self.send_type == "repeat":
            return self.repeat_people == "new"
        return bool(self.recurring_id) and self.family_id == self.recurring_id

    def _get_earlier_runs(self):
        """Return the tasks whose people have been mailed: started runs, and their follow-ups.

        sudo(): tasks of other owners count, too.
        """
        recurring = self.recurring_id or self
        domain = Domain("recurring_id", "=", recurring.id) | Domain("family_id", "=", recurring.id)
        tasks = self.sudo().with_context(active_test=False)
        return tasks.search(domain & Domain("planned_at", "!=", False)) - self

    def _take_runs(self):
        """Lock what the runs of the recurring task have sent, before people get tickets.

        All contents count as one, so that a person who was mailed by a run gets no later one.

        :return: the id of that content
        :raise UserError: if the people can't be told any more
        """
        self.env.flush_all()
        if removed := self._get_earlier_runs().filtered("details_removed_at")[:1]:
            raise UserError(
                self.env._(
                    "The recipients of the email task %s are no longer stored, so people could get"
                    " a second mail. Duplicate the recurring email task to begin anew.",
                    removed.name,
                )
            )
        content_id, _is_new = family.take_content(self.env, self.recurring_id.id, family.RUNS)
        family.release(self.env, content_id)
        return content_id


class DirectmailTaskRun(models.Model):
    """A moment of a recurring task: the run that was made for it, or why there is none."""

    _name = "directmail.task.run"
    _description = "Run of a Recurring Email Task"
    _inherit = ["directmail.links"]
    _order = "moment desc, id desc"
    _rec_name = "moment"

    recurring_id = fields.Many2one(
        "directmail.task", "Recurring email task", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="recurring_id.company_id")
    moment = fields.Datetime("Planned for", required=True, readonly=True)
    task_id = fields.Many2one(
        "directmail.task", "Run", readonly=True, index="btree_not_null", ondelete="set null"
    )
    is_made = fields.Boolean("Made", readonly=True)
    note = fields.Text("Remark", readonly=True)
    result = fields.Char(compute="_compute_figures")
    sent_count = fields.Integer("Sent", compute="_compute_figures")
    delivered_count = fields.Integer("Delivered", compute="_compute_figures")
    opened_count = fields.Integer("Opened", compute="_compute_figures")
    clicked_count = fields.Integer("Clicked", compute="_compute_figures")

    _moment_unique = models.UniqueIndex("(recurring_id, moment)")

    @api.depends("task_id.state", "task_id.counter_ids.value", "is_made")
    @api.depends_context("uid", "lang")
    def _compute_figures(self):
        states = dict(self.env["directmail.task"]._fields["state"]._description_selection(self.env))
        for run in self:
            # Of a run that the reader may not see, no figure is told.
            task = run.task_id._filtered_access("read")
            for name in ("sent", "delivered", "opened", "clicked"):
                run[f"{name}_count"] = task[f"{name}_count"]
            if run.task_id:
                run.result = states.get(task.state)
            elif run.is_made:
                run.result = self.env._("Deleted")
            else:
                run.result = self.env._("Not sent")

    def action_open(self):
        """Open the email task of the run."""
        self.ensure_one()
        self.check_access("read")
        if not self.task_id:
            raise UserError(self.note or self.env._("There is no email task for this run."))
        return {
            "type": "ir.actions.act_window",
            "res_model": "directmail.task",
            "res_id": self.task_id.id,
            "views": [(False, "form")],
        }
