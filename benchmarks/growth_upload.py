"""How the cost of an upload grows from 10,000 rows to SCALE (1,000,000).

A database with as many contacts as the longest list has rows. Lists of addresses, half of which are
contacts', are uploaded and matched by the code that the cron runs, in a process of its own whose
memory is watched; each chunk is committed, as by the cron. The figure is the time per row of the
longest list over that of the shortest, and how much memory the process gained.

    python -m benchmarks.growth_upload            (SCALE=100000: rows of the longest list)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from devenv import database as databases
from devenv.common import ROOT
from devenv.run import environment

GOAL_RATIO, GOAL_MEMORY = 1.5, 50  # MB
SHORT, RUNS = 10_000, 3

PREPARE = """
first = env["res.partner"].create({{"name": "P", "email": "p0@customer.example"}})
changed = ["name", "complete_name", "email", "email_normalized"]
env.cr.execute("SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
               " WHERE table_name = 'res_partner' AND NOT column_name = ANY(%s)",
               [["id", "commercial_partner_id", *changed]])
[(names,)] = env.cr.fetchall()
env.flush_all()
env.cr.execute(f"INSERT INTO res_partner ({{names}}, {{', '.join(changed)}})"
               f" SELECT {{names}}, 'P' || n, 'P' || n, 'p' || n || '@customer.example',"
               f" 'p' || n || '@customer.example'"
               f" FROM res_partner, generate_series(1, {people}) n WHERE id = {{first.id}}")
env.cr.execute("UPDATE res_partner SET commercial_partner_id = id"
               " WHERE commercial_partner_id IS NULL")
env.cr.commit()
env.cr._cnx.autocommit = True
env.cr.execute("VACUUM ANALYZE res_partner")
env.cr._cnx.autocommit = False
"""

MEASURE = """
import base64, gc, json, time
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
    text = "".join(f"Person {{n}},p{{2 * n}}@customer.example\\n" for n in range(rows))
    owner = env.ref("base.user_admin")
    upload = env["directmail.upload"].with_user(owner).create({{
        "name": "L", "filename": "l.csv", "consent_source": "signup",
        "file": base64.b64encode(text.encode())}})
    del text
    upload.action_start()
    env.cr.commit()
    env.invalidate_all()
    upload = env["directmail.upload"].browse(upload.id)
    before = memory()
    peak_reset()
    start = time.perf_counter()
    upload._process()
    seconds = time.perf_counter() - start
    grown = peak() - before
    assert upload.state == "done" and upload.row_count == rows, (upload.state, upload.row_count)
    assert upload.people_count == rows, upload.people_count
    upload._forget_lines()
    upload.unlink()
    env.cr.commit()
    env.cr._cnx.autocommit = True
    env.cr.execute("VACUUM ANALYZE directmail_upload_line")
    env.cr._cnx.autocommit = False
    return seconds, grown
run({short})
for rows in {order}:
    seconds, grown = run(rows)
    print("RESULT", json.dumps([rows, seconds, grown]), flush=True)
"""


def main():
    longest = int(os.environ.get("SCALE") or 1_000_000)
    database = databases.fresh("bench_upload")
    try:
        shell(database, PREPARE.format(people=longest))
        order = [SHORT, longest] * RUNS
        found = {SHORT: [], longest: []}
        for line in shell(database, MEASURE.format(short=SHORT, order=order)).splitlines():
            if line.startswith("RESULT "):
                rows, *figures = json.loads(line.removeprefix("RESULT "))
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
    good = report("growth_upload", ratio, GOAL_RATIO, how)
    good &= report(
        "growth_upload_memory_mb", memory, GOAL_MEMORY,
        "highest resident memory of the Odoo process while matching minus that before, most of"
        f" {RUNS} runs",
    )  # fmt: skip
    return 0 if good else 1


def report(name, value, goal, how):
    word = "ok" if value <= goal else "short"
    print(f"BENCH {name} {value:.2f} goal <= {goal} {word}", how, sep="\n", flush=True)
    return value <= goal


def shell(database, program):
    """Run a program in Odoo's shell; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "odoo", "shell", "-d", database, "--no-http", "--log-level=error"],
        input=program, env=environment(), cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode or "Traceback" in done.stderr:
        raise SystemExit(done.stderr[-3000:])
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
