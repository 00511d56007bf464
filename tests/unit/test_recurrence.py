"""Recurring moments, compared with a calendar that is walked through minute by minute."""

import calendar
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from email_marketing_dm.clock.recurrence import Rhythm

ZONES = (
    "UTC",
    "Asia/Shanghai",
    "Asia/Kathmandu",
    "America/New_York",
    "America/St_Johns",
    "Europe/Berlin",
    "Africa/Cairo",  # clocks change at midnight
    "Asia/Beirut",
    "Pacific/Chatham",
    "Pacific/Apia",  # had no 30 December 2011
    "Australia/Lord_Howe",  # clocks change by half an hour
    "Antarctica/Troll",  # and by two hours
)
MINUTE = timedelta(minutes=1)


def simulate(rhythm, after, to):
    """Return the moments later than ``after`` up to ``to``, from a walk over every minute.

    A local time counts at its first minute. One that no minute shows counts at the minute that is
    as much later than the last one before the gap as the time is.
    """
    zone = ZoneInfo(rhythm.tz)
    moment = (after - timedelta(days=3)).replace(second=0, microsecond=0)
    found, seen, before = set(), set(), None
    while moment <= to:
        shown = moment.replace(tzinfo=timezone.utc).astimezone(zone).replace(tzinfo=None)
        if before is not None:
            missing = before + MINUTE
            late = moment
            while missing < shown:  # the clocks were put forward
                if is_wanted(rhythm, missing):
                    found.add(late)
                missing, late = missing + MINUTE, late + MINUTE
        if shown not in seen and is_wanted(rhythm, shown):
            found.add(moment)
        seen.add(shown)
        before, moment = shown, moment + MINUTE
    return sorted(one for one in found if after < one <= to)


def is_wanted(rhythm, local):
    """Tell whether a local minute is one of the rhythm's."""
    if rhythm.until and local.date() > rhythm.until:
        return False
    if rhythm.unit == "hour":
        return local.minute == rhythm.minute % 60
    if local.hour * 60 + local.minute != rhythm.minute:
        return False
    if rhythm.unit == "week":
        return local.weekday() in rhythm.weekdays
    if rhythm.unit == "month":
        return local.day == min(rhythm.day, calendar.monthrange(local.year, local.month)[1])
    return True


#: around changes of the clock, the end of February in leap years and others, and the missing day
STARTS = (
    datetime(2011, 12, 27),
    datetime(2023, 2, 26),
    datetime(2024, 2, 26),
    datetime(2024, 3, 8),
    datetime(2024, 3, 29),
    datetime(2024, 4, 5),
    datetime(2024, 4, 24),
    datetime(2024, 9, 27),
    datetime(2024, 10, 4),
    datetime(2024, 10, 25),
    datetime(2024, 11, 1),
    datetime(2024, 12, 29),
)


@st.composite
def rhythms(draw):
    unit = draw(st.sampled_from(["hour", "day", "week", "month"]))
    until = draw(st.none() | st.sampled_from(STARTS).map(datetime.date))
    return Rhythm(
        unit=unit,
        # Half of the times are in the night, when clocks change.
        minute=draw(st.integers(0, 4 * 60) | st.integers(0, 24 * 60 - 1)),
        tz=draw(st.sampled_from(ZONES)),
        weekdays=draw(st.frozensets(st.integers(0, 6), min_size=1)),
        day=draw(st.integers(1, 31)),
        until=until and until + timedelta(days=draw(st.integers(0, 5))),
    )


starts = st.builds(
    lambda start, minutes: start + minutes * MINUTE,
    st.sampled_from(STARTS),
    st.integers(0, 3 * 24 * 60),
)
SKIPPED = Rhythm("day", 150, "Europe/Berlin")


@given(rhythms(), starts)
@example(SKIPPED, datetime(2024, 3, 30))
@example(Rhythm("hour", 15, "Europe/Berlin"), datetime(2024, 10, 26, 12))
@example(Rhythm("hour", 45, "Australia/Lord_Howe"), datetime(2024, 10, 5))
@example(Rhythm("day", 600, "Pacific/Apia"), datetime(2011, 12, 29))
@example(Rhythm("month", 600, "Europe/Berlin", day=31), datetime(2024, 2, 26))
def test_as_on_a_calendar(rhythm, after):
    to = after + timedelta(days=6)
    wanted = simulate(rhythm, after, to)
    moments = rhythm.next_moments(after, len(wanted) + 1)
    assert [moment for moment in moments if moment <= to] == wanted
    assert rhythm.next_moment(after) == (moments[0] if moments else None)
    assert rhythm.last_moment(after, to) == (wanted[-1] if wanted else None)


@given(rhythms(), starts, st.integers(1, 5000))
def test_the_last_moment_after_a_long_time(rhythm, to, days):
    """It is the one before the next: nothing comes between the two."""
    after = to - timedelta(days=days)
    last = rhythm.last_moment(after, to)
    if last is None:
        following = rhythm.next_moment(after)
        assert following is None or following > to
    else:
        assert after < last <= to
        following = rhythm.next_moment(last)
        assert following is None or following > to


@pytest.mark.parametrize("day", [29, 30, 31])
def test_short_months_have_their_last_day(day):
    rhythm = Rhythm("month", 9 * 60, "UTC", day=day)
    dates = [moment.date() for moment in rhythm.next_moments(datetime(2023, 12, 31, 12), 14)]
    lengths = [calendar.monthrange(2024 + n // 12, n % 12 + 1)[1] for n in range(14)]
    assert dates == [
        date(2024 + n // 12, n % 12 + 1, min(day, length)) for n, length in enumerate(lengths)
    ]
    assert date(2024, 2, 29) in dates
    assert date(2025, 2, 28) in dates


def test_summer_time_leaves_one_run_a_day():
    """2:30 does not exist on 31 March 2024, and comes twice on 27 October, in Berlin."""
    spring = SKIPPED.next_moments(datetime(2024, 3, 29, 12), 3)
    assert spring == [
        datetime(2024, 3, 30, 1, 30),
        datetime(2024, 3, 31, 1, 30),  # 3:30 in summer time
        datetime(2024, 4, 1, 0, 30),
    ]
    autumn = SKIPPED.next_moments(datetime(2024, 10, 26, 12), 2)
    assert autumn == [datetime(2024, 10, 27, 0, 30), datetime(2024, 10, 28, 1, 30)]


def test_a_week_without_weekdays_is_an_error():
    with pytest.raises(ValueError, match="weekday"):
        Rhythm("week", 0, "UTC").next_moment(datetime(2024, 1, 1))


def test_nothing_comes_after_the_end():
    rhythm = Rhythm("day", 23 * 60, "America/New_York", until=date(2024, 5, 1))
    last = datetime(2024, 5, 2, 3)
    assert rhythm.next_moments(datetime(2024, 4, 30, 12), 9) == [datetime(2024, 5, 1, 3), last]
    assert rhythm.next_moment(last) is None
    assert rhythm.last_moment(datetime(2020, 1, 1), datetime(2030, 1, 1)) == last
    assert rhythm.last_moment(last, datetime(2030, 1, 1)) is None
