from datetime import timedelta

from odoo import fields, models
from odoo.tools import format_date

#: Numbers of weeks for which a recipient can pause emails.
PAUSES = (2, 4, 8, 12)


class DirectmailRecipient(models.AbstractModel):
    """Fewer emails, a pause, and the language: what recipients choose on their page."""

    _inherit = "directmail.recipient"

    def _get_preference(self):
        """Return the recipient's `directmail.preference`, with all rights; empty without one."""
        # sudo(): the token in the request proves that the address is the caller's.
        recipient = self.sudo()
        return recipient.env["directmail.preference"]._find(
            recipient.company_id, recipient.address_key
        )

    def _get_preferences(self):
        """Return what the page shows of the preferences, in the language of the context.

        :return: {"cap": code or "", "caps": [(code, label)], "paused_until": text or "",
            "resumes_at": the same moment as in `_pause`, "pauses": numbers of weeks,
            "lang": code, "languages": [(code, name)]}
        :rtype: dict
        """
        self.ensure_one()
        preference = self._get_preference()
        until = preference.paused_until
        if until and until <= fields.Datetime.now():
            until = False
        return {
            "cap": preference.cap or "",
            "caps": preference._fields["cap"]._description_selection(self.env),
            "paused_until": until and format_date(self.env, until.date(), date_format="long"),
            "resumes_at": until and fields.Datetime.to_string(until),
            "pauses": PAUSES,
            "lang": self.env.lang,
            "languages": self._get_languages(),
        }

    def _get_languages(self):
        """Return [(code, name)] of the languages that the recipient can choose."""
        return self.env["res.lang"].get_installed()

    def _can_prefer(self):
        """Return whether the recipient gets mail at all, of which they can want less."""
        return bool(self.address_key) and not self._has_left_all()

    def _limit_emails(self, cap, **proof):
        """Set how often the recipient wants mail.

        :param str cap: a code of `clock.spans.CAPS`; empty to end the limit
        :param proof: values of further fields of `directmail.consent`
        """
        self._prefer("cap", cap, **proof)

    def _pause(self, until, **proof):
        """Pause mails until a moment (naive UTC), at most for the longest pause; False ends it.

        :param proof: values of further fields of `directmail.consent`
        """
        now = fields.Datetime.now()
        if until:
            until = min(until, now + timedelta(weeks=max(PAUSES)))
        self._prefer("paused_until", until and until > now and until, **proof)

    def _speak(self, language, **proof):
        """Set the recipient's language, also that of the contact, if it still has the address.

        :param str language: a code of `_get_languages`
        :param proof: values of further fields of `directmail.consent`
        """
        if self._is_trial():
            return
        self._prefer("lang", language, **proof)
        # sudo(): as in `_get_preference`.
        recipient = self.sudo()
        people = recipient.env["directmail.consent"]._find_person(recipient.partner_id)
        if any(person["address_key"] == recipient.address_key for person in people):
            recipient.partner_id.lang = language

    def _prefer(self, name, value, **proof):
        self.ensure_one()
        if self._is_trial():  # A choice in a trial must not count for real mails.
            return
        # sudo(): as in `_get_preference`.
        recipient = self.sudo()
        recipient.env["directmail.preference"]._set(
            recipient.company_id,
            recipient._get_consent_person(),
            name,
            value,
            delivery_id=recipient._get_delivery().id,
            **proof,
        )

    def _get_section_text(self, section):
        """Return a section of the page as text, as the recipient sees it.

        :param str section: "frequency", "pause" or "language"
        """
        return self._render_text(
            f"email_marketing_dm.recipient_{section}", preferences=self._get_preferences()
        )
