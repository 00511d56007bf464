from datetime import time

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL, format_date, format_list, format_time, formatLang

from odoo.addons.base.models.res_partner import _tz_get

from ...clock.recurrence import Rhythm
from ...engine.clock import describe_moment

#: the fields of the weekdays, from Monday on
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: when a recurring task runs
RHYTHM_FIELDS = {
    *WEEKDAYS, "repeat_day", "repeat_end", "repeat_hour", "repeat_minute", "repeat_runs",
    "repeat_tz", "repeat_unit", "repeat_until",
}  # fmt: skip
#: a run is made for a moment that was missed by at most so many hours
LATE_HOURS = 6
LATE_HOURS_MAX = 24
#: {counter of `directmail.task.counter`: field with the sum over all runs}
SUMS = {
    "sent": "runs_sent_count",
    "delivered": "runs_delivered_count",
    "opened": "runs_opened_count",
    "clicked": "runs_clicked_count",
}


class DirectmailTask(models.Model):
    """Recurring tasks: settings, sentences about them, and the figures of their runs.

    A task with `send_type` "repeat" never mails anybody itself. While it is pending, a copy of it,
    a *run*, is sent at each moment of its rhythm: see `directmail_task_recurring_run.py`.
    """

    _inherit = "directmail.task"
    _guarded_fields = frozenset(("last_run_at", "next_run_at", "recurring_id", "run_ids"))

    recurring_id = fields.Many2one(
        "directmail.task",
        "Run of",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="The recurring email task that created this one.",
    )
    repeat_unit = fields.Selection(
        [
            ("hour", "Every hour"),
            ("day", "Every day"),
            ("week", "Every week"),
            ("month", "Every month"),
        ],
        "Repeat",
        default="week",
    )
    mon = fields.Boolean("Monday", default=True)
    tue = fields.Boolean("Tuesday")
    wed = fields.Boolean("Wednesday")
    thu = fields.Boolean("Thursday")
    fri = fields.Boolean("Friday")
    sat = fields.Boolean("Saturday")
    sun = fields.Boolean("Sunday")
    repeat_day = fields.Integer(
        "On day",
        default=1,
        help="1 to 31. In shorter months, the mails are sent on the last day.",
    )
    repeat_hour = fields.Float("At", default=9.0)
    repeat_minute = fields.Integer("At minute", help="0 to 59 minutes past every hour.")
    repeat_tz = fields.Selection(
        _tz_get,
        "In time zone",
        default=lambda self: self.env.user.tz or "UTC",
        help="If clock changes skip the time, the mails are sent later by the change. If the time"
        " comes twice, they are sent once, the first time.",
    )
    repeat_end = fields.Selection(
        [("never", "Never"), ("date", "On a date"), ("runs", "After a number of runs")],
        "Ends",
        default="never",
    )
    repeat_until = fields.Date("Last day", help="The mails are sent on this day, too.")
    repeat_runs = fields.Integer("Number of runs", default=10)
    repeat_people = fields.Selection(
        [
            ("all", "Everybody in the audience"),
            ("new", "Only people not mailed by an earlier run"),
        ],
        "Recipients",
        default="all",
        help="Everybody: people who stay in the audience get a mail of every run. Only people not"
        " mailed by an earlier run: everybody gets one mail, for example to welcome new members,"
        " even if the template is changed between the runs.",
    )
    repeat_refreshed = fields.Boolean(
        "Skip if not refreshed",
        help="Skips a run if none of its audiences was refreshed after the previous run was"
        " started.",
    )
    repeat_late = fields.Integer(
        "Skip if late by (hours)",
        default=LATE_HOURS,
        help="If the server was down, only the latest of the missed runs is made up for, and only"
        " within this time, 1 to 24 hours. The list of runs shows what was skipped.",
    )
    next_run_at = fields.Datetime("Next run", readonly=True, copy=False, index="btree_not_null")
    run_ids = fields.One2many("directmail.task.run", "recurring_id", "Runs", copy=False)
    repeat_summary = fields.Char("Repeats", compute="_compute_repeat_summary")
    repeat_next = fields.Text("Next runs", compute="_compute_repeat_next")
    run_count = fields.Integer("Number of made runs", compute="_compute_runs")
    last_run_at = fields.Datetime("Latest run", readonly=True, copy=False)
    runs_sent_count = fields.Integer("Sent by all runs", compute="_compute_runs")
    runs_delivered_count = fields.Integer("Delivered by all runs", compute="_compute_runs")
    runs_opened_count = fields.Integer("Opened in all runs", compute="_compute_runs")
    runs_clicked_count = fields.Integer("Clicked in all runs", compute="_compute_runs")

    # === COMPUTE === #

    @api.depends(*RHYTHM_FIELDS, "send_type")
    @api.depends_context("lang")
    def _compute_repeat_summary(self):
        for task in self:
            is_recurring = task.send_type == "repeat"
            task.repeat_summary = is_recurring and " · ".join(task._describe_rhythm())

    @api.depends(*RHYTHM_FIELDS, "send_type", "next_run_at", "state")
    @api.depends_context("lang", "tz")
    def _compute_repeat_next(self):
        """Tell the next two runs, in the zone of the task and in that of the user."""
        for task in self:
            task.repeat_next = False
            if task.send_type == "repeat" and not task._find_rhythm_problem():
                task.repeat_next = "\n".join(
                    task._describe_run_moment(moment) for moment in task._get_next_runs(2)
                )

    @api.depends("run_ids.task_id", "run_ids.is_made")
    @api.depends_context("uid")
    def _compute_runs(self):
        """Count the runs that were made, and add up the counters of those that the user sees."""
        rows = self.env["directmail.task.run"]._read_group(
            [("recurring_id", "in", self.ids), ("is_made", "=", True)],
            ["recurring_id"],
            ["__count"],
        )
        made = {task.id: count for task, count in rows}
        runs = self.with_context(active_test=False)._read_group(
            [("recurring_id", "in", self.ids)], ["recurring_id"], ["id:array_agg"]
        )
        # Only counters of tasks that the reader may see; none of SUMS is ever rounded.
        numbers = [number for _task, numbers in runs for number in numbers]
        self.env["directmail.task.counter"].flush_model(["name", "task_id", "value"])
        sums = self.env.execute_query(
            SQL(
                """SELECT t.recurring_id, c.name, sum(c.value)::bigint
                     FROM directmail_task t JOIN directmail_task_counter c ON c.task_id = t.id
                    WHERE t.id = ANY(%s) AND c.name = ANY(%s) GROUP BY 1, 2""",
                numbers,
                list(SUMS),
            )
        )
        found = {(number, SUMS[name]): value for number, name, value in sums}
        for task in self:
            number = task._origin.id
            task.run_count = made.get(number, 0)
            for name in SUMS.values():
                task[name] = found.get((number, name), 0)

    # === CHECKS === #

    @api.constrains("origin_id", "send_type", "version_ids", *RHYTHM_FIELDS, "repeat_late")
    def _check_rhythm(self):
        for task in self.filtered(lambda task: task.send_type == "repeat"):
            if problem := task._find_rhythm_problem():
                raise ValidationError(problem)
            if task.version_ids:
                raise ValidationError(
                    self.env._(
                        "An email task with an A/B test can't repeat. Remove the versions, or send"
                        " it once."
                    )
                )
            if task.origin_id:
                raise ValidationError(
                    self.env._(
                        "A follow-up can't repeat: nobody would get a second mail from it. Send it"
                        " once, or make another email task that repeats."
                    )
                )

    def _find_rhythm_problem(self):
        """Return what is wrong with the settings of a recurring task and what to do, or None."""
        needed = (self.repeat_unit, self.repeat_tz, self.repeat_end, self.repeat_people)
        if not all(needed):
            return self.env._("Choose how often, until when and for whom the email task repeats.")
        if self.repeat_unit == "week" and not any(self[name] for name in WEEKDAYS):
            return self.env._("Choose at least one weekday.")
        if self.repeat_unit == "month" and not 1 <= self.repeat_day <= 31:
            return self.env._("Enter a day of the month between 1 and 31.")
        if not 0 <= self.repeat_hour < 24 - 1 / 120:
            return self.env._("Enter a time between 0:00 and 23:59.")
        if not 0 <= self.repeat_minute <= 59:
            return self.env._("Enter a minute between 0 and 59.")
        if self.repeat_end == "date" and not self.repeat_until:
            return self.env._("Enter the last day on which the mails are sent.")
        if self.repeat_end == "runs" and self.repeat_runs < 1:
            return self.env._("Enter after how many runs the email task ends: at least 1.")
        if not 1 <= self.repeat_late <= LATE_HOURS_MAX:
            return self.env._("Enter after how many hours a late run is skipped: 1 to 24.")
        return None

    def _find_end_problem(self):
        """Return why no run would come any more and what to do, or None."""
        if self.repeat_end == "runs" and self.run_count >= self.repeat_runs:
            return self.env._(
                "All runs were made. Enter a larger number of runs, or choose another end."
            )
        if not self._get_next_runs(1):
            return self.env._("No run comes before the last day. Enter a later day.")
        return None

    def _check_send_type(self, vals):
        """Refuse to make a task recurring, or no longer recurring, once it was started.

        :param dict vals: of `write`, before it
        :raise UserError: with what to do
        """
        if "send_type" not in vals:
            return
        for task in self:
            was, will = task.send_type == "repeat", vals["send_type"] == "repeat"
            if was != will and (task.state not in ("draft", "failed") or task.run_ids):
                raise UserError(
                    self.env._(
                        "Whether %s repeats can't be changed after it was started. Duplicate it,"
                        " then change the copy.",
                        task.name,
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_repeated(self):
        for task in self:
            if task.state == "pending" and task.send_type == "repeat":
                raise UserError(
                    self.env._("%s still repeats. Stop repeating it, then delete it.", task.name)
                )
            if task.run_ids.task_id:
                raise UserError(
                    self.env._(
                        "%s can't be deleted because it has runs. Archive it instead.", task.name
                    )
                )

    # === RHYTHM === #

    def _get_rhythm(self):
        """Return when the task runs, as `clock.recurrence.Rhythm`."""
        self.ensure_one()
        by_hour = self.repeat_unit == "hour"
        return Rhythm(
            unit=self.repeat_unit,
            minute=self.repeat_minute if by_hour else round(self.repeat_hour * 60),
            tz=self.repeat_tz,
            weekdays=frozenset(number for number, name in enumerate(WEEKDAYS) if self[name]),
            day=self.repeat_day,
            until=self.repeat_until if self.repeat_end == "date" else None,
        )

    def _get_next_runs(self, count, after=None):
        """Return when the next runs are, at most as many as are left (naive UTC).

        :param int count: how many
        :param datetime after: now by default; the next run of a pending task counts in any case
        """
        self.ensure_one()
        if self.repeat_end == "runs":
            count = min(count, max(0, self.repeat_runs - self.run_count))
        after = after or fields.Datetime.now()
        moments = self._get_rhythm().next_moments(after, count)
        if self.state == "pending" and self.next_run_at and self.next_run_at <= after:
            moments = [self.next_run_at, *moments][:count]
        return moments

    def _follow_rhythm(self, vals):
        """Set and clear `next_run_at` after a change of the state or of the rhythm.

        :param dict vals: of `create` or `write`, after it
        :raise UserError: if a pending task would have no run any more
        """
        if not {"state", "active", *RHYTHM_FIELDS} & vals.keys():
            return
        # sudo(): `write` has checked the rights; the fields are guarded.
        recurring = self.filtered(lambda task: task.send_type == "repeat").sudo()
        for task in recurring:
            if task.state == "pending" and not task.active:
                task.write({"state": "paused", "pause_reason": "user"})
            if task.state != "pending":
                task.next_run_at = False
                continue
            if problem := task._find_end_problem():
                raise UserError(problem)
            [task.next_run_at] = task._get_rhythm().next_moments(fields.Datetime.now(), 1)
        recurring._wake_cron()

    # === SENTENCES === #

    def _describe_rhythm(self):
        """Return when the task runs and until when, as texts."""
        if self._find_rhythm_problem():
            return []
        units = dict(self._fields["repeat_unit"]._description_selection(self.env))
        zone = self.repeat_tz
        clock = time(*divmod(round(self.repeat_hour * 60), 60))
        if self.repeat_unit == "hour":
            texts = [self.env._("%(minute)s minutes past every hour", minute=self.repeat_minute)]
        elif self.repeat_unit == "week":
            names = [self._fields[n]._description_string(self.env) for n in WEEKDAYS if self[n]]
            texts = [units["week"], format_list(self.env, names)]
        elif self.repeat_unit == "month":
            texts = [units["month"], self.env._("day %s", self.repeat_day)]
        else:
            texts = [units["day"]]
        if self.repeat_unit != "hour":
            texts.append(f"{format_time(self.env, clock, time_format='short')} ({zone})")
        if self.repeat_end == "date":
            texts.append(self.env._("until %s", format_date(self.env, self.repeat_until)))
        elif self.repeat_end == "runs":
            runs = formatLang(self.env, self.repeat_runs, digits=0)
            texts.append(self.env._("number of runs: %s", runs))
        return texts

    def _describe_run_moment(self, moment):
        """Return a moment in the zone of the task, and in that of the user if it differs."""
        here, there = str(self.env.tz), self.repeat_tz
        text = describe_moment(self.env, moment, there)
        seen = describe_moment(self.env, moment, here)
        if seen.rpartition(" (")[0] == text.rpartition(" (")[0]:
            return text
        return self.env._("%(time)s, for you %(local_time)s", time=text, local_time=seen)
