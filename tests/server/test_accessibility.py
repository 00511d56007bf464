"""Recipients' and visitors' whole way in a real browser, by the rules of WCAG 2.1 AA."""

import contextlib
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from devenv import node
from devenv.browser import Browser
from tests.server.common.odoo_server import PATIENCE, open_connection, wait_until

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


def find_link(server, cron="preference_link", page="preferences"):
    """Return the token in the latest letter that was asked for."""
    [(cron,)] = server.query(
        "SELECT res_id FROM ir_model_data WHERE name = %s", f"ir_cron_directmail_{cron}"
    )
    server.let_cron_run(cron)
    rows = server.query(
        "SELECT body_html FROM mail_mail WHERE body_html LIKE %s ORDER BY id DESC",
        f"%/directmail/{page}/%",
    )
    return re.search(rf"/directmail/{page}/([\w-]+)", rows[0][0])[1]


@pytest.fixture(scope="module")
def topics(shop):
    values = [{"name": name, "rule": "confirmed"} for name in ("Tea letter", "Offers")]
    return shop.root.call("directmail.purpose", "create", [values])


@pytest.fixture(scope="module")
def form_url(server, shop, topics):
    """The address of a sign-up form that an administrator made."""
    values = {"name": "Website", "purpose_ids": topics, "asks_name": True}
    [form] = shop.root.call("directmail.signup.form", "create", [[values]])
    read = shop.root.read("directmail.signup.form", form, "token")
    return f"{server.url}/directmail/signup/{read['token']}"


def check(browser, stage):
    """Fail where the open page breaks a rule, is wider than the screen or has logged an error."""
    browser.run(node.AXE.read_text())
    for width, height in SIZES:
        browser.resize(width, height)
        assert browser.run(AXE) == [], f"{stage}, {width} pixels wide"
        assert browser.run(FITS), f"{stage} is wider than {width} pixels"
    # Chromium also logs a page that is answered with 404, as that of a dead link is, and the pixel
    # of a mail, whose host is not this server.
    here, origin = browser.run("return [location.href, location.origin];")
    ours = [error for error in browser.errors if "://" not in error or origin in error]
    assert [error for error in ours if not error.endswith(here)] == [], stage
    browser.errors.clear()


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
    browser.open(f"{server.url}/directmail/unsubscribe/{token}/data", "form[action$=data]")
    check(browser, "data")
    browser.click("button[type=submit]", "main:not(:has(form))")
    check(browser, "data_sent")
    browser.open(f"{server.url}/directmail/unsubscribe/{find_link(server)}/data", "ul.records")
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


def test_signing_up(server, browser, form_url, topics):
    """From the form to a contact who has confirmed."""
    browser.open(form_url, "form")
    check(browser, "sign-up")
    browser.run("document.querySelector('input[name=email]').value = 'zoe@customer.example';")
    browser.click("button[type=submit]", "[role=alert]")
    check(browser, "no topic was chosen")
    browser.run(
        f"""document.querySelector("input[name=email]").value = "zoe@customer.example";
            document.querySelector("input[name=name]").value = "Zoe";
            document.querySelector("input[name=topic][value='{topics[0]}']").click();"""
    )
    browser.click("button[type=submit]", "main:not(:has(form))")
    check(browser, "sent")
    token = find_link(server, "signup", "signup/confirm")
    browser.open(f"{server.url}/directmail/signup/confirm/{token}", "form")
    check(browser, "confirm")
    browser.click("button[type=submit]", "main:not(:has(form))")
    check(browser, "confirmed")
    found = server.query(
        """SELECT p.name, p.email_normalized, c.purpose_id, c.answer, c.origin
             FROM directmail_consent c JOIN res_partner p ON p.id = c.partner_id
            WHERE c.origin = 'form'"""
    )
    assert found == [("Zoe", "zoe@customer.example", topics[0], "confirmed", "form")]


def test_confirming_topics(server, browser, token, topics):
    """A tick on the page behind a mail asks for a confirmation by another mail."""
    # The address got a link just before, and gets none in the next ten minutes.
    server.query(
        "UPDATE directmail_preference_link SET requested_at = requested_at - '1 h'::interval"
    )
    browser.open(f"{server.url}/directmail/preferences/{token}", "form[action$=topics]")
    browser.run(f"document.querySelector(\"input[name=topic][value='{topics[0]}']\").click()")
    browser.click("form[action$=topics] button", "main:has(h1 ~ ul)")
    check(browser, "unconfirmed")
    link = find_link(server)
    browser.open(f"{server.url}/directmail/preferences/{link}", "form[action$=confirm]")
    check(browser, "confirm topics")
    browser.click("form[action$=confirm] button", "main:not(:has(form[action$=confirm]))")
    check(browser, "confirmed topics")
    answers = "SELECT answer FROM directmail_consent WHERE origin = 'page' AND purpose = 'mailing'"
    assert server.query(f"{answers} ORDER BY id") == [("yes",), ("confirmed",)]


def test_confirming_at_the_same_time(server, form_url, topics):
    """Who clicks twice gets no error; two sign-ups of one person make one contact."""
    with requests.Session() as http, ThreadPoolExecutor(4) as pool:
        http.trust_env = False
        version = re.search(
            r'name="version" value="(\w+)"', http.get(form_url, timeout=PATIENCE).text
        )
        values = {"email": "ann@customer.example", "version": version[1], "topic": topics[1]}
        for _sign_up in range(2):
            http.post(form_url, values, timeout=PATIENCE).raise_for_status()
        tokens = server.query(
            "SELECT token FROM directmail_signup WHERE email = %s", values["email"]
        )
        urls = [f"{server.url}/directmail/signup/confirm/{token}" for (token,) in tokens]

        def confirm(url):
            return requests.post(url, timeout=PATIENCE, proxies={"http": ""}).status_code

        with contextlib.closing(open_connection(server.database, server.environment)) as other:
            other.autocommit = False
            with other.cursor() as cursor:
                cursor.execute(
                    "SELECT 1 FROM directmail_signup WHERE token = %s FOR UPDATE", tokens[0]
                )
            first = pool.submit(confirm, urls[0])
            waiting = """SELECT 1 FROM pg_stat_activity
                          WHERE datname = current_database() AND wait_event_type = 'Lock'"""
            wait_until(lambda: first.done() or server.query(waiting))
            others = [pool.submit(confirm, url) for url in (urls[0], urls[1])]
            other.rollback()
        assert [one.result() for one in (first, *others)] == [200] * 3
    found = server.query("SELECT id FROM res_partner WHERE email_normalized = %s", values["email"])
    assert len(found) == 1
    assert server.query(
        "SELECT answer FROM directmail_consent WHERE partner_id = %s", found[0][0]
    ) == [("confirmed",)] * 2  # fmt: skip


@pytest.mark.parametrize("code", ("de_DE", "zh_CN"))
def test_in_other_languages(server, shop, browser, token, form_url, code):
    """The longest words, and those without spaces, fit too."""
    languages = shop.root.call(
        "res.lang",
        "search",
        [[("code", "=", code)]],
        {"context": {"active_test": False}},
    )
    values = [{"lang_ids": [(6, 0, languages)]}]
    installation = shop.root.call("base.language.install", "create", values)
    shop.root.call("base.language.install", "lang_install", [[installation]])
    [(person,)] = server.query("SELECT partner_id FROM directmail_delivery")
    shop.root.call("res.partner", "write", [[person], {"lang": code}])
    pages = {
        "preferences": f"{server.url}/directmail/preferences/{token}",
        "unsubscribe": f"{server.url}/directmail/unsubscribe/{token}",
        "data": f"{server.url}/directmail/unsubscribe/{token}/data",
        "sign-up": f"{form_url}?lang={code}",
    }
    for stage, url in pages.items():
        browser.open(url, "main")
        shown = browser.run("return document.documentElement.lang;")
        assert shown.replace("-", "_") == code, f"{stage} is shown in {shown}"
        check(browser, f"{stage} in {code}")


def test_unsubscribing(server, browser, token):
    """The page is shown in its company's name, through all its stages."""
    browser.open(f"{server.url}/directmail/unsubscribe/{token}", "main")
    for stage, button, wanted in STAGES:
        if button:
            browser.click(button, wanted)
        check(browser, stage)


@pytest.mark.parametrize("path", ("unsubscribe", "view", "preferences", "signup", "signup/confirm"))
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
