from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import LazyTranslate, formatLang

from ...content.languages import join_sentences
from ...engine import guard
from ...engine.guard import DAYS, NOT_OVER, get_percent

_lt = LazyTranslate(__name__)
#: From these parts of a limit on, the owners of sending tasks are warned.
COMPLAINTS_WARNED, INVALID_WARNED = 1 / 3, 2 / 5
#: Fewer mails with known results brake nothing.
BRAKE_MINIMUM = 50
LEVELS = [("warning", "Warning"), ("danger", "Limit exceeded")]
RISE = {False: 0, "warning": 1, "danger": 2}
#: {(whether it is about complaints, whether the limit is exceeded): what owners are told}
SENDER_SENTENCES = {
    (True, True): _lt(
        "%(share)s%% of the people who got mails from %(sender)s in the last %(days)s days reported"
        " them as spam. The limit is %(limit)s%%. Mailbox providers may block the sender address."
        " Look at who complained, and mail only people who asked for it. Then resume or cancel the"
        " email task."
    ),
    (True, False): _lt(
        "%(share)s%% of the people who got mails from %(sender)s in the last %(days)s days reported"
        " them as spam. At %(limit)s%%, the email tasks of this sender address are paused."
    ),
    (False, True): _lt(
        "%(share)s%% of the mails from %(sender)s in the last %(days)s days went to addresses that"
        " do not exist. The limit is %(limit)s%%. Check where the addresses came from, and remove"
        " old ones from the audience. Then resume or cancel the email task."
    ),
    (False, False): _lt(
        "%(share)s%% of the mails from %(sender)s in the last %(days)s days went to addresses that"
        " do not exist. At %(limit)s%%, the email tasks of this sender address are paused."
    ),
}


class DirectmailSender(models.Model):
    """Guard of a sender address: pauses its tasks when too many people complain.

    Mailbox providers block senders whose mails are reported as spam too often, or that mail many
    addresses that do not exist. The job that applies events calls `_guard`, and each task looks
    before it starts. If the owner of a paused task goes on, the figures so far are accepted, and
    count no more. `directmail_sender_guard_company.py` does the same for the sum of all sender
    addresses of a company.
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
            sender.guard_level = stored._is_guarded() and get_level(
                stored.company_id, stored._read_figures()
            )

    # === ACTIONS === #

    def action_view_troubles(self):
        """Open the mails that count, and were reported as spam or had no mailbox."""
        self.ensure_one()
        self.check_access("read")
        return self._view_troubles(Domain("task_id.sender_id", "=", self.id))

    def _view_troubles(self, domain):
        """Return an action that opens the mails with a trouble: see `engine.guard.is_recent`.

        :param Domain domain: of `directmail.delivery`: whose mails
        """
        since = fields.Datetime.subtract(fields.Datetime.now(), days=DAYS)
        recent = Domain("task_id.planned_at", ">=", fields.Datetime.to_string(since))
        domain &= recent | Domain("task_id.state", "in", NOT_OVER)
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
        if not sending:
            return
        company = sending.company_id
        together = sending.sender_id._read_together(company)
        untold = tasks
        for sender, of_sender in sending.grouped("sender_id").items():
            if not sender._is_guarded():
                sender.filtered("is_braked").is_braked = False
            elif not sender._guard_tasks(of_sender, together):
                untold |= of_sender
        if company.directmail_guard:
            sending.sender_id._guard_together(company, untold, together)

    def _guard_tasks(self, tasks, together):
        """Pause a sender's tasks beyond a limit; warn their owners before.

        :param tasks: those that are being sent, with all rights
        :param together: as `_read_together` returns it
        :return: whether the owners were told
        :rtype: bool
        """
        figures = self._read_figures()
        level = get_level(self.company_id, figures)
        # Where the company's sum pauses all tasks at once, its message is enough.
        stops_all = get_level(self.company_id, together) == "danger"
        has_risen = RISE[level] > RISE[self.guard_told] and not stops_all
        brakes = self._brakes(figures) or self._brakes(together)
        if (level, brakes) != (self.guard_told, self.is_braked):
            self.write({"guard_told": level, "is_braked": brakes})
        return self._tell_level(tasks, level, has_risen, "_explain_guard", figures)

    @api.model
    def _tell_level(self, tasks, level, has_risen, explain, figures):
        """Pause tasks if the level is "danger"; tell their owners if it has risen to a warning.

        :param tasks: those that are being sent, with all rights
        :param str explain: the method of the task's sender address that explains `figures`
        :return: whether the owners were told
        :rtype: bool
        """
        if level != "danger" and not has_risen:
            return False
        for task in tasks:
            task = task._with_owner_language()
            text = getattr(task.sender_id, explain)(figures)
            if level == "danger":
                task._pause("guard", text)
            else:
                task._tell_owner(text, "warning")
        return True

    def _brakes(self, figures):
        """Return whether sending may run only a few mails ahead of the results: `engine.allowance`.

        Near a limit, also before there are enough mails to judge. Otherwise many mails would be
        out before the results arrive that exceed the limit. Not without pushed events, because
        fetched results come every ten minutes.

        :param figures: of the sender, or of the company as `_read_together` returns them
        """
        if not may_brake(self.company_id, figures):
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
        if get_level(sender.company_id, figures) == "danger":
            return sender._explain_guard(figures)
        together = sender._read_together(sender.company_id)
        if get_level(sender.company_id, together) == "danger":
            return sender._explain_together(together)
        return ""

    def _accept_figures(self):
        """Let the figures so far count no more, because a user goes on in spite of them.

        Those of the sender, of the company, or both: whichever are beyond a limit.
        """
        self.ensure_one()
        # sudo(): callers have checked that the user may write a task of the sender.
        sender = self.sudo()
        company = sender.company_id
        if get_level(company, sender._read_figures()) == "danger":
            guard.accept_sender(self.env, sender.id)
            sender.write({"guard_told": False, "is_braked": False})
        if get_level(company, sender._read_together(company)) == "danger":
            guard.accept_company(self.env, company.id)
            company.directmail_guard_told = False

    def _read_figures(self):
        """Return the sender's `engine.guard.Figures`."""
        self.ensure_one()
        self.env["directmail.task"].flush_model(["sender_id", "planned_at", "state"])
        return guard.read_sender(self.env, self.id)

    def _explain_brake(self):
        """Return why sending waits for the results of mails that were sent before."""
        # sudo(): readers of a task may know that sending is slow, and why.
        sender = self.sudo()
        if may_brake(sender.company_id, sender._read_figures()):
            return self.env._(
                "The complaints or invalid addresses of %s are near a limit, so mails are sent as"
                " the results of earlier mails arrive.",
                self.email,
            )
        return self.env._(
            "The complaints or invalid addresses of all sender addresses together are near a limit,"
            " so mails are sent as the results of earlier mails arrive."
        )

    def _explain_guard(self, figures):
        """Return what is too high, in percent, at which mailbox provider, and what to do."""
        return self._explain_limit(figures, self, SENDER_SENTENCES, sender=self.email)

    def _explain_limit(self, figures, senders, sentences, **names):
        """Return which share is near a limit or beyond it, at which provider, and what to do.

        :param Figures figures: of the sender address, or of its company
        :param senders: the sender addresses whose mails are counted in `figures`
        :param dict sentences: `SENDER_SENTENCES`, or the same of a company
        :param names: values of `sentences` that say whose mails they are
        """
        company = self.company_id
        is_complaints = is_about_complaints(company, figures)
        if is_complaints:
            share = get_percent(figures.complained, figures.delivered)
            limit = company.directmail_complaint_limit
        else:
            share = get_percent(figures.invalid, figures.known)
            limit = company.directmail_invalid_limit
        said = {
            "share": formatLang(self.env, share, digits=2),
            "limit": formatLang(self.env, limit, digits=2),
            "days": DAYS,
            **names,
        }
        sentence = self.env._(sentences[is_complaints, share >= limit])
        provider = senders._explain_worst_provider(is_complaints)
        return join_sentences(self.env.lang, (sentence % said, provider))


def get_level(company, figures):
    """Return "danger" beyond a limit of the company, "warning" near it, or False.

    :param Figures figures: of a sender address or of the company; None: there are none
    """
    if not figures or figures.known < company.directmail_guard_minimum:
        return False
    complaints = get_percent(figures.complained, figures.delivered)
    invalid = get_percent(figures.invalid, figures.known)
    limits = (company.directmail_complaint_limit, company.directmail_invalid_limit)
    if complaints >= limits[0] or invalid >= limits[1]:
        return "danger"
    return "warning" if is_near_limit(company, figures) else False


def is_near_limit(company, figures):
    """Return whether owners are to be warned, if there are enough mails to judge."""
    complaints = get_percent(figures.complained, figures.delivered)
    invalid = get_percent(figures.invalid, figures.known)
    return (
        complaints >= company.directmail_complaint_limit * COMPLAINTS_WARNED
        or invalid >= company.directmail_invalid_limit * INVALID_WARNED
    )


def may_brake(company, figures):
    """Return whether figures are near a limit, with enough mails to slow sending down.

    :param figures: as for `get_level`
    """
    return bool(figures and figures.known >= BRAKE_MINIMUM and is_near_limit(company, figures))


def is_about_complaints(company, figures):
    """Return whether complaints are too high, rather than invalid addresses."""
    complaints = get_percent(figures.complained, figures.delivered)
    invalid = get_percent(figures.invalid, figures.known)
    limit = company.directmail_complaint_limit
    return complaints >= limit or (
        complaints >= limit * COMPLAINTS_WARNED and invalid < company.directmail_invalid_limit
    )
