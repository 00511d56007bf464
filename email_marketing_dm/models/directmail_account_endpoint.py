import os

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import config

from ..directmail import endpoints
from ..directmail.outside import is_allowed
from ..directmail.public_address import find_host_problem

#: hosts inside the server's own network that users may have it call, for tests
CONFIG_OPTION = "directmail_test_endpoints"
ENVIRONMENT_VARIABLE = "DIRECTMAIL_TEST_ENDPOINTS"
_INSIDE = ("local_name", "bare_name", "private")


class DirectmailAccount(models.Model):
    """By which way an account reaches DirectMail, or that it is for tests.

    Mail is real unless somebody chose *Test endpoint*; a host of DirectMail itself can't be one.
    """

    _inherit = "directmail.account"

    connection = fields.Selection(
        [
            ("public", "Public endpoint"),
            ("vpc", "VPC endpoint"),
            ("test", "Test endpoint"),
        ],
        string="Connect through",
        required=True,
        default="public",
        tracking=True,
        help="Public endpoint: over the internet. VPC endpoint: for an Odoo server inside an"
        " Alibaba Cloud VPC of the same region. Test endpoint: an emulator or another server that"
        " stands in for DirectMail; no real mail is sent. A test endpoint inside this server's"
        " network must be allowed in the server's configuration: directmail_test_endpoints.",
    )
    endpoint = fields.Char(
        tracking=True,
        help="The host, and port if needed, of the test endpoint, for example 127.0.0.1:8080.",
    )
    endpoint_host = fields.Char("Host", compute="_compute_endpoint_host")
    test_mode = fields.Boolean(compute="_compute_test_mode")

    @api.depends("connection")
    def _compute_test_mode(self):
        for account in self:
            account.test_mode = account.connection == "test"

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
            self.update(self._settle_connection({"endpoint": self.endpoint}))

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
                        "%s is DirectMail itself, so its mails are real. Connect through the"
                        " public or the VPC endpoint instead.",
                        host,
                    )
                )
            if account.connection != "test" and not endpoints.is_directmail(host):
                raise ValidationError(
                    self.env._(
                        "%s is not DirectMail. Connect through the test endpoint to use it.", host
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
        """Tell whether the server's configuration lets users have it call a host in its network.

        Other hosts that a user typed are called at public addresses only: see `directmail.outside`.

        :param str url: of what is to be called
        """
        hosts = config.get(CONFIG_OPTION)
        return is_allowed(url, os.environ.get(ENVIRONMENT_VARIABLE) if hosts is None else hosts)

    def _is_own_endpoint_allowed(self):
        endpoint, protocol = self._get_endpoint()
        return self._is_host_allowed(f"{protocol}://{endpoint}")

    def _is_endpoint_foreign(self):
        """Tell whether a user typed an endpoint that nobody vouches for.

        Such an endpoint is called at public addresses only, and whatever answers there is told in
        the same words as no answer. DirectMail itself may have private addresses (in a VPC).
        """
        if not self.endpoint or self._is_own_endpoint_allowed():
            return False
        _endpoint, protocol, host = endpoints.read_endpoint(self.endpoint)
        return protocol != "https" or not endpoints.is_certain(host)

    @api.model
    def _leaves_test_endpoint(self, vals):
        """Tell whether values empty the endpoint and say of no other connection."""
        return "endpoint" in vals and not vals["endpoint"] and "connection" not in vals

    @api.model
    def _settle_connection(self, vals):
        """Return values in which connection and endpoint agree.

        Without a connection, an endpoint says it: DirectMail's own hosts are real, all others are
        for tests. A known host of DirectMail becomes its region and way.
        """
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
