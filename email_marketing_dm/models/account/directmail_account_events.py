import time
from collections import namedtuple
from urllib.parse import urlsplit

import requests

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...directmail.outside import fetch
from ...directmail.push import CERTIFICATE_MAX, LOOPBACK
from ...engine.content import get_database_uuid
from ...groups import GROUP_ADMIN
from ...privacy.tokens import make_token, read_token

ADDRESS_KIND = "push"
# Cache certificates, because they change rarely and a push must be answered within milliseconds.
CERTIFICATE_SECONDS = 3600
_certificates = {}
# What a push is checked with: id and company id of the account; URL and token that EventBridge's
# rule must have; master key and database UUID, which decode the tokens in the events.
PushTarget = namedtuple(
    "PushTarget", "account_id company_id url token test_mode master_key database_uuid"
)


class DirectmailAccount(models.Model):
    """Receive DirectMail's events through EventBridge."""

    _inherit = "directmail.account"
    _guarded_fields = frozenset(("push_generation",))

    push_generation = fields.Integer(default=1, readonly=True, copy=False)
    push_url = fields.Char("Address for events", compute="_compute_push", groups=GROUP_ADMIN)
    push_token = fields.Char("Token", compute="_compute_push", groups=GROUP_ADMIN)
    push_count_ids = fields.One2many(
        "directmail.event.count", "account_id", readonly=True, groups=GROUP_ADMIN
    )
    push_received_at = fields.Datetime("Last event", compute="_compute_push_state")
    push_received_count = fields.Integer("Events received", compute="_compute_push_state")
    push_stray_count = fields.Integer("Events of other mails", compute="_compute_push_state")
    push_refused_count = fields.Integer("Refused", compute="_compute_push_state")
    push_refused = fields.Char("Last refused because", compute="_compute_push_state")
    poll_calls = fields.Integer(
        "Calls per import",
        default=100,
        help="Maximum number of calls to DirectMail per import of results, which runs every ten"
        " minutes. One call fetches the results of 100 mails. The next import continues with the"
        " rest.",
    )
    bounce_limit = fields.Integer(
        "Bounce limit",
        default=1,
        help="An address that does not exist gets no more mail after this number of bounces. With"
        " 0, it is still mailed, which harms your sender reputation.",
    )
    poll_ids = fields.One2many(
        "directmail.poll", "account_id", "Records read", readonly=True, groups=GROUP_ADMIN
    )
    _poll_calls_range = models.Constraint(
        "CHECK(poll_calls BETWEEN 1 AND 10000)", "Calls per import must be between 1 and 10,000."
    )
    _bounce_limit_range = models.Constraint(
        "CHECK(bounce_limit >= 0)", "The bounce limit can't be negative."
    )

    @api.depends("public_url", "push_generation")
    def _compute_push(self):
        # Leave them empty without the data's master key: with another key they would lead nowhere,
        # and an exception would keep the form from opening.
        keyring = self.env["directmail.keyring"]
        key = None if keyring._find_problem() else keyring._get_master_key()
        uuid = get_database_uuid(self.env)
        for account in self:
            if not account.ids or not key:
                account.push_url = account.push_token = False
                continue
            account.push_url, account.push_token = make_push_address(
                key, uuid, account.ids[0], account.public_url, account.push_generation
            )

    @api.depends("push_count_ids")
    def _compute_push_state(self):
        for account in self:
            # sudo(): readers of the account see sums of the counters, not the rows.
            counts = account.sudo().push_count_ids
            received = counts.filtered(lambda count: count.name == "push")
            refused = counts.filtered(lambda count: count.name.startswith("refused_"))
            last = refused.sorted("last_at")[-1:]
            account.push_received_at = received.last_at
            account.push_received_count = received.value
            account.push_stray_count = sum(
                counts.filtered(lambda count: count.name == "stray").mapped("value")
            )
            account.push_refused_count = sum(refused.mapped("value"))
            account.push_refused = account._explain_refusal(last) if last else False

    def _explain_refusal(self, count):
        reason = count.name.removeprefix("refused_")
        sentences = {
            "oversized": self.env._("The message is too large for an event."),
            "unsigned": self.env._(
                "The message was not signed, so it did not come from EventBridge."
            ),
            "expired": self.env._(
                "The message was signed more than a minute ago. Check this server's clock."
            ),
            "token": self.env._(
                "The token of the message is wrong. Copy the token on this page into"
                " EventBridge's rule."
            ),
            "certificate_host": self.env._(
                "The message was not signed with a certificate of EventBridge."
            ),
            "certificate": self.env._(
                "This server could not download EventBridge's certificate. Check that it can"
                " reach the internet."
            ),
            "signature": self.env._(
                "The signature of the message is wrong. Check that the public address of the"
                " account is the one in EventBridge's rule."
            ),
            "malformed": self.env._("The message is not an event."),
        }
        return sentences.get(reason, reason)

    @api.model
    def _find_push_target(self, address):
        """Return what a push to an address is checked with, read by one SQL statement.

        This runs for every event of every mail, so it does not use the ORM.

        :param str address: last segment of the called URL
        :rtype: PushTarget, or None if the address belongs to no account
        :raise MasterKeyProblem: this server has no usable master key, or not that of the data
        """
        keyring, uuid = self.env["directmail.keyring"], get_database_uuid(self.env)
        key = keyring._find_host_key() or keyring._get_master_key()
        number = read_token(key, uuid, ADDRESS_KIND, address)
        rows = self.env.execute_query(
            SQL(
                """SELECT k.fingerprint = %s AND k.next_fingerprint IS NULL,
                          a.company_id, a.public_url, a.push_generation, a.connection
                     FROM directmail_data_key k LEFT JOIN directmail_account a ON a.id = %s""",
                key.fingerprint,
                number,
            )
        )
        if not rows or not rows[0][0]:
            keyring._get_master_key()  # raises, or records this key as the data's
            return self._find_push_target(address) if not rows else None
        [(_known, company_id, public_url, generation, connection)] = rows
        if not company_id:
            return None
        url, token = make_push_address(key, uuid, number, public_url, generation)
        return PushTarget(number, company_id, url, token, connection == "test", key, uuid)

    @api.model
    def _get_certificate(self, url):
        """Return the bytes at a URL, cached for an hour.

        :param str url: of a certificate of EventBridge, or of a test on this machine
        :raise OSError: they can't be read
        """
        if urlsplit(url).hostname in LOOPBACK and not self._is_host_allowed(url):
            raise OSError("the server's configuration does not allow this host")
        kept_until, content = _certificates.get(url, (0, b""))
        if kept_until < time.monotonic():
            content = b""
            with requests.get(url, timeout=5, allow_redirects=False, stream=True) as response:
                response.raise_for_status()
                # iter_content() raises network errors as OSError, reading `response.raw` doesn't.
                for piece in response.iter_content(4096):
                    content += piece
                    if len(content) > CERTIFICATE_MAX:
                        raise OSError("that is no certificate")
            if len(_certificates) > 100:
                _certificates.clear()
            _certificates[url] = (time.monotonic() + CERTIFICATE_SECONDS, content)
        return content

    # === ACTIONS === #

    def action_renew_push_token(self):
        """Replace the token for events, for example because somebody may have seen it."""
        self.check_access("write")
        # sudo(): writing was checked above; `push_generation` is guarded.
        for account in self.sudo():
            account.push_generation += 1
        return True

    def action_enable_push(self):
        """Switch on at DirectMail that it hands its events to EventBridge."""
        self.ensure_one()
        self.check_access("write")
        self._call(lambda client: client.set_events(True))
        return self._notify(
            self.env._(
                "DirectMail now sends its events to EventBridge. Create the rule in EventBridge as"
                " described on this page."
            ),
            "success",
        )

    def action_test_push(self):
        """Call the account's address for events and show whether it leads to this database.

        :raise UserError: it doesn't, or it can't be checked
        """
        self.ensure_one()
        self.check_access("write")
        self._check_key()
        self._check_public_url_usable()
        anywhere = self.test_mode and self._is_host_allowed(self.push_url)
        answer = fetch(self.push_url, b"test", anywhere=anywhere)
        # Our route refuses an unsigned request with 403 and this text. All other answers are
        # reported in the same words as no answer, so that users can't explore other hosts.
        if (answer.status, answer.text) != (403, "unsigned"):
            raise UserError(
                self.env._(
                    "%s can't be reached from this server at a public address, or does not lead to"
                    " this database. Check the public address, the firewall and the reverse proxy.",
                    self.public_url,
                )
            )
        if not self._call(lambda client: client.get_events()):
            return self._notify(
                self.env._(
                    "The address leads to this database, but DirectMail does not send its events"
                    " to EventBridge yet. Press Turn on at DirectMail."
                ),
                "warning",
            )
        return self._notify(
            self.env._(
                "The address leads to this database, and DirectMail sends its events to"
                " EventBridge."
            ),
            "success",
        )


def make_push_address(master_key, database_uuid, account_id, public_url, generation):
    """Return (URL, token) that EventBridge's rule for an account must have."""
    address = make_token(master_key, database_uuid, ADDRESS_KIND, account_id)
    token = make_token(master_key, database_uuid, f"{ADDRESS_KIND}-{generation}", account_id)
    return f"{(public_url or '').rstrip('/')}/directmail/events/{address}", token
