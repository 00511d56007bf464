"""How the cost of an upload grows from 10,000 rows to SCALE (1,000,000).

A database with as many contacts as the longest list has rows. Lists of addresses, half of which are
contacts', are uploaded and matched by the code that the cron runs, in a process of its own whose
memory is watched; each chunk is committed, as by the cron. The figure is the time per row of the
longest list over that of the shortest, and how much memory the process gained.

    python -m benchmarks.growth_upload            (SCALE=100000: rows of the longest list)
"""

from __future__ import annotations

import sys

from devenv import database as databases

from ._figures import report, scale
from ._upload import MAKE_CONTACTS, run

GOAL_RATIO, GOAL_MEMORY = 1.5, 50  # MB
SHORT, RUNS = 10_000, 3

MEASURE = """
import gc
def memory():
    gc.collect()
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
def peak_reset():
    open("/proc/self/clear_refs", "w").write("5")
def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
def run(rows):
    text = "".join(f"Person {n},p{2 * n}@customer.example\\n" for n in range(rows))
    upload = make_upload(text)
    del text
    upload = start_upload(upload)
    before = memory()
    peak_reset()
    seconds = match(upload)
    grown = peak() - before
    remove_upload(upload, rows, rows)
    return seconds, grown
run(short)
for rows in order:
    seconds, grown = run(rows)
    print("RESULT", json.dumps([rows, seconds, grown]), flush=True)
"""


def main():
    longest = scale(1_000_000)
    database = databases.fresh("bench_upload")
    try:
        run(database, MAKE_CONTACTS, people=longest)
        order = [SHORT, longest] * RUNS
        found = {SHORT: [], longest: []}
        for rows, *figures in run(database, MEASURE, short=SHORT, order=order):
            found[rows].append(figures)
    finally:
        databases.drop(database)
    per_row = {
        rows: sorted(seconds / rows for seconds, _grown in runs)[len(runs) // 2]
        for rows, runs in found.items()
    }
    ratio = per_row[longest] / per_row[SHORT]
    memory = max(grown for _seconds, grown in found[longest])
    how = (
        f"{longest:,} rows {1e6 * per_row[longest]:.1f} us a row, {SHORT:,} rows"
        f" {1e6 * per_row[SHORT]:.1f} us a row; {longest:,} contacts; median of {RUNS}"
        " alternating runs"
    )
    good = report("growth_upload", ratio, "<=", GOAL_RATIO, how)
    good &= report(
        "growth_upload_memory_mb", memory, "<=", GOAL_MEMORY,
        "highest resident memory of the Odoo process while matching minus that before, most of"
        f" {RUNS} runs",
    )  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
