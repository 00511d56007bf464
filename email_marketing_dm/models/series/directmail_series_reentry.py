from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

#: Most days until people may enter again.
DAYS_MAX = 3660


class DirectmailSeries(models.Model):
    """Who may enter a series again. `directmail.series.entry.run` numbers the times."""

    _inherit = "directmail.series"

    reentry = fields.Selection(
        [
            ("never", "Never"),
            ("always", "Each time"),
            ("days", "After a number of days"),
        ],
        "Enter again",
        required=True,
        default="never",
        help="Whether people who left the audience and come into it again, or who are put in again,"
        " enter the series again. People who are still inside don't enter a second time.",
    )
    reentry_days = fields.Integer(
        "After (days)",
        default=90,
        help="Counted from the day on which the person entered the series last. People who come"
        " into the audience earlier don't enter.",
    )

    @api.constrains("reentry", "reentry_days")
    def _check_reentry_days(self):
        for series in self:
            if series.reentry == "days" and not 1 <= series.reentry_days <= DAYS_MAX:
                raise ValidationError(
                    self.env._(
                        "Enter after how many days people may enter again: 1 to %s.", DAYS_MAX
                    )
                )

    def _get_again_after(self):
        """Return how long after entering people may enter again, None for never."""
        if self.reentry == "days":
            return timedelta(days=self.reentry_days)
        return timedelta(0) if self.reentry == "always" else None
