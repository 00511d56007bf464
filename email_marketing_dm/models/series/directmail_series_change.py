from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import formatLang

from ...directmail.const import TEMPLATES_MAX
from ...engine import series as engine
from ...engine.series_lock import touch
from .directmail_series_step import STARTED

#: Fields of a step that are fixed once its series was started.
FIXED_STEP_FIELDS = {
    "check_audience_id", "check_goto_id", "check_kind", "check_otherwise", "check_step_id",
    "check_unknown", "kind", "series_id", "template_id",
}  # fmt: skip


class DirectmailSeries(models.Model):
    """What users may change in a series that was started, and what the changes mean."""

    _inherit = "directmail.series"

    change_notice = fields.Text(compute="_compute_change_notice")
    step_problems = fields.Text(compute="_compute_step_problems")
    next_texts = fields.Text(compute="_compute_next_texts")
    slot_notice = fields.Char("Template slots", compute="_compute_slot_notice")

    # === COMPUTE === #

    @api.depends("step_ids", "step_ids.late_hours", "step_ids.if_not_mailed", "step_ids.sequence",
                 "step_ids.summary", "step_ids.next_template_id", "daily_limit", "hour_from",
                 "hour_to", "hours_on")  # fmt: skip
    @api.depends_context("lang")
    def _compute_change_notice(self):
        """Tell what the unsaved changes mean, a line each."""
        for series in self:
            is_edited = series._origin and series != series._origin and series.state in STARTED
            lines = series._describe_changes() if is_edited else []
            series.change_notice = "\n".join(lines) or False

    @api.depends("step_ids.problem")
    @api.depends_context("lang")
    def _compute_step_problems(self):
        for series in self:
            series.step_problems = series._list_by_step("problem")

    @api.depends("step_ids.next_template_id.state")
    @api.depends_context("lang")
    def _compute_next_texts(self):
        for series in self:
            series.next_texts = series._list_by_step("next_text")

    @api.depends("step_ids.template_id", "step_ids.next_template_id", "state", "account_id")
    @api.depends_context("lang")
    def _compute_slot_notice(self):
        for series in self:
            if series.state not in STARTED:
                series.slot_notice = False
                continue
            templates = series.step_ids.template_id | series.step_ids.next_template_id
            # sudo(): readers of the series see how many templates its account has.
            used = series.account_id.sudo().template_count
            series.slot_notice = self.env._(
                "%(count)s held by this series. The account uses %(used)s of %(places)s.",
                count=formatLang(self.env, len(templates), digits=0),
                used=formatLang(self.env, used, digits=0),
                places=formatLang(self.env, TEMPLATES_MAX, digits=0),
            )

    def _list_by_step(self, name):
        """Return the texts of a field of the steps, a line each; False without any."""
        lines = [
            self.env._("%(step)s: %(problem)s", step=step.display_name, problem=step[name])
            for step in self.step_ids
            if step[name]
        ]
        return "\n".join(lines) or False

    # === ACTIONS === #

    def action_try(self):
        """Open the dialog that sends all mails as tests and tells who would have entered."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_series_try_action"
        )
        return {**action, "context": {"default_series_id": self.id}}

    # === BUSINESS === #

    def _describe_changes(self):
        """Return what the changes of an unsaved form mean for people, as texts."""
        lines = []
        for step in self._origin.step_ids - self.step_ids._origin:
            lines.append(
                self.env._(
                    "%(step)s is removed. People who are there (%(count)s) go on with the next"
                    " step. Mails that wait to be sent are still sent.",
                    step=step.display_name,
                    count=formatLang(self.env, step.inside_count, digits=0),
                )
            )
        for step in self.step_ids:
            lines += step._describe_change()
        return lines + self._describe_moves() + self._describe_pace_change()

    def _lock_for_steps(self):
        """Lock series whose steps change: nobody is advanced, nor a series started, meanwhile.

        The rows are updated, too: a start or an advance with an older snapshot, which does not have
        the change, fails and is repeated. The cron leaves out series that it finds locked, so it
        runs once more.
        """
        self._lock()
        touch(self.env, self.ids)
        if self.filtered(lambda series: series.state in STARTED):
            self._wake()

    def _check_mails_left(self):
        """Refuse that a started series has no mail any more.

        :raise UserError: with what to do
        """
        for series in self.filtered(lambda series: series.state in STARTED):
            if not series.step_ids.filtered(lambda step: step.kind == "mail"):
                raise UserError(
                    self.env._(
                        "A started series needs at least one step that sends a mail. To send"
                        " nothing more, end the series."
                    )
                )

    def _get_all_steps(self):
        """Return the steps in order, also those that were removed after the start."""
        steps = self.env["directmail.series.step"].with_context(active_test=False)
        return steps.search([("series_id", "in", self.ids)])

    @api.model
    def _on_review(self, template):
        """React to the review of a template: steps take new texts, and stopped ones go on.

        :param template: a `directmail.template` that has just changed its state
        """
        if template.state != "approved":
            return
        # sudo(): DirectMail decided; series of all owners follow.
        steps = self.env["directmail.series.step"].sudo()
        started = [("series_id.state", "in", STARTED)]
        steps.search([("next_template_id", "=", template.id), *started])._take_text()
        steps.search([("template_id", "=", template.id), *started])._go_on()


class DirectmailSeriesStep(models.Model):
    """Changes of a step while its series runs: a new text, another wait, its removal."""

    _inherit = "directmail.series.step"

    active = fields.Boolean(default=True)
    next_template_id = fields.Many2one(
        "directmail.template",
        "New text",
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="The template that replaces the present one as soon as it is approved. People who"
        " reach the step before that get the present text.",
    )
    next_text = fields.Char("State of the new text", compute="_compute_next_text")

    @api.depends("next_template_id.state", "next_template_id.name")
    @api.depends_context("lang")
    def _compute_next_text(self):
        states = dict(
            self.env["directmail.template"]._fields["state"]._description_selection(self.env)
        )
        for step in self:
            template = step.next_template_id
            step.next_text = (template and step._explain_record(template)) or (
                self.env._(
                    "The new text “%(name)s” is not approved yet (%(state)s). Until it is, people"
                    " get the present text.",
                    name=template.name,
                    state=states[template.state],
                )
                if template
                else False
            )

    # === ACTIONS === #

    def action_new_text(self):
        """Open a new version of the step's template, which replaces it once it is approved."""
        self.ensure_one()
        self.check_access("write")
        self._check_changeable()
        template = self.next_template_id
        if not template and self.series_id.state in STARTED:
            # Of a template with mails out, this makes a copy.
            action = self.template_id.action_edit()
            template = self.env["directmail.template"].browse(
                action["res_id"] if action is not True else self.template_id.id
            )
            if template != self.template_id:
                self.next_template_id = template
        return {
            "type": "ir.actions.act_window",
            "res_model": "directmail.template",
            "res_id": (template or self.template_id).id,
            "views": [(False, "form")],
        }

    # === BUSINESS === #

    def _check_changeable(self, vals=()):
        """Refuse changes that a started series can't take.

        :param vals: names of the fields that change
        :raise UserError: with what to do
        """
        for step in self:
            if step.series_id.state == "ended":
                raise UserError(
                    self.env._(
                        "The steps of %s can't be changed because it has ended. Duplicate it, then"
                        " change the copy.",
                        step.series_id.name,
                    )
                )
            if step.series_id.state in STARTED and FIXED_STEP_FIELDS.intersection(vals):
                raise UserError(
                    self.env._(
                        "%s was started. Its steps can be moved and removed, and waits can be"
                        " changed, but not their kind or conditions. To change a mail, press New"
                        " text.",
                        step.series_id.name,
                    )
                )

    def _lock_series(self):
        """Lock the series of the steps, unless the series was locked for all of its steps."""
        if not self._is_together():
            self.series_id._lock_for_steps()

    def _remove(self):
        """Remove steps of a started series: people pass them, and mails that wait are sent."""
        self.check_access("unlink")
        # sudo(): deleting was checked above.
        self.sudo().write({"active": False, "next_template_id": False})
        # Nothing would ever send the mails of stopped tasks: people go on without them.
        self._get_open_tasks().filtered(_is_stopped_by_template)._drop()
        self.env.flush_all()
        engine.let_go_on(self.env, self.ids, fields.Datetime.now())
        self.env.invalidate_all()
        self.series_id._check_mails_left()
        self.env["directmail.series"]._wake()

    def _describe_change(self):
        """Return what an unsaved change of the step means for people, as texts."""
        self.ensure_one()
        origin = self._origin
        if not origin:
            return [self._describe_added()]
        lines = []
        if self.kind == "wait" and self.summary != origin.summary:
            lines.append(
                self.env._(
                    "%(step)s: “%(new)s” applies to people who reach the step from now on. People"
                    " who wait there (%(count)s) go on at the moment that they have now.",
                    step=origin.display_name,
                    new=self.summary,
                    count=formatLang(self.env, origin.inside_count, digits=0),
                )
            )
        if self.next_template_id._origin != origin.next_template_id:
            lines.append(self._describe_next())
        if any(self[name] != origin[name] for name in ("late_hours", "if_not_mailed")):
            lines.append(
                self.env._(
                    "%(step)s: the new settings apply to everybody who is there or comes later.",
                    step=origin.display_name,
                )
            )
        return lines

    def _describe_next(self):
        """Return what another `next_template_id` means, as a text."""
        template, name = self.next_template_id, self._origin.display_name
        if not template:
            return self.env._("%(step)s keeps its present text.", step=name)
        if template.state == "approved":
            return self.env._(
                "%(step)s: people who reach the step from now on get “%(name)s”. Mails that were"
                " planned before have the present text.",
                step=name,
                name=template.name,
            )
        return self.env._(
            "%(step)s: “%(name)s” replaces the present text as soon as it is approved. People who"
            " reach the step before that get the present text.",
            step=name,
            name=template.name,
        )

    # === NEW TEXT === #

    def _take_text(self):
        """Let steps whose new text is approved send it from now on.

        Mails that were planned before keep the old text: they stay in an email task of their own.
        If that task stopped because of the old text, it sends the new one instead.
        """
        for step in self.filtered(lambda step: step.next_template_id.state == "approved"):
            step._lock_series()
            # sudo(): callers have checked the right to write the step, or DirectMail decided.
            step = step.sudo()
            new = step.next_template_id
            # The words may have changed since the template was chosen.
            here = step.with_env(step.series_id._with_owner_language().env)
            if problem := here._explain_record(here.next_template_id):
                values = {"step": here.display_name, "problem": problem}
                here.series_id._tell_owner(here.env._("%(step)s: %(problem)s", **values), "warning")
                continue
            step.write({"template_id": new.id, "next_template_id": False})
            tasks = step._get_open_tasks()
            stopped = tasks.filtered(_is_stopped_by_template)
            (tasks - stopped).series_replaced = True
            stopped.write({"template_id": new.id, "content_changed": True})
            step._go_on()
            step.series_id._post_note(
                self.env._(
                    "%(step)s sends “%(name)s” from now on.", step=step.display_name, name=new.name
                )
            )
        self.env["directmail.series"]._wake()

    def _go_on(self):
        """Continue email tasks of the steps that stopped because of a template, now approved.

        Those of a paused series go on with it.
        """
        running = self.filtered(lambda step: step.series_id.state != "paused")
        for task in running._get_open_tasks().filtered(_is_stopped_by_template):
            task = task._with_owner_language()
            try:
                with self.env.cr.savepoint():
                    if task.state == "failed":
                        task.action_send()
                    else:
                        task.action_resume()
            except UserError as error:
                task._post_note(error.args[0])

    def _get_open_tasks(self):
        """Return the email tasks of the steps that are not over, the latest last, as superuser."""
        # sudo(): callers have checked the right to write the steps, or only tell what stops them.
        tasks = self.sudo().task_ids.filtered(lambda task: task.state not in ("done", "cancelled"))
        return tasks.sorted("id")


def _is_stopped_by_template(task):
    return task.state == "failed" or (task.state == "paused" and task.pause_reason == "template")
