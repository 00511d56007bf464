# ruff: noqa: F821
"""A refusal and a claim that do not see each other, in two transactions; read by Odoo's shell.

Prints RESULT and a JSON object: whether the claim met a conflict, and `measuring` of both mails.
"""

import json

from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.service.model import retrying
from odoo.tools import mute_logger

from odoo.addons.email_marketing_dm.engine import claim

TASK = 0  # replaced by the caller


def enter(cursor):
    return api.Environment(cursor, SUPERUSER_ID, {})


def claim_one(cursor, row):
    """Claim the task's next mail, which is `row`'s."""
    env = enter(cursor)
    account = env["directmail.task"].browse(TASK).account_id
    [claimed] = claim.claim(env, account._make_claim_context(), "t" * 32, 1, 600)
    assert claimed.id == row.id, (claimed, row)


def refuse(env, row):
    person = {"address_key": row.address_key, "email": row.email, "partner_id": row.partner_id.id}
    env["directmail.consent"]._add(
        env["res.company"].browse(row.company_id.id), person, "no", "api"
    )


def main(env):
    registry, task = env.registry, env["directmail.task"].browse(TASK)
    task.audience_ids.action_refresh()
    task.audience_ids.member_ids.partner_id.country_id = False  # everybody is measured
    task.action_send()
    assert task._prepare() and task._launch(), task.state_message
    env.cr.commit()
    rows = env["directmail.delivery"].search([("task_id", "=", TASK)], order="id", limit=2)
    first, second = rows
    rows.read(["address_key", "email", "partner_id", "company_id"])

    # The refusal ends after the claim's snapshot was taken.
    conflict = False
    with registry.cursor() as claiming:
        claim.lock_gate(enter(claiming))
        claiming.execute("SELECT count(*) FROM directmail_consent")
        with registry.cursor() as refusing:
            refuse(enter(refusing), first)
        try:
            with mute_logger("odoo.sql_db"):
                claim_one(claiming, first)
        except SerializationFailure:
            conflict = True
            claiming.rollback()
            claim.lock_gate(enter(claiming))
            claim_one(claiming, first)

    # The claim ends after the refusal's snapshot was taken.
    with registry.cursor() as refusing, registry.cursor() as claiming:
        refusing.execute("SELECT count(*) FROM directmail_delivery")
        claim.lock_gate(enter(claiming))
        claim_one(claiming, second)
        claiming.commit()
        asking = enter(refusing)
        with mute_logger("odoo.sql_db", "odoo.service.model"):
            retrying(lambda: refuse(asking, second), asking)

    env.cr.rollback()
    env.invalidate_all()
    return {"conflict": conflict, "states": rows.mapped("state"), "measuring": [
        row.measuring for row in rows]}  # fmt: skip


print("RESULT", json.dumps(main(env)))
