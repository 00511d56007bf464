from odoo import api, fields, models


class DirectmailSender(models.Model):
    """A sender address of an account, copied from DirectMail by `_synchronise`."""

    _name = "directmail.sender"
    _description = "DirectMail Sender Address"
    _rec_name = "email"
    _order = "ready desc, email, id"

    account_id = fields.Many2one(
        "directmail.account", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="account_id.company_id", store=True, index=True)
    active = fields.Boolean(default=True)
    email = fields.Char("Address", required=True, readonly=True)
    remote_ref = fields.Char("DirectMail ID", readonly=True, copy=False)
    send_type = fields.Selection(
        [("batch", "Batch"), ("trigger", "Trigger")],
        string="Type",
        readonly=True,
        help="Only batch sender addresses can send marketing mail.",
    )
    frozen = fields.Boolean(readonly=True)
    domain_healthy = fields.Boolean("Healthy domain", readonly=True)
    reply_address = fields.Char("Reply address", readonly=True)
    reply_verified = fields.Boolean(
        "Verified reply address",
        readonly=True,
        help="Whether DirectMail has verified the reply address. Otherwise it is not used.",
    )
    daily_limit = fields.Integer("Daily limit", readonly=True)
    daily_used = fields.Integer("Used today", readonly=True)
    ready = fields.Boolean(
        compute="_compute_ready",
        store=True,
        help="A batch sender address that is not frozen and whose domain DirectMail considers"
        " healthy.",
    )

    _remote_unique = models.UniqueIndex(
        "(account_id, email)", "This sender address already exists."
    )

    @api.depends("active", "send_type", "frozen", "domain_healthy")
    def _compute_ready(self):
        for sender in self:
            sender.ready = (
                sender.active
                and sender.send_type == "batch"
                and not sender.frozen
                and sender.domain_healthy
            )

    def _get_reply_address(self):
        """Return the reply address that DirectMail has verified for this sender, or False."""
        return self.reply_verified and self.reply_address

    def _get_reply(self, reply_to=None):
        """Return where replies to this sender's mails go, as values of a `directmail.records.Mail`.

        :param str reply_to: takes precedence over the sender's and the account's reply address
        """
        self.ensure_one()
        if not reply_to and self._get_reply_address():
            return {"reply_as_sender": True}
        return {"reply_address": (reply_to or self.account_id.reply_to or "").strip()}

    def _synchronise(self, account, addresses):
        """Create, update and archive an account's sender addresses to match DirectMail.

        :param account: the `directmail.account` record
        :param addresses: an iterable of `directmail.client.SenderAddress`
        """
        known = {
            sender.email: sender
            for sender in self.with_context(active_test=False).search(
                [("account_id", "=", account.id)]
            )
        }
        missing = set(known)
        for address in addresses:
            values = {
                "active": True,
                "remote_ref": str(address.mail_address_id),
                "send_type": address.send_type if address.send_type == "batch" else "trigger",
                "frozen": address.account_status != 0,
                "domain_healthy": address.domain_status == 0,
                "reply_address": address.reply_address,
                "reply_verified": bool(address.reply_address) and address.reply_status == 0,
                "daily_limit": address.daily_count,
                "daily_used": address.daily_used,
            }
            missing.discard(address.address)
            sender = known.get(address.address)
            if sender:
                sender.write(values)
            else:
                self.create({**values, "account_id": account.id, "email": address.address})
        for email in missing:
            known[email].active = False
