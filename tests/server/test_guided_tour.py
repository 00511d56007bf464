"""*Show me how* on Home, as a marketing user follows its bubbles in a real browser."""

import pytest

from devenv.browser import Browser
from tests.server.common.shop import PASSWORD

HOME = "/odoo/action-email_marketing_dm.directmail_home_action"
#: The words of a bubble are in the page before the mouse opens it.
BUBBLE = "return document.querySelector('.o_tour_pointer_content span')?.textContent || '';"
#: in the list, or above the cards on a phone
ADD_LINE = ".o_field_x2many_list_row_add a, .o_field_x2many .o-kanban-button-new"
#: (what the bubble says, where it leads, what is typed there); dialogs have no bubbles
PEOPLE = (
    ("Choose who gets the mail", 'li[data-step="people"] button', None),
    ("Give your audience a name", ".o_field_widget[name=name] input", "Newsletter"),
    ("Say who is in the audience", ADD_LINE, None),
    (None, ".modal .o_form_button_save", None),
    ("now collects its people", "button[name=action_refresh]", None),
    ("Go back to Home", ".o_back_button", None),
)
REVIEW = (
    ("submit it for review", 'li[data-step="review"] button', None),
    ("marked as an example", "button[name=action_submit]", None),
    ("create the email task now", "button[name=action_new_task]", None),
)
SEND = (
    ("Check the people", "button[name=action_open_send]", None),
    (None, ".modal-footer button[name=action_send]", None),
)


@pytest.fixture(scope="module")
def browser(shop):
    with Browser() as running:
        running.log_in(shop.server.url, "dm_user", PASSWORD)
        yield running


@pytest.fixture
def beginner(shop):
    """The user has no task, template or audience, and Odoo's tours switched off."""
    tasks = shop.user.call("directmail.task", "search", [[("state", "=", "pending")]])
    shop.user.call("directmail.task", "action_cancel", [tasks])
    archive(shop, "directmail.template")
    archive(shop, "directmail.audience")
    return shop


def make_draft(shop):
    values = {
        "name": "Spring",
        "account_id": shop.account,
        "subject": "News for {{ object.name }}",
        "sender_name": "Azure",
        "body_arch": shop.body,
        "body_html": shop.body,
    }
    shop.user.call("directmail.template", "create", [values])


def archive(shop, model):
    found = shop.root.call(model, "search", [[]])
    shop.root.call(model, "write", [found, {"active": False}])


def start(browser, shop, size=(1280, 900)):
    browser.resize(*size)
    browser.open(shop.server.url + HOME, ".o_directmail_show_how")
    browser.click(".o_directmail_show_how", ".o_tour_pointer")


def follow(browser, bubbles):
    """Do what each bubble says at the place that it points to."""
    for words, place, typed in bubbles:
        if words:
            browser.wait(
                f"() => (() => {{ {BUBBLE} }})().includes({words!r})"
                f" && !!document.querySelector({place!r})"
            )
        else:
            browser.wait(place)
        if typed:
            browser.run(
                f"""const field = document.querySelector({place!r});
                    field.focus();
                    field.value = {typed!r};
                    for (const name of ["input", "change"])
                        field.dispatchEvent(new Event(name, {{bubbles: true}}));"""
            )
        else:
            browser.run(f"document.querySelector({place!r}).click();")


def is_enabled(shop):
    """Return whether the user has Odoo's tours switched on."""
    [user] = shop.root.call("res.users", "search", [[("login", "=", "dm_user")]])
    return shop.root.read("res.users", user, "tour_enabled")["tour_enabled"]


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["window", "phone"])
def test_the_bubbles_lead_to_a_task_that_is_sent(browser, beginner, size):
    shop = beginner
    shop.add_people("tour", 3)
    make_draft(shop)
    start(browser, shop, size)
    assert not is_enabled(shop)
    follow(browser, PEOPLE + REVIEW + SEND)
    browser.wait("() => !document.querySelector('.modal, .o_tour_pointer')")
    [task] = shop.user.call("directmail.task", "search", [[]], {"limit": 1})
    assert shop.read(task, "state")["state"] == "pending"


def test_any_design_may_be_chosen_first(browser, beginner):
    beginner.add_people("tour", 3)
    start(browser, beginner)
    follow(browser, PEOPLE)
    browser.wait('li[data-step="design"][data-state="now"]')
    browser.run("document.querySelector('li[data-step=\"design\"] button').click();")
    # any design, not only the first one, to which the bubble points
    fourth = ".o_directmail_gallery .o_kanban_record:nth-child(4)"
    follow(browser, (("Choose a design", fourth, None),))
    browser.wait(f"() => (() => {{ {BUBBLE} }})().includes('marked as an example')")


def test_any_way_to_add_a_line_may_be_chosen(browser, beginner):
    """Not only the first one, to which the bubble points."""
    last_line = f"{ADD_LINE.split(',')[0]}:last-child"
    start(browser, beginner)
    follow(browser, PEOPLE[:2])
    follow(browser, (("Say who is in the audience", last_line, None),))
    browser.wait(".modal .o_form_button_save")
    browser.run("document.querySelector('.modal .btn-close').click();")
    browser.wait(f"() => (() => {{ {BUBBLE} }})().includes('now collects its people')")


def test_no_other_tour_begins(browser, beginner):
    start(browser, beginner)
    browser.open(beginner.server.url + HOME, ".o_directmail_show_how")
    assert browser.run(BUBBLE) == ""
    assert not is_enabled(beginner)
