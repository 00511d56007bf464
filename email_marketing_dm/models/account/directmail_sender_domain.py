from dataclasses import asdict

from odoo import api, fields, models

#: Mails a day above which Gmail, Yahoo and Microsoft require a DMARC record.
BULK = 5000


class DirectmailSender(models.Model):
    """DNS records of a sender address's domain, as DirectMail checks them.

    They are read when an administrator asks for it, and by *First contact*.
    """

    _inherit = "directmail.sender"

    dns_checked_at = fields.Datetime("DNS records checked", readonly=True, copy=False)
    # A list of `directmail.records.DnsRecord` as dicts.
    dns_records = fields.Json("DNS records (data)", readonly=True, copy=False)
    dns_table = fields.Html("DNS records", compute="_compute_dns_table", sanitize=False)

    @api.depends("dns_records")
    @api.depends_context("lang")
    def _compute_dns_table(self):
        for sender in self:
            sender.dns_table = sender.dns_records and self.env["ir.qweb"]._render(
                "email_marketing_dm.directmail_sender_dns",
                {"domain": sender._get_domain(), "records": sender.dns_records},
            )

    # === ACTIONS === #

    def action_check_domain(self):
        """Read the domain's DNS records from DirectMail.

        A domain that DirectMail does not list is reported in a notification.

        :raise UserError: if the call of DirectMail fails
        """
        self.ensure_one()
        self.account_id.check_access("write")
        if not self.account_id._call(self._read_domain):
            return self.account_id._notify(
                self.env._("DirectMail does not list the domain %s.", self._get_domain()),
                "warning",
            )
        return True

    # === BUSINESS === #

    def _get_domain(self):
        """Return the domain of the address, "" if there is none. :rtype: str"""
        return (self.email or "").partition("@")[2]

    def _read_domain(self, client):
        """Store the DNS records that DirectMail finds, in all senders of the account and domain.

        :param client: a `directmail.client.DirectMailClient`
        :return: whether DirectMail lists the domain
        :raise DirectMailError: if a call fails
        """
        self.ensure_one()
        domain = self._get_domain()
        found = next((row for row in client.list_domains() if row.name == domain), None)
        if not found:
            return False
        # sudo(): senders are copies of what DirectMail has; callers may write the account.
        senders = self.sudo().search(
            [("account_id", "=", self.account_id.id), ("email", "=ilike", f"%@{domain}")]
        )
        senders.write(
            {
                "dns_checked_at": fields.Datetime.now(),
                "dns_records": [
                    asdict(record) for record in client.describe_domain(found.domain_id).records
                ],
            }
        )
        return True

    def _warn_of_dmarc(self, mails):
        """Return a warning that the domain has no DMARC record for this number of mails, or "".

        Nor is it known of a domain whose records were never checked, which is said, too.

        :param int mails: of an email task, which may have no sender address yet
        """
        if self and not self.dns_records and mails > BULK:
            return self.env._(
                "It is not known whether the domain %s has a DMARC record. Gmail, Yahoo and"
                " Microsoft may reject the mails of senders who mail more than 5,000 people a day"
                " without one. Ask an administrator to check it on the page of the sender address.",
                self._get_domain(),
            )
        missing = any(
            row["kind"] == "DMARC" and row["state"] == "not_verified"
            for row in self.dns_records or ()
        )
        if not missing or mails <= BULK:
            return ""
        return self.env._(
            "The domain %s has no DMARC record. Gmail, Yahoo and Microsoft may reject the mails of"
            " senders who mail more than 5,000 people a day without one. Ask an administrator to"
            " add the record that the page of the sender address shows.",
            self._get_domain(),
        )
