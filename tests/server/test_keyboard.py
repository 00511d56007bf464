"""The way to a campaign by the keyboard alone: real keys in a real browser, no mouse."""

import json

import pytest

from devenv.browser import Browser
from tests.server.common.shop import PASSWORD

HOME = "/odoo/action-email_marketing_dm.directmail_home_action"
TEMPLATES = "/odoo/action-email_marketing_dm.directmail_template_action"
#: more than any page has before the place that is looked for
MOST_TABS = 80
HAS_FOCUS = "return !!document.activeElement?.matches(%s);"
#: whether the element that has the focus looks otherwise without it
IS_SHOWN = """
    const element = document.activeElement;
    const look = () => {
        const {outline, boxShadow, borderColor, backgroundColor, textDecoration} =
            getComputedStyle(element);
        return [outline, boxShadow, borderColor, backgroundColor, textDecoration].join();
    };
    const style = document.createElement("style");
    style.textContent = "*, *::before, *::after {transition: none !important}";
    document.head.append(style);
    const focused = look();
    element.blur();
    const other = look();
    element.focus();
    style.remove();
    return focused !== other;
"""
SUBJECT = ".o_field_widget[name=subject] input"
POPOVER = ".o_model_field_selector_popover"
NO_DIALOG = "() => !document.querySelector('.modal')"


@pytest.fixture(scope="module")
def browser(shop):
    shop.add_people("keys", 3)
    with Browser() as running:
        running.log_in(shop.server.url, "dm_user", PASSWORD)
        running.resize(1280, 900)
        yield running


def tab_to(browser, place):
    """Press Tab until a place has the focus."""
    asked = HAS_FOCUS % json.dumps(place)
    for _press in range(MOST_TABS):
        if browser.run(asked):
            return
        browser.press("Tab")
    seen = browser.run("return document.activeElement.outerHTML.slice(0, 200);")
    raise AssertionError(f"Tab does not come to {place}; it is at {seen}")


def enter(browser, place, wanted):
    """Press Enter on a button or link, whose focus is seen; a field's is seen by its caret."""
    tab_to(browser, place)
    assert browser.run(IS_SHOWN), f"the focus of {place} can't be seen"
    browser.press("Enter")
    browser.wait(wanted)


def press_alt(browser, key, wanted):
    browser.press(key, alt=True)
    browser.wait(wanted)


def fill(browser, name, text):
    tab_to(browser, f".o_field_widget[name={name}] :is(input, textarea)")
    browser.type(text)


def choose(browser, name, text):
    """Choose a record of a relation by its name."""
    fill(browser, name, text)
    browser.wait(
        "() => document.querySelector('.o-autocomplete--dropdown-item')"
        f"?.textContent.includes({json.dumps(text)})"
    )
    browser.press("Enter")
    browser.wait("() => !document.querySelector('.o-autocomplete--dropdown-item')")


def send(browser, shop):
    """Send the task of the form, which is the latest one."""
    press_alt(browser, "v", ".modal-footer button[name=action_send]")
    press_alt(browser, "q", NO_DIALOG)
    [task] = shop.user.call(
        "directmail.task", "search_read", [[], ["state"]], {"order": "id desc", "limit": 1}
    )
    assert task["state"] != "draft"


def test_from_home_to_a_task_that_is_sent(browser, shop):
    browser.open(shop.server.url + HOME, 'li[data-step="people"][data-state="now"]')
    enter(browser, 'li[data-step="people"] button', ".o_form_view [name=line_ids]")
    fill(browser, "name", "By keys")
    enter(browser, ".o_field_x2many_list_row_add a", ".modal .o_form_button_save")
    press_alt(browser, "c", NO_DIALOG)
    press_alt(browser, "s", "button[name=action_refresh]")
    press_alt(browser, "v", "button[name=action_new_task]")
    press_alt(browser, "w", ".o_form_view [name=template_id]")
    fill(browser, "name", "Newsletter by keys")
    choose(browser, "template_id", "Spring")
    send(browser, shop)


def test_from_a_template_to_a_task_that_is_sent(browser, shop):
    shop.make_audience("keys")
    browser.open(shop.server.url + TEMPLATES, ".o_kanban_record:not(.o_kanban_ghost)")
    browser.type("Spring")
    browser.press("Enter")
    browser.wait(".o_facet_value")
    browser.press("ArrowDown")  # from the search into the cards, as in all of Odoo
    enter(browser, ".o_kanban_record", "button[name=action_new_task]")
    press_alt(browser, "w", ".o_form_view [name=audience_ids]")
    choose(browser, "audience_ids", "Audience keys")
    send(browser, shop)


def test_what_is_missing_leads_to_its_field(browser, shop):
    browser.open(f"{shop.server.url}/odoo/directmail.task/new", ".o_form_view [name=audience_ids]")
    fill(browser, "name", "Unfinished")
    press_alt(browser, "v", ".o_directmail_missing")
    entry = ".o_directmail_missing[data-field=audience_ids]"
    enter(browser, entry, "() => document.activeElement.matches('[name=audience_ids] input')")


@pytest.mark.parametrize("view", ("kanban", "list"))
def test_a_button_above_a_list(browser, shop, view):
    address = f"{shop.server.url}{TEMPLATES}?view_type={view}"
    browser.open(address, f".o_{view}_view")
    heading = "document.querySelector('.o_control_panel')?.textContent"
    press_alt(browser, "v", f"() => {heading}.includes('Start from a design')")


def test_a_placeholder_in_the_subject(browser, shop):
    """By the arrows from the short list, and from all fields, which are behind a button."""
    browser.open(f"{shop.server.url}/odoo/directmail.template/new", ".o_directmail_design")
    fill(browser, "subject", "Hello#")
    browser.wait(f"{POPOVER} .o_directmail_all_fields")
    browser.press("ArrowDown")  # from the first name to the name
    browser.press("Enter")
    browser.wait(f"{POPOVER} .o_model_field_selector_default_value_input")
    browser.type("friend")
    browser.press("Enter")
    browser.wait(f"() => !document.querySelector('{POPOVER}')")
    assert read_subject(browser) == "Hello {{object.name|||friend}}"

    browser.type(" and#")
    browser.wait(f"{POPOVER} .o_directmail_all_fields")
    enter(
        browser,
        ".o_directmail_all_fields",
        f"() => document.querySelector('{POPOVER}')"
        " && !document.querySelector('.o_directmail_all_fields')",
    )
    browser.type("Job Pos")
    browser.wait(f"() => document.querySelectorAll('{POPOVER}_item').length === 1")
    browser.press("Enter")
    browser.wait(f"{POPOVER} .o_model_field_selector_default_value_input")
    browser.press("Enter")
    browser.wait(f"() => !document.querySelector('{POPOVER}')")
    assert read_subject(browser) == "Hello {{object.name|||friend}} and {{object.function}}"
    press_alt(browser, "j", "() => true")  # a form that can't be saved would not be left


def read_subject(browser):
    return browser.run(f"return document.querySelector({json.dumps(SUBJECT)}).value;")


def test_a_new_template_starts_from_a_design(browser, shop):
    browser.open(f"{shop.server.url}/odoo/directmail.template/new", ".o_directmail_design")
    fill(browser, "name", "Design by keys")
    enter(browser, ".o_directmail_design", "() => !document.querySelector('.o_directmail_design')")
    assert read_subject(browser)
