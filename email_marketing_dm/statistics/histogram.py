# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Edges of the bars of a histogram: round numbers, also for values of very different sizes."""

from __future__ import annotations

import math

#: Steps within a power of ten, finest first.
SERIES = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
#: Most bars that fit beside each other on a phone.
BARS_MAX = 40
#: Powers of ten below the highest value that are told apart; smaller values share one bar.
POWERS_MAX = 6
#: From this ratio of the highest to the lowest positive value on, bars grow with the values.
WIDE = 50


def make_even_edges(low: float, high: float, whole: bool = False) -> list[float]:
    """Return the edges of bars of the same width that contain all values from low to high.

    :param whole: whether all values are whole numbers
    :return: edges in rising order, two or more. The first is not above ``low``, the last is above
        ``high``
    """
    size = max(abs(low), abs(high))
    # Edges have twelve digits: bars must not be narrower than that.
    step = max((high - low) / (BARS_MAX / 2), size / 1e9) if high > low else size / 10
    step = _round_up(step or 1.0)
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def make_edges(low: float, positive: float, high: float, whole: bool = False) -> list[float]:
    """Return edges as `make_even_edges` does, further apart for higher values if they differ much.

    :param positive: the lowest value above zero, if ``high`` is above zero
    :param whole: whether all values are whole numbers
    """
    if high <= 0 or high < positive * WIDE:
        return make_even_edges(low, high, whole)
    begin = math.floor(math.log10(positive))
    end = math.floor(math.log10(high))
    begin = max(begin, end - POWERS_MAX)
    for steps in SERIES:
        edges = [float(f"{step}e{power}") for power in range(begin, end + 1) for step in steps]
        if whole:
            edges = sorted({float(round(edge)) for edge in edges})
        while len(edges) > 1 and edges[1] <= positive:
            edges.pop(0)
        while len(edges) > 1 and edges[-2] > high:
            edges.pop()
        if edges[-1] <= high:
            edges.append(float(f"1e{end + 1}"))
        if len(edges) <= BARS_MAX - 1:
            break
    if low < edges[0]:
        edges.insert(0, 0.0)
    if low < 0:
        edges.insert(0, -_round_up(-low))
    return edges


def _round_up(value: float) -> float:
    """Return the next higher number that is 1, 2 or 5 times a power of ten."""
    power = math.floor(math.log10(value))
    for step in (1, 2, 5):
        if value <= float(f"{step}e{power}"):
            return float(f"{step}e{power}")
    return float(f"1e{power + 1}")
