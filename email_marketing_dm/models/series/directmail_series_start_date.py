from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ...clock.occasions import Occasion
from ...engine import series_starts as engine

#: Most days before or after a date.
DAYS_MAX = 366
#: After a longer interruption, days before this time are left out: mails would be too late anyway.
CATCH_UP = timedelta(days=31)


class DirectmailSeries(models.Model):
    """Series that start on a date of a person or record, such as a birthday or a contract's end."""

    _inherit = "directmail.series"

    start_kind = fields.Selection(
        selection_add=[("date", "On a date, such as a birthday")], ondelete={"date": "cascade"}
    )
    start_date_path = fields.Char(
        "Date", help="The date field of the records, for example the end of a contract."
    )
    start_side = fields.Selection(
        [("on", "On this day"), ("before", "Days before"), ("after", "Days after")],
        "When",
        required=True,
        default="on",
    )
    start_days = fields.Integer("Number of days", default=1)
    start_hour = fields.Float("At", default=9.0, help="In the time zone of the series.")
    start_yearly = fields.Boolean(
        "Every year",
        default=True,
        help="On every anniversary of the date, such as a birthday, but not on the date itself."
        " People who were born on 29 February have it on 28 February in other years.",
    )

    @api.constrains("start_kind", "start_side", "start_days", "start_hour")
    def _check_start_moment(self):
        for series in self.filtered(lambda series: series.start_kind == "date"):
            if series.start_side != "on" and not 1 <= series.start_days <= DAYS_MAX:
                raise ValidationError(self.env._("Enter a number of days from 1 to %s.", DAYS_MAX))
            if not 0 <= series.start_hour < 24 - 1 / 120:
                raise ValidationError(self.env._("Enter a time between 0:00 and 23:59."))

    def _get_occasion(self):
        """Return when the series starts, as `clock.occasions.Occasion`."""
        sign = {"on": 0, "before": -1, "after": 1}[self.start_side]
        return Occasion(
            offset=sign * self.start_days,
            minute=round(self.start_hour * 60),
            tz=self.tz,
            yearly=self.start_yearly,
        )

    def _let_dated_enter(self, path, at):
        """Let the people enter whose day has come since the last look.

        They stand at the moment of their day, so that people whose mail is too late are called off
        at its step.

        :param clock.steps.Path path: of the series
        :param datetime at: now (naive UTC)
        """
        if self.start_kind != "date" or not self.next_start_at or self.next_start_at > at:
            return
        occasion = self._get_occasion()
        since = max(self.started_until, at - CATCH_UP)
        for day in occasion.iterate(since, at):
            rows = self._select_start_rows(self._get_owner_env(), self.start_date_path)
            local = self.start_table_id._get_local_date(self.start_date_path, self.tz)
            found = engine.select_dated(rows, self.start_model_name, local, day, self.start_yearly)
            self._let_found_enter(path, found, each=True)
        self.write({"started_until": at, "next_start_at": occasion.next_moment(at)})
        self.env.flush_all()
