# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""In which of the documented forms a push came that `push.verify` took for genuine."""

import base64
import json
import re

from cryptography import x509

from .push import PREFIX, PushRefused, verify

_NOTIFY = "x-user-notify-mid"
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")


def describe_push(headers, body, **options):
    """Return {behavior: value} of a genuine push.

    :param headers: a mapping; names in any case
    :param bytes body: as received
    :param options: those of `push.verify`
    """
    headers = {name.lower(): value for name, value in headers.items()}
    found = {"signature": "rsa" if headers.get(f"{PREFIX}signature-v2") else "hmac"}
    for ending, value in ((b"\n", "yes"), (b"", "no")):
        if _is_signed(headers, body, ending, options):
            found["signature_newline"] = value
    url = headers.get(f"{PREFIX}signature-url", "")
    return found | _describe_certificate(options["certificate"](url)) | _describe_echo(body)


def _is_signed(headers, body, ending, options):
    """Tell whether the signature is right for the body with just this ending."""
    try:
        verify(headers, body, endings=(ending,), **options)
    except PushRefused:
        return False
    return True


def _describe_certificate(content):
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


def _describe_echo(body):
    """Return where the events of a body have the mail's own header, and how it is written."""
    data = json.loads(body)
    for row in data if isinstance(data, list) else [data]:
        for field in ("header", "headers"):
            names = (row.get("data") or {}).get(field)
            names = json.loads(names) if isinstance(names, str) else names
            for name in names or ():
                if name.lower() == _NOTIFY:
                    written = "lower" if name == _NOTIFY else "sent"
                    return {"echo_field": field, "echo_names": written}
    return {"echo_field": "none"}
