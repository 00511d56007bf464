# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Events that EventBridge pushes: whether one is genuine, and what it says.

Signatures follow the help page on EventBridge's HTTP targets. Where it and Alibaba's own verifier
differ, either form is accepted; each proves the same. A genuine signature only says that
EventBridge sent it, to this address: any customer of Alibaba Cloud may have it do so. That it
comes from *our* rule is what the token says.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from .certificates import read_public_key
from .const import DETAIL_STATUS, REGIONS
from .records import as_int, as_text, as_time

BODY_MAX = 1024 * 1024  # bytes; an event has one or two thousand
BATCH_MAX = 1000  # events in one push
CERTIFICATE_MAX = 64 * 1024  # bytes
WINDOW = 60  # seconds
# Buckets of other names on this service belong to other customers.
CERTIFICATE_HOSTS = frozenset(
    f"{region}-eventbridge.oss-accelerate.aliyuncs.com" for region, _endpoint in REGIONS
)
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
PREFIX = "x-eventbridge-"
# What follows the body in the signed text: nothing by the help page's formula, a newline in
# Alibaba's own verifier. Public verifiers try both.
ENDINGS = (b"", b"\n")

# Event type -> our word; of deliveries the status says more.
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
    """A push that changes nothing. ``reason`` is one of REASONS."""

    def __init__(self, reason):
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
    """One event; texts are empty and times None where it doesn't say.

    :ivar kind: "delivered", "invalid", "spam", "failed", "open", "click", "unsubscribe",
        "subscribe", "complaint", or "other"
    :ivar token: what we sent along in X-User-Notify-Mid, else the local part of our Message-ID
    :ivar address: the recipient's, not normalised
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


def verify(
    headers, body, *, urls, token, certificate, now, test_mode=False, endings=ENDINGS
):
    """Check that EventBridge sent this a moment ago, by our rule, to this very address.

    :param headers: a mapping; names in any case
    :param bytes body: as received
    :param urls: spellings of the address that was called
    :param str token: what the rule must say
    :param certificate: function from a URL to the certificate's bytes, called for allowed hosts
        only; raises OSError
    :param float now: epoch seconds
    :param bool test_mode: take certificates from this machine too
    :param endings: what may stand behind the body in the signed text
    :raise PushRefused: not so
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


def read_events(body):
    """Return the PushedEvents in a body: a CloudEvent in JSON, or a list of them.

    Types that nobody knows are "other"; that is no error.

    :raise PushRefused: it is something else
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise PushRefused("malformed") from None
    rows = data if isinstance(data, list) else [data]
    if len(rows) > BATCH_MAX:
        raise PushRefused("oversized")
    return [_read_event(row) for row in rows]


def _read_event(row):
    if not isinstance(row, dict) or not as_text(row.get("id")) or not as_text(row.get("type")):
        raise PushRefused("malformed")
    data = row.get("data")
    data = data if isinstance(data, dict) else {}
    kind = KINDS.get(as_text(row["type"]), "other")
    if as_text(row["type"]).startswith("dm:Deliver:"):
        kind = DETAIL_STATUS.get(as_int(data.get("status"), -1), kind)
    message_id = as_text(data.get("msg_id") or data.get("message_id")).strip("<>")
    return PushedEvent(
        event_id=as_text(row["id"]),
        type=as_text(row["type"]),
        kind=kind,
        occurred_at=as_time(row.get("time")),
        token=_get_notified(data) or message_id.partition("@")[0],
        address=as_text(data.get("rcpt") or data.get("block_email")),
        tag=as_text(data.get("tag")),
        code=as_text(data.get("failed_type") or data.get("err_code")),
        message=as_text(data.get("err_msg")),
        user_agent=as_text(data.get("user_agent")),
    )


def _get_notified(data):
    """Return our own X-User-Notify-Mid as DirectMail echoes it, or "".

    The help page's sample has the headers as an object named "header"; public receivers also read
    "headers", and texts of JSON.
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
                if name.lower() == "x-user-notify-mid":
                    return as_text(value)
    return ""


def _public_key(url, certificate, test_mode):
    """Return the RSA key of the certificate at ``url``, which must be where EventBridge's are."""
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


def _signed_text(url, headers, method, body):
    names = ["signature-timestamp", method, "signature-version", "signature-url"]
    if headers.get(f"{PREFIX}signature-token") is not None:
        names.append("signature-token")
    lines = [f"{PREFIX}{name}: {headers.get(PREFIX + name) or ''}" for name in names]
    return "\n".join([url, *lines]).encode() + b"\n" + body


def _check_rsa(key, headers, text):
    """The newer form: RSA over SHA-256."""
    if as_text(headers.get(f"{PREFIX}hash-method")).upper() != "SHA256":
        return False
    signature = _from_base64(headers.get(f"{PREFIX}signature-v2"))
    try:
        key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _check_hmac(key, headers, text):
    """The older form: HMAC-SHA1 with a passing secret that is encrypted with the private key.

    Everybody can read that secret with the certificate, so this form proves little by itself; the
    token in the signed text does.
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


def _from_base64(text):
    try:
        return base64.b64decode(as_text(text), validate=True)
    except (binascii.Error, ValueError):
        return b""
