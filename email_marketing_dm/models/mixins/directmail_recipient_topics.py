from odoo import models
from odoo.tools import SQL

from ...engine.mailing_consent import AGREEMENTS

#: What is stored of a request to be mailed, until the mailbox confirms it.
PROOF = ("lang", "ip", "user_agent", "text", "text_version")


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

        :return: [{"id", "name", "description", "is_wanted", "is_unconfirmed"}]; none for a person
            who was erased or has left all mail of the company
        :rtype: list[dict]
        """
        self.ensure_one()
        if not self.address_key or self._has_left_all():
            return []
        country, unconfirmed = self._get_country(), self._find_unconfirmed()
        return [
            {
                "id": purpose.id,
                "name": purpose.name,
                "description": purpose.description,
                "is_wanted": self._is_wanted(purpose, country),
                "is_unconfirmed": purpose in unconfirmed,
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

    def _is_wanted(self, purpose, country):
        """Return whether the topic is ticked: agreed to, or not refused where that is the rule.

        :param country: of `_get_country`
        """
        # sudo(): as in `_has_left_all`.
        recipient = self.sudo()
        answer = self.env["directmail.consent"]._get_mailing_answer(purpose, recipient.address_key)
        if answer:
            return answer in AGREEMENTS
        return purpose._get_rule(country) == "not_refused"

    def _get_country(self):
        """Return the country of the contact, or of the record that was mailed, as for the plan."""
        # sudo(): as in `_has_left_all`.
        recipient = self.sudo()
        if recipient.partner_id:
            return recipient.partner_id.country_id
        mail = recipient._get_delivery() or recipient.env["directmail.delivery"].search(
            [
                ("company_id", "=", recipient.company_id.id),
                ("address_key", "=", recipient.address_key),
                ("res_id", "!=", False),
            ],
            order="id desc",
            limit=1,
        )
        if not mail.res_id:
            return recipient.env["res.country"]
        tables = recipient.env["directmail.data.table"]
        rows = recipient.env.execute_query(
            SQL(
                """SELECT CASE WHEN p.id IS NULL THEN source.country_id ELSE p.country_id END
                     FROM (SELECT %s::varchar AS res_model, %s::int AS res_id, %s::varchar AS email)
                          AS people CROSS JOIN LATERAL (%s) AS source
                     LEFT JOIN res_partner p ON p.id = source.partner_id""",
                mail.res_model,
                mail.res_id,
                mail.email or None,
                tables._select_present(recipient.company_id.id),
            )
        )
        return recipient.env["res.country"].browse(rows[0][0] if rows else None)

    def _find_unconfirmed(self):
        """Return the topics of which the recipient gets mail only after confirming them."""
        # sudo(): as in `_has_left_all`.
        recipient = self.sudo()
        if recipient._is_trial():
            return self.env["directmail.purpose"]
        country, key = recipient._get_country(), recipient.address_key
        return recipient._find_topics().filtered(
            lambda purpose: (
                purpose._get_rule(country) == "confirmed"
                and self.env["directmail.consent"]._get_mailing_answer(purpose, key) == "yes"
            )
        )

    def _answer_topics(self, shown, ticked, **proof):
        """Record the recipient's choice of topics, effective at once.

        Only changes are recorded: a box that was ticked before the recipient saw it is no consent.
        A tick counts as confirmed only if the token proves that its holder reads the mail of the
        address: others may have the link of a mail that was forwarded.

        :param set shown: ids of the topics that the page showed; others stay as they are
        :param set ticked: ids of those that are ticked
        :param proof: values of further fields of `directmail.consent`
        """
        self.ensure_one()
        if self._is_trial():  # An answer to a trial must not count for real mails.
            return
        # sudo(): as in `_has_left_all`.
        recipient = self.sudo()
        text, country = recipient._get_topics_text(), recipient._get_country()
        consents = recipient.env["directmail.consent"]
        for purpose in recipient._find_topics().filtered(lambda purpose: purpose.id in shown):
            if recipient._is_wanted(purpose, country) == (purpose.id in ticked):
                continue
            agreed = "confirmed" if recipient._reads_mailbox() else "yes"
            answer = agreed if purpose.id in ticked else "no"
            consents._add_mailing(
                purpose,
                recipient._get_consent_person(),
                consents._say_withdrawn(purpose, recipient.address_key, answer),
                "page",
                delivery_id=recipient._get_delivery().id,
                text=text,
                **proof,
            )

    def _ask_to_confirm(self, ip):
        """Mail a link on whose page the recipient can confirm topics, if a link can be mailed.

        :param str ip: address of the request
        """
        self.ensure_one()
        if self._can_get_link():
            self.env["directmail.preference.link"]._request(
                self.company_id, self.email, self.env.lang, ip, confirms=True
            )

    def _confirm_topics(self, numbers, **proof):
        """Record that the recipient confirms topics; nothing without `_reads_mailbox`.

        The record has the proof of the request if the recipient has ticked the topic, and else that
        of the confirmation, for example of an agreement that a user entered.

        :param set numbers: ids of the topics
        :param proof: of the confirmation: lang, ip, user_agent, text_version
        :return: whether one of the topics is confirmed now
        :rtype: bool
        """
        self.ensure_one()
        if not self._reads_mailbox() or self._has_left_all():
            return False
        # sudo(): as in `_has_left_all`.
        recipient = self.sudo()
        recipient._lock_for_confirming()
        text = recipient._get_unconfirmed_text()
        consents = recipient.env["directmail.consent"]
        for purpose in recipient._find_unconfirmed().filtered(lambda one: one.id in numbers):
            asked = consents._find_mailing(purpose, recipient.address_key)
            shown = {name: asked[name] for name in PROOF} if asked.text else {**proof, "text": text}
            consents._add_mailing(
                purpose,
                recipient._get_consent_person(),
                "confirmed",
                "page",
                asked_at=asked.recorded_at,
                confirmation_ip=proof["ip"],
                delivery_id=asked.delivery_id.id,
                **shown,
            )
        return any(
            consents._get_mailing_answer(purpose, recipient.address_key) == "confirmed"
            for purpose in recipient._find_topics()
            if purpose.id in numbers
        )

    def _lock_for_confirming(self):
        """Make requests that confirm at the same time wait for each other, and be retried.

        To be overridden by the model of what is mailed to the address on request.
        """

    def _get_topics_text(self):
        """Return the topics' form as the recipient's page shows it, as text."""
        return self._render_text(
            "email_marketing_dm.recipient_topics", topics=self._get_topics(), can_get_link=False
        )

    def _get_unconfirmed_text(self):
        """Return the question for a confirmation as the recipient's page shows it, as text."""
        return self._render_text(
            "email_marketing_dm.recipient_unconfirmed", topics=self._get_topics()
        )
