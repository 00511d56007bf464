# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The decision of an A/B test: which version is better than every other one, if any is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from .checks import check_counts, check_share
from .means import Sums, get_mean_difference, get_moments, transform
from .rates import Interval, get_difference


class Verdict(NamedTuple):
    """What a test says.

    :ivar winner: index of the version that is better than every other one, None if none is
    :ivar best: index of the version with the highest value
    :ivar rival: index of the version that is hardest to tell from the best one
    :ivar difference: best minus rival, corrected for the number of comparisons; it includes zero
        unless there is a winner
    :ivar chance: how often identical versions would differ as much as these two do, from 0 to 1,
        corrected for the number of comparisons
    """

    winner: int | None
    best: int
    rival: int
    difference: Interval
    chance: float


def decide_rates(versions: Sequence[tuple[int, int]], alpha: float = 0.05) -> Verdict:
    """Decide by rates, such as clicks.

    The best version is compared with each other one by Fisher's exact test (both directions: the
    smaller tail, doubled). Each comparison is corrected by Bonferroni's rule for their number, so
    that identical versions have a winner in at most ``alpha`` of all tests, whatever their rate
    and their numbers of people. The interval of the difference is Newcombe's.

    :param versions: ``(successes, people)`` of each version
    :raise ValueError: for fewer than two versions, negative counts, NaN, or more successes than
        people
    """
    _check(versions, alpha)
    for successes, people in versions:
        check_counts(successes, people)
    rates = [successes / people if people else 0.0 for successes, people in versions]
    best = rates.index(max(rates))
    chances = [get_chance(*versions[best], *version) for version in versions]
    rival = _get_rival(best, chances, rates)
    level = 1 - alpha / (len(versions) - 1)
    difference = get_difference(*versions[best], *versions[rival], level)
    return _make_verdict(best, rival, difference, chances[rival], len(versions), alpha)


def decide_means(versions: Sequence[Sums], alpha: float = 0.05) -> Verdict:
    """Decide by means, such as revenue per mail.

    As `decide_rates`, with the interval and the test of `get_mean_difference`.

    :raise ValueError: for fewer than two versions, and sums that `get_mean_difference` refuses
    """
    _check(versions, alpha)
    means = [sums.mean for sums in versions]
    best = means.index(max(means))
    level = 1 - alpha / (len(versions) - 1)
    differences = [get_mean_difference(versions[best], sums, level) for sums in versions]
    chances = [_get_mean_chance(versions[best], sums) for sums in versions]
    rival = _get_rival(best, chances, means)
    return _make_verdict(best, rival, differences[rival], chances[rival], len(versions), alpha)


def get_chance(successes_a: int, people_a: int, successes_b: int, people_b: int) -> float:
    """Return how often luck alone makes two rates differ so much: Fisher's exact test.

    The smaller of the two one-sided chances, doubled.
    """
    people, successes = people_a + people_b, successes_a + successes_b
    if successes_a * people_b < successes_b * people_a:
        successes_a, people_a, people_b = successes_b, people_b, people_a
    logarithm = (
        _log_choose(people_a, successes_a)
        + _log_choose(people_b, successes - successes_a)
        - _log_choose(people, successes)
    )
    term = tail = math.exp(logarithm)
    for found in range(successes_a, min(successes, people_a)):
        missing = successes - found
        term *= (people_a - found) * missing / ((found + 1) * (people_b - missing + 1))
        tail += term
        if term < tail * 1e-12:
            break
    return min(1.0, 2 * tail)


def _get_mean_chance(a: Sums, b: Sums) -> float:
    if a.people < 2 or b.people < 2:
        return 1.0
    difference = get_moments(a, b)
    if not difference.error:
        return 1.0
    statistic = transform(difference.value / difference.error, difference.skewness)
    return 2 * NormalDist().cdf(-abs(statistic))


def _get_rival(best: int, chances: Sequence[float], values: Sequence[float]) -> int:
    others = [index for index in range(len(values)) if index != best]
    return max(others, key=lambda index: (chances[index], values[index]))


def _make_verdict(
    best: int, rival: int, difference: Interval, chance: float, versions: int, alpha: float
) -> Verdict:
    """A winner needs both, a small chance and an interval above zero; else zero is included."""
    chance = min(1.0, chance * (versions - 1))
    if chance <= alpha and difference.low > 0:
        return Verdict(best, best, rival, difference, chance)
    return Verdict(None, best, rival, Interval(min(difference.low, 0.0), difference.high), chance)


def _check(versions: Sequence[object], alpha: float) -> None:
    check_share("alpha", alpha)
    if len(versions) < 2:
        raise ValueError("A test needs at least two versions.")


def _log_choose(number: int, taken: int) -> float:
    return math.lgamma(number + 1) - math.lgamma(taken + 1) - math.lgamma(number - taken + 1)
