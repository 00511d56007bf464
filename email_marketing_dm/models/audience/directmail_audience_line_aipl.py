from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import format_list

from .directmail_audience_line_move import MOVE_FIELDS


class DirectmailAudienceLine(models.Model):
    """The kind `aipl`: contacts in some stages of an AIPL model, or who moved between them."""

    _inherit = "directmail.audience.line"

    kind = fields.Selection(
        selection_add=[("aipl", "AIPL stage"), ("audience",)], ondelete={"aipl": "cascade"}
    )
    aipl_model_id = fields.Many2one(
        "directmail.aipl.model",
        "AIPL model",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
    )
    aipl_by = fields.Selection(
        [("stage", "Stage"), ("move", "Movement")], "Select contacts by", default="stage"
    )
    aipl_before_ids = fields.Many2many(
        "directmail.aipl.segment",
        "directmail_audience_line_aipl_before",
        string="From stages",
        ondelete="restrict",
    )
    aipl_segment_ids = fields.Many2many(
        "directmail.aipl.segment",
        "directmail_audience_line_aipl_segment",
        string="Stages",
        ondelete="restrict",
    )

    @api.model
    def _get_fields_aipl(self):
        return ("aipl_model_id", "aipl_by", "aipl_before_ids", "aipl_segment_ids", *MOVE_FIELDS)

    def _select_aipl(self, env):
        if not self.aipl_model_id:
            raise UserError(
                env._("The AIPL model of a line was removed. Choose another, or remove the line.")
            )
        if self._selects_moves():
            return self._select_move(
                env, self.aipl_model_id, self.aipl_before_ids, self.aipl_segment_ids
            )
        stages = self.aipl_model_id._check_own_segments(self.aipl_segment_ids)
        if not stages:
            raise UserError(env._("Choose at least one stage in the AIPL line."))
        return self.aipl_model_id._select_people(env, Domain("stage", "in", stages.mapped("stage")))

    def _finds_once_aipl(self):
        return True

    def _describe_aipl(self):
        model = self.aipl_model_id
        if not model:
            return self.env._("Deleted AIPL model")
        # sudo(): readers of a line see the names of its model and stages, no contacts.
        if self._selects_moves():
            return self._describe_move(
                model.sudo(), self.aipl_before_ids.sudo(), self.aipl_segment_ids.sudo()
            )
        return self.env._(
            "In %(model)s: %(groups)s",
            model=model.sudo().display_name,
            groups=format_list(self.env, self.aipl_segment_ids.sudo().mapped("display_name"), "or"),
        )
