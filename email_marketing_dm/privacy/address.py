# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Mail addresses: one spelling per mailbox, and a form that may be shown."""

import re
import unicodedata

from ..directmail.const import ADDRESS_MAX

# What a normalised address looks like. Written without look-ahead or other Python specialities:
# PostgreSQL's ``~`` reads the same pattern in the same way.
ADDRESS_PATTERN = (
    r"^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])$"
)
_ADDRESS = re.compile(ADDRESS_PATTERN)
LOCAL_MAX = 64  # RFC 5321, 4.5.3.1.1
LABEL_MAX = 63  # RFC 1035, 2.3.4

# Domains in other scripts. PostgreSQL reads both patterns in the same way, in
# `directmail_ascii_address` (see engine/idn.py), which gives the same results as normalise().
#: ignored in domain names (Unicode TS #46)
IDN_IGNORED = "[\\u00AD\\u034F\\u180B-\\u180D\\u200B\\u2060\\uFE00-\\uFE0F\\uFEFF]"
#: characters of a domain that are no letters, digits or marks, or that nobody can see
IDN_REFUSED = (
    "[\\u0080-\\u00B6\\u00B8-\\u00BF\\u00D7\\u00F7\\u2000-\\u206F\\u20A0-\\u20CF\\u2190-\\u2BFF"
    "\\u2FF0-\\u3004\\uE000-\\uF8FF\\uFFF0-\\uFFFF]"
)
_IDN_IGNORED, _IDN_REFUSED = re.compile(IDN_IGNORED), re.compile(IDN_REFUSED)


def normalise(address):
    """Return ``address`` stripped and in lower case, or None where it is no mail address.

    Takes the bare address only (no "Name <a@b>"). DirectMail takes ASCII of at most 192
    characters, so a domain in another script is written as punycode ("xn--..."): both spellings
    are one mailbox. A local part in another script can't be mailed.
    """
    address = (address or "").strip()
    if not address.isascii():
        address = _write_in_ascii(address)
    # Before lower(): it turns a few non-ASCII letters (the Kelvin sign) into ASCII ones.
    if not address or not address.isascii() or len(address) > ADDRESS_MAX:
        return None
    address = address.lower()
    if not _ADDRESS.fullmatch(address):
        return None
    local, domain = address.split("@")
    if len(local) > LOCAL_MAX or max(map(len, domain.split("."))) > LABEL_MAX:
        return None
    return address


def _write_in_ascii(address):
    """Return an address with its domain in punycode, or None where that can't be."""
    local, at, domain = address.partition("@")
    if not local.isascii() or len(domain) > ADDRESS_MAX:
        return None
    domain = unicodedata.normalize("NFKC", _IDN_IGNORED.sub("", domain).lower())
    domain = unicodedata.normalize("NFKC", domain.lower()).replace("\u3002", ".")
    if _IDN_REFUSED.search(domain):
        return None
    return local + at + ".".join(map(_write_label, domain.split(".")))


def _write_label(label):
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def spell(address):
    """Return the spellings of a normalised address: in ASCII, and in the domain's own script."""
    local, at, domain = address.partition("@")
    labels = [_read_label(label) for label in domain.split(".")]
    return {address, local + at + ".".join(labels)}


def _read_label(label):
    if not label.startswith("xn--"):
        return label
    try:
        return label.removeprefix("xn--").encode().decode("punycode")
    except UnicodeError:
        return label


def mask(address):
    """Return ``address`` with its local part hidden: "j***@example.com". For logs and lists."""
    local, at, domain = (address or "").strip().rpartition("@")
    if not at:
        return "***"
    shown = local[:1] if len(local) > 2 else ""
    return f"{shown}***@{domain}"


# Whatever might be a mail address in a text, also in the form of a bounce address (a=b.com@...).
_ANY_ADDRESS = re.compile(r"[^\s<>\"'(),;:\[\]]+@[^\s<>\"'(),;:\[\]]+")


def scrub(text, address=""):
    """Return a text from outside with every address, and above all ``address``, taken out.

    Mail servers quote the recipient in their answers, whole or only the local part.
    """
    if not text:
        return ""
    text = _ANY_ADDRESS.sub("***", text)
    local, _at, domain = address.rpartition("@")
    for part in (f"{local}={domain}", local):
        # Compiling a pattern for each address costs more than all else done to a pushed event.
        if text.isascii() and part.lower() not in text.lower():
            continue
        # A local part of one or two letters stands in every other word.
        if len(part) > 2:
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "***", text, flags=re.IGNORECASE)
    return text
