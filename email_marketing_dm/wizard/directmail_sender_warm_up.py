from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..clock.warm_up import WarmUp
from ..models.account.directmail_sender_warm_up import END, GROWTH, START


class DirectmailSenderWarmUp(models.TransientModel):
    """Dialog that starts the warm-up of a sender address, or changes a running one."""

    _name = "directmail.sender.warm.up"
    _description = "Warm-up of a Sender Address"
    _inherit = ["directmail.links"]
    _rec_name = "sender_id"

    sender_id = fields.Many2one(
        "directmail.sender", required=True, readonly=True, ondelete="cascade"
    )
    is_running = fields.Boolean(related="sender_id.warmup_on")
    start = fields.Integer(
        "Mails today",
        compute="_compute_settings",
        store=True,
        readonly=False,
        required=True,
        help="The limit of the first day, for all email tasks of the sender address together. For a"
        " new domain, 500 is usual; begin with fewer if the people have not got mail from you for a"
        " long time.",
    )
    growth = fields.Integer(
        "Growth per day (%)",
        default=GROWTH,
        required=True,
        help="By how many percent the limit grows after each day on which at least half of it was"
        " used. 50 is usual; choose 25 if many mails are reported as spam or go to spam folders.",
    )
    end = fields.Integer(
        "No limit from",
        default=END,
        required=True,
        help="The warm-up ends by itself on the day on which the limit would reach this number of"
        " mails. Enter the number of mails that you send on a busy day.",
    )
    plan = fields.Char(compute="_compute_plan")

    @api.depends("sender_id")
    def _compute_settings(self):
        """Suggest the recommended settings, or those of the running warm-up from today on."""
        for dialog in self:
            dialog.sender_id.check_access("read")
            # sudo(): the user may read the sender address, and so its limit of today.
            sender = dialog.sender_id.sudo()
            allowance = sender._read_allowance() if sender else None
            dialog.start = allowance.limit if allowance else START

    @api.depends("sender_id", "start", "growth", "end")
    @api.depends_context("lang")
    def _compute_plan(self):
        for dialog in self:
            dialog.plan = bool(dialog.sender_id and dialog._find_problem() == "") and (
                dialog.sender_id._describe_limits(dialog._get_warm_up())
            )

    @api.constrains("start", "growth", "end")
    def _check_settings(self):
        for dialog in self:
            if problem := dialog._find_problem():
                raise ValidationError(problem)

    def _find_problem(self):
        """Return what is wrong with the settings, or "". :rtype: str"""
        if not 1 <= self.start < self.end <= 10_000_000:
            return self.env._(
                "“No limit from” must be above the mails of today, which must be 1 or more."
            )
        if not 1 <= self.growth <= 200:
            return self.env._("The growth per day must be between 1 and 200 percent.")
        return ""

    def _get_warm_up(self):
        return WarmUp(self.start, self.growth, self.end)

    def action_start(self):
        """Start the warm-up, or change its settings from today on."""
        self.ensure_one()
        account = self.sender_id.account_id
        account.check_access("write")
        # sudo(): senders are copies of what DirectMail has; the user may write the account.
        self.sender_id.sudo()._start_warm_up(self._get_warm_up())
        account._trigger_sending()
        return {"type": "ir.actions.client", "tag": "soft_reload"}
