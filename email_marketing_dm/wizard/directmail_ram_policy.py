from odoo import api, fields, models

from ..directmail.permissions import FEATURES, make_policy


class DirectmailRamPolicy(models.TransientModel):
    """RAM policy for the features that an account uses, to copy into RAM's console."""

    _name = "directmail.ram.policy"
    _description = "RAM Policy"
    _inherit = ["directmail.links"]
    _rec_name = "account_id"

    account_id = fields.Many2one(
        "directmail.account", required=True, readonly=True, ondelete="cascade"
    )
    sending = fields.Boolean("Send emails", default=True, readonly=True)
    templates = fields.Boolean("Submit templates for review", default=True)
    results = fields.Boolean("Import delivery results", default=True)
    lists = fields.Boolean("Import unsubscribes, complaints and invalid addresses", default=True)
    first_contact = fields.Boolean("First contact: check the sender's domain", default=True)
    events = fields.Boolean("Events by EventBridge")
    policy = fields.Text(compute="_compute_policy")

    @api.depends(*(name for name in FEATURES if name != "sending"))
    def _compute_policy(self):
        for dialog in self:
            dialog.policy = make_policy(
                [name for name in FEATURES if name == "sending" or dialog[name]]
            )
