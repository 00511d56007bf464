from odoo import fields, models


class DirectmailUsage(models.Model):
    """Number of mails this Odoo handed to DirectMail on a day in Beijing, where quotas reset."""

    _name = "directmail.usage"
    _description = "DirectMail Daily Usage"
    _log_access = False
    _rec_name = "day"

    account_id = fields.Many2one("directmail.account", required=True, ondelete="cascade")
    day = fields.Date(required=True)
    used = fields.Integer(required=True, default=0)

    _day_unique = models.UniqueIndex("(account_id, day)")
