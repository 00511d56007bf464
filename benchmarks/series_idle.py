"""What series with nothing to do cost the database: SQL statements a minute.

Every cron of the addon is run once with a thousand live series and once without any. The difference
in statements, divided by the minutes between two runs of the cron, is added up.

    python -m benchmarks.series_idle            (SCALE=series)
"""

import json
import sys
import tempfile

from ._dispatch import open_shop
from ._figures import report, run_in_odoo, scale
from ._series import copy_series, start, wait_sending
from .series_latency import make_idle_audience

GOAL = 60
# A second run in a row of each cron: the first one fills caches.
RUN = """
import json
from odoo import sql_db
found = {}
crons = env["ir.cron"].search([("cron_name", "=like", "DirectMail%%")])
minutes = {"minutes": 1, "hours": 60, "days": 1440, "weeks": 10080, "months": 43200}
for cron in crons:
    cron.method_direct_trigger()
    before = sql_db.sql_counter
    cron.method_direct_trigger()
    every = minutes[cron.interval_type] * cron.interval_number
    found[cron.cron_name] = sql_db.sql_counter - before, every
with open(%r, "w") as file:
    json.dump(found, file)
print("RESULT", len(crons), 0)
"""


def main():
    number = scale(1000)
    with open_shop("series_idle") as shop:
        series = start(shop, make_idle_audience(shop))
        wait_sending(shop, series)
        shop.server.query("UPDATE directmail_series SET state = 'draft'")
        shop.server.query("UPDATE directmail_task SET state = 'done'")
        shop.server.stop()  # its cron threads would run the same crons
        without = count(shop)
        shop.server.query("UPDATE directmail_series SET state = 'running'")
        shop.server.query("UPDATE directmail_task SET state = 'sending'")
        copy_series(shop, series, number - 1)
        with_them = count(shop)
    more = {name: (ran - without[name][0], every) for name, (ran, every) in with_them.items()}
    a_minute = sum(statements / minutes for statements, minutes in more.values())
    dear = sorted(more, key=lambda name: -more[name][0] / more[name][1])[:3]
    return report(
        "series_idle", a_minute, "<=", GOAL,
        f"statements a minute for {number:,} series with nothing to do; the most:",
        *[f"{name}: {more[name][0]:,} more every {more[name][1]:.0f} minutes" for name in dear],
    )  # fmt: skip


def count(shop):
    """Return {name of a cron: (statements of a run, minutes between two runs)}."""
    with tempfile.NamedTemporaryFile("r") as file:
        run_in_odoo(shop.server.database, RUN % file.name)
        return json.load(file)


if __name__ == "__main__":
    sys.exit(not main())
