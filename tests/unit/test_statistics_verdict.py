"""Which version of a test is named as winner, and how many people that takes."""

import math
from itertools import permutations

import numpy
import pytest
from scipy.stats import binom, fisher_exact

from email_marketing_dm.statistics.means import Sums, get_mean_difference
from email_marketing_dm.statistics.power import (
    find_needed_people,
    find_smallest_difference,
    get_power,
)
from email_marketing_dm.statistics.verdict import decide_means, decide_rates, get_chance

TABLES = [
    (62, 2000, 48, 2000),
    (48, 2000, 62, 2000),
    (0, 300, 7, 300),
    (0, 300, 0, 300),
    (300, 300, 300, 300),
    (300, 300, 290, 300),
    (12, 200, 60, 2000),
    (1, 20, 4, 2000),
    (400_000, 1_000_000, 401_500, 1_000_000),
]


@pytest.mark.parametrize("table", TABLES)
def test_the_chance_is_that_of_fishers_exact_test(table):
    a, people_a, b, people_b = table
    sides = [
        fisher_exact([[a, people_a - a], [b, people_b - b]], alternative=side).pvalue
        for side in ("less", "greater")
    ]
    assert get_chance(*table) == pytest.approx(min(1, 2 * min(sides)), rel=1e-6)


def test_a_winner_with_its_figures():
    verdict = decide_rates([(480, 20_000), (620, 20_000), (500, 20_000)])
    assert (verdict.winner, verdict.best, verdict.rival) == (1, 1, 2)
    assert 0 < verdict.difference.low < (620 - 500) / 20_000 < verdict.difference.high
    assert verdict.chance == get_chance(620, 20_000, 500, 20_000) < 0.05


def test_no_visible_difference():
    verdict = decide_rates([(48, 2000), (62, 2000)])
    assert (verdict.winner, verdict.best, verdict.rival) == (None, 1, 0)
    assert verdict.difference.low <= 0 < verdict.difference.high
    assert verdict.chance > 0.05


def test_a_winner_beats_every_other_version():
    """The best one is told from one of the others only."""
    assert decide_rates([(620, 20_000), (480, 20_000)]).winner == 0
    assert decide_rates([(620, 20_000), (480, 20_000), (600, 20_000)]).winner is None


def test_versions_that_are_visibly_worse_are_named():
    verdict = decide_rates([(0, 500), (40, 500), (42, 500)])
    assert (verdict.winner, verdict.best, verdict.rival, verdict.worse) == (None, 2, 1, (0,))
    assert decide_rates([(40, 500), (0, 500)]).worse == (1,)
    assert decide_rates([(40, 500), (41, 500), (42, 500)]).worse == ()


@pytest.mark.parametrize("versions", [3, 5])
def test_of_identical_versions_one_is_rarely_called_worse(versions):
    draw, rounds = numpy.random.default_rng(versions), 1000
    tests = draw.binomial(150, 0.3, (rounds, versions)).tolist()
    found = sum(bool(decide_rates([(number, 150) for number in test]).worse) for test in tests)
    assert found <= 0.05 * rounds


def test_without_a_winner_zero_is_included():
    """Newcombe's interval alone would begin above zero here, and contradict the verdict."""
    verdict = decide_rates([(5, 200), (0, 200)])
    assert verdict.winner is None and verdict.chance > 0.05
    assert verdict.difference.low == 0


def test_the_order_of_the_versions_does_not_matter():
    versions = [(480, 20_000), (620, 20_000), (370, 15_000)]
    for order in permutations(versions):
        verdict = decide_rates(order)
        assert (order[verdict.winner], order[verdict.rival]) == (versions[1], versions[2])


@pytest.mark.parametrize("function", [decide_rates, decide_means])
def test_a_version_without_people_decides_nothing(function):
    empty, good, bad = (
        ((0, 0), (90, 1000), (10, 1000))
        if function is decide_rates
        else (Sums(0, 0, 0, 0), Sums(1000, 90, 90, 90), Sums(1000, 10, 10, 10))
    )
    assert function([good, bad]).winner == 0
    assert function([good, bad, empty]).winner is None
    assert function([good, bad, empty]).chance == 1
    assert function([empty, empty]).winner is None


@pytest.mark.parametrize(
    "versions",
    [[(5, 5), (5, 5)], [(0, 5), (0, 5)], [(0, 500), (0, 500), (0, 500)], [(1, 1), (0, 1)]],
)
def test_equal_or_tiny_versions_have_no_winner(versions):
    assert decide_rates(versions).winner is None


def test_revenue():
    small, large = Sums(5000, 4000, 240_000, 16_000_000), Sums(5000, 8000, 480_000, 32_000_000)
    verdict = decide_means([small, large])
    assert (verdict.winner, verdict.rival) == (1, 0)
    assert 0 < verdict.difference.low < 0.8 < verdict.difference.high
    assert 0 < verdict.chance < 0.001
    assert decide_means([small, Sums(5000, 4300, 260_000, 17_000_000)]).winner is None


def test_a_version_that_happens_to_lack_large_orders_is_no_loser():
    """Its orders look less spread than they are, so the interval alone begins above zero."""
    lacks, has = Sums(2000, 138, 357, 1253), Sums(2000, 250, 3420, 119_375)
    assert get_mean_difference(has, lacks).low > 0
    verdict = decide_means([lacks, has])
    assert (verdict.winner, verdict.best) == (None, 1)
    assert verdict.chance > 0.07
    assert verdict.difference.low == 0


@pytest.mark.parametrize(
    ("people", "share", "spread"), [(300, 0.02, 0.7), (2000, 0.05, 1.2), (10_000, 0.02, 1.0)]
)
def test_identical_versions_rarely_win_by_revenue_and_better_ones_still_do(people, share, spread):
    """1,000 simulations, with three standard errors for their own luck.

    The better version has its lead from more buyers. At most four points of power are given up,
    compared with a decision by the interval alone.
    """
    draw, tests = numpy.random.default_rng(19), 1000
    lead = 2.8 * math.sqrt(2 / (people * share) * math.exp(spread**2))
    wrong = found = told = 0
    for _test in range(tests):
        a, b, better = (
            _buy(draw, people, part, spread) for part in (share, share, share * (1 + lead))
        )
        wrong += decide_means([a, b]).winner is not None
        found += decide_means([a, better]).winner == 1
        told += get_mean_difference(better, a).low > 0
    assert wrong <= 50 + 21
    assert found >= told - 40
    assert found >= 500


def _buy(draw, people, share, spread):
    orders = draw.lognormal(0, spread, draw.binomial(people, share))
    return Sums(people, orders.sum(), (orders**2).sum(), (orders**3).sum())


@pytest.mark.parametrize("number", [0, 1])
def test_one_version_is_no_test(number):
    with pytest.raises(ValueError, match="at least two versions"):
        decide_rates([(1, 2)] * number)
    with pytest.raises(ValueError, match="at least two versions"):
        decide_means([Sums(2, 1, 1, 1)] * number)


@pytest.mark.parametrize("version", [(-1, 5), (6, 5), (math.nan, 5), (2, math.nan)])
def test_impossible_counts_are_refused(version):
    with pytest.raises(ValueError, match="is not a count of successes"):
        decide_rates([(1, 5), version])


@pytest.mark.parametrize("people", [(250, 250), (300, 40), (700, 200)])
@pytest.mark.parametrize("rate", [0.002, 0.01, 0.05, 0.4])
def test_two_identical_versions_have_a_winner_in_at_most_5_percent(people, rate):
    """Not simulated: the chance of each outcome is known."""
    outcomes = [
        [(successes, binom.pmf(successes, n, rate)) for successes in range(n + 1)] for n in people
    ]
    wrong = 0.0
    for a, chance_a in outcomes[0]:
        for b, chance_b in outcomes[1]:
            if chance_a * chance_b > 1e-7:
                verdict = decide_rates([(a, people[0]), (b, people[1])])
                wrong += chance_a * chance_b * (verdict.winner is not None)
    assert wrong <= 0.05


@pytest.mark.parametrize("versions", [2, 3, 4, 5])
@pytest.mark.parametrize("rate", [0.002, 0.03, 0.4])
def test_identical_versions_rarely_have_a_winner(versions, rate):
    """1,000 simulations, with three standard errors for their own luck."""
    draw = numpy.random.default_rng(19)
    tests = draw.binomial(2000, rate, (1000, versions))
    wrong = sum(decide_rates([(x, 2000) for x in test]).winner is not None for test in tests)
    assert wrong <= 50 + 21


@pytest.mark.parametrize("versions", [3, 5])
def test_two_good_versions_of_several_rarely_have_a_winner(versions):
    """The hardest case: others that are far worse are beaten by both of the good ones."""
    draw = numpy.random.default_rng(19)
    tests = draw.binomial(2000, [0.06, 0.06] + [0.01] * (versions - 2), (1000, versions))
    wrong = sum(decide_rates([(x, 2000) for x in test]).winner is not None for test in tests)
    assert 20 <= wrong <= 50 + 21


@pytest.mark.parametrize("versions", [2, 3, 5])
@pytest.mark.parametrize(("rate", "people"), [(0.002, 2000), (0.02, 2000), (0.2, 300)])
def test_the_smallest_difference_is_found_in_80_percent(rate, people, versions):
    better = find_smallest_difference(rate, people, versions)
    draw, tests = numpy.random.default_rng(19), 1500
    found = sum(
        decide_rates([(x, people) for x in test]).winner == 0
        for test in draw.binomial(people, [better] + [rate] * (versions - 1), (tests, versions))
    )
    assert 0.78 - 0.02 <= found / tests <= 0.82 + 0.02


def test_the_promise_is_the_decisions_own_power():
    """Not simulated: all outcomes of two versions of 150 people."""
    chances = [
        [binom.pmf(successes, 150, rate) for successes in range(151)] for rate in (0.04, 0.15)
    ]
    power = sum(
        chances[0][a] * chances[1][b]
        for a in range(151)
        for b in range(a, 151)
        if chances[0][a] * chances[1][b] > 1e-9 and decide_rates([(a, 150), (b, 150)]).winner == 1
    )
    assert get_power(0.04, 0.15, 150) == pytest.approx(power, abs=1e-4)


def test_more_people_see_more_and_more_versions_see_less():
    by_people = [find_smallest_difference(0.02, people) for people in (100, 1000, 10**4, 10**6)]
    assert by_people == sorted(by_people, reverse=True) and by_people[-1] > 0.02
    by_versions = [find_smallest_difference(0.02, 2000, versions) for versions in (2, 3, 4, 5)]
    assert by_versions == sorted(by_versions)


def test_a_test_that_can_see_nothing():
    assert find_smallest_difference(0.02, 0) is None
    assert find_smallest_difference(0.02, 3) is None
    assert find_smallest_difference(0.9, 50) is None
    assert find_smallest_difference(1, 1000) is None
    assert 0 < find_smallest_difference(0, 1000) < 0.02


def test_many_people_are_computed_as_few_are():
    """Above 400 successes a formula replaces Fisher's test: both sides of that limit agree."""
    for people in (18_000, 22_000):
        better = find_smallest_difference(0.02, people)
        draw = numpy.random.default_rng(19)
        tests = draw.binomial(people, [better, 0.02], (1500, 2))
        found = sum(decide_rates([(x, people) for x in test]).winner == 0 for test in tests)
        assert 0.78 - 0.02 <= found / 1500 <= 0.82 + 0.02


@pytest.mark.parametrize(
    ("rates", "ratio", "people"),
    [  # the usual tables for 80 % power and 5 %
        ((0.20, 0.22), 1, 2 * 6510),
        ((0.02, 0.03), 1, 2 * 3826),
        ((0.005, 0.0075), 1, 2 * 15_599),
        ((0.012, 0.010), 9, 244_000),
        ((0.036, 0.030), 9, 79_000),
    ],
)
def test_how_many_people_are_needed(rates, ratio, people):
    assert find_needed_people(*rates, ratio) == pytest.approx(people, rel=0.005)


def test_needed_people_of_equal_rates_and_bad_input():
    assert find_needed_people(0.02, 0.02) is None
    assert find_needed_people(0.02, 0.03, 4) == find_needed_people(0.03, 0.02, 0.25)
    for arguments in [(-0.1, 0.2), (0.1, 1.2), (math.nan, 0.2), (0.1, 0.2, 0), (0.1, 0.2, -1)]:
        with pytest.raises(ValueError, match="must be"):
            find_needed_people(*arguments)
    for arguments in [(-0.1, 10), (math.nan, 10), (0.1, -1), (0.1, math.nan), (0.1, 10, 1)]:
        with pytest.raises(ValueError, match="must be|are not a test"):
            find_smallest_difference(*arguments)
    with pytest.raises(ValueError, match="alpha must be"):
        decide_rates([(1, 2), (1, 2)], alpha=5)
