from odoo import fields, models

STAGES = [("a", "Awareness"), ("i", "Interest"), ("p", "Purchase"), ("l", "Loyalty")]


class DirectmailAiplContact(models.Model):
    """A contact in an AIPL model, with the highest stage of which it meets a condition."""

    _name = "directmail.aipl.contact"
    _description = "AIPL Contact"
    _inherit = ["directmail.people.result"]
    _log_access = False
    _rec_name = "partner_id"
    _order = "id"
    _owner_field = "aipl_model_id"
    _group_field = "stage"

    aipl_model_id = fields.Many2one(
        "directmail.aipl.model", "AIPL model", required=True, readonly=True, ondelete="cascade"
    )
    stage = fields.Selection(STAGES, readonly=True)
    previous_stage = fields.Selection(STAGES, "Stage on the day before", readonly=True)

    # When contacts are merged, our override of `base.partner.merge.automatic.wizard` deletes the
    # second row of one model. Odoo would delete all rows of the merged contacts instead.
    _person_unique = models.Constraint("UNIQUE(aipl_model_id, partner_id)")
