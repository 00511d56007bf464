"""Idle connections that the network dropped or the server closed are not used for a mail."""

import time
from pathlib import Path

import pytest
from darabonba.core import DaraCore

from directmail_emulator.nat import WAYS, Nat
from email_marketing_dm.directmail import connections
from email_marketing_dm.directmail.answers import Verdict
from email_marketing_dm.directmail.client import DirectMailClient
from tests.unit.common import scripted_server as srv
from tests.unit.common.mails import MAIL


@pytest.fixture
def quick(monkeypatch):
    """A connection counts as idle after a twentieth of a second."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.05)


def make_client(endpoint, protocol="http", timeout=60):
    return DirectMailClient(
        endpoint,
        "ak",
        "secret-of-ak",
        protocol=protocol,
        connect_timeout=timeout,
        read_timeout=timeout,
    )


@pytest.fixture(params=("http", "https"))
def protocol(request, tmp_path, monkeypatch):
    """A running `server` of either kind, as (server, protocol)."""
    context = None
    if request.param == "https":
        context, path = srv.self_signed(tmp_path)
        monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(path))
    with srv.ScriptedServer(context) as running:
        yield running, request.param


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("way", WAYS)
def test_what_a_network_forgot_is_not_used_again(server, way):
    with Nat(server.endpoint, way=way) as nat:
        client = make_client(nat.endpoint)
        assert client.send(MAIL).verdict is Verdict.ACCEPTED
        nat.forget()
        time.sleep(0.1)
        assert client.send(MAIL).verdict is Verdict.ACCEPTED
        assert nat.swallowed == 0
    assert len(server.requests) == 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("way", WAYS)
def test_a_management_call_after_a_pause_reaches_directmail(server, way):
    server.script = [srv.answer({"RequestId": "1", "DailyQuota": "5"})]
    with Nat(server.endpoint, way=way) as nat:
        client = make_client(nat.endpoint)
        client.describe_account()
        nat.forget()
        time.sleep(0.1)
        assert client.describe_account().daily_quota == 5


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_dies_in_use_leaves_the_mail_unknown(server, way):
    """The rule's other side: where the request may have been read it is not sent again."""
    with Nat(server.endpoint, way=way) as nat:
        client = make_client(nat.endpoint, timeout=2)
        client.send(MAIL)
        nat.forget()
        assert client.send(MAIL).verdict is Verdict.UNKNOWN
        assert nat.swallowed == 1
    assert len(server.requests) == 1


def test_an_answer_on_a_kept_connection_may_take_the_read_timeout(protocol):
    """An answer that comes later than a connection may take is no unknown mail."""
    server, scheme = protocol
    client = DirectMailClient(
        server.endpoint, "ak", "s", protocol=scheme, connect_timeout=0.5, read_timeout=60
    )
    accepted = srv.answer({"RequestId": "1", "EnvId": "1"})
    server.script = [accepted, srv.stall(1.5, accepted)]
    assert client.send(MAIL).verdict is Verdict.ACCEPTED
    assert client.send(MAIL).verdict is Verdict.ACCEPTED
    assert len(server.requests) == 2


@pytest.mark.parametrize("step", [srv.cut, srv.reset], ids=["close", "reset"])
def test_a_server_that_read_the_request_is_not_asked_again(protocol, step):
    server, scheme = protocol
    client = make_client(server.endpoint, scheme)
    assert client.send(MAIL).verdict is Verdict.ACCEPTED
    server.script = [step]
    for _time in range(10):
        before = len(server.requests)
        server.script = [srv.answer({"RequestId": "1", "EnvId": "1"}), step]
        client.send(MAIL)  # over a connection that is used again by the next one
        assert client.send(MAIL).verdict is Verdict.UNKNOWN
        assert len(server.requests) == before + 2


@pytest.mark.parametrize("number", [1, 5])
def test_a_server_that_closed_before_the_request_came_is_asked_again(protocol, monkeypatch, number):
    """It closes when the client has looked for the last time whether it did."""
    server, scheme = protocol
    client = make_client(server.endpoint, scheme)
    look, raced = connections._Pool._get_conn, []

    def race(pool, timeout=None):
        conn = look(pool, timeout)
        if conn.sock is not None and len(raced) < number:
            raced.append(conn)
            server.hang_up()
        return conn

    for _time in range(number):
        assert client.send(MAIL).verdict is Verdict.ACCEPTED
        monkeypatch.setattr(connections._Pool, "_get_conn", race)
        assert client.send(MAIL).verdict is Verdict.ACCEPTED
    assert len(raced) == number
    assert len(server.requests) == 2 * number


def test_connections_are_kept_alive(client):
    client.send(MAIL)
    session = next(one for key, one in DaraCore._sessions.items() if client.endpoint in key)
    pools = session.get_adapter(f"http://{client.endpoint}").poolmanager.pools
    [pool] = [pools[key] for key in pools.keys()]
    conn = pool._get_conn()
    assert conn.sock.getsockopt(connections.socket.SOL_SOCKET, connections.socket.SO_KEEPALIVE)
    conn.close()


def test_the_client_alone_knows_the_sdk():
    """The rules for connections are those of `requests`, whoever uses it."""
    text = Path(connections.__file__).read_text()
    assert "alibabacloud" not in text and "darabonba" not in text
