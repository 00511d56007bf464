# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The interval of the difference of two means, such as revenue per person, from sums.

Most people buy nothing, and a few orders are large. An interval made of the usual standard error
(Welch's) then misses the truth in 6 to 14 % of all cases instead of 5 %, because a small group
that happens to lack its large orders has too small a mean and too small a standard error at once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .rates import Interval, combine, get_quantile, get_student_quantile

# A group's own orders weigh as much as those of both groups together when they say as much of
# their spread as so many orders of equal size would (`_get_shape`).
_BORROWED = 60
# Degrees of freedom that `get_null_difference` takes per order of equal size.
_DEGREES = 6
_UNKNOWN = Interval(-math.inf, math.inf)


class Sums(NamedTuple):
    """Sums over the amounts of a group of people; people who bought nothing have the amount 0.

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


class _Shape(NamedTuple):
    """How orders are spread: their mean square and mean cube, each per mean amount."""

    squares: float
    cubes: float


def get_mean_difference(a: Sums, b: Sums, level: float = 0.95) -> Interval:
    """Return the interval of mean a minus mean b.

    Each mean has a score interval, as Wilson's of a rate: the total is that of a Poisson number
    of orders, and its variance is that of the mean in question, not of the mean observed. The
    first term of Cornish's and Fisher's expansion corrects it for skewness. How the orders are
    spread is learned from both groups, from the own one the more the more orders it has. The two
    intervals make that of the difference as in Newcombe's method.

    It is infinite if nothing can be said: a group has no people, nobody bought anything, or
    refunds make a total negative.

    :raise ValueError: for negative numbers of people or squares, NaN or infinite sums, and for
        amounts of nobody
    """
    both = _get_common_shape(a, b)
    if not both:
        return _UNKNOWN
    return _combine(a, _get_shape(a, both), b, _get_shape(b, both), get_quantile(level))


def get_null_difference(a: Sums, b: Sums, level: float = 0.95) -> Interval:
    """Return the interval of mean a minus mean b that tests whether the groups are identical.

    As `get_mean_difference`, except that the orders of both groups are spread like those of both
    together, as identical groups are. With a spread of its own, a group that happens to lack large
    orders is told too easily from one that has them. Student's quantile replaces the normal one,
    because that spread is learned from few orders.

    :raise ValueError: as `get_mean_difference`
    """
    both = _get_common_shape(a, b)
    if not both:
        return _UNKNOWN
    orders = max(1.0, _count_orders(a.squares + b.squares, a.cubes + b.cubes))
    return _combine(a, both, b, both, get_student_quantile(level, _DEGREES * orders))


def _get_common_shape(a: Sums, b: Sums) -> _Shape | None:
    """Return the shape of the orders of both groups, None if nothing can be said."""
    _check(a)
    _check(b)
    if not a.people or not b.people or min(a.total, b.total) < 0 or a.total + b.total <= 0:
        return None
    total = a.total + b.total
    return _Shape((a.squares + b.squares) / total, (a.cubes + b.cubes) / total)


def _combine(a: Sums, shape_a: _Shape, b: Sums, shape_b: _Shape, z: float) -> Interval:
    return combine(a.mean, _get_interval(a, shape_a, z), b.mean, _get_interval(b, shape_b, z))


def _count_orders(squares: float, cubes: float) -> float:
    """Return how many orders of equal size would say as much of their spread."""
    return squares**3 / cubes**2 if cubes > 0 else 0.0


def _get_interval(sums: Sums, shape: _Shape, z: float) -> Interval:
    """Solve (mean - shift - true)² = z² (squares · true - true²) / people for the true mean."""
    shift = (z * z - 1) * shape.cubes / shape.squares / sums.people / 6
    mean, weight = sums.mean - shift, z * z / sums.people
    middle = mean + weight * shape.squares / 2
    half = math.sqrt(max(0.0, middle * middle - (1 + weight) * mean * mean))
    return Interval(
        min(max(0.0, (middle - half) / (1 + weight)), sums.mean),
        max((middle + half) / (1 + weight), sums.mean),
    )


def _get_shape(sums: Sums, both: _Shape) -> _Shape:
    """Mix a group's own shape with that of both groups.

    The own one is unreliable where a few large orders make it, so it weighs by the number of
    orders of equal size that would have the same squares and cubes.
    """
    if not sums.total or sums.cubes <= 0:
        return both
    orders = _count_orders(sums.squares, sums.cubes)
    own = orders / (orders + _BORROWED)
    return _Shape(
        own * sums.squares / sums.total + (1 - own) * both.squares,
        own * sums.cubes / sums.total + (1 - own) * both.cubes,
    )


def _check(sums: Sums) -> None:
    known = all(map(math.isfinite, sums)) and sums.people >= 0 and sums.squares >= 0
    if not known or (not sums.people and any(sums)):
        raise ValueError(f"{sums} are not sums over people.")
