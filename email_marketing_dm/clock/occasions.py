# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Days before or after the dates of people and records, at a local time. Moments are naive, in UTC.

Whose date it is, is asked of the database: `engine.series_starts` makes SQL of what is here.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from .daily import DAY, ZoneName, get_moment, local_day

#: A moment is at most so many days away from its local day: see `recurrence`.
_MARGIN = 2


class Day(NamedTuple):
    """A day whose dates have their moment.

    :ivar base: the date itself, or its anniversary
    :ivar moment: when it starts (naive UTC), the offset included
    """

    base: date
    moment: datetime


@dataclass(frozen=True)
class Occasion:
    """A date, or each of its anniversaries, some days before or after it, at a local time.

    A time that a clock change skips is moved forward by the change; of one that comes twice the
    first counts. The anniversary of 29 February is 28 February in other years.

    :param offset: days after the date; negative for days before it
    :param minute: minutes since midnight, local time
    :param tz: name of the zone, as Odoo offers them
    :param yearly: whether the date itself does not count, but each of its anniversaries
    """

    offset: int
    minute: int
    tz: ZoneName
    yearly: bool = False

    def iterate(self, after: datetime, to: datetime) -> Iterator[Day]:
        """Yield the days whose moment is later than ``after`` and not later than ``to``."""
        day, last = local_day(after, self.tz) - _MARGIN * DAY, local_day(to, self.tz)
        while day <= last + _MARGIN * DAY:
            moment = self._get_moment(day)
            if after < moment <= to:
                yield Day(day - timedelta(days=self.offset), moment)
            day += DAY

    def next_moment(self, after: datetime) -> datetime:
        """Return the first moment later than ``after``, whether or not it is anybody's."""
        day = local_day(after, self.tz) - _MARGIN * DAY
        while (moment := self._get_moment(day)) <= after:
            day += DAY
        return moment

    def _get_moment(self, day: date) -> datetime:
        return get_moment(day, time(*divmod(self.minute, 60)), self.tz)


def get_birthdays(base: date) -> list[int]:
    """Return the days of the year whose anniversary is on a date, as month * 100 + day."""
    days = [base.month * 100 + base.day]
    if days == [228] and not isleap(base.year):
        days.append(229)
    return days
