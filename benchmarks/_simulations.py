"""Simulated tests and campaigns, seeded; the decisions are those of the addon's statistics."""

import math

import numpy

import devenv.without_odoo  # noqa: F401
from email_marketing_dm.statistics.means import Sums

SEED = 19


def make_random():
    """Return a generator that draws the same numbers in each run."""
    return numpy.random.default_rng(SEED)


def count_winners(decide, groups, drawn):
    """Return how many simulated tests name each version, and None, as winner.

    :param decide: `decide_rates`
    :param groups: people of each version
    :param drawn: array of successes, a row per test
    """
    found, known = {}, {}
    for test in drawn:
        # Equal outcomes are decided once: most tests of rare clicks repeat an earlier one.
        test = tuple(test.tolist())
        if test not in known:
            known[test] = decide(list(zip(test, groups, strict=True))).winner
        found[known[test]] = found.get(known[test], 0) + 1
    return found


def buy(draw, people, share, spread, size=1.0):
    """Return the sums of a group of people, of whom a share buys for lognormal amounts.

    :param spread: standard deviation of the amounts' logarithms
    :param size: median amount
    """
    orders = draw.lognormal(math.log(size), spread, draw.binomial(people, share))
    return Sums(people, orders.sum(), (orders**2).sum(), (orders**3).sum())
