# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The effect of mails: a comparison of people who were mailed with their control group."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

from .means import Sums, get_mean_difference
from .power import find_needed_people
from .rates import Interval, get_difference, get_quantile

# Confidence of the intervals, and how often `needed` people would find the difference.
_LEVEL = 0.95
_POWER = 0.8


class Group(NamedTuple):
    """The people who were assigned to a group, whatever happened to their mail later.

    :ivar people: number of people
    :ivar converted: how many of them converted
    :ivar total: sum of the amounts per person
    :ivar squares: sum of their squares
    :ivar cubes: sum of their cubes
    """

    people: int
    converted: int
    total: float
    squares: float
    cubes: float

    @property
    def rate(self) -> float:
        """The share that converted, 0 without people."""
        return self.converted / self.people if self.people else 0.0

    @property
    def sums(self) -> Sums:
        """The amounts per person."""
        return Sums(self.people, self.total, self.squares, self.cubes)


Pair = tuple[Group, Group]


class Uplift(NamedTuple):
    """A comparison of all pairs of groups together; differences are mailed minus control.

    :ivar mailed: number of people in the groups that were mailed
    :ivar control: number of people in the control groups
    :ivar rate: share of the mailed people that converted
    :ivar base: what this share would have been without the mails
    :ivar points: the difference of the two, 0 to 1
    :ivar amount: amount per mailed person
    :ivar base_amount: what it would have been without the mails
    :ivar amounts: the difference of the two
    :ivar needed: people of both groups needed to tell the two shares from each other; None if they
        are told already, or if the mailed people did not convert more often
    """

    mailed: int
    control: int
    rate: float
    base: float
    points: Interval
    amount: float
    base_amount: float
    amounts: Interval
    needed: int | None

    @property
    def is_told(self) -> bool:
        """Whether the interval of the shares leaves zero out."""
        return not self.points.low <= 0 <= self.points.high


def compare(pairs: Sequence[Pair]) -> Uplift | None:
    """Compare groups that were mailed with their control groups.

    Each pair, such as that of one email task, is compared by itself, as its groups were assigned by
    a hash of their own; the differences are added, weighted by the number of mailed people. Their
    intervals are joined by the method of variance estimates recovery (MOVER, Zou and Donner), which
    for one pair is the pair's own interval: Newcombe's for shares, that of
    `get_mean_difference` for amounts.

    :param pairs: ``(mailed, control)``; pairs with fewer than two people in a group are left out
    :return: None if no pair is left
    """
    pairs = [pair for pair in pairs if min(group.people for group in pair) > 1]
    if not pairs:
        return None
    mailed = sum(pair[0].people for pair in pairs)
    control = sum(pair[1].people for pair in pairs)
    rate, base, points = _join(pairs, lambda group: group.rate, _compare_rates)
    amount, base_amount, amounts = _join(pairs, lambda group: group.sums.mean, _compare_means)
    needed = None
    if points.low <= 0 and base < rate < 1:
        needed = (
            find_needed_people(rate, base, mailed / control)
            if len(pairs) == 1
            else _get_needed(mailed + control, rate - base, points)
        )
    return Uplift(mailed, control, rate, base, points, amount, base_amount, amounts, needed)


def _get_needed(people: int, difference: float, points: Interval) -> int:
    """Return how many people several pairs need together, if all of them grow alike.

    The formula for two groups does not know that a pair with a small control group makes the
    interval wide, and would ask for fewer people than there are. An interval becomes narrower with
    the square root of the number of people. As many are needed that the difference is as many
    standard errors away from zero as it has to be.
    """
    error = (difference - points.low) / get_quantile(_LEVEL)
    reach = get_quantile(_LEVEL) + NormalDist().inv_cdf(_POWER)
    return math.ceil(people * (reach * error / difference) ** 2)


def _compare_rates(mailed: Group, control: Group) -> Interval:
    return get_difference(mailed.converted, mailed.people, control.converted, control.people)


def _compare_means(mailed: Group, control: Group) -> Interval:
    return get_mean_difference(mailed.sums, control.sums)


def _join(
    pairs: Sequence[Pair],
    get_value: Callable[[Group], float],
    get_interval: Callable[[Group, Group], Interval],
) -> tuple[float, float, Interval]:
    """Return the value of the mailed people, of the control groups, and their difference."""
    people = sum(mailed.people for mailed, _control in pairs)
    value = base = below = above = 0.0
    for mailed, control in pairs:
        weight = mailed.people / people
        interval = get_interval(mailed, control)
        difference = get_value(mailed) - get_value(control)
        value += weight * get_value(mailed)
        base += weight * get_value(control)
        below = math.hypot(below, weight * (difference - interval.low))
        above = math.hypot(above, weight * (interval.high - difference))
    return value, base, Interval(value - base - below, value - base + above)
