# ruff: noqa: F821
# Read by the old version's own Odoo shell, see make.py: a task that is over, what came of it, an
# opt-out and an audience, made of whatever fields that version has.
env["ir.config_parameter"].set_param("web.base.url", "https://www.example.com")
env.ref("base.user_admin").group_ids += env.ref("email_marketing_dm.email_marketing_dm_group_admin")
env = env(user=env.ref("base.user_admin").id)


def make(model, **values):
    """Create a record of those values that the model has fields for."""
    known = env[model]._fields
    return env[model].sudo().create({k: v for k, v in values.items() if k in known})


user = env.user
account = make("directmail.account", name="Old account", public_url="https://www.example.com",
               tz="Asia/Singapore")  # fmt: skip
sender = make("directmail.sender", account_id=account.id, email="news@mail.example",
              remote_id="1", kind="batch", ready=True)  # fmt: skip
template = make("directmail.template", name="Old template", account_id=account.id, user_id=user.id,
                subject="News", sender_name="Azure", body_html="<p>News</p>",
                body_arch="<p>News</p>")  # fmt: skip
audience = make("directmail.audience", name="Old audience", user_id=user.id,
                domain="[('email', 'ilike', 'list.example')]")  # fmt: skip
if "rule_ids" in audience._fields:
    audience.rule_ids = [(5,), (0, 0, {"domain": "[('email', 'ilike', 'list.example')]"})]
task = make("directmail.task", name="Old task", account_id=account.id, user_id=user.id,
            template_id=template.id, sender_id=sender.id,
            audience_ids=[(6, 0, audience.ids)])  # fmt: skip
for number in range(3):
    make("directmail.delivery", task_id=task.id, account_id=account.id,
         company_id=account.company_id.id, email=f"p{number}@list.example",
         address_key=f"{number:064x}", state="sent")  # fmt: skip
make("directmail.optout", company_id=account.company_id.id, address_key="f" * 64,
     email="gone@list.example", origin="page")  # fmt: skip
env.flush_all()
old = "outcome" in env["directmail.event"]._fields
for number in range(3):
    # One was applied, the last two wait.
    row = {"address_key": f"{number:064x}", "occurred_at": "2026-01-0%d" % (number + 1),
           "fingerprint": f"fact {number}", "applied": number == 0 or None}  # fmt: skip
    if old:
        row |= {"task_id": task.id, "outcome": "delivered"}
    else:
        delivery = env["directmail.delivery"].sudo().search([])[number]
        row |= {"company_id": account.company_id.id, "account_id": account.id,
                "delivery_id": delivery.id, "kind": "delivered", "source": "poll",
                "address_key": None}  # fmt: skip
    names = ", ".join(row)
    marks = ", ".join(["%s"] * len(row))
    env.cr.execute(f"INSERT INTO directmail_event ({names}) VALUES ({marks})", [*row.values()])
task.sudo().write({"state": "done"})
env.cr.execute("UPDATE directmail_task SET state = 'done', planned_at = now()")
env.cr.commit()
