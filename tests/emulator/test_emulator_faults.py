"""Each fault, and what the SDK makes of it: the rows of the table of exceptions."""

import contextlib
import socket
import time
from pathlib import Path

import pytest
from alibabacloud_tea_openapi.exceptions import (
    ClientException,
    ServerException,
    ThrottlingException,
)
from darabonba.exceptions import UnretryableException
from requests.exceptions import ConnectionError, ConnectTimeout, ReadTimeout

from tests.emulator.common.calls import Account, post, refused


@contextlib.contextmanager
def impatient(account):
    """Inside, calls of the account give up after 0.4 s: for faults that answer much later."""
    patient, account.sdk = account.sdk, account.client(read_timeout=400, connect_timeout=400)
    yield account
    account.sdk = patient


def context_of(error):
    """The `requests` exception below an UnretryableException."""
    assert type(error) is UnretryableException
    return error.inner_exception.__context__


def accepted(account):
    return len(account.ledger())


@pytest.mark.parametrize("kind, kept", [("hang", 1), ("close", 1), ("reset", 1)])
def test_accepted_without_an_answer(account, faulty, kind, kept):
    faulty(kind, times=1)
    with impatient(account):
        error = context_of(refused(account.send))
    assert isinstance(error, ReadTimeout if kind == "hang" else ConnectionError)
    if kind != "hang":
        assert "ProtocolError" in repr(error.args[0])
    assert accepted(account) == kept
    assert account.send().env_id


@pytest.mark.parametrize("kind", ["hang", "close", "reset"])
def test_the_same_without_accepting(account, faulty, kind):
    faulty(kind, times=1, accept=False)
    with impatient(account):
        assert context_of(refused(account.send)) is not None
    assert accepted(account) == 0


@pytest.mark.parametrize(
    "kind, details, kept",
    [("html", {}, 1), ("html", {"status": 504, "accept": "no"}, 0), ("empty", {}, 1)],
)
def test_answers_that_are_not_json(account, faulty, kind, details, kept):
    faulty(kind, **details)
    error = refused(account.send)
    assert type(error) is UnretryableException
    assert isinstance(error.inner_exception, RuntimeError)
    assert accepted(account) == kept


@pytest.mark.parametrize("kind", ["no_env_id", "blank", "list", "code_in_200"])
def test_success_that_is_none(account, faulty, kind):
    faulty(kind)
    assert account.send().env_id is None
    assert accepted(account) == 1


@pytest.mark.parametrize(
    "kind, said",
    [
        ("odd_rows", {"TotalCount": 1, "data": {"tag": ["odd"]}}),
        ("odd_data", {"TotalCount": 1, "data": "odd"}),
        ("odd_values", {"TotalCount": ["odd"]}),
        ("odd_numbers", {"TotalCount": float("inf")}),
    ],
)
def test_shapes_that_no_document_has(account, faulty, kind, said):
    account.call("create_tag", tag_name="one")
    faulty(kind, action="QueryTagByParam")
    body = post(account, "QueryTagByParam", {}).json()
    assert body["RequestId"]
    assert {name: body[name] for name in said} == said


@pytest.mark.parametrize(
    "kind, details, exception, code, status",
    [
        ("unavailable", {}, ServerException, "ServiceUnavailable", 503),
        ("error", {}, ServerException, "InternalError", 500),
        ("error", {"code": "InvalidSendMail.Spam"}, ClientException, "InvalidSendMail.Spam", 400),
        ("error", {"code": "Odd", "status": 418, "message": "m"}, ClientException, "Odd", 418),
        ("throttle", {"retry_after": 250}, ThrottlingException, "Throttling.User", 400),
        ("throttle", {}, ClientException, "Throttling.User", 400),
        ("expired_token", {}, ClientException, "InvalidSecurityToken.Expired", 400),
        ("clock_skew", {}, ClientException, "InvalidTimeStamp.Expired", 400),
    ],
)
def test_errors(account, faulty, kind, details, exception, code, status):
    faulty(kind, **details)
    error = refused(account.send)
    assert type(error) is exception and (error.code, error.status_code) == (code, status)
    if "retry_after" in details:
        assert error.retry_after == 250
    assert accepted(account) == 0


def test_an_error_after_accepting(account, faulty):
    faulty("error", accept="yes")
    assert type(refused(account.send)) is ServerException
    assert accepted(account) == 1


def test_a_slow_answer(account, faulty):
    faulty("slow", delay=0.3, times=1)
    begin = time.monotonic()
    assert account.send().env_id
    assert time.monotonic() - begin > 0.3
    faulty("slow", delay=5)
    with impatient(account):
        assert isinstance(context_of(refused(account.send, to="ben@example.org")), ReadTimeout)
    assert accepted(account) == 2


def test_faults_that_spoil_an_answer_without_accepting(account, faulty):
    for kind in ("slow", "trickle", "truncated", "no_env_id"):
        rule = faulty(kind, accept=False, times=1, delay=0.001)
        if kind in ("slow", "trickle"):
            assert refused(account.send).code == "ServiceUnavailable"
        elif kind == "truncated":
            assert isinstance(refused(account.send), UnretryableException)
        else:
            assert account.send().env_id is None
        assert not rule["accepts"]
    assert accepted(account) == 0


def test_an_answer_in_drops_outlasts_the_read_timeout(account, faulty):
    """The read timeout is per read, so a trickle takes longer than it allows."""
    account.sdk = account.client(read_timeout=2000)
    faulty("trickle", delay=0.05)
    begin = time.monotonic()
    assert account.send().env_id
    assert time.monotonic() - begin > 2


def test_an_answer_cut_in_the_middle(account, faulty):
    faulty("truncated")
    assert isinstance(refused(account.send), UnretryableException)
    assert accepted(account) == 1


def test_reset_of_an_idle_connection(emulator, account, faulty):
    """The SDK keeps connections for the whole process, so one is warm before the fault."""
    account.send()
    faulty("idle_reset", times=1)
    assert isinstance(context_of(refused(account.send, to="second@example.org")), ConnectionError)
    assert accepted(account) == 1
    assert account.send("third@example.org").env_id


def test_refused_connections(directmail):
    account = Account(directmail)
    directmail.set_fault("refuse", delay=60)
    error = context_of(refused(account.send))
    assert "NewConnectionError" in repr(error.args[0])
    directmail.clear_faults()
    assert account.send().env_id and len(account.ledger()) == 1


def listening_socket(endpoint):
    """The inode of the socket that listens there."""
    port = f":{int(endpoint.rpartition(':')[2]):04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [line[9] for line in lines if line[1].endswith(port) and line[3] == "0A"]


def test_clearing_other_faults_leaves_the_listener_alone(directmail):
    """Opening it again would reset connections that are just being made."""
    before = listening_socket(directmail.endpoint)
    directmail.set_fault("hang")
    directmail.clear_faults()
    assert listening_socket(directmail.endpoint) == before and len(before) == 1
    directmail.set_fault("refuse", delay=60)
    assert listening_socket(directmail.endpoint) == []
    directmail.clear_faults()
    assert len(listening_socket(directmail.endpoint)) == 1


def test_refusing_ends_by_itself(directmail):
    account = Account(directmail)
    before = listening_socket(directmail.endpoint)
    directmail.set_fault("refuse", delay=0.2)
    deadline = time.monotonic() + 60
    while listening_socket(directmail.endpoint) in (before, []):
        assert time.monotonic() < deadline, "it goes on refusing"
        time.sleep(0.02)
    assert account.send().env_id


def test_connections_that_nobody_accepts(directmail):
    account = Account(directmail)
    directmail.set_fault("connect_stall", delay=60)
    with impatient(account):
        assert isinstance(context_of(refused(account.send)), ConnectTimeout)
    directmail.clear_faults()
    assert account.send().env_id and len(account.ledger()) == 1


def test_open_connections_survive_a_refusal(directmail):
    account = Account(directmail)
    account.send()
    directmail.set_fault("refuse", delay=60)
    assert account.send("second@example.org").env_id


def outcomes(account, calls):
    done = []
    for number in range(calls):
        try:
            done.append(bool(account.send(f"p{number}@example.org").env_id))
        except (ServerException, ClientException):
            done.append(False)
    return done


def test_the_nth_call(account, faulty):
    faulty("unavailable", after=2, times=3)
    before = account.emulator.calls().get(("SingleSendMail", "fault: unavailable"), 0)
    assert outcomes(account, 7) == [True, True, False, False, False, True, True]
    calls = account.emulator.calls()
    assert calls["SingleSendMail", "fault: unavailable"] == before + 3


def test_a_share_of_the_calls_the_same_again(account, faulty):
    rule = faulty("unavailable", rate=0.5, seed=3)
    first = outcomes(account, 40)
    assert 8 <= first.count(False) <= 32
    assert account.emulator.faults()[0]["hits"] == first.count(False)
    assert rule["does"] == "503 ServiceUnavailable"


def test_rules_choose_their_calls(account, faulty):
    account.call("create_tag", tag_name="t")
    faulty("error", action="SingleSendMail", to="b*@example.org", tag="t", code="Chosen")
    assert account.send("ben@example.org").env_id
    assert account.send("anna@example.org", tag_name="t").env_id
    assert refused(account.send, to="Ben@example.org", tag_name="t").code == "Chosen"
    assert account.call("query_tag_by_param").total_count == 1


def test_faults_from_the_configuration(directmail_factory):
    running = directmail_factory(
        config="""
[[faults]]
kind = "error"
action = "Query*"
code = "FromTheFile"
times = 1
"""
    )
    account = Account(running)
    assert refused(account.call, "query_tag_by_param").code == "FromTheFile"
    assert account.call("query_tag_by_param").total_count == 0


def test_die_leaves_the_ledger(directmail):
    account = Account(directmail)
    directmail.set_fault("die", after=3)
    for number in range(3):
        account.send(f"p{number}@example.org")
    refused(account.send, to="last@example.org")
    directmail.wait_dead()
    directmail.start()
    assert [row["to"] for row in account.ledger()] == [
        "p0@example.org",
        "p1@example.org",
        "p2@example.org",
        "last@example.org",
    ]
    assert account.send().env_id


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "other"},
        {"kind": "close", "colour": 1},
        {"kind": "close", "times": "x"},
        {"kind": "close", "accept": "maybe"},
        {},
    ],
)
def test_rules_that_can_not_be(emulator, rule):
    answer = emulator._session.post(f"{emulator.admin}/api/faults", json=rule)
    assert answer.status_code == 400 and answer.json()["error"].startswith("fault")


def test_a_hanging_call_does_not_hold_up_the_end(directmail):
    account = Account(directmail)
    directmail.set_fault("hang")
    host, _colon, port = account.endpoint.rpartition(":")
    with impatient(account):
        refused(account.send)
    process = directmail._process
    with socket.create_connection((host, int(port))):
        directmail.restart()
    assert process.returncode == 0, "it had to be killed"
