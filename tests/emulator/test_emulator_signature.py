"""The signature check, tested with requests that the real SDK made."""

import re
import socket
import threading
from urllib.parse import quote

import pytest
from alibabacloud_dm20151123 import models

from tests.emulator.common.calls import Account, post, raw_exchange, send_fields, signed_request


class Recorder:
    """A listener that takes down what one SDK call sends, and hangs up."""

    def __init__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.data = b""

    def record(self, function, *arguments):
        thread = threading.Thread(target=self._take)
        thread.start()
        with pytest.raises(Exception, match="."):
            function(*arguments)
        thread.join(5)
        self._listening.close()
        return self.data

    def _take(self):
        connection, _address = self._listening.accept()
        with connection:
            while b"\r\n\r\n" not in self.data:
                self.data += connection.recv(65536)
            head, _gap, body = self.data.partition(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            while len(body) < length:
                body += connection.recv(65536)
            self.data = head + b"\r\n\r\n" + body


def sdk_request(account, method="single_send_mail", token=None, **fields):
    """The bytes of a request that the SDK signs for this account's emulator.

    The SDK signs the host it connects to, so it is told the emulator's name and sent, by way of
    a proxy setting, to the recorder.
    """
    recorder = Recorder()
    client = account.client(http_proxy=f"http://{recorder.endpoint}", token=token)
    request = getattr(models, "".join(p.capitalize() for p in method.split("_")) + "Request")
    data = recorder.record(getattr(client, method), request(**fields))
    # a proxy's request line has the whole address
    return data.replace(f"http://{account.endpoint}/".encode(), b"/", 1)


def split(data):
    head, _gap, body = data.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    return line, headers, body


def join(line, headers, body):
    headers = [header for header in headers if not header.lower().startswith(b"connection:")]
    return b"\r\n".join([line, *headers, b"Connection: close"]) + b"\r\n\r\n" + body


def answer(account, data):
    """``(HTTP status, error code or "")`` of raw bytes."""
    received = raw_exchange(account.endpoint, data)
    status = int(received.split(b" ", 2)[1])
    code = re.search(rb'"Code": "([^"]+)"', received)
    return status, code[1].decode() if code else ""


def changed(text):
    """The text with its middle byte replaced by another letter or digit."""
    middle = len(text) // 2
    while not chr(text[middle]).isalnum():
        middle += 1
    other = b"B" if text[middle : middle + 1] != b"B" else b"C"
    if chr(text[middle]).isdigit():
        other = b"1" if text[middle : middle + 1] != b"1" else b"2"
    return text[:middle] + other + text[middle + 1 :]


SUBJECT = "你好 +*~ %/?&= 'x'"
BODY_FIELDS = send_fields(subject=SUBJECT, html_body="<p>" + SUBJECT + "</p>")


def test_the_recorded_request_itself_is_taken(account):
    assert answer(account, join(*split(sdk_request(account, **BODY_FIELDS)))) == (200, "")
    assert account.ledger()[0]["subject"] == SUBJECT
    query = sdk_request(account, "create_tag", tag_name="tag", tag_description=SUBJECT)
    assert answer(account, join(*split(query))) == (200, "")
    assert account.call("query_tag_by_param").data.tag[0].tag_description == SUBJECT


#: header -> the code when one byte of its value is changed
SIGNED = {
    "host": "SignatureDoesNotMatch",
    "x-acs-version": "InvalidVersion",
    "x-acs-action": "InvalidApi.NotFound",
    "user-agent": "SignatureDoesNotMatch",
    "x-acs-date": "InvalidTimeStamp",
    "x-acs-signature-nonce": "SignatureDoesNotMatch",
    "accept": "SignatureDoesNotMatch",
    "content-type": "SignatureDoesNotMatch",
    "x-acs-content-sha256": "SignatureDoesNotMatch",
    "x-acs-credentials-provider": "SignatureDoesNotMatch",
}


def test_the_sdk_signs_these_headers(account):
    data = sdk_request(account, **BODY_FIELDS)
    names = re.search(rb"SignedHeaders=([^,]+),", data)[1].decode().split(";")
    assert set(names) == set(SIGNED)


@pytest.mark.parametrize("name", SIGNED)
def test_one_byte_of_a_signed_header(account, name):
    line, headers, body = split(sdk_request(account, **BODY_FIELDS))
    place = next(
        i for i, header in enumerate(headers) if header.lower().startswith(name.encode() + b":")
    )
    key, _colon, value = headers[place].partition(b":")
    headers[place] = key + b": " + changed(value.strip())
    assert headers[place] != key + b": " + value.strip()
    status, code = answer(account, join(line, headers, body))
    assert code.startswith(SIGNED[name]) and status in (400, 404)
    assert account.ledger() == []


def test_a_header_that_is_left_out_or_added(account):
    line, headers, body = split(sdk_request(account, **BODY_FIELDS))
    without = [header for header in headers if not header.lower().startswith(b"accept:")]
    assert answer(account, join(line, without, body))[1] == "SignatureDoesNotMatch"
    added = headers + [b"x-acs-extra: 1"]
    assert answer(account, join(line, added, body))[1] == "IncompleteSignature"
    assert account.ledger() == []


def test_one_byte_of_the_body(account):
    line, headers, body = split(sdk_request(account, **BODY_FIELDS))
    for position in (0, len(body) // 2, len(body) - 1):
        other = body[:position] + (b"x" if body[position] != 120 else b"y") + body[position + 1 :]
        assert answer(account, join(line, headers, other))[1] == "SignatureDoesNotMatch"
    assert account.ledger() == []


def test_one_byte_of_the_query(account):
    line, headers, body = split(
        sdk_request(account, "create_tag", tag_name="tag", tag_description=SUBJECT)
    )
    method, address, version = line.split(b" ")
    for old, new in ((b"TagName", b"TagNama"), (b"=tag", b"=tog"), (b"%E4", b"%E5")):
        assert old in address
        other = b" ".join((method, address.replace(old, new, 1), version))
        assert answer(account, join(other, headers, body))[1] == "SignatureDoesNotMatch"
    more = b" ".join((method, address + b"&A=", version))
    assert answer(account, join(more, headers, body))[1] == "SignatureDoesNotMatch"
    assert account.call("query_tag_by_param").total_count == 0


def test_method_and_path(account):
    line, headers, body = split(sdk_request(account, "query_tag_by_param"))
    assert line.startswith(b"POST / ")
    assert answer(account, join(b"GET / HTTP/1.1", headers, body))[1] == "SignatureDoesNotMatch"
    assert answer(account, join(b"POST /x HTTP/1.1", headers, body))[1] == "InvalidApi.NotFound"
    assert answer(account, join(b"PUT / HTTP/1.1", headers, body))[1] == "InvalidApi.NotFound"
    assert answer(account, join(line, headers, body)) == (200, "")


@pytest.mark.parametrize(
    "part, code",
    [
        (rb"Signature=([0-9a-f]{64})", "SignatureDoesNotMatch"),
        (rb"Credential=([^,]+)", "InvalidAccessKeyId.NotFound"),
        (rb"SignedHeaders=([^,]+)", "IncompleteSignature"),
        (rb"(ACS3)", "IncompleteSignature"),
    ],
)
def test_one_byte_of_the_authorization(account, part, code):
    line, headers, body = split(sdk_request(account, **BODY_FIELDS))
    place = next(i for i, header in enumerate(headers) if header.startswith(b"Authorization"))
    found = re.search(part, headers[place])
    start, end = found.span(1)
    value = (
        changed(found[1])
        if b"Signature=" not in part
        else (found[1][:-1] + (b"0" if found[1][-1:] != b"0" else b"1"))
    )
    headers[place] = headers[place][:start] + value + headers[place][end:]
    assert answer(account, join(line, headers, body))[1] == code
    assert account.ledger() == []


@pytest.mark.parametrize(
    "name, code",
    [
        ("x-acs-security-token", "InvalidSecurityToken.Malformed"),
        ("x-acs-accesskey-id", "SignatureDoesNotMatch"),
    ],
)
def test_one_byte_of_temporary_credentials(emulator, account, name, code):
    key = f"STS.{account.key}"
    account.configure(temporary_keys=[{"access_key_id": key, "secret": "s", "token": "token"}])
    temporary = Account(emulator, key, "s", token="token")
    data = sdk_request(temporary, token="token", **BODY_FIELDS)
    line, headers, body = split(data)
    place = next(
        i for i, header in enumerate(headers) if header.lower().startswith(name.encode() + b":")
    )
    good = list(headers)
    before, _colon, value = headers[place].partition(b":")
    headers[place] = before + b": " + changed(value.strip())
    assert answer(account, join(line, headers, body))[1] == code
    assert answer(account, join(line, good, body)) == (200, "")


def test_a_nonce_is_taken_once(account):
    line, headers, body = split(sdk_request(account, **BODY_FIELDS))
    data = join(line, headers, body)
    assert answer(account, data) == (200, "")
    assert answer(account, data) == (400, "SignatureNonceUsed")
    assert len(account.ledger()) == 1


def test_a_nonce_is_refused_after_a_kill_too(directmail):
    account = Account(directmail)
    data = join(*split(sdk_request(account, **BODY_FIELDS)))
    assert answer(account, data) == (200, "")
    directmail.kill()
    directmail.start()
    assert answer(account, data) == (400, "SignatureNonceUsed")


def test_the_nonce_check_can_be_switched_off(directmail):
    account = Account(directmail)
    directmail.change_settings({"protocol": {"check_nonce": False}})
    data = join(*split(sdk_request(account, **BODY_FIELDS)))
    assert [answer(account, data)[0] for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "date, code",
    [
        ("2020-01-01T00:00:00Z", "InvalidTimeStamp.Expired"),
        ("2999-01-01T00:00:00Z", "InvalidTimeStamp.Expired"),
        ("2026-13-01T00:00:00Z", "InvalidTimeStamp.Format"),
        ("yesterday", "InvalidTimeStamp.Format"),
        ("", "InvalidTimeStamp.Format"),
    ],
)
def test_dates(account, date, code):
    request = post(account, "QueryTagByParam", headers={"x-acs-date": date})
    assert request.json()["Code"] == code


@pytest.mark.parametrize("value", ["a+b", "a b", "a*b~c", "你好", "%41", "a&b=c", "", "é" * 50])
def test_percent_encoding(account, value):
    """Requests signed by code that is neither the SDK's nor the emulator's."""
    tag = account.call("create_tag", tag_name="t").tag_id
    answered = post(account, "ModifyTag", {"TagId": tag, "TagName": "t", "TagDescription": value})
    assert answered.status_code == 200, answered.text
    assert account.call("query_tag_by_param").data.tag[0].tag_description == value


@pytest.mark.parametrize(
    "headers, code",
    [
        ({"x-acs-version": ""}, "MissingParameter"),
        ({"x-acs-version": "2016-08-25"}, "InvalidVersion"),
        ({"x-acs-action": "ApproveTemplate"}, "InvalidApi.NotFound"),
        ({"x-acs-signature-nonce": ""}, "MissingParameter"),
    ],
)
def test_headers_with_a_right_signature_but_wrong(account, headers, code):
    assert post(account, "QueryTagByParam", headers=headers).json()["Code"] == code


def test_a_stated_body_hash_that_is_wrong_though_signed(account):
    answered = post(
        account, "CreateTag", body=b"TagName=t", headers={"x-acs-content-sha256": "0" * 64}
    )
    assert answered.json()["Code"] == "SignatureDoesNotMatch"


def test_body_and_query_mean_the_same_and_the_body_wins(account):
    account.configure(settings={"protocol": {"parameter_places": "accept"}})
    body = f"TagDescription={quote('from body')}&TagName=t".encode()
    post(account, "CreateTag", {"TagName": "other"}, body=body)
    tag = account.call("query_tag_by_param").data.tag[0]
    assert (tag.tag_name, tag.tag_description) == ("t", "from body")


def test_a_request_line_of_half_a_megabyte_and_more(account):
    text = "x" * (1024 * 1024)
    request = signed_request(
        account,
        "CreateTemplate",
        {"TemplateName": "n", "TemplateSubject": "s", "TemplateText": text},
    )
    assert len(request.url) > 1024 * 1024
    answered = post(
        account,
        "CreateTemplate",
        {"TemplateName": "n", "TemplateSubject": "s", "TemplateText": text},
    )
    number = answered.json()["TemplateId"]
    assert len(account.call("desc_template", template_id=number).template_text) == 1024 * 1024


def test_old_signature_with_one_byte_changed(account):
    recorder = Recorder()
    client = account.client(http_proxy=f"http://{recorder.endpoint}", signature_algorithm="v2")
    data = recorder.record(client.single_send_mail, models.SingleSendMailRequest(**BODY_FIELDS))
    line, headers, body = split(data.replace(f"http://{account.endpoint}/".encode(), b"/", 1))
    assert b"Signature=" in line
    for old, new in (
        (b"SignatureNonce=", b"SignatureNonce=a"),
        (b"Format=json", b"Format=jsom"),
        (b"&Signature=", b"&Signature=a"),
    ):
        assert old in line
        assert answer(account, join(line.replace(old, new, 1), headers, body))[1] == (
            "SignatureDoesNotMatch"
        )
    changed_body = body.replace(b"Subject=", b"Subject=x", 1)
    headers = [header for header in headers if not header.lower().startswith(b"content-length")]
    wrong = join(line, headers + [b"Content-Length: %d" % len(changed_body)], changed_body)
    assert answer(account, wrong)[1] == "SignatureDoesNotMatch"
    right = join(line, headers + [b"Content-Length: %d" % len(body)], body)
    assert account.ledger() == [] and answer(account, right) == (200, "")
