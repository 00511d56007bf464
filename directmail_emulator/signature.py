"""Checking request signatures: ACS3-HMAC-SHA256 and the older HMAC-SHA1 form.

Everything here is pure: text in, text or an `ApiError` out. The forms are those that SDK 1.11.1
(with tea-openapi 0.4.6) produces, recomputed independently of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from binascii import a2b_qp
from datetime import datetime, timezone
from urllib.parse import quote, unquote_to_bytes

from .errors import ApiError

ACS3 = "ACS3-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    r"ACS3-HMAC-SHA256 Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})"
)
#: headers that have to be signed whenever they are there, besides all that start with "x-acs-"
_ALWAYS_SIGNED = ("host", "content-type")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z", re.ASCII)


_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def pairs(raw):
    """The decoded (name, value) pairs of a query string or form body, which is given as bytes.

    Bytes that are no UTF-8 become lone surrogates, so that the signature is checked over exactly
    what was sent; nothing can store them as text.
    """
    found = []
    for part in raw.split(b"&"):
        if part:
            name, _sign, value = part.partition(b"=")
            found.append((_decoded(name), _decoded(value)))
    return found


def _decoded(raw):
    raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        if _NO_ESCAPE.search(raw):
            raw = unquote_to_bytes(raw)
        else:
            # Quoted-printable is percent-encoding with another sign, and the standard library
            # decodes it in C: four times as fast for a mail's body, which is most of the work.
            raw = a2b_qp(raw.replace(b"=", b"=3D").replace(b"%", b"="))
    return raw.decode("utf-8", "surrogateescape")


def encode(text):
    """Percent-encoding as the signature wants it (RFC 3986)."""
    return quote(text, safe="~", errors="surrogateescape")


def canonical_query(items):
    return "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(items))


def parse_authorization(header):
    """``(access key id, [signed header names], signature)`` of an ACS3 header.

    :raises ApiError: IncompleteSignature, when it has another form
    """
    found = _AUTHORIZATION.fullmatch(header or "")
    if not found:
        raise ApiError("IncompleteSignature")
    key, names, signature = found.groups()
    return key, names.split(";"), signature


def acs3_signature(secret, method, path, query_items, headers, signed_names, body_hash):
    """The signature that a request should carry.

    :param headers: object with ``getall(name, default)``, names in any case
    :param body_hash: lower-case hex SHA-256 of the body as it arrived
    """
    lines = "".join(
        f"{name}:{','.join(sorted(value.strip() for value in headers.getall(name, ())))}\n"
        for name in signed_names
    )
    canonical = "\n".join(
        (method, path, canonical_query(query_items), lines, ";".join(signed_names), body_hash)
    )
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return hmac.new(secret.encode(), f"{ACS3}\n{digest}".encode(), hashlib.sha256).hexdigest()


def check_acs3(secret, method, path, query_items, headers, signed_names, signature, body):
    """Compare a request with its signature.

    :raises ApiError: SignatureDoesNotMatch; IncompleteSignature when a header that has to be
        signed is not
    """
    names = set(signed_names)
    present = {name.lower() for name in headers}
    needed = {name for name in present if name.startswith("x-acs-") or name in _ALWAYS_SIGNED}
    if needed - names:
        raise ApiError("IncompleteSignature", f"Not signed: {', '.join(sorted(needed - names))}.")
    if signed_names != sorted(names):
        raise ApiError("IncompleteSignature", "SignedHeaders are not sorted.")
    body_hash = hashlib.sha256(body).hexdigest()
    expected = acs3_signature(secret, method, path, query_items, headers, signed_names, body_hash)
    stated = headers.get("x-acs-content-sha256", "")
    if not hmac.compare_digest(expected, signature) or stated != body_hash:
        raise ApiError("SignatureDoesNotMatch")


def check_hmac_sha1(secret, method, items):
    """Compare an old-style request, whose signature is among its parameters.

    :param items: every (name, value) pair of query and form body, the signature included
    :raises ApiError: SignatureDoesNotMatch, IncompleteSignature
    """
    stated = [value for name, value in items if name == "Signature"]
    if len(stated) != 1:
        raise ApiError("IncompleteSignature")
    rest = [item for item in items if item[0] != "Signature"]
    text = f"{method}&%2F&{encode(canonical_query(rest))}"
    digest = hmac.new(
        f"{secret}&".encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha1
    ).digest()
    if not hmac.compare_digest(base64.b64encode(digest), stated[0].encode("ascii", "replace")):
        raise ApiError("SignatureDoesNotMatch")


def check_date(text, now, window):
    """Check that a request's date is well formed and within ``window`` seconds of ``now``.

    :returns: the date in epoch seconds
    :raises ApiError: InvalidTimeStamp.Format, InvalidTimeStamp.Expired
    """
    found = _DATE.fullmatch(text or "")
    if not found:
        raise ApiError("InvalidTimeStamp.Format")
    try:
        moment = datetime(*map(int, found.groups()), tzinfo=timezone.utc).timestamp()
    except ValueError:
        raise ApiError("InvalidTimeStamp.Format") from None
    if abs(now - moment) > window:
        raise ApiError("InvalidTimeStamp.Expired")
    return moment
