"""How long an RFM model takes to compute, as a ratio to the same thing in hand-written SQL.

Both sides read the same orders and end with the same scores (which is checked), in tables with the
same columns, indexes and foreign keys. Two figures: the first time, when nothing is there yet; and
every day after, when the product writes only what changed and the hand-written side replaces
everything. The clock includes the commit.

    python -m benchmarks.rfm_vs_sql               (SCALE=100000: contacts, with three orders each)
"""

import statistics
import sys
import time
from datetime import timedelta

from odoo import fields

from ._figures import alternate, report, scale, spread
from ._people import ORDERS, PEOPLE, environment, people_database, vacuum

GOAL = 1.5
PERIOD = 365
BY_HAND_TABLE = """
    CREATE TABLE rfm_by_hand (
        id serial PRIMARY KEY,
        rfm_model_id int NOT NULL REFERENCES directmail_rfm_model ON DELETE CASCADE,
        partner_id int NOT NULL REFERENCES res_partner ON DELETE CASCADE,
        last_date date, frequency int, monetary numeric, r_score int, f_score int, m_score int,
        customer_type varchar, previous_customer_type varchar,
        UNIQUE (rfm_model_id, partner_id));
    CREATE INDEX ON rfm_by_hand (partner_id)
"""
BY_HAND = """
    INSERT INTO rfm_by_hand (rfm_model_id, partner_id, last_date, frequency, monetary,
                             r_score, f_score, m_score, customer_type)
    SELECT %(model)s, partner_id, last_date, frequency, monetary, r, f, m,
           (ARRAY['potential', 'key_winback', 'general_retention', 'key_retention',
                  'general_development', 'key_development', 'general_value', 'high_value'])
           [1 + 4 * (r >= avg(r) OVER ())::int + 2 * (f >= avg(f) OVER ())::int
              + (m >= avg(m) OVER ())::int]
      FROM (SELECT *, CASE WHEN last_date >= %(day)s::date - 30 THEN 3
                           WHEN last_date >= %(day)s::date - 90 THEN 2 ELSE 1 END AS r,
                   CASE WHEN frequency >= 5 THEN 3 WHEN frequency >= 2 THEN 2 ELSE 1 END AS f,
                   CASE WHEN monetary > 1000 THEN 3 WHEN monetary >= 100 THEN 2 ELSE 1 END AS m
              FROM (SELECT o.partner_id, max(o.date_order)::date AS last_date,
                           count(*) AS frequency, sum(o.amount_total / o.currency_rate) AS monetary
                      FROM sale_order o JOIN res_partner p ON p.id = o.partner_id
                     WHERE o.state = 'sale' AND o.company_id = 1 AND p.active
                       AND o.date_order >= %(start)s AND o.date_order <= %(now)s
                     GROUP BY o.partner_id) bought) scored
"""
BY_HAND_FIGURES = """
    SELECT customer_type, count(*), sum(monetary), sum(frequency) FROM rfm_by_hand GROUP BY 1
"""
SAME = """
    SELECT count(*) FROM (
        SELECT partner_id, last_date, frequency, round(monetary, 2), customer_type FROM rfm_by_hand
        EXCEPT SELECT partner_id, last_date, frequency, monetary, customer_type
                 FROM directmail_rfm_score) different
"""


class Sides:
    """The two ways of computing, at the same moment."""

    def __init__(self, env, name):
        self._env = env
        self._name = name
        self._cr = env.cr
        self.now = fields.Datetime.now()
        env["res.company"].browse(1).directmail_models_tz = "UTC"
        self._model = env["directmail.rfm.model"].create(
            {
                "name": "Customers",
                "data_table_id": env["directmail.data.table"]
                .search([("preset", "=", "sale_orders")])
                .id,
                "period_days": PERIOD,
                "user_id": env.ref("base.user_admin").id,
            }
        )
        self._cr.execute(BY_HAND_TABLE)
        self._cr.commit()

    def by_hand(self):
        self._vacuum()
        start = time.perf_counter()
        midnight = self.now.replace(hour=0, minute=0, second=0)
        self._cr.execute("DELETE FROM rfm_by_hand")
        self._cr.execute(
            BY_HAND,
            {
                "model": self._model.id,
                "day": self.now.date(),
                "start": midnight - timedelta(days=PERIOD - 1),
                "now": self.now,
            },
        )
        self._cr.execute(BY_HAND_FIGURES)
        self._cr.fetchall()
        self._cr.commit()
        return time.perf_counter() - start

    def product(self):
        self._vacuum()
        start = time.perf_counter()
        if not self._model._compute_results(self.now):
            raise SystemExit(self._model.compute_error)
        self._cr.commit()
        return time.perf_counter() - start

    def first_time(self, side):
        """Return a function that runs a side on empty tables."""

        def run():
            self._cr.execute("TRUNCATE directmail_rfm_score, rfm_by_hand")
            self._model.write({"computed_on": False})
            self._cr.commit()
            return side()

        return run

    def next_day(self):
        self.now += timedelta(days=1)

    def check(self):
        """Both sides have the same. :return: how many people"""
        self._cr.execute(SAME)
        [different] = self._cr.fetchone()
        if different:
            raise SystemExit(f"{different} people differ")
        self._cr.execute("SELECT count(*) FROM directmail_rfm_score")
        return self._cr.fetchone()[0]

    def _vacuum(self):
        self._cr.commit()
        vacuum(self._name, "directmail_rfm_score", "rfm_by_hand")


def main():
    people = scale(PEOPLE)
    with people_database(people) as name, environment(name) as env:
        sides = Sides(env, name)
        by_hand, product = alternate(
            sides.first_time(sides.by_hand), sides.first_time(sides.product), minutes=5
        )
        sides.by_hand()
        count = sides.check()

        def next_day_by_hand():
            sides.next_day()
            return sides.by_hand()

        daily_by_hand, daily = alternate(next_day_by_hand, sides.product, minutes=5)
        sides.check()
    size = f"{people:,} contacts, {people * ORDERS:,} orders, {count:,} customers in {PERIOD} days"
    first = report(
        "rfm_vs_sql",
        statistics.median(product) / statistics.median(by_hand),
        "<=",
        GOAL,
        f"the first time; {size}",
        f"product: {spread(product, 1)} s; by hand: {spread(by_hand, 1)} s",
    )
    later = report(
        "rfm_vs_sql_daily",
        statistics.median(daily) / statistics.median(daily_by_hand),
        "<=",
        GOAL,
        f"on every following day; {size}",
        f"product: {spread(daily, 1)} s; by hand: {spread(daily_by_hand, 1)} s",
    )
    return 0 if first and later else 1


if __name__ == "__main__":
    sys.exit(main())
