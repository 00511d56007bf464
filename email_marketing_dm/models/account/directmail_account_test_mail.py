import re
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import format_list

from odoo.addons.iap.tools.iap_tools import mail_prepare_for_domain_search

from ...directmail.answers import Answer, Verdict
from ...engine.claim import add_usage, lock_gate
from ...privacy.address import normalise

AT_ONCE = 5
A_DAY = 50
KEEP_FOR = timedelta(days=30)
# State of a test mail after its answer; with every other verdict it is *refused*.
TEST_STATES = {Verdict.ACCEPTED: "sent", Verdict.UNKNOWN: "unknown"}


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
    def _normalise_domains(self, vals):
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


class DirectmailSeedAddress(models.Model):
    """A mailbox of the company at Gmail, Outlook or the like to which test mails may be sent.

    Only administrators may edit seed addresses, because the content of a test is not reviewed.
    """

    _name = "directmail.seed.address"
    _description = "Seed Address for Test Mails"
    _inherit = ["directmail.of.company"]
    _order = "name, id"
    _rec_names_search = ["name", "email"]

    name = fields.Char("Mailbox", required=True)
    email = fields.Char("Address", required=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    active = fields.Boolean(default=True)

    _email_unique = models.UniqueIndex(
        "(company_id, lower(email))", "This address is already a seed address of the company."
    )

    @api.depends("name", "email")
    def _compute_display_name(self):
        for seed in self:
            seed.display_name = f"{seed.name} <{seed.email}>"

    @api.constrains("email")
    def _check_email(self):
        for seed in self:
            if not normalise(seed.email):
                raise ValidationError(
                    self.env._(
                        "%s is not an email address that DirectMail can send to.", seed.email
                    )
                )


class DirectmailTestMail(models.Model):
    """A test mail: who sent which template to which mailbox. Results of tasks leave it out."""

    _name = "directmail.test.mail"
    _description = "DirectMail Test Mail"
    _order = "id desc"
    _rec_name = "email"

    account_id = fields.Many2one("directmail.account", required=True, ondelete="cascade")
    template_id = fields.Many2one("directmail.template", index=True, ondelete="set null")
    user_id = fields.Many2one("res.users", "Sent by", required=True, ondelete="cascade")
    # Number of a `directmail.template.test` form, which mails an address once, even if its button
    # is pressed again.
    form_number = fields.Integer(index="btree_not_null")
    email = fields.Char("Address", required=True)
    seed_id = fields.Many2one(
        "directmail.seed.address",
        "Seed address",
        ondelete="set null",
        help="It is empty if the test mail went to a colleague.",
    )
    state = fields.Selection(
        [
            ("sending", "Being sent"),
            ("sent", "Sent"),
            ("unknown", "Unknown"),
            ("refused", "Refused"),
        ],
        required=True,
        default="sending",
    )
    code = fields.Char("Answer of DirectMail")

    _user_day = models.Index("(user_id, create_date)")

    @api.model
    def _reserve(self, template, user, recipients, form_number):
        """Count test mails against the user's and the account's limits before they are sent.

        Call it in a transaction of its own: it holds the gate lock, which makes the limits exact
        and blocks all senders.

        :param recipients: {address: id of its `directmail.seed.address`, False for a colleague}
        :param int form_number: of the form that sends them; addresses it has mailed are left out
        :return: (test mails that the form has sent before, test mails to send now)
        :raise UserError: the user's limit (A_DAY in 24 hours) or the account's quota is exceeded
        """
        lock_gate(self.env)
        account = template.account_id
        earlier = self.search(
            [
                ("form_number", "=", form_number),
                ("email", "in", list(recipients)),
                ("state", "!=", "refused"),
            ]
        )
        emails = [email for email in recipients if email not in set(earlier.mapped("email"))]
        since = fields.Datetime.now() - timedelta(days=1)
        used = self.search_count(
            [("user_id", "=", user.id), ("create_date", ">", since), ("state", "!=", "refused")]
        )
        if used + len(emails) > A_DAY:
            raise UserError(
                self.env._(
                    "You have sent %(used)s test mails in the last 24 hours, and the limit is"
                    " %(limit)s. Try again later.",
                    limit=A_DAY,
                    used=used,
                )
            )
        if len(emails) > account._get_capacity().quota:
            raise UserError(
                self.env._(
                    "Today's quota of the DirectMail account is used up. Try again after midnight"
                    " in Beijing."
                )
            )
        add_usage(self.env, account.id, len(emails))
        reserved = self.create(
            [
                {
                    "account_id": account.id,
                    "template_id": template.id,
                    "user_id": user.id,
                    "form_number": form_number,
                    "email": email,
                    "seed_id": recipients[email],
                }
                for email in emails
            ]
        )
        return earlier, reserved

    def _get_answer(self):
        """Return DirectMail's answer, as far as it is stored, to a mail that was not refused.

        :rtype: directmail.answers.Answer
        """
        self.ensure_one()
        accepted = self.state == "sent"
        return Answer(Verdict.ACCEPTED if accepted else Verdict.UNKNOWN, self.code or "")

    def _write_answers(self, answers):
        """Store the answers to test mails, and give refused ones back to the day's quota.

        Call it in a transaction of its own: it holds the gate lock, which blocks all senders.

        :param answers: {id: `directmail.answers.Answer`}
        """
        lock_gate(self.env)
        for mail in self:
            answer = answers[mail.id]
            mail.state = TEST_STATES.get(answer.verdict, "refused")
            mail.code = answer.code or False
        refused = self.filtered(lambda mail: mail.state == "refused")
        add_usage(self.env, self.account_id.id, -len(refused))

    @api.autovacuum
    def _gc_old(self):
        if not self.env["ir.module.module"]._is_directmail_upgraded():
            return
        self.search([("create_date", "<", fields.Datetime.now() - KEEP_FOR)]).unlink()
