from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import format_list


class DirectmailAudienceLine(models.Model):
    """The kind `rfm`: contacts with some types or scores in an RFM model, or who moved."""

    _inherit = "directmail.audience.line"

    kind = fields.Selection(
        selection_add=[("rfm", "RFM customer type"), ("audience",)], ondelete={"rfm": "cascade"}
    )
    rfm_model_id = fields.Many2one(
        "directmail.rfm.model",
        "RFM model",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
    )
    rfm_by = fields.Selection(
        [("type", "Customer type"), ("score", "Scores"), ("move", "Movement")],
        "Select by",
        default="type",
    )
    rfm_before_ids = fields.Many2many(
        "directmail.rfm.segment",
        "directmail_audience_line_rfm_before",
        string="From types",
        ondelete="restrict",
    )
    rfm_segment_ids = fields.Many2many(
        "directmail.rfm.segment",
        "directmail_audience_line_rfm_segment",
        string="Customer types",
        ondelete="restrict",
    )
    rfm_score_ids = fields.Many2many(
        "directmail.rfm.score",
        "directmail_audience_line_rfm_score",
        string="Scores",
        help="Customers with at least one of these scores are selected.",
    )

    # MOVE_FIELDS are missing here: `_get_fields_aipl` has them, and `_get_checked_fields` joins the
    # fields of all kinds.
    @api.model
    def _get_fields_rfm(self):
        return ("rfm_model_id", "rfm_by", "rfm_before_ids", "rfm_segment_ids", "rfm_score_ids")

    def _select_rfm(self, env):
        if not self.rfm_model_id:
            raise UserError(
                env._("The RFM model of a line was removed. Choose another, or remove the line.")
            )
        if self._selects_moves():
            return self._select_move(
                env, self.rfm_model_id, self.rfm_before_ids, self.rfm_segment_ids
            )
        return self.rfm_model_id._select_people(env, self._get_rfm_domain(env))

    def _get_rfm_domain(self, env):
        """Return the condition on `directmail.rfm.customer` for the chosen types or scores.

        :raise UserError: if nothing is chosen, or a customer type of another model
        """
        if self.rfm_by == "score":
            by_metric = self.rfm_score_ids.grouped("metric")
            chosen = [
                Domain(f"{metric}_score", "in", scores.mapped("score"))
                for metric, scores in by_metric.items()
            ]
        else:
            types = self.rfm_model_id._check_own_segments(self.rfm_segment_ids)
            chosen = [Domain("customer_type", "in", types.mapped("customer_type"))] * bool(types)
        if not chosen:
            raise UserError(env._("Choose at least one customer type or score in the RFM line."))
        return Domain.OR(chosen)

    def _finds_once_rfm(self):
        return True

    def _describe_rfm(self):
        model = self.rfm_model_id
        if not model:
            return self.env._("Deleted RFM model")
        # sudo(): readers of a line see the names of its model, types and scores, no customers.
        if self._selects_moves():
            return self._describe_move(
                model.sudo(), self.rfm_before_ids.sudo(), self.rfm_segment_ids.sudo()
            )
        chosen = self.rfm_score_ids if self.rfm_by == "score" else self.rfm_segment_ids
        return self.env._(
            "In %(model)s: %(groups)s",
            model=model.sudo().display_name,
            groups=format_list(self.env, chosen.sudo().mapped("display_name"), "or"),
        )
