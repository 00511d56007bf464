"""The page in a real browser: mails, reviews, quota, faults, ledger, as a person uses them."""

import json
import time

import pytest

from devenv.browser import Browser
from directmail_emulator.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET, Emulator
from tests.emulator.common.calls import NEWS, Account

TEXTS = "return [...document.querySelectorAll(%s)].map((one) => one.textContent);"


@pytest.fixture(scope="module")
def browser():
    with Browser() as running:
        yield running


@pytest.fixture
def page(browser, directmail):
    """The browser at the page of a fresh emulator, and the account behind it."""
    account = Account(directmail, ACCESS_KEY_ID, ACCESS_KEY_SECRET)

    def show(tab, wanted):
        browser.open(f"{directmail.admin}/?{tab}#{tab}", wanted)

    def texts(selector):
        return browser.run(TEXTS % json.dumps(selector))

    return account, browser, show, texts


def appears(browser, selector, seconds=20):
    """Wait until there is such an element; the page never comes to rest, as its clock goes on."""
    end = time.monotonic() + seconds
    while not browser.run(f"return !!document.querySelector({json.dumps(selector)});"):
        assert time.monotonic() < end, f"{selector} did not appear"
        time.sleep(0.05)


def press(browser, label, wanted):
    """Press the visible button that says so."""
    browser.run(f"""[...document.querySelectorAll("button")].find((one) => one.offsetParent
        && one.textContent.trim() === {json.dumps(label)}).click();""")
    appears(browser, wanted)


def click(browser, selector, wanted):
    browser.run(f"document.querySelector({json.dumps(selector)}).click();")
    appears(browser, wanted)


def test_a_mail_as_its_recipient_sees_it(page):
    account, browser, show, texts = page
    sent = account.send(
        "anna@example.org",
        subject="A <b>subject</b>",
        from_alias="Shop",
        html_body="<body><h1>Hi</h1><script>parent.hacked = 1</script></body>",
    )
    account.send("ben@example.org")
    show("inbox", "#mails li:nth-child(2) button")
    assert [text.partition("@")[0] for text in texts("#mails .top span:first-child")] == [
        "ben",
        "anna",
    ]
    click(browser, "#mails li:nth-child(2) button", "#mail iframe")
    assert texts("#mail h2") == ["A <b>subject</b>"]
    assert f"Shop <{NEWS}>" in texts("#mail dd")
    frame = browser.run(
        "const f = document.querySelector('#mail iframe');"
        "return [f.getAttribute('sandbox'), f.src, window.hacked || 0];"
    )
    assert frame[0] == "allow-popups" and sent.env_id in frame[1] and frame[2] == 0
    press(browser, "Report spam", "#mail details td")
    assert account.call("list_block_sending", block_type="REPORT").data


def test_reviewing_templates(page):
    account, browser, show, texts = page
    numbers = [
        account.call(
            "create_template", template_name=name, template_subject="S", template_text="<p>x</p>"
        ).template_id
        for name in ("One", "Two")
    ]
    show("templates", "#template-list button")
    assert texts("#waiting") == ["2"]
    click(browser, "#template-list li:nth-child(1) button", "#template textarea")
    browser.run("document.querySelector('#template textarea').value = 'No way to unsubscribe.';")
    press(browser, "Reject", "#template .state.bad")
    assert account.emulator.templates()[0]["comment"] == "No way to unsubscribe."
    appears(browser, "#template-list .state.bad")  # the list follows a moment later
    click(browser, "#template-list li:nth-child(1) button", "#template .state.wait")
    press(browser, "Approve", "#template .state.good")
    states = [
        account.call("desc_template", template_id=number).template_status for number in numbers
    ]
    assert states == ["2", "3"]
    appears(browser, "#waiting[hidden]")


def test_quota_and_faults(page):
    account, browser, show, texts = page
    account.send()
    show("accounts", ".card meter")
    assert any("1 of 200,000" in text for text in texts(".card div"))
    press(browser, "Restrict sending", ".card dd .state.bad")
    assert account.call("desc_account_summary").user_status == 4
    show("faults", "#fault-rows td")
    browser.run("""document.querySelector("#fault-kind").value = "unavailable";""")
    press(browser, "Add", "#fault-rows b")
    (rule,) = account.emulator.faults()
    assert (rule["kind"], rule["action"], rule["times"]) == ("unavailable", "SingleSendMail", 1)
    press(browser, "Clear all", "#fault-rows td.quiet")
    assert account.emulator.faults() == []


def test_the_ledger(page):
    account, browser, show, texts = page
    for to in ("anna@example.org", "bounce@example.org", "anna@example.org"):
        account.send(to)
    account.emulator.flush_outcomes()
    show("ledger", "#ledger-rows tr:nth-child(3)")
    assert texts("#ledger-sum")[0].startswith("3 accepted · 2 addresses · 1 duplicates")
    assert texts("#ledger-rows td:nth-child(8)") == ["delivered", "invalid", "delivered"]
    show("events", "#event-rows td")
    assert "No events" in texts("#event-rows td")[0]


def test_the_page_says_when_the_emulator_is_gone(browser):
    with Emulator() as emulator:
        browser.open(f"{emulator.admin}/", "#mails .empty")
    browser.wait("() => document.querySelector('#clock').textContent === 'not reachable'")
