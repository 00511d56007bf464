"""How soon sending stops when too many people complain: mails handed over after the limit.

One task at DirectMail's ceiling of 100 mails a second, on two Odoo servers that share a database.
One person in 50 reports the mail as spam, and DirectMail pushes that to the first server. The
limit is crossed with the first mail that the guard may judge; counted are the mails claimed after
DirectMail knew its outcome.

    python -m benchmarks.guard_delay            (SCALE=people)
"""

import sys

from tests.server.common.odoo_server import OdooServer
from tests.server.common.runs_events import prepare

from ._dispatch import open_shop, set_rate
from ._figures import report, scale

CEILING, GOAL = 100, 500
OUTCOMES = {"follow_links": False, "share": {"complain": 0.02}, "seed": 7}


def main():
    people = scale(9_000)
    with open_shop("guard", rate=CEILING) as shop, OdooServer(shop.server.database, crons=2):
        prepare(shop, push=True)
        set_rate(shop, CEILING)
        delays = {"delivered": 0.2, "complain": 0.3}
        shop.emulator.change_settings({"outcomes": {**OUTCOMES, "delays": delays}})
        task = shop.make_task("guard", people)
        shop.act(task, "send")
        state = shop.wait(task, "paused", "done", seconds=900)
        if state == "done":
            raise SystemExit("nothing was paused")
        reason = shop.read(task, "pause_reason", "state_message")
        shop.wait_quiet(task)
        [(minimum,)] = shop.server.query("SELECT directmail_guard_minimum FROM res_company")
        [(sent, known, after)] = shop.server.query(
            """SELECT count(*), count(outcome_at), count(*) FILTER (WHERE claimed_at > (
                      SELECT outcome_at FROM directmail_delivery
                       WHERE task_id = %s AND outcome_at IS NOT NULL
                       ORDER BY outcome_at OFFSET %s LIMIT 1))
                 FROM directmail_delivery WHERE task_id = %s AND claimed_at IS NOT NULL""",
            task, minimum - 1, task,
        )  # fmt: skip
        if known < minimum:
            raise SystemExit(f"paused with {known} known outcomes")
    return report(
        "guard_delay", after, "<=", GOAL,
        f"{sent:,} of {people:,} mails were sent, {after:,} after the limit, which can be crossed"
        f" with {minimum:,} known outcomes",
        f"{reason['pause_reason']}: {reason['state_message']}",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(not main())
