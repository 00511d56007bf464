from datetime import time, timedelta

from babel.units import format_unit

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL, babel_locale_parse, format_list, format_time, get_lang

from ...clock.recurrence import Rhythm
from ...clock.steps import Step

#: Most steps of a series.
STEPS_MAX = 20
#: Longest wait of a step, in days.
WAIT_MAX = 366
#: Longest lateness of a mail, in hours.
LATE_MAX = 24 * 31
#: States of a series that was started and has not ended.
STARTED = ("running", "closing", "paused")
UNITS = {"minute": "minutes", "hour": "hours", "day": "days"}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: {field of a step: counter of the step's email tasks}
SUMS = {
    "sent_count": "sent",
    "opened_count": "opened",
    "clicked_count": "clicked",
    "suppressed_count": "suppressed",
}


class DirectmailSeriesStep(models.Model):
    """A step of a series: a mail, a wait or the end. What it does is in `clock.steps`."""

    _name = "directmail.series.step"
    _description = "Step of a Series"
    _inherit = ["directmail.of.company"]
    _order = "series_id, sequence, id"

    series_id = fields.Many2one(
        "directmail.series", "Email series", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="series_id.company_id", store=True)
    account_id = fields.Many2one(related="series_id.account_id")
    series_state = fields.Selection(related="series_id.state")
    sequence = fields.Integer(default=10)
    number = fields.Integer("Step", compute="_compute_number")
    kind = fields.Selection(
        [("mail", "Send a mail"), ("wait", "Wait"), ("check", "Only if"), ("end", "End")],
        required=True,
        default="mail",
    )
    template_id = fields.Many2one(
        "directmail.template",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="The mail of this step. It must be approved before the series starts.",
    )
    template_state = fields.Selection(related="template_id.state", string="Review")
    if_not_mailed = fields.Selection(
        [("end", "The series ends for this person"), ("go_on", "Go on with the next step")],
        "If the mail can't be sent",
        default="end",
        help="A person may not get the mail of this step, for example because of a frequency limit"
        " or because they have unsubscribed. Choose whether they go on with the next step.",
    )
    late_hours = fields.Integer(
        "Too late after (hours)",
        default=24,
        help="If the mail can't be sent within this time, for example because the server was"
        " down, the series ends for the person with the reason “Too late for a mail”.",
    )
    wait_number = fields.Integer("Wait for", default=1)
    wait_unit = fields.Selection(
        [("minute", "Minutes"), ("hour", "Hours"), ("day", "Days")], "Unit", default="day"
    )
    wait_until = fields.Selection(
        [("no", "No"), ("hour", "Until a time of day"), ("weekday", "Until a weekday and time")],
        "Then wait",
        default="no",
        help="The wait ends at the next such time after the number of minutes, hours or days.",
    )
    wait_hour = fields.Float("At", default=9.0, help="In the time zone of the series.")
    mon = fields.Boolean("Monday", default=True)
    tue = fields.Boolean("Tuesday", default=True)
    wed = fields.Boolean("Wednesday", default=True)
    thu = fields.Boolean("Thursday", default=True)
    fri = fields.Boolean("Friday", default=True)
    sat = fields.Boolean("Saturday")
    sun = fields.Boolean("Sunday")
    task_ids = fields.One2many("directmail.task", "series_step_id", "Email tasks")
    summary = fields.Char("Action", compute="_compute_summary")
    problem = fields.Char("Stopped", compute="_compute_problem")
    inside_count = fields.Integer("Here now", compute="_compute_figures")
    sent_count = fields.Integer("Sent", compute="_compute_figures")
    opened_count = fields.Integer("Opened", compute="_compute_figures")
    clicked_count = fields.Integer("Clicked", compute="_compute_figures")
    suppressed_count = fields.Integer("Suppressed", compute="_compute_figures")

    # === COMPUTE === #

    @api.depends("series_id.step_ids.sequence", "sequence")
    def _compute_number(self):
        for step in self:
            steps = step.series_id.step_ids.sorted("sequence")
            step.number = list(steps).index(step) + 1 if step in steps else len(steps) + 1

    @api.depends("active", "number", "template_id.name", "kind")
    @api.depends_context("lang")
    def _compute_display_name(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        for step in self:
            name = step.template_id.name or kinds.get(step.kind, "")
            step.display_name = (
                self.env._("Step %(number)s, %(name)s", number=step.number, name=name)
                if step.active
                else self.env._("Removed step, %s", name)
            )

    @api.depends(
        "kind", "template_id.name", "wait_number", "wait_unit", "wait_until", "wait_hour",
        "check_kind", "check_audience_id.name", "check_step_id.template_id.name",
        "check_otherwise", "check_goto_id.number", "check_figures", "number", "series_state",
        *WEEKDAYS,
    )  # fmt: skip
    @api.depends_context("lang")
    def _compute_summary(self):
        for step in self:
            step.summary = step._describe()

    @api.depends("task_ids.state", "task_ids.state_message", "template_id.state", "series_state")
    @api.depends_context("lang")
    def _compute_problem(self):
        """Tell why the step can't plan mails at the moment."""
        for step in self:
            # Readers of the series see why it does not go on, also if they may not read the task.
            stopped = step._get_open_tasks().filtered(
                lambda task: task.state in ("paused", "failed")
            )
            problem = stopped[-1:].state_message
            if step.kind == "mail" and step.series_state in ("running", "closing"):
                if not problem and step.template_id.state != "approved":
                    problem = step.template_id._explain_state()
                step.problem = problem
            else:
                step.problem = False

    @api.depends("task_ids.counter_ids.value")
    @api.depends_context("uid")
    def _compute_figures(self):
        """Count the people at each step, and add up the counters of the step's email tasks."""
        entries = self.env["directmail.series.entry"].sudo()
        # sudo(): readers of the series see its figures, which are exact: `_find_rounding_problem`.
        inside = dict(
            entries._read_group(
                [("step_id", "in", self.ids), ("state", "=", "inside")], ["step_id"], ["__count"]
            )
        )
        inside = {step.id: count for step, count in inside.items()}
        self.env["directmail.task.counter"].flush_model(["name", "task_id", "value"])
        rows = self.env.execute_query(
            SQL(
                """SELECT t.series_step_id, c.name, sum(c.value)::bigint
                     FROM directmail_task t JOIN directmail_task_counter c ON c.task_id = t.id
                    WHERE t.series_step_id = ANY(%s) AND c.name = ANY(%s) GROUP BY 1, 2""",
                self.ids,
                list(SUMS.values()),
            )
        )
        sums = {(step_id, name): value for step_id, name, value in rows}
        for step in self:
            step.inside_count = inside.get(step._origin.id, 0)
            for field, name in SUMS.items():
                step[field] = sums.get((step._origin.id, name), 0)

    # === CHECKS === #

    @api.constrains("kind", "wait_number", "wait_unit", "wait_until", "wait_hour", "late_hours",
                    *WEEKDAYS)  # fmt: skip
    def _check_step(self):
        for step in self:
            if problem := step._find_setting_problem():
                raise ValidationError(problem)

    @api.constrains("next_template_id", "template_id")
    def _check_template_account(self):
        for step in self:
            templates = step.template_id | step.next_template_id
            if templates.account_id - step.account_id:
                raise ValidationError(
                    self.env._(
                        "The template belongs to another DirectMail account. Choose a template of"
                        " the account of the series."
                    )
                )

    @api.constrains("next_template_id")
    def _check_next_record(self):
        for step in self.filtered("next_template_id"):
            if problem := step._explain_record(step.next_template_id):
                raise ValidationError(problem)

    def _find_setting_problem(self):
        """Return what is wrong with the settings of the step and what to do, or None."""
        if self.kind == "mail" and not 1 <= self.late_hours <= LATE_MAX:
            return self.env._("Enter after how many hours a mail is too late: 1 to %s.", LATE_MAX)
        if self.kind == "mail" and not self.if_not_mailed:
            return self.env._("Choose what happens if the mail can't be sent.")
        if self.kind != "wait":
            return None
        if not self.wait_unit or not self.wait_until:
            return self.env._("Choose how long the step waits.")
        if self.wait_number < 0 or (self.wait_number == 0 and self.wait_until == "no"):
            return self.env._("Enter how long to wait: at least 1.")
        # Not `_get_wait`: a `timedelta` holds no more than a billion days.
        if self.wait_number > timedelta(days=WAIT_MAX) // timedelta(**{UNITS[self.wait_unit]: 1}):
            return self.env._("A step can wait for at most %s days.", WAIT_MAX)
        if not 0 <= self.wait_hour < 24 - 1 / 120:
            return self.env._("Enter a time between 0:00 and 23:59.")
        if self.wait_until == "weekday" and not any(self[name] for name in WEEKDAYS):
            return self.env._("Choose at least one weekday.")
        return None

    @api.model_create_multi
    def create(self, vals_list):
        steps = super().create(self._place_added(vals_list))
        steps._check_changeable()
        steps.series_id._check_number_of_steps()
        steps._on_added()
        return steps

    def write(self, vals):
        if not self.env.su:
            self._check_changeable(vals)
            self._lock_series()
        if "sequence" in vals:
            self._before_moved(vals["sequence"])
        res = super().write(vals)
        if "sequence" in vals:
            self._on_moved()
        if "series_id" in vals:
            self._check_changeable(vals)
            self.series_id._check_number_of_steps()
        if "next_template_id" in vals:
            self.filtered(lambda step: step.series_id.state in STARTED)._take_text()
        return res

    def unlink(self):
        """Delete steps; those of a started series are kept as removed, for the people there."""
        self._check_changeable()
        self._lock_series()
        started = self.filtered(lambda step: step.series_id.state in STARTED)
        started._remove()
        return super(DirectmailSeriesStep, self - started).unlink()

    # === ACTIONS === #

    def action_view_people(self):
        """Open the people who are at this step."""
        self.ensure_one()
        self.check_access("read")
        return self.series_id._open_people(
            [("step_id", "=", self.id), ("state", "=", "inside")], self.display_name
        )

    def action_view_mails(self):
        """Open the mails of this step."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_delivery_action"
        )
        return {
            **action,
            "display_name": self.display_name,
            "domain": [("task_id.series_step_id", "=", self.id)],
            "context": {"search_default_group_by_state": 1},
        }

    def action_view_tasks(self):
        """Open the email tasks that send this step."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_task_action"
        )
        return {
            **action,
            "display_name": self.display_name,
            "domain": [("series_step_id", "=", self.id)],
            "context": {},
        }

    # === BUSINESS === #

    def _describe(self):
        """Return what the step does, as a text."""
        if self.kind == "mail":
            return self.env._("Send “%s”", self.template_id.name or self.env._("no template yet"))
        if self.kind == "end":
            return self.env._("End")
        if self.kind == "check":
            return self._describe_check()
        if self._find_setting_problem():
            return self.env._("Wait")
        locale = babel_locale_parse(get_lang(self.env).code)
        unit = f"duration-{self.wait_unit}"
        values = {"duration": format_unit(self.wait_number, unit, locale=locale)}
        if self.wait_until == "no":
            return self.env._("Wait: %(duration)s", **values)
        clock = time(*divmod(round(self.wait_hour * 60), 60))
        values["time"] = format_time(self.env, clock, time_format="short")
        values["zone"] = self.series_id.tz
        if self.wait_until == "hour":
            return self.env._("Wait: %(duration)s, then until %(time)s (%(zone)s)", **values)
        names = [self._fields[n]._description_string(self.env) for n in WEEKDAYS if self[n]]
        values["days"] = format_list(self.env, names, "or")
        return self.env._("Wait: %(duration)s, then until %(days)s, %(time)s (%(zone)s)", **values)

    def _get_wait(self):
        return timedelta(**{UNITS[self.wait_unit]: self.wait_number})

    def _as_step(self):
        """Return what the step does, as `clock.steps.Step`."""
        self.ensure_one()
        until = None
        if self.kind == "wait" and self.wait_until != "no":
            until = Rhythm(
                unit="day" if self.wait_until == "hour" else "week",
                minute=round(self.wait_hour * 60),
                tz=self.series_id.tz,
                weekdays=frozenset(day for day, name in enumerate(WEEKDAYS) if self[name]),
            )
        return Step(
            id=self.id,
            kind=self.kind,
            wait=self._get_wait() if self.kind == "wait" else timedelta(0),
            until=until,
            late=timedelta(hours=self.late_hours),
            ends=self.if_not_mailed == "end",
            otherwise=self._get_otherwise(),
            unknown=self.check_unknown == "go_on",
            is_removed=not self.active,
        )

    def _find_problem(self):
        """Return why a step can't be started and what to do, or None."""
        if problem := self._find_setting_problem():
            return problem
        if self.kind == "check":
            return self._find_check_problem()
        if self.kind != "mail":
            return None
        if not self.template_id:
            return self.env._("Choose the template to send.")
        if self.template_id.state != "approved":
            return self.template_id._explain_state()
        return (
            self.template_id._explain_missing_lender(self.series_id.user_id)
            or self._explain_record(self.template_id)
            or None
        )

    def _explain_record(self, template):
        """Return why mails of the series can't show the records that a template names, or ""."""
        series = self.series_id
        return template._explain_record(series._get_record_model(), series.user_id)

    def _get_month_task(self):
        """Return the email task that sends the step in the present month; make it if needed."""
        return self._find_month_task() or self._make_task(self.series_id._get_month())

    def _find_month_task(self):
        """Return the email task that sends the step in the present month; empty without one."""
        self.ensure_one()
        tasks = self.env["directmail.task"].with_context(active_test=False)
        return tasks.search(
            [
                ("series_step_id", "=", self.id),
                ("series_month", "=", self.series_id._get_month()),
                ("series_replaced", "=", False),
            ]
        )

    def _make_task(self, month):
        """Make the email task of a month with the rights of the owner, and let it start.

        :param date month: its first day
        """
        series = self.series_id
        here = series.with_env(series._get_owner_env())
        task = (
            here.env["directmail.task"].create(series._prepare_task(self, month)).with_env(self.env)
        )
        task.write({"series_step_id": self.id, "series_month": month})
        task._proceed("pending")
        return task
