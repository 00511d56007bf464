"""How often a test finds the smallest difference that the page has promised before sending.

2 to 5 versions, rates of 0.2 % to 40 %, 500 to 50,000 people each: the rate of one version is the
one that `find_smallest_difference` returns, the others have the rate it was asked for. 10,000
simulated tests each are decided by `decide_rates`; the better version is to be the winner in 80 %.

    python -m benchmarks.ab_power                 (SCALE=1000: tests per figure)
"""

import sys

import devenv.without_odoo  # noqa: F401
from email_marketing_dm.statistics.power import find_smallest_difference
from email_marketing_dm.statistics.verdict import decide_rates

from ._figures import report, scale
from ._simulations import count_winners, make_random

LOWEST, HIGHEST = 78, 82  # percent
TESTS = 10_000
CASES = (
    (0.002, 500),
    (0.002, 20_000),
    (0.01, 2000),
    (0.02, 2000),
    (0.02, 50_000),
    (0.1, 500),
    (0.2, 2000),
    (0.4, 300),
    (0.4, 5000),
)


def simulate(draw, tests):
    """Return {(rate, people, versions): (rate of the better version, share found)}."""
    found = {}
    for rate, people in CASES:
        for versions in (2, 3, 4, 5):
            better = find_smallest_difference(rate, people, versions)
            rates = [better] + [rate] * (versions - 1)
            drawn = draw.binomial(people, rates, (tests, versions))
            winners = count_winners(decide_rates, [people] * versions, drawn)
            found[rate, people, versions] = better, 100 * winners.get(0, 0) / tests
    return found


def main():
    tests = scale(TESTS)
    found = simulate(make_random(), tests)
    shares = [share for _better, share in found.values()]
    notes = [
        f"% of {tests:,} tests that find the promised difference, lowest and highest of"
        f" {len(found)}: {min(shares):.1f} and {max(shares):.1f}",
        *(
            f"{versions} versions of {people:,} people: {rate:.1%} → {better:.2%}: {share:.1f} %"
            for (rate, people, versions), (better, share) in found.items()
        ),
    ]
    good = report("ab_power_lowest", min(shares), ">=", LOWEST)
    return good & report("ab_power_highest", max(shares), "<=", HIGHEST, *notes)


if __name__ == "__main__":
    sys.exit(not main())
