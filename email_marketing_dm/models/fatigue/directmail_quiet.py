from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .directmail_fatigue import ACTIONS

DAY_MINUTES = 24 * 60


class DirectmailQuietHours(models.Model):
    """A part of each day, in hours from midnight, in which no mails are sent."""

    _name = "directmail.quiet.hours"
    _description = "Do-not-disturb Hours"
    _inherit = ["directmail.of.company"]
    _company_path = "fatigue_id.company_id"
    _order = "begin, id"
    _rec_name = "begin"

    fatigue_id = fields.Many2one(
        "directmail.fatigue", required=True, index=True, ondelete="cascade"
    )
    begin = fields.Float("From", required=True, default=22.0)
    finish = fields.Float("To", required=True, default=8.0, help="The end can be on the next day.")
    action = fields.Selection(ACTIONS, "Mails during this time", required=True, default="hold")

    @api.constrains("begin", "finish")
    def _check_hours(self):
        for hours in self:
            if not (0 <= hours.begin < 24 and 0 <= hours.finish <= 24):
                raise ValidationError(self.env._("Enter times between 00:00 and 24:00."))
            if not hours._get_minutes():
                raise ValidationError(
                    self.env._("The start and the end of do-not-disturb hours must differ.")
                )

    def _get_minutes(self):
        """Return the minutes of the day, 0 to 1439, that these hours cover."""
        begin, finish = (round(value * 60) % DAY_MINUTES for value in (self.begin, self.finish))
        if begin <= finish:
            return range(begin, finish)
        return [*range(begin, DAY_MINUTES), *range(finish)]


class DirectmailQuietPeriod(models.Model):
    """A range of days, both included, on which no mails are sent."""

    _name = "directmail.quiet.period"
    _description = "Quiet Period"
    _inherit = ["directmail.of.company"]
    _company_path = "fatigue_id.company_id"
    _order = "first_day, id"

    fatigue_id = fields.Many2one(
        "directmail.fatigue", required=True, index=True, ondelete="cascade"
    )
    name = fields.Char(required=True)
    first_day = fields.Date("First day", required=True)
    last_day = fields.Date("Last day", required=True)
    action = fields.Selection(ACTIONS, "Mails during this time", required=True, default="hold")

    _days_ordered = models.Constraint(
        "CHECK(first_day <= last_day)", "A quiet period can't end before it begins."
    )
