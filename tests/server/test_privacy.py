"""Encrypted people stay unknown to everybody who can look into the database, the files and the log.

A task is sent to encrypted addresses on a real server, with a bounce, a refusal whose text quotes
the address, and an unsubscription. Then everything that was stored is searched for the addresses.
The server logs all that it can, statements of SQL included; its log has no secret either.
"""

import base64
import gzip
import subprocess

import pytest
import requests
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

import devenv.without_odoo  # noqa: F401
from devenv import database as databases
from devenv.common import STATE
from directmail_emulator.testing import ACCESS_KEY_SECRET
from email_marketing_dm.privacy.keys import load_master_key
from tests.server.common.odoo_server import OdooServer, connect, wait_until

KEY = "0123456789abcDEF"
# Local parts that occur nowhere else; what they begin with says what becomes of the mail.
PEOPLE = {
    "delivered": "quokkaone@customer.example",
    "bounced": "bounce.quokkatwo@customer.example",
    "unsubscribed": "quokkathree@customer.example",
    "refused": "quokkafour@customer.example",
    "uploaded": "quokkafive@customer.example",
}
MARK = "quokka"
PLAIN = "wombat@customer.example"  # a contact in clear, to see that the search finds something


def encrypt(address):
    padder = PKCS7(128).padder()
    padded = padder.update(address.encode()) + padder.finalize()
    encryptor = Cipher(algorithms.AES(KEY.encode()), modes.ECB()).encryptor()
    return (encryptor.update(padded) + encryptor.finalize()).hex()


@pytest.fixture(scope="module")
def server(database):
    with OdooServer(database, debug=[""]) as running:
        yield running


@pytest.fixture(scope="module")
def task(shop):
    """A finished task with its results, one of whose people has unsubscribed."""
    shop.admin.call("directmail.aes.key", "create", [{"key": KEY}])
    rows = [[name, encrypt(PEOPLE[name])] for name in PEOPLE if name != "uploaded"]
    loaded = shop.root.call(
        "res.partner", "load", [["name", "email_encrypted", "ref"], [[*row, "enc"] for row in rows]]
    )
    assert loaded["ids"], loaded["messages"]
    shop.root.call("res.partner", "create", [{"name": "Plain", "email": PLAIN, "ref": "enc"}])
    upload = shop.user.call(
        "directmail.upload",
        "create",
        [
            {
                "source": "paste",
                "pasted": encrypt(PEOPLE["uploaded"]),
                "id_kind": "encrypted",
                "consent_source": "signup",
            }
        ],
    )
    shop.user.call("directmail.upload", "action_start", [[upload]])
    wait_until(
        lambda: shop.user.read("directmail.upload", upload, "state")["state"] == "done",
        between=shop.server.wake_crons,
    )
    [key] = shop.admin.call("directmail.aes.key", "search", [[]])
    wait_until(
        lambda: not shop.admin.read("directmail.aes.key", key, "reading")["reading"],
        between=shop.server.wake_crons,
    )
    shop.emulator.set_fault(
        "error",
        action="SingleSendMail",
        status=400,
        code="InvalidToAddress",
        message=f"quokkafour is unknown: {PEOPLE['refused'].upper()}",
        to=PEOPLE["refused"],
    )
    task = shop.make_task("enc", address_form="encrypted")
    [audience] = shop.user.read("directmail.task", task, "audience_ids")["audience_ids"]
    shop.user.call(
        "directmail.audience",
        "write",
        [[audience], {"line_ids": [(0, 0, _uploaded(upload))]}],
    )
    shop.act(task, "send")
    shop.wait(task, "done")
    _unsubscribe(shop, task)
    shop.import_results(task)
    return task


def _uploaded(upload):
    return {"operator": "or", "kind": "upload", "upload_id": upload, "sequence": 20}


def _unsubscribe(shop, task):
    """Press the mail program's button, as the person would."""
    [mail] = [
        row
        for row in shop.emulator.ledger(tag=shop.tag(task))
        if row["to"] == PEOPLE["unsubscribed"]
    ]
    headers = shop.emulator.mail(mail["env_id"])["headers"]
    address = headers["List-Unsubscribe"].strip("<>")
    path = address.removeprefix("https://www.example.com")
    assert path != address
    with requests.Session() as http:
        http.trust_env = False
        answer = http.post(
            shop.server.url + path, data={"List-Unsubscribe": "One-Click"}, timeout=30
        )
    assert answer.ok


def test_everybody_was_dealt_with(shop, task):
    mailed = {row["to"] for row in shop.emulator.ledger(tag=shop.tag(task))}
    assert mailed == {PEOPLE[name] for name in PEOPLE if name != "refused"}
    rows = shop.server.query(
        """SELECT p.name, d.state, d.outcome, d.reason, d.message
             FROM directmail_delivery d LEFT JOIN res_partner p ON p.id = d.partner_id
            WHERE task_id = %s""",
        task,
    )
    found = {name: details for name, *details in rows}
    assert found["delivered"][:2] == ["sent", "delivered"]
    assert found["bounced"][0] == "sent" and found["bounced"][1] in ("invalid", "failed")
    assert found["refused"][0] == "refused" and "***" in found["refused"][3]
    assert found["Plain"][2] == "no_encrypted_address"
    assert found[None][0] == "sent", "the uploaded address"
    [(optouts, clear)] = shop.server.query(
        """SELECT count(*) FILTER (WHERE origin = 'one_click'), count(email)
             FROM directmail_optout WHERE task_id = %s""",
        task,
    )
    assert (optouts, clear) == (1, 0)


def test_no_clear_address_is_stored_anywhere(shop, task):
    dump = subprocess.run(
        ["pg_dump", "--data-only", shop.server.database],
        env=shop.server.environment, capture_output=True, check=True,
    ).stdout.decode("utf-8", "replace").lower()  # fmt: skip
    assert PLAIN in dump, "the search finds what is there"
    assert encrypt(PEOPLE["delivered"]) in dump
    assert _hits(dump) == []
    log = shop.server.log.read_text(errors="replace").lower()
    assert "directmail" in log
    assert _hits(log) == []
    files = [
        path for path in databases.filestore(shop.server.database).rglob("*") if path.is_file()
    ]
    assert files
    for path in files:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        assert MARK.encode() not in data.lower(), path


def test_no_secret_is_in_the_log(shop, task):
    """At the level debug, SQL and libraries included: an AccessKey, an AES key, the master key."""
    log = shop.server.log.read_bytes()
    assert b"call directmail.aes.key().create(...)" in log
    assert b"UPDATE directmail_account" in log.replace(b'"', b""), "the search finds what is there"
    path = STATE / "data" / "directmail_master.key"
    key = load_master_key(None, path, create=False)
    secrets = {
        "AccessKey": ACCESS_KEY_SECRET.encode(),
        "AES key": KEY.encode(),
        "AES key, hex": KEY.encode().hex().encode(),
        "AES key, base64": base64.b64encode(KEY.encode()),
        "master key": path.read_bytes().strip(),
        "pads": key.address_pads()[0].hex().encode(),
        "outer pad": key.address_pads()[1].hex().encode(),
    }
    assert [name for name, secret in secrets.items() if secret in log] == []


def test_nobody_reads_a_clear_address(shop, task):
    """Whatever a user or an administrator may read and export of the task."""
    for session in (shop.user, shop.admin):
        for model, domain in (
            ("directmail.delivery", [("task_id", "=", task)]),
            ("directmail.audience.member", []),
            ("directmail.optout", []),
            ("directmail.upload.line", []),
            ("directmail.task", []),
        ):
            read = session.call(model, "search_read", [domain])
            assert read, model
            assert _hits(str(read).lower()) == [], model
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute("SELECT body FROM mail_message WHERE model LIKE 'directmail%'")
        assert _hits(str(cursor.fetchall()).lower()) == []


def _hits(text):
    """Return the surroundings of everything in a text that gives somebody away."""
    found, start = [], 0
    while (at := text.find(MARK, start)) >= 0:
        found.append(text[max(0, at - 80) : at + 40])
        start = at + 1
    return found
