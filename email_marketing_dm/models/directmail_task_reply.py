from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..privacy.address import normalise


class DirectmailAccount(models.Model):
    _inherit = "directmail.account"

    reply_to = fields.Char(
        "Replies go to",
        tracking=True,
        help="Where replies go if neither the email task names an address nor its sender address"
        " has a verified reply address at DirectMail.",
    )

    @api.constrains("reply_to")
    def _check_reply_to(self):
        self._check_reply_addresses()

    @api.model
    def _check_reply_addresses(self, records=None):
        for record in self if records is None else records:
            if record.reply_to and not normalise(record.reply_to):
                raise ValidationError(
                    self.env._(
                        "%s is not an email address, so replies could not go there.",
                        record.reply_to,
                    )
                )


class DirectmailTask(models.Model):
    """Where replies to a task's mails go."""

    _inherit = "directmail.task"

    reply_to = fields.Char(
        "Replies go to",
        help="Empty: to the reply address that the sender address has at DirectMail, else to the"
        " account's.",
    )
    reply_default = fields.Char(compute="_compute_reply_default")
    reply_warning = fields.Char(compute="_compute_reply_warning")

    @api.depends("sender_id", "account_id.reply_to")
    def _compute_reply_default(self):
        for task in self:
            task.reply_default = task.sender_id._get_reply_address() or task.account_id.reply_to

    @api.depends("sender_id", "address_type", "reply_to", "reply_default")
    def _compute_reply_warning(self):
        for task in self:
            task.reply_warning = False
            if task.reply_to or task.reply_default or not task.sender_id:
                continue
            sender = task.sender_id.email
            task.reply_warning = (
                self.env._(
                    "Replies would go to a random address at %s and reach nobody. Enter an"
                    " address under Replies go to.",
                    sender.partition("@")[2],
                )
                if task.address_type == "random"
                else self.env._(
                    "Replies would go to %s. Unless that is a mailbox that somebody reads, enter"
                    " another address under Replies go to.",
                    sender,
                )
            )

    @api.constrains("reply_to")
    def _check_reply_to(self):
        self.env["directmail.account"]._check_reply_addresses(self)

    def _get_reply(self):
        """Return where replies go, as values of a `directmail.records.Mail`."""
        self.ensure_one()
        return self.sender_id._get_reply(self.reply_to)
