from datetime import datetime, timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import formatLang

from ...clock.daily import local_day
from ...engine import series_held as engine
from ...engine.fatigue_rules import read_rules
from ...engine.series import count_waiting
from ..people_context import PEOPLE_CONTEXT
from .directmail_series_run import BATCH
from .directmail_series_step import STARTED


class DirectmailSeries(models.Model):
    """At which hours a series mails people, and how many in a day."""

    _inherit = "directmail.series"
    _guarded_fields = frozenset(("held_from_id", "planned_count", "planned_day"))

    hours_on = fields.Boolean(
        "Only at certain hours",
        help="Mails that are due at other times of day wait for these hours, in the time zone of"
        " the recipient's country if it has only one, otherwise in that of the account.",
    )
    hour_from = fields.Float("Between", default=8.0)
    hour_to = fields.Float("And", default=20.0)
    daily_limit = fields.Integer(
        "Mails per day",
        help="The most mails that the series sends in a day of its time zone; 0 for no limit."
        " People over the limit wait for the next day, those first who have waited longest. Who"
        " waits longer than “Too late after” of the step does not get the mail.",
    )
    # How many mails were planned on the last day on which some were; with a limit, those included
    # that waited then since earlier days.
    planned_day = fields.Date(readonly=True, copy=False)
    planned_count = fields.Integer(readonly=True, copy=False)
    # After a change of the hours: mails with this id or a higher one may still be held by the
    # former hours; 0 if none is.
    held_from_id = fields.Integer(readonly=True, copy=False, groups=fields.NO_ACCESS)

    @api.constrains("daily_limit", "hour_from", "hour_to", "hours_on")
    def _check_pace(self):
        for series in self:
            if series.daily_limit < 0:
                raise ValidationError(self.env._("The limit of mails per day can't be negative."))
            hours = (series.hour_from, series.hour_to)
            if not all(0 <= hour < 24 - 1 / 120 for hour in hours):
                raise ValidationError(self.env._("Enter a time between 0:00 and 23:59."))
            if series.hours_on and round(hours[0] * 60) == round(hours[1] * 60):
                raise ValidationError(self.env._("Start and end must differ."))

    def _get_hours(self):
        """Return [first, last] minute of the day between which people are mailed, or None."""
        if not self.hours_on:
            return None
        return [round(self.hour_from * 60), round(self.hour_to * 60)]

    def _find_hours_problem(self):
        """Return why no mail could ever be sent at the hours of the series, or None."""
        if not self.hours_on or self._has_free_minute():
            return None
        return self.env._(
            "The hours of the series lie in the do-not-disturb hours of fatigue control, so no mail"
            " would ever be sent. Choose other hours."
        )

    def _has_free_minute(self):
        """Return whether the hours of the series leave a minute outside of do-not-disturb hours."""
        self.env.flush_all()
        rules, _at = read_rules(self.env, PEOPLE_CONTEXT, self.company_id.id)
        first, last = self._get_hours()
        midnight = datetime(2000, 1, 1)
        return any(
            not any(
                hours.covers(midnight + timedelta(minutes=minute % 1440))
                for hours in rules.quiet.hours
            )
            for minute in range(first, last if last > first else last + 1440)
        )

    def _get_room(self, at):
        """Return how many mails may still be planned today, None without a limit.

        :param datetime at: now (naive UTC)
        """
        if not self.daily_limit:
            return None
        today = local_day(at, self.tz)
        if self.planned_day != today:
            # Mails that were held since another day are sent today, too.
            self.write({"planned_day": today, "planned_count": count_waiting(self.env, self.id)})
        return max(0, self.daily_limit - self.planned_count)

    def _count_planned(self, number, at):
        """Count mails that were planned; the caller has locked the series."""
        today = local_day(at, self.tz)
        before = self.planned_count if self.planned_day == today else 0
        self.write({"planned_day": today, "planned_count": before + number})

    # === CHANGES === #

    def _on_hours_changed(self, before):
        """Let mails be judged again that are held by former hours.

        The cron does it, because there may be many. A paused series does it when it goes on.

        :param dict before: {series: its hours before the change, as of `_get_hours`}
        """
        for series in self.filtered(lambda series: series.state in STARTED):
            if series._get_hours() != before[series]:
                # sudo(): writing the hours was checked; the field is guarded.
                series.sudo().held_from_id = 1
                self._wake()

    def _free_held(self, at):
        """Free a batch of the mails that former hours hold; claims hold them by the present ones.

        The caller has locked the gate and the series.

        :param datetime at: now (naive UTC)
        :return: whether there may be more
        """
        if not self.held_from_id:
            return False
        last = engine.free_held(self.env, self.id, self.held_from_id, BATCH, at)
        self.held_from_id = last + 1 if last else 0
        self.env.flush_all()
        self.account_id._trigger_sending()
        return bool(last)

    def _describe_pace_change(self):
        """Return what unsaved changes of hours and daily limit mean for people, as texts."""
        self.ensure_one()
        origin, lines = self._origin, []
        if self._get_hours() != origin._get_hours():
            held = engine.count_held(self.env, origin.id, fields.Datetime.now())
            lines.append(
                self.env._(
                    "Hours: mails that wait for the present hours (%(count)s) follow the new ones."
                    " Mails that may be sent now are sent at once.",
                    count=formatLang(self.env, held, digits=0),
                )
            )
        if self.daily_limit != origin.daily_limit:
            lines.append(self._describe_limit())
        return lines

    def _describe_limit(self):
        """Return what another `daily_limit` means, as a text."""
        limit, present = self.daily_limit, self._origin.daily_limit
        if present and (not limit or limit > present):
            at = fields.Datetime.now()
            return self.env._(
                "Mails per day: people who wait for the next day (%(count)s) are mailed today as"
                " far as the new limit allows.",
                count=formatLang(
                    self.env, engine.count_due(self.env, self._origin.id, at), digits=0
                ),
            )
        return self.env._(
            "Mails per day: the new limit counts from now on. Mails that were planned before are"
            " still sent, even if they are more than the new limit."
        )
