from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..directmail.answers import Verdict
from ..engine.claim import add_usage, lock_gate, quota_left

AT_ONCE = 5
A_DAY = 50
KEEP_FOR = timedelta(days=30)

STATE_OF_VERDICT = {Verdict.ACCEPTED: "sent", Verdict.UNKNOWN: "unknown"}


class DirectmailTestMail(models.Model):
    """Test mails: who sent which template to which colleague. In no task's results."""

    _name = "directmail.test.mail"
    _description = "DirectMail Test Mail"
    _order = "id desc"
    _rec_name = "email"

    account_id = fields.Many2one("directmail.account", required=True, ondelete="cascade")
    template_id = fields.Many2one("directmail.template", index=True, ondelete="set null")
    user_id = fields.Many2one("res.users", "Sent by", required=True, ondelete="cascade")
    email = fields.Char("Address", required=True)
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
    code = fields.Char()

    _user_day = models.Index("(user_id, create_date)")

    @api.model
    @api.private
    def _reserve(self, template, user, emails):
        """Take test mails from the user's and the account's limits, before any of them is sent.

        To be called in a transaction of its own: the gate makes the limits exact, and holds the
        senders up for as long as it is held.

        :rtype: directmail.test.mail
        :raise UserError: if there are too many
        """
        lock_gate(self.env)
        account = template.account_id
        since = fields.Datetime.now() - timedelta(days=1)
        used = self.search_count(
            [("user_id", "=", user.id), ("create_date", ">", since), ("state", "!=", "refused")]
        )
        if used + len(emails) > A_DAY:
            raise UserError(
                self.env._(
                    "You may send %(limit)s test mails in 24 hours, and have sent %(used)s.",
                    limit=A_DAY,
                    used=used,
                )
            )
        if len(emails) > quota_left(self.env, account):
            raise UserError(
                self.env._(
                    "Today's quota of the DirectMail account is used up. Try again after midnight"
                    " in Beijing."
                )
            )
        add_usage(self.env, account, len(emails))
        return self.create(
            [
                {
                    "account_id": account.id,
                    "template_id": template.id,
                    "user_id": user.id,
                    "email": email,
                }
                for email in emails
            ]
        )

    @api.private
    def _write_answers(self, answers):
        """Write down what became of test mails; those not sent are given back to the quota.

        :param answers: {id: `directmail.answers.Answer`}
        """
        for mail in self:
            answer = answers[mail.id]
            mail.state = STATE_OF_VERDICT.get(answer.verdict, "refused")
            mail.code = answer.code or False
        refused = self.filtered(lambda mail: mail.state == "refused")
        add_usage(self.env, self.account_id, -len(refused))

    @api.autovacuum
    def _gc_old(self):
        self.search([("create_date", "<", fields.Datetime.now() - KEEP_FOR)]).unlink()
