"""How near sending comes to what DirectMail allows: 100 calls a second, answered in 200 ms.

One task of 13,000 people, so that it takes two minutes at least, by Odoo's own cron runner; the
account is set to 100 mails a second. The share is that of the ceiling between the first and the
last mail accepted. Processor time is the Odoo server's.

    python -m benchmarks.dispatch_ceiling            (SCALE=people)
"""

import sys

from ._dispatch import check, open_shop, send, set_rate
from ._figures import cpu_seconds, report, scale

from scenarios import count_most  # isort: skip

CEILING, LATENCY, GOAL = 100, 0.2, 0.95


def main():
    people = scale(13_000)
    with open_shop("ceiling", rate=CEILING) as shop:
        set_rate(shop, CEILING)
        shop.emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)
        task = shop.make_task("ceiling", people)
        before = cpu_seconds(shop.server.pid)
        send(shop, task)
        cpu = cpu_seconds(shop.server.pid) - before
        check(shop, task, people)
        most = count_most(shop, shop.account)
        [(first, last)] = shop.server.query(
            "SELECT min(sent_at), max(sent_at) FROM directmail_delivery WHERE task_id = %s", task
        )
        throttled = sum(
            calls for (action, answer), calls in shop.emulator.calls().items()
            if action == "SingleSendMail" and answer != "ok"
        )  # fmt: skip
    seconds = (last - first).total_seconds()
    return report(
        "dispatch_ceiling", people / seconds / CEILING, ">=", GOAL,
        f"{people:,} mails in {seconds:.0f} s: {people / seconds:.1f} a second of {CEILING},"
        f" each answered after {LATENCY * 1000:.0f} ms; one run",
        f"{throttled:,} calls were throttled; at most {most} mails under way at once",
        f"{cpu / people * 1000:.2f} processor seconds of the Odoo server per 1,000 mails",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(not main())
