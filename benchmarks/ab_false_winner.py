"""How often a test of identical versions names a winner.

2 to 5 versions, rates of 0.2 % to 40 %, 300 or 2,000 people each or versions of unequal size:
10,000 simulated tests each. For two versions, the share is also computed without simulation, from
the chance of every outcome. Odoo's rule, the highest rate, is counted beside it. Revenue is
decided by its own rule and has a line of its own.

    python -m benchmarks.ab_false_winner          (SCALE=1000: tests per figure)
"""

import sys

import numpy
from scipy.stats import binom

import devenv.without_odoo  # noqa: F401
from email_marketing_dm.statistics.verdict import decide_means, decide_rates

from ._figures import report, scale
from ._simulations import buy, count_winners, make_random

GOAL = 5  # percent
TESTS = 10_000
# Luck moves 5 % of 10,000 tests by 0.22 points, of 40,000 by 0.11.
REVENUE_TIMES = 4
VERSIONS = (2, 3, 4, 5)
RATES = (0.002, 0.005, 0.01, 0.03, 0.1, 0.2, 0.4)
SIZES = {
    "300 people each": lambda versions: [300] * versions,
    "2,000 people each": lambda versions: [2000] * versions,
    "200 to 2,000 people": lambda versions: [2000, 200, 1000, 500, 1500][:versions],
}
EXACT = ((300, 300), (2000, 2000), (2000, 200), (10_000, 10_000))


def simulate(draw, tests):
    """Return {(versions, sizes): highest share over all rates}, and Odoo's lowest and highest."""
    shares, naive = {}, []
    for versions in VERSIONS:
        for name, make in SIZES.items():
            groups = make(versions)
            for rate in RATES:
                drawn = draw.binomial(groups, rate, (tests, versions))
                winners = count_winners(decide_rates, groups, drawn)
                share = 100 - 100 * winners.get(None, 0) / tests
                shares[versions, name] = max(share, shares.get((versions, name), 0))
                ranked = numpy.sort(drawn / groups)
                naive.append(100 * (ranked[:, -1] > ranked[:, -2]).mean())
    return shares, naive


def compute(people_a, people_b, rate):
    """Return the share of tests of two versions that have a winner, without simulation.

    For each outcome of version a, the outcomes of b without a winner lie side by side.
    """
    a, b = get_outcomes(people_a, rate), get_outcomes(people_b, rate)
    cumulated = numpy.append(0, numpy.cumsum(binom.pmf(b, people_b, rate)))

    def is_decided(number, index):
        versions = [(int(a[number]), people_a), (int(b[index]), people_b)]
        return decide_rates(versions).winner is not None

    low = high = 0
    undecided = 0.0
    for number, chance in enumerate(binom.pmf(a, people_a, rate)):
        middle = int(numpy.searchsorted(b, a[number] * people_b / people_a))
        middle = min(middle, len(b) - 1)
        while low < middle and is_decided(number, low):
            low += 1
        high = max(high, middle)
        while high < len(b) and not is_decided(number, high):
            high += 1
        undecided += chance * (cumulated[high] - cumulated[low])
    return 100 * (1 - undecided)


def get_outcomes(people, rate):
    """Return all numbers of successes but those that a test in ten million has."""
    return numpy.arange(binom.ppf(1e-7, people, rate), binom.ppf(1 - 1e-7, people, rate) + 1)


def simulate_revenue(draw, tests):
    shares = {}
    for versions in tests:
        for people, bought, spread in (
            (300, 0.02, 0.7),
            (2000, 0.005, 1.0),
            (2000, 0.02, 1.0),
            (2000, 0.05, 1.2),
            (10_000, 0.02, 1.0),
            (20_000, 0.02, 1.2),
        ):
            wrong = 0
            for _test in range(tests[versions]):
                groups = [buy(draw, people, bought, spread) for _version in range(versions)]
                wrong += decide_means(groups).winner is not None
            shares[versions] = max(shares.get(versions, 0), 100 * wrong / tests[versions])
    return shares


def main():
    tests, draw = scale(TESTS), make_random()
    shares, naive = simulate(draw, tests)
    good = report(
        "ab_false_winner",
        max(shares.values()),
        "<=",
        GOAL,
        f"% of {tests:,} tests of identical versions with a winner, highest of {len(naive)}",
        *(f"{n} versions, {name}: at most {share:.2f} %" for (n, name), share in shares.items()),
        f"the highest rate as rule: {min(naive):.0f} to {max(naive):.0f} %",
    )
    exact = {(groups, rate): compute(*groups, rate) for groups in EXACT for rate in RATES}
    good &= report(
        "ab_false_winner_exact",
        max(exact.values()),
        "<=",
        GOAL,
        f"% of all tests of two identical versions, not simulated, highest of {len(exact)}",
        *(
            f"{groups[0]:,} and {groups[1]:,} people: "
            + ", ".join(
                f"{share:.2f} % ({rate:.1%})" for (g, rate), share in exact.items() if g == groups
            )
            for groups in EXACT
        ),
    )
    # Three versions have a winner less often, because it must beat both others.
    numbers = {2: REVENUE_TIMES * tests, 3: tests}
    revenue = simulate_revenue(draw, numbers)
    return good & report(
        "ab_false_winner_revenue",
        max(revenue.values()),
        "<=",
        GOAL,
        "% of tests by revenue per person, highest of 6 kinds of orders",
        *(
            f"{versions} versions, {numbers[versions]:,} tests: at most {share:.2f} %"
            for versions, share in revenue.items()
        ),
    )


if __name__ == "__main__":
    sys.exit(not main())
