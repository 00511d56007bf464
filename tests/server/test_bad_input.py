"""Bad input gets one sentence with the next step, leaves nothing half-done, and can be mended."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from directmail_emulator.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET
from tests.server.common.odoo_server import free_port, wait_until
from tests.server.common.shop import BODY, refusal

TECHNICAL = (
    "Traceback", "Exception", "psycopg2", "HTTPConnection", "urllib3", "(None", "False", "<", "{",
    "directmail.", "KeyError", "NoneType",
)  # fmt: skip
NEXT_STEPS = (
    "Check", "Enter", "Ask", "Choose", "Change", "Complete", "Correct", "Settle", "Submit", "Test",
)  # fmt: skip


@pytest.fixture(autouse=True)
def account_in_order(shop, emulator):
    """Each test starts from, and leaves behind, an account that works."""
    yield
    emulator.clear_faults()
    emulator.configure_account(daily_quota=200000)
    set_account(shop, endpoint=emulator.endpoint, access_key_secret=ACCESS_KEY_SECRET)
    shop.activate()


def check_sentence(text, *words):
    """It says what is wrong and what to do, in one or two sentences, without technical words.

    DirectMail's own words may follow in brackets: Alibaba's support asks for them.
    """
    sentence = text.partition("\n(DirectMail:")[0]
    assert sentence.endswith("."), text
    assert len(sentence) < 300 and "\n" not in sentence, text
    assert not [word for word in TECHNICAL if word in sentence], text
    assert [word for word in NEXT_STEPS if word in sentence] or "try again" in sentence, text
    for word in words:
        assert word in text, text


def set_account(shop, **values):
    shop.admin.call("directmail.account", "write", [[shop.account], values])


def check_nothing_happened(shop, emulator, task, before, states=("draft",)):
    """The task can be edited and sent; nobody is planned, nothing is at DirectMail."""
    assert shop.state(task) in states
    assert shop.count_rows(task) == {}
    assert shop.read(task, "people_count")["people_count"] == 0
    assert not shop.tag(task)
    assert emulator.calls().get(("CreateTag", "ok"), 0) == before
    shop.user.call("directmail.task", "write", [[task], {"reply_to": "hello@example.com"}])


def send_to_the_end(shop, task, people):
    """What was mended works: the same task is sent."""
    if shop.state(task) in ("draft", "failed"):
        shop.act(task, "send")
    shop.wait(task, "done")
    books = shop.check(task, people)
    assert books.ok and books.states == {"sent": people}, books


def count_tags(emulator):
    return emulator.calls().get(("CreateTag", "ok"), 0)


class Page(BaseHTTPRequestHandler):
    """A web server that is not DirectMail."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        page = b"<html><body><h1>Welcome to nginx!</h1></body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_GET = do_POST

    def log_message(self, *_args):
        """Say nothing: the log belongs to the test."""


@pytest.fixture
def web_page():
    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def check_buttons(shop, *words):
    """Every button that asks DirectMail says the same, and the account does not become active."""
    for action in ("action_test_connection", "action_synchronise", "action_activate"):
        check_sentence(refusal(shop.admin, "directmail.account", action, [shop.account]), *words)


def test_wrong_secret(shop, emulator):
    task, tags = shop.make_task("wrongsecret", 3), count_tags(emulator)
    set_account(shop, access_key_secret="not the secret")
    check_buttons(shop, "AccessKey", "secret")

    # The account was active before, so the task is taken and fails when its time comes.
    shop.act(task, "send")
    shop.wait(task, "failed")
    check_sentence(shop.read(task, "state_message")["state_message"], "AccessKey")
    check_nothing_happened(shop, emulator, task, tags, states=("failed",))

    set_account(shop, access_key_secret=ACCESS_KEY_SECRET)
    send_to_the_end(shop, task, 3)


def test_unknown_access_key_id(shop, emulator):
    task, tags = shop.make_task("wrongid", 3), count_tags(emulator)
    set_account(shop, access_key_id="LTAINOBODY")
    check_buttons(shop, "AccessKey")
    check_sentence(refusal(shop.user, "directmail.task", "action_send", [task]), "not active")
    check_nothing_happened(shop, emulator, task, tags)

    set_account(shop, access_key_id=ACCESS_KEY_ID)
    shop.activate()
    send_to_the_end(shop, task, 3)


def test_unreachable_endpoint(shop, emulator):
    task, tags = shop.make_task("unreachable", 3), count_tags(emulator)
    set_account(shop, endpoint=f"127.0.0.1:{free_port()}")
    check_buttons(shop, "can't be reached")
    check_sentence(refusal(shop.user, "directmail.task", "action_send", [task]), "not active")
    check_nothing_happened(shop, emulator, task, tags)

    set_account(shop, endpoint=emulator.endpoint)
    shop.activate()
    send_to_the_end(shop, task, 3)


def test_directmail_out_of_reach_when_the_task_starts(shop, emulator):
    task = shop.make_task("later", 3)
    emulator.kill()
    try:
        shop.act(task, "send")
        shop.wait(task, "pending")
        said = wait_until(
            lambda: shop.read(task, "state_message")["state_message"],
            "the task does not say why it waits",
            shop.server.wake_crons,
        )
        check_sentence(said, "can't be reached")
        assert shop.count_rows(task) == {}
    finally:
        emulator.start()
    # It is tried again within a minute, without anybody's doing; here the minute is cut short.
    [(cron,)] = shop.server.query(
        "SELECT cron_id FROM directmail_account WHERE id = %s", shop.account
    )
    [(retry,)] = shop.server.query(
        """SELECT min(call_at) - now() AT TIME ZONE 'UTC' FROM ir_cron_trigger
            WHERE cron_id = %s AND call_at > now() AT TIME ZONE 'UTC'""",
        cron,
    )
    assert retry and retry.total_seconds() <= 60
    shop.root.run_cron(cron)
    send_to_the_end(shop, task, 3)


def test_endpoint_that_answers_html(shop, emulator, web_page):
    task, tags = shop.make_task("html", 3), count_tags(emulator)
    set_account(shop, endpoint=web_page)
    check_buttons(shop, "is not DirectMail")
    check_sentence(refusal(shop.user, "directmail.task", "action_send", [task]), "not active")
    check_nothing_happened(shop, emulator, task, tags)

    set_account(shop, endpoint=emulator.endpoint)
    shop.activate()
    send_to_the_end(shop, task, 3)


@pytest.mark.parametrize("action", ["DescTemplate", "QueryTagByParam"])
def test_html_in_the_middle_of_a_start(shop, emulator, action):
    task, tags = shop.make_task(f"html{action}".lower(), 3), count_tags(emulator)
    emulator.set_fault("html", action=action)
    shop.act(task, "send")
    shop.wait(task, "failed")
    check_sentence(shop.read(task, "state_message")["state_message"], "is not DirectMail")
    check_nothing_happened(shop, emulator, task, tags, states=("failed",))

    emulator.clear_faults()
    send_to_the_end(shop, task, 3)


def test_quota_0(shop, emulator):
    task, tags = shop.make_task("quota", 3), count_tags(emulator)
    emulator.configure_account(daily_quota=0)
    shop.admin.call("directmail.account", "action_synchronise", [[shop.account]])
    check_sentence(
        refusal(shop.user, "directmail.task", "action_send", [task]),
        "quota of this DirectMail account is 0",
        "Ask Alibaba Cloud",
    )
    check_nothing_happened(shop, emulator, task, tags)

    emulator.configure_account(daily_quota=1000)
    shop.admin.call("directmail.account", "action_synchronise", [[shop.account]])
    send_to_the_end(shop, task, 3)


@pytest.mark.parametrize("when", ["before", "after"])
def test_rejected_template(shop, emulator, when):
    template = shop.make_template()
    task = shop.make_task(f"rejected{when}", 3, template_id=template)
    tags = count_tags(emulator)
    comment = "There is no company address."
    if when == "before":
        shop.review(template, comment)
        said = refusal(shop.user, "directmail.task", "action_send", [task])
    else:
        shop.act(task, "send")
        shop.review(template, comment)
        shop.wait(task, "failed")
        said = shop.read(task, "state_message")["state_message"]
    check_sentence(said, comment, "submit it again")
    check_nothing_happened(shop, emulator, task, tags, states=("draft", "failed"))

    values = {"subject": "Better news", "body_arch": BODY, "body_html": BODY}
    shop.user.call("directmail.template", "write", [[template], values])
    shop.user.call("directmail.template", "action_submit", [[template]])
    shop.review(template)
    send_to_the_end(shop, task, 3)


def test_empty_audience(shop, emulator):
    task, tags = shop.make_task("empty"), count_tags(emulator)
    check_sentence(refusal(shop.user, "directmail.task", "action_send", [task]), "nobody")
    check_nothing_happened(shop, emulator, task, tags)

    shop.add_people("empty", 3)
    send_to_the_end(shop, task, 3)


def test_audience_without_addresses(shop, emulator):
    shop.add_people("silent", 3, addressed=False)
    task, tags = shop.make_task("silent"), count_tags(emulator)
    check_sentence(
        refusal(shop.user, "directmail.task", "action_send", [task]), "usable email address"
    )
    check_nothing_happened(shop, emulator, task, tags)

    people = shop.root.call("res.partner", "search", [[("ref", "=", "silent")]])
    for number, person in enumerate(people):
        address = f"completed-{number}@customer.example"
        shop.root.call("res.partner", "write", [[person], {"email": address}])
    send_to_the_end(shop, task, 3)
