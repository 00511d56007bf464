from datetime import timedelta

from odoo import api, fields, models

from ...directmail.endpoints import TRIAL

MAIL_CRON = "mail.ir_cron_mail_scheduler_action"
LETTER = "email_marketing_dm.letter"
FAILED_SINCE = timedelta(days=7)  # of failed emails that are told
#: Tell mail programs not to answer automatically (RFC 3834 and Exchange).
HEADERS = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}


def get_postal_line(company):
    """Return the postal address of a company in one line; empty if it has neither street nor city.

    :param company: a `res.company`, or an empty one
    :rtype: str
    """
    # sudo(): every recipient may know the company's address.
    partner = company.sudo().partner_id
    if not (partner.street or partner.city):
        return ""
    lines = partner._display_address(without_company=True).splitlines()
    return ", ".join(line.strip() for line in lines if line.strip())


class DirectmailLetter(models.AbstractModel):
    """The emails that this app itself sends to people, such as a link to confirm a sign-up.

    They are sent through Odoo's outgoing mail server: DirectMail takes only templates that were
    reviewed. They are neither advertising nor tracked, and are deleted once they are sent.
    """

    _name = "directmail.letter"
    _description = "Email of the App Itself"

    @api.model
    def _queue(self, company, email, subject, paragraphs, button, notes=()):
        """Put an email to one person into Odoo's queue, in the language of the context.

        The request that asks for an email must not send it: a mail server that is slow for some
        addresses only would tell visitors which ones exist, and an error would roll back what the
        request stored. The caller has translated all texts; none is HTML.

        :param company: the `res.company` that writes
        :param str email: normalised address (`privacy.address.normalise`), so without a line break
        :param str subject: one line
        :param paragraphs: texts above the button
        :param tuple button: (label, absolute address)
        :param notes: texts below the button, in small print
        :return: the `mail.mail`
        """
        # sudo(): visitors may ask for an email to themselves; nobody may read it in the queue.
        self = self.sudo()
        subject = " ".join(subject.split())
        body = self.env["ir.ui.view"]._render_template(
            LETTER,
            {
                "company": company.sudo(),
                "lang": self.env.lang or "en_US",
                "subject": subject,
                "paragraphs": paragraphs,
                "label": button[0],
                "url": button[1],
                "notes": notes,
                "address": get_postal_line(company),
                "base_url": self._get_base_url(company),
            },
        )
        mail = self.env["mail.mail"].create(
            {
                "subject": subject,
                "body_html": body,
                "email_to": email,
                "email_from": self._get_sender(company),
                "reply_to": company.sudo().email_formatted or False,
                "author_id": company.sudo().partner_id.id,
                "record_company_id": company.id,
                "headers": repr(HEADERS),
                "auto_delete": True,
            }
        )
        self.env.ref(MAIL_CRON)._trigger()
        return mail

    @api.model
    def _has_failed(self, company):
        """Return whether an email of a company could not be sent in the last days."""
        # sudo(): who reads the company's forms may know this, but not to whom the email was.
        return bool(
            self.env["mail.mail"]
            .sudo()
            .search_count(
                [
                    ("state", "=", "exception"),
                    ("headers", "=", repr(HEADERS)),
                    ("record_company_id", "=", company.id),
                    ("create_date", ">", fields.Datetime.now() - FAILED_SINCE),
                ],
                limit=1,
            )
        )

    @api.model
    def _find_to(self, emails, companies):
        """Return the emails of companies to addresses that are in the queue or have failed.

        With all rights: the caller has checked that the user may know of these people.

        :param emails: normalised addresses
        :param companies: `res.company` records
        :return: `mail.mail` records
        """
        # sudo(): see above.
        return (
            self.env["mail.mail"]
            .sudo()
            .search(
                [
                    ("headers", "=", repr(HEADERS)),
                    ("record_company_id", "in", companies.ids),
                    ("email_to", "in", list(emails)),
                ]
            )
        )

    @api.model
    def _get_sender(self, company):
        """Return "Name <address>" of the company, else of OdooBot, which has one always."""
        # sudo(): every recipient may know the company's address.
        company = company.sudo()
        return company.email_formatted or self.env.ref("base.user_root").sudo().email_formatted

    @api.model
    def _get_base_url(self, company):
        """Return the address at which people reach this Odoo, without a slash at the end.

        The public address of the company's account, else that of Odoo. Never the host of the
        request, which the sender of the request can choose.

        :rtype: str
        """
        # sudo(): the address is in every mail of the company.
        account = self.env["directmail.account"].sudo()
        account = account.search(
            [
                ("company_id", "=", company.id),
                ("connection", "!=", TRIAL),
                ("public_url", "!=", False),
            ],
            limit=1,
        )
        return (account.public_url or account._default_public_url() or "").rstrip("/")
