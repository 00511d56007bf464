"""Quiet times against a plain look at the clock, minute by minute."""

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from email_marketing_dm.clock.quiet import (
    Hours,
    Period,
    QuietClock,
    QuietTimes,
    Rest,
    country_zones,
)

# Around changes of the clock, and far from any. Lord Howe's clocks move by half an hour, Apia
# skipped a whole day, Morocco turns back for Ramadan.
MOMENTS = {
    "Europe/Berlin": ["2026-03-29 01:00", "2026-10-25 01:00", "2026-07-01 12:00"],
    "America/New_York": ["2026-03-08 07:00", "2026-11-01 06:00"],
    "Australia/Lord_Howe": ["2026-04-04 15:00", "2026-10-03 15:30"],
    "Africa/Casablanca": ["2026-02-15 02:00", "2026-03-22 02:00"],
    "Pacific/Apia": ["2011-12-30 10:00"],
    "America/Havana": ["2026-03-08 05:00", "2026-11-01 05:00"],
    "Asia/Singapore": ["2026-12-31 20:00"],
}
MINUTE = timedelta(minutes=1)


@st.composite
def cases(draw):
    zone = draw(st.sampled_from(sorted(MOMENTS)))
    moment = datetime.fromisoformat(draw(st.sampled_from(MOMENTS[zone])))
    at = moment + timedelta(minutes=draw(st.integers(-2000, 2000)))
    local = at.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone)).date()
    minutes = st.integers(0, 24 * 12 - 1).map(lambda number: number * 5)
    hours = draw(
        st.lists(
            st.builds(Hours, minutes, minutes, st.booleans()).filter(lambda h: h.begin != h.end),
            max_size=3,
        )
    )
    quiet = {
        minute % 1440
        for h in hours
        for minute in range(h.begin, h.end if h.begin < h.end else h.end + 1440)
    }
    assume(len(quiet) < 1440)  # the model refuses hours that leave no time
    days = st.integers(-2, 3).map(lambda number: local + timedelta(number))
    periods = draw(
        st.lists(
            st.builds(
                lambda first, length, drop: Period(first, first + timedelta(length), drop),
                days,
                st.integers(0, 2),
                st.booleans(),
            ),
            max_size=2,
        )
    )
    return zone, at, QuietTimes(tuple(hours), tuple(periods))


def plainly(zone, at, times):
    """Return (drops, until) by looking at the clock every minute; None if mails may go out."""

    def look(moment, drop):
        local = moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone))
        clock = local.hour * 60 + local.minute
        for hours in times.hours:
            inside = (
                hours.begin <= clock < hours.end
                if hours.begin < hours.end
                else not hours.end <= clock < hours.begin
            )
            if hours.drop == drop and inside:
                return True
        return any(p.drop == drop and p.first <= local.date() <= p.last for p in times.periods)

    if look(at, drop=True):
        return True, None
    if not look(at, drop=False):
        return None
    moment = at
    while look(moment, drop=False):
        moment += MINUTE
    return (True, None) if look(moment, drop=True) else (False, moment)


@settings(max_examples=300, derandomize=True)
@given(cases())
def test_as_the_clock_shows_it(case):
    zone, at, times = case
    expected, found = plainly(zone, at, times), QuietClock(times).rest(zone, at)
    assert (found and (found.drop, found.until)) == expected


@settings(max_examples=100, derandomize=True)
@given(cases(), st.lists(st.integers(0, 4000), min_size=1, max_size=8))
def test_remembers_only_what_still_holds(case, steps):
    """A cached answer equals a fresh one."""
    zone, at, times = case
    clock = QuietClock(times)
    for step in steps:
        moment = at + step * MINUTE
        assert clock.rest(zone, moment) == QuietClock(times).rest(zone, moment)


def test_hours_over_midnight():
    clock = QuietClock(QuietTimes((Hours(22 * 60, 8 * 60),)))
    assert clock.rest("UTC", datetime(2026, 1, 1, 21, 59)) is None
    assert clock.rest("UTC", datetime(2026, 1, 1, 22)) == Rest("hours", datetime(2026, 1, 2, 8))
    assert clock.rest("UTC", datetime(2026, 1, 2, 7, 59)).until == datetime(2026, 1, 2, 8)
    assert clock.rest("UTC", datetime(2026, 1, 2, 8)) is None


def test_a_window_ends_when_the_clock_jumps_over_its_end():
    clock = QuietClock(QuietTimes((Hours(90, 150),)))  # 01:30 to 02:30
    rest = clock.rest("Europe/Berlin", datetime(2026, 3, 29, 0, 45))
    assert rest.until == datetime(2026, 3, 29, 1)


def test_holiday_that_ends_at_night_holds_until_morning():
    times = QuietTimes((Hours(22 * 60, 8 * 60),), (Period(date(2026, 12, 24), date(2026, 12, 26)),))
    rest = QuietClock(times).rest("UTC", datetime(2026, 12, 24, 12))
    assert rest == Rest("period", datetime(2026, 12, 27, 8))


def test_let_go_into_a_time_of_dropping_is_dropped():
    times = QuietTimes((Hours(60, 120), Hours(120, 180, drop=True)))
    assert QuietClock(times).rest("UTC", datetime(2026, 1, 1, 1, 30)).drop


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd"])
def test_unknown_zone_counts_as_utc(zone):
    clock = QuietClock(QuietTimes((Hours(60, 120),)))
    assert clock.rest(zone, datetime(2026, 1, 1, 1, 30)).until == datetime(2026, 1, 1, 2)


def test_countries_with_one_clock():
    zones = country_zones(2026)
    assert zones["SG"] == "Asia/Singapore"
    assert zones["DE"] == "Europe/Berlin", "two names, one clock"
    assert not {"US", "AU", "BR", "ES", "CN"} & set(zones)
