from odoo import api, models


class DirectmailConsent(models.Model):
    """The proof of a contact's answers, as PDF and as JSON."""

    _inherit = "directmail.consent"

    @api.model
    def _find_proofs(self, partners):
        """Return the answers of contacts that the user may see, the oldest first.

        :param partners: `res.partner` records
        :raise AccessError: without the right to read the contacts, or to this app
        """
        partners.check_access("read")
        self.check_access("read")
        return self.search([("partner_id", "in", partners.ids)], order="recorded_at, id")

    def _export_proof(self):
        """Return the answers with their proof as values for JSON; times are UTC. :rtype: list"""
        return [
            {
                "purpose": consent.purpose,
                "topic": consent.purpose_id.name or "",
                "answer": consent.answer,
                "choice": consent.value or "",
                "answered_on": str(consent.recorded_at),
                "origin": consent.origin,
                "note": consent.note or "",
                "text_shown": consent.text or "",
                "text_version": consent.text_version or "",
                "language": consent.lang or "",
                "ip_address": consent.ip or "",
                "program": consent.user_agent or "",
                "signed_up_on": str(consent.asked_at or ""),
                "confirmed_from_ip_address": consent.confirmation_ip or "",
            }
            for consent in self
        ]
