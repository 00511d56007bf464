"""The interval of a difference of means: revenue with many zeros and few large orders."""

import math

import numpy
import pytest
from scipy.stats import ttest_ind

from email_marketing_dm.statistics.means import Sums, get_mean_difference
from email_marketing_dm.statistics.rates import get_difference


def get_sums(amounts, people=None):
    return Sums(people or len(amounts), amounts.sum(), (amounts**2).sum(), (amounts**3).sum())


def buy(draw, people, share, spread=1.0):
    """Return the sums of a group of people, of whom a share buys for lognormal amounts."""
    orders = draw.lognormal(0, spread, draw.binomial(people, share))
    return get_sums(orders, people)


def test_plain_amounts_have_welchs_interval():
    draw = numpy.random.default_rng(19)
    a, b = draw.gamma(4, 2, 6000), draw.gamma(4, 1.9, 3000)
    expected = ttest_ind(a, b, equal_var=False).confidence_interval()
    assert get_mean_difference(get_sums(a), get_sums(b)) == pytest.approx(tuple(expected), rel=0.03)


def test_amounts_of_one_have_the_interval_of_rates():
    """Somebody who bought for 1 is a success."""
    expected = get_difference(60, 2000, 20, 1000)
    found = get_mean_difference(Sums(2000, 60, 60, 60), Sums(1000, 20, 20, 20))
    assert found == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("people", [(1000, 1000), (9000, 1000), (18_000, 2000)])
@pytest.mark.parametrize(("shares", "spread"), [((0.03, 0.03), 1.0), ((0.06, 0.05), 0.7)])
def test_95_percent_of_all_intervals_have_the_true_difference(people, shares, spread):
    """2,000 simulations, with three standard errors for their own luck."""
    draw, tests = numpy.random.default_rng(19), 2000
    truth = (shares[0] - shares[1]) * math.exp(spread**2 / 2)
    covered = 0
    for _test in range(tests):
        groups = [buy(draw, *group, spread) for group in zip(people, shares, strict=True)]
        low, high = get_mean_difference(*groups)
        covered += low <= truth <= high
    assert 0.94 - 0.0146 <= covered / tests <= 0.96 + 0.0146


def test_welchs_interval_would_not_do():
    """What `get_mean_difference` is for: a control group of 10 % with 40 orders."""
    draw, tests, covered = numpy.random.default_rng(19), 500, 0
    for _test in range(tests):
        groups = [draw.lognormal(0, 1, draw.binomial(n, 0.02)) for n in (18_000, 2000)]
        people = [
            numpy.append(orders, numpy.zeros(n - len(orders)))
            for orders, n in zip(groups, (18_000, 2000), strict=True)
        ]
        low, high = ttest_ind(*people, equal_var=False).confidence_interval()
        covered += low <= 0 <= high
    assert covered / tests < 0.94


def test_a_group_with_orders_of_its_own_size_is_believed():
    """With many orders the groups need not resemble each other."""
    draw, tests, covered = numpy.random.default_rng(19), 400, 0
    truth = 0.2 * math.exp(0.18) * (1 - 0.7)
    for _test in range(tests):
        a = buy(draw, 30_000, 0.2, 0.6)
        small = draw.lognormal(math.log(0.7), 0.6, draw.binomial(10_000, 0.2))
        low, high = get_mean_difference(a, get_sums(small, 10_000))
        covered += low <= truth <= high
    assert 0.92 <= covered / tests <= 0.98


def test_the_groups_can_be_exchanged_and_the_currency_does_not_matter():
    a, b = Sums(9000, 500, 9000, 300_000), Sums(1000, 40, 600, 20_000)
    low, high = get_mean_difference(a, b)
    assert get_mean_difference(b, a) == pytest.approx((-high, -low))
    in_cents = [Sums(n, t * 100, q * 10**4, c * 10**6) for n, t, q, c in (a, b)]
    assert get_mean_difference(*in_cents) == pytest.approx((100 * low, 100 * high))
    assert low < a.mean - b.mean < high


def test_a_higher_level_is_wider():
    a, b = Sums(9000, 500, 9000, 300_000), Sums(1000, 40, 600, 20_000)
    intervals = [get_mean_difference(a, b, level) for level in (0.5, 0.8, 0.95, 0.99)]
    assert [interval.low for interval in intervals] == sorted(
        (interval.low for interval in intervals), reverse=True
    )
    assert [i.high for i in intervals] == sorted(i.high for i in intervals)


@pytest.mark.parametrize(
    "groups",
    [
        (Sums(0, 0, 0, 0), Sums(10, 5, 25, 125)),
        (Sums(10, 5, 25, 125), Sums(0, 0, 0, 0)),
        (Sums(10, 0, 0, 0), Sums(10, 0, 0, 0)),
        (Sums(10, -5, 25, -125), Sums(10, 5, 25, 125)),
    ],
)
def test_where_nothing_can_be_said(groups):
    assert get_mean_difference(*groups) == (-math.inf, math.inf)


def test_a_group_in_which_nobody_bought():
    """How large one order could have been is known from the other group."""
    low, high = get_mean_difference(Sums(900, 50, 900, 30_000), Sums(100, 0, 0, 0))
    assert low < 0 < 50 / 900 < high < math.inf


def test_one_person_each():
    low, high = get_mean_difference(Sums(1, 5, 25, 125), Sums(1, 7, 49, 343))
    assert low < -2 < high


@pytest.mark.parametrize(
    "sums",
    [
        Sums(-1, 0, 0, 0),
        Sums(10, 1, -1, 1),
        Sums(0, 5, 25, 125),
        Sums(10, math.nan, 1, 1),
        Sums(10, 1, math.inf, 1),
        Sums(math.nan, 1, 1, 1),
    ],
)
def test_impossible_sums_are_refused(sums):
    with pytest.raises(ValueError, match="are not sums over people"):
        get_mean_difference(sums, Sums(10, 1, 1, 1))
    with pytest.raises(ValueError, match="are not sums over people"):
        get_mean_difference(Sums(10, 1, 1, 1), sums)
