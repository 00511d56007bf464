"""What Odoo's *Try it out* needs: one command, the greeting, lifelike people, and no real mail."""

import ast
import json
import re
import subprocess
import sys
import threading
import time
import venv
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from directmail_emulator import trial
from directmail_emulator.__main__ import load_config, parse_arguments
from directmail_emulator.greeting import PATH, make_answer
from directmail_emulator.outcomes import behaviour_of, delay_of
from directmail_emulator.testing import Emulator
from tests.emulator.common.calls import NEWS, Account

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "directmail_emulator"
SECRET = "emulator-secret"
#: the standard library is allowed as far as it has no way to send mail
OTHERS = {"aiohttp", "cryptography", "pytest", "requests", "tomli"}
MAIL = {"smtplib", "smtpd", "aiosmtplib", "aiosmtpd", "poplib", "imaplib", "nntplib", "ftplib"}


def make_greeting(**changes):
    return {
        "nonce": "0123456789abcdef" * 2,
        "key": "LTAITRIAL" + "0123456789abcdef",
        "public_url": "https://shop.example.com",
        "server_url": "http://127.0.0.1:8069",
        "database": "shop",
        **changes,
    }


def greet(emulator, method="POST", headers=None, **changes):
    return requests.request(
        method,
        f"http://{emulator.endpoint}{PATH}",
        data=json.dumps(make_greeting(**changes)),
        headers=headers,
        timeout=60,
    )


@pytest.fixture
def odoo():
    """A server on this machine that notes the requests that it gets."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.seen.append((self.path, self.headers))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.seen = []
        running.url = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


# The greeting


def test_the_emulator_knows_the_answer(directmail):
    answer = greet(directmail)
    assert answer.status_code == 200
    assert answer.text == make_answer("0123456789abcdef" * 2)
    assert answer.text != greet(directmail, nonce="f" * 32).text


def test_a_greeting_makes_an_account_with_one_sender(directmail):
    greet(directmail)
    account = Account(directmail, key=make_greeting()["key"], secret=SECRET)
    rows = account.call("query_mail_address_by_param").data.mail_address
    assert [row.account_name for row in rows] == [NEWS]
    account.send()
    assert [row["to"] for row in account.ledger()] == ["anna@example.org"]


def test_databases_share_nothing(directmail):
    greet(directmail)
    greet(directmail, key="LTAITRIAL" + "f" * 16)
    first, second = (
        Account(directmail, key=key, secret=SECRET)
        for key in (make_greeting()["key"], "LTAITRIAL" + "f" * 16)
    )
    first.approved()
    assert not second.call("query_template_by_param", page_no=1, page_size=10).total_count


def test_people_find_the_database_that_greeted_last(directmail, odoo):
    greet(directmail, server_url="http://127.0.0.1:1")
    greet(directmail, server_url=odoo.url, database="other")
    account = Account(directmail, key=make_greeting()["key"], secret=SECRET)
    body = '<body><a href="https://shop.example.com/go">Shop</a></body>'
    sent = account.send(html_body=body)
    directmail.react(sent.env_id, "click")
    [(path, headers)] = odoo.seen
    assert path == "/go"
    assert headers["X-Odoo-Database"] == "other"
    assert headers["Host"] == "shop.example.com"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "x"},
        {"key": "LTAIEMULATOR"},
        {"key": "LTAITRIAL" + "0" * 17},
        {"server_url": "http://192.0.2.1:8069"},
        {"server_url": "http://127.0.0.1.example.com"},
        {"database": None},
    ],
)
def test_another_greeting_is_refused(directmail, changes):
    answer = greet(directmail, **changes)
    assert answer.status_code == 400
    accounts = directmail.get("/api/status")["accounts"]
    assert [account["access_key_id"] for account in accounts] == ["LTAIEMULATOR"]


def test_web_sites_can_not_greet(directmail):
    """A page that somebody on this machine visits could otherwise redirect the clicks."""
    assert greet(directmail, headers={"Origin": "https://evil.example"}).status_code == 403
    assert greet(directmail, headers={"Host": "evil.example"}).status_code == 403
    assert greet(directmail, method="GET").status_code == 403


# One command


def test_defaults_of_the_command():
    options = parse_arguments([])
    assert (options.trial, options.port, options.admin_port) == (True, 8825, 8826)
    for arguments in (["--port", "0"], ["--admin-port", "0"], ["--config", "some.toml"]):
        assert not parse_arguments(arguments).trial
    assert parse_arguments(["--trial", "--port", "9000"]).port == 9000


def test_installed_with_pip_and_started_with_one_command(tmp_path):
    """As an administrator does it: a new environment, pip, the command, without options."""
    # the pip of this environment serves the new one, too: unpacking another takes five seconds
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", PACKAGE]
    subprocess.run(install, check=True, cwd=tmp_path, timeout=900)
    emulator = subprocess.Popen(
        [python, "-m", "directmail_emulator"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = emulator.stdout.readline()
        if said:
            assert "is running at 127.0.0.1:8825" in said
        else:  # Another one is running on this machine: it has to be the one that answers below.
            assert "Is an emulator running already?" in emulator.stderr.read()
        endpoint = f"http://127.0.0.1:{trial.PORT}{PATH}"
        answer = requests.post(endpoint, data=json.dumps(make_greeting()), timeout=60)
        assert answer.text == make_answer("0123456789abcdef" * 2)
    finally:
        emulator.terminate()
        emulator.communicate(timeout=60)


def start_trial(*arguments):
    """Start a trial on free ports. :return: the process and what it said, after a second."""
    process = subprocess.Popen(
        [sys.executable, "-m", "directmail_emulator", "--trial", "--port", "0", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    lines = iter(process.stdout.readline, "")
    return process, "".join(line for line, _ in zip(lines, range(8), strict=False))


def test_what_to_do_next_is_printed_and_templates_are_approved():
    process, said = start_trial()
    try:
        assert "Try it out" in said
        admin = re.search(r"http://127\.0\.0\.1:\d+", said)[0]
        endpoint = re.search(r"at (127\.0\.0\.1:\d+)", said)[1]
        assert requests.get(admin, timeout=60).ok
        url = f"http://{endpoint}{PATH}"
        requests.post(url, data=json.dumps(make_greeting()), timeout=60)
        emulator = Emulator()
        emulator.endpoint, emulator.admin = endpoint, admin
        account = Account(emulator, key=make_greeting()["key"], secret=SECRET)
        account.call(
            "create_template",
            template_name="Spring",
            template_subject="Hello",
            template_text="<body>Hi</body>",
            template_nick_name="Shop",
            template_type=0,
        )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            [row] = requests.get(f"{admin}/api/templates", timeout=60).json()["rows"]
            if row["status"] == 2:
                break
            time.sleep(0.05)
        assert row["status"] == 2
    finally:
        process.terminate()
        process.communicate(timeout=60)


# People


def test_people_behave_as_in_an_average_mailing():
    outcomes = load_config(parse_arguments([])).settings.outcomes
    count = dict.fromkeys((*outcomes.share, "delivered"), 0)
    for number in range(5000):
        count[behaviour_of(f"person{number}@example.com", "tag", outcomes)] += 1
    opened = (count["open"] + count["click"] + count["unsubscribe"]) / 5000
    assert 0.28 < opened < 0.41
    assert 0.04 < count["click"] / 5000 < 0.1
    assert count["complain"] < 30 and count["bounce"] < 150


def test_not_everybody_opens_at_the_same_moment():
    outcomes = load_config(parse_arguments([])).settings.outcomes
    delays = [delay_of("open", seq, outcomes) for seq in range(200)]
    assert delays == [delay_of("open", seq, outcomes) for seq in range(200)]
    # After 2 seconds: nobody opens earlier, so Odoo takes such an open for a machine's.
    assert 2 < min(delays) < 8 and 16 < max(delays) < 30
    usual = load_config(parse_arguments(["--port", "0"])).settings.outcomes
    assert {delay_of("open", seq, usual) for seq in range(9)} == {usual.delays["open"]}


# No real mail


def find_imports(text):
    """Return the names of the packages that a Python source imports, however it does."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Name) and node.id in ("__import__", "importlib", "exec", "eval"):
            found.add(node.id)
    return found


def test_the_package_has_no_code_to_send_mail():
    for path in sorted(PACKAGE.rglob("*.py")):
        found = find_imports(path.read_text())
        assert not found & MAIL, path
        others = found - set(sys.stdlib_module_names) - OTHERS
        assert others <= {"directmail_emulator"}, path
    assert find_imports("def f():\n    import smtplib") & MAIL


HOOK = """
import sys
def hook(event, arguments):
    if event == "socket.connect":
        with open({path!r}, "a") as stream:
            print(arguments[1][0] if isinstance(arguments[1], tuple) else arguments[1], file=stream)
sys.addaudithook(hook)
"""


def test_it_connects_to_this_machine_only(tmp_path, monkeypatch, odoo):
    """Mails of every fate, with links and pictures elsewhere, while Python reports connections."""
    seen = tmp_path / "connections"
    (tmp_path / "sitecustomize.py").write_text(HOOK.format(path=str(seen)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    body = (
        f'<body><img src="https://example.com/a.png"><img src="{odoo.url}/pixel">'
        '<a href="https://example.org/shop">Shop</a></body>'
    )
    starts = ("click", "scanner", "bounce", "unsub", "complain", "soft", "spam", "fail")
    with Emulator() as emulator:
        greet(emulator, server_url=odoo.url)
        account = Account(emulator, key=make_greeting()["key"], secret=SECRET)
        for start in starts:
            account.send(
                f"{start}@example.net",
                html_body=body,
                headers=json.dumps({"List-Unsubscribe": "<https://example.org/unsubscribe>"}),
            )
        emulator.flush_outcomes()
        assert emulator.summary()["accepted"] == len(starts)
    # The pixel was loaded, so connections are reported; no other host was called.
    assert odoo.seen
    assert set(seen.read_text().split()) == {"127.0.0.1"}
