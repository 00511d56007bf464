from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..delivery.directmail_delivery import OUTCOMES, REACTION_FIELDS, STATES
from ..template.directmail_template_content import split_content

# States in which no more mails go out.
STOPPED = ("done", "cancelled", "paused", "failed")
# Fields that choose the people: the plan (`planned_at`) freezes them.
PEOPLE_FIELDS = {
    "account_id", "address_form", "audience_ids", "control_share", "exclude_audience_ids",
    "is_notification", "notification_counts", "purpose_id", "test_criterion", "test_hours",
    "test_people", "test_share", "test_undecided", "use_as_is", "version_ids",
}  # fmt: skip
# Fields of the mail's content and envelope: fixed while mails are being sent.
TASK_CONTENT_FIELDS = {
    "address_type", "reply_to", "sender_id", "template_id", "track_clicks", "track_opens",
}  # fmt: skip
# Of TASK_CONTENT_FIELDS: which reactions are recorded. A/B tests compare versions by them.
RECORDED_FIELDS = {"track_clicks", "track_opens"}
TIME_FIELDS = {"calendar_at", "scheduled_at", "send_type"}
# A pending task can't be changed any more this long before `scheduled_at`.
LOCK_BEFORE = timedelta(minutes=10)
PAUSE_REASONS = [
    ("user", "Paused by a user"),
    ("too_late", "Scheduled time missed"),
    ("template", "Template changed"),
    ("refused", "Refused by DirectMail"),
    ("quota", "Quota used up"),
    ("account", "Account stopped"),
    ("content", "Mails can't be created"),
    ("owner", "New owner"),
    ("guard", "Too many complaints or invalid addresses"),
    ("run", "A run could not start"),
]

#: Counters about people who are not measured, beside those of REACTION_FIELDS.
UNMEASURED = ("unmeasured_open", "unmeasured_click", "anonymous_open", "anonymous_click")


class DirectmailTask(models.Model):
    """An email task: one sending of a mail to the people of some audiences.

    This file has the fields of the form, the counts, and what may still be changed. Each other file
    `directmail_task_<concern>.py` extends the model by one concern.
    """

    _name = "directmail.task"
    _description = "Email Task"
    _inherit = [
        "directmail.owned",
        "directmail.of.company",
        "directmail.conversion",
        "directmail.addressing",
        "directmail.scheduled",
        "directmail.key.problem",
        "directmail.needs.account",
        "directmail.used",
        "directmail.template.content",
        "mail.thread",
    ]
    _order = "create_date desc, id desc"
    _ask_type = "mail.mail_activity_data_warning"
    _guarded_fields = frozenset(
        (
            "content_changed",
            "conversion_at",
            "conversion_error",
            "counter_ids",
            "delivery_ids",
            "details_removed_at",
            "details_totals",
            "finished_at",
            "in_tens",
            "mailing_list_ids",
            "pause_reason",
            "planned_at",
            "quota_told_on",
            "results_at",
            "revenue",
            "state",
            "state_message",
            "tag_name",
            "upload_ids",
        )
    )

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    user_id = fields.Many2one(
        "res.users", "Owner", required=True, index=True, default=lambda self: self.env.user
    )
    account_id = fields.Many2one(
        "directmail.account",
        required=True,
        index=True,
        default=lambda self: self.env["directmail.template"]._default_account(),
        check_company=True,
    )
    company_id = fields.Many2one(related="account_id.company_id", store=True, index=True)
    test_mode = fields.Boolean(related="account_id.test_mode")
    is_trial = fields.Boolean(related="account_id.is_trial")
    # Archived audiences still count (`active_test`). A used audience can't be deleted: without an
    # excluded audience more people would be mailed.
    audience_ids = fields.Many2many(
        "directmail.audience",
        string="Audiences",
        context={"active_test": False},
        ondelete="restrict",
        check_company=True,
    )
    exclude_audience_ids = fields.Many2many(
        "directmail.audience",
        "directmail_task_exclude_audience_rel",
        string="Except",
        context={"active_test": False},
        ondelete="restrict",
        check_company=True,
        help="People in these audiences get no mail, and neither do other people with the same"
        " address.",
    )
    use_as_is = fields.Boolean(
        "Use audiences as they are",
        help="By default, audiences are refreshed just before the mails are sent. Turn this on to"
        " mail the people of the last refresh instead.",
    )
    template_id = fields.Many2one("directmail.template", index="btree_not_null", check_company=True)
    template_state = fields.Selection(related="template_id.state", string="Review")
    sender_id = fields.Many2one(
        "directmail.sender", "Sender address", ondelete="restrict", check_company=True
    )
    track_opens = fields.Boolean(
        "Record opens",
        default=True,
        help="Records who opened the mail, when its pictures are loaded. Turn it off if you don't"
        " need this information.",
    )
    track_clicks = fields.Boolean(
        "Record clicks",
        default=True,
        help="Records who clicked which link. Turn it off if you don't need this information.",
    )
    campaign_id = fields.Many2one(
        "utm.campaign", index="btree_not_null", help="Groups email tasks that belong together."
    )
    priority = fields.Selection(
        [("0", "Normal"), ("1", "Urgent")],
        default="0",
        required=True,
        help="Urgent email tasks use the account's quota before all others. Otherwise, older email"
        " tasks go first.",
    )
    not_sent_policy = fields.Selection(
        [("leave", "Don't send it"), ("again", "Send it again")],
        "If a mail was not sent",
        default="leave",
        required=True,
        help="If the connection breaks while a mail is submitted, DirectMail's records may show"
        " later that the mail was not sent. Choose whether the person is left out, or the mail is"
        " sent once more with the same message ID.",
    )
    send_type = fields.Selection(
        [
            ("now", "As soon as approved"),
            ("scheduled", "At a scheduled time"),
            ("repeat", "Repeatedly"),
        ],
        "When",
        required=True,
        default="now",
    )
    scheduled_at = fields.Datetime("Scheduled time", copy=False)
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("pending", "Pending"),
            ("sending", "Sending"),
            ("paused", "Paused"),
            ("done", "Done"),
            ("failed", "Failed"),
            ("cancelled", "Cancelled"),
        ],
        required=True,
        readonly=True,
        copy=False,
        default="draft",
        tracking=True,
        index=True,
        group_expand=True,
    )
    pause_reason = fields.Selection(PAUSE_REASONS, readonly=True, copy=False)
    state_message = fields.Text("What happened", readonly=True, copy=False)
    tag_name = fields.Char(readonly=True, copy=False)
    in_tens = fields.Boolean(
        "Rounded figures",
        readonly=True,
        copy=False,
        help="The email task includes or excludes people whom its owner may not see, or encrypted"
        " addresses. The owner sees only people whose mail was submitted to DirectMail. The number"
        " of other people, and of those who got no mail for each reason, is rounded down to tens.",
    )
    planned_at = fields.Datetime("Started", readonly=True, copy=False)
    finished_at = fields.Datetime("Finished on", readonly=True, copy=False)
    content_changed = fields.Boolean(readonly=True, copy=False)
    quota_told_on = fields.Date("Last quota notification", readonly=True, copy=False)
    results_at = fields.Datetime("Results as of", readonly=True, copy=False)
    delivery_ids = fields.One2many("directmail.delivery", "task_id", "Deliveries")
    counter_ids = fields.One2many("directmail.task.counter", "task_id")
    people_count = fields.Integer("People", compute="_compute_counts")
    suppressed_count = fields.Integer("Suppressed", compute="_compute_counts")
    waiting_count = fields.Integer("Waiting", compute="_compute_counts")
    sending_count = fields.Integer("Sending", compute="_compute_counts")
    unknown_count = fields.Integer("Unknown", compute="_compute_counts")
    sent_count = fields.Integer("Sent", compute="_compute_counts")
    refused_count = fields.Integer("Refused", compute="_compute_counts")
    not_sent_count = fields.Integer("Not sent", compute="_compute_counts")
    cancelled_count = fields.Integer("Cancelled", compute="_compute_counts")
    delivered_count = fields.Integer("Delivered", compute="_compute_counts")
    failed_count = fields.Integer("Failed", compute="_compute_counts")
    invalid_count = fields.Integer("Invalid address", compute="_compute_counts")
    spam_count = fields.Integer("Spam", compute="_compute_counts")
    opened_count = fields.Integer("Opened", compute="_compute_counts")
    clicked_count = fields.Integer("Clicked", compute="_compute_counts")
    unsubscribed_count = fields.Integer("Unsubscribed", compute="_compute_counts")
    complained_count = fields.Integer("Reported as spam", compute="_compute_counts")
    # Delivered mails to people whose opens or clicks are not recorded, and the opens and clicks of
    # such people, which are counted without the person: see `engine.measuring`.
    unmeasured_open_count = fields.Integer("Opens not recorded", compute="_compute_counts")
    unmeasured_click_count = fields.Integer("Clicks not recorded", compute="_compute_counts")
    anonymous_open_count = fields.Integer("Opens counted anonymously", compute="_compute_counts")
    anonymous_click_count = fields.Integer("Clicks counted anonymously", compute="_compute_counts")
    progress = fields.Integer(compute="_compute_counts")
    editable = fields.Selection(
        [("all", "Everything"), ("content", "Content only"), ("none", "Nothing")],
        compute="_compute_editable",
        help="Which parts of the email task can still be changed.",
    )
    upload_ids = fields.Many2many(
        "directmail.upload",
        "directmail_task_upload_rel",
        string="Uploaded lists",
        readonly=True,
        copy=False,
    )

    @api.depends("counter_ids.value", "in_tens", "state")
    @api.depends_context("uid")
    def _compute_counts(self):
        # sudo(): counters of the tasks in `self`, which the reader may see; rounded below.
        rows = (
            self.env["directmail.task.counter"]
            .sudo()
            ._read_group([("task_id", "in", self.ids)], ["task_id", "name"], ["value:sum"])
        )
        counts = {(task.id, name): value for task, name, value in rows}
        for task in self:
            told_in_tens = task.told_in_tens
            for name in (*dict(STATES + OUTCOMES), *REACTION_FIELDS):
                count = counts.get((task._origin.id, name), 0)
                task[f"{name}_count"] = task._tell_state(name, count) if told_in_tens else count
            for name in UNMEASURED:
                task[f"{name}_count"] = counts.get((task._origin.id, name), 0)
            task.people_count = sum(task[f"{name}_count"] for name, _label in STATES)
            # Percentage of the people who are not suppressed whose mail was handed over, rounded
            # down: 100 means all.
            to_mail = task.people_count - task.suppressed_count
            left = task.waiting_count + task.sending_count + task.cancelled_count
            task.progress = 100 * (to_mail - left) // to_mail if to_mail else 0
            if told_in_tens and task.state not in ("done", "cancelled"):
                # Rounded figures may show 0 waiting while a few people still wait.
                task.progress = min(task.progress, 99)

    @api.depends("state", "scheduled_at", "planned_at", "counter_ids.value")
    def _compute_editable(self):
        for task in self:
            # RECORDED_FIELDS may be locked while the mail can be corrected: `_explain_fixed`.
            if task._explain_lock(TASK_CONTENT_FIELDS - RECORDED_FIELDS):
                task.editable = "none"
            else:
                task.editable = "content" if task._explain_lock(PEOPLE_FIELDS) else "all"

    @api.constrains("send_type", "scheduled_at")
    def _check_scheduled_at(self):
        for task in self:
            if task.send_type == "scheduled" and not task.scheduled_at:
                raise ValidationError(
                    self.env._("Enter the time at which the mails should be sent.")
                )

    @api.constrains("account_id", "template_id", "sender_id")
    def _check_account(self):
        for task in self:
            template, sender = task.template_id, task.sender_id
            if template and template.account_id != task.account_id:
                raise ValidationError(
                    self.env._(
                        "The template belongs to another DirectMail account. Choose a template of"
                        " the email task's account."
                    )
                )
            if sender and sender.account_id != task.account_id:
                raise ValidationError(
                    self.env._(
                        "The sender address belongs to another DirectMail account. Choose a sender"
                        " address of the email task's account."
                    )
                )

    @api.onchange("account_id")
    def _onchange_account_id(self):
        if self.template_id.account_id != self.account_id:
            self.template_id = False
        if self.sender_id.account_id != self.account_id:
            self.sender_id = self.account_id.sender_ids.filtered("ready")[:1]

    @api.onchange("send_type")
    def _onchange_send_type(self):
        if self.send_type != "scheduled":
            self.scheduled_at = False

    @api.model_create_multi
    def create(self, vals_list):
        split = [split_content(vals) for vals in vals_list]
        tasks = super().create([vals for _content, vals in split])
        for task, (content, _vals) in zip(tasks, split, strict=True):
            task._change_content(content)
        tasks._check_conversion_rights()
        if any(tasks.mapped("ignore_fatigue")):
            tasks._check_may_ignore_fatigue()
        return tasks

    def write(self, vals):
        content, vals = split_content(vals)
        owners = {task: task.user_id for task in self}
        planned = self.browse()
        if vals.get("ignore_fatigue"):
            self._check_may_ignore_fatigue()
        self._check_send_type(vals)
        if not self.env.su:
            self._check_archivable(vals)
            for task in self:
                task._check_editable(set(vals))
            if TASK_CONTENT_FIELDS & set(vals):
                planned = self.filtered("planned_at")
        before = self._get_sent_state(vals)
        res = super().write(vals)
        self._note_changes(before)
        # `action_resume` then sends the task through `_prepare` again, which checks and compares
        # the template before the remaining mails go out. sudo(): `content_changed` is guarded.
        planned.sudo().content_changed = True
        if not self.env.su and "scheduled_at" in vals:
            for task in self.filtered(lambda task: task.state == "pending"):
                task.account_id._trigger_sending(task.scheduled_at)
        for task in self:
            task._change_content(content)
            if "name" in vals:
                task._rename_own_template()
        self._follow_conversion(vals)
        if vals.get("state") in STOPPED:
            self._schedule_results()
        self._follow_rhythm(vals)
        if {"ignore_fatigue", "not_after"} & set(vals):
            self.sudo()._release_held()
        self.filtered(lambda task: task.user_id != owners[task])._ask_new_owner()
        return res

    def copy_data(self, default=None):
        self._check_copyable(default or {})
        default = default or {}
        vals_list = super().copy_data(default)
        for task, vals in zip(self, vals_list, strict=True):
            # `scheduled_at` is not copied, so `send_type` can't stay "scheduled".
            if "send_type" not in default and task.send_type == "scheduled":
                vals["send_type"] = "now"
        if "name" not in default:
            for task, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", task.name)
        return vals_list

    @api.ondelete(at_uninstall=False)
    def _unlink_except_history(self):
        for task in self:
            task._check_editable()
            # sudo(): exact, as `people_count` may be rounded for the user; only whether 0 is told.
            if task.sudo().people_count:
                raise UserError(
                    self.env._(
                        "%s can't be deleted because mails have been sent. Archive it instead.",
                        task.name,
                    )
                )

    # === BUSINESS === #

    def _get_using(self):
        """Override: audiences with a rule about the task prevent its deletion."""
        # sudo(): audiences of other users count too; `unlink` checks the rights to the tasks.
        lines = self.env["directmail.audience.line"].sudo().search([("task_id", "in", self.ids)])
        return [lines.audience_id]

    def _check_editable(self, names=None):
        """Refuse to change fields that are locked.

        :param set names: names of the fields that are to change; all fields by default
        :raise UserError: with the explanation of `_explain_lock`
        """
        if explanation := self._explain_lock(names):
            raise UserError(explanation)

    def _explain_lock(self, names=None):
        """Return why fields can't be changed any more; "" if they can be.

        Locked are PEOPLE_FIELDS, TASK_CONTENT_FIELDS and TIME_FIELDS of a task that is sending,
        done or cancelled, or pending if it was planned or starts within LOCK_BEFORE. For a planned
        task that is paused or failed, see `_explain_fixed`.

        :param set names: names of the fields; all fields by default
        :rtype: str
        """
        self.ensure_one()
        locked = PEOPLE_FIELDS | TASK_CONTENT_FIELDS | TIME_FIELDS
        if names is not None and not names & locked:
            return ""
        if self.planned_at and self.state in ("paused", "failed"):
            return self._explain_fixed(names)
        if self.state not in ("draft", "failed", "paused", "pending"):
            return self.env._(
                "%s has started or was cancelled, so it can't be changed any more. Duplicate it to"
                " make changes.",
                self.name,
            )
        if self.state == "pending" and self._starts_soon():
            return self.env._(
                "%s starts within ten minutes and can't be changed any more.", self.name
            )
        return ""

    def _explain_fixed(self, names):
        """Return why fields of a planned task that stopped can't be changed; "" if they can be.

        TASK_CONTENT_FIELDS can be changed while no call to DirectMail is under way
        (`sending_count`). PEOPLE_FIELDS and TIME_FIELDS can't be changed.

        :param set names: as for `_explain_lock`
        :rtype: str
        """
        if names is None or names & (PEOPLE_FIELDS | TIME_FIELDS):
            return self.env._(
                "The recipients of %s can't be changed because mails have been sent. Duplicate it"
                " to mail other people.",
                self.name,
            )
        if names & RECORDED_FIELDS and self.version_ids and not self.winner_by:
            return self.env._(
                "What is recorded can't be changed before the A/B test of %s is decided, because"
                " its versions are compared by it.",
                self.name,
            )
        # sudo(): exact, as `sending_count` may be rounded for the user; only whether 0 is told.
        if self.sudo().sending_count:
            return self.env._("The last mails are still being sent. Try again in a minute.")
        return ""

    def _starts_soon(self):
        return bool(self.planned_at) or (
            self.scheduled_at and self.scheduled_at < fields.Datetime.now() + LOCK_BEFORE
        )
