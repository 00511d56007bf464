from odoo import api, fields, models

METRICS = [("r", "Recency"), ("f", "Frequency"), ("m", "Amount")]


class DirectmailRfmScore(models.Model):
    """A score, 1 to 3, of one metric: a record, so that a line of an audience can choose several.

    The nine records are created by the addon's data.
    """

    _name = "directmail.rfm.score"
    _description = "RFM Score"
    _log_access = False
    _rec_name = "metric"
    _order = "id"

    metric = fields.Selection(METRICS, required=True, readonly=True)
    score = fields.Integer(required=True, readonly=True)

    _score_unique = models.Constraint("UNIQUE(metric, score)")

    @api.depends("metric", "score")
    @api.depends_context("lang")
    def _compute_display_name(self):
        labels = dict(self._fields["metric"]._description_selection(self.env))
        for record in self:
            record.display_name = f"{labels.get(record.metric)} {record.score}"
