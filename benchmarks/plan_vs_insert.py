"""The plan of a task against a bare INSERT ... SELECT into a table with the same indexes.

The plan finds the people of an audience, their addresses and address keys, drops duplicates, asks
the blacklist and the opt-outs, writes a delivery for each and counts them, in one statement. The
bare insert only copies what a plan has found. Both start from an empty table of their own.

    python -m benchmarks.plan_vs_insert            (SCALE=people)
"""

import statistics
import sys
import time

from ._dispatch import open_shop
from ._figures import alternate, report, run_in_odoo, scale, spread

GOAL = 3
PLAN = """
import time
from odoo.addons.email_marketing_dm.engine import plan
task = env["directmail.task"].browse(%(task)s)
begin = time.perf_counter()
people = plan.insert_deliveries(env, task._get_task_plan())
print("RESULT", sum(people.values()), time.perf_counter() - begin)
env.cr.commit()
"""


def main():
    people = scale(1_000_000)
    with open_shop("plan", crons=0) as shop:
        task = prepare(shop, people)
        query = shop.server.query
        run_plan(shop, task)
        # What a plan found, and an empty table like the one that it fills.
        query("CREATE TABLE bench_found AS SELECT * FROM directmail_delivery")
        query("CREATE TABLE bench_bare (LIKE directmail_delivery INCLUDING ALL)")
        query("ALTER TABLE bench_bare SET (fillfactor = 50)")  # as full as deliveries are
        query("ANALYZE")

        def ours():
            query("TRUNCATE directmail_delivery, directmail_task_counter CASCADE")
            seconds = run_plan(shop, task)
            [(planned,)] = query("SELECT count(*) FROM directmail_delivery")
            if planned != people:
                raise SystemExit(f"{planned} of {people} were planned")
            return seconds

        def bare():
            query("TRUNCATE bench_bare")
            begin = time.perf_counter()
            query("INSERT INTO bench_bare SELECT * FROM bench_found ORDER BY id")
            return time.perf_counter() - begin

        mine, plain = alternate(ours, bare)
    return report(
        "plan_vs_insert", statistics.median(mine) / statistics.median(plain), "<=", GOAL,
        f"{people:,} people; the plan took {spread(mine, 1)} s, the bare insert"
        f" {spread(plain, 1)} s",
    )  # fmt: skip


def prepare(shop, people):
    """Make a task whose audience has so many people, and refresh it. Returns the task's id."""
    task = shop.make_task("plan", people, use_as_is=True)
    [audience] = shop.read(task, "audience_ids")["audience_ids"]
    shop.user.call("directmail.audience", "action_refresh", [[audience]])
    return task


def run_plan(shop, task):
    """Plan the task in a process of its own; return the seconds of the statement."""
    _people, seconds = run_in_odoo(shop.server.database, PLAN % {"task": task})
    return seconds


if __name__ == "__main__":
    sys.exit(not main())
