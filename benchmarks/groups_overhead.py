"""What an A/B test and a control group cost: plan and claims of a task with both, against none.

100,000 people. One task has three versions, a test group of 40 % and a control group of 10 %; the
other has neither. The plan is the statement that the sending cron runs; each is rolled back. Then
both are planned to stay, and their mails are claimed by 32, as the sender does it; between two
claims the mails count as sent, outside the clock.

    python -m benchmarks.groups_overhead          (SCALE=1000000: people)
"""

import statistics
import sys
import time

from ._figures import alternate, report, scale, spread
from ._people import environment, people_database, vacuum

GOAL = 1.2
PEOPLE = 100_000
CONTROL, TEST_GROUP = 10, 40  # percent
MOST_CLAIMS, LIMIT = 150, 32
LEASE = 600  # seconds


class Bench:
    """One audience, and a task with groups and one without, each with an account of its own."""

    def __init__(self, env, name):
        self.env, self.name = env, name
        self.audience = env["directmail.audience"].create(
            {
                "name": "Everybody",
                "line_ids": [(0, 0, {"domain": "[('name', '=like', 'Person %')]"})],
                "user_id": env.ref("base.user_admin").id,
            }
        )
        assert self.audience._refresh(), self.audience.refresh_error
        # Of a quarter of the people at most, so that the test group suffices.
        self.claims = min(MOST_CLAIMS, self.audience.people_count // (4 * LIMIT))
        self.plain = self._make_task("plain")
        self.grouped = self._make_task("grouped", control_share=CONTROL, test_share=TEST_GROUP)
        env["directmail.task.version"].create(
            [{"task_id": self.grouped.id, "letter": letter} for letter in "ABC"]
        )
        env.cr.commit()

    def _make_task(self, name, **values):
        account = self.env["directmail.account"].create(
            {"name": name, "public_url": "https://www.example.com", "tz": "UTC"}
        )
        return self.env["directmail.task"].create(
            {
                "name": name,
                "account_id": account.id,
                "audience_ids": [(6, 0, self.audience.ids)],
                "use_as_is": True,
                **values,
            }
        )

    def insert(self, task):
        """Plan a task; return the seconds."""
        from odoo.addons.email_marketing_dm.engine import plan

        begin = time.monotonic()
        plan.insert_deliveries(self.env, task._get_task_plan())
        return time.monotonic() - begin

    def plan(self, task):
        """Plan a task and roll back; return the seconds."""
        seconds = self.insert(task)
        self.env.cr.rollback()
        self.env.invalidate_all()
        vacuum(self.name, "directmail_delivery", "directmail_task_counter")
        return seconds

    def keep_plan(self, task):
        """Plan a task, so that it can be claimed from; return {(version, state): people}."""
        self.insert(task)
        task.account_id.write({"state": "active", "threads": LIMIT, "daily_quota": 10**7})
        task.write({"state": "sending", "planned_at": self.env.cr.now()})
        self.env.cr.commit()
        vacuum(self.name, "directmail_delivery", "directmail_task_counter")
        groups = self.env["directmail.delivery"]._read_group(
            [("task_id", "=", task.id)], ["version", "state"], ["__count"]
        )
        return {(version, state): number for version, state, number in groups}

    def claim(self, task):
        """Claim mails of a task and roll back; return the seconds."""
        from odoo.addons.email_marketing_dm.engine import claim

        context, seconds = task.account_id._make_claim_context(), 0
        for _number in range(self.claims):
            begin = time.monotonic()
            rows = claim.claim(self.env, context, "bench", LIMIT, LEASE)
            seconds += time.monotonic() - begin
            if len(rows) != LIMIT:
                raise SystemExit(f"{len(rows)} were claimed")
            self.env.cr.execute(
                "UPDATE directmail_delivery SET state = 'sent' WHERE id = ANY(%s)",
                [[row.id for row in rows]],
            )
        self.env.cr.rollback()
        self.env.invalidate_all()
        vacuum(self.name, "directmail_delivery", "directmail_task_counter", "directmail_usage")
        return seconds


def measure(bench, name, side, what):
    plain, grouped = alternate(lambda: side(bench.plain), lambda: side(bench.grouped))
    return report(
        f"groups_overhead_{name}",
        statistics.median(grouped) / statistics.median(plain),
        "<=",
        GOAL,
        f"{what}, seconds",
        f"without groups: {spread(plain, 2)}",
        f"with groups:    {spread(grouped, 2)}",
    )


def main():
    people = scale(PEOPLE)
    with people_database(people, 0) as name, environment(name) as env:
        bench = Bench(env, name)
        good = measure(bench, "plan", bench.plan, f"plan of {people:,} people")
        print(f"  {bench.keep_plan(bench.plain)}, {bench.keep_plan(bench.grouped)}")
        return good & measure(
            bench,
            "claim",
            bench.claim,
            f"{bench.claims} claims of {LIMIT} mails, {people:,} people",
        )


if __name__ == "__main__":
    sys.exit(not main())
