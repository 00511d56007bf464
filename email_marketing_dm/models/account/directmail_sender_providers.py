from odoo import api, fields, models
from odoo.tools import SQL, formatLang

from ...engine.events import BY
from ...engine.guard import COUNTED, DAYS, get_percent, is_recent, make_figures
from ...groups import GROUP_ADMIN
from ...privacy.providers import OTHER

#: A provider with fewer mails of known outcome is not called the worst.
PROVIDER_MINIMUM = 100


class DirectmailSender(models.Model):
    """Complaints and invalid addresses of a sender address by mailbox provider.

    DirectMail names the provider in the events that it pushes; fetched results have none.
    """

    _inherit = "directmail.sender"

    provider_table = fields.Html(
        "Mailbox providers",
        compute="_compute_provider_table",
        sanitize=False,
        groups=GROUP_ADMIN,
    )

    @api.depends_context("lang")
    def _compute_provider_table(self):
        for sender in self:
            # sudo(): administrators may know the figures of all email tasks of a sender address.
            rows = sender._origin.sudo()._read_providers() if sender._origin else {}
            sender.provider_table = bool(rows) and self.env["ir.qweb"]._render(
                "email_marketing_dm.directmail_sender_providers",
                {
                    "days": DAYS,
                    "rows": [
                        {
                            "name": sender._name_provider(provider),
                            "known": formatLang(self.env, figures.known, digits=0),
                            "complained": sender._say_share(figures.complained, figures.delivered),
                            "invalid": sender._say_share(figures.invalid, figures.known),
                        }
                        for provider, figures in sorted(rows.items(), key=lambda row: -row[1].known)
                    ],
                },
            )

    def _say_share(self, part, whole):
        return f"{formatLang(self.env, get_percent(part, whole), digits=2)}%"

    @api.model
    def _name_provider(self, provider):
        return self.env._("Other providers") if provider == OTHER else provider

    def _read_providers(self):
        """Return {provider: `Figures`} of these senders' tasks that count (`is_recent`).

        Figures that an owner has accepted are included.
        """
        self.env["directmail.task"].flush_model(["sender_id", "planned_at", "state"])
        rows = self.env.execute_query(
            SQL(
                """SELECT split_part(f.name, %(by)s, 2), split_part(f.name, %(by)s, 1),
                          sum(f.value)::int
                     FROM directmail_task t JOIN directmail_task_counter f ON f.task_id = t.id
                    WHERE t.sender_id = ANY(%(senders)s) AND f.writer = 'providers'
                      AND %(is_recent)s
                    GROUP BY 1, 2""",
                by=BY,
                senders=self.ids,
                is_recent=is_recent(),
            )
        )
        counts = {}
        for provider, name, value in rows:
            if name in COUNTED:
                counts.setdefault(provider, {})[name] = value
        return {provider: make_figures(found) for provider, found in counts.items()}

    def _explain_worst_provider(self, is_complaints):
        """Return a sentence with the mailbox provider that has the highest share; empty without.

        Nothing is said if that is OTHER, which stands for many providers.

        :param bool is_complaints: whether of complaints, rather than of invalid addresses
        """
        shares = {
            provider: get_percent(found.complained, found.delivered)
            if is_complaints
            else get_percent(found.invalid, found.known)
            for provider, found in self._read_providers().items()
            if found.known >= PROVIDER_MINIMUM
        }
        worst = max(shares, key=shares.get, default=None)
        if not worst or worst == OTHER or not shares[worst]:
            return ""
        return self.env._(
            "The mailbox provider with the highest share is %(provider)s: %(share)s%%.",
            provider=self._name_provider(worst),
            share=formatLang(self.env, shares[worst], digits=2),
        )
