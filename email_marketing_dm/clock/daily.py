# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Days and times of day in a time zone, clock changes included. Moments are naive, in UTC.

The only module that reads the zone database: SQL gets its offsets from here too (`engine.clock`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytz

#: a zone of an Odoo record, False when empty
ZoneName = str | Literal[False] | None

UTC = timezone.utc
DAY = timedelta(days=1)
#: first year of `get_offsets`; earlier moments get the offset of its beginning
FIRST_YEAR = 1970
# {zone name that PostgreSQL reads as an abbreviation with a fixed offset: zone with the same clock,
# summer time included (IANA's file "backward")}
_SAME_ZONE = {
    "CET": "Europe/Brussels",
    "EET": "Europe/Athens",
    "MET": "Europe/Brussels",
    "WET": "Europe/Lisbon",
}


@lru_cache(maxsize=1024)
def get_zone(name: ZoneName) -> ZoneInfo:
    """Return the ZoneInfo of any name that Odoo offers; UTC for an empty or unknown one.

    The system's database may lack old names such as "US/Eastern"; these are read from pytz, which
    Odoo's list of zones comes from.

    :param name: as in `pytz.all_timezones`
    """
    if not name or name not in pytz.all_timezones_set:
        return ZoneInfo("UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        # types-pytz lacks this function of pytz's documented API.
        with pytz.open_resource(name) as file:  # type: ignore[attr-defined]
            return ZoneInfo.from_file(file, key=name)


def get_region_name(name: ZoneName) -> ZoneName:
    """Return a name of the same zone that PostgreSQL does not take for an abbreviation.

    Odoo's own SQL hands the context's ``tz`` to PostgreSQL, where "CET" is winter time all year.
    An empty name stays empty.
    """
    return _SAME_ZONE.get(name, name) if name else name


def clock_changes(zone: tzinfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the moments (aware) from start to end at which a zone's clocks are set, to the second.

    :param start, end: aware
    """
    day, before = start, start.astimezone(zone).utcoffset()
    while day < end:
        following = min(day + DAY, end)
        after = following.astimezone(zone).utcoffset()
        if after != before:
            yield _find_change(zone, day.replace(microsecond=0), following - day, before)
        day, before = following, after


def _find_change(
    zone: tzinfo, first: datetime, length: timedelta, before: timedelta | None
) -> datetime:
    """Return the first second from ``first`` on whose offset differs from ``before``.

    :param first: a whole second, aware
    :param length: time in which there is exactly one change
    """

    def is_changed(seconds: int) -> bool:
        return (first + timedelta(seconds=seconds)).astimezone(zone).utcoffset() != before

    seconds = range(int(length.total_seconds()) + 1)
    return first + timedelta(seconds=bisect_left(seconds, True, key=is_changed))


@lru_cache(maxsize=256)
def get_offsets(tz: ZoneName, last_year: int) -> tuple[list[datetime], list[timedelta]]:
    """Return the offsets of a zone from `FIRST_YEAR` to the end of a year.

    :return: (moments of the clock changes, naive UTC, ascending; offsets from UTC, one more than
        moments: the first is that before the first change)
    """
    zone = get_zone(tz)
    start = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    moments = list(clock_changes(zone, start, datetime(last_year + 1, 1, 1, tzinfo=UTC)))
    offsets = [moment.astimezone(zone).utcoffset() for moment in (start, *moments)]
    # utcoffset() is None for naive moments only.
    return [moment.replace(tzinfo=None) for moment in moments], cast("list[timedelta]", offsets)


def local_time(moment: datetime, tz: ZoneName) -> datetime:
    """Return the local time of ``tz`` at a moment, as a naive datetime."""
    return moment.replace(tzinfo=UTC).astimezone(get_zone(tz)).replace(tzinfo=None)


def local_day(moment: datetime, tz: ZoneName) -> date:
    """Return the date on the calendar of ``tz`` at a moment."""
    return local_time(moment, tz).date()


def day_start(day: date, tz: ZoneName) -> datetime:
    """Return the moment at which a day begins in ``tz``, also if a clock change skips midnight."""
    return get_moment(day, time(), tz)


def next_daily(after: datetime, hour: float, tz: ZoneName) -> datetime:
    """Return the first moment later than ``after`` at which the clock in ``tz`` shows ``hour``.

    Every day has exactly one such moment: a time that a clock change skips is moved forward by the
    change, and of a time that comes twice the first counts.

    :param hour: hours since midnight, 3.5 for half past three
    """
    hours, minutes = divmod(round(hour * 60), 60)
    day = local_day(after, tz)
    moment = get_moment(day, time(hours, minutes), tz)
    while moment <= after:
        day += timedelta(days=1)
        moment = get_moment(day, time(hours, minutes), tz)
    return moment


def get_moment(day: date, clock: time, tz: ZoneName) -> datetime:
    """Return the moment (naive UTC) at which ``tz`` shows a date and time."""
    # fold is 0: of a time that comes twice the first; a skipped one is moved forward by the change.
    local = datetime.combine(day, clock, get_zone(tz))
    return local.astimezone(UTC).replace(tzinfo=None)
