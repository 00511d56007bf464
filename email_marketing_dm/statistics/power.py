# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The smallest difference that a test can find with its people, and the people that it needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from statistics import NormalDist

from .checks import check_rate, check_share
from .rates import get_difference, get_quantile
from .verdict import get_chance

# From this number of successes on, Fisher's test is replaced by its normal approximation.
_MANY = 400
# Outcomes more than this number of standard deviations from the expected one are left out.
_REACH = 6


def find_smallest_difference(
    rate: float,
    people_per_version: int,
    versions: int = 2,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float | None:
    """Return the rate of one better version that `decide_rates` names as winner often enough.

    All other versions have the given rate. Computed from the distribution of outcomes, not from a
    formula for large numbers, so that it holds for rare clicks too.

    :param power: the share of tests in which it has to be found
    :return: the rate, None if not even a rate of 100 % would be found
    :raise ValueError: for a rate outside of 0 to 1, fewer than 2 versions or negative numbers
    """
    check_share("power", power)
    _check_test(rate, people_per_version, versions, alpha)
    get_limit = _get_limits(people_per_version, alpha)

    def find(better: float) -> float:
        return _get_power(rate, better, people_per_version, versions, get_limit)

    return _find_rate(find, rate, power) if people_per_version else None


def find_smallest_uplift(
    rate: float, mailed: int, control: int, power: float = 0.8, level: float = 0.95
) -> float | None:
    """Return the rate of mailed people that is told from their control group often enough.

    It is told where the interval of the difference, as `uplift.compare` has it for rates, is above
    zero. Computed from the distribution of outcomes, as in `find_smallest_difference`.

    :param rate: of the control group
    :param mailed: number of people who are mailed
    :param control: number of people in the control group
    :param power: the share of comparisons in which it has to be told
    :return: the rate, None if not even a rate of 100 % would be told
    :raise ValueError: for a rate outside of 0 to 1, or negative numbers of people
    """
    check_rate(rate)
    check_share("power", power)
    z = get_quantile(level)
    if not mailed >= 0 or not control >= 0:
        raise ValueError(f"{mailed} and {control} people can't be compared.")
    if not mailed or not control:
        return None
    if control * rate >= _MANY:

        def find(better: float) -> float:
            variance = better * (1 - better) / mailed + rate * (1 - rate) / control
            return NormalDist().cdf((better - rate) / math.sqrt(variance) - z) if variance else 1.0

    else:
        first, chances = _get_distribution(control, rate)
        limits = _get_uplift_limits(range(first, first + len(chances)), mailed, control, level)

        def find(better: float) -> float:
            return _get_uplift_power(better, mailed, limits, chances)

    return _find_rate(find, rate, power)


def get_power(
    rate: float, better: float, people_per_version: int, versions: int = 2, alpha: float = 0.05
) -> float:
    """Return the share of tests in which `decide_rates` names the one better version as winner.

    :raise ValueError: as `find_smallest_difference`
    """
    check_rate(better)
    _check_test(rate, people_per_version, versions, alpha)
    get_limit = _get_limits(people_per_version, alpha)
    return _get_power(rate, better, people_per_version, versions, get_limit)


def find_needed_people(
    rate_a: float, rate_b: float, ratio: float = 1.0, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Return how many people two groups need together, to tell their rates from each other.

    By the usual formula for the normal approximation of two rates.

    :param ratio: people of group a for each person of group b, such as 9 for a control group b of
        10 %
    :param power: the share of tests in which the difference has to be found
    :return: people of both groups, None for equal rates
    :raise ValueError: for rates outside of 0 to 1 and for a ratio that is not above 0
    """
    check_rate(rate_a)
    check_rate(rate_b)
    check_share("power", power)
    if not 0 < ratio < math.inf:
        raise ValueError(f"ratio must be above 0, not {ratio}.")
    if rate_a == rate_b:
        return None
    pooled = (ratio * rate_a + rate_b) / (ratio + 1)
    same = math.sqrt(pooled * (1 - pooled) * (1 + 1 / ratio))
    different = math.sqrt(rate_a * (1 - rate_a) / ratio + rate_b * (1 - rate_b))
    reach = get_quantile(1 - alpha) * same + NormalDist().inv_cdf(power) * different
    smaller = (reach / (rate_a - rate_b)) ** 2
    return math.ceil(smaller) + math.ceil(smaller * ratio)


def _get_power(
    rate: float, better: float, people: int, versions: int, get_limit: Callable[[int], int]
) -> float:
    """Return the chance that the better version is named as winner.

    Sums the chance of each of its outcomes, times the chance that all other versions have few
    enough successes for the decision to name it (`get_limit`).
    """
    first, others = _get_distribution(people, rate)
    total, below = 0.0, []
    for chance in others:
        total += chance
        below.append(min(total, 1.0))
    found = 0.0
    start, outcomes = _get_distribution(people, better)
    for successes, chance in enumerate(outcomes, start):
        limit = get_limit(successes) - first
        if limit >= 0:
            found += chance * below[min(limit, len(below) - 1)] ** (versions - 1)
    return found


def _find_rate(find: Callable[[float], float], rate: float, power: float) -> float | None:
    """Return the smallest rate above `rate` whose power is reached, None if none has it."""
    low, high = rate, 1.0
    if find(high) < power:
        return None
    while high - low > 1e-7 + (high - rate) * 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if find(middle) >= power else (middle, high)
    return high


def _get_uplift_limits(
    outcomes: Sequence[int], mailed: int, control: int, level: float
) -> list[int]:
    """Return for each number of conversions of the control group, in rising order, the fewest of
    the mailed people that are told from it; `mailed` + 1 if none are.
    """
    limits, low = [], -1
    for converted in outcomes:
        high = mailed + 1
        while high - low > 1:
            middle = (low + high) // 2
            is_told = get_difference(middle, mailed, converted, control, level).low > 0
            low, high = (low, middle) if is_told else (middle, high)
        limits.append(high)
    return limits


def _get_uplift_power(
    better: float, mailed: int, limits: Sequence[int], chances: Sequence[float]
) -> float:
    """Sum the chance of each outcome of the control group, times that of the mailed people
    reaching its limit.
    """
    first, outcomes = _get_distribution(mailed, better)
    total, above = 0.0, [0.0]
    for chance in reversed(outcomes):
        total += chance
        above.append(min(total, 1.0))
    above.reverse()
    last = len(outcomes)
    return sum(
        chance * above[min(max(limit - first, 0), last)]
        for limit, chance in zip(limits, chances, strict=True)
    )


def _get_limits(people: int, alpha: float) -> Callable[[int], int]:
    """Return a function from the successes of the better version to a limit.

    The limit is the largest number of successes of another version at which the two are told
    apart; -1 if there is none.
    """
    z = get_quantile(1 - alpha)

    def is_told(more: int, less: int) -> bool:
        if less < _MANY:
            return get_chance(more, people, less, people) <= alpha
        pooled = (more + less) / people / 2
        return more - less - 1 >= z * math.sqrt(2 * people * pooled * (1 - pooled))

    @cache
    def get_limit(successes: int) -> int:
        low, high = -1, successes
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if is_told(successes, middle) else (low, middle)
        return low

    return get_limit


def _get_distribution(people: int, rate: float) -> tuple[int, list[float]]:
    """Return the binomial distribution without its far ends: first number, chance of each."""
    if rate in (0, 1):
        return round(people * rate), [1.0]
    reach = _REACH * math.sqrt(people * rate * (1 - rate)) + 2 * _REACH
    first = max(0, math.floor(people * rate - reach))
    last = min(people, math.ceil(people * rate + reach))
    chance = math.exp(
        math.lgamma(people + 1)
        - math.lgamma(first + 1)
        - math.lgamma(people - first + 1)
        + first * math.log(rate)
        + (people - first) * math.log1p(-rate)
    )
    odds, chances = rate / (1 - rate), [chance]
    for successes in range(first, last):
        chance *= (people - successes) / (successes + 1) * odds
        chances.append(chance)
    return first, chances


def _check_test(rate: float, people: int, versions: int, alpha: float) -> None:
    check_rate(rate)
    check_share("alpha", alpha)
    if not people >= 0 or not versions >= 2:
        raise ValueError(f"{versions} versions of {people} people each are not a test.")
