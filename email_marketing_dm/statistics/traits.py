# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What sets two audiences apart: differences of shares, corrected for looking at many of them.

The audiences may overlap, and one may contain the other, as all contacts contain each audience. So
a trait is counted in three groups without common people: those only in A, those in both, and those
only in B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .checks import check_counts, check_share
from .rates import Interval, get_interval
from .verdict import get_chance

#: A trait of fewer people, both audiences together, is not looked at: it could tell little, and
#: each trait that is looked at widens the intervals of all others.
PEOPLE_MIN = 20

#: Numbers of people only in A, in both, and only in B.
Counts = tuple[int, int, int]


class Difference(NamedTuple):
    """A trait whose share in A differs from that in B for certain.

    :ivar number: the place of the trait among those given, from 0
    :ivar share: of the people in A who have it, 0 to 1
    :ivar other_share: of the people in B
    :ivar points: interval of the difference of the two, 0 to 1; it leaves zero out
    """

    number: int
    share: float
    other_share: float
    points: Interval

    @property
    def certain(self) -> float:
        """The end of the interval that is nearer to zero: at least so large is the difference."""
        return min(abs(self.points.low), abs(self.points.high))


def compare_shares(having: Counts, people: Counts, level: float = 0.95) -> Interval:
    """Return the interval of the share in A minus the share in B.

    It joins the intervals of the three groups by the method of variance estimates recovery (MOVER),
    which without common people is Newcombe's interval: see `rates.combine`. People in both count in
    both shares with opposite signs, which makes the interval narrower the more the two overlap.

    :param having: numbers of people with the trait
    :param people: numbers of all people
    :return: from -1 to 1 if A or B has no people
    :raise ValueError: for negative counts, NaN, or more people with the trait than people
    """
    for successes, number in zip(having, people, strict=True):
        check_counts(successes, number)
    in_a, in_b = people[0] + people[1], people[1] + people[2]
    if not in_a or not in_b:
        return Interval(-1.0, 1.0)
    weights = (people[0] / in_a, people[1] / in_a - people[1] / in_b, -people[2] / in_b)
    difference = below = above = 0.0
    for weight, successes, number in zip(weights, having, people, strict=True):
        if not weight:
            continue
        rate, interval = successes / number, get_interval(successes, number, level)
        ends = sorted((weight * (rate - interval.low), weight * (rate - interval.high)))
        difference += weight * rate
        above = math.hypot(above, ends[0])
        below = math.hypot(below, ends[1])
    return Interval(difference - below, difference + above)


def find_differences(
    traits: Sequence[Counts], people: Counts, alpha: float = 0.05, limit: int = 10
) -> tuple[list[Difference], int]:
    """Return the traits by which two audiences differ most.

    Corrected for the number of traits that are looked at (Bonferroni): if none of them differs in
    truth, in at most ``alpha`` of all comparisons any is returned, and all intervals together
    contain the true differences in 1 - ``alpha`` of them. A trait must pass both Fisher's exact
    test and its interval, because far from its middle an interval of few people is inexact.

    :param traits: per trait, the numbers of people who have it
    :param people: numbers of all people
    :return: (at most ``limit`` differences, the one that is certainly largest first; the number of
        traits that were looked at)
    :raise ValueError: as `compare_shares`, and for an ``alpha`` that is not between 0 and 1
    """
    check_share("alpha", alpha)
    everybody = sum(people)
    # Chosen by the people of A and B together, which says nothing about how the two differ.
    looked = [i for i, t in enumerate(traits) if PEOPLE_MIN <= sum(t) <= everybody - 1]
    if not looked or not people[0] + people[1] or not people[1] + people[2]:
        return [], len(looked)
    level = 1 - alpha / len(looked)
    found = []
    for index in looked:
        having = traits[index]
        points = compare_shares(having, people, level)
        if points.low <= 0 <= points.high or _get_chance(having, people) > 1 - level:
            continue
        share = (having[0] + having[1]) / (people[0] + people[1])
        other = (having[1] + having[2]) / (people[1] + people[2])
        found.append(Difference(index, share, other, points))
    found.sort(key=lambda difference: (-difference.certain, difference.number))
    return found[:limit], len(looked)


def _get_chance(having: Counts, people: Counts) -> float:
    """Return how often luck alone makes groups differ so much: see `verdict.get_chance`.

    The test needs groups without common people. So the people in both stand on the side of the
    audience that has fewer of its own, which leaves the larger group for the comparison.
    """
    if people[2] >= people[0]:
        return get_chance(having[0] + having[1], people[0] + people[1], having[2], people[2])
    return get_chance(having[0], people[0], having[1] + having[2], people[1] + people[2])
