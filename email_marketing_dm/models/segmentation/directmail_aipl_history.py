from odoo import fields, models

from .directmail_aipl_contact import STAGES


class DirectmailAiplHistory(models.Model):
    """The number of contacts in a stage on a day, by their stage on the day before."""

    _name = "directmail.aipl.history"
    _description = "AIPL History"
    _inherit = ["directmail.people.history"]
    _log_access = False
    _order = "date desc, id"
    _rec_name = "date"
    _owner_field = "aipl_model_id"
    _group_field = "stage"

    aipl_model_id = fields.Many2one(
        "directmail.aipl.model", "AIPL model", required=True, readonly=True, ondelete="cascade",
        index=True,
    )  # fmt: skip
    stage = fields.Selection(STAGES, readonly=True, help="Empty: no longer in any stage.")
    previous_stage = fields.Selection(
        STAGES, "Stage on the day before", readonly=True, help="Empty: in no stage before that day."
    )
