# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The interval of the difference of two means, such as revenue per person, from sums."""

from __future__ import annotations

import math
from typing import NamedTuple

from .rates import Interval, get_quantile


class Sums(NamedTuple):
    """What is known of the amounts of a group of people; who bought nothing has the amount 0.

    :ivar people: number of people
    :ivar total: sum of the amounts
    :ivar squares: sum of their squares
    :ivar cubes: sum of their cubes
    """

    people: int
    total: float
    squares: float
    cubes: float

    @property
    def mean(self) -> float:
        """The amount per person, 0 without people."""
        return self.total / self.people if self.people else 0.0


class Moments(NamedTuple):
    """A difference of means as an estimate.

    :ivar value: the difference
    :ivar error: its standard error
    :ivar skewness: the skewness of the estimate
    """

    value: float
    error: float
    skewness: float


def get_mean_difference(a: Sums, b: Sums, level: float = 0.95) -> Interval:
    """Return the interval of mean a minus mean b: Welch's, corrected for skewness as by Hall.

    A few large orders make the amounts skewed, and an interval that reaches equally far to both
    sides would then miss the truth too often. Hall's transformation of Welch's statistic makes
    it reach further to the side of the skewness.

    It is infinite if one of the groups has fewer than two people.

    :raise ValueError: for negative numbers of people or squares, and for NaN or infinite sums
    """
    z = get_quantile(level)
    _check_sums(a)
    _check_sums(b)
    if a.people < 2 or b.people < 2:
        return Interval(-math.inf, math.inf)
    difference = get_moments(a, b)
    return Interval(
        difference.value - difference.error * _transform_back(z, difference.skewness),
        difference.value - difference.error * _transform_back(-z, difference.skewness),
    )


def get_moments(a: Sums, b: Sums) -> Moments:
    """Return the difference of the means of two groups of at least two people each."""
    variance_a, third_a = _get_central_moments(a)
    variance_b, third_b = _get_central_moments(b)
    variance = variance_a / a.people + variance_b / b.people
    third = third_a / a.people**2 - third_b / b.people**2
    error = math.sqrt(variance)
    return Moments(a.mean - b.mean, error, third / error**3 if error else 0.0)


def transform(statistic: float, skewness: float) -> float:
    """Return Hall's transformation of a studentized estimate, nearly normally distributed."""
    if not skewness:
        return statistic
    cubed = (1 + skewness * statistic / 3) ** 3
    return statistic + skewness / 6 + (cubed - 1 - skewness * statistic) / (3 * skewness)


def _transform_back(value: float, skewness: float) -> float:
    """Return the studentized estimate whose transformation is a value."""
    if not skewness:
        return value
    cubed = 1 + skewness * (value - skewness / 6)
    return 3 / skewness * (math.copysign(abs(cubed) ** (1 / 3), cubed) - 1)


def _get_central_moments(sums: Sums) -> tuple[float, float]:
    """Return variance and third central moment per person, both unbiased for many people."""
    mean = sums.mean
    variance = sums.squares / sums.people - mean * mean
    third = sums.cubes / sums.people - 3 * mean * sums.squares / sums.people + 2 * mean**3
    return max(variance, 0.0) * sums.people / (sums.people - 1), third


def _check_sums(sums: Sums) -> None:
    if not all(map(math.isfinite, sums)) or sums.people < 0 or sums.squares < 0:
        raise ValueError(f"{sums} are not sums over people.")
