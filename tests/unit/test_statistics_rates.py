"""Intervals of rates and of their differences."""

import math

import numpy
import pytest
from scipy.stats import binom, binomtest
from scipy.stats import t as student

from email_marketing_dm.statistics.rates import (
    get_difference,
    get_interval,
    get_student_quantile,
)


@pytest.mark.parametrize("degrees", [6, 10, 100, 10**6])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_a_quantile_is_students(level, degrees):
    expected = student.ppf((1 + level) / 2, degrees)
    assert get_student_quantile(level, degrees) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(
    ("successes", "people"), [(0, 1), (1, 1), (0, 40), (3, 40), (40, 40), (62, 2000), (4, 10**6)]
)
def test_an_interval_is_wilsons(successes, people, level):
    expected = binomtest(successes, people).proportion_ci(level, method="wilson")
    assert get_interval(successes, people, level) == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [  # R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0000)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ],
)
def test_a_difference_is_that_of_newcombes_article(counts, expected):
    assert get_difference(*counts) == pytest.approx(expected, abs=6e-5)


def test_the_groups_can_be_exchanged():
    low, high = get_difference(32, 1000, 3, 100)
    assert get_difference(3, 100, 32, 1000) == pytest.approx((-high, -low))


@pytest.mark.parametrize("people", [(1000, 1000), (4500, 500), (9000, 1000)])
@pytest.mark.parametrize("rates", [(0.02, 0.02), (0.036, 0.03), (0.2, 0.15), (0.4, 0.4)])
def test_95_percent_of_all_intervals_have_the_true_difference(people, rates):
    """2,000 simulations, with three standard errors for their own luck."""
    draw = numpy.random.default_rng(19)
    covered, tests = 0, 2000
    successes = [draw.binomial(n, rate, tests) for n, rate in zip(people, rates, strict=True)]
    for a, b in zip(*successes, strict=True):
        low, high = get_difference(a, people[0], b, people[1])
        covered += low <= rates[0] - rates[1] <= high
    assert 0.94 - 0.0146 <= covered / tests <= 0.96 + 0.0146


def test_intervals_of_a_rate_cover_it():
    """Not simulated: the chance of each outcome is known."""
    for rate in (0.01, 0.03, 0.2, 0.4):
        covered = sum(
            binom.pmf(successes, 2000, rate)
            for successes in range(2001)
            if get_interval(successes, 2000)[0] <= rate <= get_interval(successes, 2000)[1]
        )
        assert 0.94 <= covered <= 0.96


def test_nobody_and_everybody():
    assert get_interval(0, 0) == (0, 1)
    assert get_difference(0, 0, 1, 2) == get_difference(1, 2, 0, 0) == (-1, 1)
    assert get_interval(0, 50).low == 0
    assert get_interval(50, 50).high == 1
    low, high = get_difference(0, 50, 50, 50)
    assert -1 <= low < high < -0.85


@pytest.mark.parametrize("function", [get_interval, lambda *counts: get_difference(*counts, 1, 2)])
@pytest.mark.parametrize(
    "counts", [(-1, 5), (3, 2), (0, -1), (math.nan, 5), (1, math.nan), (1, math.inf)]
)
def test_impossible_counts_are_refused(function, counts):
    with pytest.raises(ValueError, match="is not a count of successes"):
        function(*counts)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, math.nan])
def test_impossible_levels_are_refused(level):
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        get_interval(1, 2, level)
