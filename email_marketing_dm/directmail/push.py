# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Verifies and reads the events that EventBridge pushes.

Signatures follow the help page on EventBridge's HTTP targets. Where it and Alibaba's own verifier
differ, both forms are accepted; they prove the same. A genuine signature only proves that
EventBridge sent the push to this address: a rule of any customer of Alibaba Cloud can do that. The
token proves that the push comes from *our* rule.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .certificates import read_public_key
from .const import DETAIL_STATUS, REGIONS
from .records import as_int, as_text, as_time

BODY_MAX = 1024 * 1024  # bytes; one event has 1,000 to 2,000
BATCH_MAX = 1000  # events in one push
CERTIFICATE_MAX = 64 * 1024  # bytes
WINDOW = 60  # seconds that a push's time may differ from ours
# Exact names: other buckets on this service belong to other customers.
CERTIFICATE_HOSTS = frozenset(
    f"{region}-eventbridge.oss-accelerate.aliyuncs.com" for region, _endpoint in REGIONS
)
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
PREFIX = "x-eventbridge-"
NOTIFY_HEADER = "x-user-notify-mid"  # carries the mail's token; compared in lower case
# Ending of the signed text behind the body: none by the help page's formula, a newline in Alibaba's
# own verifier. Public verifiers try both.
ENDINGS = (b"", b"\n")

# Event type -> PushedEvent.kind; for deliveries const.DETAIL_STATUS is more exact.
KINDS = {
    "dm:Deliver:Succeed": "delivered",
    "dm:Deliver:Fail": "failed",
    "dm:Trace:Open": "open",
    "dm:Trace:Click": "click",
    "dm:Feedback:UnSubscribe": "unsubscribe",
    "dm:Feedback:Subscribe": "subscribe",
    "dm:Feedback:FblReport": "complaint",
}


class PushRefused(Exception):
    """A push that is not accepted. ``reason`` is one of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


REASONS = (
    "oversized",
    "unsigned",
    "expired",
    "token",
    "certificate_host",
    "certificate",
    "signature",
    "malformed",
)


@dataclass(frozen=True)
class PushedEvent:
    """One event; a missing text is "", a missing time None.

    :ivar kind: "delivered", "invalid", "spam", "failed", "open", "click", "unsubscribe",
        "subscribe", "complaint", or "other"
    :ivar token: the mail's header X-User-Notify-Mid, else the local part of its Message-ID
    :ivar address: the recipient's, not normalized
    :ivar esp: mailbox provider of the recipient, perhaps a domain
    """

    event_id: str
    type: str
    kind: str
    occurred_at: datetime | None
    token: str
    address: str
    tag: str
    code: str
    message: str
    user_agent: str
    esp: str = ""


def verify(
    headers: Mapping[str, str],
    body: bytes,
    *,
    urls: Iterable[str],
    token: str,
    certificate: Callable[[str], bytes],
    now: float,
    test_mode: bool = False,
    endings: Iterable[bytes] = ENDINGS,
) -> None:
    """Check that EventBridge sent a push within WINDOW seconds, by our rule, to this address.

    :param headers: names in any case
    :param body: as received
    :param urls: spellings of the address that was called
    :param token: the token of our rule
    :param certificate: function from a URL to the certificate's bytes, called for allowed hosts
        only; raises OSError
    :param now: epoch seconds
    :param test_mode: also accept certificates from this machine
    :param endings: accepted endings of the signed text behind the body
    :raise PushRefused: unsigned, expired, or not genuine
    """
    headers = {name.lower(): value for name, value in headers.items()}
    stamp = as_text(headers.get(f"{PREFIX}signature-timestamp"))
    source = as_text(headers.get(f"{PREFIX}signature-url"))
    if not stamp or not source:
        raise PushRefused("unsigned")
    moment = as_time(stamp)
    if not stamp.isdigit() or moment is None or abs(now - moment.timestamp()) > WINDOW:
        raise PushRefused("expired")
    said = as_text(headers.get(f"{PREFIX}signature-token"))
    if not hmac.compare_digest(said.encode(), token.encode()):
        raise PushRefused("token")
    key = _public_key(source, certificate, test_mode)
    if headers.get(f"{PREFIX}signature-v2"):
        check, method = _check_rsa, "hash-method"
    elif headers.get(f"{PREFIX}signature"):
        check, method = _check_hmac, "signature-method"
    else:
        raise PushRefused("unsigned")
    texts = (_signed_text(url, headers, method, body) for url in urls)
    if not any(check(key, headers, text + ending) for text in texts for ending in endings):
        raise PushRefused("signature")


def read_events(body: str | bytes) -> list[PushedEvent]:
    """Return the PushedEvents in a body: a CloudEvent in JSON, or a list of them.

    An event of an unlisted type is kept with the kind "other".

    :raise PushRefused: not JSON, not a CloudEvent, or too many
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise PushRefused("malformed") from None
    rows = data if isinstance(data, list) else [data]
    if len(rows) > BATCH_MAX:
        raise PushRefused("oversized")
    return [_read_event(row) for row in rows]


def _read_event(row: object) -> PushedEvent:
    if not isinstance(row, dict) or not as_text(row.get("id")) or not as_text(row.get("type")):
        raise PushRefused("malformed")
    content = row.get("data")
    data: dict[str, object] = content if isinstance(content, dict) else {}
    kind = KINDS.get(as_text(row["type"]), "other")
    if as_text(row["type"]).startswith("dm:Deliver:"):
        kind = DETAIL_STATUS.get(as_int(data.get("status"), -1), kind)
    echo = find_echo(data)
    message_id = as_text(data.get("msg_id") or data.get("message_id")).strip("<>")
    return PushedEvent(
        event_id=as_text(row["id"]),
        type=as_text(row["type"]),
        kind=kind,
        occurred_at=as_time(row.get("time")),
        token=echo[2] if echo and echo[2] else message_id.partition("@")[0],
        address=as_text(data.get("rcpt") or data.get("block_email")),
        tag=as_text(data.get("tag")),
        code=as_text(data.get("failed_type") or data.get("err_code")),
        message=as_text(data.get("err_msg")),
        user_agent=as_text(data.get("user_agent")),
        esp=as_text(data.get("esp")),
    )


def find_echo(data: Mapping[str, object]) -> tuple[str, str, str] | None:
    """Return (field, name, value) of the mail's header X-User-Notify-Mid in an event, or None.

    The help page's sample has the headers as an object named "header"; public receivers also read
    "headers", and headers as a JSON text.
    """
    for field in ("header", "headers"):
        headers = data.get(field)
        if isinstance(headers, str):
            try:
                headers = json.loads(headers)
            except (ValueError, RecursionError):
                continue
        if isinstance(headers, dict):
            for name, value in headers.items():
                if name.lower() == NOTIFY_HEADER:
                    return field, name, as_text(value)
    return None


def _public_key(url: str, certificate: Callable[[str], bytes], test_mode: bool) -> RSAPublicKey:
    """Return the RSA key of the certificate at ``url``, on one of CERTIFICATE_HOSTS.

    :raise PushRefused: another host, or no certificate
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise PushRefused("certificate_host") from None
    genuine = parts.scheme == "https" and host in CERTIFICATE_HOSTS and port in (None, 443)
    if parts.username or not (genuine or (test_mode and host in LOOPBACK)):
        raise PushRefused("certificate_host")
    try:
        return read_public_key(certificate(url))
    except (OSError, ValueError):
        raise PushRefused("certificate") from None


def _signed_text(url: str, headers: Mapping[str, str], method: str, body: bytes) -> bytes:
    names = ["signature-timestamp", method, "signature-version", "signature-url"]
    if headers.get(f"{PREFIX}signature-token") is not None:
        names.append("signature-token")
    lines = [f"{PREFIX}{name}: {headers.get(PREFIX + name) or ''}" for name in names]
    return "\n".join([url, *lines]).encode() + b"\n" + body


def _check_rsa(key: RSAPublicKey, headers: Mapping[str, str], text: bytes) -> bool:
    """Check the newer form of signature: RSA over SHA-256."""
    if as_text(headers.get(f"{PREFIX}hash-method")).upper() != "SHA256":
        return False
    signature = _from_base64(headers.get(f"{PREFIX}signature-v2"))
    try:
        key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _check_hmac(key: RSAPublicKey, headers: Mapping[str, str], text: bytes) -> bool:
    """Check the older form: HMAC-SHA1 with a one-time secret encrypted with the private key.

    The public certificate decrypts the secret, so this form proves little by itself; the token in
    the signed text does.
    """
    if not re.fullmatch("hmac-?sha1", as_text(headers.get(f"{PREFIX}signature-method")).lower()):
        return False
    sealed = _from_base64(headers.get(f"{PREFIX}signature-secret"))
    try:
        secret = key.recover_data_from_signature(sealed, padding.PKCS1v15(), None)
    except (InvalidSignature, ValueError):
        return False
    wanted = hmac.digest(secret, text, hashlib.sha1)
    return hmac.compare_digest(_from_base64(headers.get(f"{PREFIX}signature")), wanted)


def _from_base64(text: str | None) -> bytes:
    """Return the decoded bytes, or b"" if ``text`` is not Base64."""
    try:
        return base64.b64decode(as_text(text), validate=True)
    except (binascii.Error, ValueError):
        return b""
