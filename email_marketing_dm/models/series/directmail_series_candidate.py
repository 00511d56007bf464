from odoo import fields, models


class DirectmailSeriesCandidate(models.Model):
    """A record that was changed without matching the filter of a series: `engine.series_related`.

    Only for series whose filter reads related records.
    """

    _name = "directmail.series.candidate"
    _description = "Record That May Start a Series"
    _log_access = False

    series_id = fields.Many2one(
        "directmail.series", required=True, readonly=True, ondelete="cascade"
    )
    # Not a foreign key: series start by records of all models.
    record_id = fields.Integer("Record ID", required=True, readonly=True)
    changed_at = fields.Datetime("Last change", required=True, readonly=True)

    _record_unique = models.UniqueIndex("(series_id, record_id)")
