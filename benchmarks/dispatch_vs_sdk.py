"""Sending by Odoo's cron runner against a bare loop of SDK calls: same payload, same threads.

Both fill in the approved text here, so that the same bytes go over the wire, to one emulator that
limits nothing. Ours counts from the press of *Send*, the plan included, to the last mail accepted,
with the limiter switched off. The two take turns.

    python -m benchmarks.dispatch_vs_sdk            (SCALE=people)
"""

import statistics
import sys

from tests.server.common.runs_sending import count_most

from ._dispatch import THREADS, check, make_body, open_shop, send, unlimit
from ._figures import alternate, report, scale, spread
from ._sdk_loop import call_sdk, copy_mail

GOAL = 0.7


def main():
    people = scale(5000)
    with open_shop("sdk", body=make_body()) as shop:
        unlimit(shop)
        shop.server.query("UPDATE directmail_account SET content_mode = 'body'")
        first = shop.make_task("warm", 50)
        send(shop, first)
        mail = copy_mail(shop, first)
        numbers = iter(range(10**6))

        def ours():
            task = shop.make_task(f"run{next(numbers)}", people)
            seconds = send(shop, task)
            check(shop, task, people)
            return people / seconds

        def bare():
            return people / call_sdk(shop, mail, people, THREADS).seconds

        mine, loop = alternate(ours, bare)
        most = count_most(shop, shop.account)
    return report(
        "dispatch_vs_sdk", statistics.median(mine) / statistics.median(loop), ">=", GOAL,
        f"{people:,} people; ours {spread(mine)} a second, bare loop {spread(loop)} a second",
        f"{len(mail['html_body'])} bytes of HTML each; {THREADS} threads on either side, ours had"
        f" at most {most} mails under way",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(not main())
