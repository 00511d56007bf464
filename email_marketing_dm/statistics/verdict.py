# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The decision of an A/B test: which version is better than every other one, if any is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .checks import check_counts, check_share
from .means import Sums, get_mean_difference, get_null_difference
from .rates import Interval, get_difference


class Decision(NamedTuple):
    """The result of a test.

    :ivar winner: index of the version that is better than every other one, None if none is
    :ivar best: index of the version with the highest value
    :ivar rival: index of the version that is hardest to tell from the best one
    :ivar difference: by how much the best one is better than the rival; it includes zero unless
        there is a winner
    :ivar chance: upper bound of the chance, 0 to 1, that identical versions differ as much by luck
    :ivar worse: indices of the versions that the best one is told from. Corrected for the number of
        pairs (Bonferroni): of identical versions, in at most 5 % of all tests one is in it
    """

    winner: int | None
    best: int
    rival: int
    difference: Interval
    chance: float
    worse: tuple[int, ...] = ()


def decide_rates(versions: Sequence[tuple[int, int]], alpha: float = 0.05) -> Decision:
    """Decide by rates, such as clicks.

    The best version wins if Fisher's exact test (both directions: the smaller tail, doubled)
    tells it from *every* other one. So identical versions have a winner in at most ``alpha`` of
    all tests, whatever their rate and their numbers of people.

    This corrects for more than two versions (an intersection-union test): to win by luck, a
    version must also beat the one that is truly best, and a single comparison allows that in
    ``alpha / 2`` of all tests only. To divide ``alpha`` by the number of comparisons as well would
    protect from nothing, and take up to 40 % more people.

    The interval of the difference is Newcombe's. Its upper end is corrected by Bonferroni's rule,
    because the rival is the nearest of several; that makes the lower end safe as it is.

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

    def get_interval(level: float) -> Interval:
        return get_difference(*versions[best], *versions[rival], level)

    return _make_decision(best, rival, get_interval, chances, alpha)


def decide_means(versions: Sequence[Sums], alpha: float = 0.05) -> Decision:
    """Decide by means, such as revenue per mail.

    As `decide_rates`, with the interval of `get_mean_difference`. The chance is one minus the
    highest level at which `get_null_difference` is above zero.

    :raise ValueError: for fewer than two versions, and sums that `get_mean_difference` refuses
    """
    _check(versions, alpha)
    means = [sums.mean for sums in versions]
    best = means.index(max(means))
    chances = [_get_mean_chance(versions[best], sums) for sums in versions]
    rival = _get_rival(best, chances, means)

    def get_interval(level: float) -> Interval:
        return get_mean_difference(versions[best], versions[rival], level)

    return _make_decision(best, rival, get_interval, chances, alpha)


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


def _get_mean_chance(best: Sums, other: Sums) -> float:
    """Return 1 minus the highest level at which `get_null_difference` is above zero."""
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        above = get_null_difference(best, other, 1 - middle).low > 0
        low, high = (low, middle) if above else (middle, high)
    return high


def _get_rival(best: int, chances: Sequence[float], values: Sequence[float]) -> int:
    others = [index for index in range(len(values)) if index != best]
    return max(others, key=lambda index: (chances[index], values[index]))


def _make_decision(
    best: int,
    rival: int,
    get_interval: Callable[[float], Interval],
    chances: Sequence[float],
    alpha: float,
) -> Decision:
    """Make test and interval agree: a winner needs both, else the interval includes zero."""
    low = get_interval(1 - alpha).low
    high = get_interval(1 - alpha / (len(chances) - 1)).high
    if chances[rival] <= alpha and low > 0:
        worse = tuple(index for index in range(len(chances)) if index != best)
        return Decision(best, best, rival, Interval(low, high), chances[rival], worse)
    limit = alpha / math.comb(len(chances), 2)
    worse = tuple(
        index
        for index, chance in enumerate(chances)
        if index not in (best, rival) and chance <= limit
    )
    return Decision(None, best, rival, Interval(min(low, 0.0), high), chances[rival], worse)


def _check(versions: Sequence[object], alpha: float) -> None:
    check_share("alpha", alpha)
    if len(versions) < 2:
        raise ValueError("A test needs at least two versions.")


def _log_choose(number: int, taken: int) -> float:
    return math.lgamma(number + 1) - math.lgamma(taken + 1) - math.lgamma(number - taken + 1)
