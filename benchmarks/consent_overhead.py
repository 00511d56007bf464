"""What consents, a topic and preferences cost a plan, as a ratio to a plan without any.

Four in ten people have answered about being measured and about the topic, some of them three times;
people who live in two of the forty countries are not measured and not mailed without consent. One
in ten wants fewer mails or a break. Both sides plan the same task: the statement that the sending
cron runs. Each plan is rolled back.

    python -m benchmarks.consent_overhead         (SCALE=100000: people)
"""

import statistics
import sys
import time

from ._figures import alternate, report, scale, spread
from ._people import PEOPLE, environment, people_database, vacuum

GOAL = 1.2
ASKED = 40  # percent of the people
ANSWERS = """
    INSERT INTO directmail_consent (company_id, address_key, email, partner_id, purpose, answer,
                                    origin, recorded_at, purpose_id)
    SELECT {company}, {key}, p.email_normalized, p.id, kinds.purpose,
           CASE WHEN (p.id + times + COALESCE(kinds.topic, 0)) %% 3 = 0 THEN 'no' ELSE 'yes' END,
           'import', now() AT TIME ZONE 'UTC' - times * interval '1 day', kinds.topic
      FROM directmail_audience_member m JOIN res_partner p ON p.id = m.partner_id,
           generate_series(1, 3) times,
           (VALUES ('measuring', NULL::int), ('mailing', {topic})) kinds (purpose, topic)
     WHERE m.audience_id = {audience} AND p.email_normalized IS NOT NULL
       AND p.id %% 100 < {asked} AND (times = 1 OR p.id %% 10 = times)
"""
WISHES = """
    INSERT INTO directmail_preference (company_id, address_key, email, partner_id, cap,
                                       paused_until)
    SELECT {company}, {key}, p.email_normalized, p.id,
           CASE WHEN p.id %% 20 = 0 THEN 'week' END,
           CASE WHEN p.id %% 20 = 10 THEN now() AT TIME ZONE 'UTC' + interval '7 days' END
      FROM directmail_audience_member m JOIN res_partner p ON p.id = m.partner_id
     WHERE m.audience_id = {audience} AND p.email_normalized IS NOT NULL AND p.id %% 10 = 0
        ON CONFLICT DO NOTHING
"""
TABLES = ("directmail_consent", "directmail_preference")


class Bench:
    """A task that is planned over and over, with its company's consents or without."""

    def __init__(self, env, name):
        self.env, self.name = env, name
        account = env["directmail.account"].create(
            {"name": "Bench", "public_url": "https://www.example.com", "tz": "UTC"}
        )
        self.company = account.company_id
        self.audience = env["directmail.audience"].create(
            {
                "name": "Everybody",
                "line_ids": [(0, 0, {"domain": "[('name', '=like', 'Person %')]"})],
                "user_id": env.ref("base.user_admin").id,
            }
        )
        assert self.audience._refresh(), self.audience.refresh_error
        self.task = env["directmail.task"].create(
            {
                "name": "Measured",
                "account_id": account.id,
                "audience_ids": [(6, 0, self.audience.ids)],
                "use_as_is": True,
            }
        )
        env.cr.execute(
            """SELECT string_agg(code, ',') FROM (
                   SELECT c.code FROM res_country c WHERE c.id IN (
                          SELECT country_id FROM res_partner WHERE name LIKE 'Person %')
                    ORDER BY c.code LIMIT 2) AS codes"""
        )
        [self.countries] = env.cr.fetchone()
        self.topic = env["directmail.purpose"].create(
            {
                "name": "News",
                "company_id": self.company.id,
                "country_rule_ids": [
                    (0, 0, {"country_ids": [(6, 0, country.ids)], "rule": "opt_in"})
                    for country in env["res.country"].search(
                        [("code", "in", self.countries.split(","))]
                    )
                ],
            }
        )
        self._add_answers()
        env.cr.commit()
        vacuum(name, *TABLES)

    def _add_answers(self):
        from odoo.tools import SQL

        from odoo.addons.email_marketing_dm.engine.sql import address_key

        key = address_key(
            self.env["directmail.keyring"]._get_master_key(), SQL("p.email_normalized")
        )
        self.env.flush_all()
        values = {
            "company": self.company.id,
            "key": key,
            "audience": self.audience.id,
            "asked": ASKED,
            "topic": self.topic.id,
        }
        for statement in (ANSWERS, WISHES):
            self.env.cr.execute(
                SQL(statement.format(**{name: f"%({name})s" for name in values}), **values)
            )

    def plan(self, on):
        """Plan the task; return the seconds. Without consents, everybody is measured and mailed."""
        from odoo.addons.email_marketing_dm.engine import plan

        countries = f"{self.countries},FR" if on else False
        self.company.directmail_unmeasured_countries = countries
        self.task.purpose_id = self.topic if on else False
        if not on:
            for table in TABLES:
                self.env.cr.execute(f"DELETE FROM {table}")
        self.env.flush_all()
        begin = time.monotonic()
        self.found = plan.insert_deliveries(self.env, self.task._get_task_plan())
        seconds = time.monotonic() - begin
        if on:
            self.env.cr.execute("SELECT reason, count(*) FROM directmail_delivery GROUP BY 1")
            self.held = dict(self.env.cr.fetchall())
            self.held.pop(None)
            assert {"topic_refused", "not_agreed", "paused"} <= set(self.held), self.held
            self.env.cr.execute("SELECT count(*) FROM directmail_delivery WHERE measuring = 'no'")
            [(self.unmeasured,)] = self.env.cr.fetchall()
            assert self.unmeasured > self.audience.people_count / 20, (self.unmeasured, self.held)
        self.env.cr.rollback()
        self.env.invalidate_all()
        vacuum(self.name, "directmail_delivery", "directmail_task_counter", *TABLES)
        return seconds


def main():
    people = scale(PEOPLE)
    with people_database(people, 0) as name, environment(name) as env:
        bench = Bench(env, name)
        without, with_them = alternate(lambda: bench.plan(False), lambda: bench.plan(True))
        return report(
            "consent_overhead",
            statistics.median(with_them) / statistics.median(without),
            "<=",
            GOAL,
            f"plan of {bench.audience.people_count:,} people, seconds",
            f"without consents: {spread(without, 2)}",
            f"with consents:    {spread(with_them, 2)}; {bench.unmeasured:,} not measured;"
            f" not mailed: {bench.held}",
        )


if __name__ == "__main__":
    sys.exit(not main())
