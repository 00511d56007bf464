"""Times of day on real calendars, clock changes included."""

import zoneinfo
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_marketing_dm.clock.daily import day_start, get_offsets, get_zone, local_day, next_daily

ZONES = (
    "UTC",
    "Asia/Singapore",
    "Asia/Kathmandu",
    "America/New_York",
    "America/St_Johns",
    "Europe/Berlin",
    "Africa/Cairo",  # clocks change at midnight
    "Asia/Beirut",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Australia/Lord_Howe",  # by half an hour
)
moments = st.datetimes(datetime(2023, 1, 1), datetime(2029, 1, 1), timezones=st.none()).map(
    lambda moment: moment.replace(microsecond=0)
)
zones = st.sampled_from(ZONES)
hours = st.integers(0, 24 * 60 - 1).map(lambda minutes: minutes / 60)


def shown(moment, tz):
    """What the clock shows at a moment."""
    return moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(tz))


@given(moments, zones)
def test_a_day_begins_where_the_one_before_ends(moment, tz):
    day = local_day(moment, tz)
    assert day_start(day, tz) <= moment < day_start(day + timedelta(days=1), tz)
    assert local_day(day_start(day, tz), tz) == day
    assert local_day(day_start(day, tz) - timedelta(seconds=1), tz) == day - timedelta(days=1)


@given(moments, hours, zones)
def test_once_on_every_day(after, hour, tz):
    """Ten runs are on ten days, each at the hour, also across changes of the clock."""
    days = []
    for _ in range(10):
        following = next_daily(after, hour, tz)
        assert after < following <= after + timedelta(hours=49)
        clock = shown(following, tz)
        wanted = datetime.combine(clock.date(), datetime.min.time()) + timedelta(
            minutes=round(hour * 60)
        )
        # Where the clock leaves the time out, it shows a later one: by as much as it jumped.
        assert wanted <= clock.replace(tzinfo=None) <= wanted + timedelta(hours=1)
        days.append(clock.date())
        after = following
    assert days == [days[0] + timedelta(days=number) for number in range(10)]


@pytest.mark.parametrize(
    ("after", "hour", "tz", "expected"),
    [
        # spring: 02:30 does not exist on 8 March 2026 in New York; the clock shows 03:30
        ("2026-03-08 05:00", 2.5, "America/New_York", "2026-03-08 07:30"),
        ("2026-03-08 07:30", 2.5, "America/New_York", "2026-03-09 06:30"),
        # autumn: 01:30 comes twice on 1 November 2026; the first one counts, and only that
        ("2026-11-01 04:00", 1.5, "America/New_York", "2026-11-01 05:30"),
        ("2026-11-01 05:30", 1.5, "America/New_York", "2026-11-02 06:30"),
        ("2026-11-24 14:00", 3.0, "Asia/Singapore", "2026-11-24 19:00"),
        ("2026-11-24 19:00", 3.0, "Asia/Singapore", "2026-11-25 19:00"),
    ],
)
def test_clock_changes(after, hour, tz, expected):
    found = next_daily(datetime.fromisoformat(after), hour, tz)
    assert found == datetime.fromisoformat(expected)


def test_a_midnight_that_is_left_out():
    # Cairo, 24 April 2026: from 00:00 to 01:00
    assert day_start(date(2026, 4, 24), "Africa/Cairo") == datetime(2026, 4, 23, 22)


def test_zones_that_a_system_leaves_out():
    """Some systems have no "US/Eastern"; Odoo offers it."""
    paths = zoneinfo.TZPATH
    summer = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
    try:
        zoneinfo.reset_tzpath(to=())
        ZoneInfo.clear_cache()
        get_zone.cache_clear()
        assert summer.astimezone(get_zone("US/Eastern")).hour == 8
        assert summer.astimezone(get_zone("CET")).hour == 14
    finally:
        zoneinfo.reset_tzpath(to=paths)
        get_zone.cache_clear()


def test_zones_that_nobody_knows():
    for name in ("", None, False, "Nowhere/Land", "../etc/passwd", "/etc/passwd", "UTC\0"):
        assert get_zone(name).key == "UTC"


def test_offsets_of_a_zone():
    moments, offsets = get_offsets("Europe/Berlin", 2026)
    assert moments[-2:] == [datetime(2026, 3, 29, 1), datetime(2026, 10, 25, 1)]
    assert offsets[-3:] == [timedelta(hours=1), timedelta(hours=2), timedelta(hours=1)]
    assert get_offsets("UTC", 2026) == ([], [timedelta(0)])
