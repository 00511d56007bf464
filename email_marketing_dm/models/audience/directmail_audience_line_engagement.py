from psycopg2.errors import QueryCanceled

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import LazyTranslate, formatLang

from ...engine.engagement import (
    DAYS,
    GROUPS,
    MAILS,
    MOMENTS,
    QUIET_DAYS,
    count_unmeasured,
    leave_out,
    select_group,
    select_mails,
    select_number,
    select_reacted,
    select_unanswered,
    select_unmeasured,
)
from ...engine.people_models import Today

_lt = LazyTranslate(__name__)
ENGAGEMENTS = [
    ("unanswered", "Opened none of the last emails"),
    ("reacted", "Opened or clicked lately"),
    ("received", "Received a number of emails"),
    ("opened", "Opened a number of emails"),
    ("clicked", "Clicked a number of emails"),
    ("engaged", "Engaged"),
    ("cooling", "Cooling"),
    ("asleep", "Asleep"),
    ("resting", "Not mailed for a long time"),
]
#: {engagement: the people, in words}
SENTENCES = {
    "unanswered": _lt("Opened and clicked none of their last %(mails)s emails"),
    "reacted": _lt("Opened or clicked an email within the last %(days)s days"),
    "received": _lt("Received at least %(mails)s emails"),
    "opened": _lt("Opened at least %(mails)s emails"),
    "clicked": _lt("Clicked at least %(mails)s emails"),
    "engaged": _lt("Engaged: opened or clicked within the last %(days)s days"),
    "cooling": _lt(
        "Cooling: last open or click, or else the first email, %(days)s to %(quiet)s days ago"
    ),
    "asleep": _lt("Asleep: no open or click for %(quiet)s days, although they received emails"),
    "resting": _lt("No open or click for %(quiet)s days, and no email since"),
}
#: {engagement: the people, in words}, of lines that also say within how many days
SENTENCES_WITH_DAYS = {
    "received": _lt("Received at least %(mails)s emails within the last %(days)s days"),
    "opened": _lt("Opened at least %(mails)s emails within the last %(days)s days"),
    "clicked": _lt("Clicked at least %(mails)s emails within the last %(days)s days"),
}


class DirectmailAudienceLine(models.Model):
    """The kind `engagement`: contacts by the mails that they received, opened and clicked.

    Only mails of email tasks that the audience's owner may read count, and people whose opens are
    not recorded are in none of the lines about opens: see `engine/engagement.py`.
    """

    _inherit = "directmail.audience.line"

    kind = fields.Selection(
        selection_add=[("engagement", "Engagement"), ("group",)],
        ondelete={"engagement": "cascade"},
    )
    engagement = fields.Selection(ENGAGEMENTS, default="unanswered")
    engagement_mails = fields.Integer("Number of emails", default=MAILS)
    engagement_days = fields.Integer(
        "Within the last (days)",
        default=DAYS,
        help="Today is included. Days begin at midnight in the time zone of the audience's owner.",
    )
    engagement_quiet_days = fields.Integer(
        "Asleep after (days)",
        default=QUIET_DAYS,
        help="People are asleep if they have not opened or clicked an email for this many days,"
        " although they received some.",
    )

    @api.model
    def _get_fields_engagement(self):
        return (
            "engagement", "engagement_mails", "engagement_days", "engagement_quiet_days",
        )  # fmt: skip

    def _select_engagement(self, env):
        self._check_engagement(env)
        if self.engagement == "received":
            # Also people count of whom nothing may be known.
            return self._select_engaged(env, self._select_mails(env))
        mails, unmeasured = self._select_mails_of_measured(env)
        return leave_out(self._select_engaged(env, mails), unmeasured)

    def _select_engaged(self, env, mails):
        """Return SQL of the people of the line.

        :param SQL mails: as `engine.engagement.select_mails` returns them
        """
        engagement, mail_count = self.engagement, self.engagement_mails
        today = Today(fields.Datetime.now(), env.context.get("tz") or "UTC")
        since = self.engagement_days and today.begin(self.engagement_days, False)
        if engagement == "unanswered":
            return select_unanswered(mails, mail_count)
        if engagement == "reacted":
            return select_reacted(mails, since)
        if engagement in MOMENTS:
            return select_number(mails, engagement, mail_count, since or None)
        quiet = today.begin(self.engagement_quiet_days, False)
        return select_group(mails, engagement, since, quiet)

    @api.model
    def _select_mails_of_measured(self, env):
        """Return (SQL of `_select_mails`, SQL of ids of contacts or None).

        The contacts of these ids must be left out: see `engine.engagement.leave_out`.
        """
        self.env["directmail.consent"].flush_model()
        self.env["res.company"].flush_model()
        # sudo() reads the company's rules for measuring, which decide who is left out.
        unmeasured = select_unmeasured(self.sudo().env, env.company.id)
        return self._select_mails(env, measured_only=unmeasured is not None), unmeasured

    @api.model
    def _select_mails(self, env, partner_ids=None, measured_only=False):
        """Return SQL of the mails of the email tasks that the user of ``env`` may read.

        With all rights (`env.su`), those mails count that the same user may read without them. None
        do for OdooBot: Odoo's mailings search contacts with all rights, by filters that any
        marketing user may write.

        :param list partner_ids: ids of the contacts whose mails are wanted; None: all
        :param bool measured_only: as for `engine.engagement.select_mails`
        :raise AccessError: if the user may read no email tasks
        """
        company = env.company
        # Opens and clicks of a task are told to those who may read the task. Archived ones count.
        tasks = env(su=False)["directmail.task"].with_context(active_test=False)
        if env.uid == SUPERUSER_ID or (env.su and not tasks.has_access("read")):
            tasks = tasks.sudo()._search(Domain.FALSE)  # sudo() finds nothing, for nobody
        else:
            tasks = tasks._search(Domain("company_id", "=", company.id))
        for name in ("directmail.consent", "directmail.task", "directmail.template", "res.company"):
            self.env[name].flush_model()
        # sudo() reads the company's rules for measuring, which decide who is left out.
        return select_mails(
            self.sudo().env, company.id, tasks.select(), partner_ids, measured_only
        )  # fmt: skip

    def _check_engagement(self, env):
        """Check the numbers that the line uses.

        :raise UserError: with what to enter
        """
        if not self.engagement:
            raise UserError(env._("Choose which people the engagement line selects."))
        if self.engagement in ("unanswered", *MOMENTS) and self.engagement_mails < 1:
            raise UserError(env._("The number of emails in an engagement line must be 1 or more."))
        if self.engagement in ("reacted", *GROUPS) and self.engagement_days < 1:
            raise UserError(env._("The number of days in an engagement line must be 1 or more."))
        if self.engagement_days < 0:
            raise UserError(env._("The number of days in an engagement line can't be negative."))
        if self.engagement in GROUPS and self.engagement_quiet_days < self.engagement_days:
            raise UserError(
                env._(
                    "People can't fall asleep before they cool down: “Asleep after” must not be"
                    " shorter than the days within which people are engaged."
                )
            )
        is_quiet = self.engagement in GROUPS and self.engagement != "engaged"
        days = self.engagement_quiet_days if is_quiet else self.engagement_days
        if self.engagement != "unanswered" and (problem := self._find_deleted_problem(env, days)):
            raise UserError(problem)

    @api.model
    def _find_deleted_problem(self, env, days):
        """Return why it is not known who was mailed in the last days and what to do, or None.

        Without the deleted mails, people would count as mailed for the first time since then, and
        so as cooling, not as asleep.
        """
        # sudo(): for how long the company's accounts keep recipient details is no secret.
        accounts = env["directmail.account"].sudo().with_context(active_test=False)
        limited = [("company_id", "=", env.company.id), ("retention_days", ">", 0)]
        kept = min(accounts.search(limited).mapped("retention_days"), default=days)
        if days <= kept:
            return None
        return env._(
            "Who got which mail is deleted after %(kept)s days, so nothing is known of %(days)s"
            " days. Enter at most %(kept)s days, or ask an administrator to keep recipient details"
            " for longer.",
            kept=kept,
            days=days,
        )

    def _leaves_unmeasured_out(self):
        """Tell whether the line finds nobody of whom opens and clicks may not be recorded."""
        if self.kind == "engagement":
            return self.engagement != "received"
        return self.kind == "table" and (
            self.table_id.model_name == "directmail.contact.engagement"
            or "directmail_engagement_ids" in (self.domain or "")
        )

    def _explain_left_out(self, env, visible):
        """Return how many people the lines leave out who are not measured; "" if none.

        :param env: with the rights of the audience's owner
        :param SQL visible: selects the ids of the contacts whom the owner may see
        :rtype: str
        """
        # sudo() to read the lines and the names of their tables; people are counted with `env`.
        lines = self.sudo()._with_inner()
        lines = lines.filtered(lambda line: line._leaves_unmeasured_out())
        if not lines:
            return ""
        mails = self._select_mails(env)
        self.env.flush_all()
        timeout = self.env["directmail.audience"]._get_count_timeout()
        try:
            with self.env.cr.savepoint(flush=False):
                number = count_unmeasured(self.env, mails, visible, timeout)
        except QueryCanceled:
            return self.env._(
                "Lines about engagement do not find people whose opens may not be recorded. Models"
                " → Engagement shows how many there are."
            )
        if not number:
            return ""
        if any(line._takes_out() for line in lines):
            return self.env._(
                "People who received emails, but whose opens may not be recorded: %s. Lines about"
                " engagement do not find them, because it is not known whether they react. A line"
                " that excludes people by engagement does not exclude them.",
                formatLang(self.env, number, digits=0),
            )
        return self.env._(
            "People who received emails, but whose opens may not be recorded: %s. Lines about"
            " engagement leave them out, because it is not known whether they react.",
            formatLang(self.env, number, digits=0),
        )

    def _finds_once_engagement(self):
        return True

    def _describe_engagement(self):
        if not self.engagement:
            return self._get_kind_label()
        values = {
            "mails": self.engagement_mails,
            "days": self.engagement_days,
            "quiet": self.engagement_quiet_days,
        }
        sentences = SENTENCES
        if self.engagement in MOMENTS and self.engagement_days:
            sentences = SENTENCES_WITH_DAYS
        words = self.env._(sentences[self.engagement])
        return words % values
