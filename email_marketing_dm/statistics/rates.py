# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Intervals of a rate (successes among people) and of the difference of two rates."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

from .checks import check_counts, check_share


class Interval(NamedTuple):
    """An interval that contains the true value with the level of confidence asked for.

    :ivar low: its lower end
    :ivar high: its upper end
    """

    low: float
    high: float


def get_quantile(level: float) -> float:
    """Return how many standard errors an interval of a level reaches to either side.

    :param level: such as 0.95, which gives 1.96
    :raise ValueError: if it is not between 0 and 1
    """
    check_share("level", level)
    return NormalDist().inv_cdf((1 + level) / 2)


def get_student_quantile(level: float, degrees: float) -> float:
    """Return Student's quantile for an interval of a level: `get_quantile` for few observations.

    By two terms of an expansion, exact to 1 % up to 95 % from six degrees of freedom.

    :raise ValueError: if the level is not between 0 and 1
    """
    z = get_quantile(level)
    first = (z**3 + z) / (4 * degrees)
    return z + first + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def get_interval(successes: int, people: int, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of a rate, from 0 to 1 if there are no people.

    :raise ValueError: for negative counts, NaN, or more successes than people
    """
    check_counts(successes, people)
    z = get_quantile(level)
    if not people:
        return Interval(0.0, 1.0)
    rate, weight = successes / people, z * z / people
    middle = (rate + weight / 2) / (1 + weight)
    half = z * math.sqrt(rate * (1 - rate) / people + weight / people / 4) / (1 + weight)
    return Interval(
        0.0 if successes == 0 else middle - half, 1.0 if successes == people else middle + half
    )


def get_difference(
    successes_a: int, people_a: int, successes_b: int, people_b: int, level: float = 0.95
) -> Interval:
    """Return Newcombe's interval of rate a minus rate b, made of the two of Wilson.

    It is from -1 to 1 if one of the groups has no people.

    :raise ValueError: for negative counts, NaN, or more successes than people
    """
    a = get_interval(successes_a, people_a, level)
    b = get_interval(successes_b, people_b, level)
    if not people_a or not people_b:
        return Interval(-1.0, 1.0)
    return combine(successes_a / people_a, a, successes_b / people_b, b)


def combine(value_a: float, a: Interval, value_b: float, b: Interval) -> Interval:
    """Return the interval of value a minus value b, made of the intervals of both.

    Newcombe's method of 1998, later called MOVER: each end uses the ends that are on its side.
    """
    return Interval(
        value_a - value_b - math.hypot(value_a - a.low, b.high - value_b),
        value_a - value_b + math.hypot(a.high - value_a, value_b - b.low),
    )
