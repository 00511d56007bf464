"""The pictures of what an audience is made of, of engagement, and of movement in a model."""

import json

from . import demo_data
from .browser import HEIGHT, WIDTH
from .common import ADDON

#: heights of the pictures of a long page and of a long dialog
LONG, DIALOG = 1250, 900


def take(photographer, campaign, _emulator):
    """Take the pictures; the campaign stays as it is.

    :param photographer: a `screenshots.Photographer`
    :param campaign: a `demo_campaign.Campaign` that has run
    """
    from . import demo_server

    user = demo_server.User(photographer.url, "marketing", demo_data.PASSWORD)
    photographer.browser.log_in(photographer.url, "marketing", demo_data.PASSWORD)
    take_composition(photographer, user, campaign)
    photographer.browser.resize(WIDTH, DIALOG)
    show(photographer, f"{ADDON}.directmail_engagement_action", ".modal-body [name=engaged_count]")
    photographer.save("engagement")
    photographer.browser.resize(WIDTH, HEIGHT)
    [model] = user.call("directmail.rfm.model", "search", [], limit=1)
    photographer.open("directmail_rfm_model_action", model, ".o_notebook")
    photographer.browser.click(
        ".o_notebook .nav-link[name=flows]", ".o_directmail_flow_picture path"
    )
    photographer.browser.run("document.querySelector('.o_directmail_flow').scrollIntoView(false);")
    photographer.save("movement")


def take_composition(photographer, user, campaign):
    """Compare those readers who speak German with those who opened the campaign's mail."""
    [category] = user.call("res.partner.category", "search", [("name", "=", demo_data.NEWSLETTER)])
    readers = f'[("category_id", "in", [{category}]), ("lang", "=", "de_DE")]'
    audience, other = (
        user.create("directmail.audience", name=name, line_ids=[(0, 0, line)])
        for name, line in (
            ("German-speaking readers", {"domain": readers}),
            (
                "Opened the spring letter",
                {"kind": "task", "task_id": campaign.task, "task_result": "opened"},
            ),
        )
    )
    user.call("directmail.audience", "action_refresh", [audience, other])
    page = user.create("directmail.audience.comparison", audience_id=audience, other_id=other)
    photographer.browser.resize(WIDTH, LONG)
    action = {
        "type": "ir.actions.act_window",
        "res_model": "directmail.audience.comparison",
        "res_id": page,
        "views": [[False, "form"]],
    }
    show(photographer, action, ".o_directmail_traits .o_directmail_value")
    photographer.save("composition")


def show(photographer, action, wanted):
    """Open within the app what has no address of its own there.

    :param action: an XML id or a dict
    """
    photographer.browser.open(
        f"{photographer.url}/odoo/action-{ADDON}.directmail_home_action",
        ".o_email_marketing_dm_home",
    )
    photographer.browser.run(
        f"odoo.__WOWL_DEBUG__.root.env.services.action.doAction({json.dumps(action)});"
    )
    photographer.browser.wait(wanted)
