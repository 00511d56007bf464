"""The addon's own pages in the web client: rules of WCAG, phones, and the console's error log."""

import json
from datetime import datetime, timedelta

import pytest

from devenv.browser import Browser
from tests.server.common.pages import AROUND, OF_ODOO, SIZES, Pages
from tests.server.common.pages_world import World
from tests.server.common.shop import PASSWORD, Shop

ADDON = "email_marketing_dm"
DAY_CELL = "td.fc-day[data-date='{}']"
#: the middle of what a selector finds, after it was scrolled to
MIDDLE = """
    const element = document.querySelector(%s);
    element.scrollIntoView({block: "center"});
    const {left, top, width, height} = element.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
"""
HOME = f"{ADDON}.directmail_home_action"


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def shop(server, emulator):
    """Nothing is there yet but the users and an account that is not active."""
    return Shop(server, emulator, activate=False)


@pytest.fixture(scope="module")
def world(shop):
    shop.activate()
    return World(shop)


@pytest.fixture(scope="module")
def german(shop, world):
    """The administrator reads German, whose words are the longest."""
    languages = shop.root.call(
        "res.lang",
        "search",
        [[("code", "=", "de_DE")]],
        {"context": {"active_test": False}},
    )
    installation = shop.root.call(
        "base.language.install", "create", [{"lang_ids": [(6, 0, languages)]}]
    )
    shop.root.call("base.language.install", "lang_install", [[installation]])
    admin = shop.root.call("res.users", "search", [[("login", "=", "admin")]])
    shop.root.call("res.users", "write", [admin, {"lang": "de_DE"}])


def find_faults(pages, listed, size):
    """Return {page: what is wrong with it} of those with faults."""
    pages.resize(size)
    found = {}
    for title, page in listed.items():
        pages.open(**page)
        if faults := pages.find_faults():
            found[title] = faults
    return found


def list_pages(shop, world, size):
    """Return {title: arguments of `Pages.open`} of all windows that the addon's actions open.

    On a phone Odoo opens the cards of an action, whichever of its views was asked for.
    """
    records = shop.root.call(
        "ir.model.data",
        "search_read",
        [[("module", "=", ADDON), ("model", "=", "ir.actions.act_window")], ["name", "res_id"]],
    )
    actions = shop.root.call(
        "ir.actions.act_window",
        "read",
        [[record["res_id"] for record in records], ["res_model", "view_mode", "target"]],
    )
    pages, forms = {}, set()
    for record, action in zip(records, actions, strict=True):
        if action["target"] == "new":
            continue
        name, modes = f"{ADDON}.{record['name']}", action["view_mode"].split(",")
        if size == "phone" and "kanban" in modes:
            modes = [mode for mode in modes if mode in ("kanban", "form")]
        for mode in modes:
            page = {"action": name, "view": mode}
            if mode != "form":
                pages[f"{record['name']} {mode}"] = page
            elif (model := action["res_model"]) not in forms:
                forms.add(model)
                pages[f"{record['name']} form"] = {**page, "id": world.records.get(model)}
                if may_create(shop, model):
                    pages[f"{record['name']} new"] = page
    return pages


def may_create(shop, model):
    """Tell whether the form of a model has the button *New*."""
    views = shop.root.call(model, "get_views", [[[False, "form"]]])
    return 'create="0"' not in views["views"]["form"]["arch"].partition(">")[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("login", ("dm_admin", "dm_user"))
def test_home_at_first(shop, browser, login, size):
    pages = Pages(browser, shop.server.url, login, PASSWORD)
    assert find_faults(pages, {"Home": {"action": HOME}}, size) == {}


def list_dialogs(world):
    """Return {model: arguments of `Pages.open`} of the addon's dialogs."""
    partner, records = world.partner, world.records
    account, template = records["directmail.account"], records["directmail.template"]
    people = {"active_model": "res.partner", "active_id": partner, "active_ids": [partner]}
    return {
        "base.module.uninstall": {
            "action": make_dialog("base.module.uninstall"),
            "context": {"default_module_ids": [(6, 0, [world.module])]},
        },
        "directmail.audience.add": {
            "action": f"{ADDON}.audience_existing_res_partner",
            "context": people,
        },
        "directmail.audience.comparison": {
            "model": "directmail.audience",
            "method": "action_view_composition",
            "id": records["directmail.audience"],
        },
        "directmail.consent.answer": {
            "action": f"{ADDON}.directmail_consent_answer_action",
            "context": people,
        },
        "directmail.engagement": {"action": f"{ADDON}.directmail_engagement_action"},
        "directmail.erasure": {"action": f"{ADDON}.directmail_erasure_action", "context": people},
        "directmail.fatigue.status": {
            "model": "res.partner",
            "method": "action_view_directmail_fatigue",
            "id": partner,
        },
        "directmail.first.contact.offer": {
            "action": make_dialog("directmail.first.contact.offer"),
            "context": {"default_task_id": world.draft},
        },
        "directmail.key.replace": {
            "action": f"{ADDON}.directmail_key_replace_action",
            "context": {"default_account_id": account, "active_id": account},
        },
        "directmail.optout.import": {"action": f"{ADDON}.directmail_optout_import_action"},
        "directmail.ram.policy": {
            "model": "directmail.account",
            "method": "action_ram_policy",
            "id": account,
        },
        "directmail.rekey.start": {"action": f"{ADDON}.directmail_rekey_start_action"},
        "directmail.sender.warm.up": {
            "model": "directmail.sender",
            "method": "action_warm_up",
            "id": records["directmail.sender"],
        },
        "directmail.series.audience": {
            "action": f"{ADDON}.directmail_series_audience_action",
            "context": {"default_name": "Interest to Purchase"},
        },
        "directmail.series.put": {
            "action": f"{ADDON}.directmail_series_put_action",
            "context": people,
        },
        "directmail.task.estimate": {
            "model": "directmail.task",
            "method": "action_open_estimate",
            "id": world.draft,
        },
        "directmail.task.follow.up": {
            "model": "directmail.task",
            "method": "action_follow_up",
            "id": world.done,
        },
        "directmail.task.generate": {
            "action": f"{ADDON}.directmail_task_generate_action",
            "context": {"default_task_id": world.done, "active_id": world.done},
        },
        "directmail.trial": {"action": f"{ADDON}.directmail_trial_action"},
        "directmail.template.link": {
            "action": f"{ADDON}.directmail_template_link_action",
            "context": {"default_template_id": template, "active_id": template},
        },
        "directmail.series.try": {
            "action": f"{ADDON}.directmail_series_try_action",
            "context": {"default_series_id": world.records["directmail.series"]},
        },
        "directmail.template.test": {
            "action": f"{ADDON}.directmail_template_test_action",
            "context": {"default_template_id": template, "active_id": template},
        },
    }


def list_odoos_pages(shop, world):
    """Return pages of Odoo alone, with the widgets of `OF_ODOO`."""
    shop.root.call("crm.lead", "create", [{"name": "A lead for the pivot"}])
    body = "<p>Hello</p>"
    mailing = shop.root.call(
        "mailing.mailing",
        "create",
        [
            {
                "subject": "Hello",
                "email_from": "a@example.com",
                "body_arch": body,
                "body_html": body,
            }
        ],
    )
    attachment = shop.root.call("ir.attachment", "create", [{"name": "a.txt", "datas": "YQ=="}])
    shop.server.query("UPDATE mailing_mailing SET state = 'done' WHERE id = %s", mailing)
    [calendar] = shop.root.call(
        "ir.module.module", "search", [[("name", "=", "calendar")]], {"limit": 1}
    )
    return (
        {"action": "contacts.action_contacts", "view": "list"},
        {"action": "contacts.action_contacts", "view": "form", "id": world.partner},
        {"action": "mass_mailing.mailing_mailing_action_mail", "view": "form"},
        {"action": "mass_mailing.mailing_mailing_action_mail", "view": "form", "id": mailing},
        {"action": "mass_mailing.mailing_mailing_action_mail", "view": "list"},
        {
            "action": "crm.crm_opportunity_report_action",
            "view": "pivot",
            "context": {"pivot_measures": ["__count", "expected_revenue", "prorated_revenue"]},
        },
        {"action": "base_setup.action_general_configuration"},
        {"action": "base.open_module_tree", "view": "kanban"},
        {"action": "base.res_lang_act_window", "view": "list"},
        {"action": "base.action_attachment", "view": "form", "id": attachment},
        {"action": "calendar.action_calendar_event", "view": "calendar"},
        {
            "action": "calendar.action_calendar_event",
            "view": "form",
            "context": {"default_videocall_location": "https://example.com"},
        },
        {
            "action": make_dialog("base.module.uninstall"),
            "context": {"default_module_ids": [(6, 0, [calendar])]},
        },
    )


def make_dialog(model):
    return {
        "type": "ir.actions.act_window",
        "res_model": model,
        "views": [[False, "form"]],
        "target": "new",
    }


def list_others(world):
    """Return pages that no action of the addon opens by itself, and its own components."""
    form = {"type": "ir.actions.act_window", "views": [[False, "form"]]}
    return {
        "Home": {"action": HOME},
        "Overview": {"action": f"{ADDON}.directmail_overview_action"},
        "First contact": {
            "action": {**form, "res_model": "directmail.first.contact"},
            "id": world.records["directmail.first.contact"],
        },
        "A/B test": {"action": {**form, "res_model": "directmail.task"}, "id": world.test},
        "A/B test with figures": {
            "action": {**form, "res_model": "directmail.task"},
            "id": world.tested,
        },
        "version of an A/B test": {
            "model": "directmail.task.version",
            "method": "action_open",
            "id": world.records["directmail.task.version"],
        },
        "control group": {"action": {**form, "res_model": "directmail.task"}, "id": world.control},
        "campaign": {"action": {**form, "res_model": "utm.campaign"}, "id": world.campaign},
        "draft": {"action": {**form, "res_model": "directmail.task"}, "id": world.draft},
        "recurring": {"action": {**form, "res_model": "directmail.task"}, "id": world.recurring},
        "scheduled": {"action": {**form, "res_model": "directmail.task"}, "id": world.scheduled},
        "step of a series": {
            "action": {**form, "res_model": "directmail.series.step"},
            "id": world.records["directmail.series.step"],
        },
        "findings": {
            "action": {**form, "res_model": "directmail.template"},
            "id": world.findings,
        },
        "upload of a file": {
            "action": {**form, "res_model": "directmail.upload"},
            "id": world.upload_list(),
        },
        "what a task lacks": {
            "model": "directmail.task",
            "method": "action_open_send",
            "id": world.incomplete,
        },
    }


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("german")
def test_pages(shop, browser, world, size):
    pages = Pages(browser, shop.server.url, "admin", "admin")
    listed = {**list_pages(shop, world, size), **list_dialogs(world), **list_others(world)}
    if size != "phone":
        del listed["findings"]  # Odoo's mail builder beside it has faults of its own
    assert find_faults(pages, listed, size) == {}


def test_a_scheduled_task_is_dragged_to_another_day(shop, browser, world):
    """In the calendar, with the mouse: the task keeps its hour."""
    read = shop.user.read("directmail.task", world.scheduled, "scheduled_at")
    before = datetime.fromisoformat(read["scheduled_at"])
    pages = Pages(browser, shop.server.url, "dm_user", PASSWORD)
    pages.resize("window")
    pages.open(
        action=f"{ADDON}.directmail_task_action",
        view="calendar",
        context={"initial_date": before.date().isoformat()},
    )
    event = f".fc-event[data-event-id='{world.scheduled}']"
    day = before + timedelta(days=1 if before.day < 15 else -1)
    cell = DAY_CELL.format(day.date().isoformat())
    browser.drag(*(browser.run(MIDDLE % json.dumps(one)) for one in (event, cell)))
    browser.wait(f"() => !!document.querySelector(`{cell} {event}`)")
    read = shop.user.read("directmail.task", world.scheduled, "scheduled_at")
    assert datetime.fromisoformat(read["scheduled_at"]) == day
    assert browser.errors == []


def test_the_progress_of_an_upload_ends_with_it(shop, browser, world):
    """The page shows the result by itself, without a click."""
    upload = world.upload_list()
    cron = shop.root.call(
        "ir.model.data", "check_object_reference", [ADDON, "ir_cron_directmail_upload"]
    )[1]
    # Matching begins when the page shows that the upload is under way.
    shop.server.query("UPDATE ir_cron SET active = FALSE WHERE id = %s", cron)
    pages = Pages(browser, shop.server.url, "dm_user", PASSWORD)
    pages.open(action=f"{ADDON}.directmail_upload_action", view="form", id=upload)
    browser.click("button[name=action_start]", ".o_directmail_upload_progress")
    shop.server.query("UPDATE ir_cron SET active = TRUE WHERE id = %s", cron)
    shop.server.let_cron_run(cron)
    browser.wait(
        "() => !!document.querySelector('.o_arrow_button_current[data-value=done]')"
        " && !document.querySelector('.o_directmail_upload_progress')"
    )
    assert browser.run("return document.querySelector('[name=unmatched_count]').innerText;") == "1"
    assert browser.errors == []


def test_all_dialogs_are_looked_at(shop, world):
    models = shop.root.call(
        "ir.ui.view",
        "search_read",
        [[("type", "=", "form"), ("model", "like", "directmail.%")], ["model"]],
    )
    transient = shop.root.call(
        "ir.model",
        "search_read",
        [[("transient", "=", True), ("model", "in", [row["model"] for row in models])], ["model"]],
    )
    assert {row["model"] for row in transient} <= list_dialogs(world).keys()


def test_odoos_own_faults(shop, browser, world):
    """What `find_faults` passes over is on Odoo's own pages, too."""
    pages = Pages(browser, shop.server.url, "admin", "admin")
    found = set()
    for size in SIZES:
        pages.resize(size)
        for page in list_odoos_pages(shop, world):
            pages.open(**page)
            found |= pages.find_known()
    assert {
        *AROUND,
        *(selector for known in OF_ODOO.values() for selector in known),
    } - found == set()
