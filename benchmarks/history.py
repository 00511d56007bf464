"""What a long history costs: disk, pages, and the work of a campaign on top of it.

Ten accounts and two years of campaigns of 100,000 people each, SCALE deliveries together
(1,000,000), with an event for each result, opening and click. Two figures don't depend on the
load of the machine: how often pages and statements read all of the deliveries or events, and how
much disk the fillfactor of `directmail.delivery` takes in comparison with others. Sizes, blocks,
times and the share of updates by results that write no index (HOT) stand below them.

The goal was a HOT share of 0.95 for each kind of result, which no fillfactor reaches: 50 has 0.80
for outcomes and 0.96 for opens, 35 has 1.00 and 0.86. What the fillfactor is for is to write and
store the least, and a version that is not HOT costs an entry in each index. So the disk after a
campaign, indexes included, is compared.

    python -m benchmarks.history          (SCALE=20000000: deliveries, needs 40 GB of disk)
"""

import sys
import time

from devenv import database

from . import _history
from ._figures import report, scale
from ._people import environment, people_database, vacuum

TABLES = ("directmail_delivery", "directmail_event")
FILLFACTORS = (100, 90, 80, 70, 60, 50, 40, 35)
USED = 50  # set by the `init` of `directmail.delivery`
SAMPLE, BATCH = 20_000, 100


def main():
    rows = scale(1_000_000)
    people = min(_history.PEOPLE, rows // 10)
    with people_database(people, 0) as name, environment(name) as env:
        begin = time.monotonic()
        history = _history.History(env, name, people, rows)
        history.fill()
        notes = [f"{rows:,} deliveries, filled in {time.monotonic() - begin:.0f} s"]
        notes += sizes(env, rows)
        watch = Watch(env)
        for what, call in history.pages():
            call()  # fills caches
            notes.append(watch.measure(what, call))
        notes += work(history, watch)
        good = report(
            "history_full_scans", watch.scans, "<=", 0,
            "sequential scans of deliveries or events by the pages and statements below", *notes,
        )  # fmt: skip
        found = {factor: updates(env, history, factor) for factor in FILLFACTORS}
    size = {factor: steps["bytes for each delivery"] for factor, steps in found.items()}
    return good & report(
        "history_fillfactor", size[USED] / min(size.values()), "<=", 1.05,
        f"disk after a campaign with fillfactor {USED}, of the least with any below; {SAMPLE:,}"
        f" deliveries, {BATCH} in a transaction, another transaction open during each step, as that"
        " of a cron; HOT shares of the updates by each step",
        *(
            f"fillfactor {factor}: "
            + ", ".join(f"{step} {share:.2f}" for step, share in steps.items())
            for factor, steps in found.items()
        ),
    )  # fmt: skip


def work(history, watch):
    """Yield lines about the statements of a campaign, before and after a VACUUM."""
    yield watch.measure(f"plan of {history.people:,} people with fatigue", history.plan_only)
    history.send()
    dead = _history.dead_rows(history.name, TABLES[0])
    yield f"a campaign of {history.people:,} people left {dead:,} dead rows in {TABLES[0]}"
    yield watch.measure("plan after a campaign, no VACUUM", history.plan_only)
    for table in TABLES:
        begin = time.monotonic()
        vacuum(history.name, table)
        yield f"VACUUM ANALYZE {table}: {time.monotonic() - begin:.1f} s"
    yield watch.measure("plan after a campaign and a VACUUM", history.plan_only)
    history.lift_limits()
    history.plan()
    history.env.cr.commit()
    yield watch.measure("claim of 32 mails", history.claim)
    yield watch.measure(f"{_history.RESULTS:,} results", history.add_results)
    yield watch.measure("retention deletes a campaign", history.retain)


def sizes(env, rows):
    """Yield lines with bytes per delivery of each table, and of each index of deliveries."""
    for table in TABLES:
        env.cr.execute(
            "SELECT pg_table_size(%s::regclass), pg_indexes_size(%s::regclass)", [table, table]
        )
        data, indexes = env.cr.fetchone()
        yield (
            f"{table}: {data / rows:.0f} bytes of data and {indexes / rows:.0f} of indexes for"
            f" each delivery ({data >> 20:,} and {indexes >> 20:,} MB)"
        )
    env.cr.execute(
        """SELECT indexrelname, pg_relation_size(indexrelid) FROM pg_stat_user_indexes
            WHERE relname = 'directmail_delivery' ORDER BY 2 DESC"""
    )
    found = ", ".join(f"{name} {size / rows:.0f}" for name, size in env.cr.fetchall())
    yield f"bytes for each delivery: {found.replace('directmail_delivery_', '')}"


class Watch:
    """Measures calls: seconds, rows read from the tables by indexes, blocks, sequential scans."""

    def __init__(self, env):
        self.env, self.scans = env, 0

    def read(self):
        cursor = self.env.cr
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.commit()
        cursor.execute(
            """SELECT sum(s.seq_scan), sum(s.idx_tup_fetch),
                      sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)
                 FROM pg_stat_user_tables s JOIN pg_statio_user_tables USING (relid)
                WHERE s.relname = ANY(%s)""",
            [list(TABLES)],
        )
        found = cursor.fetchone()
        cursor.commit()
        return found

    def measure(self, what, call):
        """Return a line about a call, which may commit."""
        before = self.read()
        begin = time.perf_counter()
        call()
        self.env.flush_all()
        seconds = time.perf_counter() - begin
        after = self.read()
        scans, fetched, blocks = (int(new - old) for new, old in zip(after, before, strict=True))
        self.scans += scans
        self.env.invalidate_all()
        return (
            f"{what}: {1000 * seconds:,.0f} ms; {fetched:,} rows by indexes, {blocks:,} blocks,"
            f" {scans} sequential scans"
        )


def updates(env, history, factor):
    """Return the share of HOT updates of each step of a campaign, with such a fillfactor."""
    cursor = env.cr
    cursor.execute(
        f"""DROP TABLE IF EXISTS bench_fill;
            CREATE TABLE bench_fill (LIKE directmail_delivery INCLUDING ALL);
            ALTER TABLE bench_fill SET (fillfactor = {factor}, autovacuum_enabled = false);
            INSERT INTO bench_fill (id, task_id, account_id, company_id, partner_id, is_contact,
                                    address_key, state)
            SELECT n, 1, 1, 1, n, true, md5(n::text) || md5('x' || n), 'waiting'
              FROM generate_series(1, {SAMPLE}) n"""
    )
    cursor.commit()
    cursor.execute("ANALYZE bench_fill")
    cursor.commit()
    found = {}
    with database.connect(history.name) as other, other.cursor() as snapshot:
        for step, change in _history.CAMPAIGN:
            snapshot.execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM bench_fill LIMIT 1"
            )
            before = _count_updates(cursor)
            for start in range(1, SAMPLE + 1, BATCH):
                cursor.execute(
                    f"UPDATE bench_fill SET {change} WHERE id BETWEEN %s AND %s",
                    [start, start + BATCH - 1],
                )
                cursor.commit()
            after = _count_updates(cursor)
            found[step] = (after[1] - before[1]) / (after[0] - before[0])
            snapshot.execute("ROLLBACK")
    cursor.execute("SELECT pg_total_relation_size('bench_fill')")
    found["bytes for each delivery"] = cursor.fetchone()[0] / SAMPLE
    return found


def _count_updates(cursor):
    """Return (updates, HOT updates) of the sample."""
    cursor.execute("SELECT pg_stat_force_next_flush()")
    cursor.commit()
    cursor.execute(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'bench_fill'"
    )
    found = cursor.fetchone()
    cursor.commit()
    return found


if __name__ == "__main__":
    sys.exit(not main())
