from odoo import fields, models

from ..groups import GROUP_USER


class CrmLead(models.Model):
    """Leads show the groups of their contact."""

    _inherit = "crm.lead"

    directmail_rfm_type = fields.Selection(
        related="partner_id.directmail_rfm_type", groups=GROUP_USER
    )
    directmail_aipl_stage = fields.Selection(
        related="partner_id.directmail_aipl_stage", groups=GROUP_USER
    )
