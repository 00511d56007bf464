import secrets
from urllib.parse import urlsplit

from odoo import api, models
from odoo.exceptions import UserError, ValidationError
from odoo.http import db_filter
from odoo.service.db import list_dbs
from odoo.tools import config, consteq, hmac

from ...directmail.outside import fetch, is_usual
from ...directmail.public_address import find_problem

SCOPE = "email_marketing_dm-here"


class DirectmailAccount(models.Model):
    """Check that the public address leads to this database.

    Odoo chooses the database of an anonymous request by its host. A link can't name the database,
    because Odoo knows this addon's routes only after it has chosen one.
    """

    _inherit = "directmail.account"

    @api.model
    def _sign_here(self, nonce):
        """Return the answer to a nonce that only this database gives.

        `controllers/directmail_here.py` sends it.

        :rtype: str
        """
        return hmac(self.env(su=True), SCOPE, nonce)

    def _check_public_address(self):
        """Fetch a page of this database through the public address, which may take seconds.

        No part of the answer is shown or stored. In test mode only hosts that the server's
        configuration allows are called.

        :return: ("ok", "unchecked" or "problem"; the sentence for the user, with what to change)
        :rtype: tuple[str, str]
        """
        self.ensure_one()
        url = (self.public_url or "").rstrip("/")
        host = urlsplit(url).hostname
        if not host:
            return "problem", self.env._("Enter the public address of the account first.")
        if self.test_mode and not self._is_host_allowed(url):
            return "unchecked", self.env._(
                "The account is in test mode, so %s does not have to be reachable from the"
                " internet.",
                url,
            )
        nonce = secrets.token_hex(16)
        answer = fetch(f"{url}/directmail/here/{nonce}", anywhere=self.test_mode)
        signed = self._sign_here(nonce).encode()
        if answer.status == 200 and consteq(answer.text.encode(), signed):
            return "ok", self.env._("%s leads to this database.", url)
        if answer.problem == "inside":
            return "unchecked", self.env._(
                "From this server, %s leads into the local network, so Odoo can't check it. Open"
                " the unsubscribe link of a test mail on a phone outside your network.",
                url,
            )
        return "problem", self._explain_address(answer, url, host)

    def _explain_address(self, answer, url, host):
        if answer.problem == "name":
            return self.env._(
                "The name %s is unknown. Check the public address, or add the name to your"
                " domain's DNS.",
                host,
            )
        if not self.test_mode and not is_usual(url):
            # The same sentence for all failures: by different ones, users could explore the ports
            # of other hosts.
            return self.env._(
                "%s can't be reached from this server, or does not lead to this database. Check"
                " the address, the firewall, and the web server in front of Odoo.",
                url,
            )
        if answer.problem == "certificate":
            return self.env._(
                "The certificate of %s is not valid, so mail programs will not open unsubscribe"
                " links. Install a valid certificate on the web server in front of Odoo.",
                host,
            )
        if answer.problem:
            return self.env._(
                "Nothing answers at %s from this server. Check the address, the firewall, and the"
                " web server in front of Odoo. A server with a single worker can't call itself.",
                url,
            )
        if 300 <= answer.status < 400:
            return self.env._(
                "%s forwards to another address, which breaks one-click unsubscribing. Enter the"
                " address that it forwards to as the public address.",
                url,
            )
        return self._explain_database(answer, url, host)

    def _explain_database(self, answer, url, host):
        name = self.env.cr.dbname
        served = db_filter(list_dbs(force=True), host=host)
        if len(served) > 1 or (served and served != [name]):
            return self.env._(
                "%(url)s does not lead to the database %(name)s, because this server has several"
                " databases for the host %(host)s. Start Odoo with --db-filter=^%(name)s$ (dbfilter"
                " in the configuration file), or let the web server in front of Odoo send the"
                " header X-Odoo-Database: %(name)s.",
                url=url,
                name=name,
                host=host,
            )
        if not served:
            return self.env._(
                "%(url)s does not lead to the database %(name)s, because the filter %(filter)s"
                " finds no database for the host %(host)s. Change dbfilter, or the public address.",
                url=url,
                name=name,
                filter=config["dbfilter"] or "",
                host=host,
            )
        if answer.status in (200, 404):
            return self.env._(
                "%s does not lead to this database. Configure the web server in front of Odoo to"
                " forward this address to this server and to pass on the host (Host and"
                " X-Forwarded-Host), and set proxy_mode = True in Odoo's configuration.",
                url,
            )
        return self.env._(
            "%(url)s answers with an error (HTTP %(status)s). Look into the log of the web server"
            " in front of Odoo.",
            url=url,
            status=answer.status,
        )

    # === TEST OF THE PUBLIC ADDRESS === #
    # The links of every mail lead to the public address, so all recipients must reach it.

    @api.constrains("public_url")
    def _check_public_url(self):
        for account in self.filtered("public_url"):
            problem = find_problem(account.public_url)
            if problem == "malformed" or (problem and account.state == "active"):
                message = account._explain_public_url()
                if message:
                    raise ValidationError(message)

    def _check_public_url_usable(self):
        """Refuse a public address that recipients can't reach.

        Only the text of the address is checked. In test mode any well-formed address will do.

        :raise UserError: the message says what to do
        """
        self.ensure_one()
        message = self._explain_public_url()
        if message:
            raise UserError(message)

    def _explain_public_url(self):
        """Return why recipients can't reach the public address and what to do, or None."""
        self.ensure_one()
        if not self.public_url:
            return self.env._(
                "Enter the public address of the account first: every mail needs an unsubscribe"
                " link."
            )
        problem = find_problem(self.public_url)
        if problem == "malformed":
            return self.env._("The public address must look like https://www.example.com.")
        if not problem or self.test_mode:
            return None
        sentences = {
            "scheme": self.env._(
                "The public address %s is not secure, and mailbox providers only accept secure"
                " unsubscribe links. Enter an address on the account that begins with https://."
            ),
            "local_name": self.env._(
                "The public address %s only works inside your own network, so recipients could not"
                " unsubscribe. Enter the https:// address on the account under which this Odoo can"
                " be reached from the internet."
            ),
            "bare_name": self.env._(
                "The public address %s has no domain, so recipients could not unsubscribe. Enter"
                " the complete https:// address on the account, such as https://www.example.com."
            ),
            "private": self.env._(
                "The public address %s belongs to this server or a private network, so recipients"
                " could not unsubscribe. Enter the https:// address on the account under which this"
                " Odoo can be reached from the internet."
            ),
        }
        return sentences[problem] % self.public_url
