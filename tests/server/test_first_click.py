"""A click reaches what it began on, although the page moves between press and release.

Leaving a field applies what was typed, and what then appears above moves the rest of the page down.
"""

import json

import pytest

from devenv.browser import Browser
from tests.server.common.odoo_server import wait_until
from tests.server.common.shop import PASSWORD

ACTION = "/odoo/action-email_marketing_dm."
SUBJECT = ".o_field_widget[name=subject] :is(input, textarea)"
PLACE = """
    const {x, y, width, height} = document.querySelector(%s).getBoundingClientRect();
    return [x, y, width, height];
"""
MARK = """
    const element = document.querySelector(%s);
    element.classList.add("pressed");
    element.scrollIntoView({block: "nearest", behavior: "instant"});
"""
#: has the next page open without the question whether to leave a form with changes
LEAVE = """
    const options = {capture: true};
    window.addEventListener("beforeunload", (ev) => ev.stopImmediatePropagation(), options);
"""
SIZES = {"window": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def browser(shop):
    with Browser() as running:
        running.log_in(shop.server.url, "dm_user", PASSWORD)
        yield running


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("action", "pressed", "wanted"),
    [
        ("directmail_template_action/new", ".o_directmail_design",
         "() => !document.querySelector('.o_directmail_design')"),
        ("directmail_task_action/new", ".o_notebook .nav-link:not(.active)",
         ".pressed.active"),
    ],
    ids=["design", "tab"],
)  # fmt: skip
def test_a_click_that_ends_typing(browser, shop, size, action, pressed, wanted):
    browser.resize(*SIZES[size])
    browser.open(f"{shop.server.url}{ACTION}{action}", SUBJECT)
    browser.point_and_click(SUBJECT)
    browser.type("Our spring collection is here")
    browser.run(MARK % json.dumps(pressed))
    x, y, width, _height = find(browser)
    # Near the upper edge, so that the element is elsewhere once it has moved.
    browser.hold(x + width / 2, y + 3)
    wait_until(lambda: abs(find(browser)[1] - y) > 6, "nothing has moved")
    browser.release(x + width / 2, y + 3)
    browser.wait(wanted)
    browser.run(LEAVE)


def find(browser):
    return browser.run(PLACE % json.dumps(".pressed"))
