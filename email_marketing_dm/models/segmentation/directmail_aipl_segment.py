from odoo import api, fields, models
from odoo.fields import Command

from .directmail_aipl_contact import STAGES


class DirectmailAiplSegment(models.Model):
    """A stage of an AIPL model, with the number of contacts in it."""

    _name = "directmail.aipl.segment"
    _description = "AIPL Stage"
    _inherit = ["directmail.people.segment"]
    _log_access = False
    _rec_name = "stage"
    _order = "aipl_model_id, id"

    aipl_model_id = fields.Many2one(
        "directmail.aipl.model", "AIPL model", required=True, readonly=True, ondelete="cascade",
        index=True,
    )  # fmt: skip
    stage = fields.Selection(STAGES, required=True, readonly=True)

    @api.depends("stage")
    @api.depends_context("lang")
    def _compute_display_name(self):
        labels = dict(self._fields["stage"]._description_selection(self.env))
        for segment in self:
            segment.display_name = labels.get(segment.stage)

    def _get_owner(self):
        self.ensure_one()
        return self.aipl_model_id

    def _get_line_vals(self):
        return {
            "kind": "aipl",
            "aipl_model_id": self.aipl_model_id.id,
            "aipl_segment_ids": [Command.set(self.ids)],
        }
