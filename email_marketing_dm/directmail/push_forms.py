# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Finds out which of the documented forms EventBridge uses, from a push that is genuine."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypedDict

from cryptography import x509

from .push import NOTIFY_HEADER, PREFIX, PushRefused, find_echo, verify

if TYPE_CHECKING:
    from typing_extensions import Unpack

_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")


class VerifyOptions(TypedDict):
    """Keyword parameters of `push.verify`, without ``endings``."""

    urls: list[str]
    token: str
    certificate: Callable[[str], bytes]
    now: float
    test_mode: bool


def describe_push(
    headers: Mapping[str, str], body: bytes, **options: Unpack[VerifyOptions]
) -> dict[str, str]:
    """Return {behavior: value} of a genuine push.

    :param headers: names in any case
    :param body: as received
    :param options: those of `push.verify`
    """
    headers = {name.lower(): value for name, value in headers.items()}
    found = {"signature": "rsa" if headers.get(f"{PREFIX}signature-v2") else "hmac"}
    for ending, value in ((b"\n", "yes"), (b"", "no")):
        if _is_signed(headers, body, ending, options):
            found["signature_newline"] = value
    url = headers.get(f"{PREFIX}signature-url", "")
    return found | _describe_certificate(options["certificate"](url)) | _describe_echo(body)


def _is_signed(
    headers: Mapping[str, str], body: bytes, ending: bytes, options: VerifyOptions
) -> bool:
    """Tell whether the signature is genuine for the body with this ending."""
    try:
        verify(headers, body, endings=(ending,), **options)
    except PushRefused:
        return False
    return True


def _describe_certificate(content: bytes) -> dict[str, str]:
    text = content.strip()
    if b"-----BEGIN" in text:
        encoding, certified = "pem", b"BEGIN CERTIFICATE" in text
    else:
        encoding = "base64" if _BASE64.fullmatch(text) else "der"
        try:
            x509.load_der_x509_certificate(
                base64.b64decode(text) if encoding == "base64" else content
            )
            certified = True
        except ValueError:
            certified = False
    return {
        "certificate_encoding": encoding,
        "certificate_content": "certificate" if certified else "public_key",
    }


def _describe_echo(body: bytes) -> dict[str, str]:
    """Return the field in which a body's events echo the mail's header, and the name's case."""
    rows = json.loads(body)
    for row in rows if isinstance(rows, list) else [rows]:
        data = row.get("data") if isinstance(row, dict) else None
        echo = find_echo(data) if isinstance(data, dict) else None
        if echo:
            field, name, _value = echo
            written = "lower" if name == NOTIFY_HEADER else "sent"
            return {"echo_field": field, "echo_names": written}
    return {"echo_field": "none"}
