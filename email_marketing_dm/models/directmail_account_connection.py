import logging
import math

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..directmail import const, endpoints
from ..directmail.errors import DirectMailError

_logger = logging.getLogger(__name__)


class DirectmailAccount(models.Model):
    """Calling DirectMail on behalf of an account, and saying what its answers mean."""

    _inherit = "directmail.account"

    def _get_client(self):
        """Return a client of the SDK for this account.

        :rtype: directmail.client.DirectMailClient
        :raise UserError: if keys are missing, or were encrypted on a host with another master key
        """
        self.ensure_one()
        return self._make_client(**self._get_credentials())

    def _make_client(self, **credentials):
        """Return a client for this account's endpoint with any credentials.

        :param credentials: as `_get_credentials` returns them
        """
        # Loading the SDK costs about 50 MB, so only processes that call DirectMail do it.
        from ..directmail.client import DirectMailClient

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
        """Return (host and port, protocol) of the service that this account talks to."""
        if not self.endpoint:
            return endpoints.get_host(self.connection, self.region), "https"
        return endpoints.read_endpoint(self.endpoint)[:2]

    @api.model
    def _get_seconds(self, name, default):
        """Return a system parameter of this addon that is a number of seconds, 0 or more.

        :param float default: for a parameter that is not set, or is anything else
        """
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
                "This server's clock is wrong by more than 15 minutes. Have it corrected."
            ),
            "unreachable": self.env._(
                "DirectMail can't be reached at %(host)s. Check the network, the region and what"
                " the account connects through, then try again.",
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
                "What answers at %(host)s is not DirectMail. Check what the account connects"
                " through, or a proxy in between.",
                host=self._get_endpoint()[0],
            ),
            "throttled": self.env._("DirectMail is busy with this account. Try again in a minute."),
            "quota": self.env._(
                "The quota of this DirectMail account is used up. Try again tomorrow."
            ),
            "server": self.env._(
                "DirectMail has a problem of its own. Try again in a few minutes."
            ),
        }
        sentence = sentences.get(error.kind) or self.env._(
            "DirectMail refused this. Correct it, then retry."
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
        """Say which operation RAM denies, where DirectMail was asked for one."""
        if error.code == "InvalidIP.NotFound":
            return self.env._(
                "Alibaba Cloud does not accept calls from this server's IP address. Ask your"
                " Alibaba Cloud administrator to add it to the addresses that may use the"
                " AccessKey."
            )
        if error.action:
            return self._explain_actions([error.action], [])
        return self.env._(
            "This AccessKey may not do that. Ask your Alibaba Cloud administrator to grant it the"
            " RAM policy that the account's page shows."
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
