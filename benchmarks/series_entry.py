"""Entering a series and planning its first mail against a bare INSERT ... SELECT of the same rows.

People enter from an audience, get a delivery for the first step and stand at it with it, in
transactions of 5,000. The bare side copies what that has written, entries and deliveries, into two
tables with the same indexes. Both start from empty tables.

    python -m benchmarks.series_entry            (SCALE=people)
"""

import statistics
import sys
import time

from ._dispatch import open_shop
from ._figures import alternate, report, run_in_odoo, scale, spread
from ._series import start

GOAL = 4
ENTER = """
import time
series = env["directmail.series"].browse(%(series)s)
if %(is_first)s:
    series.account_id.cron_id.method_direct_trigger()
begin = time.perf_counter()
while series._try_to_advance():
    env.cr.commit()
env.cr.commit()
seconds = time.perf_counter() - begin
print("RESULT", series.inside_count, seconds)
"""
TABLES = {"directmail_delivery": "bench_deliveries", "directmail_series_entry": "bench_entries"}


def main():
    people = scale(100_000)
    with open_shop("series_entry", crons=0) as shop:
        query = shop.server.query
        shop.add_people("entry", people)
        audience = shop.make_audience("entry")
        shop.user.call("directmail.audience", "action_refresh", [[audience]])
        series = start(shop, audience, entry="all")

        def ours(is_first=False):
            for table in (*TABLES, "directmail_task_counter"):
                query(f"DELETE FROM {table}")
                query(f"VACUUM ANALYZE {table}")
            query("UPDATE directmail_series SET last_refresh_id = 0, last_member_id = 0")
            values = {"series": series, "is_first": is_first}
            inside, seconds = run_in_odoo(shop.server.database, ENTER % values)
            [(planned,)] = query("SELECT count(delivery_id) FROM directmail_series_entry")
            if (inside, planned) != (people, people):
                raise SystemExit(f"{inside} of {people} entered, {planned} have a mail")
            return seconds

        ours(is_first=True)
        for table, bare in TABLES.items():
            query(f"CREATE TABLE {bare}_found AS SELECT * FROM {table}")
            query(f"CREATE TABLE {bare} (LIKE {table} INCLUDING ALL)")
            query(f"ANALYZE {bare}_found")
        query("ALTER TABLE bench_deliveries SET (fillfactor = 50)")  # as full as deliveries are

        def copy():
            for bare in TABLES.values():
                query(f"TRUNCATE {bare}")
            begin = time.perf_counter()
            for bare in TABLES.values():
                query(f"INSERT INTO {bare} SELECT * FROM {bare}_found ORDER BY id")
            return time.perf_counter() - begin

        mine, plain = alternate(ours, copy)
    return report(
        "series_entry", statistics.median(mine) / statistics.median(plain), "<=", GOAL,
        f"{people:,} people; entering and planning took {spread(mine, 1)} s, the bare inserts"
        f" {spread(plain, 1)} s",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(not main())
