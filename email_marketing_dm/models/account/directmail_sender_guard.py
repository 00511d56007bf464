from collections import namedtuple

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL, formatLang

from ...content.languages import join_sentences

#: Figures and limits are about email tasks that started in so many days.
DAYS = 30
#: From these parts of a limit on, the owners of sending tasks are warned.
COMPLAINTS_WARNED, INVALID_WARNED = 1 / 3, 2 / 5
#: Fewer mails with known results brake nothing.
BRAKE_MINIMUM = 50
#: Counters of `directmail.task.counter` that the guard reads. `_accept_figures` copies them under
#: names with this prefix.
COUNTED = ("delivered", "failed", "invalid", "spam", "complained")
ACCEPTED = "guard_"
LEVELS = [("warning", "Warning"), ("danger", "Limit exceeded")]
_RISE = {False: 0, "warning": 1, "danger": 2}

Figures = namedtuple("Figures", "delivered known invalid complained")
Figures.__doc__ = """Numbers of mails of a sender address since the last decision to go on.

:ivar delivered: mails that were delivered
:ivar known: mails whose outcome is known
:ivar invalid: mails to addresses that do not exist
:ivar complained: mails that were reported as spam
"""


class DirectmailSender(models.Model):
    """Guard of a sender address: pauses its tasks when too many people complain.

    Mailbox providers block senders whose mails are reported as spam too often, or that mail many
    addresses that do not exist. The job that applies events calls `_guard`, and each task looks
    before it starts. If the owner of a paused task goes on, the figures so far are accepted, and
    count no more.
    """

    _inherit = "directmail.sender"

    guard_level = fields.Selection(
        LEVELS, "Complaints and invalid addresses", compute="_compute_guard_level"
    )
    # Level of which `_guard` told the owners last, so that they are warned once.
    guard_told = fields.Selection(
        LEVELS, "Last level told", readonly=True, copy=False, groups=fields.NO_ACCESS
    )

    # Whether sending waits for the results of mails that were sent before: see `_brakes`.
    is_braked = fields.Boolean(readonly=True, copy=False, groups=fields.NO_ACCESS)

    def _compute_guard_level(self):
        for sender in self:
            # sudo(): who sees the sender may know whether its limits are exceeded, but no figure.
            stored = sender._origin.sudo()
            sender.guard_level = stored._is_guarded() and stored._get_guard_level(
                stored._read_figures()
            )

    # === ACTIONS === #

    def action_view_troubles(self):
        """Open the mails of the last DAYS days that were reported as spam or had no mailbox."""
        self.ensure_one()
        self.check_access("read")
        since = fields.Datetime.subtract(fields.Datetime.now(), days=DAYS)
        domain = Domain("task_id.sender_id", "=", self.id)
        domain &= Domain("task_id.planned_at", ">=", fields.Datetime.to_string(since))
        domain &= Domain("outcome", "=", "invalid") | Domain("complained_at", "!=", False)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Complaints and invalid addresses"),
            "res_model": "directmail.delivery",
            "view_mode": "list,kanban,form",
            # Of an action without a record, the client reads no default.
            "mobile_view_mode": "kanban",
            "domain": list(domain),
            "context": {"group_by": ["task_id"]},
        }

    # === BUSINESS === #

    @api.model
    def _guard(self, company):
        """Pause the sending tasks of sender addresses beyond a limit; warn owners before.

        :param company: a `res.company`
        """
        # sudo(): the job that applies events calls this; tasks of all owners are concerned.
        tasks = self.env["directmail.task"].sudo()
        sending = tasks.search([("company_id", "=", company.id), ("state", "=", "sending")])
        for sender, of_sender in sending.grouped("sender_id").items():
            if not sender._is_guarded():
                sender.filtered("is_braked").is_braked = False
                continue
            figures = sender._read_figures()
            level = sender._get_guard_level(figures)
            has_risen = _RISE[level] > _RISE[sender.guard_told]
            brakes = sender._brakes(figures)
            if (level, brakes) != (sender.guard_told, sender.is_braked):
                sender.write({"guard_told": level, "is_braked": brakes})
            if level != "danger" and not has_risen:
                continue
            for task in of_sender:
                task = task.with_context(lang=task.user_id.lang)
                text = sender.with_env(task.env)._explain_guard(figures)
                if level == "danger":
                    task._pause("guard", text)
                else:
                    task._tell_owner(text, "warning")

    def _brakes(self, figures):
        """Return whether sending may run only a few mails ahead of the results: `engine.allowance`.

        Near a limit, also before there are enough mails to judge. Otherwise many mails would be
        out before the results arrive that exceed the limit. Not without pushed events, because
        fetched results come every ten minutes.
        """
        if figures.known < BRAKE_MINIMUM or not self._is_near_limit(figures):
            return False
        since = fields.Datetime.subtract(fields.Datetime.now(), days=1)
        pushed = [
            ("account_id", "=", self.account_id.id),
            ("name", "=", "push"),
            ("last_at", ">=", since),
        ]
        return bool(self.env["directmail.event.count"].search_count(pushed, limit=1))

    def _is_guarded(self):
        """Return whether the limits apply; not to trials, nor without a sender address."""
        return bool(self.company_id.directmail_guard and not self.account_id.is_trial)

    def _find_guard_stop(self):
        """Return why no task may start with this sender address now, and what to do; "" if it may.

        :rtype: str
        """
        # sudo(): figures of all tasks of the sender; the callers' tasks use it.
        sender = self.sudo()
        if not sender._is_guarded():
            return ""
        figures = sender._read_figures()
        if sender._get_guard_level(figures) != "danger":
            return ""
        return sender._explain_guard(figures)

    def _accept_figures(self):
        """Let the figures so far count no more, because a user goes on in spite of them."""
        self.ensure_one()
        # sudo(): callers have checked that the user may write a task of the sender.
        self.sudo().write({"guard_told": False, "is_braked": False})
        self.env["directmail.task"].flush_model(["sender_id", "planned_at"])
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_task_counter AS c (task_id, writer, name, value)
                   SELECT t.id, 'guard', %(prefix)s || f.name, sum(f.value)
                     FROM directmail_task t JOIN directmail_task_counter f ON f.task_id = t.id
                    WHERE t.sender_id = %(sender)s AND f.name = ANY(%(names)s)
                      AND t.planned_at >= now() AT TIME ZONE 'UTC' - %(days)s * interval '1 day'
                    GROUP BY t.id, f.name
                       ON CONFLICT (task_id, writer, name)
                       DO UPDATE SET value = EXCLUDED.value""",
                prefix=ACCEPTED,
                sender=self.id,
                names=list(COUNTED),
                days=DAYS,
            )
        )

    def _read_figures(self):
        """Return the sender's figures as `Figures`: of tasks that started in the last DAYS days."""
        self.ensure_one()
        self.env["directmail.task"].flush_model(["sender_id", "planned_at"])
        rows = self.env.execute_query(
            SQL(
                """SELECT replace(f.name, %(prefix)s, ''),
                          sum(CASE WHEN starts_with(f.name, %(prefix)s)
                                   THEN -f.value ELSE f.value END)
                     FROM directmail_task t JOIN directmail_task_counter f ON f.task_id = t.id
                    WHERE t.sender_id = %(sender)s AND f.name = ANY(%(names)s)
                      AND t.planned_at >= now() AT TIME ZONE 'UTC' - %(days)s * interval '1 day'
                    GROUP BY 1""",
                prefix=ACCEPTED,
                sender=self.id,
                names=[*COUNTED, *(ACCEPTED + name for name in COUNTED)],
                days=DAYS,
            )
        )
        counts = {name: int(value) for name, value in rows}
        return Figures(
            delivered=counts.get("delivered", 0),
            known=sum(counts.values()) - counts.get("complained", 0),
            invalid=counts.get("invalid", 0),
            complained=counts.get("complained", 0),
        )

    def _get_guard_level(self, figures):
        """Return "danger" beyond a limit of the company, "warning" near it, or False."""
        company = self.company_id
        if figures.known < company.directmail_guard_minimum:
            return False
        complaints = get_percent(figures.complained, figures.delivered)
        invalid = get_percent(figures.invalid, figures.known)
        limits = (company.directmail_complaint_limit, company.directmail_invalid_limit)
        if complaints >= limits[0] or invalid >= limits[1]:
            return "danger"
        return "warning" if self._is_near_limit(figures) else False

    def _is_near_limit(self, figures):
        """Return whether owners are to be warned, if there are enough mails to judge."""
        company = self.company_id
        complaints = get_percent(figures.complained, figures.delivered)
        invalid = get_percent(figures.invalid, figures.known)
        return (
            complaints >= company.directmail_complaint_limit * COMPLAINTS_WARNED
            or invalid >= company.directmail_invalid_limit * INVALID_WARNED
        )

    def _is_about_complaints(self, figures):
        """Return whether complaints are too high, rather than invalid addresses."""
        company = self.company_id
        complaints = get_percent(figures.complained, figures.delivered)
        invalid = get_percent(figures.invalid, figures.known)
        limit = company.directmail_complaint_limit
        return complaints >= limit or (
            complaints >= limit * COMPLAINTS_WARNED and invalid < company.directmail_invalid_limit
        )

    def _explain_guard(self, figures):
        """Return what is too high, in percent, at which mailbox provider, and what to do."""
        provider = self._explain_worst_provider(self._is_about_complaints(figures))
        return join_sentences(self.env.lang, (self._explain_limit(figures), provider))

    def _explain_limit(self, figures):
        company = self.company_id
        complaints = get_percent(figures.complained, figures.delivered)
        invalid = get_percent(figures.invalid, figures.known)
        limit = company.directmail_complaint_limit
        is_complaints = self._is_about_complaints(figures)
        if not is_complaints:
            limit = company.directmail_invalid_limit
        share = complaints if is_complaints else invalid
        said = {
            "share": formatLang(self.env, share, digits=2),
            "limit": formatLang(self.env, limit, digits=2),
            "sender": self.email,
            "days": DAYS,
        }
        if is_complaints and share >= limit:
            return self.env._(
                "%(share)s%% of the people who got mails from %(sender)s in the last %(days)s days"
                " reported them as spam. The limit is %(limit)s%%. Mailbox providers may block the"
                " sender address. Look at who complained, and mail only people who asked for it."
                " Then resume or cancel the email task.",
                **said,
            )
        if is_complaints:
            return self.env._(
                "%(share)s%% of the people who got mails from %(sender)s in the last %(days)s days"
                " reported them as spam. At %(limit)s%%, the email tasks of this sender address"
                " are paused.",
                **said,
            )
        if share >= limit:
            return self.env._(
                "%(share)s%% of the mails from %(sender)s in the last %(days)s days went to"
                " addresses that do not exist. The limit is %(limit)s%%. Check where the addresses"
                " came from, and remove old ones from the audience. Then resume or cancel the email"
                " task.",
                **said,
            )
        return self.env._(
            "%(share)s%% of the mails from %(sender)s in the last %(days)s days went to addresses"
            " that do not exist. At %(limit)s%%, the email tasks of this sender address are"
            " paused.",
            **said,
        )


def get_percent(part, whole):
    """Return a part in percent, 0 of nothing."""
    return 100 * part / whole if whole > 0 else 0
