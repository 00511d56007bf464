from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.base.models.res_partner import _tz_get

from .prefetch import PREFETCH

ANSWERS = [("yes", "Opens and clicks are recorded"), ("no", "They are not recorded")]
#: France and its overseas territories with country codes of their own, where opens may be measured
#: only with consent.
FRANCE = ("FR", "GP", "MQ", "GF", "RE", "YT", "PM", "BL", "MF", "WF", "PF", "NC", "TF")


class ResCompany(models.Model):
    """The time at which a company's RFM and AIPL models are computed each day."""

    _inherit = "res.company"

    directmail_models_hour = fields.Float(
        "RFM and AIPL models run at", default=3.0, prefetch=PREFETCH
    )
    directmail_models_tz = fields.Selection(
        _tz_get,
        "Time zone of RFM and AIPL models",
        prefetch=PREFETCH,
        help="If it is empty, the time zone of each model's owner is used.",
    )
    directmail_moves_months = fields.Integer(
        "Keep the movement of contacts for (months)",
        default=24,
        prefetch=PREFETCH,
        help="For so long RFM and AIPL models keep who moved from one type or stage to another."
        " Older moves are deleted every day.",
    )

    # What people who were not asked mean for measuring opens and clicks: see `engine.measuring`.
    directmail_measuring_default = fields.Selection(
        ANSWERS, "Elsewhere", default="yes", prefetch=PREFETCH
    )
    directmail_measuring_unknown = fields.Selection(
        ANSWERS, "Country unknown", default="yes", prefetch=PREFETCH
    )
    # Codes of countries, separated by commas.
    directmail_unmeasured_countries = fields.Char(
        "Countries without measuring", default=",".join(FRANCE), prefetch=PREFETCH
    )
    directmail_unasked_clicks = fields.Selection(
        [("anonymous", "Count them anonymously"), ("recorded", "Record them")],
        "Their clicks",
        default="anonymous",
        prefetch=PREFETCH,
    )

    # When email tasks are paused: see `directmail.sender._guard`.
    directmail_guard = fields.Boolean(
        "Pause email tasks automatically", default=True, prefetch=PREFETCH
    )
    directmail_complaint_limit = fields.Float(
        "Limit of spam reports (%)", default=0.3, digits=(5, 2), prefetch=PREFETCH
    )
    directmail_invalid_limit = fields.Float(
        "Limit of invalid addresses (%)", default=5.0, digits=(5, 2), prefetch=PREFETCH
    )
    directmail_guard_minimum = fields.Integer(
        "Fewest mails judged", default=1000, prefetch=PREFETCH
    )
    # Level of the company's sum of which the owners were told last, so that they are warned once.
    directmail_guard_told = fields.Selection(
        [("warning", "Warning"), ("danger", "Limit exceeded")],
        "Last level told",
        readonly=True,
        copy=False,
        prefetch=PREFETCH,
        groups=fields.NO_ACCESS,
    )

    @api.constrains(
        "directmail_complaint_limit", "directmail_invalid_limit", "directmail_guard_minimum"
    )
    def _check_directmail_guard(self):
        for company in self:
            limits = (company.directmail_complaint_limit, company.directmail_invalid_limit)
            if not all(0 < limit <= 100 for limit in limits):
                raise ValidationError(
                    self.env._("The limits must be more than 0 and at most 100 percent.")
                )
            if company.directmail_guard_minimum < 1:
                raise ValidationError(self.env._("At least one mail must be judged."))

    @api.constrains("directmail_moves_months")
    def _check_directmail_moves_months(self):
        if any(not 1 <= company.directmail_moves_months <= 120 for company in self):
            raise ValidationError(
                self.env._("The movement of contacts can be kept for 1 to 120 months.")
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
