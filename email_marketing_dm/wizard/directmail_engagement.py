from psycopg2.errors import QueryCanceled

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..engine.audience import visible_contacts
from ..engine.engagement import DAYS, MAILS, QUIET_DAYS, count_engagement
from ..engine.people_models import Today


class DirectmailEngagement(models.TransientModel):
    """How many contacts are engaged, cooling or asleep, and audiences of them.

    Everything is counted with the user's rights: contacts whom the user may see, and mails of email
    tasks that the user may read.
    """

    _name = "directmail.engagement"
    _description = "Engagement"
    _inherit = ["directmail.links"]

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    days = fields.Integer("Engaged within (days)", required=True, default=DAYS)
    quiet_days = fields.Integer("Asleep after (days)", required=True, default=QUIET_DAYS)
    mails = fields.Integer(
        "Emails without an open or click",
        required=True,
        default=MAILS,
        help="Mailing people who never react costs reputation at mailbox providers. This is the"
        " number of emails after which you would stop.",
    )
    is_counted = fields.Boolean(compute="_compute_counts")
    count_error = fields.Char(compute="_compute_count_error")
    engaged_count = fields.Integer("Engaged", compute="_compute_counts")
    cooling_count = fields.Integer("Cooling", compute="_compute_counts")
    asleep_count = fields.Integer("Asleep", compute="_compute_counts")
    resting_count = fields.Integer("Not mailed for a long time", compute="_compute_counts")
    unanswered_count = fields.Integer("To stop mailing", compute="_compute_counts")
    unmeasured_count = fields.Integer(
        "Opens not recorded",
        compute="_compute_counts",
        help="People who received emails, but whose opens may not be recorded. They are in none of"
        " the groups.",
    )
    group = fields.Selection(
        [
            ("unanswered", "People to stop mailing"),
            ("engaged", "Engaged people"),
            ("cooling", "Cooling people"),
            ("asleep", "People asleep"),
            ("resting", "People not mailed for a long time"),
        ],
        "Audience of",
        required=True,
        default="unanswered",
    )
    task_ids = fields.Many2many(
        "directmail.task",
        "directmail_engagement_task",
        string="Exclude them from",
        domain="[('state', '=', 'draft'), ('company_id', '=', company_id)]",
        help="Drafts of email tasks that are not to be sent to these people.",
    )

    @api.depends("days", "quiet_days", "company_id")
    def _compute_count_error(self):
        for wizard in self:
            env = wizard._get_counting_env()
            lines = env["directmail.audience.line"]
            wizard.count_error = lines._find_deleted_problem(
                env, max(wizard.days, wizard.quiet_days)
            )

    @api.depends("days", "quiet_days", "mails", "company_id")
    def _compute_counts(self):
        for wizard in self:
            counts = wizard._count()
            wizard.is_counted = bool(counts)
            for name in ("engaged", "cooling", "asleep", "resting", "unanswered", "unmeasured"):
                wizard[f"{name}_count"] = counts.get(name, 0)

    def _count(self):
        """Return the counts of `engine.engagement.count_engagement`.

        They are empty if the numbers of the form can't be used, or counting takes too long.
        """
        if min(self.days, self.mails) < 1 or self.quiet_days < self.days or self.count_error:
            return {}
        env = self._get_counting_env()
        today = Today(fields.Datetime.now(), env.context.get("tz") or "UTC")
        mails = env["directmail.audience.line"]._select_mails(env)
        self.env.flush_all()
        try:
            with self.env.cr.savepoint(flush=False):
                return count_engagement(
                    env,
                    mails,
                    visible_contacts(env),
                    today.begin(self.days, False),
                    today.begin(self.quiet_days, False),
                    self.mails,
                    env["directmail.audience"]._get_count_timeout(),
                )
        except QueryCanceled:
            return {}

    def _get_counting_env(self):
        return self.env.user._get_directmail_env(self.company_id or self.env.company)

    def action_make_audience(self):
        """Make an audience of a group, exclude it from the chosen email tasks, and open it."""
        self.ensure_one()
        if self.task_ids.filtered(lambda task: task.state != "draft"):
            raise UserError(
                self.env._("People can only be excluded from email tasks that are drafts.")
            )
        groups = dict(self._fields["group"]._description_selection(self.env))
        line = {
            "kind": "engagement",
            "engagement": self.group,
            "engagement_mails": self.mails,
            "engagement_days": self.days,
            "engagement_quiet_days": self.quiet_days,
        }
        audience = self.env["directmail.audience"].create(
            {
                "name": groups[self.group],
                "company_id": (self.company_id or self.env.company).id,
                "line_ids": [Command.create(line)],
            }
        )
        audience.action_refresh()
        self.task_ids.write({"exclude_audience_ids": [Command.link(audience.id)]})
        return {
            "type": "ir.actions.act_window",
            "res_model": "directmail.audience",
            "res_id": audience.id,
            "view_mode": "form",
            "views": [[False, "form"]],
        }
