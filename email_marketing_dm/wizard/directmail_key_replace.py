from odoo import fields, models
from odoo.exceptions import UserError

from ..directmail.errors import DirectMailError
from ..directmail.permissions import VITAL, get_checkable


class DirectmailKeyReplace(models.TransientModel):
    """Replace an account's AccessKey while email tasks go on, after trying the new one."""

    _name = "directmail.key.replace"
    _description = "Replace the AccessKey"
    _inherit = ["directmail.links"]
    _rec_name = "account_id"

    account_id = fields.Many2one(
        "directmail.account", required=True, readonly=True, ondelete="cascade"
    )
    access_key_id = fields.Char("New AccessKey ID", required=True)
    # A button saves the form first, so secrets are written encrypted (`*_sealed`) here as well.
    access_key_secret = fields.Char(
        "New AccessKey secret",
        compute="_compute_access_key_secret",
        inverse="_inverse_access_key_secret",
    )
    access_key_secret_sealed = fields.Char(groups=fields.NO_ACCESS)
    security_token = fields.Char(
        "Security token",
        compute="_compute_security_token",
        inverse="_inverse_security_token",
        help="Only for a temporary key (STS). Leave it empty for a permanent AccessKey.",
    )
    security_token_sealed = fields.Char(groups=fields.NO_ACCESS)
    token_expires_at = fields.Datetime(
        "Valid until", help="Only for a temporary key: when it expires."
    )

    def _compute_access_key_secret(self):
        self.access_key_secret = False

    def _compute_security_token(self):
        self.security_token = False

    def _inverse_access_key_secret(self):
        self._seal("access_key_secret")

    def _inverse_security_token(self):
        self._seal("security_token")

    def _seal(self, name):
        key = self.env["directmail.keyring"]._get_master_key()
        for dialog in self:
            if dialog[name]:
                # sudo(): the user entered the secret; the sealed field is accessible to nobody.
                dialog.sudo()[f"{name}_sealed"] = key.encrypt(dialog[name].strip())

    def action_replace(self):
        """Try the new key; if it works, write it to the account.

        :raise UserError: with the reason why the new key can't be used; the old one stays in use
        """
        self.ensure_one()
        account = self.account_id
        account.check_access("write")
        # sudo(): reads the sealed secrets that this user entered; writing the account was checked.
        entered = self.sudo()
        if not entered.access_key_secret_sealed:
            raise UserError(self.env._("Enter the secret of the new AccessKey."))
        token = entered.security_token_sealed
        credentials = {
            "access_key_id": entered.access_key_id.strip(),
            "access_key_secret": account._unseal(entered.access_key_secret_sealed),
            "security_token": account._unseal(token) if token else None,
        }
        client = account._make_client(**credentials)
        try:
            summary = self._try(client)
        except DirectMailError as error:
            raise self._refuse(account._explain(error)) from error
        account._replace_key(
            {
                "credentials": "sts" if token else "key",
                "access_key_id": credentials["access_key_id"],
                "access_key_secret_sealed": entered.access_key_secret_sealed,
                "master_key_fingerprint": self.env["directmail.keyring"]
                ._get_master_key()
                .fingerprint,
                "security_token_sealed": token,
                "token_expires_at": entered.token_expires_at if token else False,
            }
        )
        account._read_summary(summary)
        entered.unlink()
        return self._tell(account)

    def _try(self, client):
        """Check the new key; return the `directmail.records.AccountSummary` that it reads.

        :param client: a `directmail.client.DirectMailClient` with the new key
        :raise UserError: if the key belongs to another account, or may do less than the old one
        :raise DirectMailError: if DirectMail refuses the key
        """
        account = self.account_id
        summary, addresses = client.describe_account(), list(client.list_senders())
        old = self._read_with_old_key()
        if self._is_other_account(summary, addresses, old):
            raise self._refuse(
                self.env._(
                    "The new AccessKey belongs to another DirectMail account: it does not have the"
                    " sender addresses of this one. Templates and tags would be lost. Enter a key"
                    " of the same Alibaba Cloud account, or create another account here."
                )
            )
        denied, _missing = account._check_actions(client, get_checkable(account._get_features()))
        before = []
        if old and denied:
            # Actions that are denied to the old key as well are not lost.
            before, _missing = account._check_actions(old[0], denied)
        lost = [action for action in denied if action in VITAL or (old and action not in before)]
        if lost:
            raise self._refuse(account._explain_actions(lost, []))
        return summary

    def _read_with_old_key(self):
        """Return (client, summary, senders) read with the key in use; None if it does not work."""
        try:
            client = self.account_id._get_client()
            return client, client.describe_account(), list(client.list_senders())
        except (UserError, DirectMailError):
            return None

    def _is_other_account(self, summary, addresses, old):
        """Return whether the new key certainly belongs to another DirectMail account.

        DirectMail returns no account number. A sender address belongs to one account, so a common
        one proves that the account is the same. If neither key reads a sender, different quotas
        prove that it is another account; equal quotas prove nothing. If the old key does not work,
        the senders stored in Odoo are compared, and no quotas.

        :param summary, addresses: `AccountSummary` and senders, read with the new key
        :param old: result of `_read_with_old_key`
        :rtype: bool
        """
        found = {address.address.lower() for address in addresses}
        known = {email.lower() for email in self.account_id.sender_ids.mapped("email") if email}
        if old:
            known = {address.address.lower() for address in old[2]}
        if known or (old and found):
            return not known & found
        return bool(old) and (summary.daily_quota, summary.month_quota) != (
            old[1].daily_quota,
            old[1].month_quota,
        )

    def _refuse(self, reason):
        return UserError(self.env._("The old AccessKey stays in use. %(reason)s", reason=reason))

    def _tell(self, account):
        if account.state == "active":
            message = self.env._(
                "The new AccessKey works and is in use. Wait a minute before you disable the old"
                " one in RAM: mails that are on their way still use it."
            )
        else:
            message = self.env._(
                "The new AccessKey works and is in use. The account is not active: activate it to"
                " send."
            )
        action = account._notify(message, "success")
        action["params"]["next"] = {"type": "ir.actions.act_window_close"}
        return action
