from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.base.models.res_partner import _tz_get

from .prefetch import PREFETCH


class ResCompany(models.Model):
    _inherit = "res.company"

    directmail_models_hour = fields.Float(
        "RFM and AIPL models run at", default=3.0, prefetch=PREFETCH
    )
    directmail_models_tz = fields.Selection(
        _tz_get,
        "Time zone of RFM and AIPL models",
        prefetch=PREFETCH,
        help="Empty: that of each model's owner.",
    )

    @api.constrains("directmail_models_hour")
    def _check_directmail_models_hour(self):
        if any(not 0 <= company.directmail_models_hour < 24 for company in self):
            raise ValidationError(self.env._("The time must be between 00:00 and 23:59."))

    def write(self, vals):
        result = super().write(vals)
        if {"directmail_models_hour", "directmail_models_tz"} & vals.keys():
            for name in ("directmail.rfm.model", "directmail.aipl.model"):
                # sudo(): super() checked the right to write the company; its models follow.
                self.env[name].sudo().search([("company_id", "in", self.ids)])._schedule()
        return result
