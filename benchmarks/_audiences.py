"""Audiences for the benchmarks, each with the same people chosen by hand-written SQL."""

from odoo import fields

#: the newest order that counts is of this moment: the database has orders of the coming days too.
#: Those count only in the line that takes people out.
ORDERED = """
    SELECT o.partner_id FROM sale_order o
     WHERE o.state = 'sale' AND (o.company_id = 1 OR o.company_id IS NULL)
"""
LATELY = " AND o.date_order >= %(first)s AND o.date_order < %(end)s"
ALIVE = "p.active AND (p.company_id = 1 OR p.company_id IS NULL)"
COUNTRIES = "p.country_id IN %(countries)s"
MEMBERS = "SELECT m.partner_id FROM directmail_audience_member m WHERE m.audience_id = %(other)s"
#: {kind: people by hand}
BY_HAND = {
    "contacts": f"SELECT p.id FROM res_partner p WHERE {ALIVE} AND {COUNTRIES}",
    "orders": f"""
        SELECT p.id FROM res_partner p JOIN (
            {ORDERED}{LATELY} GROUP BY o.partner_id
            HAVING count(*) >= 2 AND sum(o.amount_total / o.currency_rate) >= 100
        ) bought ON bought.partner_id = p.id WHERE {ALIVE}""",
    "audience": f"SELECT p.id FROM res_partner p WHERE {ALIVE} AND p.id IN ({MEMBERS})",
    "task": f"""
        SELECT p.id FROM res_partner p
         WHERE {ALIVE} AND p.id IN (
            SELECT d.partner_id FROM directmail_delivery d
             WHERE d.task_id = %(task)s AND d.state = 'sent' AND d.outcome = 'delivered')""",
    "group": f"""
        SELECT p.id FROM res_partner p
         WHERE {ALIVE} AND {COUNTRIES} AND NOT (p.is_company OR p.email IS NULL)""",
    "five_lines": f"""
        SELECT p.id FROM res_partner p
         WHERE {ALIVE} AND p.email IS NOT NULL
           AND ({COUNTRIES} OR p.id IN (
                {ORDERED}{LATELY} GROUP BY o.partner_id
                HAVING count(*) >= 2 AND sum(o.amount_total / o.currency_rate) >= 100))
           AND NOT EXISTS ({MEMBERS} AND m.partner_id = p.id)
           AND NOT EXISTS ({ORDERED} AND o.partner_id = p.id
                           AND o.date_order >= %(month)s)""",
}


def audience_lines(env, countries, other, task):
    """Return {kind: values of the lines}, for the same people as `BY_HAND`."""
    orders = env["directmail.data.table"].search([("preset", "=", "sale_orders")]).id
    here = {"domain": repr([("country_id", "in", countries)])}
    often = {"table_id": orders, "min_count": 2, "min_amount": 100, "within_days": 365}
    member = {"kind": "audience", "source_id": other}
    return {
        "contacts": [here],
        "orders": [often],
        "audience": [member],
        "task": [{"kind": "task", "task_id": task, "task_result": "delivered"}],
        "group": [
            here,
            {
                "kind": "group",
                "operator": "except",
                "child_ids": [
                    fields.Command.create({"domain": "[('is_company', '=', True)]"}),
                    fields.Command.create({"domain": "[('email', '=', False)]", "operator": "or"}),
                ],
            },
        ],
        "five_lines": [
            here,
            {**often, "operator": "or"},
            {"domain": "[('email', '!=', False)]", "operator": "and"},
            {**member, "operator": "except"},
            {"table_id": orders, "within_days": 30, "operator": "except"},
        ],
    }


def make_owner(env):
    """Make a marketing user who may read every order of the company."""
    groups = ("email_marketing_dm.group_user",
              "sales_team.group_sale_salesman_all_leads")  # fmt: skip
    return env["res.users"].create(
        {
            "name": "Marketer",
            "login": "bench_marketer",
            "group_ids": [fields.Command.set([env.ref(group).id for group in groups])],
        }
    )


def make_audience(env, owner, name, lines):
    """Make an audience with lines in this order."""
    return (
        env["directmail.audience"]
        .with_user(owner)
        .create(
            {
                "name": name,
                "line_ids": [
                    fields.Command.create({"sequence": number, **line})
                    for number, line in enumerate(lines)
                ],
            }
        )
        .sudo()
    )


def make_task(env, owner):
    """Make a task that every third contact got, delivered to half of them."""
    account = env["directmail.account"].create(
        {
            "name": "Bench",
            "endpoint": "http://127.0.0.1:1",
            "access_key_id": "bench",
            "access_key_secret": "bench",
            "public_url": "https://www.example.com",
        }
    )
    template = env["directmail.template"].create(
        {"name": "Bench", "account_id": account.id, "subject": "Bench", "sender_name": "Bench"}
    )
    task = (
        env["directmail.task"]
        .with_user(owner)
        .sudo()
        .create({"name": "Bench", "account_id": account.id, "template_id": template.id})
    )
    env.flush_all()
    env.cr.execute(
        """INSERT INTO directmail_delivery
                  (task_id, account_id, company_id, partner_id, state, outcome)
           SELECT %s, %s, 1, id, 'sent', CASE WHEN id %% 2 = 0 THEN 'delivered' ELSE 'failed' END
             FROM res_partner WHERE id %% 3 = 0""",
        [task.id, account.id],
    )
    return task
