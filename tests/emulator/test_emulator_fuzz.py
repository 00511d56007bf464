"""Malformed requests: an answer a client can read, never a trace, a crash or a ledger entry."""

import json
import re
import socket
import time
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from directmail_emulator import signature
from directmail_emulator.operations import load_all
from directmail_emulator.testing import Emulator
from tests.emulator.common.calls import NEWS, Account, post, raw_exchange, signed_request

QUICK = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ACTIONS = sorted(set(load_all()) | {"BatchSendMail", "", "x", "SingleSendMail\u00e9"})
NAMES = [
    "AccountName",
    "AddressType",
    "ReplyToAddress",
    "ToAddress",
    "Subject",
    "HtmlBody",
    "TextBody",
    "Template",
    "Headers",
    "TagName",
    "FromAlias",
    "BccAddress",
    "ClickTrace",
    "TemplateId",
    "TemplateName",
    "TemplateSubject",
    "TemplateText",
    "TagId",
    "PageNo",
    "PageSize",
    "StartTime",
    "EndTime",
    "Length",
    "NextStart",
    "NextToken",
    "MaxResults",
    "BlockType",
    "BlockEmail",
    "SenderEmail",
    "Address",
    "SuppressionIds",
    "DomainId",
    "User",
    "Status",
    "Email",
    "TemplateParams",
    "KeyWord",
    "BeginTime",
    "Action",
    "SuppressionListLevel",
    "UnSubscribeFilterLevel",
    "ReplyAddress",
    "DomainAuth",
]
VALUES = st.one_of(
    st.text(max_size=60),
    st.integers().map(str),
    st.sampled_from(
        [
            "",
            "0",
            "1",
            "-1",
            "9" * 30,
            "1e9",
            "true",
            "null",
            "[]",
            "{}",
            "NaN",
            "UNSUB",
            "REPORT",
            "2026-01-01",
            "0000-00-00",
            "9999-12-31 23:59",
            "١٢٣",
            "\x00",
            "%",
            "'; DROP TABLE ledger; --",
            "a@b.cc,",
            "[" * 3000,
        ]
    ),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=6,
    ).map(json.dumps),
)


@pytest.fixture(scope="module")
def fuzzed(no_proxy):
    with Emulator(
        settings={
            "throttle": {
                "default": "0",
                "operations": {
                    "SingleSendMail": "0",
                    "DescAccountSummary": "0",
                    "SenderStatisticsByTagNameAndBatchID": "0",
                },
            }
        }
    ) as running:
        account = Account(running)
        account.approved()
        yield account
        assert running.get("/api/status")["internal_errors"] == 0
        # alive and well, and only what a good call sent is in the ledger
        account.send("alive@example.org")
        assert [row["to"] for row in running.ledger()] == ["alive@example.org"]
        assert "Traceback" not in running.log()


def readable(status, text):
    """An error that a client of the gateway would understand."""
    assert 400 <= status < 500, text[:300]
    body = json.loads(text)
    assert body["Code"] and body["Code"] != "InternalError" and len(body["RequestId"]) == 36


@QUICK
@given(
    action=st.sampled_from(ACTIONS),
    query=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8),
    form=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8),
)
def test_any_parameters_with_a_good_signature(fuzzed, action, query, form):
    if action == "SingleSendMail":
        form.pop("ToAddress", None)
        query.pop("ToAddress", None)
    body = "&".join(f"{quote(k)}={quote(v)}" for k, v in form.items()).encode()
    headers = {"x-acs-action": action.encode("ascii", "replace").decode()}
    answer = post(fuzzed, action, query, body, headers=headers)
    if answer.status_code != 200:
        readable(answer.status_code, answer.text)
    else:
        assert action not in ("SingleSendMail", "SendTestByTemplate")
    assert "Traceback" not in answer.text


BAD = {
    "AccountName": ["", "x", "other@mail.example.com", "frozen@mail.example.com", "\ud7ff@a.b"],
    "AddressType": ["", "2", "x", "１"],
    "ReplyToAddress": ["", "yes", "0"],
    "ToAddress": [
        "",
        "x",
        "@",
        "a@b",
        "a@b.cc;c@d.ee",
        "a b@c.dd",
        ",".join(["a@b.cc"] * 101),
        "x" * 250 + "@b.cc",
    ],
    "Subject": ["", " ", "x" * 300, "viagra"],
    "HtmlBody": ["", " ", "\n"],
    "Headers": ["x", "[]", '{"X-User-A": null}', '{"a b": "c"}', "[" * 100000, '{"X": "\\n"}'],
    "TagName": ["missing", "a b", "x" * 129],
    "Template": [
        "x",
        "[]",
        "{}",
        '{"TemplateId": "99"}',
        '{"TemplateId": {}}',
        '{"TemplateId": "1", "TemplateData": []}x',
        '{"TemplateId": "1", "TemplateData": {"Name": ["x"]}}',
        "{" * 100000,
    ],
    "BccAddress": ["x", "a@b.cc,a@b.cc,a@b.cc"],
    "FromAlias": ["x" * 16],
    "ClickTrace": ["2", "1"],
    "UnSubscribeLinkType": ["x"],
}


@QUICK
@given(data=st.data())
def test_a_mail_with_at_least_one_bad_part(fuzzed, data):
    fields = {
        "AccountName": NEWS,
        "AddressType": "1",
        "ReplyToAddress": "false",
        "ToAddress": "anna@example.org",
        "Subject": "S",
        "HtmlBody": "<p>x</p>",
    }
    bad = data.draw(st.lists(st.sampled_from(sorted(BAD)), min_size=1, max_size=4, unique=True))
    for name in bad:
        fields[name] = data.draw(st.sampled_from(BAD[name]))
    if data.draw(st.booleans()):
        fields.pop(data.draw(st.sampled_from(sorted(fields))))
        fields.setdefault("FromAlias", "x" * 16)
    body = "&".join(f"{quote(k)}={quote(v)}" for k, v in fields.items()).encode()
    answer = post(fuzzed, "SingleSendMail", {}, body)
    readable(answer.status_code, answer.text)


@QUICK
@given(data=st.data())
def test_a_good_request_with_broken_bytes(fuzzed, data):
    """One place of a correctly signed request overwritten with anything."""
    request = signed_request(fuzzed, "SingleSendMail", body=GOOD)
    head = "".join(
        f"{name}: {value}\r\n" for name, value in request.headers.items() if name.lower() != "host"
    )
    raw = (
        f"POST / HTTP/1.1\r\nHost: {fuzzed.endpoint}\r\n{head}Connection: close\r\n\r\n"
    ).encode() + GOOD
    start = raw.index(b"x-acs-action")
    place = data.draw(st.integers(start, len(raw) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=6))
    # the last header must stay whole, or the server rightly waits for the rest
    end = raw.index(b"Connection: close")
    if end - 6 < place < end + len(b"Connection: close\r\n\r\n"):
        place = start
    broken = (raw[:place] + junk + raw[place + len(junk) :])[: len(raw)]
    # header names in another case and blanks around values mean the same
    assume(broken.lower().translate(None, b" \t") != raw.lower().translate(None, b" \t"))
    length = re.search(rb"(?i)content-length: *(\d+)\r\n", broken)
    if length is None or int(length[1]) > len(broken.partition(b"\r\n\r\n")[2]):
        return
    received = raw_exchange(fuzzed.endpoint, broken, timeout=60)
    assert b"Traceback" not in received
    assert received.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), received[:200]


GOOD = (
    f"AccountName={quote(NEWS)}&AddressType=1&ReplyToAddress=false&Subject=S&HtmlBody=x"
    "&ToAddress=anna%40example.org"
).encode()


@settings(QUICK, max_examples=60)
@given(junk=st.binary(max_size=300))
def test_any_bytes_at_all(fuzzed, junk):
    with socket.create_connection(
        tuple(part if i == 0 else int(part) for i, part in enumerate(fuzzed.endpoint.split(":"))),
        timeout=60,
    ) as connection:
        connection.sendall(junk + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    assert b"Traceback" not in received and not received.startswith(b"HTTP/1.1 2")


@pytest.mark.parametrize(
    "raw",
    [
        b"A=%ff%fe&ToAddress=%00",
        b"\xff\xfe\xfd",
        b"&&&==&",
        b"ToAddress",
        b"%",
        b"a=" + b"%" * 5000,
        b"&".join(b"p%d=1" % n for n in range(20000)),
    ],
)
def test_odd_form_bodies(fuzzed, raw):
    answer = post(fuzzed, "SingleSendMail", {}, raw)
    readable(answer.status_code, answer.text)
    tag = post(fuzzed, "CreateTag", {"TagName": "odd name"}, raw)
    readable(tag.status_code, tag.text)


def test_text_that_is_no_utf8(fuzzed):
    """Bytes that get as far as the database: refused, not half stored."""
    body = GOOD.replace(b"Subject=S", b"Subject=\xff\xfe")
    answer = post(fuzzed, "SingleSendMail", {}, body)
    readable(answer.status_code, answer.text)
    assert answer.json()["Code"] == "InvalidParameter"


@pytest.mark.parametrize("action", sorted(load_all()))
def test_names_and_values_that_are_no_utf8(fuzzed, action):
    day = time.strftime("%Y-%m-%d")
    good = {"StartTime": day, "EndTime": day, "BlockType": "UNSUB"}
    if action == "SenderStatisticsDetailByParam":  # its times are minutes, and may be left out
        good = {}
    for broken in NAMES:
        fields = {**good, broken: "BROKEN"}
        body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
        answer = post(fuzzed, action, {}, body.replace(b"BROKEN", b"%ff%fe"))
        if answer.status_code != 200:
            readable(answer.status_code, answer.text)
    one = post(fuzzed, action, {}, b"%ff=x&TagName=%ff&ToAddress=%ff")
    if one.status_code != 200:
        readable(one.status_code, one.text)


def test_a_body_that_is_too_large(fuzzed):
    answer = post(fuzzed, "SingleSendMail", {}, b"HtmlBody=" + b"x" * 10_000_000)
    assert answer.status_code == 413
    readable(answer.status_code, answer.text)


@settings(QUICK, max_examples=1000)
@given(
    raw=st.one_of(
        st.binary(max_size=80),
        st.lists(
            st.sampled_from(
                [
                    b"%",
                    b"%41",
                    b"%3d",
                    b"%0A",
                    b"%\n",
                    b"=",
                    b"==",
                    b"=41",
                    b"&",
                    b"+",
                    b"_",
                    b" ",
                    b"\r\n",
                    b"%e4%bd%a0",
                    b"%ff",
                    b"%2",
                    b"x",
                ]
            ),
            max_size=12,
        ).map(b"".join),
    )
)
def test_decoding_is_the_standard_librarys(raw):
    expected = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    found = [
        tuple(text.encode("utf-8", "surrogateescape") for text in pair)
        for pair in signature.pairs(raw)
    ]
    assert found == [tuple(text.encode("latin-1") for text in pair) for pair in expected]
