"""Starting, stopping, configuring; the admin API; what `testing` promises."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from directmail_emulator.config import Config, tomllib
from directmail_emulator.core import Core
from directmail_emulator.faults import KINDS
from directmail_emulator.operations import load_all
from directmail_emulator.outcomes import BEHAVIOURS, PATTERNS
from directmail_emulator.testing import Emulator, EmulatorError
from tests.emulator.common.calls import Account, code_of, post

ROOT = Path(__file__).parents[2]
#: seconds that only end what hangs
PATIENCE = 120


def command(*arguments, **details):
    return subprocess.run(
        [sys.executable, "-m", "directmail_emulator", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        **details,
    )


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def gone(pid):
    end = time.monotonic() + PATIENCE
    while alive(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("turns", range(4))
def test_it_stops_also_when_something_new_is_due(tmp_path, turns):
    """The event may come so many turns of the loop before the end."""

    async def stop_when_woken():
        core = Core(Config(), tmp_path)
        core.start()
        await asyncio.sleep(0.1)
        core.wake()
        core.pusher.wake()
        for _turn in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(core.stop(), PATIENCE)

    asyncio.run(stop_when_woken())


def test_one_line_of_json_and_a_clean_end(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "directmail_emulator", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    ready = json.loads(process.stdout.readline())
    assert ready["endpoint"].startswith("127.0.0.1:") and ready["pid"] == process.pid
    assert (
        requests.get(ready["admin"] + "/api/status", timeout=PATIENCE).json()["clock_offset"] == 0
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert process.stdout.read() == "" and not Path(ready["data"]).exists()
    process.stdout.close()


def test_the_default_account(directmail):
    account = Account(directmail, "LTAIEMULATOR", "emulator-secret")
    rows = account.call("query_mail_address_by_param").data.mail_address
    assert [(row.account_name, row.sendtype, row.account_status) for row in rows] == [
        ("news@mail.example.com", "batch", "0"),
        ("service@mail.example.com", "trigger", "0"),
        ("frozen@mail.example.com", "batch", "1"),
    ]
    assert account.call("desc_account_summary").daily_quota == 200000
    assert directmail.endpoints == {"ap-southeast-1": directmail.endpoint}
    assert account.send().env_id


def run_script(script, folder):
    """Run a script in a process of its own, and return what it has printed."""
    ended = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=PATIENCE,
    )
    return ended.stdout


def test_it_ends_with_its_parent(tmp_path):
    script = (
        "from directmail_emulator.testing import Emulator; import os, signal\n"
        "e = Emulator().start(); print(e.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert gone(int(run_script(script, tmp_path)))


def test_detached_it_is_no_child_and_ends_with_the_process_nevertheless(tmp_path):
    script = (
        "from directmail_emulator.testing import Emulator; import os, signal\n"
        "e = Emulator(detached=True).start(); e.restart(); e.renew()\n"
        "children = open(f'/proc/self/task/{os.getpid()}/children').read().split()\n"
        "print(e.pid, len(children), e.summary()['accepted'], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    pid, children, accepted = run_script(script, tmp_path).split()
    assert (children, accepted) == ("0", "0")
    assert gone(int(pid))


def test_it_ends_with_the_interpreter(tmp_path):
    script = (
        "from directmail_emulator.testing import Emulator\n"
        "e = Emulator().start(); print(e.pid, flush=True)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=PATIENCE,
    )
    assert ended.returncode == 0 and gone(int(ended.stdout))


def test_it_is_an_installed_package(tmp_path):
    """Code that uses it, such as the addon's tests, needs no path to the repository."""
    script = (
        "import sys; sys.path.remove(sys.argv[1])\n"
        "from directmail_emulator import testing\n"
        "with testing.Emulator() as e: print(e.summary()['accepted'], testing.__file__)"
    )
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, "-c", script, str(ROOT)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=PATIENCE,
    )
    assert ended.stdout.split() == ["0", str(ROOT / "directmail_emulator" / "testing.py")], (
        ended.stderr
    )


def test_the_caller_needs_only_requests():
    script = (
        "import sys; sys.modules['aiohttp'] = None; sys.modules['cryptography'] = None\n"
        "from directmail_emulator.testing import Emulator\n"
        "with Emulator(python=sys.executable) as e: print(e.summary()['accepted'])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE
    )
    assert ended.stdout.strip() == "0", ended.stderr


def test_stop_may_come_twice_and_start_brings_back(tmp_path):
    running = Emulator(data=tmp_path / "data").start()
    with pytest.raises(EmulatorError, match="running already"):
        running.start()
    endpoint = running.endpoint
    running.create_account("LTAIKEPT", "s", region="ap-southeast-1")
    running.stop()
    running.stop()
    assert running.start().endpoint == endpoint
    assert running.get("/api/accounts/LTAIKEPT")["access_key_id"] == "LTAIKEPT"
    running.stop()


def test_renewed_it_has_forgotten_everything(directmail_factory):
    running = directmail_factory(settings={"limits": {"subject": 300}})
    pid, endpoint, admin = running.pid, running.endpoint, running.admin
    running.create_account("LTAIGONE", "s", region="ap-southeast-1")
    Account(running, "LTAIEMULATOR", "emulator-secret").send()
    running.set_fault("close")
    running.change_settings({"outcomes": {"seed": 7}})
    running.advance_clock(3600)
    fresh = directmail_factory(settings={"limits": {"subject": 300}})
    running.renew()
    assert running.pid == pid and alive(pid)
    assert running.endpoint != endpoint and running.admin != admin
    for path in ("/api/settings", "/api/faults", "/api/calls", "/api/ledger", "/api/events"):
        assert running.get(path) == fresh.get(path), path
    status = running.get("/api/status")
    assert status["clock_offset"] == 0
    assert status["accounts"] == fresh.get("/api/status")["accounts"]
    assert Account(running, "LTAIEMULATOR", "emulator-secret").send().env_id
    running.kill()
    with pytest.raises(EmulatorError, match="has ended"):
        running.renew()


# Configuration

TOML = """
[limits]
subject = 256
[throttle]
default = "5/min"
[throttle.operations]
SingleSendMail = "0"
[review]
mode = "approve"
seconds = 0.01
[outcomes]
share = { bounce = 1.0 }
[[accounts]]
access_key_id = "LTAIONE"
secret = "one"
region = "eu-central-1"
tags = ["spring"]
senders = [{ address = "a@b.example" }]
domains = [{ name = "b.example" }]
[accounts.settings.limits]
from_alias = 30
[[accounts]]
access_key_id = "LTAITWO"
secret = "two"
region = "us-east-1"
"""


def test_the_file(directmail_factory, tmp_path):
    path = tmp_path / "emulator.toml"
    path.write_text(TOML)
    running = directmail_factory(config=path)
    assert list(running.endpoints) == ["eu-central-1", "us-east-1"]
    account = Account(running, "LTAIONE", "one")
    sent = account.send(
        account_name="a@b.example", subject="x" * 256, from_alias="y" * 30, tag_name="spring"
    )
    running.flush_outcomes()
    assert running.mail(sent.env_id)["outcome"] == "invalid"
    two = Account(running, "LTAITWO", "two", region=None)
    two.endpoint = running.endpoints["us-east-1"]
    two.sdk = two.client()
    for _ in range(5):
        two.call("query_tag_by_param")
    assert code_of(two.call, "query_tag_by_param") == "Throttling.User"


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("[limits]\nsubjekt = 1\n", "settings.limits.subjekt: unknown"),
        ('[limits]\nsubject = "x"\n', "settings.limits.subject: 'x' is not a int"),
        ("[rules]\ntag_must_exist = 1\n", "settings.rules.tag_must_exist"),
        ('[review]\nmode = "maybe"\n', "settings.review.mode: 'maybe'"),
        ('[throttle]\ndefault = "many"\n', "'many' is not a rate"),
        ("[outcomes.share]\nvanish = 0.5\n", "there is no behaviour 'vanish'"),
        ("[outcomes.share]\nbounce = 0.8\nopen = 0.8\n", "more than 1"),
        ("[outcomes.delays]\nopened = 1\n", "there is no step 'opened'"),
        ('[[accounts]]\nsecret = "s"\n\n', "access_key_id and secret are needed"),
        ('[[accounts]]\nname = "s"\n\n', "accounts[0].name: unknown"),
        ('[[accounts]]\naccess_key_id = "a"\nsecret = "s"\n' * 2, "there twice"),
        (
            '[[accounts]]\naccess_key_id = "a"\nsecret = "s"\nsenders = [{ mail = "x" }]\n',
            "accounts[0].senders[0].mail: unknown",
        ),
        ('[[faults]]\nkind = "x"\n\n', "there is no kind 'x'"),
        ("this is no TOML\n", "emulator.toml"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(tmp_path, text, complaint):
    path = tmp_path / "emulator.toml"
    path.write_text(text)
    ended = command("--config", str(path))
    assert ended.returncode == 2 and complaint in ended.stderr
    assert "Traceback" not in ended.stderr and ended.stdout == ""


def test_other_bad_beginnings(tmp_path, directmail):
    assert "No such file" in command("--config", str(tmp_path / "none")).stderr
    port = directmail.endpoint.rpartition(":")[2]
    taken = command("--port", port)
    assert taken.returncode == 2 and "address already in use" in taken.stderr.lower()
    assert "write it like" in command("--region-port", "x").stderr
    with pytest.raises(EmulatorError, match="unknown"):
        Emulator(config="[nothing]\nx = 1\n").start()


def test_two_can_not_share_a_directory(directmail_factory, tmp_path):
    directmail_factory(data=tmp_path / "shared")
    with pytest.raises(EmulatorError, match="another emulator uses this directory"):
        directmail_factory(data=tmp_path / "shared")


README = (ROOT / "directmail_emulator" / "README.md").read_text()


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", README, re.S))
def test_the_examples_in_the_readme(text):
    assert Config.from_dict(tomllib.loads(text))


def test_the_readme_names_everything():
    words = set(re.findall(r"[\w-]+", README))
    assert set(KINDS) <= words
    assert set(PATTERNS) <= words
    steps = {step for steps in BEHAVIOURS.values() for step in steps}
    assert steps <= words
    assert set(load_all()) <= words


# The admin API


def test_settings_by_admin_call(directmail):
    answer = directmail.change_settings({"outcomes": {"delays": {"delivered": 9}}})
    assert answer["outcomes"]["delays"]["delivered"] == 9
    assert answer["outcomes"]["delays"]["open"] == 0.3
    for bad in ({"outcomes": {"x": 1}}, {"limits": []}, {"limits": {"subject": -1.5}}):
        with pytest.raises(EmulatorError, match="400"):
            directmail.change_settings(bad)
    assert directmail.get("/api/settings") == answer


def test_accounts_by_admin_call(directmail):
    account = Account(directmail)
    changed = account.configure(
        daily_quota=5, permissions=["dm:*"], settings={"limits": {"subject": 20}}
    )
    assert changed["daily_quota"] == 5 and "secret" not in changed
    account.configure(settings={"limits": {"from_alias": 3}})
    assert directmail.get(f"/api/accounts/{account.key}")["settings"] == {
        "limits": {"subject": 20, "from_alias": 3}
    }
    for bad in (
        {"colour": 1},
        {"daily_quota": "x"},
        {"settings": {"limits": {"x": 1}}},
        {"secret": "other"},
        {"senders": [{"x": 1}]},
    ):
        with pytest.raises(EmulatorError, match="400"):
            account.configure(**bad)
    assert directmail.get(f"/api/accounts/{account.key}")["daily_quota"] == 5
    with pytest.raises(EmulatorError, match="404"):
        directmail.configure_account("LTAINOBODY", daily_quota=1)
    with pytest.raises(EmulatorError, match="there already"):
        directmail.create_account(account.key, "x")
    with pytest.raises(EmulatorError, match="no endpoint"):
        directmail.create_account("LTAIX", "x", region="cn-hangzhou")


def test_the_clock(directmail):
    assert directmail.advance_clock(3600)["offset"] == 3600
    assert directmail.advance_clock(1)["now"] == pytest.approx(time.time() + 3601, abs=5)
    for bad in ({"advance": -1}, {"advance": "x"}, {"x": 1}):
        with pytest.raises(EmulatorError, match="400"):
            directmail.post("/api/clock", bad)


def test_calls_are_counted(directmail):
    account = Account(directmail)
    account.send()
    code_of(account.send, to="x")
    assert directmail.calls() == {
        ("SingleSendMail", "ok"): 1,
        ("SingleSendMail", "InvalidToAddress"): 1,
    }
    newest = directmail.get("/api/calls")["newest"]
    assert [row["answer"] for row in newest] == ["ok", "InvalidToAddress"]
    for action in ("Nonsense", "Rubbish"):
        post(account, action)
    assert directmail.calls()["(unknown)", "InvalidApi.NotFound"] == 2


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/inbox/600000000099", 404),
        ("GET", "/api/inbox/x", 404),
        ("POST", "/api/templates/99/approve", 404),
        ("POST", "/api/templates/x/approve", 404),
        ("POST", "/api/inbox/600000000001/dance", 404),
        ("GET", "/api/ledger?limit=x", 400),
        ("GET", "/api/ledger?account=nobody", 404),
        ("DELETE", "/api/ledger", 405),
        ("GET", "/static/../server.py", 404),
    ],
)
def test_requests_that_can_not_be(directmail, method, path, status):
    answer = requests.request(method, directmail.admin + path, timeout=PATIENCE)
    assert answer.status_code == status and answer.json()["error"]


@pytest.mark.parametrize("body", [b"x", b"[]", b"\xff"])
def test_bodies_that_can_not_be(emulator, body):
    for path in ("/api/faults", "/api/clock", "/api/settings"):
        answer = requests.post(emulator.admin + path, data=body, timeout=PATIENCE)
        assert answer.status_code == 400 and "body" in answer.json()["error"]


def test_mapped_addresses_lead_here_from_the_frame_too(directmail):
    account = Account(
        directmail,
        settings={
            "outcomes": {"mailbox_hosts": {"https://shop.example/": "http://127.0.0.1:8069"}}
        },
    )
    env_id = account.send(
        html_body="<a href='https://shop.example/l/1'><a href='https://shop.example.org/'>"
    ).env_id
    body = requests.get(f"{directmail.admin}/api/inbox/{env_id}/body", timeout=PATIENCE)
    assert body.text == ("<a href='http://127.0.0.1:8069/l/1'><a href='https://shop.example.org/'>")
    policy = body.headers["Content-Security-Policy"]
    assert "127.0.0.1" not in policy
    with_images = requests.get(
        f"{directmail.admin}/api/inbox/{env_id}/body?images=1", timeout=PATIENCE
    )
    assert "img-src data: http://127.0.0.1:*" in with_images.headers["Content-Security-Policy"]


def test_a_name_of_another_site_that_leads_here_is_refused(emulator):
    answer = requests.get(
        emulator.admin + "/api/ledger", timeout=PATIENCE, headers={"Host": "attacker.example"}
    )
    assert answer.status_code == 403
    port = emulator.admin.rpartition(":")[2]
    assert requests.get(f"http://localhost:{port}/api/ledger", timeout=PATIENCE).ok


def test_pages_of_other_sites_can_not_turn_anything(emulator):
    answer = requests.post(
        emulator.admin + "/api/clock",
        json={"advance": 0},
        timeout=PATIENCE,
        headers={"Origin": "https://elsewhere.example"},
    )
    assert answer.status_code == 403


def test_only_this_machine_is_served(emulator):
    for address in (emulator.endpoint, emulator.admin.removeprefix("http://")):
        assert address.startswith("127.0.0.1:")
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    port = f"{int(emulator.endpoint.rpartition(':')[2]):04X}"
    places = {
        line.split()[1]
        for line in listening.splitlines()[1:]
        if line.split()[1].endswith(f":{port}") and line.split()[3] == "0A"
    }
    assert places == {f"0100007F:{port}"}


def test_the_page_and_a_mail_in_its_frame(emulator):
    account = Account(emulator)
    env_id = account.send(html_body="<p>Hi</p><script>alert(1)</script>").env_id
    page = requests.get(emulator.admin + "/", timeout=PATIENCE)
    assert page.status_code == 200 and "DirectMail" in page.text
    for name, status in (("page.css", 200), ("page.js", 200), ("parts.js", 200), ("none.js", 404)):
        answer = requests.get(f"{emulator.admin}/static/{name}", timeout=PATIENCE)
        assert answer.status_code == status
    body = requests.get(f"{emulator.admin}/api/inbox/{env_id}/body", timeout=PATIENCE)
    assert "<p>Hi</p>" in body.text
    policy = body.headers["Content-Security-Policy"]
    assert "sandbox" in policy and "default-src 'none'" in policy and "script" not in policy
    plain = account.send(html_body=None, text_body="a < b").env_id
    assert (
        "a &lt; b"
        in requests.get(f"{emulator.admin}/api/inbox/{plain}/body", timeout=PATIENCE).text
    )
