from odoo import fields, models
from odoo.exceptions import UserError

from ...engine.people_models import aipl_stages


class DirectmailAiplModel(models.Model):
    """A model that sorts contacts into the stages awareness, interest, purchase and loyalty."""

    _name = "directmail.aipl.model"
    _description = "AIPL Model"
    _inherit = ["directmail.people.model"]
    _guarded_fields = frozenset(
        (
            *("people_count", "computed_at", "computed_on", "compute_error", "next_run_at"),
            "segment_ids",
        )
    )
    _result_model = "directmail.aipl.contact"
    _result_columns = ("stage",)
    _segment_model = "directmail.aipl.segment"
    _history_model = "directmail.aipl.history"
    _line_field = "aipl_model_id"
    _cron = "email_marketing_dm.ir_cron_directmail_aipl"

    condition_ids = fields.One2many(
        "directmail.aipl.condition", "aipl_model_id", "Conditions", copy=True
    )
    segment_ids = fields.One2many("directmail.aipl.segment", "aipl_model_id", "Stages")

    def _select_fresh(self, today):
        self.ensure_one()
        if not self.condition_ids:
            raise UserError(self.env._("Add at least one condition first."))
        owner = self._get_owner_env()
        return aipl_stages(
            [condition._get_condition(owner, today) for condition in self.condition_ids],
            today,
            self.currency_id.decimal_places,
        )
