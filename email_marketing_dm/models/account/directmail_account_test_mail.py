import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import format_list

from odoo.addons.iap.tools.iap_tools import mail_prepare_for_domain_search

from ...privacy.address import normalise


class DirectmailAccount(models.Model):
    """The domains of colleagues' addresses to which test mails may be sent (`test_domains`).

    The content of a test mail is not reviewed, and users can change their own address. Without the
    check, a test would mail any text to any address in the company's name.
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
        """Suggest the domains of the company and its senders, except free mail providers'."""
        for account in self:
            # sudo(): readers of the account see the domains that its company mails from.
            company = account.company_id.sudo()
            alias_domain = company.alias_domain_id.name
            addresses = [
                company.email,
                f"info@{alias_domain}" if alias_domain else False,
                *account.sender_ids.mapped("email"),
            ]
            # Odoo returns "@example.com", but the whole address for a free mail provider.
            found = [mail_prepare_for_domain_search(address) or "" for address in addresses]
            domains = [_read_domain(text) for text in found if text.startswith("@")]
            account.test_domains = ", ".join(dict.fromkeys(filter(None, domains)))

    # === BUSINESS === #

    @api.model
    def _settle_domains(self, vals):
        """Return values with each of `test_domains` as in a normalised address.

        :raise ValidationError: naming the part that is not a domain
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
        """Tell whether `test_domains` contains the domain of a colleague's address.

        :param str address: normalised
        """
        self.ensure_one()
        return address.partition("@")[2] in (self.test_domains or "").split(", ")

    def _get_admin_names(self):
        """Return names of up to three users who may change the account, "" if there are none.

        :rtype: str
        """
        self.ensure_one()
        admins = self.env["res.users"]._get_directmail_admins(self.company_id)
        return format_list(self.env, admins[:3].mapped("name"))


def _read_domain(text):
    """Return the domain in "example.com" or "@example.com" as normalised, None for other text."""
    address = normalise("somebody@" + text.removeprefix("@"))
    return address and address.partition("@")[2]
