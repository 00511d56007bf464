"""How the time of a refresh grows with the people: 10,000, 100,000, 1,000,000.

The mix of five lines of `audience_vs_sql`. The figure is the highest time per contact as a ratio to
that of the smallest; the memory is what the Odoo process gained by the largest refresh.

    python -m benchmarks.growth_audience          (SCALE=100000: the largest number of contacts)
"""

import os
import statistics
import sys

from ._figures import RUNS, memory_mb, report, scale
from ._people import ORDERS, PEOPLE, environment, people_database, vacuum

GOAL, MEMORY_GOAL = 1.5, 50


def main():
    largest = scale(PEOPLE)
    per_person, notes, gained = {}, [], 0.0
    for people in sorted({max(largest // 100, 1), max(largest // 10, 1), largest}):
        with people_database(people, ORDERS) as name, environment(name) as env:
            seconds, gained = refresh_often(env, name)
        per_person[people] = statistics.median(seconds) / people
        notes.append(f"{people:,} contacts: median {statistics.median(seconds):.2f} s of {RUNS}")
    ratio = max(per_person.values()) / per_person[min(per_person)]
    time_ok = report(
        "growth_audience", ratio, "<=", GOAL,
        "highest time per contact as a ratio to that of the smallest; three orders each", *notes,
    )  # fmt: skip
    memory_ok = report(
        "growth_audience_memory", max(gained, 0.0), "<=", MEMORY_GOAL,
        f"MB that the process gained by {RUNS} refreshes of {largest:,} contacts",
    )  # fmt: skip
    return time_ok and memory_ok


def refresh_often(env, name):
    """Refresh an audience several times. :return: (seconds of each, MB that the process gained)"""
    from ._audiences import audience_lines, make_audience, make_owner, make_task
    from .audience_vs_sql import timed

    owner = make_owner(env)
    countries = env["res.country"].search([], order="id", limit=10).ids
    other = make_audience(env, owner, "Other", [{"domain": "[('is_company', '=', True)]"}])
    other._refresh()
    task = make_task(env, owner)
    lines = audience_lines(env, countries, other.id, task.id)["five_lines"]
    audience = make_audience(env, owner, "Mix", lines)
    env.cr.commit()
    vacuum(name, "directmail_audience_member")
    timed(env, name, audience._refresh)  # what is loaded once is no growth
    before = memory_mb(os.getpid())
    seconds = [timed(env, name, audience._refresh) for _run in range(RUNS)]
    return seconds, memory_mb(os.getpid()) - before


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
