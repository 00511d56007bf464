from odoo import models
from odoo.tools import html2plaintext

from ...engine.mailing_consent import AGREEMENTS


class DirectmailRecipient(models.AbstractModel):
    """The topics that a recipient chooses on the page behind the unsubscribe link."""

    _inherit = "directmail.recipient"

    def _has_left_all(self):
        """Return whether the recipient gets no mail of the company, whatever topics they want."""
        self.ensure_one()
        # sudo(): the token in the request proves that the address is the caller's.
        recipient = self.sudo()
        return bool(
            recipient.env["directmail.optout"].search_count(
                [
                    ("company_id", "=", recipient.company_id.id),
                    ("address_key", "=", recipient.address_key),
                    ("sender_id", "=", False),
                ],
                limit=1,
            )
        )

    def _get_topics(self):
        """Return the topics that the recipient can choose, in the language of the context.

        :return: [{"id", "name", "description", "is_wanted"}]; none for a person who was erased or
            has left all mail of the company
        :rtype: list[dict]
        """
        self.ensure_one()
        if not self.address_key or self._has_left_all():
            return []
        return [
            {
                "id": purpose.id,
                "name": purpose.name,
                "description": purpose.description,
                "is_wanted": self._is_wanted(purpose),
            }
            for purpose in self._find_topics()
        ]

    def _find_topics(self):
        # sudo(): every recipient may see the public topics of the company that mailed them.
        return (
            self.env["directmail.purpose"]
            .sudo()
            .search([("company_id", "=", self.company_id.id), ("is_public", "=", True)])
        )

    def _is_wanted(self, purpose):
        """Return whether the topic is ticked: agreed to, or not refused where that is the rule."""
        # sudo(): as in `_has_left_all`.
        recipient = self.sudo()
        answer = self.env["directmail.consent"]._get_mailing_answer(purpose, recipient.address_key)
        if answer:
            return answer in AGREEMENTS
        return purpose._get_rule(recipient.partner_id.country_id) == "not_refused"

    def _answer_topics(self, shown, ticked, **proof):
        """Record the recipient's choice of topics, effective at once.

        Only changes are recorded: a box that was ticked before the recipient saw it is no consent.
        A tick counts as confirmed, because only the mail at this address led to the page.

        :param set shown: ids of the topics that the page showed; others stay as they are
        :param set ticked: ids of those that are ticked
        :param proof: values of further fields of `directmail.consent`
        """
        self.ensure_one()
        if self._is_trial():  # An answer to a trial must not count for real mails.
            return
        # sudo(): as in `_has_left_all`.
        recipient = self.sudo()
        text = recipient._get_topics_text()
        consents = recipient.env["directmail.consent"]
        for purpose in recipient._find_topics().filtered(lambda purpose: purpose.id in shown):
            if recipient._is_wanted(purpose) == (purpose.id in ticked):
                continue
            answer = "confirmed" if purpose.id in ticked else "no"
            consents._add_mailing(
                purpose,
                recipient._get_consent_person(),
                consents._say_withdrawn(purpose, recipient.address_key, answer),
                "page",
                delivery_id=recipient._get_delivery().id,
                text=text,
                **proof,
            )

    def _get_topics_text(self):
        """Return the topics' form as the recipient's page shows it, as text."""
        self.ensure_one()
        # sudo(): every recipient may see the text and the company's name.
        view = self.env["ir.ui.view"].sudo()
        page = view._render_template(
            "email_marketing_dm.recipient_topics",
            {"company": self.company_id, "token": "", "topics": self._get_topics()},
        )
        return html2plaintext(page, include_references=False).strip()
