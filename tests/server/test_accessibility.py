"""Recipients' pages by the rules of WCAG 2.1 AA, as axe-core checks them in a real browser."""

import json
import re

import pytest
import requests

from devenv import node
from devenv.browser import Browser

#: (width, height) of a phone and of a window
SIZES = ((390, 844), (1280, 900))
AXE = """
    const found = await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]});
    return found.violations.map(
        (rule) => `${rule.id}: ${rule.nodes.map((node) => node.html).join(" | ")}`
    );
"""
FITS = "return document.documentElement.scrollWidth <= window.innerWidth;"
#: what a recipient does on the page, and what it shows then
STAGES = (
    ("ask", None, "input[name=scope]"),
    ("done", "button[type=submit]", "textarea"),
    ("thanks", "form[action$=reason] button", "main:not(:has(textarea))"),
)


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


@pytest.fixture(scope="module")
def token(shop, emulator):
    """The token in the links of a mail that was sent."""
    task = shop.make_task("readers", 1)
    shop.act(task, "send")
    shop.wait_sent(task, 1)
    [row] = emulator.ledger(tag=shop.tag(task))
    html = emulator.mail(row["env_id"])["html"]
    return re.search(r"/directmail/unsubscribe/([\w-]+)", html)[1]


def check(browser, stage):
    """Fail where the page that is open breaks a rule or is wider than the screen."""
    browser.run(node.AXE.read_text())
    for width, height in SIZES:
        browser.resize(width, height)
        assert browser.run(AXE) == [], f"{stage}, {width} pixels wide"
        assert browser.run(FITS), f"{stage} is wider than {width} pixels"


def test_preferences(server, shop, browser, token):
    """What recipients choose and see, and the page on which they ask for their link."""
    browser.open(f"{server.url}/directmail/preferences/{token}", "main")
    check(browser, "preferences")
    for section, wanted in (
        ("frequency", "form.quiet"),
        ("pause", "input[name=until]"),
        ("language", "main:has(select) form.quiet"),
    ):
        if section != "language":
            browser.run(f"document.querySelector('form[action$={section}] [type=radio]').click()")
        elif not browser.run("return !!document.querySelector('select')"):
            continue
        browser.click(f"form[action$={section}] button", wanted)
        check(browser, section)
    browser.open(f"{server.url}/directmail/unsubscribe/{token}/data", "ul.records")
    check(browser, "known")
    [settings] = shop.root.call("res.config.settings", "create", [[{}]])
    [values] = shop.root.call(
        "res.config.settings", "read", [[settings], ["directmail_preferences_url"]]
    )
    path = values["directmail_preferences_url"].partition("/directmail/")[2]
    browser.open(f"{server.url}/directmail/{path}", "input[type=email]")
    check(browser, "request")
    browser.run("document.querySelector('#email').value = 'nobody@example.com'")
    browser.click("button[type=submit]", "main:not(:has(form))")
    check(browser, "requested")


def test_unsubscribing(server, browser, token):
    """The page is shown in its company's name, through all its stages."""
    browser.open(f"{server.url}/directmail/unsubscribe/{token}", "main")
    for stage, button, wanted in STAGES:
        if button:
            browser.click(button, wanted)
        check(browser, stage)


@pytest.mark.parametrize("path", ("unsubscribe", "view"))
def test_a_link_that_does_not_work(server, browser, path):
    browser.open(f"{server.url}/directmail/{path}/nobody", "main")
    check(browser, f"a dead link to {path}")


def test_viewing_online(server, browser, token):
    """Shown as a page of its own: Odoo forbids the mail's page scripts, and axe-core is one."""
    with requests.Session() as http:
        http.trust_env = False
        page = http.get(f"{server.url}/directmail/view/{token}", timeout=30).text
    browser.open(f"{server.url}/directmail/view/nobody", "main")
    browser.run(f"document.open(); document.write({json.dumps(page)}); document.close();")
    browser.wait("body > div")
    check(browser, "view online")
