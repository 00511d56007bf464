"""How often the 95 % interval of an uplift has the true one: of rates, and of revenue per person.

Control groups of 10 % and of 50 %, with and without an effect of the mail. Revenue is that of
lognormal orders: nearly everybody buys nothing, and the largest 1 % of the orders make 5 to 13 %
of the sum. In 2,000 simulations luck moves a share by half a point, so there are 20,000. The share
of Welch's interval, which is made of the usual standard error, is printed beside ours.

    python -m benchmarks.uplift_coverage          (SCALE=2000: simulations per figure)
"""

import math
import sys
from statistics import NormalDist

import devenv.without_odoo  # noqa: F401
from email_marketing_dm.statistics.means import get_mean_difference
from email_marketing_dm.statistics.rates import get_difference

from ._figures import report, scale
from ._simulations import buy, make_random

LOWEST, HIGHEST = 94, 96  # percent
TESTS = 20_000
GROUPS = ((9000, 1000), (18_000, 2000), (90_000, 10_000), (5000, 5000))
RATES = ((0.01, 0.01), (0.012, 0.01), (0.032, 0.026), (0.2, 0.18))
#: share of buyers with and without the mail, spread of the orders' logarithms, size of an order
#: with the mail
ORDERS = (
    (0.01, 0.01, 0.7, 1),
    (0.012, 0.01, 1.0, 1),
    (0.032, 0.026, 1.0, 1),
    (0.032, 0.026, 0.7, 1.05),
    (0.06, 0.05, 1.2, 1),
)


def simulate_rates(draw, tests):
    covered = {}
    for people in GROUPS:
        for rates in RATES:
            drawn = draw.binomial(people, rates, (tests, 2)).tolist()
            known = {}
            hits = 0
            for a, b in drawn:
                if (a, b) not in known:
                    low, high = get_difference(a, people[0], b, people[1])
                    known[a, b] = low <= rates[0] - rates[1] <= high
                hits += known[a, b]
            covered[people, rates] = 100 * hits / tests
    return covered


def simulate_revenue(draw, tests):
    """Return {case: share of our intervals, share of Welch's}."""
    covered, z = {}, NormalDist().inv_cdf(0.975)
    for people in GROUPS:
        for case in ORDERS:
            with_mail, without, spread, size = case
            truth = (with_mail * size - without) * math.exp(spread**2 / 2)
            hits = plain = 0
            for _test in range(tests):
                a = buy(draw, people[0], with_mail, spread, size)
                b = buy(draw, people[1], without, spread)
                low, high = get_mean_difference(a, b)
                hits += low <= truth <= high
                error = math.sqrt(
                    sum(
                        (sums.squares / sums.people - sums.mean**2) / sums.people for sums in (a, b)
                    )
                )
                plain += abs(a.mean - b.mean - truth) <= z * error
            covered[people, case] = 100 * hits / tests, 100 * plain / tests
    return covered


def report_both(name, shares, *notes):
    good = report(f"{name}_lowest", min(shares), ">=", LOWEST)
    return good & report(f"{name}_highest", max(shares), "<=", HIGHEST, *notes)


def main():
    tests, draw = scale(TESTS), make_random()
    rates = simulate_rates(draw, tests)
    good = report_both(
        "uplift_coverage_rates",
        rates.values(),
        f"% of {tests:,} intervals that have the true difference, of {len(rates)} cases each",
        *(
            f"{a:,} with and {b:,} without the mail, {case[0]:.1%} and {case[1]:.1%}: {share:.2f} %"
            for ((a, b), case), share in rates.items()
        ),
    )
    revenue = simulate_revenue(draw, tests)
    return good & report_both(
        "uplift_coverage_revenue",
        [ours for ours, _welch in revenue.values()],
        f"% of {tests:,} intervals that have the true difference, of {len(revenue)} cases each",
        *(
            f"{a:,} with and {b:,} without the mail, {case[0]:.1%} and {case[1]:.1%} buy, spread"
            f" {case[2]}, orders x {case[3]}: {ours:.2f} % (Welch: {welch:.2f} %)"
            for ((a, b), case), (ours, welch) in revenue.items()
        ),
    )


if __name__ == "__main__":
    sys.exit(not main())
