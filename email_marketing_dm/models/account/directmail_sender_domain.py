from dataclasses import asdict

from odoo import api, fields, models
from odoo.tools import escape_psql

from ...clock.daily import day_start, local_day
from ...content.languages import join_sentences
from ...directmail.endpoints import TRIAL
from ...engine.allowance import count_claimed_since

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

    def _warn_of_dmarc(self, mails, starts_at=None):
        """Return a warning that the domain has no DMARC record for this number of mails, or "".

        Nor is it known of a domain whose records were never checked, which is said, too. Mailbox
        providers count all mails of a domain in a day, so those that it has sent today count.

        :param int mails: of an email task, which may have no sender address yet
        :param datetime starts_at: when the email task starts (naive UTC); None: now
        """
        if not self or self._has_dmarc():
            return ""
        told = self._explain_dmarc()
        if mails > BULK:
            return told
        if not mails or not self._passes_bulk_today(mails, starts_at):
            return ""
        also = self.env._(
            "With the mails that the domain has already sent today, this email task exceeds 5,000"
            " mails."
        )
        return join_sentences(self.env.lang, (also, told))

    def _has_dmarc(self):
        """Return whether DirectMail has found a DMARC record, or says nothing about one."""
        return bool(self.dns_records) and not any(
            row["kind"] == "DMARC" and row["state"] == "not_verified" for row in self.dns_records
        )

    def _passes_bulk_today(self, mails, starts_at):
        """Return whether a number of mails and those of the domain so far today exceed BULK."""
        # sudo(): that the mails of all users exceed a number of thousands is told, no figure.
        sender = self.sudo()
        zone, now = sender.account_id.tz, fields.Datetime.now()
        today = local_day(now, zone)
        if local_day(starts_at or now, zone) > today:
            return False
        senders = sender.with_context(active_test=False).search(
            [
                ("company_id", "=", sender.company_id.id),
                ("account_id.connection", "!=", TRIAL),
                ("email", "=ilike", f"%@{escape_psql(sender._get_domain())}"),
            ]
        )
        self.env["directmail.task"].flush_model(["sender_id", "planned_at", "finished_at"])
        self.env["directmail.delivery"].flush_model(["claimed_at", "state", "task_id"])
        begin, most = day_start(today, zone), BULK + 1 - mails
        return count_claimed_since(self.env, senders.ids, begin, most) >= most

    def _explain_dmarc(self):
        if not self.dns_records:
            return self.env._(
                "It is not known whether the domain %s has a DMARC record. Gmail, Yahoo and"
                " Microsoft may reject the mails of senders who mail more than 5,000 people a day"
                " without one. Ask an administrator to check it on the page of the sender address.",
                self._get_domain(),
            )
        return self.env._(
            "The domain %s has no DMARC record. Gmail, Yahoo and Microsoft may reject the mails of"
            " senders who mail more than 5,000 people a day without one. Ask an administrator to"
            " add the record that the page of the sender address shows.",
            self._get_domain(),
        )
