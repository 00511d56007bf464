"""A first campaign by mouse, and how many clicks and pages it takes."""

import json

import pytest

from devenv.browser import Browser
from tests.server.common.shop import PASSWORD

HOME = "/odoo/action-email_marketing_dm.directmail_home_action"
MOST_CLICKS, MOST_PAGES = 20, 5
NO_DIALOG = "() => !document.querySelector('.modal')"
#: the mail builder, and what a design marks as an example
BUILDER = ".o_field_widget[name=body_arch] iframe"
EXAMPLES = (
    f"document.querySelector('{BUILDER}').contentDocument.querySelectorAll('.o_directmail_fill')"
)


class Visitor:
    """Somebody with a mouse and a keyboard, whose clicks and pages are counted.

    A page that is seen again counts again; a dialog is part of its page.
    """

    def __init__(self, browser):
        self._browser = browser
        self.clicks, self.pages = 0, 0

    def open(self, url, wanted):
        self._browser.open(url, wanted)
        self.pages += 1

    def click(self, place, wanted, frame=None):
        self._browser.point_and_click(place, frame)
        self.clicks += 1
        self._browser.wait(wanted)

    def turn_to(self, place, wanted):
        """Click on what opens another page."""
        self.click(place, wanted)
        self.pages += 1

    def write(self, name, text):
        """Write into a field; a field that has the focus already needs no click."""
        field = f".o_field_widget[name={name}] :is(input, textarea)"
        focused = f"document.activeElement.matches({json.dumps(field)})"
        if not self._browser.run(f"return {focused};"):
            self.click(field, f"() => {focused}")
        self._browser.type(text)


@pytest.fixture(scope="module")
def browser(shop):
    with Browser() as running:
        running.log_in(shop.server.url, "dm_user", PASSWORD)
        running.resize(1280, 900)
        yield running


def test_clicks_and_pages_of_a_first_campaign(browser, shop):
    """From Home to mails that are sent; the review is done by DirectMail."""
    shop.root.call("directmail.template", "write", [[shop.template], {"active": False}])
    shop.add_people("first", 3)
    visitor = Visitor(browser)
    visitor.open(shop.server.url + HOME, 'li[data-step="people"][data-state="now"]')
    visitor.turn_to('li[data-step="people"] button', ".o_form_view [name=line_ids]")
    visitor.write("name", "Everybody")
    visitor.click(".o_field_x2many_list_row_add a", ".modal .o_form_button_save")
    visitor.click(".modal .o_form_button_save", NO_DIALOG)
    visitor.click("button[name=action_refresh]", "button[name=action_new_task]")
    visitor.turn_to("button[name=action_new_task]", ".o_directmail_design")
    visitor.write("name", "Our first campaign")
    designs = shop.user.call("directmail.design", "search_read", [[], ["name"]])
    [welcome] = [design["id"] for design in designs if "elcome" in design["name"]]
    visitor.click(f"[data-design='{welcome}']", f"() => {EXAMPLES}.length")
    for number in range(browser.run(f"return {EXAMPLES}.length;")):
        browser.run(f"{EXAMPLES}[{number}].classList.add('example{number}');")
        visitor.click(f".example{number}", "body", BUILDER)
        browser.type("for you")
    visitor.write("sender_name", "Azure")
    visitor.click("button[name=action_open_send]", ".modal button[name=action_send]")
    visitor.click(".modal button[name=action_send]", NO_DIALOG)
    [task] = shop.user.call(
        "directmail.task", "search_read", [[("name", "=", "Our first campaign")], ["template_id"]]
    )
    shop.review(task["template_id"][0])
    shop.wait_sent(task["id"], 3)
    assert visitor.clicks <= MOST_CLICKS
    assert visitor.pages <= MOST_PAGES
