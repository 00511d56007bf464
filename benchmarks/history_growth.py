"""How many rows a day the movement between stages takes, in percent of the contacts.

Every day another hundredth of the contacts moves from one stage to the next, and the model is
computed twice. The figure is that of the day with the most rows.

    python -m benchmarks.history_growth          (SCALE=100000: contacts)
"""

import sys
import time
from datetime import timedelta

from ._figures import report, scale, spread
from ._people import PEOPLE, environment, people_database, vacuum

GOAL = 1.1
DAYS = 5
TABLES = ("directmail_aipl_contact", "directmail_aipl_move")


def main():
    people = scale(PEOPLE)
    with people_database(people, 0) as name, environment(name) as env:
        model = make_model(env)
        compute(model, 0)
        rows, seconds = [], []
        for day in range(1, DAYS + 1):
            env.cr.execute(
                "UPDATE res_partner SET ref = 'moved' WHERE id %% 100 = %s AND active", [day]
            )
            env.cr.commit()
            vacuum(name, "res_partner", *TABLES)
            before = count(env)
            seconds.append(compute(model, day))
            compute(model, day)
            rows.append(count(env) - before)
        env.cr.execute("SELECT pg_total_relation_size('directmail_aipl_move') / %s", [sum(rows)])
        [(size,)] = env.cr.fetchall()
    return report(
        "history_growth",
        100 * max(rows) / people,
        "<=",
        GOAL,
        f"rows a day in percent of {people:,} contacts, of whom one in a hundred moves",
        f"rows of each day: {', '.join(f'{number:,}' for number in rows)}",
        f"bytes of a row, with indexes: {size}; a computation: {spread(seconds, 2)} s",
    )


def make_model(env):
    [table] = env["directmail.data.table"].search([("preset", "=", "contacts")])
    stages = (("a", "[('ref', '=', False)]"), ("i", "[('ref', '=', 'moved')]"))
    model = env["directmail.aipl.model"].create(
        {
            "name": "Stages",
            "user_id": env.ref("base.user_admin").id,
            "condition_ids": [
                (0, 0, {"stage": stage, "data_table_id": table.id, "domain": domain})
                for stage, domain in stages
            ],
        }
    )
    model.company_id.directmail_models_tz = "UTC"
    env.cr.commit()
    return model


def compute(model, day):
    """Compute as of so many days later. :return: seconds"""
    from odoo import fields

    begin = time.perf_counter()
    if not model._compute_results(fields.Datetime.now() + timedelta(days=day)):
        raise SystemExit(model.compute_error)
    model.env.cr.commit()
    return time.perf_counter() - begin


def count(env):
    env.cr.execute("SELECT count(*) FROM directmail_aipl_move")
    [(rows,)] = env.cr.fetchall()
    return rows


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
