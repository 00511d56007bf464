"""Times without mails: do-not-disturb hours and quiet periods, in the recipient's local time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple

import pytz

from .daily import DAY, UTC, ZoneName, clock_changes, get_zone

Rule = Literal["hours", "period"]
_State = tuple[Rule | None, Rule | None]  # rule that drops, rule that holds

# How far ahead `_next_change` looks; without a change its answer holds for this long.
HORIZON = 3 * DAY
# How many changes in a row are followed to the end of a rest. More of them occur only if the hours
# leave no free minute, which the model refuses.
STEPS_MAX = 2000


@dataclass(frozen=True)
class Hours:
    """A part of every day, in minutes since local midnight, the end excluded.

    If ``end`` is not after ``begin``, the hours span midnight.

    :ivar drop: whether mails are dropped; otherwise they wait for the end
    """

    begin: int
    end: int
    drop: bool = False

    def covers(self, local: datetime) -> bool:
        minute = local.hour * 60 + local.minute
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


@dataclass(frozen=True)
class Period:
    """Whole local days, the last one included; ``drop`` as for `Hours`."""

    first: date
    last: date
    drop: bool = False

    def covers(self, local: datetime) -> bool:
        return self.first <= local.date() <= self.last


@dataclass(frozen=True)
class QuietTimes:
    """The quiet times of one company."""

    hours: tuple[Hours, ...] = ()
    periods: tuple[Period, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.hours or self.periods)


class Rest(NamedTuple):
    """Why no mail may be sent at a moment.

    :ivar until: the first moment at which mails may be sent again (naive UTC); None if they are
        dropped
    """

    rule: Rule
    until: datetime | None

    @property
    def drop(self) -> bool:
        return self.until is None


class QuietClock:
    """Returns the `Rest` of any zone, cached until the answer changes."""

    def __init__(self, times: QuietTimes) -> None:
        self.times = times
        # {zone: (valid from, valid until, answer)}, naive UTC
        self._known: dict[ZoneName, tuple[datetime, datetime, Rest | None]] = {}

    def rest(self, zone: ZoneName, at: datetime) -> Rest | None:
        """Return why no mail may be sent to a zone at a moment, None if mails may be sent.

        :param zone: name of a time zone; an unknown one counts as UTC
        :param at: naive UTC
        """
        since, before, found = self._known.get(zone) or (at, at, None)
        if not since <= at < before:
            found, before = self._work_out(get_zone(zone), at.replace(tzinfo=UTC))
            self._known[zone] = (at, before.replace(tzinfo=None), found)
        return found

    def _work_out(self, zone: tzinfo, at: datetime) -> tuple[Rest | None, datetime]:
        """Return (Rest or None, aware moment until which this answer holds)."""
        dropping, holding = self._state(zone, at)
        before = self._next_change(zone, at)
        if dropping:
            return Rest(dropping, None), before
        if not holding:
            return None, before
        end = at
        after: _State = (None, holding)
        for _step in range(STEPS_MAX):
            end = self._next_change(zone, end)
            after = self._state(zone, end)
            if not after[1]:
                break
        # Mails whose rest ends in a time that drops mails are dropped now.
        return Rest(after[0] or holding, None if after[0] else end.replace(tzinfo=None)), before

    def _state(self, zone: tzinfo, at: datetime) -> _State:
        """Return which rules drop and hold mails at a moment; a period counts before hours."""
        local = at.astimezone(zone)
        found: dict[bool, Rule | None] = {True: None, False: None}
        for hours in self.times.hours:
            if hours.covers(local):
                found[hours.drop] = "hours"
        for period in self.times.periods:
            if period.covers(local):
                found[period.drop] = "period"
        return found[True], found[False]

    def _next_change(self, zone: tzinfo, at: datetime) -> datetime:
        """Return the first moment after ``at`` whose state differs.

        Without a change up to the horizon it is the horizon, from which the caller can go on.
        """
        now, start = self._state(zone, at), at
        local = at.astimezone(zone)
        periods = [period for period in self.times.periods if period.covers(local)]
        dropping = any(hours.drop for hours in self.times.hours)
        dropping = dropping or any(period.drop for period in self.times.periods)
        if periods and not dropping:
            # Without a dropping rule the state stays (None, "period") until the last day.
            last = max(period.last for period in periods)
            start = max(at, datetime.combine(last, time(), zone).astimezone(UTC) - DAY)
        for moment in self._boundaries(zone, start):
            if moment > at and self._state(zone, moment) != now:
                return moment
        return start + HORIZON

    def _boundaries(self, zone: tzinfo, start: datetime) -> list[datetime]:
        """Return the moments up to the horizon at which the state may change, in order."""
        first = start.astimezone(zone).date()
        marks = {minute for hours in self.times.hours for minute in (hours.begin, hours.end)}
        moments = set(clock_changes(zone, start, start + HORIZON))
        for number in range(HORIZON.days + 1):
            midnight = datetime.combine(first + number * DAY, time(), zone)
            for minute in {0, *marks}:
                wall = midnight.replace(hour=minute // 60, minute=minute % 60)
                # A time that comes twice is two moments.
                moments.update(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        return sorted(moment for moment in moments if moment >= start)


@lru_cache(maxsize=64)
def quiet_clock(times: QuietTimes) -> QuietClock:
    """Return this process's clock for the quiet times: callers share its cache."""
    return QuietClock(times)


@lru_cache(maxsize=4)
def country_zones(year: int) -> dict[str, str]:
    """Return the zone of every country in which all clocks show the same time.

    A country with several zones of the same time, such as Germany, gets the first of them.

    :param year: the zones must agree in this year and in the next
    :return: {ISO code: zone name}
    """
    days = [datetime(year, 1, 1, 12, tzinfo=UTC) + timedelta(weeks=week) for week in range(104)]
    found = {}
    for code, names in pytz.country_timezones.items():
        offsets = {
            tuple(day.astimezone(get_zone(name)).utcoffset() for day in days) for name in names
        }
        if len(offsets) == 1:
            found[code] = names[0]
    return found
