import os
import re
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import config, str2bool

from ...directmail import endpoints
from ...engine.clock import describe_moment
from ...groups import GROUP_ADMIN
from ...privacy.keys import WrongKeyError

#: server option: accounts may use the server's own credentials at Alibaba Cloud (SERVER_KINDS)
CONFIG_OPTION = "directmail_server_credentials"
ENVIRONMENT_VARIABLE = "DIRECTMAIL_SERVER_CREDENTIALS"
#: server option, not for users: host and port to call instead of the ECS metadata service
METADATA_OPTION = "directmail_metadata_host"
METADATA_VARIABLE = "DIRECTMAIL_METADATA_HOST"
SERVER_KINDS = ("ecs", "chain")
# The role becomes part of a path at the metadata service: no character may change that path.
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: an STS token is valid for one hour by default, so an earlier warning would come at once
WARN_BEFORE = timedelta(minutes=30)


class DirectmailAccount(models.Model):
    """The credentials with which an account signs its calls.

    An AccessKey and a temporary (STS) key are entered by users and stored encrypted with the master
    key. The role of the ECS instance and the SDK's credential chain belong to the server: users who
    may edit accounts get the server's rights, so only its configuration can allow them.
    """

    _inherit = "directmail.account"
    _guarded_fields = frozenset(
        (
            "access_key_secret_sealed",
            "master_key_fingerprint",
            "security_token_sealed",
            "token_warned",
        )
    )

    credentials = fields.Selection(
        [
            ("key", "AccessKey"),
            ("sts", "Temporary key (STS)"),
            ("ecs", "Role of this ECS instance"),
            ("chain", "Default credential chain of this server"),
        ],
        required=True,
        default="key",
        tracking=True,
        help="AccessKey: the permanent key of a RAM user. Temporary key: an AccessKey with a"
        " security token that expires at a set time. The other two use this server's own"
        " credentials for Alibaba Cloud. They can only be chosen if directmail_server_credentials"
        " = True is set in the server's configuration.",
    )
    access_key_id = fields.Char("AccessKey ID", groups=GROUP_ADMIN, copy=False)
    access_key_secret = fields.Char(
        "AccessKey secret",
        compute="_compute_access_key_secret",
        inverse="_inverse_access_key_secret",
        groups=GROUP_ADMIN,
        copy=False,
        help="Stored encrypted and never shown again. Enter it once more to change it.",
    )
    access_key_secret_sealed = fields.Char(groups=fields.NO_ACCESS, copy=False)
    security_token = fields.Char(
        "Security token",
        compute="_compute_security_token",
        inverse="_inverse_security_token",
        groups=GROUP_ADMIN,
        copy=False,
        help="The token that belongs to the temporary key. Stored encrypted and never shown again.",
    )
    security_token_sealed = fields.Char(groups=fields.NO_ACCESS, copy=False)
    token_expires_at = fields.Datetime(
        "Valid until",
        groups=GROUP_ADMIN,
        copy=False,
        help="When the temporary key expires: the Expiration in Alibaba Cloud's response. You are"
        " warned half an hour before.",
    )
    token_warned = fields.Boolean(groups=fields.NO_ACCESS, copy=False)
    ram_role = fields.Char(
        "RAM role",
        groups=GROUP_ADMIN,
        copy=False,
        tracking=True,
        help="The name of the RAM role that is attached to this ECS instance. Leave it empty to use"
        " the attached role, whatever its name.",
    )
    has_secret = fields.Boolean(compute="_compute_has_secret", compute_sudo=True)
    master_key_fingerprint = fields.Char(groups=fields.NO_ACCESS, copy=False)
    credentials_warning = fields.Text(compute="_compute_credentials_warning")

    def _compute_access_key_secret(self):
        self.access_key_secret = False

    # One compute per field: with a shared compute, writing one would empty the other.
    def _compute_security_token(self):
        self.security_token = False

    def _inverse_access_key_secret(self):
        key = self.env["directmail.keyring"]._get_master_key()
        for account in self:
            if account.access_key_secret:
                # sudo(): write access to the secret was checked; the stored fields are guarded.
                account.sudo().write(
                    {
                        "access_key_secret_sealed": key.encrypt(account.access_key_secret.strip()),
                        "master_key_fingerprint": key.fingerprint,
                    }
                )

    def _inverse_security_token(self):
        key = self.env["directmail.keyring"]._get_master_key()
        for account in self:
            if account.security_token:
                sealed = key.encrypt(account.security_token.strip())
                # sudo(): as in `_inverse_access_key_secret`.
                account.sudo().write({"security_token_sealed": sealed, "token_warned": False})

    @api.depends("connection", "credentials", "access_key_secret_sealed", "security_token_sealed")
    def _compute_has_secret(self):
        for account in self:
            account.has_secret = (
                account.is_trial
                or account.credentials in SERVER_KINDS
                or bool(account.access_key_secret_sealed)
                and (account.credentials != "sts" or bool(account.security_token_sealed))
            )

    @api.depends("credentials", "token_expires_at")
    def _compute_credentials_warning(self):
        for account in self:
            account.credentials_warning = account._get_credentials_warning()

    @api.constrains("credentials", "ram_role")
    def _check_credentials(self):
        for account in self:
            if account.credentials in SERVER_KINDS and not self._allows_server_credentials():
                raise ValidationError(self._explain_not_allowed())
            if account.ram_role and not _ROLE.fullmatch(account.ram_role):
                raise ValidationError(
                    self.env._(
                        "%s is not the name of a RAM role. Enter the name only, such as"
                        " DirectMailSender, as RAM's console shows it.",
                        account.ram_role,
                    )
                )

    # === BUSINESS === #

    @api.model
    def _allows_server_credentials(self):
        """Tell whether CONFIG_OPTION or ENVIRONMENT_VARIABLE allows the server's credentials."""
        setting = config.get(CONFIG_OPTION) or os.environ.get(ENVIRONMENT_VARIABLE) or ""
        return str2bool(str(setting), False)

    def _explain_not_allowed(self):
        return self.env._(
            "This server does not let accounts use its own credentials for Alibaba Cloud. Ask the"
            " administrator of the server to set directmail_server_credentials = True in its"
            " configuration, or choose AccessKey."
        )

    def _get_credentials(self):
        """Return the credentials as keyword arguments of `DirectMailClient`.

        :rtype: dict
        :raise UserError: a value is missing, not allowed, or encrypted with another master key
        """
        self.ensure_one()
        if self.is_trial:
            return self._get_trial_credentials()
        if self.credentials in SERVER_KINDS:
            return {"credential": self._get_server_credential()}
        # sudo(): users who send may not read the key. It goes to the client only.
        account = self.sudo()
        if not account.access_key_id or not account.has_secret:
            raise UserError(
                self.env._(
                    "Enter the AccessKey ID, the secret and the security token of the account"
                    " first."
                )
                if account.credentials == "sts"
                else self.env._("Enter the AccessKey ID and secret of the account first.")
            )
        token = account.credentials == "sts" and account.security_token_sealed
        return {
            "access_key_id": account.access_key_id.strip(),
            "access_key_secret": self._unseal(account.access_key_secret_sealed),
            "security_token": self._unseal(token) if token else None,
        }

    def _unseal(self, sealed):
        """Decrypt a stored secret.

        :raise UserError: it was encrypted with another master key
        """
        key = self.env["directmail.keyring"]._get_master_key()
        try:
            return key.decrypt(sealed)
        except WrongKeyError as error:
            # sudo(): the fingerprint is readable by nobody; it says nothing about the key.
            raise UserError(
                self.env._(
                    "The AccessKey secret was saved under another master key (%(saved)s, this"
                    " server has %(here)s). Enter the secret again.",
                    saved=self.sudo().master_key_fingerprint,
                    here=key.fingerprint,
                )
            ) from error

    def _get_server_credential(self):
        # Besides `_check_credentials`, because a restored database may contain a choice that this
        # server does not allow.
        if not self._allows_server_credentials():
            raise UserError(self._explain_not_allowed())
        if self.test_mode and endpoints.read_endpoint(self.endpoint)[2] not in _LOOPBACK:
            raise UserError(
                self.env._(
                    "The server's own credentials can only be used for DirectMail, not for the"
                    " test endpoint %s. Choose AccessKey instead.",
                    self.endpoint,
                )
            )
        from ...directmail.server_credentials import get_server_credential

        if self.credentials == "chain":
            return get_server_credential("chain")
        host = config.get(METADATA_OPTION) or os.environ.get(METADATA_VARIABLE) or None
        # sudo(): users who send may not read the role. It goes to the client only.
        return get_server_credential("ecs", self.sudo().ram_role or None, host)

    def _get_credentials_mark(self):
        """Return a tuple without clear secrets that differs after the credentials were replaced."""
        # sudo(): users who send may not read the key; the result is compared, never shown.
        account = self.sudo()
        return (
            account.credentials,
            account.access_key_id,
            account.access_key_secret_sealed,
            account.security_token_sealed,
            account.ram_role,
        )

    def _replace_key(self, values):
        """Use another key of the same DirectMail account at once, without deactivating.

        :param dict values: fields of this model; the caller has tested the new key
        """
        self.ensure_one()
        # sudo(), because write() deactivates an account if a user changes its key; the wizard has
        # checked write access and the key.
        self.sudo().write({**values, "token_warned": False})
        self.sudo().message_post(
            body=self.env._("%s replaced the AccessKey.", self.env.user.name),
            author_id=self.env.user.partner_id.id,
        )

    # Expiry of temporary keys ---------------------------------------------------------------

    def _get_credentials_warning(self):
        """Return a warning if the temporary key ended or ends within WARN_BEFORE, else False."""
        # sudo(): only the expiry is read; readers of the account may see the warning.
        account = self.sudo()
        ends = account.token_expires_at
        now = fields.Datetime.now()
        if account.credentials != "sts" or not ends or ends > now + WARN_BEFORE:
            return False
        moment = describe_moment(self.env, ends, self.env.user.tz or account.tz)
        if ends <= now:
            return self.env._(
                "The temporary key expired on %s, and DirectMail refuses it. Press Replace the key"
                " to enter a new one.",
                moment,
            )
        return self.env._(
            "The temporary key expires on %s. Press Replace the key to enter a new one before"
            " that, so that sending is not interrupted.",
            moment,
        )

    def _warn_of_expiry(self):
        """Post the expiry warning to the account's followers, once for each temporary key."""
        self.ensure_one()
        # sudo(): the cron calls this, not a user; `token_warned` is readable by nobody.
        account = self.sudo().with_context(lang=self.company_id.partner_id.lang)
        warning = not account.token_warned and account._get_credentials_warning()
        if warning:
            account.token_warned = True
            account.message_post(body=warning, subtype_xmlid="mail.mt_comment")
