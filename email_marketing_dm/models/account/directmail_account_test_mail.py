import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.iap.tools.iap_tools import mail_prepare_for_domain_search

from ...privacy.address import normalise


class DirectmailAccount(models.Model):
    """Where test mails may go: anybody can change their own address, so its domain must be allowed.

    Nobody has reviewed what a test says. Without this, a test would be a way to mail any text to
    anybody in the company's name.
    """

    _inherit = "directmail.account"

    test_domains = fields.Char(
        "Domains for test mails",
        compute="_compute_test_domains",
        store=True,
        readonly=False,
        precompute=True,
        tracking=True,
        help="Test mails go to colleagues whose email address has one of these domains, and to the"
        " seed addresses. Separate domains by commas; subdomains are listed separately. Don't add"
        " domains where anybody can get an address, such as gmail.com: add a seed address instead.",
    )

    @api.depends("company_id")
    def _compute_test_domains(self):
        """Suggest the company's own domains; those of free mail providers are anybody's."""
        for account in self:
            company = account.company_id.sudo()
            alias_domain = company.alias_domain_id.name
            addresses = [
                company.email,
                f"info@{alias_domain}" if alias_domain else False,
                *account.sender_ids.mapped("email"),
            ]
            # "@example.com", but the whole address where the domain is such a provider's.
            found = [mail_prepare_for_domain_search(address) or "" for address in addresses]
            domains = [_read_domain(text) for text in found if text.startswith("@")]
            account.test_domains = ", ".join(dict.fromkeys(filter(None, domains)))

    # === BUSINESS === #

    @api.model
    def _settle_domains(self, vals):
        """Return field values with each domain as it stands in normalised addresses.

        :raise ValidationError: naming what is not a domain
        """
        if not vals.get("test_domains"):
            return vals
        domains = {}
        for typed in re.split(r"[\s,;]+", vals["test_domains"].strip(" ,;")):
            domain = _read_domain(typed)
            if not domain:
                raise ValidationError(
                    self.env._(
                        "%s is not a domain. Enter domains such as example.com, separated by"
                        " commas.",
                        typed,
                    )
                )
            domains[domain] = True
        return {**vals, "test_domains": ", ".join(domains)}

    def _may_test(self, address):
        """Tell whether a colleague's address may get test mails.

        :param str address: normalised
        """
        self.ensure_one()
        return address.partition("@")[2] in (self.test_domains or "").split(", ")

    def _get_admin_names(self):
        """Return the names of some who may change the account's settings, "" if there is nobody.

        :rtype: str
        """
        self.ensure_one()
        admins = self.env["res.users"]._get_directmail_admins(self.company_id)
        return ", ".join(admins[:3].mapped("name"))


def _read_domain(text):
    """Return "example.com" or "@example.com" as in normalised addresses; None if it is neither."""
    address = normalise("somebody@" + text.removeprefix("@"))
    return address and address.partition("@")[2]
