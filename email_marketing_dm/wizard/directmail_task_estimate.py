from math import ceil

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_datetime, formatLang

from ..models.account.directmail_sender_warm_up import START


class DirectmailTaskEstimate(models.TransientModel):
    """Estimate of a task: recipients, duration and cost. The task is not changed."""

    _name = "directmail.task.estimate"
    _description = "Email Task Estimate"
    _rec_name = "task_id"

    task_id = fields.Many2one("directmail.task", required=True, readonly=True, ondelete="cascade")
    may_send = fields.Boolean(readonly=True)
    in_tens = fields.Boolean("Rounded figures", readonly=True)
    line_ids = fields.One2many("directmail.task.estimate.line", "estimate_id", readonly=True)
    people_count = fields.Integer("People in the audiences", readonly=True)
    mail_count = fields.Integer("Will get the mail", readonly=True)
    control_count = fields.Integer("In the control group", readonly=True)
    quota_left = fields.Integer(
        "Quota left today",
        readonly=True,
        help="Daily quota minus the mails that this database sent since midnight in Beijing, minus"
        " the account's reserve. Mails that other systems sent with this account are not counted.",
    )
    queue_count = fields.Integer("Mails ahead in the queue", readonly=True)
    today_count = fields.Integer("Today", readonly=True)
    days = fields.Integer(readonly=True)
    held = fields.Text("Held back", readonly=True)
    warm_up = fields.Text("Warm-up", readonly=True)
    warm_up_days = fields.Integer(readonly=True)
    warm_up_offer = fields.Char(compute="_compute_texts")
    unmeasured = fields.Text("Measuring", readonly=True)
    sources = fields.Text("Source of the addresses", compute="_compute_sources")
    sum_table = fields.Html("People", compute="_compute_texts", sanitize=False)
    dmarc_warning = fields.Char("DMARC warning", compute="_compute_texts")
    headline = fields.Char(compute="_compute_texts")
    send_label = fields.Char(compute="_compute_texts")
    is_scheduled = fields.Boolean(compute="_compute_texts")
    scheduled_at = fields.Datetime("Starts", related="task_id.scheduled_at")
    repeat_next = fields.Text("Next runs", related="task_id.repeat_next")
    plan = fields.Char("Daily quota", compute="_compute_texts")
    duration = fields.Char(compute="_compute_texts")
    cost = fields.Char(compute="_compute_texts")
    test_summary = fields.Char("A/B test", related="task_id.test_summary")
    test_power = fields.Char("What the A/B test can see", compute="_compute_texts")
    control_power = fields.Char("What the control group can show", compute="_compute_texts")
    control_cost = fields.Char("What the control group costs", compute="_compute_texts")
    gone_links = fields.Text("Links to missing pages", compute="_compute_gone_links")

    @api.model
    def _make(self, task, may_send):
        """Create the estimate of a task.

        :param task: a `directmail.task` that the user may read
        :param bool may_send: whether the dialog has a *Send* button
        :rtype: directmail.task.estimate
        """
        tens = task._estimates_in_tens()
        # sudo(): the caller checked that the user may read the task. Numbers of people whom the
        # user may not see are rounded (`tens`).
        fates = task.sudo()._estimate_people(tens)
        mails = sum(number for fate, number in fates.items() if fate.reason is None)
        order = list(dict(self.env["directmail.delivery"]._fields["reason"].selection))
        stopped = sorted(
            (fate for fate in fates if fate.reason), key=lambda fate: order.index(fate.reason)
        )
        held = {fate: number for fate, number in fates.items() if fate.held_until}
        account = task.account_id.sudo()
        capacity = account._get_capacity()
        left, daily = capacity.quota, capacity.budget
        queue = task.sudo()._count_ahead()
        today = min(mails, max(0, left - queue))
        later = queue + mails - min(queue + mails, left)
        sender, foreseen = task.sudo().sender_id, None
        if mails and sender.warmup_on:
            ahead = task.sudo()._count_ahead(sender)
            foreseen = sender._foresee(ahead + mails, (left, daily))
        estimate = self.sudo().create(
            {
                "warm_up": foreseen and sender.with_env(self.env)._describe_foreseen(foreseen),
                "warm_up_days": len(foreseen or ()),
                "task_id": task.id,
                "may_send": may_send,
                "in_tens": tens,
                "people_count": sum(fates.values()),
                "mail_count": mails,
                "control_count": sum(
                    number for fate, number in fates.items() if fate.reason == "control_group"
                ),
                "quota_left": left,
                "queue_count": queue,
                "today_count": today,
                "days": (1 + ceil(later / daily) if daily else 0) if mails else 1,
                "line_ids": [
                    fields.Command.create(
                        {"name": task._describe_fate(fate), "people": fates[fate]}
                    )
                    for fate in stopped
                ],
                "unmeasured": self._describe_measuring(task.sudo(), fates, tens),
                "held": "\n".join(
                    task._count_fate(fate, self._format(held[fate], tens))
                    for fate in sorted(held, key=lambda fate: fate.held_until)
                ),
            }
        )
        return estimate.with_env(self.env)

    @api.model
    def _describe_measuring(self, task, fates, tens):
        """Return of whom opens are not recorded and why, as sentences; False of nobody.

        :param fates: an `engine.plan.Estimate`; of a planned task a dict
        """
        unmeasured = getattr(fates, "unmeasured", 0)
        if not unmeasured:
            return False
        told = [task._say_unmeasured(unmeasured, fates.unclicked, tens)]
        if warning := task._warn_of_templates(unmeasured):
            told.append(warning)
        return "\n".join(told)

    @api.depends("mail_count", "queue_count", "today_count", "days", "line_ids.people")
    def _compute_texts(self):
        for estimate in self:
            estimate.sum_table = estimate._render_sum()
            estimate.headline = estimate._describe_people()
            estimate.dmarc_warning = estimate._warn_of_dmarc()
            estimate.warm_up_offer = (
                estimate.mail_count > START and estimate.task_id.sender_id._offer_warm_up()
            )
            estimate.send_label = estimate._label_send()
            estimate.plan = estimate._describe_plan()
            estimate.duration = estimate._describe_duration()
            estimate.cost = estimate._describe_cost()
            estimate.is_scheduled = estimate._is_scheduled()
            estimate.test_power = estimate._describe_power()
            power = estimate._foresee_control()
            estimate.control_power = power.get("sentence")
            estimate.control_cost = power.get("cost")

    def _warn_of_dmarc(self):
        task = self.task_id
        starts_at = task.scheduled_at if task.send_type == "scheduled" else None
        return task.sender_id._warn_of_dmarc(self.mail_count, starts_at)

    @api.depends("task_id")
    def _compute_gone_links(self):
        for estimate in self:
            gone = [
                f"{page['title']}: {page['url']}"
                for template in estimate.task_id._get_templates()
                for page in template.get_link_progress()["gone"]
            ]
            estimate.gone_links = "\n".join(dict.fromkeys(gone))

    @api.depends("task_id")
    @api.depends_context("lang", "uid")
    def _compute_sources(self):
        for estimate in self:
            # `_get_uploads` reads with all rights; the user sees the lists that they may read.
            uploads = estimate.task_id.audience_ids._get_uploads().sudo(False)
            uploads = uploads._filtered_access("read")
            estimate.sources = "\n".join(
                self.env._("%(list)s: %(answer)s", list=upload.name, answer=upload.consent_summary)
                for upload in uploads
            )

    def _render_sum(self):
        """Return an HTML table: people in the audiences, minus each reason, equals mails."""
        if self.in_tens and not self.people_count:
            return False
        rows = [
            ("", self.env._("People in the audiences"), self._tell(self.people_count)),
            *(("", line.name, f"− {self._tell(line.people)}") for line in self.line_ids),
            ("fw-bold", self.env._("Will get the mail"), self._tell(self.mail_count)),
        ]
        row = Markup("<tr class='%s'><td>%s</td><td class='text-end text-nowrap'>%s</td></tr>")
        body = Markup("").join(row % values for values in rows)
        return Markup("<table class='table table-sm mb-0'>%s</table>") % body

    def _describe_people(self):
        """Return how many people will get the mail, as a sentence."""
        number = formatLang(self.env, self.mail_count, digits=0)
        if self.task_id.send_type == "repeat":
            return self.env._(
                "If a run started now, this number of people would get its mail: %s",
                self._tell(self.mail_count),
            )
        if self.in_tens:
            if not self.mail_count:
                return self.env._("Only a few people or nobody would get this mail.")
            return self.env._("About %s people will get this mail.", number)
        if not self.mail_count:
            return self.env._("Nobody would get this mail.")
        if self.mail_count == 1:
            return self.env._("1 person will get this mail.")
        return self.env._("%s people will get this mail.", number)

    def _describe_power(self):
        """Return what the task's A/B test can see.

        False without a test, once it has begun, and when nobody would be mailed.
        """
        if self.task_id.planned_at or not self.mail_count:
            return False
        return self.task_id._get_power(self.mail_count)["sentence"]

    def _foresee_control(self):
        """Return what the task's control group can show: see `_get_control_power`."""
        if not self.mail_count or not self.control_count:
            return {}
        return self.task_id._get_control_power((self.mail_count, self.control_count))

    def _is_scheduled(self):
        return bool(self.task_id.scheduled_at) and not self.task_id.planned_at

    def _label_send(self):
        number = formatLang(self.env, self.mail_count, digits=0)
        if self.task_id.send_type == "repeat":
            return self.env._("Start repeating")
        if self._is_scheduled():
            if self.in_tens:
                return self.env._("Schedule")
            if self.mail_count == 1:
                return self.env._("Schedule for 1 person")
            return self.env._("Schedule for %s people", number)
        if self.in_tens:
            return self.env._("Send")
        if self.mail_count == 1:
            return self.env._("Send to 1 person")
        return self.env._("Send to %s people", number)

    def _describe_plan(self):
        account = self.task_id.account_id
        if not self.mail_count:
            return False
        if not self.days:
            return self.env._(
                "The reserve of the account leaves no quota for email tasks. Ask an administrator"
                " to reduce the reserve."
            )
        if self.days == 1:
            return self.env._("Today's quota is enough.")
        return self.env._(
            "Today's quota is not enough. Mails sent today: %(today)s. The other mails are sent"
            " automatically on the following days, starting on %(next)s.",
            today=self._format(self.today_count),
            next=format_datetime(self.env, account._get_next_day(), dt_format="short"),
        )

    def _describe_duration(self):
        if not self.mail_count or not self.days:
            return False
        days = max(self.days, self.warm_up_days)
        if days > 1:
            return self.env._("%s days", days)
        # The mails of `queue_count` go out first, at the same rate.
        mails = self.queue_count + self.mail_count
        minutes = ceil(mails / self.task_id.account_id.rate_limit / 60)
        if minutes <= 1:
            return self.env._("Less than a minute")
        if minutes < 120:
            return self.env._("About %s minutes", minutes)
        return self.env._("About %s hours", round(minutes / 60))

    def _describe_cost(self):
        account = self.task_id.account_id
        if not account.price_per_thousand:
            return False
        return formatLang(
            self.env,
            self.mail_count * account.price_per_thousand / 1000,
            currency_obj=account.currency_id,
        )

    def _tell(self, number):
        if self.in_tens and not number:
            return self.env._("few")
        return self._format(number, self.in_tens)

    def _format(self, number, about=False):
        text = formatLang(self.env, number, digits=0)
        return self.env._("about %s", text) if about else text

    def action_send(self):
        """Send the task.

        :raise UserError: if the dialog was opened without a *Send* button
        """
        self.ensure_one()
        if not self.may_send:
            raise UserError(self.env._("This is only an estimate. Press Send on the email task."))
        answer = self.task_id.action_send()
        if isinstance(answer, dict):
            return answer
        return {"type": "ir.actions.client", "tag": "soft_reload"}


class DirectmailTaskEstimateLine(models.TransientModel):
    """Number of people who would get no mail for one reason."""

    _name = "directmail.task.estimate.line"
    _description = "Email Task Estimate: One Reason"

    estimate_id = fields.Many2one(
        "directmail.task.estimate", required=True, readonly=True, index=True, ondelete="cascade"
    )
    name = fields.Char("Reason", readonly=True)
    people = fields.Integer(readonly=True)
