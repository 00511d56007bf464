"""Pushed events: signatures of both forms, and whatever else may arrive."""

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from email_marketing_dm.directmail.push import BATCH_MAX, PushRefused, read_events, verify
from email_marketing_dm.directmail.push_forms import describe_push

HOST = "https://ap-southeast-1-eventbridge.oss-accelerate.aliyuncs.com"
URL = "https://www.example.com/directmail/events/abc"
NOW = 1_800_000_000.0
BODY = b'{"id": "1", "type": "dm:Deliver:Succeed"}'
PREFIX = "x-eventbridge-signature"


class Key:
    def __init__(self):
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.now(timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.private.public_key())
            .serial_number(1)
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=1))
            .sign(self.private, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)
        self.der = certificate.public_bytes(serialization.Encoding.DER)

    def bare(self, encoding, form=serialization.PublicFormat.SubjectPublicKeyInfo):
        return self.private.public_key().public_bytes(encoding, form)

    def encrypt(self, secret):
        """RSA with the private key, as the older form seals its secret: PKCS #1 v1.5, type 1."""
        numbers = self.private.private_numbers()
        modulus = numbers.public_numbers.n
        size = (modulus.bit_length() + 7) // 8
        block = b"\0\1" + b"\xff" * (size - 3 - len(secret)) + b"\0" + secret
        return pow(int.from_bytes(block, "big"), numbers.d, modulus).to_bytes(size, "big")


KEY, OTHER = Key(), Key()


def text(url, names, headers, body):
    return "\n".join([url, *(f"{name}: {headers[name]}" for name in names)]).encode() + b"\n" + body


def sign(
    key=KEY,
    url=URL,
    body=BODY,
    at=NOW,
    token="token",
    certificate=f"{HOST}/c.pem",
    v1=False,
    ending=b"",
):
    method = f"{PREFIX}-method" if v1 else "x-eventbridge-hash-method"
    headers = {
        f"{PREFIX}-timestamp": str(int(at * 1000)),
        method: "HMAC-SHA1" if v1 else "SHA256",
        f"{PREFIX}-version": "1.0",
        f"{PREFIX}-url": certificate,
    }
    if token is not None:
        headers[f"{PREFIX}-token"] = token
    signed = text(url, list(headers), headers, body + ending)
    if v1:
        secret = b"passing secret"
        headers[f"{PREFIX}-secret"] = base64.b64encode(key.encrypt(secret)).decode()
        headers[PREFIX] = base64.b64encode(hmac.digest(secret, signed, hashlib.sha1)).decode()
    else:
        signature = key.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        headers[f"{PREFIX}-v2"] = base64.b64encode(signature).decode()
    return headers


def check(headers, body=BODY, **options):
    options = {
        "urls": [URL],
        "token": "token",
        "certificate": lambda _url: KEY.certificate,
        "now": NOW,
        **options,
    }
    return verify(headers, body, **options)


def refusal(headers, body=BODY, **options):
    with pytest.raises(PushRefused) as caught:
        check(headers, body, **options)
    return caught.value.reason


@pytest.mark.parametrize("v1", [False, True])
def test_genuine(v1):
    check(sign(v1=v1))
    check(sign(v1=v1, at=NOW - 59))
    check(sign(v1=v1), urls=["https://other.example", URL])


@pytest.mark.parametrize("v1", [False, True])
def test_not_genuine(v1):
    good = sign(v1=v1)
    assert refusal(sign(OTHER, v1=v1)) == "signature"
    assert refusal(good, BODY + b" ") == "signature"
    assert refusal(good, BODY[:-1]) == "signature"
    assert refusal(good, urls=["https://elsewhere.example/directmail/events/abc"]) == "signature"
    assert refusal(sign(v1=v1, at=NOW - 61)) == "expired"
    assert refusal(sign(v1=v1, at=NOW + 61)) == "expired"
    assert refusal({**good, f"{PREFIX}-timestamp": str(int(NOW * 1000) + 1)}) == "signature"
    assert refusal({**good, f"{PREFIX}-timestamp": "soon"}) == "expired"
    assert refusal(sign(v1=v1, token="guess")) == "token"
    assert refusal(sign(v1=v1, token=None)) == "token"
    assert refusal({}) == "unsigned"


@pytest.mark.parametrize("v1", [False, True])
def test_a_newline_behind_the_body(v1):
    """Alibaba's own verifier signs one, the help page's formula has none."""
    check(sign(v1=v1, ending=b"\n"))
    assert refusal(sign(v1=v1, ending=b"\n\n")) == "signature"
    assert refusal(sign(v1=v1, ending=b" ")) == "signature"
    assert refusal(sign(OTHER, v1=v1, ending=b"\n")) == "signature"


@pytest.mark.parametrize("v1", [False, True])
def test_header_names_in_any_case(v1):
    check({name.title(): value for name, value in sign(v1=v1).items()})
    check({name.upper(): value for name, value in sign(v1=v1).items()})


PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PKCS1 = serialization.PublicFormat.PKCS1


@pytest.mark.parametrize("v1", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        KEY.certificate.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + KEY.certificate + OTHER.certificate,
        KEY.der,
        base64.b64encode(KEY.der),
        base64.encodebytes(KEY.der),
        KEY.bare(PEM),
        KEY.bare(DER),
        base64.b64encode(KEY.bare(DER)) + b"\r\n",
        KEY.bare(PEM, PKCS1),
    ],
)
def test_certificates_in_any_form(content, v1):
    check(sign(v1=v1), certificate=lambda _url: content)
    assert refusal(sign(OTHER, v1=v1), certificate=lambda _url: content) == "signature"


@pytest.mark.parametrize("name", [f"{PREFIX}-v2", PREFIX, f"{PREFIX}-secret"])
@pytest.mark.parametrize("value", ["!", "AAAA", ""])
def test_broken_signature(name, value):
    headers = sign(v1=name != f"{PREFIX}-v2")
    assert refusal({**headers, name: value}) in ("signature", "unsigned")


@pytest.mark.parametrize(
    "url",
    [
        "http://ap-southeast-1-eventbridge.oss-accelerate.aliyuncs.com/c.pem",
        "https://evil-eventbridge.oss-accelerate.aliyuncs.com/c.pem",
        "https://ap-southeast-1-eventbridge.oss-accelerate.aliyuncs.com.evil.example/c.pem",
        "https://evil.example/ap-southeast-1-eventbridge.oss-accelerate.aliyuncs.com",
        "https://ap-southeast-1-eventbridge.oss-accelerate.aliyuncs.com@evil.example/c.pem",
        "https://x@ap-southeast-1-eventbridge.oss-accelerate.aliyuncs.com/c.pem",
        "https://ap-southeast-1-eventbridge.oss-accelerate.aliyuncs.com:8443/c.pem",
        "https://[::1/c.pem",
        "http://127.0.0.1:8026/c.pem",
        "file:///etc/passwd",
    ],
)
def test_certificate_of_another_host(url):
    def fetch(_url):
        raise AssertionError("it must not be fetched")

    assert refusal(sign(certificate=url), certificate=fetch) == "certificate_host"


def test_certificate_of_this_machine_only_in_tests():
    url = "http://127.0.0.1:8026/c.pem"
    check(sign(certificate=url), test_mode=True)
    assert refusal(sign(certificate="http://10.0.0.1/c.pem"), test_mode=True) == "certificate_host"


ELLIPTIC = ec.generate_private_key(ec.SECP256R1()).public_key()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"-----BEGIN CERTIFICATE-----\nx\n",
        b"AAAA",
        b"A",
        b"Not found",
        base64.b64encode(KEY.der)[:-40],
        KEY.certificate[:-200],
        b"\x30\x82",
        ELLIPTIC.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    ],
)
def test_certificate_that_is_none(content):
    assert refusal(sign(), certificate=lambda _url: content) == "certificate"


def test_certificate_out_of_reach():
    def fetch(_url):
        raise OSError("no route")

    assert refusal(sign(), certificate=fetch) == "certificate"


def event(kind="dm:Deliver:Fail", **data):
    return {"id": "e1", "type": kind, "time": "2026-11-01T18:00:00+08:00", "data": data}


def test_reading():
    header = {"X-User-Notify-Mid": "token"}
    data = {"header": header, "rcpt": "a@x.example", "status": "2", "failed_type": "SmtpNxBox"}
    [read] = read_events(json.dumps(event(**data)))
    assert (read.event_id, read.kind, read.token, read.address, read.code) == (
        "e1", "invalid", "token", "a@x.example", "SmtpNxBox",
    )  # fmt: skip
    assert read.occurred_at == datetime(2026, 11, 1, 10, tzinfo=timezone.utc)


@pytest.mark.parametrize("field", ["header", "headers"])
@pytest.mark.parametrize(
    "header",
    [
        {"X-User-Notify-Mid": "token"},
        {"x-user-notify-mid": "token"},
        {"X-USER-NOTIFY-MID": "token", "X-User-Notify-Other": "x"},
        '{"X-User-Notify-Mid": "token"}',
    ],
)
def test_echoed_headers_in_any_form(field, header):
    [read] = read_events(json.dumps(event(**{field: header, "msg_id": "other@x.example"})))
    assert read.token == "token"
    both = {"header": {}, "headers": {}, field: header}
    [read] = read_events(json.dumps(event(**both)))
    assert read.token == "token"


@pytest.mark.parametrize(
    "kind, status, word",
    [
        ("dm:Deliver:Succeed", "0", "delivered"),
        ("dm:Deliver:Fail", 3, "spam"),
        ("dm:Deliver:Fail", "99", "failed"),
        ("dm:Deliver:Fail", float("inf"), "failed"),
        ("dm:Trace:Open", None, "open"),
        ("dm:Trace:Click", None, "click"),
        ("dm:Feedback:UnSubscribe", None, "unsubscribe"),
        ("dm:Feedback:Subscribe", None, "subscribe"),
        ("dm:Validator:GrayListResult", None, "other"),
        ("dm:Deliver:Someday", None, "other"),
    ],
)
def test_kinds(kind, status, word):
    [read] = read_events(json.dumps(event(kind, status=status)))
    assert read.kind == word


def test_complaint_is_known_by_its_message_id():
    data = {"block_email": "a@x.example", "message_id": "<token@mail.example.com>"}
    [read] = read_events(json.dumps(event("dm:Feedback:FblReport", **data)))
    assert (read.kind, read.token, read.address) == ("complaint", "token", "a@x.example")


def test_several_at_once():
    assert len(read_events(json.dumps([event(), event()]))) == 2
    with pytest.raises(PushRefused, match="oversized"):
        read_events(json.dumps([event()] * (BATCH_MAX + 1)))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"3", b'"x"', b"[1]", b"{}", b'{"id": 1}', b"\xff\xfe", b"[" * 100_000],
)
def test_no_events(body):
    with pytest.raises(PushRefused, match="malformed"):
        read_events(body)


@pytest.mark.parametrize(
    "data", [None, [], "x", {"header": []}, {"header": {"x": 1}}, {"headers": "{"}]
)
def test_event_that_says_little(data):
    [read] = read_events(json.dumps({"id": "1", "type": "dm:Deliver:Fail", "data": data}))
    assert (read.kind, read.token, read.address, read.occurred_at) == ("failed", "", "", None)


def describe(*events):
    body = json.dumps(events).encode()
    options = {
        "urls": [URL],
        "token": "token",
        "certificate": lambda _url: KEY.certificate,
        "now": NOW,
        "test_mode": False,
    }
    return describe_push(sign(body=body), body, **options)


def test_forms_of_a_push():
    found = describe(event(headers={"X-User-Notify-Mid": "token"}))
    assert found == {
        "signature": "rsa",
        "signature_newline": "no",
        "certificate_encoding": "pem",
        "certificate_content": "certificate",
        "echo_field": "headers",
        "echo_names": "sent",
    }


@pytest.mark.parametrize(
    "data", [None, [], "x", {"header": [1]}, {"header": 1}, {"header": "free text"}]
)
def test_forms_of_a_push_whose_first_event_says_little(data):
    """`read_events` accepts such an event, so that First contact has to bear it too."""
    odd = {"id": "1", "type": "dm:Trace:Open", "data": data}
    found = describe(odd, event(headers={"x-user-notify-mid": "token"}))
    assert (found["echo_field"], found["echo_names"]) == ("headers", "lower")


def test_forms_of_a_push_whose_header_is_no_json():
    found = describe(event(header="free text", headers='{"x-user-notify-mid": "token"}'))
    assert (found["echo_field"], found["echo_names"]) == ("headers", "lower")
