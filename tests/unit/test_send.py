"""Sending through the real SDK over real sockets: what is written, and what each answer means."""

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from darabonba.core import DaraCore

from email_marketing_dm.directmail.answers import Verdict
from email_marketing_dm.directmail.client import DirectMailClient
from email_marketing_dm.directmail.errors import DirectMailError
from tests.unit.common import scripted_server as srv
from tests.unit.common.mails import MAIL

ROOT = Path(__file__).parents[2]


def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def test_everything_needed_is_in_the_form(client, server):
    answer = client.send(MAIL)

    assert answer.verdict is Verdict.ACCEPTED
    assert answer.env_id == "600000000001"
    assert answer.request_id == "request-1"
    [request] = server.requests
    assert (request.method, request.action, request.query) == ("POST", "SingleSendMail", {})
    assert request.headers["x-acs-version"] == "2015-11-23"
    form = dict(request.form)
    assert json.loads(form.pop("Headers")) == MAIL.headers
    assert json.loads(form.pop("Template")) == {
        "TemplateId": "4711",
        "TemplateData": {"Name": 'Ann "Ä" <b> 😀', "City": "", "Number": "7"},
    }
    assert form == {
        "AccountName": "news@mail.example.com",
        "AddressType": "1",
        "ReplyToAddress": "false",
        "ReplyAddress": "office@example.com",
        "ToAddress": "ann@example.com",
        "Subject": "Hello Ann",
        "FromAlias": "Example",
        "TagName": "dm_7",
        "ClickTrace": "0",
        "UnSubscribeLinkType": "disabled",
        "UnSubscribeFilterLevel": "mailfrom_domain",
    }


@pytest.mark.parametrize(
    ("change", "link", "level"),
    [
        ({"headers": {"list-unsubscribe": "<https://x.example/u>"}}, "disabled", "mailfrom_domain"),
        ({"headers": {}}, "default", "mailfrom_domain"),
        ({"headers": {}, "unsubscribe_link": "disabled"}, "disabled", "mailfrom_domain"),
        ({"unsubscribe_link": "default", "unsubscribe_filter": "edm_id"}, "default", "edm_id"),
    ],
)
def test_directmails_own_unsubscribe_link(client, server, change, link, level):
    """Only in a mail that has none, unless the account says otherwise."""
    client.send(replace(MAIL, **change))
    form = server.requests[0].form
    assert (form["UnSubscribeLinkType"], form["UnSubscribeFilterLevel"]) == (link, level)


def test_a_body_instead_of_a_template(client, server):
    client.send(replace(MAIL, template_id="", html_body="<p>Grüße</p>", click_trace=True))
    form = server.requests[0].form
    assert form["HtmlBody"] == "<p>Grüße</p>"
    assert form["ClickTrace"] == "1"
    assert "Template" not in form


@pytest.mark.parametrize(
    "change, verdict",
    [
        ({"to": "ann@example.com,bob@example.com"}, Verdict.PERSON_REFUSED),
        ({"to": ""}, Verdict.PERSON_REFUSED),
        ({"to": None}, Verdict.PERSON_REFUSED),
        ({"html_body": "<p>and a template</p>"}, Verdict.TASK_PAUSED),
        ({"template_id": ""}, Verdict.TASK_PAUSED),
        ({"headers": {f"X-User-{i}": "1" for i in range(11)}}, Verdict.TASK_PAUSED),
        ({"headers": {"X-User-A": "1\r\nBcc: b@example.com"}}, Verdict.TASK_PAUSED),
        ({"headers": {"X-User-A": 1}}, Verdict.TASK_PAUSED),
        ({"subject": "Hello\r\nBcc: b@example.com"}, Verdict.TASK_PAUSED),
        ({"sender_name": "Example\nBcc: b@example.com"}, Verdict.TASK_PAUSED),
        ({"reply_address": "office@example.com\r\nBcc: b@example.com"}, Verdict.TASK_PAUSED),
        ({"tag": "dm\u20287"}, Verdict.TASK_PAUSED),
        ({"variables": 5}, Verdict.TASK_PAUSED),
    ],
)
def test_what_must_not_go_out_is_not_sent(client, server, change, verdict):
    assert client.send(replace(MAIL, **change)).verdict is verdict
    assert server.requests == []


@pytest.mark.parametrize(
    "status, code, verdict",
    [
        (400, "InvalidToAddress", Verdict.PERSON_REFUSED),
        (400, "InvalidToAddress.Spam", Verdict.PERSON_REFUSED),
        (400, "EmailFormatError", Verdict.PERSON_REFUSED),
        (400, "EmailLengthError", Verdict.PERSON_REFUSED),
        (400, "InvalidSendMail.Spam", Verdict.DOUBTFUL),
        (400, "InvalidReceiverName.Malformed", Verdict.DOUBTFUL),
        (400, "InvalidQuota.Daily", Verdict.TASK_PAUSED),
        (400, "InvalidTemplateStatus.Malformed", Verdict.TASK_PAUSED),
        (404, "InvalidTemplate.NotFound", Verdict.TASK_PAUSED),
        (404, "InvalidMailAddress.NotFound", Verdict.TASK_PAUSED),
        (400, "InvalidMailAddressStatus.Malformed", Verdict.TASK_PAUSED),
        (400, "InvalidFromAlias.Malformed", Verdict.TASK_PAUSED),
        (400, "NeverHeardOfIt", Verdict.DOUBTFUL),
        (403, "NeverHeardOfIt", Verdict.DOUBTFUL),
        (400, "MissingParameter", Verdict.ACCOUNT_STOPPED),
        (400, "MissingAccountName", Verdict.ACCOUNT_STOPPED),
        (400, "InvalidAccessKeyId.NotFound", Verdict.ACCOUNT_STOPPED),
        (404, "InvalidAccessKeyId.Inactive", Verdict.ACCOUNT_STOPPED),
        (400, "SignatureDoesNotMatch", Verdict.ACCOUNT_STOPPED),
        (403, "Signature", Verdict.ACCOUNT_STOPPED),
        (400, "InvalidTimeStamp.Expired", Verdict.ACCOUNT_STOPPED),
        (403, "Forbidden.RAM", Verdict.ACCOUNT_STOPPED),
        (404, "InvalidApi.NotFound", Verdict.ACCOUNT_STOPPED),
        (404, "InvalidIP.NotFound", Verdict.ACCOUNT_STOPPED),
        (400, "Throttling.User", Verdict.THROTTLED),
        (503, "Throttling.Api", Verdict.THROTTLED),
        (429, "NeverHeardOfIt", Verdict.THROTTLED),
        (503, "ServiceUnavailable", Verdict.RETRY_LATER),
        (400, "SignatureNonceUsed", Verdict.UNKNOWN),
        (500, "InternalError", Verdict.UNKNOWN),
        (500, "NeverHeardOfIt", Verdict.UNKNOWN),
        (408, "NeverHeardOfIt", Verdict.UNKNOWN),
        (502, "NeverHeardOfIt", Verdict.UNKNOWN),
    ],
)
def test_error_codes(client, server, status, code, verdict):
    server.script = [srv.refusal(status, code, "In DirectMail's words.")]
    answer = client.send(MAIL)
    assert answer.verdict is verdict
    assert (answer.code, answer.message) == (code, "In DirectMail's words.")
    assert (answer.request_id, answer.env_id) == ("request-2", "")
    assert len(server.requests) == 1, "a send must never be repeated"


@pytest.mark.parametrize(
    "status, code, verdict",
    [
        (400, "Throttling.User", Verdict.THROTTLED),
        (400, "NeverHeardOfIt", Verdict.THROTTLED),
        (503, "NeverHeardOfIt", Verdict.THROTTLED),
        (503, "ServiceUnavailable", Verdict.RETRY_LATER),
        (400, "InvalidToAddress", Verdict.PERSON_REFUSED),
        (500, "InternalError", Verdict.UNKNOWN),
        (500, "NeverHeardOfIt", Verdict.UNKNOWN),
    ],
)
def test_told_to_come_back_later(client, server, status, code, verdict):
    server.script = [srv.refusal(status, code, x_acs_retry_after=2500)]
    answer = client.send(MAIL)
    assert answer.verdict is verdict
    assert answer.retry_after == 2.5


def test_a_retry_after_of_zero_is_none(client, server):
    server.script = [srv.refusal(400, "Throttling.User", x_acs_retry_after=0)]
    assert client.send(MAIL).retry_after is None


@pytest.mark.parametrize(
    "step",
    [
        srv.cut,
        srv.reset,
        srv.cut_inside_body,
        srv.raw(200, b""),
        srv.raw(200, b"<html>welcome</html>"),
        srv.raw(502, b"<html><h1>502 Bad Gateway</h1></html>", Content_Type="text/html"),
        srv.raw(504, b""),
        srv.raw(400, b"<html>proxy</html>"),
        srv.raw(302, b"", Location="/elsewhere"),
        srv.raw(400, b"[]"),
        srv.raw(200, b"not \xff utf-8"),
        srv.answer({}),
        srv.answer([]),
        srv.answer(None),
        srv.answer({"RequestId": "request-1"}),
        srv.answer({"RequestId": "request-1", "EnvId": ""}),
        srv.answer({"RequestId": "request-1", "EnvId": None}),
        srv.answer({"RequestId": "r", "Code": "InvalidToAddress", "Message": "m"}),
    ],
)
def test_no_proper_answer_is_unknown(client, server, step):
    server.script = [step]
    answer = client.send(MAIL)
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.code
    assert len(server.requests) == 1, "a send must never be repeated"


def test_no_answer_in_time_is_unknown(impatient, server):
    server.script = [srv.say_nothing]
    answer = impatient.send(MAIL)
    assert (answer.verdict, answer.code) == (Verdict.UNKNOWN, "ReadTimeout")
    assert len(server.requests) == 1, "a send must never be repeated"


def test_an_idle_connection_that_the_server_closed(client, server):
    """It is noticed, or the answer is UNKNOWN: no second mail, no false refusal."""
    server.script = [server.script[0], srv.cut]
    assert client.send(MAIL).verdict is Verdict.ACCEPTED
    assert client.send(MAIL).verdict is Verdict.UNKNOWN
    assert len(server.requests) == 2


def test_nobody_listens():
    client = DirectMailClient(f"127.0.0.1:{unused_port()}", "ak", "secret", protocol="http")
    answer = client.send(MAIL)
    assert answer.verdict is Verdict.RETRY_LATER
    assert "refused" in answer.message


def test_no_such_host():
    client = DirectMailClient("nowhere.invalid", "ak", "secret", protocol="http")
    assert client.send(MAIL).verdict is Verdict.RETRY_LATER


def test_connecting_takes_too_long():
    """A full backlog: the kernel drops the handshake."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        endpoint = "127.0.0.1:%d" % full.getsockname()[1]
        client = DirectMailClient(endpoint, "ak", "s", protocol="http", connect_timeout=0.3)
        answer = client.send(MAIL)
    assert (answer.verdict, answer.code) == (Verdict.RETRY_LATER, "ConnectTimeout")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("behaviour", ["close", "stall", "reset", "plain http"])
def test_a_tls_handshake_that_fails_sent_nothing(behaviour, host):
    def serve():
        with contextlib.suppress(TimeoutError):
            connection, _address = listener.accept()
            connection.settimeout(1)
            if behaviour == "stall":
                done.wait(5)
            if behaviour == "plain http":
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            if behaviour == "reset":
                connection.recv(10)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1)
        done = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        endpoint = f"{host}:{listener.getsockname()[1]}"
        client = DirectMailClient(endpoint, "ak", "s", connect_timeout=0.3, read_timeout=0.3)
        answer = client.send(MAIL)
        done.set()
        thread.join()
    assert answer.verdict is Verdict.RETRY_LATER


def test_an_untrusted_certificate_sent_nothing(tmp_path):
    context, _path = srv.self_signed(tmp_path)
    with srv.ScriptedServer(context) as server:
        answer = DirectMailClient(server.endpoint, "ak", "s").send(MAIL)
        assert server.requests == []
    assert answer.verdict is Verdict.RETRY_LATER
    assert "CERTIFICATE_VERIFY_FAILED" in answer.message


@pytest.mark.parametrize("step", [srv.cut, srv.reset, srv.cut_inside_body])
def test_trouble_after_the_tls_handshake_is_unknown(tmp_path, monkeypatch, step):
    context, certificate = srv.self_signed(tmp_path)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    with srv.ScriptedServer(context) as server:
        client = DirectMailClient(server.endpoint, "ak", "s")
        server.script = [server.script[0], step]
        assert client.send(MAIL).verdict is Verdict.ACCEPTED
        assert client.send(MAIL).verdict is Verdict.UNKNOWN
        assert len(server.requests) == 2


def test_no_answer_in_time_after_the_tls_handshake_is_unknown(tmp_path, monkeypatch):
    context, certificate = srv.self_signed(tmp_path)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    with srv.ScriptedServer(context) as server:
        client = DirectMailClient(server.endpoint, "ak", "s", connect_timeout=60, read_timeout=0.3)
        server.script = [srv.say_nothing]
        answer = client.send(MAIL)
        assert (answer.verdict, answer.code) == (Verdict.UNKNOWN, "ReadTimeout")
        assert len(server.requests) == 1


def test_an_error_the_caller_is_handling_is_not_ours(client, server):
    """Python links errors raised meanwhile; that must not make "unknown" a "not sent"."""
    server.script = [srv.cut]
    with pytest.raises(requests.ConnectionError):
        try:
            requests.get(f"http://127.0.0.1:{unused_port()}", timeout=1)
        except requests.ConnectionError:
            assert client.send(MAIL).verdict is Verdict.UNKNOWN
            raise


@pytest.mark.parametrize(
    ("exception", "verdict"),
    [("elsewhere.example", Verdict.RETRY_LATER), ("127.0.0.1", Verdict.ACCEPTED)],
)
def test_no_proxy_is_respected(server, monkeypatch, exception, verdict):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("NO_PROXY", exception)
    client = DirectMailClient(server.endpoint, "ak", "s", protocol="http")
    assert client.send(MAIL).verdict is verdict


def test_a_proxy_that_refuses_the_tunnel_sent_nothing(server, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://{server.endpoint}")
    server.script = [srv.raw(407, b"")]
    answer = DirectMailClient("dm.example.com", "ak", "s").send(MAIL)
    assert answer.verdict is Verdict.RETRY_LATER
    assert server.requests[0].method == "CONNECT"


@pytest.fixture
def no_sessions():
    DaraCore._sessions.clear()


@pytest.mark.usefixtures("no_sessions")
def test_a_forked_child_opens_its_own_connections(client, server):
    client.send(MAIL)
    [ours] = DaraCore._sessions.values()
    child = os.fork()
    if not child:
        fresh = not DaraCore._sessions and client.send(MAIL).verdict is Verdict.ACCEPTED
        same_kind = [type(session) for session in DaraCore._sessions.values()] == [type(ours)]
        os._exit(0 if fresh and same_kind else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(server.requests) == 2


def test_temporary_keys(server):
    client = DirectMailClient(
        server.endpoint, "ak", "s", protocol="http", security_token="sts-token"
    )
    assert client.send(MAIL).verdict is Verdict.ACCEPTED
    assert server.requests[0].headers["x-acs-security-token"] == "sts-token"


def test_secrets_stay_secret(client, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.script = [srv.refusal(400, "SignatureDoesNotMatch")]
    answer = client.send(MAIL)
    seen = f"{client!r} {vars(client)} {answer} {caplog.text}"
    assert "secret-of-ak" not in seen


def test_the_sdk_prints_no_headers(server):
    """With DEBUG=sdk in the environment it would print signature and security token."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import devenv.without_odoo\n"
        "from email_marketing_dm.directmail.client import DirectMailClient\n"
        "client = DirectMailClient(sys.argv[2], 'ak', 's', protocol='http', security_token='tok')\n"
        "client.delete_tag('1')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(ROOT), server.endpoint],
        env={**os.environ, "DEBUG": "sdk"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert server.requests[0].headers["x-acs-security-token"] == "tok"
    assert (run.stdout, run.stderr) == ("", "")


@pytest.mark.parametrize(
    "arguments, kind",
    [
        (("dm.aliyuncs.com", "", "s"), "credentials"),
        (("dm.aliyuncs.com", "ak", None), "credentials"),
        (("https://dm.aliyuncs.com", "ak", "s"), "invalid"),
        (("dm.aliyuncs.com/", "ak", "s"), "invalid"),
        (("", "ak", "s"), "invalid"),
    ],
)
def test_parameters_that_cannot_be_right(arguments, kind):
    with pytest.raises(DirectMailError) as error:
        DirectMailClient(*arguments)
    assert error.value.kind == kind


def test_many_threads_share_one_client(client, server):
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.send(MAIL))) for _ in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.verdict for answer in answers] == [Verdict.ACCEPTED] * 32
    assert len(server.requests) == 32
