import hashlib
import logging
from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.addons.base.models.res_partner import _tz_get
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ..directmail import const
from ..directmail.errors import DirectMailError
from ..directmail.keys import WrongKeyError
from ..engine.claim import quota_left

_logger = logging.getLogger(__name__)

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


class DirectmailAccount(models.Model):
    _name = "directmail.account"
    _description = "DirectMail Account"
    _inherit = ["mail.thread"]
    _order = "name, id"

    def _default_public_url(self):
        return self.env["ir.config_parameter"].sudo().get_param("web.base.url")

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    state = fields.Selection(
        [
            ("draft", "Not active"),
            ("active", "Active"),
            ("stopped", "Stopped"),
            ("disarmed", "Disarmed"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
        help="Only an active account sends. DirectMail's refusal of the account stops it; a copied"
        " or restored database disarms it.",
    )
    state_message = fields.Text("What happened", readonly=True, copy=False)
    region = fields.Selection(
        selection="_selection_region", required=True, default="ap-southeast-1", tracking=True
    )
    endpoint = fields.Char(
        "Test endpoint",
        tracking=True,
        help="Leave empty to use DirectMail. An address here, such as 127.0.0.1:8080, talks to an"
        " emulator or a gateway instead: no real mail is sent.",
    )
    test_mode = fields.Boolean(compute="_compute_test_mode")
    access_key_id = fields.Char(
        "AccessKey ID", groups="email_marketing_dm.email_marketing_dm_group_admin", copy=False
    )
    access_key_secret = fields.Char(
        "AccessKey secret",
        compute="_compute_access_key_secret",
        inverse="_inverse_access_key_secret",
        groups="email_marketing_dm.email_marketing_dm_group_admin",
        copy=False,
        help="Stored encrypted and never shown again. Enter it once more to change it.",
    )
    access_key_secret_sealed = fields.Char(groups=fields.NO_ACCESS, copy=False)
    has_secret = fields.Boolean(compute="_compute_has_secret", compute_sudo=True)
    master_key_fingerprint = fields.Char(groups=fields.NO_ACCESS, copy=False)
    database_identity = fields.Char(groups=fields.NO_ACCESS, copy=False)
    tz = fields.Selection(
        _tz_get, "Time zone", required=True, default=lambda self: self.env.user.tz or "UTC"
    )
    public_url = fields.Char(
        "Public address",
        default=_default_public_url,
        tracking=True,
        help="Where recipients reach this Odoo, for unsubscribe and view-online links.",
    )
    content_mode = fields.Selection(
        [("template", "Approved template"), ("body", "Approved text, filled in here")],
        default="template",
        required=True,
        help="How the approved content is handed over. Choose the second only where DirectMail"
        " refuses templates for this account.",
    )
    threads = fields.Integer(
        "Calls at once", default=32, help="How many mails may be on their way to DirectMail at once."
    )
    rate_limit = fields.Integer("Mails per second", default=80)
    daily_quota = fields.Integer(readonly=True, copy=False)
    month_quota = fields.Integer("Monthly quota", readonly=True, copy=False)
    health = fields.Selection(
        [
            ("ok", "Normal"),
            ("frozen", "Frozen"),
            ("overdue", "Payment overdue"),
            ("restricted", "Sending restricted"),
            ("deleted", "Deleted"),
        ],
        readonly=True,
        copy=False,
    )
    synchronised_at = fields.Datetime("Last synchronised", readonly=True, copy=False)
    sender_ids = fields.One2many("directmail.sender", "account_id", "Sender addresses")
    cron_id = fields.Many2one("ir.cron", readonly=True, copy=False, ondelete="set null")

    _threads_range = models.Constraint(
        "CHECK(threads BETWEEN 1 AND 64)", "Calls at once must be between 1 and 64."
    )
    _rate_range = models.Constraint(
        "CHECK(rate_limit BETWEEN 1 AND 100)", "Mails per second must be between 1 and 100."
    )

    @api.depends("endpoint")
    def _compute_test_mode(self):
        for account in self:
            account.test_mode = bool(account.endpoint)

    def _compute_access_key_secret(self):
        self.access_key_secret = False

    def _inverse_access_key_secret(self):
        key = self.env["directmail.keyring"]._get_master_key()
        for account in self:
            if account.access_key_secret:
                account.sudo().write(
                    {
                        "access_key_secret_sealed": key.encrypt(account.access_key_secret.strip()),
                        "master_key_fingerprint": key.fingerprint,
                    }
                )

    @api.depends("access_key_secret_sealed")
    def _compute_has_secret(self):
        for account in self:
            account.has_secret = bool(account.access_key_secret_sealed)

    @api.model
    def _selection_region(self):
        labels = {
            "cn-hangzhou": self.env._("China (Hangzhou)"),
            "ap-southeast-1": self.env._("Singapore"),
            "us-east-1": self.env._("US (Virginia)"),
            "eu-central-1": self.env._("Germany (Frankfurt)"),
        }
        return [(code, labels.get(code, code)) for code, _endpoint in const.REGIONS]

    @api.constrains("public_url")
    def _check_public_url(self):
        for account in self.filtered("public_url"):
            parts = urlsplit(account.public_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValidationError(
                    self.env._("The public address must look like https://www.example.com.")
                )

    @api.model_create_multi
    def create(self, vals_list):
        accounts = super().create(vals_list)
        for account in accounts:
            account.cron_id = account._create_cron()
        return accounts

    def write(self, vals):
        res = super().write(vals)
        if "name" in vals:
            for account in self.sudo():
                account.cron_id.name = account._cron_name()
        if not self.env.su and {"region", "endpoint", "access_key_id"} & set(vals):
            # Templates, senders and tags belong to one DirectMail account in one region.
            self.filtered(lambda account: account.state == "active").write(
                {"state": "draft", "state_message": False}
            )
        return res

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        if self.env["directmail.task"].sudo().search_count([("account_id", "in", self.ids)], 1):
            raise UserError(self.env._("Email tasks were sent with this account. Archive it instead."))

    def unlink(self):
        crons = self.sudo().cron_id
        res = super().unlink()
        crons.unlink()
        return res

    # === ACTIONS === #

    def action_test_connection(self):
        """Ask DirectMail for quota and health, and show what it says.

        :raise UserError: one sentence that says what is wrong and how to mend it
        """
        self.ensure_one()
        summary = self._call(lambda client: client.describe_account())
        self._read_summary(summary)
        return self._notify(
            self.env._(
                "DirectMail answers: %(quota)s mails a day, account status: %(health)s.",
                quota=f"{self.daily_quota:,}",
                health=dict(self._fields["health"]._description_selection(self.env))[self.health],
            ),
            "success" if self.health == "ok" and self.daily_quota else "warning",
        )

    def action_synchronise(self):
        """Copy quota, health and sender addresses from DirectMail."""
        self.ensure_one()
        self._synchronise()
        ready = len(self.sender_ids.filtered("ready"))
        return self._notify(
            self.env._("%(count)s sender addresses can send marketing mail.", count=ready)
            if ready
            else self.env._(
                "No sender address can send marketing mail yet. In DirectMail's console, create a"
                " batch sender on a verified domain, then synchronise again."
            ),
            "success" if ready else "warning",
        )

    def action_activate(self):
        """Let this account send from this very database."""
        self.ensure_one()
        if not self.public_url:
            raise UserError(
                self.env._("Enter the public address first: every mail needs an unsubscribe link.")
            )
        self._synchronise()
        if self.health != "ok":
            raise UserError(
                self.env._(
                    "DirectMail says the account is not in order (%(health)s). Settle this in"
                    " Alibaba Cloud's console, then activate again.",
                    health=dict(self._fields["health"]._description_selection(self.env))[
                        self.health
                    ],
                )
            )
        self.sudo().write(
            {
                "state": "active",
                "state_message": False,
                "database_identity": self._get_database_identity(),
            }
        )
        self._trigger_sending()

    def action_deactivate(self):
        self.write({"state": "draft", "state_message": False})

    # === BUSINESS === #

    @api.private
    def _get_client(self):
        """Return a client of the SDK for this account.

        :rtype: directmail.client.DirectMailClient
        :raise UserError: if keys are missing, or were encrypted on a host with another master key
        """
        self.ensure_one()
        # Loading the SDK costs about 50 MB, so only processes that call DirectMail do it.
        from ..directmail.client import DirectMailClient

        account = self.sudo()
        if not account.access_key_id or not account.access_key_secret_sealed:
            raise UserError(self.env._("Enter the AccessKey ID and secret of the account first."))
        key = self.env["directmail.keyring"]._get_master_key()
        try:
            secret = key.decrypt(account.access_key_secret_sealed)
        except WrongKeyError as error:
            raise UserError(
                self.env._(
                    "The AccessKey secret was saved under another master key (%(saved)s, this"
                    " server has %(here)s). Give this server the same master key, or enter the"
                    " secret again.",
                    saved=account.master_key_fingerprint,
                    here=key.fingerprint,
                )
            ) from error
        endpoint, protocol = self._get_endpoint()
        return DirectMailClient(
            endpoint,
            account.access_key_id.strip(),
            secret,
            protocol=protocol,
            read_timeout=account._get_seconds("read_timeout", const.READ_TIMEOUT),
            pool_size=64,
        )

    def _get_endpoint(self):
        """Return (host and port, protocol) of the service that this account talks to."""
        if not self.endpoint:
            return dict(const.REGIONS)[self.region], "https"
        text = self.endpoint.strip()
        parts = urlsplit(text if "//" in text else f"//{text}")
        protocol = parts.scheme or ("http" if parts.hostname in LOCAL_HOSTS else "https")
        return parts.netloc, protocol

    @api.model
    def _get_seconds(self, name, default):
        """Return a system parameter of this addon that is a number of seconds."""
        value = self.env["ir.config_parameter"].sudo().get_param(f"email_marketing_dm.{name}")
        try:
            return float(value) if value else default
        except ValueError:
            _logger.warning("Ignoring email_marketing_dm.%s: %r is no number", name, value)
            return default

    @api.private
    def _call(self, function):
        """Call DirectMail for a user who waits for it.

        :param function: called with the client
        :raise UserError: with one sentence that says what to do next
        """
        self.ensure_one()
        try:
            return function(self._get_client())
        except DirectMailError as error:
            raise UserError(self._explain(error)) from error

    def _explain(self, error):
        """Say in the user's words what a `DirectMailError` means and what to do next."""
        sentences = {
            "credentials": self.env._(
                "DirectMail does not accept this AccessKey. Check the ID and the secret in Alibaba"
                " Cloud's console and enter both again."
            ),
            "permission": self.env._(
                "This AccessKey may not do that. Ask your Alibaba Cloud administrator to grant it"
                " AliyunDirectMailFullAccess."
            ),
            "clock": self.env._("This server's clock is wrong by more than 15 minutes. Have it corrected."),
            "unreachable": self.env._(
                "DirectMail can't be reached at %(host)s. Check the network, the region and the"
                " test endpoint, then try again.",
                host=self._get_endpoint()[0],
            ),
            "not_directmail": self.env._(
                "What answers at %(host)s is not DirectMail. Check the test endpoint, or a proxy in"
                " between.",
                host=self._get_endpoint()[0],
            ),
            "throttled": self.env._("DirectMail is busy with this account. Try again in a minute."),
            "quota": self.env._("The quota of this DirectMail account is used up. Try again tomorrow."),
            "server": self.env._("DirectMail has a problem of its own. Try again in a few minutes."),
        }
        sentence = sentences.get(error.kind) or self.env._("DirectMail refused this. Correct it, then retry.")
        details = " ".join(filter(None, [error.code, error.message]))
        return (
            self.env._("%(sentence)s\n(DirectMail: %(details)s)", sentence=sentence, details=details[:300])
            if details
            else sentence
        )

    def _read_summary(self, summary):
        status = summary.user_status or 0
        health = next((word for bit, word in const.USER_STATUS_BITS.items() if status & bit), "ok")
        self.sudo().write(
            {
                "daily_quota": summary.daily_quota,
                "month_quota": summary.month_quota,
                "health": health,
                "synchronised_at": fields.Datetime.now(),
            }
        )

    def _synchronise(self):
        self.ensure_one()
        summary, addresses = self._call(
            lambda client: (client.describe_account(), list(client.list_senders()))
        )
        self._read_summary(summary)
        self.env["directmail.sender"].sudo()._synchronise(self, addresses)

    @api.model
    def _get_database_identity(self):
        """Return a fingerprint of the database itself, which any copy of it changes.

        UUID (a duplicate gets a new one), name and oid (a copy on the same server), and the
        cluster's identifier (a dump restored elsewhere).
        """
        uuid = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
        row = self.env.execute_query(
            SQL(
                """SELECT d.datname, d.oid, (SELECT system_identifier FROM pg_control_system())
                     FROM pg_database d WHERE d.datname = current_database()"""
            )
        )[0]
        return hashlib.sha256(repr((uuid, *row)).encode()).hexdigest()

    @api.private
    def _is_armed(self):
        """Tell whether this account may send from here; disarm it in a copied database."""
        self.ensure_one()
        account = self.sudo()
        if account.state != "active":
            return False
        if account.database_identity == self._get_database_identity():
            return True
        account.write(
            {
                "state": "disarmed",
                "state_message": self.env._(
                    "This database is a copy, or was moved. Nothing is sent from it until an"
                    " administrator confirms that it is the one to send."
                ),
            }
        )
        return False

    def _stop(self, message):
        """Stop sending with this account until an administrator has looked at it."""
        self.ensure_one()
        self.sudo().write({"state": "stopped", "state_message": message})
        self.sudo().message_post(body=message)

    def _on_refused(self, answer):
        """Stop: DirectMail refuses the account itself. Its running tasks pause with the reason.

        :param answer: a `directmail.answers.Answer`
        """
        self.ensure_one()
        message = self.env._(
            "DirectMail refuses this account (%(code)s %(message)s). Test the connection, mend what"
            " it says, activate the account, then resume the email tasks.",
            code=answer.code,
            message=answer.message,
        )
        self._stop(message)
        tasks = self.env["directmail.task"].sudo().search(
            [("account_id", "=", self.id), ("state", "=", "sending")]
        )
        tasks.write({"state": "paused", "state_message": message})
        for task in tasks:
            task._tell_owner(message)

    def _get_quota_left(self):
        """Return how many mails may go out today: see `engine.claim.quota_left`."""
        self.ensure_one()
        return quota_left(self.env, self)

    def _cron_name(self):
        return f"DirectMail: send with {self.name}"

    def _create_cron(self):
        self.ensure_one()
        return (
            self.env["ir.cron"]
            .sudo()
            .create(
                {
                    "name": self._cron_name(),
                    "model_id": self.env["ir.model"]._get_id("directmail.account"),
                    "state": "code",
                    "code": f"model._cron_send({self.id})",
                    "user_id": self.env.ref("base.user_root").id,
                    "interval_number": 10,
                    "interval_type": "minutes",
                }
            )
        )

    def _trigger_sending(self, at=None):
        """Wake the sending cron of these accounts, now or at a time (naive UTC)."""
        for account in self.sudo():
            account.cron_id._trigger(at)

    def _notify(self, message, kind):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "message": message,
                "type": kind,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }
