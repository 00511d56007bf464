from odoo import models


class MailThread(models.AbstractModel):
    """Followers of our records are told what happens only while they may read the record."""

    _inherit = "mail.thread"

    def _notify_get_recipients(self, message, msg_vals=False, **kwargs):
        """Override: leave out followers who may not read the record, or not any more.

        Former owners, users who left the group or the company, and contacts that a user added stay
        followers. Odoo sends them every message, and messages contain figures about people. Named
        recipients (`partner_ids`) still get the message, because its author chose them.
        """
        recipients = super()._notify_get_recipients(message, msg_vals, **kwargs)
        if not self._name.startswith("directmail."):
            return recipients
        vals = msg_vals or {}
        # sudo() reads the message that its author has just posted.
        named = (
            vals["partner_ids"] if "partner_ids" in vals else message.sudo().partner_ids.ids
        ) or ()
        return [
            recipient
            for recipient in recipients
            if recipient["id"] in named or self._may_be_read_by(recipient["uid"])
        ]

    def _notify_thread_by_email(self, message, recipients_data, **kwargs):
        """Override: send no emails about trials, not even to colleagues.

        The message is in the chatter, and users who are online see it at once.
        """
        if self._name.startswith("directmail.") and any(self._get_trials()):
            return True
        return super()._notify_thread_by_email(message, recipients_data, **kwargs)

    def _get_trials(self):
        """Return the trials among these accounts, or among the accounts of these records."""
        accounts = self if self._name == "directmail.account" else self.env["directmail.account"]
        if "account_id" in self._fields:
            accounts = self.account_id
        return accounts.filtered("is_trial")

    def _may_be_read_by(self, user_id):
        """Tell whether a user may read the record in the companies that they work in.

        :param user_id: id of a `res.users`; may be empty
        :rtype: bool
        """
        # sudo(): only the user's companies are read; has_access() uses that user's rights.
        user = self.env["res.users"].sudo().browse(user_id or ())
        context = {"allowed_company_ids": user.company_ids.ids}
        return bool(user) and self.with_env(
            self.env(user=user.id, su=False, context=context)
        ).has_access("read")
