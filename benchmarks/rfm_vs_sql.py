"""How long an RFM model takes to compute, as a ratio to the same thing in hand-written SQL.

python -m benchmarks.rfm_vs_sql               (SCALE=100000: contacts, with three orders each)
"""

import sys

from ._models import PERIOD, ByHand, compare

CREATE = """
    CREATE TABLE rfm_by_hand (
        id serial PRIMARY KEY,
        rfm_model_id int NOT NULL REFERENCES directmail_rfm_model ON DELETE CASCADE,
        partner_id int NOT NULL REFERENCES res_partner ON DELETE CASCADE,
        last_date date, frequency int, monetary numeric, r_score int, f_score int, m_score int,
        customer_type varchar, previous_customer_type varchar,
        UNIQUE (rfm_model_id, partner_id));
    CREATE INDEX ON rfm_by_hand (partner_id)
"""
INSERT = """
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
FIGURES = """
    SELECT customer_type, count(*), sum(monetary), sum(frequency) FROM rfm_by_hand GROUP BY 1
"""
DIFFERENT = """
    SELECT count(*) FROM (
        SELECT partner_id, last_date, frequency, round(monetary, 2), customer_type FROM rfm_by_hand
        EXCEPT SELECT partner_id, last_date, frequency, monetary, customer_type
                 FROM directmail_rfm_customer) different
"""


def make_model(env):
    orders = env["directmail.data.table"].search([("preset", "=", "sale_orders")])
    return env["directmail.rfm.model"].create(
        {
            "name": "Customers",
            "data_table_id": orders.id,
            "period_days": PERIOD,
            "user_id": env.ref("base.user_admin").id,
        }
    )


if __name__ == "__main__":
    by_hand = ByHand("rfm_by_hand", CREATE, INSERT, FIGURES, DIFFERENT)
    sys.exit(compare("rfm_vs_sql", make_model, by_hand))
