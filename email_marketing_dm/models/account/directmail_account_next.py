from odoo import api, fields, models


class DirectmailAccount(models.Model):
    """Whether an active account was used yet: its form then leads to the next step."""

    _inherit = "directmail.account"

    is_unused = fields.Boolean(compute="_compute_is_unused")

    @api.depends("state")
    def _compute_is_unused(self):
        """Tell whether no email task of the account has started yet."""
        tasks = self.env["directmail.task"].with_context(active_test=False)
        started = tasks._read_group(
            [("account_id", "in", self.ids), ("planned_at", "!=", False)], ["account_id"]
        )
        used = {account.id for (account,) in started}
        for account in self:
            account.is_unused = account._origin.id not in used
