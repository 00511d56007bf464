from odoo import api, fields, models


class DirectmailAudienceComparison(models.TransientModel):
    """The page *Composition* of an audience, where it is also compared with another one.

    It only holds what was chosen. The figures are read by the page, from
    `directmail_audience_composition.py`.
    """

    _name = "directmail.audience.comparison"
    _description = "Composition of an Audience"
    _inherit = ["directmail.links"]
    _rec_name = "audience_id"

    audience_id = fields.Many2one(
        "directmail.audience", required=True, readonly=True, ondelete="cascade"
    )
    snapshot_id = fields.Many2one(
        "directmail.audience.snapshot",
        domain="[('audience_id', '=', audience_id)]",
        ondelete="cascade",
    )
    company_id = fields.Many2one("res.company", compute="_compute_company_id")
    other_id = fields.Many2one(
        "directmail.audience",
        "Compared with",
        domain="[('company_id', '=', company_id), ('refreshed_at', '!=', False)]",
        ondelete="cascade",
    )
    other_snapshot_id = fields.Many2one(
        "directmail.audience.snapshot",
        "Snapshot of the other",
        domain="[('audience_id', '=', other_id)]",
        ondelete="cascade",
    )

    @api.depends("audience_id")
    def _compute_company_id(self):
        for comparison in self:
            # sudo() reads the company; `directmail.links` checks that the audience is readable.
            comparison.company_id = comparison.audience_id.sudo().company_id

    @api.onchange("other_id")
    def _onchange_other_id(self):
        """Reset the snapshot, which is one of the audience chosen before."""
        if self.other_snapshot_id.audience_id != self.other_id:
            self.other_snapshot_id = False
