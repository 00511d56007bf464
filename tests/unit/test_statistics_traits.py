"""What sets two audiences apart."""

import numpy
import pytest

from email_marketing_dm.statistics.rates import get_difference
from email_marketing_dm.statistics.traits import PEOPLE_MIN, compare_shares, find_differences

#: numbers of people only in A, in both, only in B: an audience of all contacts, two audiences with
#: common people, and two without
OVERLAPS = [(0, 300, 2700), (400, 200, 300), (500, 0, 400), (600, 150, 0)]


def test_without_common_people_it_is_newcombes_interval():
    expected = get_difference(56, 70, 48, 80, 0.99)
    assert compare_shares((56, 0, 48), (70, 0, 80), 0.99) == pytest.approx(tuple(expected))


def test_an_audience_of_all_contacts_differs_from_all_by_a_part_of_its_difference_from_the_rest():
    rest = get_difference(40, 100, 90, 900)
    everybody = compare_shares((0, 40, 90), (0, 100, 900))
    assert everybody == pytest.approx((rest.low * 0.9, rest.high * 0.9))


def test_the_audiences_can_be_exchanged():
    low, high = compare_shares((30, 20, 3), (100, 50, 70))
    assert compare_shares((3, 20, 30), (70, 50, 100)) == pytest.approx((-high, -low))


@pytest.mark.parametrize("people", [(0, 0, 5), (5, 0, 0), (0, 0, 0)])
def test_nothing_is_known_of_an_empty_audience(people):
    assert compare_shares((0, 0, 0), people) == (-1, 1)
    assert find_differences([(0, 0, 0)], people) == ([], 0)


def test_the_same_people_do_not_differ():
    traits = [(0, 30 * n, 0) for n in range(1, 30)]
    assert find_differences(traits, (0, 1000, 0))[0] == []


@pytest.mark.parametrize("having", [(-1, 0, 0), (3, 0, 0), (0, float("nan"), 0)])
def test_impossible_counts_are_refused(having):
    with pytest.raises(ValueError):
        compare_shares(having, (2, 2, 2))


def test_the_difference_that_is_certainly_largest_comes_first():
    traits = [(0, 150, 1350), (0, 160, 540), (0, 240, 540), (0, 12, 9)]
    found, looked = find_differences(traits, (0, 300, 2700))
    assert looked == 4
    assert [one.number for one in found] == [2, 1, 3]
    first = found[0]
    assert (first.share, first.other_share) == (0.8, 0.26)
    assert 0 < first.certain == first.points.low < first.share - first.other_share
    assert [one.number for one in find_differences(traits, (0, 300, 2700), limit=1)[0]] == [2]


def test_a_rarer_trait_in_the_audience_is_found_too():
    [found], _looked = find_differences([(0, 10, 1350)], (0, 300, 2700))
    assert found.points.high < 0
    assert found.certain == -found.points.high


def test_traits_of_few_people_and_of_everybody_are_not_looked_at():
    few = (0, PEOPLE_MIN - 1, 0)
    assert find_differences([few, (0, 300, 2700)], (0, 300, 2700)) == ([], 0)


@pytest.mark.parametrize("people", OVERLAPS)
def test_audiences_that_do_not_differ_are_rarely_said_to_differ(people):
    """2,000 simulations of 40 traits: at most 5 % have any, with three standard errors for luck."""
    draw = numpy.random.default_rng(19)
    rates = numpy.linspace(0.005, 0.6, 40)
    drawn = [draw.binomial(number, rates, (2000, 40)) for number in people]
    wrong = 0
    for groups in zip(*drawn, strict=True):
        traits = list(zip(*(group.tolist() for group in groups), strict=True))
        wrong += bool(find_differences(traits, people)[0])
    assert wrong / 2000 <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5


@pytest.mark.parametrize("people", OVERLAPS)
@pytest.mark.parametrize("level", [0.95, 0.999])
def test_intervals_have_the_true_difference(people, level):
    """2,000 simulations in which A, both and B have different rates."""
    draw = numpy.random.default_rng(20)
    rates = (0.3, 0.2, 0.1)
    in_a, in_b = people[0] + people[1], people[1] + people[2]
    truth = (people[0] * 0.3 + people[1] * 0.2) / in_a - (people[1] * 0.2 + people[2] * 0.1) / in_b
    drawn = [draw.binomial(number, rate, 2000) for number, rate in zip(people, rates, strict=True)]
    covered = 0
    for having in zip(*(group.tolist() for group in drawn), strict=True):
        low, high = compare_shares(having, people, level)
        covered += low <= truth <= high
    # MOVER is nearly exact: half a percent less than the level, and luck, are allowed.
    assert covered / 2000 >= level - 0.005 - 3 * (level * (1 - level) / 2000) ** 0.5


def test_a_true_difference_is_found():
    draw = numpy.random.default_rng(21)
    found = 0
    for _test in range(200):
        traits = [tuple(draw.binomial((0, 500, 4500), rate).tolist()) for rate in [0.1] * 50]
        traits.append(tuple(draw.binomial((0, 500, 4500), (0, 0.2, 0.1)).tolist()))
        found += 50 in [one.number for one in find_differences(traits, (0, 500, 4500))[0]]
    assert found >= 190
