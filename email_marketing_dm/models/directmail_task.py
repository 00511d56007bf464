from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL, format_datetime

from .directmail_delivery import MARKS, OUTCOMES, STATES

# What a mail says and to whom it goes must not change once DirectMail may have it.
CONTENT_FIELDS = {
    "account_id", "address_form", "address_type", "audience_ids", "reply_to", "scheduled_at",
    "send_type", "sender_id", "template_id", "use_as_is",
}  # fmt: skip
LOCK_BEFORE = timedelta(minutes=10)


class DirectmailTask(models.Model):
    _name = "directmail.task"
    _description = "Email Task"
    _inherit = ["directmail.guarded", "mail.thread", "mail.activity.mixin"]
    _order = "create_date desc, id desc"
    _guarded_fields = frozenset(
        (
            "counter_ids",
            "delivery_ids",
            "finished_at",
            "planned_at",
            "results_at",
            "state",
            "state_message",
            "tag_name",
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
    )
    company_id = fields.Many2one(related="account_id.company_id", store=True, index=True)
    test_mode = fields.Boolean(related="account_id.test_mode")
    audience_ids = fields.Many2many("directmail.audience", string="Audiences")
    use_as_is = fields.Boolean(
        "Use audiences as they are",
        help="Off: audiences are refreshed just before the mails go out.",
    )
    address_form = fields.Selection(
        [("original", "Original"), ("encrypted", "Encrypted")],
        "Contacts' address",
        required=True,
        default="original",
        help="Original: the email of each contact. Encrypted: the encrypted email, which is"
        " decrypted while it is being sent and shown to nobody. Uploaded addresses are used as they"
        " were uploaded.",
    )
    template_id = fields.Many2one("directmail.template", index="btree_not_null")
    template_state = fields.Selection(related="template_id.state", string="Review")
    sender_id = fields.Many2one("directmail.sender", "Sender address")
    address_type = fields.Selection(
        [("random", "Random address"), ("sender", "Sender address")],
        "Address type",
        required=True,
        default="random",
        help="Random address: DirectMail adds a random part to the sender address, so that bounces"
        " can be analysed. Recommended.",
    )
    reply_to = fields.Char("Replies go to", help="Empty: to the sender address.")
    send_type = fields.Selection(
        [("now", "As soon as approved"), ("scheduled", "At a set time")],
        "When",
        required=True,
        default="now",
    )
    scheduled_at = fields.Datetime("Time")
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
    )
    state_message = fields.Text("What happened", readonly=True, copy=False)
    waiting_for = fields.Char(compute="_compute_waiting_for")
    tag_name = fields.Char(readonly=True, copy=False)
    planned_at = fields.Datetime("Started", readonly=True, copy=False)
    finished_at = fields.Datetime("Finished", readonly=True, copy=False)
    results_at = fields.Datetime("Results as of", readonly=True, copy=False)
    delivery_ids = fields.One2many("directmail.delivery", "task_id", "Deliveries")
    counter_ids = fields.One2many("directmail.task.counter", "task_id")
    people_count = fields.Integer("People", compute="_compute_counts")
    suppressed_count = fields.Integer("Suppressed", compute="_compute_counts")
    waiting_count = fields.Integer("Waiting", compute="_compute_counts")
    sending_count = fields.Integer("Being sent", compute="_compute_counts")
    unknown_count = fields.Integer("Unknown", compute="_compute_counts")
    sent_count = fields.Integer("Sent", compute="_compute_counts")
    refused_count = fields.Integer("Refused", compute="_compute_counts")
    not_sent_count = fields.Integer("Not sent", compute="_compute_counts")
    cancelled_count = fields.Integer("Cancelled", compute="_compute_counts")
    delivered_count = fields.Integer("Delivered", compute="_compute_counts")
    failed_count = fields.Integer("Failed", compute="_compute_counts")
    invalid_count = fields.Integer("Invalid", compute="_compute_counts")
    spam_count = fields.Integer("Spam", compute="_compute_counts")
    opened_count = fields.Integer("Opened", compute="_compute_counts")
    clicked_count = fields.Integer("Clicked", compute="_compute_counts")
    unsubscribed_count = fields.Integer("Unsubscribed", compute="_compute_counts")
    complained_count = fields.Integer("Complained", compute="_compute_counts")
    progress = fields.Float(compute="_compute_counts")

    @api.depends("counter_ids.value")
    def _compute_counts(self):
        rows = (
            self.env["directmail.task.counter"]
            .sudo()
            ._read_group([("task_id", "in", self.ids)], ["task_id", "name"], ["value:sum"])
        )
        counts = {(task.id, name): value for task, name, value in rows}
        for task in self:
            for name in (*dict(STATES + OUTCOMES), *MARKS):
                task[f"{name}_count"] = counts.get((task._origin.id, name), 0)
            task.people_count = sum(task[f"{name}_count"] for name, _label in STATES)
            left = task.waiting_count + task.sending_count
            task.progress = 100 * (1 - left / task.people_count) if task.people_count else 0

    @api.depends("state", "scheduled_at", "template_id.state", "account_id.state")
    def _compute_waiting_for(self):
        for task in self:
            task.waiting_for = task._get_waiting_for()

    def _get_waiting_for(self):
        """Say what a pending or sending task waits for; False if for nothing."""
        self.ensure_one()
        account = self.account_id.sudo()
        if self.state not in ("pending", "sending"):
            return False
        if account.state != "active":
            return self.env._(
                "The DirectMail account is not active. An administrator can activate it."
            )
        if self.state == "pending" and self.template_id.state != "approved":
            return self.env._("DirectMail is reviewing the template.")
        if self.state == "pending" and self.scheduled_at:
            return self.env._("It starts at %s.", format_datetime(self.env, self.scheduled_at))
        if not account._get_quota_left():
            return self.env._("Today's quota is used up. It goes on after midnight in Beijing.")
        return False

    @api.constrains("send_type", "scheduled_at")
    def _check_scheduled_at(self):
        for task in self:
            if task.send_type == "scheduled" and not task.scheduled_at:
                raise ValidationError(
                    self.env._("Enter the time at which the mails are to go out.")
                )

    @api.constrains("account_id", "template_id", "sender_id", "audience_ids")
    def _check_account(self):
        for task in self:
            for record in (task.template_id, task.sender_id):
                if record and record.account_id != task.account_id:
                    raise ValidationError(
                        self.env._(
                            "%(record)s belongs to another DirectMail account.",
                            record=record.display_name,
                        )
                    )
            if task.audience_ids.sudo().company_id - task.company_id:
                raise ValidationError(self.env._("An audience belongs to another company."))

    @api.onchange("account_id")
    def _onchange_account_id(self):
        if self.template_id.account_id != self.account_id:
            self.template_id = False
        if self.sender_id.account_id != self.account_id:
            self.sender_id = self.account_id.sender_ids.filtered("ready")[:1]

    @api.onchange("send_type")
    def _onchange_send_type(self):
        if self.send_type == "now":
            self.scheduled_at = False

    @api.model_create_multi
    def create(self, vals_list):
        tasks = super().create(vals_list)
        tasks._check_audiences_readable()
        return tasks

    def write(self, vals):
        if not self.env.su and CONTENT_FIELDS & set(vals):
            for task in self:
                task._check_editable()
        res = super().write(vals)
        if "audience_ids" in vals:
            self._check_audiences_readable()
        if not self.env.su and "scheduled_at" in vals:
            for task in self.filtered(lambda task: task.state == "pending"):
                task.account_id._trigger_sending(task.scheduled_at)
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_history(self):
        for task in self:
            task._check_editable()
            if task.sudo().people_count:
                raise UserError(
                    self.env._("Mails of %s have gone out. Archive it instead.", task.name)
                )

    # === ACTIONS === #

    def action_send(self):
        """Send as soon as template, time and quota allow."""
        for task in self:
            task.check_access("write")
            if task.state not in ("draft", "failed"):
                raise UserError(self.env._("%s is on its way already.", task.name))
            task._check_ready()
            task.sudo().write({"state": "pending", "state_message": False})
            task.account_id._trigger_sending(task.scheduled_at or None)
            task.template_id.sudo()._schedule_review_check()
        return True

    def action_withdraw(self):
        """Take a task back before its first call."""
        for task in self:
            task.check_access("write")
            task._check_editable()
            task.sudo().write({"state": "draft"})
        return True

    def action_pause(self):
        """Start no further call. Those under way finish within seconds."""
        self.check_access("write")
        self.filtered(lambda task: task.state == "sending").sudo().write({"state": "paused"})
        return True

    def action_resume(self):
        """Go on with those who have not been mailed."""
        self.check_access("write")
        for task in self.filtered(lambda task: task.state == "paused").sudo():
            if task.account_id.state != "active":
                raise UserError(
                    self.env._(
                        "The DirectMail account is not active. Ask an administrator to activate it."
                    )
                )
            task.write({"state": "sending", "state_message": False})
            task.account_id._trigger_sending()
        return True

    def action_cancel(self):
        """Mail nobody else. Who was mailed already stays on the record."""
        self.check_access("write")
        for task in self.filtered(lambda task: task.state in ("pending", "sending", "paused")):
            task.sudo()._cancel_waiting()
            task.sudo().write({"state": "cancelled", "finished_at": fields.Datetime.now()})
        return True

    def action_view_deliveries(self):
        """Open the people behind a figure: the context names a state or an outcome."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_delivery_action"
        )
        domain = [("task_id", "=", self.id)]
        name = self.env.context.get("figure")
        if name in dict(STATES):
            domain.append(("state", "=", name))
        elif name in dict(OUTCOMES):
            domain.append(("outcome", "=", name))
        elif name in MARKS:
            domain.append((MARKS[name], "!=", False))
        else:
            return {**action, "domain": domain}
        label = self._fields[f"{name}_count"]._description_string(self.env)
        return {**action, "domain": domain, "display_name": label}

    # === BUSINESS === #

    def _check_editable(self):
        """Refuse a change that would come too late.

        :raise UserError: if the task runs, ran, or starts within ten minutes
        """
        self.ensure_one()
        if self.state in ("draft", "failed"):
            return
        if self.state != "pending":
            raise UserError(self.env._("%s can't be changed any more.", self.name))
        starts_soon = self.scheduled_at and self.scheduled_at < fields.Datetime.now() + LOCK_BEFORE
        if starts_soon:
            raise UserError(
                self.env._("%s starts within ten minutes and can't be changed any more.", self.name)
            )

    def _check_audiences_readable(self):
        """Refuse audiences that the current user may not see: linking alone checks nothing.

        :raise AccessError: for somebody else's private audience
        """
        self.sudo().audience_ids.with_env(self.env).check_access("read")

    def _check_ready(self):
        """Refuse to start what can't work, with one sentence that says what to do.

        :raise UserError: for the first thing that is missing
        """
        self.ensure_one()
        account = self.account_id.sudo()
        if account.state != "active" or not account._is_armed():
            raise UserError(
                self.env._(
                    "The DirectMail account is not active. Ask an administrator to activate it."
                )
            )
        if not account.daily_quota:
            raise UserError(
                self.env._(
                    "DirectMail allows this account 0 mails a day. Ask Alibaba Cloud for a quota,"
                    " synchronise the account, then send again."
                )
            )
        if not self.sender_id.ready:
            raise UserError(self.env._("Choose a sender address that can send marketing mail."))
        self._check_template()
        if not self.audience_ids:
            raise UserError(self.env._("Choose the audience that gets this mail."))
        if not self.use_as_is:
            self._refresh_audiences()
        people = sum(self.audience_ids.sudo().mapped("people_count"))
        if not people:
            raise UserError(
                self.env._("The audience has nobody in it. Change its filter, then send again.")
            )
        if self.address_form == "encrypted":
            self._check_encrypted()
        elif not sum(self.audience_ids.sudo().mapped("usable_count")):
            raise UserError(
                self.env._(
                    "None of the %s people in the audience has a usable email address. Complete"
                    " the contacts, then send again.",
                    people,
                )
            )

    def _check_template(self):
        template = self.template_id
        if not template:
            raise UserError(self.env._("Choose the template to send."))
        if template.state == "draft":
            raise UserError(self.env._("Submit the template %s for review first.", template.name))
        if template.state == "rejected":
            raise UserError(
                self.env._(
                    "DirectMail rejected the template: %s Correct it, submit it again, then send.",
                    template.review_comment or "",
                )
            )

    def _refresh_audiences(self):
        """Refresh the audiences of the task.

        :raise UserError: if one can't be refreshed, with the reason
        """
        for audience in self.audience_ids.sudo():
            if not audience._refresh():
                raise UserError(
                    self.env._(
                        "The audience %(audience)s can't be refreshed: %(reason)s",
                        audience=audience.name,
                        reason=audience.refresh_error,
                    )
                )

    def _cancel_waiting(self):
        """Cancel those who still wait. Calls under way can't be called back."""
        self.ensure_one()
        self.env["directmail.task.counter"]._apply(
            SQL(
                """UPDATE directmail_delivery d SET state = 'cancelled'
                    WHERE task_id = %s AND state = 'waiting'
                RETURNING d.task_id, 'waiting' AS old_state, d.state AS new_state,
                          NULL AS old_outcome, NULL AS new_outcome""",
                self.id,
            ),
            "user",
        )
        self.env.invalidate_all()
