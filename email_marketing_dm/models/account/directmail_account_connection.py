import logging
import math
import os

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import config

from ...directmail import const, endpoints
from ...directmail.errors import DirectMailError
from ...directmail.outside import is_allowed
from ...directmail.public_address import find_host_problem

_logger = logging.getLogger(__name__)
#: server option: hosts in the server's own network that accounts may call, for tests
CONFIG_OPTION = "directmail_test_endpoints"
ENVIRONMENT_VARIABLE = "DIRECTMAIL_TEST_ENDPOINTS"
_INSIDE = ("local_name", "bare_name", "private")


class DirectmailAccount(models.Model):
    """Call DirectMail for an account, and explain its errors to users."""

    _inherit = "directmail.account"

    connection = fields.Selection(
        [
            ("public", "Public endpoint"),
            ("vpc", "VPC endpoint"),
            ("test", "Test endpoint"),
            ("trial", "Trial"),
        ],
        string="Connect through",
        required=True,
        default="public",
        tracking=True,
        help="Public endpoint: over the internet. VPC endpoint: for an Odoo server inside an"
        " Alibaba Cloud VPC of the same region. Test endpoint: an emulator or another server that"
        " stands in for DirectMail; no real mail is sent. A test endpoint inside this server's"
        " network must be allowed in the server's configuration: directmail_test_endpoints. Trial:"
        " the emulator on this server; it can't be changed.",
    )
    endpoint = fields.Char(
        tracking=True,
        help="The host, and port if needed, of the test endpoint, for example 127.0.0.1:8080.",
    )
    endpoint_host = fields.Char("Host", compute="_compute_endpoint_host")
    test_mode = fields.Boolean(compute="_compute_test_mode")

    def _get_client(self):
        """Return a client of the SDK for this account.

        :rtype: directmail.client.DirectMailClient
        :raise UserError: if keys are missing, or were encrypted on a host with another master key
        """
        self.ensure_one()
        return self._make_client(**self._get_credentials())

    def _make_client(self, **credentials):
        """Return a client for this account's endpoint with the given credentials.

        :param credentials: as `_get_credentials` returns them
        """
        # Loading the SDK costs about 50 MB, so only processes that call DirectMail do it.
        from ...directmail.client import DirectMailClient

        self._check_emulator()
        endpoint, protocol = self._get_endpoint()
        return DirectMailClient(
            endpoint,
            protocol=protocol,
            read_timeout=self._get_seconds("read_timeout", const.READ_TIMEOUT),
            pool_size=64,
            public_only=self._is_endpoint_foreign(),
            **credentials,
        )

    def _get_endpoint(self):
        """Return (host with its port if there is one, protocol) that this account calls."""
        if self.is_trial:
            return self._get_trial_endpoint(), "http"
        if not self.endpoint:
            return endpoints.get_host(self.connection, self.region), "https"
        return endpoints.read_endpoint(self.endpoint)[:2]

    @api.model
    def _get_seconds(self, name, default):
        """Return a system parameter of this addon that is a number of seconds, 0 or more.

        :param float default: returned if the parameter is not set or not such a number
        """
        # sudo(): users may not read parameters; callers name one of this addon.
        value = self.env["ir.config_parameter"].sudo().get_param(f"email_marketing_dm.{name}")
        if not value:
            return default
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if 0 <= seconds < math.inf:
            return seconds
        _logger.warning(
            "Ignoring email_marketing_dm.%s: %r is not a number of seconds", name, value
        )
        return default

    def _call(self, function):
        """Return the result of a function that calls DirectMail.

        :param function: called with the client
        :raise UserError: instead of a DirectMailError; the message says what to do next
        """
        self.ensure_one()
        try:
            return function(self._get_client())
        except DirectMailError as error:
            raise UserError(self._explain(error)) from error

    def _explain(self, error):
        """Return what a `DirectMailError` means and what to do next, for users."""
        if error.kind == "unreachable" and self.is_trial:
            return self._explain_no_emulator()
        if error.kind == "unreachable" and self._is_endpoint_foreign():
            return self.env._(
                "DirectMail can't be reached at %s. Check the test endpoint. If it is inside this"
                " server's network, ask the administrator of the server to allow it in its"
                " configuration: directmail_test_endpoints.",
                self._get_endpoint()[0],
            )
        sentences = {
            "credentials": self.env._(
                "DirectMail does not accept this AccessKey. Check the ID and the secret in Alibaba"
                " Cloud's console and enter both again."
            ),
            "permission": self._explain_permission(error),
            "server_credentials": self.env._(
                "This server's own credentials for Alibaba Cloud can't be read. Ask the"
                " administrator of the server to check the RAM role of the instance, the"
                " environment or the profile."
            ),
            "clock": self.env._(
                "This server's clock is wrong by more than 15 minutes. Ask the administrator of"
                " the server to correct it."
            ),
            "unreachable": self.env._(
                "DirectMail can't be reached at %(host)s. Check the network, and the account's"
                " region and endpoint, then try again.",
                host=self._get_endpoint()[0],
            )
            if self.connection != "vpc"
            else self.env._(
                "DirectMail can't be reached at %(host)s. Only servers inside an Alibaba Cloud VPC"
                " of this region reach a VPC endpoint. Elsewhere, connect through the public"
                " endpoint.",
                host=self._get_endpoint()[0],
            ),
            "not_directmail": self.env._(
                "The server at %(host)s is not DirectMail. Check the account's endpoint, and any"
                " proxy in between.",
                host=self._get_endpoint()[0],
            ),
            "throttled": self.env._("DirectMail is busy with this account. Try again in a minute."),
            "quota": self.env._(
                "The quota of this DirectMail account is used up. Try again tomorrow."
            ),
            "server": self.env._(
                "DirectMail reports an internal error. Try again in a few minutes."
            ),
        }
        sentence = sentences.get(error.kind) or self.env._(
            "DirectMail refused the request. Fix the problem that it reports, then try again."
        )
        details = " ".join(filter(None, [error.code, error.message]))
        return (
            self.env._(
                "%(sentence)s\n(DirectMail: %(details)s)", sentence=sentence, details=details[:300]
            )
            if details
            else sentence
        )

    def _explain_permission(self, error):
        """Return which operation RAM denies, if the error names it, and what to do."""
        if error.code == "InvalidIP.NotFound":
            return self.env._(
                "Alibaba Cloud does not accept calls from this server's IP address. Ask your"
                " Alibaba Cloud administrator to add it to the addresses that may use the"
                " AccessKey."
            )
        if error.action:
            return self._explain_actions([error.action], [])
        return self.env._(
            "This AccessKey does not have the required permission. Ask your Alibaba Cloud"
            " administrator to grant it the RAM policy shown on the account's page."
        )

    def _read_summary(self, summary):
        status = summary.user_status or 0
        health = next((word for bit, word in const.USER_STATUS_BITS.items() if status & bit), "ok")
        # sudo(): callers have checked write access to the account, or are its cron.
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
        # sudo(): callers have checked write access to the account; nobody may write senders.
        self.env["directmail.sender"].sudo()._synchronise(self, addresses)

    # === ENDPOINT === #
    # Whether an account calls DirectMail (public or VPC endpoint) or a test endpoint.
    #
    # Mails are real unless `connection` is "test", for which DirectMail's own hosts are refused, or
    # "trial", for which no endpoint can be entered.

    @api.depends("connection")
    def _compute_test_mode(self):
        for account in self:
            account.test_mode = account.connection in (endpoints.TEST, endpoints.TRIAL)

    @api.depends("connection", "endpoint", "region")
    def _compute_endpoint_host(self):
        for account in self:
            try:
                account.endpoint_host = account._get_endpoint()[0]
            except (KeyError, ValueError):
                account.endpoint_host = False

    @api.onchange("endpoint")
    def _onchange_endpoint(self):
        if self.endpoint:
            self.update(self._complete_connection({"endpoint": self.endpoint}))

    @api.onchange("connection")
    def _onchange_connection(self):
        if self.connection != "test":
            self.endpoint = False

    @api.constrains("connection", "endpoint")
    def _check_endpoint(self):
        for account in self:
            if not account.endpoint:
                if account.connection == "test":
                    raise ValidationError(
                        self.env._(
                            "Enter the test endpoint, for example 127.0.0.1:8080, or connect"
                            " through the public or the VPC endpoint."
                        )
                    )
                continue
            try:
                host = endpoints.read_endpoint(account.endpoint)[2]
            except ValueError as error:
                raise ValidationError(
                    self.env._(
                        "%s is not an endpoint. Enter a host name, with a port if needed, such as"
                        " 127.0.0.1:8080.",
                        account.endpoint,
                    )
                ) from error
            if account.connection == "test" and endpoints.is_directmail(host):
                raise ValidationError(
                    self.env._(
                        "%s is an endpoint of DirectMail itself, which sends real mail. Connect"
                        " through the public or the VPC endpoint instead.",
                        host,
                    )
                )
            if account.connection != "test" and not endpoints.is_directmail(host):
                raise ValidationError(
                    self.env._(
                        "%s is not an endpoint of DirectMail. To use it, connect through the test"
                        " endpoint.",
                        host,
                    )
                )
            if find_host_problem(host) in _INSIDE and not account._is_own_endpoint_allowed():
                raise ValidationError(
                    self.env._(
                        "%(host)s is inside this server's network. Enter a public host, or ask the"
                        " administrator of the server to add directmail_test_endpoints ="
                        " %(endpoint)s to its configuration.",
                        host=host,
                        endpoint=account._get_endpoint()[0],
                    )
                )

    @api.model
    def _is_host_allowed(self, url):
        """Tell whether CONFIG_OPTION or ENVIRONMENT_VARIABLE allows calls to a URL's host.

        Other hosts that a user typed are called at public addresses only: see `directmail.outside`.

        :param str url: the URL to be called
        """
        hosts = config.get(CONFIG_OPTION)
        return is_allowed(url, os.environ.get(ENVIRONMENT_VARIABLE) if hosts is None else hosts)

    def _is_own_endpoint_allowed(self):
        endpoint, protocol = self._get_endpoint()
        return self._is_host_allowed(f"{protocol}://{endpoint}")

    def _is_endpoint_foreign(self):
        """Tell whether `endpoint` is neither allowed by the server nor certainly DirectMail's.

        A user may have typed any host. So it is called at public addresses only, and an answer that
        is not DirectMail's is reported in the same words as no answer. DirectMail's own hosts are
        exempt, because they have private addresses in a VPC.
        """
        if not self.endpoint or self._is_own_endpoint_allowed():
            return False
        _endpoint, protocol, host = endpoints.read_endpoint(self.endpoint)
        return protocol != "https" or not endpoints.is_certain(host)

    def _leaves_test_endpoint(self, vals):
        """Tell whether values empty this account's test endpoint without a new `connection`."""
        is_emptied = "endpoint" in vals and not vals["endpoint"] and "connection" not in vals
        return is_emptied and self.connection == "test"

    @api.model
    def _complete_connection(self, vals):
        """Return values in which `connection` and `endpoint` agree.

        An endpoint without a connection sets it: "public" for DirectMail's hosts, "test" for all
        others. A known host of DirectMail is replaced by its connection and region.
        """
        if vals.get("connection") == endpoints.TRIAL:
            return {**vals, "endpoint": False}
        if "endpoint" not in vals:
            if vals.get("connection") in (endpoints.PUBLIC, endpoints.VPC):
                return {**vals, "endpoint": False}
            return vals
        try:
            host = endpoints.read_endpoint(vals["endpoint"])[2]
        except ValueError:
            return vals  # empty, or refused by _check_endpoint()
        if not endpoints.is_directmail(host):
            return {"connection": "test", **vals}
        if vals.get("connection") == "test":
            return vals  # refused by _check_endpoint()
        found = endpoints.find_endpoint(host)
        if not found:
            return {"connection": endpoints.PUBLIC, **vals}
        connection, region = found
        return {**vals, "connection": connection, "region": region, "endpoint": False}
