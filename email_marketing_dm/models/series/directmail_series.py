from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import format_date, formatLang

from odoo.addons.base.models.res_partner import _tz_get

from .directmail_series_step import STEPS_MAX

SERIES_STATES = [
    ("draft", "Draft"),
    ("running", "Running"),
    ("closing", "Letting people finish"),
    ("paused", "Paused"),
    ("ended", "Ended"),
]
#: Fields that can be changed only before the start.
FIXED_FIELDS = {
    "account_id", "address_type", "audience_id", "entry", "purpose_id", "sender_id", "step_ids",
    "tz", "user_id",
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
        "directmail.needs.account",
        "mail.thread",
    ]
    _order = "create_date desc, id desc"
    _ask_type = "mail.mail_activity_data_warning"
    _guarded_fields = frozenset(
        ("ended_at", "entry_ids", "last_member_id", "last_refresh_id", "resume_to", "started_at",
         "state", "state_message")
    )  # fmt: skip

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
    audience_id = fields.Many2one(
        "directmail.audience",
        context={"active_test": False},
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        help="People enter the series when they enter this audience, at its next refresh.",
    )
    entry = fields.Selection(
        [("new", "From now on"), ("all", "Everybody who is in it today, too")],
        "Who enters",
        required=True,
        default="new",
        help="From now on: only people who enter the audience after the start of the series."
        " Nobody enters a series twice.",
    )
    sender_id = fields.Many2one(
        "directmail.sender", "Sender address", ondelete="restrict", check_company=True
    )
    address_type = fields.Selection(
        [("random", "Random address"), ("sender", "Sender address")],
        "Address type",
        required=True,
        default="random",
        help="Random address: DirectMail adds a random part to the sender address, so that bounces"
        " can be analyzed. Recommended.",
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
    ended_at = fields.Datetime("Ended", readonly=True, copy=False)
    # Of the audience: the `directmail.audience.size` of the refresh that was read last, and the
    # highest member then.
    last_refresh_id = fields.Integer(readonly=True, copy=False)
    last_member_id = fields.Integer(readonly=True, copy=False)
    step_ids = fields.One2many("directmail.series.step", "series_id", "Steps", copy=True)
    entry_ids = fields.One2many("directmail.series.entry", "series_id", "People", readonly=True)
    entered_count = fields.Integer("Entered", compute="_compute_figures")
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

    @api.depends("audience_id.refresh_every", "state")
    @api.depends_context("lang")
    def _compute_refresh_notice(self):
        for series in self:
            # sudo(): users of a public audience see how often it is refreshed.
            audience = series.audience_id.sudo()
            if audience and audience.refresh_every == "manual" and series.state != "ended":
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

    def write(self, vals):
        if not self.env.su:
            self._check_not_started(vals)
        owners = {series: series.user_id for series in self}
        res = super().write(vals)
        for series in self.filtered(lambda series: series.user_id != owners[series]):
            # sudo(): an administrator appointed the owner, whom `directmail.owned` has asked.
            series._get_open_tasks().write({"user_id": series.user_id.id})
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
                    "%s was started, so only its name can be changed. Pause it to change its owner."
                    " Duplicate it to make other changes.",
                    series.name,
                )
            )

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        if "name" not in (default or {}):
            for series, vals in zip(self, vals_list, strict=True):
                vals["name"] = self.env._("%s (copy)", series.name)
        return vals_list

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
        missing = []
        if not self.audience_id:
            missing.append(self.env._("Choose the audience whose people enter the series."))
        # sudo(): only whether the chosen audience was refreshed is told.
        elif not self.audience_id.sudo().refreshed_at:
            missing.append(
                self.env._("The audience has never been refreshed. Open it and press Refresh.")
            )
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

    def _find_rounding_problem(self, task):
        """Return why figures would have to be rounded to tens and what to do, or None.

        :param task: an email task with the audience of the series
        """
        if not task.with_env(self._get_owner_env())._mixes_in_others():
            return None
        return self.env._(
            "A series can't use this audience: it has encrypted addresses or people whom the owner"
            " of the series may not see, or the company has an AES key. Use an email task instead."
        )

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
                    ("template_id", "!=", False),
                ]
            )
        )
        return steps.template_id

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
            "address_type": self.address_type,
            "purpose_id": self.purpose_id.id,
            "send_type": "now",
        }
