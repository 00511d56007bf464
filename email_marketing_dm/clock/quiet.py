"""When mails must rest: do-not-disturb hours and quiet periods, by the clock on the wall."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

import pytz

from .daily import DAY, UTC, clock_changes, get_zone

# A clock is set twice a year at most, so a verdict is looked up again after a day anyway.
HORIZON = 3 * DAY
# How many changes in a row are followed to find the end of a rest. More only where hours leave no
# free minute; the model refuses those.
STEPS_MAX = 2000


@dataclass(frozen=True)
class Hours:
    """A part of every day, in minutes since midnight; one that ends before it begins spans it."""

    begin: int
    end: int
    drop: bool = False

    def covers(self, local):
        minute = local.hour * 60 + local.minute
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


@dataclass(frozen=True)
class Period:
    """Whole days, the last one included."""

    first: date
    last: date
    drop: bool = False

    def covers(self, local):
        return self.first <= local.date() <= self.last


@dataclass(frozen=True)
class QuietTimes:
    hours: tuple = ()
    periods: tuple = ()

    def __bool__(self):
        return bool(self.hours or self.periods)


class Rest(NamedTuple):
    """Why no mail may go out at a moment.

    :ivar rule: 'hours' or 'period'
    :ivar until: the first moment at which mails may go out again (naive UTC); None where they are
        dropped
    """

    rule: str
    until: datetime | None

    @property
    def drop(self):
        return self.until is None


class QuietClock:
    """Answers for any zone whether mails rest, and remembers each answer for as long as it holds.

    :param QuietTimes times: of one company
    """

    def __init__(self, times):
        self.times = times
        self._known = {}

    def rest(self, zone, at):
        """Return why nobody in a zone may be mailed at a moment.

        :param str zone: name of a time zone; one that nobody knows counts as UTC
        :param datetime at: naive UTC
        :rtype: Rest | None
        """
        since, before, found = self._known.get(zone) or (at, at, None)
        if not since <= at < before:
            found, before = self._work_out(get_zone(zone), at.replace(tzinfo=UTC))
            self._known[zone] = (at, before.replace(tzinfo=None), found)
        return found

    def _work_out(self, zone, at):
        """Return (Rest or None, until when this answer holds)."""
        dropping, holding = self._state(zone, at)
        before = self._next_change(zone, at)
        if dropping:
            return Rest(dropping, None), before
        if not holding:
            return None, before
        end, after = at, (None, holding)
        for _step in range(STEPS_MAX):
            end = self._next_change(zone, end)
            after = self._state(zone, end)
            if not after[1]:
                break
        # Whoever would be let go into a time of dropping is dropped.
        return Rest(after[0] or holding, None if after[0] else end.replace(tzinfo=None)), before

    def _state(self, zone, at):
        """Return (rule that drops, rule that holds) of those in force at a moment."""
        local = at.astimezone(zone)
        found = {True: None, False: None}
        for name, rules in (("hours", self.times.hours), ("period", self.times.periods)):
            for rule in rules:
                if rule.covers(local):
                    found[rule.drop] = name
        return found[True], found[False]

    def _next_change(self, zone, at):
        """Return the first moment after ``at`` whose state differs, or one within the horizon."""
        now, start = self._state(zone, at), at
        local = at.astimezone(zone)
        periods = [period for period in self.times.periods if period.covers(local)]
        if periods and not any(rule.drop for rule in self.times.hours + self.times.periods):
            # Nothing can change before the last day.
            last = max(period.last for period in periods)
            start = max(at, datetime.combine(last, time(), zone).astimezone(UTC) - DAY)
        for moment in self._boundaries(zone, start):
            if moment > at and self._state(zone, moment) != now:
                return moment
        return start + HORIZON

    def _boundaries(self, zone, start):
        """Return the moments up to the horizon at which anything may change, in order."""
        first = start.astimezone(zone).date()
        marks = {minute for hours in self.times.hours for minute in (hours.begin, hours.end)}
        moments = set(clock_changes(zone, start, start + HORIZON))
        for number in range(HORIZON.days + 1):
            midnight = datetime.combine(first + number * DAY, time(), zone)
            for minute in {0, *marks}:
                wall = midnight.replace(hour=minute // 60, minute=minute % 60)
                # An hour that the clock shows twice has two beginnings.
                moments.update(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        return sorted(moment for moment in moments if moment >= start)


@lru_cache(maxsize=64)
def quiet_clock(times):
    """Return this process's clock for the quiet times, so that what is known stays known."""
    return QuietClock(times)


@lru_cache(maxsize=4)
def country_zones(year):
    """Return the zone of every country in which all clocks show the same time.

    Several zones that differ in name only, such as Germany's, are one.

    :param int year: in which, and in the next, they have to agree
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
