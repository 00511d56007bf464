# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Mail addresses: one spelling per mailbox, and a masked form for logs and lists."""

import re
import unicodedata

from ..directmail.const import ADDRESS_MAX

# A normalised address. No look-ahead or other Python-only syntax: PostgreSQL's ``~`` reads the
# same pattern in the same way.
ADDRESS_PATTERN = (
    r"^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])$"
)
_ADDRESS = re.compile(ADDRESS_PATTERN)
LOCAL_MAX = 64  # RFC 5321, 4.5.3.1.1
LABEL_MAX = 63  # RFC 1035, 2.3.4

# Domains in other scripts. PostgreSQL reads both patterns in the same way in
# `directmail_ascii_address` (engine/idn.py), which returns the same as normalise().
#: ignored in domain names (Unicode TS #46)
IDN_IGNORED = "[\\u00AD\\u034F\\u180B-\\u180D\\u200B\\u2060\\uFE00-\\uFE0F\\uFEFF]"
#: not allowed in a domain: characters other than letters, digits and marks, or invisible ones
IDN_REFUSED = (
    "[\\u0080-\\u00B6\\u00B8-\\u00BF\\u00D7\\u00F7\\u2000-\\u206F\\u20A0-\\u20CF\\u2190-\\u2BFF"
    "\\u2FF0-\\u3004\\uE000-\\uF8FF\\uFFF0-\\uFFFF]"
)
_IDN_IGNORED, _IDN_REFUSED = re.compile(IDN_IGNORED), re.compile(IDN_REFUSED)


def normalise(address: str | None) -> str | None:
    """Return ``address`` stripped and in lower case, or None if it is not a mail address.

    Takes the bare address only (no "Name <a@b>"). DirectMail takes ASCII of at most 192
    characters, so a domain in another script becomes punycode ("xn--..."): both spellings reach
    the same mailbox. A local part in another script can't be mailed.
    """
    text = (address or "").strip()
    if not text.isascii():
        text = _write_in_ascii(text) or ""
    # Before lower(), which turns a few non-ASCII letters (the Kelvin sign) into ASCII letters.
    if not text or not text.isascii() or len(text) > ADDRESS_MAX:
        return None
    text = text.lower()
    if not _ADDRESS.fullmatch(text):
        return None
    local, domain = text.split("@")
    if len(local) > LOCAL_MAX or max(map(len, domain.split("."))) > LABEL_MAX:
        return None
    return text


def _write_in_ascii(address: str) -> str | None:
    """Return an address with its domain in punycode, or None if it has none."""
    local, at, domain = address.partition("@")
    if not local.isascii() or len(domain) > ADDRESS_MAX:
        return None
    domain = unicodedata.normalize("NFKC", _IDN_IGNORED.sub("", domain).lower())
    domain = unicodedata.normalize("NFKC", domain.lower()).replace("\u3002", ".")
    if _IDN_REFUSED.search(domain):
        return None
    return local + at + ".".join(map(_write_label, domain.split(".")))


def _write_label(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def spell(address: str) -> set[str]:
    """Return the spellings of a normalised address: in ASCII, and in the domain's own script."""
    local, at, domain = address.partition("@")
    labels = [_read_label(label) for label in domain.split(".")]
    return {address, local + at + ".".join(labels)}


def _read_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label.removeprefix("xn--").encode().decode("punycode")
    except UnicodeError:
        return label


def mask(address: str | None) -> str:
    """Return ``address`` with its local part hidden: "j***@example.com". For logs and lists."""
    local, at, domain = (address or "").strip().rpartition("@")
    if not at:
        return "***"
    shown = local[:1] if len(local) > 2 else ""
    return f"{shown}***@{domain}"


# Anything in a text that could be a mail address, bounce addresses (a=b.com@...) included.
_ANY_ADDRESS = re.compile(r"[^\s<>\"'(),;:\[\]]+@[^\s<>\"'(),;:\[\]]+")


def scrub(text: str | None, address: str = "") -> str:
    """Return a text from outside with every address, ``address`` in particular, replaced by ***.

    Mail servers quote the recipient in their answers, whole or only the local part.
    """
    if not text:
        return ""
    text = _ANY_ADDRESS.sub("***", text)
    local, _at, domain = address.rpartition("@")
    for part in (f"{local}={domain}", local):
        # Skip most texts: compiling a pattern per address is the costliest step of a pushed event.
        if text.isascii() and part.lower() not in text.lower():
            continue
        # A local part of one or two letters would match inside ordinary text.
        if len(part) > 2:
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "***", text, flags=re.IGNORECASE)
    return text
