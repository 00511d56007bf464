"""Sending by Odoo's cron runner against a bare loop of SDK calls: same payload, same threads.

Both fill in the approved text here, so that the same bytes go over the wire, to one emulator that
limits nothing. Ours counts from the press of *Send*, the plan included, to the last mail accepted,
with the limiter switched off. The two take turns.

    python -m benchmarks.dispatch_vs_sdk            (SCALE=people)
"""

import json
import statistics
import subprocess
import sys

from directmail_emulator.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET
from tests.server.common.runs_sending import count_most

from ._dispatch import THREADS, check, make_body, open_shop, send, unlimit
from ._figures import ROOT, alternate, report, scale, spread

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
            command = [
                sys.executable, "-m", "benchmarks._sdk_loop", shop.emulator.endpoint,
                ACCESS_KEY_ID, ACCESS_KEY_SECRET, str(people), str(THREADS),
            ]  # fmt: skip
            done = subprocess.run(
                command, input=json.dumps(mail), text=True, capture_output=True, cwd=ROOT
            )
            if done.returncode:
                raise SystemExit(done.stderr)
            return people / float(done.stdout)

        mine, loop = alternate(ours, bare)
        most = count_most(shop, shop.account)
    return report(
        "dispatch_vs_sdk", statistics.median(mine) / statistics.median(loop), ">=", GOAL,
        f"{people:,} people; ours {spread(mine)} a second, bare loop {spread(loop)} a second",
        f"{len(mail['html_body'])} bytes of HTML each; {THREADS} threads on either side, ours had"
        f" at most {most} mails under way",
    )  # fmt: skip


def copy_mail(shop, task):
    """Return what one mail of the task was, from the emulator's own record."""
    [row, *_others] = shop.emulator.ledger(tag=shop.tag(task))
    mail = shop.emulator.mail(row["env_id"])
    return {
        "sender": row["sender"],
        "to": "somebody@x.example",
        "subject": row["subject"],
        "address_type": 0,
        "sender_name": "Azure",
        "tag": shop.tag(task),
        "html_body": mail["html"],
        "headers": {
            "Message-ID": row["message_id"],
            "X-User-Notify-Mid": row["message_id"].strip("<>").partition("@")[0],
            "List-Unsubscribe": f"<https://www.example.com/{row['message_id'].strip('<>')}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    }


if __name__ == "__main__":
    sys.exit(not main())
