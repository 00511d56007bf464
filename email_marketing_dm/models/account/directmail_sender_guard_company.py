from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import LazyTranslate

from ...engine import guard
from .directmail_sender_guard import LEVELS, RISE, get_level

_lt = LazyTranslate(__name__)
#: As `SENDER_SENTENCES` of `directmail_sender_guard.py`, of all sender addresses of a company.
COMPANY_SENTENCES = {
    (True, True): _lt(
        "%(share)s%% of the people who got mails from any sender address of %(company)s in the last"
        " %(days)s days reported them as spam. The limit is %(limit)s%%. Mailbox providers may"
        " block the company's sender addresses. Look at who complained, and mail only people who"
        " asked for it. Then resume or cancel the email task."
    ),
    (True, False): _lt(
        "%(share)s%% of the people who got mails from any sender address of %(company)s in the last"
        " %(days)s days reported them as spam. At %(limit)s%%, all email tasks of the company are"
        " paused."
    ),
    (False, True): _lt(
        "%(share)s%% of the mails from all sender addresses of %(company)s in the last %(days)s"
        " days went to addresses that do not exist. The limit is %(limit)s%%. Check where the"
        " addresses came from, and remove old ones from the audience. Then resume or cancel the"
        " email task."
    ),
    (False, False): _lt(
        "%(share)s%% of the mails from all sender addresses of %(company)s in the last %(days)s"
        " days went to addresses that do not exist. At %(limit)s%%, all email tasks of the company"
        " are paused."
    ),
}


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
            # An address that is not saved has no company yet.
            figures = stored._read_together(company) if company else None
            for sender in senders:
                is_guarded = sender._origin.sudo()._is_guarded()
                sender.company_guard_level = is_guarded and get_level(company.sudo(), figures)

    # === ACTIONS === #

    def action_view_company_troubles(self):
        """Open the company's mails that count, and were reported as spam or had no mailbox."""
        self.ensure_one()
        self.check_access("read")
        # sudo(): which of the company's accounts are trials decides what counts.
        accounts = self.sudo()._find_company_senders().account_id
        return self._view_troubles(Domain("account_id", "in", accounts.ids))

    # === BUSINESS === #

    @api.model
    def _read_together(self, company):
        """Return the `engine.guard.Figures` of a company; None if only one sender has mailed."""
        self.env["directmail.task"].flush_model(["company_id", "planned_at", "sender_id", "state"])
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
        # sudo(): a sentence about the company's sum, for callers who may know of its limits.
        senders = self.sudo()._find_company_senders()
        name = self.company_id.name
        return self._explain_limit(figures, senders, COMPANY_SENTENCES, company=name)

    def _find_company_senders(self):
        """Return all sender addresses of the company that do not belong to a trial."""
        senders = self.with_context(active_test=False)
        found = senders.search([("company_id", "=", self.company_id.id)])
        return found.filtered(lambda sender: not sender.account_id.is_trial)
