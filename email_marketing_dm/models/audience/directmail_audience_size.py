from odoo import fields, models


class DirectmailAudienceSize(models.Model):
    """The counts of an audience after one refresh: its size, and how many entered and left."""

    _name = "directmail.audience.size"
    _description = "Audience Size"
    _log_access = False
    _order = "refreshed_at desc, id desc"
    _rec_name = "refreshed_at"

    audience_id = fields.Many2one(
        "directmail.audience", required=True, readonly=True, index=True, ondelete="cascade"
    )
    refreshed_at = fields.Datetime("Refreshed", required=True, readonly=True)
    people_count = fields.Integer("People", readonly=True, aggregator="avg")
    usable_count = fields.Integer("With a usable address", readonly=True, aggregator="avg")
    entered_count = fields.Integer("Entered", readonly=True)
    left_count = fields.Integer("Left", readonly=True)
