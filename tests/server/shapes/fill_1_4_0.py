# ruff: noqa: F821
# Read by Odoo's shell with the addon of 1_4_0.tar.xz: what later versions have other names for.
from datetime import timedelta

env.ref("base.user_admin").group_ids += env.ref("email_marketing_dm.email_marketing_dm_group_admin")
env = env(user=env.ref("base.user_admin").id)
ann, bob, cid = env["res.partner"].create(
    [{"name": name, "email": f"{name}@list.example"} for name in ("ann", "bob", "cid")]
)
now = env.cr.now()
for person, days, amount in ((ann, 1, 500), (ann, 9, 500), (ann, 20, 500), (bob, 200, 20)):
    env.cr.execute(
        """INSERT INTO crm_lead (company_id, name, type, active, partner_id, date_closed,
                                 expected_revenue)
           VALUES (%s, 'Purchase', 'opportunity', true, %s, %s, %s)""",
        [env.company.id, person.id, now - timedelta(days=days), amount],
    )
env.invalidate_all()
table = env["directmail.data.table"].create(
    {"name": "Purchases", "model_id": env["ir.model"]._get_id("crm.lead"),
     "partner_path": "partner_id", "date_field": "date_closed",
     "amount_field": "expected_revenue", "domain": "[('name', '=', 'Purchase')]"}
)  # fmt: skip
rfm = env["directmail.rfm.model"].create({"name": "Old RFM", "data_table_id": table.id})
aipl = env["directmail.aipl.model"].create(
    {"name": "Old AIPL", "condition_ids": [(0, 0, {"stage": "p", "data_table_id": table.id})]}
)
(rfm.action_compute(), aipl.action_compute())
contacts = env["directmail.data.table"].search([("preset", "=", "contacts")])
types = {score.partner_id: score.customer_type for score in rfm.score_ids}
lines = {
    "type": {
        "kind": "rfm", "rfm_model_id": rfm.id, "rfm_by": "type",
        "rfm_figure_ids": [
            (6, 0, rfm.figure_ids.filtered(lambda f: f.customer_type == types[ann]).ids)
        ],
    },
    "score": {
        "kind": "rfm", "rfm_model_id": rfm.id, "rfm_by": "score",
        "rfm_grade_ids": [(6, 0, env.ref("email_marketing_dm.directmail_rfm_grade_r3").ids)],
    },
    "stage": {
        "kind": "aipl", "aipl_model_id": aipl.id,
        "aipl_figure_ids": [(6, 0, aipl.figure_ids.filtered(lambda f: f.stage == "p").ids)],
    },
    "picks": {"kind": "list", "table_id": contacts.id},
    "group": {"kind": "group", "child_ids": [
        (0, 0, {"domain": "[('name', '=', 'cid')]", "table_id": contacts.id}),
    ]},
}  # fmt: skip
for name, line in lines.items():
    audience = env["directmail.audience"].create(
        {"name": f"Old {name}", "rule_ids": [(0, 0, line)], "user_id": env.uid}
    )
    if name == "picks":
        audience.rule_ids.sudo().pick_ids = [(0, 0, {"res_id": bob.id})]
    audience.action_refresh()
env["ir.filters"].create(
    {"name": "Old filter", "model_id": "directmail.audience",
     "domain": "[('rule_ids.kind', '=', 'rfm')]"}
)  # fmt: skip
env["ir.filters"].create(
    {"name": "Old types", "model_id": "directmail.rfm.score",
     "domain": "[('partner_id.name', '=', 'ann')]"}
)  # fmt: skip
env["ir.exports"].create(
    {"name": "Old export", "resource": "directmail.audience",
     "export_fields": [(0, 0, {"name": "rule_ids/kind"})]}
)  # fmt: skip
account = env["directmail.account"].create(
    {"name": "Old account", "public_url": "https://www.example.com", "tz": "Asia/Singapore"}
)
env.flush_all()
env.cr.execute(
    """WITH fact AS (
           INSERT INTO directmail_event (company_id, account_id, kind, source, fingerprint,
                                         address_key, occurred_at)
           VALUES (%s, %s, 'delivered', 'poll', 'old fact', %s, now())
        RETURNING id, company_id)
       INSERT INTO directmail_event_open (id, company_id) SELECT id, company_id FROM fact""",
    [env.company.id, account.id, "f" * 64],
)
env.cr.commit()
