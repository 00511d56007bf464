"""How much longer the plan of a task takes with fatigue control on, as a ratio to it off.

A million people have ten past mails each. Both sides plan the same task: the same statement that
the sending cron runs, with the same rows written. With it on, all five windows have a limit for
emails and for all messages. The second figure adds five million traces of Odoo's own mailings.
Every plan is rolled back, and what it leaves is cleaned up outside the clock.

    python -m benchmarks.fatigue_overhead         (SCALE=100000: people)
"""

import statistics
import sys
import time

from ._figures import alternate, report, scale, spread
from ._people import PEOPLE, environment, people_database, vacuum

GOAL, GOAL_TRACES = 2, 2.5
MAILS = 10  # past mails per person
TRACES = 5  # past traces per person
DAYS = 40  # ... spread over so many days
LIMITS = {"minute": 1, "hour": 2, "day": 3, "week": 6, "month": 12}

PAST_MAILS = """
    INSERT INTO directmail_delivery (task_id, account_id, company_id, partner_id, email,
                                     address_key, state, claimed_at, sent_at, outcome)
    SELECT t.id, t.account_id, t.company_id, m.partner_id, p.email_normalized, {key}, 'sent',
           moment, moment, 'delivered'
      FROM directmail_task t, directmail_audience_member m
      JOIN res_partner p ON p.id = m.partner_id,
           LATERAL (SELECT now() AT TIME ZONE 'UTC'
                           - (m.partner_id * 0 + random()) * {days} * interval '1 day' AS moment
                   ) AS random_moment
     WHERE t.id = ANY({tasks}) AND m.audience_id = {audience} AND p.email_normalized IS NOT NULL
"""
PAST_TRACES = """
    INSERT INTO mailing_trace (trace_type, model, res_id, email, trace_status, sent_datetime)
    SELECT 'mail', 'res.partner', p.id, p.email_normalized, 'sent',
           now() AT TIME ZONE 'UTC' - random() * {days} * interval '1 day'
      FROM generate_series(1, {number}) n, directmail_audience_member m
      JOIN res_partner p ON p.id = m.partner_id
     WHERE m.audience_id = {audience} AND p.email_normalized IS NOT NULL
"""


class Bench:
    """A company with a past, and the task that is planned over and over."""

    def __init__(self, env, name, people):
        self.env, self.name = env, name
        account = env["directmail.account"].create(
            {"name": "Bench", "public_url": "https://www.example.com", "tz": "UTC"}
        )
        self.audience = env["directmail.audience"].create(
            {
                "name": "Everybody",
                "line_ids": [(0, 0, {"domain": "[('name', '=like', 'Person %')]"})],
                "user_id": env.ref("base.user_admin").id,
            }
        )
        assert self.audience._refresh(), self.audience.refresh_error
        values = {
            "account_id": account.id,
            "audience_ids": [(6, 0, self.audience.ids)],
            "use_as_is": True,
        }
        self.task = env["directmail.task"].create({"name": "Measured", **values})
        self.past = env["directmail.task"].create(
            [{"name": f"Past {number}", **values} for number in range(MAILS)]
        )
        self.fatigue = env["directmail.fatigue"].create({})
        env.cr.commit()

    def add_mails(self):
        from odoo.tools import SQL

        from odoo.addons.email_marketing_dm.engine.sql import address_key

        key = address_key(
            self.env["directmail.keyring"]._get_master_key(), SQL("p.email_normalized")
        )
        self._fill(
            "directmail_delivery",
            SQL(
                PAST_MAILS.format(key="%(key)s", days=DAYS, tasks="%(tasks)s", audience="%(who)s"),
                key=key,
                tasks=self.past.ids,
                who=self.audience.id,
            ),
        )

    def add_traces(self):
        from odoo.tools import SQL

        statement = PAST_TRACES.format(days=DAYS, number="%(number)s", audience="%(who)s")
        self._fill("mailing_trace", SQL(statement, number=TRACES, who=self.audience.id))

    def _fill(self, table, statement):
        """Insert without triggers, and build the indexes afterwards.

        In Odoo's own transaction, because the address key is set in that one only.
        """
        from odoo.tools import SQL

        self.env.flush_all()
        cursor = self.env.cr
        cursor.execute(
            """SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
                 FROM pg_index i WHERE i.indrelid = %s::regclass AND NOT i.indisprimary""",
            [table],
        )
        indexes = cursor.fetchall()
        for name, _definition in indexes:
            cursor.execute(SQL("DROP INDEX %s", SQL.identifier(name)))
        cursor.execute("SET LOCAL session_replication_role = replica; SELECT setseed(0.42)")
        cursor.execute(statement)
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        for _name, definition in indexes:
            cursor.execute(definition)
        cursor.commit()
        vacuum(self.name, table)

    def switch(self, on):
        for rule in self.fatigue.rule_ids:
            rule.email_limit = rule.global_limit = LIMITS[rule.span] if on else 0
        self.env.cr.commit()

    def plan(self, on):
        """Plan the task with fatigue on or off; return the seconds."""
        from odoo.addons.email_marketing_dm.engine import plan

        self.switch(on)
        begin = time.monotonic()
        self.found = plan.insert_deliveries(self.env, self.task._get_task_plan())
        seconds = time.monotonic() - begin
        self.env.cr.rollback()
        self.env.invalidate_all()
        vacuum(self.name, "directmail_delivery", "directmail_task_counter")
        if on:
            assert self.found.get("suppressed", 0) > self.found["waiting"] / 20, self.found
        return seconds


def measure(bench, name, goal, what):
    off, on = alternate(lambda: bench.plan(False), lambda: bench.plan(True))
    ratio = statistics.median(on) / statistics.median(off)
    return report(
        name,
        ratio,
        "<=",
        goal,
        f"plan of {bench.audience.people_count:,} people, {what}, seconds",
        f"fatigue off: {spread(off, 1)}",
        f"fatigue on:  {spread(on, 1)}; {bench.found}",
    )


def main():
    people = scale(PEOPLE)
    with people_database(people, 0) as name, environment(name) as env:
        bench = Bench(env, name, people)
        bench.add_mails()
        past = f"{MAILS} past mails each"
        good = measure(bench, "fatigue_overhead", GOAL, past)
        bench.add_traces()
        return good & measure(
            bench, "fatigue_overhead_traces", GOAL_TRACES, f"{past} and {TRACES} traces"
        )


if __name__ == "__main__":
    sys.exit(not main())
