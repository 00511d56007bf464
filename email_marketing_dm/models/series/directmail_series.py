from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import format_date, formatLang

from odoo.addons.base.models.res_partner import _tz_get

from .directmail_series_step import STEPS_MAX

#: Hours between which a series mails people: see `directmail_series_pace.py`.
HOURS_FIELDS = {"hour_from", "hour_to", "hours_on"}

SERIES_STATES = [
    ("draft", "Draft"),
    ("running", "Running"),
    ("closing", "Letting people finish"),
    ("paused", "Paused"),
    ("ended", "Ended"),
]
#: Fields that can be changed only before the start.
FIXED_FIELDS = {
    "account_id", "address_form", "address_type", "audience_id", "entry", "exit_audience_ids",
    "exit_left", "purpose_id", "reentry", "reentry_days", "sender_id", "start_date_path",
    "start_days", "start_domain", "start_event", "start_exit", "start_hour", "start_kind",
    "start_per", "start_side", "start_table_id", "start_unchanged", "start_yearly", "tz", "user_id",
}  # fmt: skip


class DirectmailSeries(models.Model):
    """A series: mails that people get one after the other, from the moment at which they enter.

    This file has settings, checks and figures; `directmail_series_run.py` has what starts, stops
    and advances it.
    """

    _name = "directmail.series"
    _description = "Series of Emails"
    _inherit = [
        "directmail.owned",
        "directmail.of.company",
        "directmail.conversion",
        "directmail.addressing",
        "directmail.needs.account",
        "mail.thread",
    ]
    _order = "create_date desc, id desc"
    _ask_type = "mail.mail_activity_data_warning"
    _guarded_fields = frozenset(
        ("ended_at", "entry_ids", "last_member_id", "last_refresh_id", "resume_to", "started_at",
         "state", "state_message")
    )  # fmt: skip

    name = fields.Char(required=True, tracking=True, default=lambda self: self._get_default_name())
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
    audience_id = fields.Many2one(
        "directmail.audience",
        context={"active_test": False},
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="People enter the series when they enter this audience, at its next refresh. If the"
        " series starts in another way, only people enter who are in the audience since its last"
        " refresh.",
    )
    entry = fields.Selection(
        [("new", "From now on"), ("all", "Everybody who is in it today, too")],
        "Who enters",
        required=True,
        default="new",
        help="From now on: only people who enter the audience after the start of the series.",
    )
    sender_id = fields.Many2one(
        "directmail.sender", "Sender address", ondelete="restrict", check_company=True
    )
    purpose_id = fields.Many2one(
        "directmail.purpose",
        "Topic",
        check_company=True,
        index="btree_not_null",
        ondelete="restrict",
        default=lambda self: self.env["directmail.purpose"]._find_only(),
        help="Who may be mailed follows the topic's rule and what people have answered about it."
        " Without a topic everybody is mailed who has not unsubscribed.",
    )
    tz = fields.Selection(
        _tz_get,
        "Time zone",
        required=True,
        default=lambda self: self.env.user.tz or "UTC",
        help="The times of day of waits are in this time zone.",
    )
    state = fields.Selection(
        SERIES_STATES,
        required=True,
        readonly=True,
        copy=False,
        default="draft",
        tracking=True,
        index=True,
    )
    # The state that `action_resume` restores.
    resume_to = fields.Char(readonly=True, copy=False, groups=fields.NO_ACCESS)
    state_message = fields.Text("What happened", readonly=True, copy=False)
    started_at = fields.Datetime("Started", readonly=True, copy=False)
    ended_at = fields.Datetime("Ended on", readonly=True, copy=False)
    # Of the audience: the `directmail.audience.size` of the refresh that was read last, and the
    # highest member then.
    last_refresh_id = fields.Integer(readonly=True, copy=False)
    last_member_id = fields.Integer(readonly=True, copy=False)
    step_ids = fields.One2many("directmail.series.step", "series_id", "Steps", copy=True)
    entry_ids = fields.One2many("directmail.series.entry", "series_id", "People", readonly=True)
    entered_count = fields.Integer("Entered so far", compute="_compute_figures")
    inside_count = fields.Integer("Inside", compute="_compute_figures")
    finished_count = fields.Integer("Finished", compute="_compute_figures")
    called_off_count = fields.Integer("Called off", compute="_compute_figures")
    refresh_notice = fields.Char(compute="_compute_refresh_notice")

    # === COMPUTE === #

    @api.depends("entry_ids.state")
    def _compute_figures(self):
        # sudo(): readers of the series see its figures, which are exact: `_find_rounding_problem`.
        rows = (
            self.env["directmail.series.entry"]
            .sudo()
            ._read_group([("series_id", "in", self.ids)], ["series_id", "state"], ["__count"])
        )
        counts = {(series.id, state): count for series, state, count in rows}
        for series in self:
            number = series._origin.id
            series.inside_count = counts.get((number, "inside"), 0)
            series.finished_count = counts.get((number, "finished"), 0)
            series.called_off_count = counts.get((number, "called_off"), 0)
            series.entered_count = (
                series.inside_count + series.finished_count + series.called_off_count
            )

    @api.depends("audience_id.refresh_every", "start_kind", "state")
    @api.depends_context("lang")
    def _compute_refresh_notice(self):
        for series in self:
            # sudo(): users of a public audience see how often it is refreshed.
            audience = series.audience_id.sudo()
            is_manual = audience and audience.refresh_every == "manual"
            if is_manual and series.start_kind == "audience" and series.state != "ended":
                series.refresh_notice = self.env._(
                    "This audience is refreshed manually. Nobody enters the series until somebody"
                    " refreshes it. To let people enter every day, let the audience be refreshed"
                    " every day."
                )
            else:
                series.refresh_notice = False

    @api.onchange("account_id")
    def _onchange_account_id(self):
        if self.sender_id.account_id != self.account_id:
            self.sender_id = self.account_id.sender_ids.filtered("ready")[:1]

    # === CHECKS === #

    @api.constrains("account_id", "sender_id")
    def _check_sender_account(self):
        for series in self:
            if series.sender_id and series.sender_id.account_id != series.account_id:
                raise UserError(
                    self.env._(
                        "The sender address belongs to another DirectMail account. Choose a sender"
                        " address of the account of the series."
                    )
                )
        self.step_ids._check_template_account()

    def _check_number_of_steps(self):
        for series in self:
            if len(series.step_ids) > STEPS_MAX:
                raise UserError(self.env._("A series can have at most %s steps.", STEPS_MAX))

    @api.model_create_multi
    def create(self, vals_list):
        all_series = super().create(vals_list)
        for series, vals in zip(all_series, vals_list, strict=True):
            series._on_start_changed(vals)
            series._follow_conversion(vals)
        return all_series

    def write(self, vals):
        if not self.env.su:
            self._check_not_started(vals)
        owners = {series: series.user_id for series in self}
        is_hours = bool(HOURS_FIELDS & vals.keys())
        hours = {series: series._get_hours() for series in self} if is_hours else {}
        if "step_ids" in vals:
            self._lock_for_steps()
            orders = {series: series.step_ids.sorted("sequence") for series in self}
            res = super(DirectmailSeries, self._write_together()).write(vals)
            self._on_steps_written(orders)
        else:
            res = super().write(vals)
        self._on_start_changed(vals)
        self._follow_conversion(vals)
        if "daily_limit" in vals:
            self._wake()
        if is_hours:
            self._on_hours_changed(hours)
        for series in self.filtered(lambda series: series.user_id != owners[series]):
            # sudo(): an administrator appointed the owner, whom `directmail.owned` has asked. Email
            # tasks that are over, too: their conversions are counted with the owner's rights.
            tasks = series._get_all_steps().sudo().task_ids
            tasks.filtered(lambda task: not task.details_removed_at).write(
                {"user_id": series.user_id.id}
            )
        return res

    def _check_not_started(self, vals):
        """Refuse to change what is fixed once a series was started.

        :raise UserError: with what to do
        """
        for series in self:
            if series.state == "draft" or not FIXED_FIELDS & vals.keys():
                if vals.get("active") is False and series.state not in ("draft", "ended"):
                    raise UserError(
                        self.env._("%s was started. End it, then archive it.", series.name)
                    )
                continue
            if {"user_id"} == FIXED_FIELDS & vals.keys() and series.state in ("paused", "ended"):
                continue
            raise UserError(
                self.env._(
                    "%s was started, so only its name, hours, daily limit, conversion and steps can"
                    " be changed. Pause it to change its owner. Duplicate it to make other"
                    " changes.",
                    series.name,
                )
            )

    def copy_data(self, default=None):
        for series in self:
            series._check_copyable(default or {})
        vals_list = super().copy_data(default)
        if "name" not in (default or {}):
            for series, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", series.name)
        return vals_list

    def copy(self, default=None):
        copies = super().copy(default)
        if "step_ids" not in (default or {}):
            for series, twin in zip(self, copies, strict=True):
                series.step_ids._copy_references(twin.step_ids)
        return copies

    @api.ondelete(at_uninstall=False)
    def _unlink_except_started(self):
        for series in self:
            if series.state != "draft":
                raise UserError(
                    self.env._(
                        "%s can't be deleted because it was started. End it, then archive it.",
                        series.name,
                    )
                )

    def _find_missing(self):
        """Return all that a series lacks before it can start, as texts."""
        self.ensure_one()
        missing = [
            self._find_audience_problem(),
            self._find_start_problem(),
            self._find_hours_problem(),
            self._find_exit_problem(),
            *self._find_decider_problems(),
        ]
        if not self.step_ids.filtered(lambda step: step.kind == "mail"):
            missing.append(self.env._("Add at least one step that sends a mail."))
        for step in self.step_ids:
            if problem := step._find_problem():
                missing.append(
                    self.env._("%(step)s: %(problem)s", step=step.display_name, problem=problem)
                )
        if not self.sender_id.ready:
            missing.append(self.env._("Choose a sender address that can send marketing mail."))
        # An unsaved task knows what is wrong with the account.
        task = self.env["directmail.task"].new({"account_id": self.account_id.id})
        missing.append(task._find_account_problem())
        return [text for text in missing if text]

    # === ACTIONS === #

    def action_view_people(self):
        """Open the people of the series; the context's `figure` is a state, or "all"."""
        self.ensure_one()
        self.check_access("read")
        figure = self.env.context.get("figure")
        states = dict(
            self.env["directmail.series.entry"]._fields["state"]._description_selection(self.env)
        )
        if figure in states:
            return self._open_people([("state", "=", figure)], states[figure])
        return self._open_people([], self.env._("People"))

    def _open_people(self, domain, title):
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "email_marketing_dm.directmail_series_entry_action"
        )
        return {
            **action,
            "display_name": title,
            "domain": list(Domain("series_id", "=", self.id) & Domain(domain)),
            "context": {},
        }

    # === HOOKS === #

    @api.model
    def _get_live_templates(self, account):
        """Return the templates of the series that were started: they keep their slots.

        :param account: a `directmail.account`
        """
        # sudo(): series of all users count.
        steps = (
            self.env["directmail.series.step"]
            .sudo()
            .search(
                [
                    ("series_id.account_id", "=", account.id),
                    ("series_id.state", "in", ("running", "closing", "paused")),
                ]
            )
        )
        return steps.template_id | steps.next_template_id

    def _has_others_than_contacts(self, entry_ids):
        """Return whether some of these people entered without being a contact.

        :param entry_ids: ids of `directmail.series.entry`
        """
        # sudo(): only whether there is one.
        entries = self.env["directmail.series.entry"].sudo()
        domain = Domain("id", "in", entry_ids) & Domain("partner_id", "=", False)
        return bool(entries.search_count(domain, limit=1))

    def _prepare_task(self, step, month):
        """Return the values of the email task that sends a step in a month.

        :param step: a `directmail.series.step`
        :param date month: its first day
        """
        return {
            "name": self.env._(
                "%(series)s, step %(number)s, %(month)s",
                series=self.name,
                number=formatLang(self.env, step.number, digits=0),
                month=format_date(self.env, month, date_format="MMMM y"),
            ),
            "account_id": self.account_id.id,
            "audience_ids": [fields.Command.set(self.audience_id.ids)],
            "use_as_is": True,
            "template_id": step.template_id.id,
            "sender_id": self.sender_id.id,
            "address_form": self.address_form,
            "address_type": self.address_type,
            "purpose_id": self.purpose_id.id,
            "send_type": "now",
            **self._prepare_conversion(),
        }
