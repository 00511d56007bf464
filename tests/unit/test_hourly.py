"""How often hourly work is done, by what it costs."""

import pytest

from email_marketing_dm.clock.hourly import count_hours


@pytest.mark.parametrize(
    ("seconds", "hours"),
    [(None, 1), (0, 1), (60, 1), (60.1, 2), (600, 10), (1440, 24), (1e9, 24)],
)
def test_hours(seconds, hours):
    assert count_hours(seconds) == hours
