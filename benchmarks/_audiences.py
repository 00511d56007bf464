"""Audiences for the benchmarks, each with the same people chosen by hand-written SQL."""

from datetime import timedelta

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
RANK = "('x' || left(md5(%(salt)s || 'contact,' || p.id), 16))::bit(64)::bigint"
#: how many people the lines with a limit take
LIMIT = 5000
#: mails that a contact got and did not react to, for the line about engagement
UNANSWERED = 3
SEED = "SELECT m.partner_id FROM directmail_audience_member m WHERE m.audience_id = %(seed)s"
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
    "moved": f"""
        SELECT p.id FROM res_partner p
          JOIN directmail_aipl_contact c ON c.partner_id = p.id AND c.stage = 'p'
          JOIN (SELECT DISTINCT ON (partner_id) partner_id, previous_stage
                  FROM directmail_aipl_move WHERE aipl_model_id = %(aipl)s AND date > %(moved)s
                 ORDER BY partner_id, date) m ON m.partner_id = p.id AND m.previous_stage = 'a'
         WHERE {ALIVE} AND c.aipl_model_id = %(aipl)s""",
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
    "random": f"SELECT p.id FROM res_partner p WHERE {ALIVE} ORDER BY {RANK}, p.id LIMIT {LIMIT}",
    "highest": f"""
        SELECT p.id FROM res_partner p JOIN (
            SELECT o.partner_id, sum(o.amount_total / o.currency_rate) AS amount FROM sale_order o
             WHERE o.state = 'sale' AND (o.company_id = 1 OR o.company_id IS NULL)
               AND o.date_order < %(end)s
             GROUP BY o.partner_id
        ) bought ON bought.partner_id = p.id WHERE {ALIVE}
         ORDER BY bought.amount DESC, {RANK}, p.id LIMIT {LIMIT}""",
    "similar": f"""
        SELECT p.id FROM res_partner p JOIN (
            SELECT c.country_id, count(*) AS people FROM res_partner c
             WHERE c.id IN ({SEED}) AND c.active GROUP BY c.country_id
        ) country ON country.country_id = p.country_id
         WHERE {ALIVE} AND NOT EXISTS ({SEED} AND m.partner_id = p.id)
         ORDER BY country.people DESC, {RANK}, p.id LIMIT {LIMIT}""",
    "engagement": f"""
        SELECT p.id FROM res_partner p JOIN (
            SELECT d.partner_id FROM directmail_delivery d
              LEFT JOIN (SELECT partner_id, max(claimed_at) AS claimed_at
                           FROM directmail_delivery
                          WHERE company_id = 1 AND state = 'sent' AND opened_at IS NOT NULL
                          GROUP BY partner_id) answered USING (partner_id)
             WHERE d.company_id = 1 AND d.state = 'sent' AND d.measuring IS NULL
               AND d.outcome = 'delivered'
               AND (answered.claimed_at IS NULL OR d.claimed_at > answered.claimed_at)
             GROUP BY d.partner_id HAVING count(*) >= {UNANSWERED}
        ) got ON got.partner_id = p.id
         WHERE {ALIVE} AND (p.country_id = ANY(%(unmeasured)s)) IS NOT TRUE""",
    "engagement_table": f"""
        SELECT p.id FROM res_partner p JOIN (
            SELECT partner_id FROM directmail_delivery
             WHERE company_id = 1 AND state = 'sent' AND outcome = 'delivered'
             GROUP BY partner_id
            HAVING count(*) >= {UNANSWERED} AND max(opened_at) FILTER (WHERE measuring IS NULL)
                                                >= %(month)s
        ) got ON got.partner_id = p.id
         WHERE {ALIVE} AND (p.country_id = ANY(%(unmeasured)s)) IS NOT TRUE""",
}


def audience_lines(env, countries, other, task, seed=None):
    """Return {kind: values of the lines}, for the same people as `BY_HAND`.

    :param int seed: the audience whose people others are to be like; by default ``other``
    """
    presets = env["directmail.data.table"].search([("preset", "in", ["sale_orders", "engagement"])])
    tables = {table.preset: table.id for table in presets}
    orders = tables["sale_orders"]
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
        "random": [{"limit_count": LIMIT}],
        "highest": [{"table_id": orders, "limit_count": LIMIT, "limit_by": "amount"}],
        "similar": [{"kind": "similar", "source_id": seed or other, "limit_count": LIMIT}],
        "engagement": [
            {"kind": "engagement", "engagement": "unanswered", "engagement_mails": UNANSWERED}
        ],
        "engagement_table": [
            {
                "table_id": tables["engagement"],
                "domain": f"[('received_count', '>=', {UNANSWERED})]",
                "within_days": 30,
            }
        ],
    }


def move_line(env):
    """Return the line of the kind ``moved``, with a model in which every second contact moved."""
    model = env["directmail.aipl.model"].create({"name": "Stages"})
    segments = {segment.stage: segment.id for segment in model.segment_ids}
    today = fields.Date.today()
    known = {"computed_at": fields.Datetime.now(), "moves_since": today - timedelta(days=90)}
    model.write({"computed_on": today, **known})
    env.flush_all()
    env.cr.execute(
        """INSERT INTO directmail_aipl_contact (aipl_model_id, partner_id, stage)
           SELECT %(model)s, id, (ARRAY['a', 'i', 'p', 'l'])[1 + id %% 4] FROM res_partner;
           INSERT INTO directmail_aipl_move (aipl_model_id, partner_id, date, previous_stage, stage)
           SELECT %(model)s, id, %(today)s::date - (id %% 60)::int,
                  (ARRAY['i', 'a', 'a', 'p'])[1 + id %% 4], (ARRAY['a', 'i', 'p', 'l'])[1 + id %% 4]
             FROM res_partner WHERE id %% 2 = 0""",
        {"model": model.id, "today": today},
    )
    return {
        "kind": "aipl",
        "aipl_model_id": model.id,
        "aipl_by": "move",
        "move_kind": "moved",
        "move_days": 30,
        "aipl_before_ids": [fields.Command.set([segments["a"]])],
        "aipl_segment_ids": [fields.Command.set([segments["p"]])],
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


def make_history(env, task):
    """Make an email task with four mails to every second contact, of which some are opened."""
    past = task.copy({"name": "History"})
    past.user_id = task.user_id
    env.flush_all()
    env.cr.execute(
        """INSERT INTO directmail_delivery
                  (task_id, account_id, company_id, partner_id, state, outcome, claimed_at,
                   opened_at)
           SELECT %s, %s, 1, id, 'sent', 'delivered', now() - day * interval '7 days',
                  CASE WHEN (id + day) %% 10 = 0 THEN now() - day * interval '6 days' END
             FROM res_partner CROSS JOIN generate_series(1, 4) AS day WHERE id %% 2 = 0""",
        [past.id, task.account_id.id],
    )
