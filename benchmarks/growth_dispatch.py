"""Does a mail take longer, or a worker more memory, when a hundred times as many people wait?

Two tasks, one with 10,000 people planned, one with 1,000,000. Each sends the same number of mails
by Odoo's cron runner, limiter off, and is paused then. The figure is the time per mail with the
many over that with the few; memory is the Odoo server's own, before and after the big task's mails.

    python -m benchmarks.growth_dispatch            (SCALE=people of the big task)
"""

import sys
import time

from ._dispatch import open_shop, unlimit
from ._figures import memory_mb, report, scale

FEW, MAILS = 10_000, 5_000
GOAL, MEMORY_GOAL = 1.5, 50


def main():
    many = scale(1_000_000)
    with open_shop("growth") as shop:
        unlimit(shop)
        few_task, few_plan = plan(shop, "few", FEW)
        few_mails = send_some(shop, few_task)
        many_task, many_plan = plan(shop, "many", many)
        send_some(shop, many_task, 500)  # what every run needs is in memory then
        before = memory_mb(shop.server.pid)
        many_mails = send_some(shop, many_task)
        grown = memory_mb(shop.server.pid) - before
        books = shop.check(many_task, many)
        if not books.ok:
            raise SystemExit(f"the books do not balance: {books}")
    ok = report(
        "growth_dispatch", many_mails / few_mails, "<=", GOAL,
        f"{few_mails * 1000:.2f} ms a mail with {FEW:,} planned, {many_mails * 1000:.2f} ms with"
        f" {many:,}; {MAILS:,} mails each, one run",
        f"the plan, from the press of Send, audience included: {few_plan / FEW * 1e6:.0f} µs a"
        f" person for {FEW:,}, {many_plan / many * 1e6:.0f} µs for {many:,}",
        f"memory of the server grew by {grown:.1f} MB over the big task's mails (goal < "
        f"{MEMORY_GOAL}: {'ok' if grown < MEMORY_GOAL else 'short'})",
    )  # fmt: skip
    return ok and grown < MEMORY_GOAL


def plan(shop, group, people):
    """Make a task of so many people and let it be planned. Returns its id and the seconds."""
    task = shop.make_task(group, people)
    shop.server.query("ANALYZE")
    begin = time.perf_counter()
    shop.act(task, "send")
    while shop.state(task) != "sending":
        shop.server.wake_crons()
        time.sleep(0.05)
    return task, time.perf_counter() - begin


def send_some(shop, task, mails=MAILS):
    """Let a task send so many mails more and pause it. Returns the seconds a mail took."""
    if shop.state(task) == "paused":
        shop.act(task, "resume")
    [(start,)] = shop.server.query(
        "SELECT count(*) FROM directmail_delivery WHERE task_id = %s AND state = 'sent'", task
    )
    shop.server.wake_crons()
    while shop.read(task, "sent_count")["sent_count"] < start + mails:
        time.sleep(0.1)
    shop.act(task, "pause")
    shop.wait_quiet(task)
    [(sent, seconds)] = shop.server.query(
        """SELECT count(*), extract(epoch FROM max(sent_at) - min(sent_at))::float
             FROM (SELECT sent_at FROM directmail_delivery
                    WHERE task_id = %s AND state = 'sent' ORDER BY sent_at OFFSET %s) s""",
        task,
        start,
    )
    return seconds / sent


if __name__ == "__main__":
    sys.exit(not main())
