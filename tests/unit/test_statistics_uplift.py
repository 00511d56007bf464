"""Uplift over pairs of groups: each pair is compared by itself, and their differences are added."""

import random

import numpy
import pytest
from scipy.stats import binom

from email_marketing_dm.statistics.means import get_mean_difference
from email_marketing_dm.statistics.power import find_needed_people, find_smallest_uplift
from email_marketing_dm.statistics.rates import get_difference
from email_marketing_dm.statistics.uplift import Group, compare


def make_group(amounts):
    """Return the group of people with these amounts; 0 is a person who did not convert."""
    return Group(
        len(amounts),
        sum(amount > 0 for amount in amounts),
        *(float(sum(amount**power for amount in amounts)) for power in (1, 2, 3)),
    )


MAILED = make_group([0] * 960 + [10] * 30 + [25] * 10)
CONTROL = make_group([0] * 195 + [10] * 5)


def test_one_pair_is_compared_as_by_newcombe_and_by_the_score():
    uplift = compare([(MAILED, CONTROL)])
    assert (uplift.mailed, uplift.control) == (1000, 200)
    assert (uplift.rate, uplift.base) == pytest.approx((0.04, 0.025))
    assert uplift.points == pytest.approx(get_difference(40, 1000, 5, 200))
    assert uplift.amounts == pytest.approx(get_mean_difference(MAILED.sums, CONTROL.sums))
    assert (uplift.amount, uplift.base_amount) == pytest.approx((0.55, 0.25))


def test_two_equal_pairs_have_the_same_difference_and_a_narrower_interval():
    one, two = compare([(MAILED, CONTROL)]), compare([(MAILED, CONTROL)] * 2)
    assert two.rate - two.base == pytest.approx(one.rate - one.base)
    for name in ("points", "amounts"):
        widths = [getattr(found, name).high - getattr(found, name).low for found in (one, two)]
        assert widths[0] / widths[1] == pytest.approx(2**0.5)


def test_shares_that_differ_make_no_difference_of_their_own():
    """Many of the second task's people convert, and a large part of them is the control group."""
    rare = make_group([0] * 990 + [1] * 10), make_group([0] * 99 + [1])
    often = make_group([0] * 500 + [1] * 500), make_group([0] * 500 + [1] * 500)
    uplift = compare([rare, often])
    assert uplift.rate == pytest.approx(uplift.base)
    assert uplift.points.low < 0 < uplift.points.high


@pytest.mark.parametrize(
    "pairs",
    [[], [(MAILED, Group(0, 0, 0.0, 0.0, 0.0))], [(Group(1, 1, 1.0, 1.0, 1.0), CONTROL)]],
)
def test_pairs_with_an_empty_group_are_left_out(pairs):
    assert compare(pairs) is None
    assert compare([*pairs, (MAILED, CONTROL)]) == compare([(MAILED, CONTROL)])


def test_needed_people_are_said_where_the_difference_is_not_told():
    uplift = compare([(MAILED, CONTROL)])
    assert not uplift.is_told
    assert uplift.needed > uplift.mailed + uplift.control
    many = tuple(Group(*(100 * value for value in group)) for group in (MAILED, CONTROL))
    assert compare([many]).is_told
    assert compare([many]).needed is None
    assert compare([(CONTROL, MAILED)]).needed is None, "the mailed people converted less often"


def test_more_people_are_needed_than_there_are_where_several_tasks_tell_nothing():
    """One task has a tiny control group: the mailed people of all tasks say little about it."""
    large = make_group([0] * 9500 + [1] * 400), make_group([0] * 9 + [1] * 0)
    small = make_group([0] * 485 + [1] * 15), make_group([0] * 490 + [1] * 10)
    uplift = compare([large, small])
    people = uplift.mailed + uplift.control
    assert not uplift.is_told
    assert uplift.needed > 2 * people
    times = -(-uplift.needed // people)
    grown = [
        tuple(Group(*(times * value for value in group)) for group in p) for p in (large, small)
    ]
    assert compare(grown).is_told


def test_intervals_over_two_tasks_contain_the_truth():
    """Two tasks of other sizes, shares and rates; the mail adds 30 percent to each."""
    draw = random.Random(19)
    tasks = [(1800, 200, 0.02), (600, 400, 0.10)]
    truth = sum(mailed * 0.3 * rate for mailed, _control, rate in tasks) / 2400
    inside, rounds = 0, 600
    for _round in range(rounds):
        pairs = [
            tuple(
                make_group([int(draw.random() < chance) for _person in range(people)])
                for people, chance in ((mailed, 1.3 * rate), (control, rate))
            )
            for mailed, control, rate in tasks
        ]
        points = compare(pairs).points
        inside += points.low <= truth <= points.high
    assert 0.93 <= inside / rounds <= 0.975


def test_the_smallest_uplift_is_the_comparisons_own_power():
    """Not simulated: all outcomes of 40 people of a control group and 360 who are mailed."""
    better = find_smallest_uplift(0.05, 360, 40)
    power = sum(
        binom.pmf(control, 40, 0.05) * binom.pmf(mailed, 360, better)
        for control in range(41)
        for mailed in range(361)
        if get_difference(mailed, 360, control, 40).low > 0
    )
    assert power == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(
    ("rate", "mailed", "control"),
    [
        (0.01, 18_000, 2000),
        (0.005, 95_000, 5000),
        (0.1, 500, 500),
        # Above 400 conversions a formula replaces the outcomes: both sides of that limit agree.
        (0.039, 90_000, 10_000),
        (0.041, 90_000, 10_000),
    ],
)
def test_the_smallest_uplift_is_told_in_80_percent(rate, mailed, control):
    better = find_smallest_uplift(rate, mailed, control)
    draw, tests = numpy.random.default_rng(19), 1500
    told = sum(
        get_difference(int(one), mailed, int(other), control).low > 0
        for one, other in zip(
            draw.binomial(mailed, better, tests), draw.binomial(control, rate, tests), strict=True
        )
    )
    assert 0.78 - 0.02 <= told / tests <= 0.82 + 0.02


def test_the_smallest_uplift_agrees_with_the_needed_people():
    """For large groups: as many people as are needed tell the difference 8 times in 10."""
    people = find_needed_people(0.036, 0.030, 9)
    better = find_smallest_uplift(0.030, people * 9 // 10, people // 10)
    assert better == pytest.approx(0.036, abs=0.0002)


def test_more_people_show_smaller_uplifts():
    by_people = [find_smallest_uplift(0.02, 9 * number, number) for number in (50, 500, 10**5)]
    assert by_people == sorted(by_people, reverse=True) and by_people[-1] > 0.02
    by_share = [find_smallest_uplift(0.02, 10**4 - n, n) for n in (500, 1000, 5000)]
    assert by_share == sorted(by_share, reverse=True)


def test_control_groups_that_can_show_nothing():
    assert find_smallest_uplift(0.02, 0, 100) is None
    assert find_smallest_uplift(0.02, 100, 0) is None
    assert find_smallest_uplift(0.02, 1, 1) is None
    assert find_smallest_uplift(1, 1000, 100) is None
    assert 0 < find_smallest_uplift(0, 9000, 1000) < 0.02


@pytest.mark.parametrize(
    "arguments", [(-0.1, 10, 10), (1.1, 10, 10), (float("nan"), 10, 10), (0.1, 10, 10, 1)]
)
def test_impossible_rates_and_powers_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        find_smallest_uplift(*arguments)


@pytest.mark.parametrize("people", [(-1, 10), (10, -1), (float("nan"), 10)])
def test_impossible_numbers_of_people_are_refused(people):
    with pytest.raises(ValueError, match="can't be compared"):
        find_smallest_uplift(0.1, *people)
