# ruff: noqa: F821
"""Snapshots of an audience, taken and deleted in transactions that do not see each other.

Read by Odoo's shell. Prints RESULT and a JSON object: the number of people in the last snapshot
after each run.
"""

import json

from odoo import SUPERUSER_ID, api
from odoo.fields import Command
from odoo.service.model import retrying
from odoo.tools import mute_logger


def enter(cursor):
    return api.Environment(cursor, SUPERUSER_ID, {})


def make_audience(env):
    """Make an audience of two people."""
    user = env["res.users"].search([("login", "=", "racer")]) or env["res.users"].create(
        {
            "name": "Racer",
            "login": "racer",
            "group_ids": [
                Command.link(env.ref("email_marketing_dm.group_user").id),
                Command.link(env.ref("sales_team.group_sale_salesman_all_leads").id),
            ],
        }
    )
    people = env["res.partner"].create(
        [{"name": name, "email": f"{name}@x.example"} for name in ("ann", "bob")]
    )
    line = {"domain": f"[('id', 'in', {people.ids})]"}
    audience = (
        env["directmail.audience"]
        .with_user(user)
        .create({"name": "Two people", "line_ids": [Command.create(line)]})
    )
    audience.action_refresh()
    assert audience.people_count == 2, audience.refresh_error
    env.cr.commit()
    return audience


def meet(env, audience, first, last):
    """Run two functions; `last` has an older view of the database, as if both began at once.

    :param first, last: called with the audience
    :return: number of people in the audience's last snapshot
    """
    with env.registry.cursor() as late:
        env_late = enter(late)
        late.execute("SELECT count(*) FROM directmail_audience_snapshot")
        with env.registry.cursor() as early:
            first(audience.with_env(enter(early)))
        with mute_logger("odoo.sql_db", "odoo.service.model"):
            retrying(lambda: last(audience.with_env(env_late)), env_late)
    env.cr.rollback()
    env.invalidate_all()
    snapshot = audience.snapshot_ids[0]
    stays = env["directmail.audience.stay"]
    return stays.search_count(snapshot.action_view_people()["domain"])


def take(audience):
    audience._take_snapshot()


def delete_first(audience):
    audience.snapshot_ids[-1].unlink()


def delete_old(audience):
    """Delete snapshots of more than a year ago, as the daily clean-up does."""
    audience.env["directmail.audience.snapshot"]._gc_old()


def make_audience_of_leads(env):
    """Make an audience of two leads, of which a snapshot was taken before the second came."""
    audience = make_audience(env)
    table = env["directmail.data.table"].search([("preset", "=", "leads")], limit=1)
    # An opportunity remains when a lead is merged with it.
    leads = env["crm.lead"].create(
        [
            {"name": name, "email_from": f"{name}@x.example", "type": kind}
            for name, kind in (("eve", "opportunity"), ("fay", "lead"))
        ]
    )
    leads.user_id = False
    audience.line_ids.unlink()
    for lead in leads:
        line = {"table_id": table.id, "domain": f"[('id', '=', {lead.id})]", "operator": "or"}
        audience.line_ids = [Command.create(line)]
        audience.action_refresh()
        assert audience.people_count == len(audience.line_ids), audience.refresh_error
        if lead == leads[0]:
            audience._take_snapshot()
    env.cr.commit()
    return audience


def merge(audience):
    """Merge the two leads of an audience."""
    leads = audience.sudo().member_ids.mapped("res_id")
    audience.env["crm.lead"].sudo().browse(leads).merge_opportunity()


def meet_merge(env, first, last):
    """As `meet` while leads are merged.

    :return: (number of people who entered, and who left, in the next snapshot)
    """
    audience = make_audience_of_leads(env)
    meet(env, audience, first, last)
    audience.action_refresh()
    snapshot = audience._take_snapshot()
    env.cr.commit()
    return snapshot.entered_count, snapshot.left_count


def main(env):
    found = {
        "taken while leads are merged": meet_merge(env, merge, take),
        "leads are merged while it is taken": meet_merge(env, take, merge),
    }
    for name, first, last in (
        ("two are taken", take, take),
        ("deleted while another is taken", take, delete_first),
        ("taken while the one before is deleted", delete_first, take),
        ("cleaned up while another is taken", take, delete_old),
    ):
        audience = make_audience(env)
        if name != "two are taken":
            audience._take_snapshot().sudo().taken_at = "2020-01-01"
            env.cr.commit()
        found[name] = meet(env, audience, first, last)
    return found


print("RESULT", json.dumps(main(env)))
