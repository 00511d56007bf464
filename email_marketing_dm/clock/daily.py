# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Days and times of day in a time zone, clock changes included. Moments are naive, in UTC.

The only place that reads time zones: SQL gets its offsets from here too (`engine.clock`).
"""

from bisect import bisect_left
from datetime import datetime, time, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytz

UTC = timezone.utc
DAY = timedelta(days=1)
#: before it the first known offset of a zone is taken
FIRST_YEAR = 1970
# Names that PostgreSQL reads as abbreviations with a fixed offset, and zones that show the same
# time, summer time included (IANA's file "backward").
_SAME_ZONE = {
    "CET": "Europe/Brussels",
    "EET": "Europe/Athens",
    "MET": "Europe/Brussels",
    "WET": "Europe/Lisbon",
}


@lru_cache(maxsize=1024)
def get_zone(name):
    """Return the ZoneInfo of any name that Odoo offers; UTC for an empty or unknown one.

    Systems may leave out old names such as "US/Eastern"; pytz, where Odoo's list comes from, has
    them.

    :param name: as in `pytz.all_timezones`
    :rtype: zoneinfo.ZoneInfo
    """
    if name not in pytz.all_timezones_set:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        with pytz.open_resource(name) as file:
            return ZoneInfo.from_file(file, key=name)


def get_region_name(name):
    """Return a name of the same zone that PostgreSQL does not take for an abbreviation.

    For Odoo's own SQL, which hands the context's ``tz`` to PostgreSQL: "CET" is winter time there,
    all year round.
    """
    return _SAME_ZONE.get(name, name)


def clock_changes(zone, start, end):
    """Yield the moments (aware) between two at which a zone's clocks are set, to the second.

    :param zone: a ZoneInfo
    :param start, end: aware
    """
    day, before = start, start.astimezone(zone).utcoffset()
    while day < end:
        following = min(day + DAY, end)
        after = following.astimezone(zone).utcoffset()
        if after != before:
            first = day.replace(microsecond=0)
            seconds = range(int((following - day).total_seconds()) + 1)
            yield first + timedelta(
                seconds=bisect_left(
                    seconds,
                    True,
                    key=lambda s, first=first, before=before: (
                        (first + timedelta(seconds=s)).astimezone(zone).utcoffset() != before
                    ),
                )
            )
        day, before = following, after


@lru_cache(maxsize=256)
def get_offsets(tz, last_year):
    """Return the offsets of a zone from `FIRST_YEAR` to the end of a year.

    :return: (moments at which the clocks were set, naive UTC, ascending; offsets from UTC, one
        more than moments)
    :rtype: tuple[list[datetime], list[timedelta]]
    """
    zone = get_zone(tz)
    start = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    moments = list(clock_changes(zone, start, datetime(last_year + 1, 1, 1, tzinfo=UTC)))
    offsets = [moment.astimezone(zone).utcoffset() for moment in (start, *moments)]
    return [moment.replace(tzinfo=None) for moment in moments], offsets


def local_time(moment, tz):
    """Return what clock and calendar of ``tz`` show at a moment, as a naive datetime."""
    return moment.replace(tzinfo=UTC).astimezone(get_zone(tz)).replace(tzinfo=None)


def local_day(moment, tz):
    """Return the date on the calendar of ``tz`` at a moment."""
    return local_time(moment, tz).date()


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
    local = datetime.combine(day, clock, get_zone(tz))
    return local.astimezone(UTC).replace(tzinfo=None)
