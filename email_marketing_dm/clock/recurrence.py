# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Moments that repeat every hour, day, week or month, by the clock of a time zone.

Every local time counts once. One that a clock change skips is moved forward by the change, and of
one that comes twice the first counts. Moments are naive, in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import Literal

from .daily import DAY, ZoneName, get_moment, local_day

Unit = Literal["hour", "day", "week", "month"]

#: A moment is at most so many days away from its date: a zone that leaves out a day, as Apia did in
#: 2011, moves the moments of that day forward by one.
_MARGIN = 2
#: No unit has a longer pause between two dates: the last days of two months are 31 days apart.
_LONGEST = (31 + 2 * _MARGIN + 1) * DAY


@dataclass(frozen=True)
class Rhythm:
    """When something repeats.

    :param unit: how often
    :param minute: minutes since midnight, local time; of the unit "hour", only those since the full
        hour count
    :param tz: name of the zone, as Odoo offers them
    :param weekdays: of the unit "week": 0 for Monday to 6 for Sunday; not empty
    :param day: of the unit "month": 1 to 31; in shorter months, the last day
    :param until: the last local day; None without an end
    """

    unit: Unit
    minute: int
    tz: ZoneName
    weekdays: frozenset[int] = frozenset()
    day: int = 1
    until: date | None = None

    def next_moment(self, after: datetime) -> datetime | None:
        """Return the first moment later than ``after``; None after the end."""
        return next(self.iterate(after), None)

    def next_moments(self, after: datetime, count: int) -> list[datetime]:
        """Return the first moments later than ``after``: ``count`` of them, fewer at the end."""
        return list(islice(self.iterate(after), count))

    def last_moment(self, after: datetime, to: datetime) -> datetime | None:
        """Return the last moment later than ``after`` and not later than ``to``; None without one.

        Reads a few weeks of the calendar, however long ago ``after`` is.
        """
        if self.until:
            to = min(to, datetime.combine(self.until, time()) + (_MARGIN + 1) * DAY)
        last = None
        for moment in self.iterate(max(after, to - _LONGEST)):
            if moment > to:
                break
            last = moment
        return last

    def iterate(self, after: datetime) -> Iterator[datetime]:
        """Yield the moments later than ``after``, in order, up to the end.

        :raise ValueError: for a weekly rhythm without a weekday
        """
        if self.unit == "week" and not self.weekdays:
            raise ValueError("A weekly rhythm needs a weekday.")
        last = after
        day = local_day(after, self.tz) - _MARGIN * DAY
        while day < date.max and not (self.until and day > self.until):
            for moment in self._moments(day) if self._is_date(day) else ():
                if moment > last:
                    yield moment
                    last = moment
            day += DAY

    def _is_date(self, day: date) -> bool:
        if self.unit == "week":
            return day.weekday() in self.weekdays
        if self.unit == "month":
            return day.day == self.day or (day.day < self.day and (day + DAY).day == 1)
        return True

    def _moments(self, day: date) -> list[datetime]:
        """Return the moments of a date, in order."""
        hour, minute = divmod(self.minute, 60)
        hours = range(24) if self.unit == "hour" else [hour]
        return sorted({get_moment(day, time(number, minute), self.tz) for number in hours})
