# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Days and times of day in a time zone, clock changes included. Moments are naive, in UTC."""

from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo


def local_day(moment, tz):
    """Return the date on the calendar of ``tz`` at a moment."""
    return moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(tz)).date()


def day_start(day, tz):
    """Return the moment at which a day begins in ``tz``, also where its midnight is left out."""
    return _moment(day, time(), tz)


def next_daily(after, hour, tz):
    """Return the first moment later than ``after`` at which the clock in ``tz`` shows ``hour``.

    A time that the clock leaves out is an hour later on that day; one that comes twice counts
    once, so that every day has exactly one such moment.

    :param float hour: hours since midnight, 3.5 for half past three
    """
    hours, minutes = divmod(round(hour * 60), 60)
    day = local_day(after, tz)
    moment = _moment(day, time(hours, minutes), tz)
    while moment <= after:
        day += timedelta(days=1)
        moment = _moment(day, time(hours, minutes), tz)
    return moment


def _moment(day, clock, tz):
    # Of a time that comes twice, `fold` 0 is the first; one left out is shifted forwards by it.
    local = datetime.combine(day, clock, ZoneInfo(tz))
    return local.astimezone(timezone.utc).replace(tzinfo=None)
