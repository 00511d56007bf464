"""Bars of a histogram: few, with round edges, and every value is in one of them."""

import random

import pytest

from email_marketing_dm.statistics.histogram import BARS_MAX, make_edges, make_even_edges


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        (make_even_edges(0, 3, whole=True), [0, 1, 2, 3, 4]),
        (make_even_edges(0, 364, whole=True)[:3], [0, 20, 40]),
        (make_even_edges(7, 7, whole=True), [7, 8]),
        (make_even_edges(0, 0), [0, 1]),
        (make_even_edges(500, 500), [500, 550]),
        (make_edges(1, 1, 9, whole=True), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (make_edges(1, 1, 60, whole=True), [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70]),
        (make_edges(0, 20, 2500)[:4], [0, 20, 30, 50]),
        (make_edges(0, 20, 2500)[-2:], [2000, 3000]),
        (make_edges(-30, 20, 2500)[:3], [-50, 0, 20]),
        (make_edges(-30, 0, -10)[0], -30),
    ],
)
def test_edges(edges, expected):
    assert edges == expected


@pytest.mark.parametrize("whole", [True, False])
def test_all_values_are_in_a_bar(whole):
    rng = random.Random(7)
    for _round in range(3000):
        size = 10 ** rng.uniform(0, rng.choice([1, 3, 9, 300]))
        values = [rng.uniform(-0.1, 1) * size for _value in range(rng.randint(1, 5))]
        if whole:
            values = [float(max(1, round(value))) for value in values]
        low, high = min(values), max(values)
        positive = min((value for value in values if value > 0), default=0)
        for edges in (make_edges(low, positive, high, whole), make_even_edges(low, high, whole)):
            assert edges[0] <= low and high < edges[-1], (values, edges)
            assert edges == sorted(set(edges)), (values, edges)
            assert 2 <= len(edges) <= BARS_MAX + 3, (values, edges)
            if whole:
                assert all(edge == round(edge) for edge in edges)


def test_very_large_amounts():
    edges = make_edges(0.01, 0.01, 9e307)
    assert edges[0] == 0 and edges[-1] == 1e308
    assert len(edges) <= BARS_MAX
