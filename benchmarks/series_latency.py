"""From a person's entry into an audience to the call that sends the first mail of a series.

A thousand series are live, each with two email tasks that are sending, and Odoo has one thread for
crons. One person after the other enters the audience of one of them; a refresh lets them in. The
clock runs from the end of the refresh to the claim of the mail, right before the call.

    python -m benchmarks.series_latency            (SCALE=series)
"""

import sys

from tests.server.common.odoo_server import wait_until

from ._dispatch import open_shop
from ._figures import report, scale, spread
from ._series import copy_series, start, wait_sending

GOAL, EVENTS = 90, 40
CLAIMED = """SELECT d.claimed_at FROM directmail_delivery d
               JOIN res_partner p ON p.id = d.partner_id
              WHERE p.ref = 'latency' AND p.name = %s AND d.claimed_at IS NOT NULL"""


def main():
    number = scale(1000)
    with open_shop("series_latency", crons=1) as shop:
        shop.add_people("latency", 1)
        audience = shop.make_audience("latency")
        shop.user.call("directmail.audience", "action_refresh", [[audience]])
        series = start(shop, audience)
        wait_sending(shop, series)
        # The copies have an audience of their own, which nobody enters.
        idle = start(shop, make_idle_audience(shop))
        wait_sending(shop, idle)
        copy_series(shop, idle, number - 2)
        seconds = sorted(measure(shop, audience, event) for event in range(EVENTS))
    return report(
        "series_latency", seconds[int(0.95 * EVENTS) - 1], "<=", GOAL,
        f"95th percentile of {EVENTS} people in seconds, {spread(seconds, 1)};"
        f" {number:,} live series, one thread for crons",
    )  # fmt: skip


def make_idle_audience(shop):
    shop.add_people("idle", 1)
    audience = shop.make_audience("idle")
    shop.user.call("directmail.audience", "action_refresh", [[audience]])
    return audience


def measure(shop, audience, event):
    """Let one person enter; return the seconds until the call. Nobody wakes the crons meanwhile."""
    name = f"Event {event}"
    shop.root.call(
        "res.partner",
        "create",
        [{"name": name, "ref": "latency", "email": f"event{event}@customer.example"}],
    )
    shop.user.call("directmail.audience", "action_refresh", [[audience]])
    [(begin,)] = shop.server.query("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
    [(end,)] = wait_until(
        lambda: shop.server.query(CLAIMED, name), f"{name} gets no mail", longest_pause=0.5
    )
    return (end - begin).total_seconds()


if __name__ == "__main__":
    sys.exit(not main())
