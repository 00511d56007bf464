from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import formatLang

from ...content.languages import join_sentences
from ...engine import guard
from ...engine.guard import DAYS, get_percent
from .directmail_sender_guard import LEVELS, RISE, get_level, is_about_complaints


class DirectmailSender(models.Model):
    """Guard of all sender addresses of a company together.

    Mailbox providers also judge what the sender addresses have in common: the domain, the
    network, the links. The limits are those of a sender address, over the sum of all mails.
    """

    _inherit = "directmail.sender"

    company_guard_level = fields.Selection(
        LEVELS, "All sender addresses together", compute="_compute_company_guard_level"
    )

    def _compute_company_guard_level(self):
        for company, senders in self.grouped("company_id").items():
            # sudo(): who sees a sender of the company may know whether its limits are exceeded, but
            # no figure.
            stored = senders._origin.sudo()
            figures = stored._read_together(company)
            for sender in senders:
                is_guarded = sender._origin.sudo()._is_guarded()
                sender.company_guard_level = is_guarded and get_level(company.sudo(), figures)

    # === ACTIONS === #

    def action_view_company_troubles(self):
        """Open the company's mails of DAYS days that were reported as spam or had no mailbox."""
        self.ensure_one()
        self.check_access("read")
        # sudo(): which of the company's accounts are trials decides what counts.
        accounts = self.sudo()._find_company_senders().account_id
        return self._view_troubles(Domain("account_id", "in", accounts.ids))

    # === BUSINESS === #

    @api.model
    def _read_together(self, company):
        """Return the `engine.guard.Figures` of a company; None if only one sender has mailed."""
        self.env["directmail.task"].flush_model(["company_id", "planned_at", "sender_id"])
        return guard.read_company(self.env, company.id)

    @api.model
    def _guard_together(self, company, tasks, figures):
        """Pause tasks if the company's sum is beyond a limit; warn their owners before.

        :param tasks: those that are being sent, with all rights
        :param Figures figures: of `_read_together`, or None
        """
        level = get_level(company, figures)
        has_risen = RISE[level] > RISE[company.directmail_guard_told]
        if level != company.directmail_guard_told:
            company.directmail_guard_told = level
        self._tell_level(tasks, level, has_risen, "_explain_together", figures)

    def _explain_together(self, figures):
        """Return what is too high in the company, at which mailbox provider, and what to do.

        :param Figures figures: of `_read_together`
        """
        company = self.company_id
        # sudo(): a sentence about the company's sum, for callers who may know of its limits.
        senders = self.sudo()._find_company_senders()
        provider = senders._explain_worst_provider(is_about_complaints(company, figures))
        return join_sentences(self.env.lang, (self._explain_company_limit(figures), provider))

    def _find_company_senders(self):
        """Return all sender addresses of the company that do not belong to a trial."""
        senders = self.with_context(active_test=False)
        found = senders.search([("company_id", "=", self.company_id.id)])
        return found.filtered(lambda sender: not sender.account_id.is_trial)

    def _explain_company_limit(self, figures):
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
            "company": company.name,
            "days": DAYS,
        }
        if is_complaints and share >= limit:
            return self.env._(
                "%(share)s%% of the people who got mails from any sender address of %(company)s in"
                " the last %(days)s days reported them as spam. The limit is %(limit)s%%. Mailbox"
                " providers may block the company's sender addresses. Look at who complained, and"
                " mail only people who asked for it. Then resume or cancel the email task.",
                **said,
            )
        if is_complaints:
            return self.env._(
                "%(share)s%% of the people who got mails from any sender address of %(company)s in"
                " the last %(days)s days reported them as spam. At %(limit)s%%, all email tasks of"
                " the company are paused.",
                **said,
            )
        if share >= limit:
            return self.env._(
                "%(share)s%% of the mails from all sender addresses of %(company)s in the last"
                " %(days)s days went to addresses that do not exist. The limit is %(limit)s%%."
                " Check where the addresses came from, and remove old ones from the audience. Then"
                " resume or cancel the email task.",
                **said,
            )
        return self.env._(
            "%(share)s%% of the mails from all sender addresses of %(company)s in the last %(days)s"
            " days went to addresses that do not exist. At %(limit)s%%, all email tasks of the"
            " company are paused.",
            **said,
        )
