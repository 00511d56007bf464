"""How long an AIPL model takes to compute, as a ratio to the same thing in hand-written SQL.

Four stages: contacts made within a year, an offer, a purchase within a year, three purchases for
500 in all within a year.

    python -m benchmarks.aipl_vs_sql              (SCALE=100000: contacts, with three orders each)
"""

import sys

from ._models import PERIOD, ByHand, compare

CREATE = """
    CREATE TABLE aipl_by_hand (
        id serial PRIMARY KEY,
        aipl_model_id int NOT NULL REFERENCES directmail_aipl_model ON DELETE CASCADE,
        partner_id int NOT NULL REFERENCES res_partner ON DELETE CASCADE,
        stage varchar, previous_stage varchar,
        UNIQUE (aipl_model_id, partner_id));
    CREATE INDEX ON aipl_by_hand (partner_id)
"""
INSERT = """
    INSERT INTO aipl_by_hand (aipl_model_id, partner_id, stage)
    SELECT %(model)s, partner_id, (ARRAY['a', 'i', 'p', 'l'])[max(rank)] FROM (
        SELECT id AS partner_id, 1 AS rank FROM res_partner
         WHERE active AND create_date >= %(start)s AND create_date <= %(now)s
        UNION ALL
        SELECT o.partner_id, 2 FROM sale_order o JOIN res_partner p ON p.id = o.partner_id
         WHERE o.state = 'draft' AND o.company_id = 1 AND p.active
        UNION ALL
        SELECT o.partner_id, 3 FROM sale_order o JOIN res_partner p ON p.id = o.partner_id
         WHERE o.state = 'sale' AND o.company_id = 1 AND p.active
           AND o.date_order >= %(start)s AND o.date_order <= %(now)s
        UNION ALL
        SELECT o.partner_id, 4 FROM sale_order o JOIN res_partner p ON p.id = o.partner_id
         WHERE o.state = 'sale' AND o.company_id = 1 AND p.active
           AND o.date_order >= %(start)s AND o.date_order <= %(now)s
         GROUP BY o.partner_id
        HAVING count(*) >= 3 AND sum(o.amount_total / o.currency_rate) >= 500
    ) met GROUP BY partner_id
"""
FIGURES = "SELECT stage, count(*) FROM aipl_by_hand GROUP BY stage"
DIFFERENT = """
    SELECT count(*) FROM (
        SELECT partner_id, stage FROM aipl_by_hand
        EXCEPT SELECT partner_id, stage FROM directmail_aipl_contact) different
"""


def make_model(env):
    tables = env["directmail.data.table"]
    orders = tables.search([("preset", "=", "sale_orders")])
    contacts = tables.search([("preset", "=", "contacts")])
    offers = orders.copy({"name": "Offers", "domain": "[('state', '=', 'draft')]"})
    bought = {"data_table_id": orders.id, "days": PERIOD}
    return env["directmail.aipl.model"].create(
        {
            "name": "Stages",
            "user_id": env.ref("base.user_admin").id,
            "condition_ids": [
                (0, 0, {"stage": "a", "data_table_id": contacts.id, "days": PERIOD}),
                (0, 0, {"stage": "i", "data_table_id": offers.id}),
                (0, 0, {"stage": "p", **bought}),
                (0, 0, {"stage": "l", "min_count": 3, "min_amount": 500, **bought}),
            ],
        }
    )


if __name__ == "__main__":
    by_hand = ByHand("aipl_by_hand", CREATE, INSERT, FIGURES, DIFFERENT)
    sys.exit(compare("aipl_vs_sql", make_model, by_hand))
