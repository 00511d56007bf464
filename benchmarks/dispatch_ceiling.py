"""How near sending comes to what DirectMail allows: 100 calls a second, answered in 200 ms.

One task of 13,000 people, so that it takes two minutes at least, by Odoo's own cron runner; the
account is set to 100 mails a second. The share is that of the ceiling between the first and the
last mail accepted. `dispatch_cpu` is the processor time of the Odoo server, its cron threads and
children, against that of a bare loop of SDK calls which sends the same mails almost as fast.

    python -m benchmarks.dispatch_ceiling            (SCALE=people)
"""

import sys

from devenv import postgres
from tests.server.common.runs_sending import count_most

from ._dispatch import check, open_shop, send, set_rate
from ._figures import report, scale, tree_cpu_seconds
from ._sdk_loop import call_sdk, copy_mail

CEILING, LATENCY, GOAL = 100, 0.2, 0.95
CPU_GOAL = 1.5
#: of the bare loop: so many threads stay below the ceiling, so that no call is throttled
BARE_THREADS = 18
BARE_MAILS = 2_000


def main():
    people = scale(13_000)
    with open_shop("ceiling", rate=CEILING) as shop:
        set_rate(shop, CEILING)
        shop.emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)
        task = shop.make_task("ceiling", people)
        before = read_cpu(shop)
        send(shop, task)
        odoo, database = (
            (after - begin) / people * 1000
            for begin, after in zip(before, read_cpu(shop), strict=True)
        )
        check(shop, task, people)
        most = count_most(shop, shop.account)
        [(first, last)] = shop.server.query(
            "SELECT min(sent_at), max(sent_at) FROM directmail_delivery WHERE task_id = %s", task
        )
        throttled = sum(
            calls for (action, answer), calls in shop.emulator.calls().items()
            if action == "SingleSendMail" and answer != "ok"
        )  # fmt: skip
        bare = call_sdk(shop, copy_mail(shop, task), BARE_MAILS, BARE_THREADS)
    seconds = (last - first).total_seconds()
    reached = report(
        "dispatch_ceiling", people / seconds / CEILING, ">=", GOAL,
        f"{people:,} mails in {seconds:.0f} s: {people / seconds:.1f} a second of {CEILING},"
        f" each answered after {LATENCY * 1000:.0f} ms; one run",
        f"{throttled:,} calls were throttled; at most {most} mails under way at once",
    )  # fmt: skip
    sdk = bare.processor / BARE_MAILS * 1000
    cheap = report(
        "dispatch_cpu", odoo / sdk, "<=", CPU_GOAL,
        f"{odoo:.2f} processor seconds of the Odoo server for 1,000 mails, the plan included",
        f"{sdk:.2f} of a bare loop of SDK calls, {BARE_MAILS / bare.seconds:.0f} mails a second",
        f"{database:.2f} more of devenv's PostgreSQL, whatever it did meanwhile",
    )  # fmt: skip
    return reached and cheap


def read_cpu(shop):
    """Return the processor seconds that Odoo's server and PostgreSQL have used so far.

    Nothing is known of a PostgreSQL that is not devenv's own.
    """
    note = postgres.home() / "data" / "postmaster.pid"
    database = 0 if postgres.is_external() else tree_cpu_seconds(note.read_text().split()[0])
    return tree_cpu_seconds(shop.server.pid), database


if __name__ == "__main__":
    sys.exit(not main())
