from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ...directmail.answers import Answer, Verdict
from ...engine.claim import add_usage, lock_gate

AT_ONCE = 5
A_DAY = 50
KEEP_FOR = timedelta(days=30)
STATE_OF_VERDICT = {Verdict.ACCEPTED: "sent", Verdict.UNKNOWN: "unknown"}


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
        help="Empty: the address of a colleague.",
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
            mail.state = STATE_OF_VERDICT.get(answer.verdict, "refused")
            mail.code = answer.code or False
        refused = self.filtered(lambda mail: mail.state == "refused")
        add_usage(self.env, self.account_id.id, -len(refused))

    @api.autovacuum
    def _gc_old(self):
        if not self.env["ir.module.module"]._is_directmail_upgraded():
            return
        self.search([("create_date", "<", fields.Datetime.now() - KEEP_FOR)]).unlink()
