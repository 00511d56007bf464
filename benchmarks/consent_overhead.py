"""What consents to being measured cost a plan, as a ratio to a plan in a company without any.

Four in ten people have answered, some of them three times; people who live in two of the forty
countries are not measured without consent. Both sides plan the
same task: the statement that the sending cron runs. Each plan is rolled back.

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
                                    origin, recorded_at)
    SELECT {company}, {key}, p.email_normalized, p.id, 'measuring',
           CASE WHEN (p.id + times) %% 3 = 0 THEN 'no' ELSE 'yes' END, 'import',
           now() AT TIME ZONE 'UTC' - times * interval '1 day'
      FROM directmail_audience_member m JOIN res_partner p ON p.id = m.partner_id,
           generate_series(1, 3) times
     WHERE m.audience_id = {audience} AND p.email_normalized IS NOT NULL
       AND p.id %% 100 < {asked} AND (times = 1 OR p.id %% 10 = times)
"""


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
        self._add_answers()
        env.cr.commit()
        vacuum(name, "directmail_consent")

    def _add_answers(self):
        from odoo.tools import SQL

        from odoo.addons.email_marketing_dm.engine.sql import address_key

        key = address_key(
            self.env["directmail.keyring"]._get_master_key(), SQL("p.email_normalized")
        )
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                ANSWERS.format(
                    company="%(company)s", key="%(key)s", audience="%(audience)s",
                    asked="%(asked)s",
                ),
                company=self.company.id, key=key, audience=self.audience.id, asked=ASKED,
            )
        )  # fmt: skip

    def plan(self, on):
        """Plan the task; return the seconds. Without consents, everybody is measured."""
        from odoo.addons.email_marketing_dm.engine import plan

        countries = f"{self.countries},FR" if on else False
        self.company.directmail_unmeasured_countries = countries
        if not on:
            self.env.cr.execute("DELETE FROM directmail_consent")
        self.env.flush_all()
        begin = time.monotonic()
        self.found = plan.insert_deliveries(self.env, self.task._get_task_plan())
        seconds = time.monotonic() - begin
        if on:
            self.env.cr.execute("SELECT count(*) FROM directmail_delivery WHERE measuring = 'no'")
            [(self.unmeasured,)] = self.env.cr.fetchall()
            assert self.unmeasured > self.audience.people_count / 10, self.unmeasured
        self.env.cr.rollback()
        self.env.invalidate_all()
        vacuum(self.name, "directmail_delivery", "directmail_task_counter", "directmail_consent")
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
            f"with consents:    {spread(with_them, 2)}; {bench.unmeasured:,} not measured",
        )


if __name__ == "__main__":
    sys.exit(not main())
