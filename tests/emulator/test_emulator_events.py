"""Events: their content, their signature, and how they are pushed."""

import base64
import hmac
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from tests.emulator.common.calls import NEWS, Account, headers_json, refused

#: seconds; it only ends what hangs
PATIENCE = 60


class Receiver:
    """A webhook that keeps what it gets and answers with a status of one's choice."""

    def __init__(self):
        self.got = []  # (time, headers, body)
        self.statuses = []  # answers to come; then 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((time.time(), dict(self.headers), body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.end_headers()

            def log_message(self, *_details):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?a=b"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    @property
    def events(self):
        return [json.loads(body) for _time, _headers, body in self.got]

    def types(self):
        return [event["type"] for event in self.events]

    def wait(self, number):
        end = time.monotonic() + PATIENCE
        while len(self.got) < number:
            assert time.monotonic() < end, f"{len(self.got)} of {number} events came"
            time.sleep(0.02)
        return self.events


@pytest.fixture
def receiver():
    running = Receiver()
    yield running
    running.stop()


@pytest.fixture
def listening(account, receiver):
    """An account whose events go to the receiver."""
    account.configure(enable_eventbridge=True, webhook={"url": receiver.url, "token": "secret"})
    account.call("create_tag", tag_name="t")
    return account


LINKS = "<html><body><a href='https://shop.example/'>Shop</a></body></html>"


def send(account, local, **fields):
    return account.send(
        f"{local}@example.org",
        tag_name="t",
        html_body=LINKS,
        headers=headers_json(
            Message_ID=f"<{local}@mail.example.com>", X_User_Notify_Mid=local, X_User_Other="x"
        ),
        **fields,
    )


def test_a_delivery(listening, receiver):
    sent = send(listening, "anna")
    listening.emulator.flush_outcomes()
    event = receiver.wait(1)[0]
    data = event.pop("data")
    assert event["type"] == "dm:Deliver:Succeed" and event["source"] == "acs:dm"
    assert event["specversion"] == "1.0" and event["aliyunregionid"] == "ap-southeast-1"
    assert event["time"].endswith("+08:00") and event["subject"].startswith("acs:dm:")
    assert {
        "id",
        "aliyunaccountid",
        "aliyunpublishtime",
        "aliyuneventbusname",
        "aliyunpublishaddr",
    } <= set(event)
    assert data["headers"] == {"x-user-notify-mid": "anna"}
    assert (data["env_id"], data["rcpt"], data["from"]) == (sent.env_id, "anna@example.org", NEWS)
    assert data["msg_id"] == "anna@mail.example.com" and data["tag"] == "t"
    assert (data["status"], data["err_code"], data["failed_type"]) == ("0", "250", "SendOk")
    assert data["event"] == "dm:Deliver:Succeed" and data["region"] == "ap-southeast-1"
    assert set(data) == {
        "headers",
        "env_id",
        "account",
        "from",
        "rcpt",
        "msg_id",
        "channel_name",
        "outbound_ip",
        "send_time",
        "deliver_time",
        "status",
        "event",
        "region",
        "err_code",
        "err_msg",
        "failed_type",
        "esp",
        "ip_pool_id",
        "is_dedicated_ip",
        "tag",
    }


@pytest.mark.parametrize(
    "local, fields, types",
    [
        ("bounce1", {}, ["dm:Deliver:Fail"]),
        ("spam1", {}, ["dm:Deliver:Fail"]),
        ("soft1", {}, ["dm:Deliver:Succeed"]),
        ("unseen1", {}, []),
        ("open1", {}, ["dm:Deliver:Succeed"]),
        ("open1", {"click_trace": "1"}, ["dm:Deliver:Succeed", "dm:Trace:Open"]),
        ("click1", {"click_trace": "1"}, ["dm:Deliver:Succeed", "dm:Trace:Open", "dm:Trace:Click"]),
        ("resub1", {}, ["dm:Deliver:Succeed", "dm:Feedback:UnSubscribe", "dm:Feedback:Subscribe"]),
        ("complain1", {}, ["dm:Deliver:Succeed", "dm:Feedback:FblReport"]),
    ],
)
def test_types(listening, receiver, local, fields, types):
    sent = send(listening, local, **fields)
    listening.emulator.flush_outcomes()
    receiver.wait(len(types))
    assert sorted(receiver.types()) == sorted(types)
    for event in receiver.events:
        data = event["data"]
        if event["type"] == "dm:Feedback:FblReport":
            assert (data["block_email"], data["send_email"]) == (f"{local}@example.org", NEWS)
            assert data["message_id"] == f"{local}@mail.example.com"
            assert abs(int(data["block_time"]) - time.time()) < 60
        elif event["type"].startswith("dm:Feedback:"):
            assert (data["envid"], data["rcpt"], data["from"]) == (
                sent.env_id,
                f"{local}@example.org",
                NEWS,
            )
            assert data["operate_time"] and data["client_ip"]
        else:
            assert data["env_id"] == sent.env_id and data["headers"] == {"x-user-notify-mid": local}
        if event["type"] == "dm:Trace:Click":
            assert data["url"] == "https://shop.example/"


def test_machines_can_be_told_by_their_data(listening, receiver):
    send(listening, "machine1", click_trace="1")
    send(listening, "open1", click_trace="1")
    listening.emulator.flush_outcomes()
    agents = {
        event["data"]["rcpt"].partition("@")[0]: event["data"]["user_agent"]
        for event in receiver.wait(4)
        if event["type"] == "dm:Trace:Open"
    }
    assert agents["machine1"] == "Mozilla/5.0" and "iPhone" in agents["open1"]


def verify(url, headers, body, certificate, form=("public_key", "der"), ending=b"\n"):
    """As a receiver checks it: EventBridge's rules, not the emulator's code."""
    names = [
        "x-eventbridge-signature-timestamp",
        "x-eventbridge-hash-method",
        "x-eventbridge-signature-version",
        "x-eventbridge-signature-url",
        "x-eventbridge-signature-token",
    ]
    given = {name.lower(): value for name, value in headers.items()}
    lines = "\n".join(f"{name}: {given[name]}" for name in names if name in given)
    text = f"{url}\n{lines}\n".encode() + body + ending
    read = {
        ("certificate", "pem"): lambda text: x509.load_pem_x509_certificate(text).public_key(),
        ("certificate", "der"): lambda text: x509.load_der_x509_certificate(text).public_key(),
        ("public_key", "pem"): load_pem_public_key,
        ("public_key", "der"): load_der_public_key,
    }[form]
    key = read(certificate)
    key.verify(
        base64.b64decode(given["x-eventbridge-signature-v2"]), text, padding.PKCS1v15(), SHA256()
    )


@pytest.mark.parametrize("token", ["secret", ""])
def test_signature(listening, receiver, token):
    listening.configure(webhook={"url": receiver.url, "token": token})
    send(listening, "anna")
    listening.emulator.flush_outcomes()
    receiver.wait(1)
    _time, headers, body = receiver.got[0]
    stamp = int(headers["x-eventbridge-signature-timestamp"])
    assert abs(stamp / 1000 - time.time()) < 60
    assert headers["x-eventbridge-hash-method"] == "SHA256"
    assert headers.get("x-eventbridge-signature-token", "") == token
    certificate = requests.get(headers["x-eventbridge-signature-url"], timeout=PATIENCE).content
    assert headers["x-eventbridge-signature-url"].startswith(listening.emulator.admin)
    verify(receiver.url, headers, body, certificate)
    for changed in ({**headers, "x-eventbridge-signature-timestamp": str(stamp + 1)}, headers):
        with pytest.raises(InvalidSignature):
            verify(receiver.url, changed, body + b" " if changed is headers else body, certificate)


@pytest.mark.parametrize("content", ["certificate", "public_key"])
@pytest.mark.parametrize("encoding", ["pem", "der", "base64"])
@pytest.mark.parametrize("newline", [True, False])
def test_what_documents_leave_open(listening, receiver, content, encoding, newline):
    listening.configure(
        settings={
            "events": {
                "certificate_content": content,
                "certificate_encoding": encoding,
                "signature_newline": newline,
                "echo_field": "header",
                "echo_names": "sent",
            }
        }
    )
    send(listening, "anna")
    listening.emulator.flush_outcomes()
    [event] = receiver.wait(1)
    assert event["data"]["header"] == {"X-User-Notify-Mid": "anna"}
    _time, headers, body = receiver.got[0]
    served = requests.get(headers["x-eventbridge-signature-url"], timeout=PATIENCE).content
    if encoding == "base64":
        served, encoding = base64.b64decode(served), "der"
    verify(receiver.url, headers, body, served, (content, encoding), b"\n" if newline else b"")


def test_the_older_signature(listening, receiver):
    listening.configure(settings={"events": {"signature": "hmac"}})
    send(listening, "anna")
    listening.emulator.flush_outcomes()
    receiver.wait(1)
    _time, headers, body = receiver.got[0]
    assert "x-eventbridge-signature-v2" not in headers
    key = load_der_public_key(
        requests.get(headers["x-eventbridge-signature-url"], timeout=PATIENCE).content
    )
    sealed = base64.b64decode(headers["x-eventbridge-signature-secret"])
    secret = key.recover_data_from_signature(sealed, padding.PKCS1v15(), None)
    lines = [
        f"{name}: {headers[name]}"
        for name in (
            "x-eventbridge-signature-timestamp",
            "x-eventbridge-signature-method",
            "x-eventbridge-signature-version",
            "x-eventbridge-signature-url",
            "x-eventbridge-signature-token",
        )
    ]
    text = "\n".join([receiver.url, *lines]).encode() + b"\n" + body + b"\n"
    assert (
        headers["x-eventbridge-signature"]
        == base64.b64encode(hmac.digest(secret, text, "sha1")).decode()
    )


def test_the_signature_can_be_left_out_and_the_address_set(listening, receiver):
    listening.configure(settings={"events": {"signature": "none"}})
    send(listening, "anna")
    listening.emulator.flush_outcomes()
    receiver.wait(1)
    assert "x-eventbridge-signature-v2" not in receiver.got[0][1]
    address = "https://ap-southeast-1-eventbridge.oss-accelerate.aliyuncs.com/c.pem"
    listening.configure(settings={"events": {"signature": "rsa", "certificate_url": address}})
    send(listening, "ben")
    listening.emulator.flush_outcomes()
    receiver.wait(2)
    assert receiver.got[1][1]["x-eventbridge-signature-url"] == address


def test_events_need_the_switch(account, receiver):
    account.configure(webhook={"url": receiver.url})
    account.send()
    account.emulator.flush_outcomes()
    account.configure(enable_eventbridge=True)
    account.send("ben@example.org")
    account.emulator.flush_outcomes()
    assert [event["data"]["rcpt"] for event in receiver.wait(1)] == ["ben@example.org"]


def test_events_without_a_webhook_are_kept(account):
    account.configure(enable_eventbridge=True)
    sent = account.send()
    account.emulator.flush_outcomes()
    (row,) = account.emulator.events(env_id=sent.env_id)
    assert row["state"] == "kept" and row["body"]["type"] == "dm:Deliver:Succeed"


def test_events_can_be_withheld(listening, receiver):
    listening.configure(settings={"outcomes": {"withhold_events": True}})
    send(listening, "anna")
    listening.emulator.flush_outcomes()
    listening.configure(settings={"outcomes": {"withhold_events": False}})
    send(listening, "ben")
    listening.emulator.flush_outcomes()
    assert [event["data"]["rcpt"] for event in receiver.wait(1)] == ["ben@example.org"]


def test_duplicates_have_the_same_id(listening, receiver):
    listening.configure(settings={"events": {"duplicates": 1.0}})
    send(listening, "anna")
    send(listening, "ben")
    listening.emulator.flush_outcomes()
    events = receiver.wait(4)
    ids = [event["id"] for event in events]
    assert len(ids) == 4 and len(set(ids)) == 2
    bodies = {event["id"]: [] for event in events}
    for event in events:
        bodies[event["id"]].append(event)
    assert all(first == second for first, second in bodies.values())


def test_disorder(listening, receiver):
    listening.configure(
        settings={"events": {"disorder": 0.5}, "outcomes": {"delays": {"delivered": 0.0}}}
    )
    for number in range(12):
        send(listening, f"p{number}")
    events = receiver.wait(12)
    order = [int(event["data"]["rcpt"][1:].partition("@")[0]) for event in events]
    assert sorted(order) == list(range(12)) and order != sorted(order)


def test_retries_then_success(listening, receiver):
    listening.configure(settings={"events": {"retry_seconds": 0.1, "retry_jitter": 0.1}})
    receiver.statuses = [500, 302]
    sent = send(listening, "anna")
    listening.emulator.flush_outcomes()
    events = receiver.wait(3)
    assert len({event["id"] for event in events}) == 1
    wait_for_state(listening, sent.env_id, "pushed", 3)


def wait_for_state(account, env_id, state, attempts):
    end = time.monotonic() + PATIENCE
    while True:
        (row,) = account.emulator.events(env_id=env_id)
        if (row["state"], row["attempts"]) == (state, attempts):
            return row
        assert time.monotonic() < end, row
        time.sleep(0.02)


def test_after_the_last_retry_an_event_is_dead(listening, receiver):
    listening.configure(
        settings={"events": {"retry_seconds": 0.01, "retry_jitter": 0.0, "retries": 2}}
    )
    receiver.statuses = [503] * 10
    sent = send(listening, "anna")
    listening.emulator.flush_outcomes()
    assert wait_for_state(listening, sent.env_id, "dead", 3)["error"] == "HTTP 503"
    assert len(receiver.got) == 3


def test_a_webhook_that_is_not_there(account):
    account.configure(
        enable_eventbridge=True,
        webhook={"url": "http://127.0.0.1:9/"},
        settings={"events": {"retries": 0}},
    )
    sent = account.send()
    account.emulator.flush_outcomes()
    assert "Connect" in wait_for_state(account, sent.env_id, "dead", 1)["error"]


def test_a_receiver_that_hangs_holds_up_nobody_else(emulator, listening, receiver):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        other = Account(
            emulator,
            enable_eventbridge=True,
            webhook={"url": f"http://127.0.0.1:{deaf.getsockname()[1]}/"},
            settings={"events": {"timeout": 10 * PATIENCE, "retries": 0}},
        )
        for number in range(10):
            other.send(f"deaf{number}@example.org")
        send(listening, "anna")
        receiver.wait(1)
        assert {
            row["state"]
            for row in emulator.events()
            if row["body"]["data"].get("rcpt") == "deaf1@example.org"
        } == {"waiting"}


def test_events_that_were_not_pushed_survive_a_kill(directmail, receiver):
    account = Account(
        directmail,
        settings={"events": {"delay": 3600}},
        enable_eventbridge=True,
        webhook={"url": receiver.url},
    )
    account.send()
    directmail.post("/api/settings", {"outcomes": {"delays": {"delivered": 0}}})
    account.send("ben@example.org")
    end = time.monotonic() + PATIENCE
    while len(directmail.events(state="waiting")) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    certificate = directmail._session.get(f"{directmail.admin}/eventbridge/certificate.pem").content
    directmail.kill()
    directmail.start()
    directmail.advance_clock(3700)
    events = receiver.wait(2)
    assert {event["data"]["rcpt"] for event in events} == {"anna@example.org", "ben@example.org"}
    verify(receiver.url, receiver.got[0][1], receiver.got[0][2], certificate)


def test_a_fault_does_not_make_an_event_of_a_call_that_was_refused(listening, receiver, faulty):
    faulty("unavailable", times=1)
    refused(listening.send)
    faulty("close", times=1)
    refused(listening.send, to="kept@example.org")
    listening.emulator.flush_outcomes()
    assert [event["data"]["rcpt"] for event in receiver.wait(1)] == ["kept@example.org"]
