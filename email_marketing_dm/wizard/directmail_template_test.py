import secrets
from dataclasses import replace
from functools import partial

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import retrying
from odoo.tools import format_list

from ..content.filling import assemble
from ..content.languages import join_sentences
from ..content.lengths import cut_units
from ..content.plaintext import TextPart
from ..directmail.answers import Verdict, verdict_of_code
from ..directmail.const import SENDER_NAME_MAX, SUBJECT_MAX
from ..directmail.errors import DirectMailError
from ..directmail.pool import CallPool
from ..directmail.records import Mail
from ..models.account.directmail_account_test_mail import AT_ONCE
from ..models.template.directmail_template import PREVIEW_TOKEN
from ..privacy.address import normalise

# Fields with the content of a template that was not submitted: see `_make_mails`.
CONTENT = ("subject", "sender_name", "preview_text", "body_html")


class DirectmailTemplateTest(models.TransientModel):
    """Send a template to colleagues and seed addresses, with the values of one contact.

    An approved template is sent as email tasks send it. DirectMail sends text that was not reviewed
    only as the body of a single mail.
    """

    _name = "directmail.template.test"
    _description = "Send a Test of an Email Template"
    _inherit = ["directmail.links", "directmail.test.recipients"]
    _rec_name = "template_id"

    template_id = fields.Many2one(
        "directmail.template", required=True, readonly=True, ondelete="cascade"
    )
    account_id = fields.Many2one(related="template_id.account_id")
    company_id = fields.Many2one(related="template_id.company_id")
    problem = fields.Char(compute="_compute_problem")
    sender_id = fields.Many2one(
        "directmail.sender",
        "Sender address",
        required=True,
        compute="_compute_sender_id",
        store=True,
        precompute=True,
        readonly=False,
        domain="[('account_id', '=', account_id), ('ready', '=', True)]",
    )

    address_type = fields.Selection(
        # translated: a field with a function has no translations of its own
        selection=lambda self: (
            self.env["directmail.task"]._fields["address_type"]._description_selection(self.env)
        ),
        string="Address type",
        required=True,
        default="random",
        help="The same setting as for email tasks. With a random address, DirectMail adds a random"
        " part to the sender address.",
    )
    way = fields.Selection(
        [
            ("template", "As an approved template"),
            ("filled", "As approved text, filled in here"),
            ("unreviewed", "As text that is not approved yet"),
        ],
        compute="_compute_way",
        help="How the content is sent to DirectMail.",
    )

    @api.depends("template_id.state", "account_id.content_mode")
    def _compute_way(self):
        for test in self:
            approved = "template" if test.account_id.content_mode == "template" else "filled"
            test.way = approved if test.template_id.state == "approved" else "unreviewed"

    @api.depends("template_id")
    def _compute_sender_id(self):
        for test in self:
            test.sender_id = test.template_id.account_id.sender_ids.filtered("ready")[:1]

    @api.depends("user_ids.email", "seed_ids.active", "account_id.test_domains")
    def _compute_problem(self):
        for test in self:
            test.problem = test._find_problem()

    def action_send(self):
        """Send the test mails; post the result on the template and return it as notification.

        :raise UserError: if they may not be sent, or DirectMail refuses all of them
        """
        self.ensure_one()
        recipients = self._get_recipients()
        mails = self._make_mails(recipients)
        answers = self._send(mails, recipients)
        sent = [email for email, answer in answers.items() if answer.verdict == Verdict.ACCEPTED]
        unknown = [email for email, answer in answers.items() if answer.verdict == Verdict.UNKNOWN]
        refused = [email for email in answers if email not in {*sent, *unknown}]
        if len(refused) == len(answers):
            raise UserError(self._explain(answers[refused[0]]))
        message = self._describe(sent, unknown, refused)
        # sudo(): `_get_recipients` has checked the right to read; readers may not write a note.
        self.template_id.sudo().message_post(body=message, subtype_xmlid="mail.mt_note")
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "message": message,
                "type": "warning" if unknown or refused else "success",
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    # === BUSINESS === #

    def _get_recipients(self):
        """Return the recipients: {address: id of the seed address, or False for a colleague}.

        :raise AccessError: if the user may not read the template or a seed address
        :raise UserError: with the problem of `_find_problem`
        """
        self.template_id.check_access("read")
        self.seed_ids.check_access("read")
        problem = self._find_problem()
        if problem:
            raise UserError(problem)
        return {normalise(seed.email): seed.id for seed in self.seed_ids} | {
            normalise(user.email): False for user in self.user_ids
        }

    def _find_problem(self):
        """Return why the test can't be sent to the chosen recipients; False if it can."""
        self.ensure_one()
        # `_origin`: in an unsaved form, the records are `new()` copies.
        users, seeds = self.user_ids._origin, self.seed_ids._origin
        if not 0 < len(users) + len(seeds) <= AT_ONCE:
            return self.env._("Choose 1 to %s recipients.", AT_ONCE)
        problems = (
            *(self._find_user_problem(user) for user in users),
            *(self._find_seed_problem(seed) for seed in seeds),
        )
        return next(filter(None, problems), False)

    def _find_user_problem(self, user):
        """Return why the test can't be sent to a user; False if it can.

        :param user: a `res.users`
        """
        account = self.account_id
        if user.share or not user.active:
            return self.env._(
                "%s is not an internal user. Tests go to colleagues and seed addresses only.",
                user.name,
            )
        # sudo(): only whether a user works in the company is told.
        if account.company_id not in user.sudo().company_ids:
            return self.env._(
                "%(user)s is not a user of %(company)s. Choose colleagues who work there.",
                user=user.name,
                company=account.company_id.name,
            )
        address = normalise(user.email or "")
        if not address:
            return self.env._("%s has no usable email address.", user.name)
        if account._may_test(address):
            return False
        return self.env._(
            "No test mail can go to %(address)s, because the domain %(domain)s is not allowed for"
            " tests. Ask an administrator (%(admins)s) to add the domain to the account"
            " %(account)s, or choose a seed address instead.",
            address=address,
            domain=address.partition("@")[2],
            admins=account._get_admin_names(),
            account=account.name,
        )

    def _find_seed_problem(self, seed):
        """Return why the test can't be sent to a seed address; False if it can.

        :param seed: a `directmail.seed.address`
        """
        if not seed.active:
            return self.env._("The seed address %s is archived. Remove it.", seed.display_name)
        if seed.company_id != self.account_id.company_id:
            return self.env._(
                "The seed address %s belongs to another company. Remove it.", seed.display_name
            )
        return False

    def _make_mails(self, addresses):
        """Return {address: `directmail.records.Mail`}, as an email task makes them.

        Links, tag and headers refer to no delivery, so that no event counts for a task.

        :param addresses: iterable of addresses
        :raise UserError: if the sender address can't be used, or the body is empty
        """
        template, sender = self.template_id, self.sender_id
        if sender.account_id != template.account_id or not sender.ready:
            raise UserError(self.env._("Choose a sender address that can send marketing mail."))
        values = {}
        if template.state in ("draft", "rejected"):
            values = {name: template[name] for name in CONTENT}
            values["account_id"] = template.account_id.id
        template, subject, text, filled = template._fill_content(values, self.partner_id.id)
        html = assemble(text or "", filled)
        if not html.strip():
            raise UserError(self.env._("The body is empty."))
        subject = self.env._("[Test] %s", assemble(subject or "", filled))
        content = (
            {"template_id": self.template_id.remote_ref, "variables": filled}
            if self.way == "template"
            else {"html_body": html, "text_body": TextPart(text or "").fill(filled)}
        )
        return {
            address: Mail(
                sender=sender.email,
                address_type=0 if self.address_type == "random" else 1,
                to=address,
                subject=cut_units(subject, SUBJECT_MAX),
                sender_name=cut_units(template.sender_name or "", SENDER_NAME_MAX),
                headers=self._make_headers(sender),
                **sender._get_reply(),
                **template.account_id._get_unsubscribe_options(),
                **content,
            )
            for address in addresses
        }

    def _make_headers(self, sender):
        """Return the same headers as mails of email tasks have, but referring to no delivery."""
        number = f"test-{secrets.token_hex(12)}"
        url = f"{self.template_id._get_public_url()}/directmail/unsubscribe/{PREVIEW_TOKEN}"
        return {
            "Message-ID": f"<{number}@{sender.email.partition('@')[2]}>",
            "X-User-Notify-Mid": number,
            "List-Unsubscribe": f"<{url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    def _send(self, mails, recipients):
        """Reserve the mails in `directmail.test.mail`, send them, and write the answers.

        Mails that this form has sent already are not sent again: after a serialization error, Odoo
        repeats the whole request, and with it this method. So both writes are committed in
        transactions of their own.

        :param mails: {address: `directmail.records.Mail`}
        :param recipients: result of `_get_recipients`
        :return: {address: `directmail.answers.Answer`}
        :rtype: dict
        """
        account = self.template_id.account_id
        account._check_can_call()
        client = account._get_client()
        tag = account._ensure_test_tag()
        # Separate transactions before and after the calls: locks of `_reserve` must not be held
        # during calls, because the sending loops would wait for them.
        with self.env.registry.cursor() as cr:
            env = self.env(cr=cr, su=True)
            earlier, reserved = env["directmail.test.mail"]._reserve(
                self.template_id.with_env(env), self.env.user.with_env(env), recipients, self.id
            )
            answers = {test.email: test._get_answer() for test in earlier}
            numbers = {test.email: test.id for test in reserved}
        answers |= self._call(
            client, {address: replace(mails[address], tag=tag) for address in numbers}
        )
        with self.env.registry.cursor() as cr:
            tests = self.env(cr=cr, su=True)["directmail.test.mail"].browse(numbers.values())
            by_number = {number: answers[address] for address, number in numbers.items()}
            retrying(partial(tests._write_answers, by_number), tests.env)
        return {address: answers[address] for address in mails}

    def _call(self, client, mails):
        """Send all mails at the same time; return {address: `directmail.answers.Answer`}."""
        answers = {}
        pool = CallPool(max(1, len(mails)), client.send)
        for address, mail in mails.items():
            pool.submit(address, mail)
        while pool.in_flight:
            answers.update((address, answer) for address, _mail, answer in pool.drain(1.0))
        pool.close(0)
        return answers

    def _describe(self, sent, unknown, refused):
        """Return the result of the test as text.

        :param list sent: addresses of accepted mails
        :param list unknown: addresses of mails whose answer did not arrive
        :param list refused: addresses of mails that DirectMail refused
        :rtype: str
        """
        sentences = []
        if sent:
            addresses = format_list(self.env, sent)
            sentences.append(
                self.env._(
                    "Test mail sent to %(addresses)s with the values of %(contact)s.",
                    addresses=addresses,
                    contact=self.partner_id.display_name,
                )
                if self.partner_id
                else self.env._(
                    "Test mail sent to %s with the default values of the placeholders.", addresses
                )
            )
        if unknown:
            sentences.append(
                self.env._(
                    "DirectMail did not confirm the test mail to %s. Check the mailbox before you"
                    " try again.",
                    format_list(self.env, unknown),
                )
            )
        if refused:
            sentences.append(
                self.env._(
                    "DirectMail refused the test mail to %s.", format_list(self.env, refused)
                )
            )
        return join_sentences(self.env.lang, sentences)

    def _explain(self, answer):
        """Return why DirectMail refused a test mail.

        :param answer: a `directmail.answers.Answer`
        """
        kind = verdict_of_code(answer.code)[1]
        return self.template_id.account_id._explain(
            DirectMailError(kind, answer.code, answer.message)
        )
