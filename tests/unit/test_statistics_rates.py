"""Intervals of rates and of their differences."""

import math

import pytest

from email_marketing_dm.statistics.rates import get_difference, get_interval


@pytest.mark.parametrize("function", [get_interval, lambda *counts: get_difference(*counts, 1, 2)])
@pytest.mark.parametrize("counts", [(-1, 5), (3, 2), (0, -1), (math.nan, 5), (1, math.nan)])
def test_impossible_counts_are_refused(function, counts):
    with pytest.raises(ValueError, match="is not a count of successes"):
        function(*counts)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, math.nan])
def test_impossible_levels_are_refused(level):
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        get_interval(1, 2, level)


def test_nobody_and_everybody():
    assert get_interval(0, 0) == (0, 1)
    assert get_difference(0, 0, 1, 2) == (-1, 1)
    assert get_interval(0, 50)[0] == 0 and 0.05 < get_interval(0, 50)[1] < 0.1
    assert get_interval(50, 50)[1] == 1 and 0.9 < get_interval(50, 50)[0] < 0.95
    low, high = get_difference(0, 50, 50, 50)
    assert -1 <= low < high < -0.85


def test_the_groups_can_be_exchanged():
    low, high = get_difference(32, 1000, 3, 100)
    assert get_difference(3, 100, 32, 1000) == pytest.approx((-high, -low))
