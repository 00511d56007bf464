from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_datetime, format_list, formatLang

from ..delivery.directmail_delivery import OUTCOMES, REACTION_FIELDS


class DirectmailTask(models.Model):
    """Computed texts of a task's page, and the list of what is missing before *Send*."""

    _inherit = "directmail.task"

    reach = fields.Char("Who can be mailed", compute="_compute_reach")
    settings_summary = fields.Char("Settings", compute="_compute_settings_summary")
    template_write_date = fields.Datetime("Template changed", related="template_id.write_date")
    has_results = fields.Boolean("Results are known", compute="_compute_rates")
    open_rate = fields.Float("Open rate", compute="_compute_rates")
    click_rate = fields.Float("Click rate", compute="_compute_rates")
    calendar_at = fields.Datetime(
        "Date", compute="_compute_calendar_at", inverse="_inverse_calendar_at", store=True
    )

    @api.depends("audience_ids.usable_count", "audience_ids.refreshed_at", "address_form")
    @api.depends_context("uid", "lang")
    def _compute_reach(self):
        """Tell how many people can be mailed at most, from the figures of the last refresh."""
        for task in self:
            task.reach = task._describe_reach() if task.audience_ids else False

    def _describe_reach(self):
        new = self.audience_ids.filtered(lambda audience: not audience.refreshed_at)
        if new:
            return self.env._(
                "Not counted yet: %s. Press Estimate to count.",
                format_list(self.env, new.mapped("name")),
            )
        people = formatLang(self.env, sum(self.audience_ids.mapped("people_count")), digits=0)
        if self.address_form == "encrypted":
            return self.env._(
                "People in the audiences: %s. Press Estimate to count who can be mailed.", people
            )
        return self.env._(
            "At most %(usable)s of %(people)s people can be mailed. Press Estimate for the exact"
            " number.",
            usable=formatLang(self.env, sum(self.audience_ids.mapped("usable_count")), digits=0),
            people=people,
        )

    @api.depends(
        "use_as_is", "address_form", "address_type", "reply_to", "not_after", "track_opens",
        "track_clicks", "not_sent_policy", "is_notification", "ignore_fatigue", "campaign_id",
        "conversion_table_id", "control_share", "purpose_id",
    )  # fmt: skip
    @api.depends_context("uid", "lang", "tz")
    def _compute_settings_summary(self):
        for task in self:
            task.settings_summary = " · ".join(task._describe_settings())

    def _describe_settings(self):
        """Return the texts of the settings that differ from the defaults, in the page's order."""
        self.ensure_one()
        texts = {
            self.env._("Audiences are not refreshed"): self.use_as_is,
            self.env._("Encrypted addresses"): self.address_form == "encrypted",
            self.env._("No random sender address"): self.address_type == "sender",
            self.env._("Replies go to %s", self.reply_to): self.reply_to,
            self.env._("Opens are not recorded"): not self.track_opens,
            self.env._("Clicks are not recorded"): not self.track_clicks,
            self.env._("Notification"): self.is_notification,
            self.env._("Topic: %s", self.purpose_id.name): self.purpose_id,
            self.env._("Control group: %s%%", self.control_share): self.control_share,
            self.env._("Ignores fatigue control"): self.ignore_fatigue,
            self.env._("Mails that were not sent are sent again"): self.not_sent_policy == "again",
            self.env._("Conversion: %s", self.conversion_table_id.name): self.conversion_table_id,
            self.env._("Campaign: %s", self.campaign_id.title): self.campaign_id,
        }
        if self.not_after:
            moment = format_datetime(self.env, self.not_after, dt_format="short")
            texts[self.env._("Not after %s", moment)] = True
        return [text for text, differs in texts.items() if differs]

    @api.depends("counter_ids.value", "results_at")
    def _compute_rates(self):
        """Compute the rates of opened and clicked mails, as shares of those of `_get_base`."""
        for task in self:
            known = (*dict(OUTCOMES), *REACTION_FIELDS)
            task.has_results = bool(task.results_at) or any(task[f"{n}_count"] for n in known)
            opens, clicks = task._get_base("opened"), task._get_base("clicked")
            task.open_rate = task.opened_count / opens if opens else 0
            task.click_rate = task.clicked_count / clicks if clicks else 0

    # === NAME AND CALENDAR === #

    @api.onchange("template_id", "subject")
    def _onchange_name(self):
        """Suggest the template's name, or the subject, until the user enters a name."""
        self.name = self.name or self.template_id.name or self.subject

    @api.depends("next_run_at", "planned_at", "scheduled_at")
    def _compute_calendar_at(self):
        for task in self:
            task.calendar_at = task.planned_at or task.scheduled_at or task.next_run_at

    def _inverse_calendar_at(self):
        """Schedule tasks that were moved in the calendar, or created there.

        `write` has refused tasks that can't be changed any more (TIME_FIELDS).
        """
        for task in self:
            moment = task.calendar_at
            if task.send_type == "repeat":
                raise UserError(
                    self.env._("%s repeats. Open it to change when its mails are sent.", task.name)
                )
            if moment and moment <= fields.Datetime.now():
                raise UserError(
                    self.env._("Mails can't be scheduled in the past. Choose a later time.")
                )
            task.write({"send_type": "scheduled" if moment else "now", "scheduled_at": moment})

    @api.model
    def default_get(self, fields_list):
        """Schedule a task that is created in the calendar for the day that was clicked."""
        values = super().default_get(fields_list)
        if moment := self.env.context.get("default_calendar_at"):
            values.pop("calendar_at", None)
            values.update(send_type="scheduled", scheduled_at=moment)
        return values

    # === WHAT IS MISSING === #

    def _find_missing(self):
        """Return what a task lacks before it can be sent, in the order of the page.

        :return: [(name of the field, what to do about it), ...]
        :rtype: list[tuple[str, str]]
        """
        self.ensure_one()
        audiences = sender = None
        if not self._read_all_audiences()["audience_ids"]:
            audiences = self.env._("Choose the audience that gets this mail.")
        if not self.sender_id.ready:
            sender = self.env._("Choose a sender address that can send marketing mail.")
        problems = {
            "audience_ids": audiences,
            "template_id" if self.template_id else "subject": self._find_template_problem(),
            "version_ids": self._find_test_problem(),
            "sender_id": sender,
            "account_id": self._find_account_problem(),
        }
        return [(name, text) for name, text in problems.items() if text]

    def _find_account_problem(self):
        """Return why the account can't send and what to do, or None."""
        # sudo(): users may not read all of the account; only a text is returned.
        account = self.account_id.sudo()
        if account.state != "active" or not account._is_armed():
            return self.env._(
                "The DirectMail account is not active. Ask an administrator to activate it."
            )
        if not account.daily_quota:
            return self.env._(
                "The daily quota of this DirectMail account is 0. Ask Alibaba Cloud for a"
                " quota, synchronize the account, then send again."
            )
        return account._explain_public_url()

    def _find_template_problem(self):
        """Return why the template can't be sent and what to do, or None."""
        if not self.template_id:
            return self.env._("Choose the template to send, or write the mail.")
        return self._find_problem_of(self.template_id)

    def _find_problem_of(self, template):
        """Return why a template of the task or of a version can't be sent, or None."""
        # `_check_ready` submits a draft after all checks; at the start, none is left.
        is_submitted = self.state != "pending" and self._submits_template(template)
        if not is_submitted and template.state not in ("in_review", "approved"):
            return template._explain_state()
        # sudo(): the model of the records for which the task's own series starts.
        about = self.sudo().series_id._get_record_model()
        return template._explain_missing_lender(self.user_id) or template._explain_record(
            about, self.user_id
        )

    def _find_problems(self):
        """Return the entries of `_find_missing`, and further problems that would stop *Send*.

        These are a mail that can't be submitted for review, and a scheduled time in the past.
        """
        missing = self._find_missing()
        for template in self._get_templates().filtered(self._submits_template):
            try:
                template._compile()
            except UserError as error:
                name = "body_arch" if template == self.template_id else "version_ids"
                missing.append((name, error.args[0]))
        if not self.planned_at and self.scheduled_at and self.scheduled_at <= fields.Datetime.now():
            missing.append(
                (
                    "scheduled_at",
                    self.env._(
                        "The scheduled time has passed. Enter a later time, or choose “As soon as"
                        " approved”."
                    ),
                )
            )
        if self.send_type == "repeat" and (problem := self._find_end_problem()):
            missing.append(("repeat_end", problem))
        return missing

    def _open_missing(self, missing):
        """Open the dialog that lists what is missing; each entry leads to its field.

        :param missing: as of `_find_missing`
        """
        return {
            "type": "ir.actions.client",
            "tag": "directmail_task_missing",
            "params": {"missing": [{"field": name, "text": text} for name, text in missing]},
        }
