"""Days before and after dates, compared with a calendar that is walked through minute by minute."""

import calendar
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from email_marketing_dm.clock.occasions import Day, Occasion, get_birthdays

ZONES = (
    "UTC",
    "Asia/Shanghai",
    "America/St_Johns",
    "Europe/Berlin",
    "Africa/Cairo",  # clocks change at midnight
    "Pacific/Apia",  # had no 30 December 2011
    "Australia/Lord_Howe",  # clocks change by half an hour
)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def simulate(occasion, after, to):
    """Return the days whose moment is in a span, from a walk over every minute."""
    zone = ZoneInfo(occasion.tz)
    moment = (after - timedelta(days=3)).replace(second=0, microsecond=0)
    found, seen, before = [], set(), None
    while moment <= to:
        shown = moment.replace(tzinfo=timezone.utc).astimezone(zone).replace(tzinfo=None)
        # Local minutes that the clocks left out, each as late as it is after the last one shown.
        missing, late = before and before + MINUTE, moment
        while missing and missing < shown:
            note(occasion, missing, late, seen, found)
            missing, late = missing + MINUTE, late + MINUTE
        note(occasion, shown, moment, seen, found)
        before, moment = shown, moment + MINUTE
    return [day for day in found if after < day.moment <= to]


def note(occasion, local, moment, seen, found):
    """Note the first moment at which a local day shows the occasion's time."""
    if local.hour * 60 + local.minute == occasion.minute and local.date() not in seen:
        seen.add(local.date())
        found.append(Day(local.date() - occasion.offset * DAY, moment))


occasions = st.builds(
    Occasion,
    offset=st.integers(-366, 366),
    minute=st.integers(0, 24 * 60 - 1),
    tz=st.sampled_from(ZONES),
    yearly=st.booleans(),
)
starts = st.datetimes(datetime(2010, 1, 1), datetime(2028, 12, 31))


@given(occasions, starts, st.timedeltas(timedelta(0), timedelta(days=3)))
@example(Occasion(0, 150, "Europe/Berlin"), datetime(2026, 3, 28), timedelta(days=2))
@example(Occasion(0, 150, "Europe/Berlin"), datetime(2026, 10, 24), timedelta(days=2))
@example(Occasion(0, 540, "Pacific/Apia"), datetime(2011, 12, 29), timedelta(days=3))
def test_days_are_those_of_the_calendar(occasion, after, span):
    found = list(occasion.iterate(after, after + span))
    assert sorted(found) == sorted(simulate(occasion, after, after + span))
    later = occasion.next_moment(after)
    assert later > after
    if found:
        assert later == min(day.moment for day in found)
    else:
        assert later > after + span


@given(occasions, starts, st.lists(st.timedeltas(timedelta(0), timedelta(days=5)), max_size=6))
def test_looking_often_finds_each_day_once(occasion, after, spans):
    looks, at = [], after
    for span in spans:
        looks += occasion.iterate(at, at + span)
        at += span
    assert looks == list(occasion.iterate(after, at))


@given(st.dates(date(1920, 1, 1), date(2026, 12, 31)), st.integers(1, 110))
@example(date(2000, 2, 29), 26)
@example(date(2000, 2, 29), 28)
@example(date(2001, 2, 28), 27)
def test_everybody_has_one_birthday_a_year(born, age):
    year = born.year + age
    days = [
        base
        for number in range(366 if calendar.isleap(year) else 365)
        if born.month * 100 + born.day in get_birthdays(base := date(year, 1, 1) + number * DAY)
    ]
    assert len(days) == 1
    if born.month * 100 + born.day != 229 or calendar.isleap(year):
        assert (days[0].month, days[0].day) == (born.month, born.day)
    else:
        assert days == [date(year, 2, 28)]


@pytest.mark.parametrize(("offset", "base"), [(0, date(2026, 5, 4)), (-7, date(2026, 5, 11)),
                                              (3, date(2026, 5, 1))])  # fmt: skip
def test_days_before_and_after(offset, base):
    occasion = Occasion(offset, 9 * 60, "Europe/Berlin")
    day = datetime(2026, 5, 4)
    assert list(occasion.iterate(day, day + DAY)) == [Day(base, datetime(2026, 5, 4, 7))]
