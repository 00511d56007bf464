"""The values of the customers of an RFM model, and their types with other thresholds.

Both read the stored results of the model, as of its last computation: facts need not be read again.
"""

from odoo.tools import SQL

from .people_models import score_customers


def _select_customers(model_id):
    return SQL(
        """SELECT partner_id, last_date, frequency, monetary
             FROM directmail_rfm_customer WHERE rfm_model_id = %s""",
        model_id,
    )


def count_scores(env, model_id, day, bands):
    """Count the customers by scores and type, as a computation on a day would with `bands`.

    :param date day: of the last computation
    :param engine.people_models.Bands bands: the thresholds
    :return: list of (R score, F score, M score, customer type, number of customers)
    """
    return env.execute_query(
        SQL(
            """WITH %s SELECT r_score, f_score, m_score, customer_type, count(*)
                 FROM fresh GROUP BY 1, 2, 3, 4""",
            score_customers(_select_customers(model_id), day, bands),
        )
    )


def read_ranges(env, model_id, day):
    """Return the extreme values of the customers.

    :param date day: of the last computation
    :return: (number of customers, highest number of days since the last purchase, highest number of
        purchases, lowest amount, lowest amount above zero, highest amount); None where there is no
        such customer
    """
    [row] = env.execute_query(
        SQL(
            """SELECT count(*), max(%s::date - last_date), max(frequency), min(monetary),
                      min(monetary) FILTER (WHERE monetary > 0), max(monetary)
                 FROM (%s) AS customers""",
            day,
            _select_customers(model_id),
        )
    )
    return row


def count_bars(env, model_id, day, edges):
    """Count the customers between edges, the lower of which is included; none without a value.

    :param date day: of the last computation
    :param dict edges: {"r" (days since the last purchase), "f" (purchases) or "m" (amount): edges
        in rising order}
    :return: {"r", "f" or "m": numbers of customers, one fewer than edges}
    :rtype: dict
    """
    values = {
        "r": SQL("%s::date - last_date", day),
        "f": SQL("frequency"),
        "m": SQL("monetary"),
    }
    rows = env.execute_query(
        SQL(
            """WITH customers AS MATERIALIZED (%s) %s""",
            SQL(
                "SELECT %s FROM (%s) AS stored",
                SQL(", ").join(
                    SQL("width_bucket((%s)::numeric, %s::numeric[]) AS %s", values[name], bars,
                        SQL.identifier(name))
                    for name, bars in edges.items()
                ),
                _select_customers(model_id),
            ),
            SQL(" UNION ALL ").join(
                SQL("SELECT %(name)s, %(bar)s, count(*) FROM customers WHERE %(bar)s IS NOT NULL"
                    " GROUP BY 2", name=name, bar=SQL.identifier(name))
                for name in edges
            ),
        )
    )  # fmt: skip
    counts = {name: [0] * (len(bars) - 1) for name, bars in edges.items()}
    for name, bar, people in rows:
        # Amounts of more than fifteen digits may be beyond edges that were made from floats.
        counts[name][min(max(bar, 1), len(counts[name])) - 1] += people
    return counts
