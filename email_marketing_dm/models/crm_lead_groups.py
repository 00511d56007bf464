from odoo import fields, models

USER = "email_marketing_dm.email_marketing_dm_group_user"


class CrmLead(models.Model):
    """Leads show the groups of their contact."""

    _inherit = "crm.lead"

    directmail_rfm_type = fields.Selection(related="partner_id.directmail_rfm_type", groups=USER)
    directmail_aipl_stage = fields.Selection(
        related="partner_id.directmail_aipl_stage", groups=USER
    )
