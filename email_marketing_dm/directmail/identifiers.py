# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The IDs by which people are found in an uploaded list: one spelling for each."""

import re

from .address import normalise

#: kind -> what it is, in the words of the user interface (translated there)
KINDS = ("contact", "reference", "external", "email", "encrypted", "phone", "md5", "sha256")
VALUE_MAX = 1024  # characters of an ID that are kept

_NUMBER = re.compile(r"[0-9]{1,9}")
_EXTERNAL = re.compile(r"[\w-]+\.[\w.-]+")
_DIGEST = {"md5": re.compile(r"[0-9a-f]{32}"), "sha256": re.compile(r"[0-9a-f]{64}")}
_NOT_DIGIT = re.compile(r"[^0-9]")
# "Name <a@b.com>", as mail programs export it
_NAMED = re.compile(r".*<([^<>]+)>\s*", re.DOTALL)
PHONE_DIGITS_MIN = 6
# Cells that spreadsheets run as formulas (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def match_key(kind, value):
    """Return the text by which an ID is compared with contacts; None where it can't be one.

    Of encrypted addresses and of phone numbers with a country the caller knows more.

    :param str kind: one of KINDS
    """
    value = value.strip()
    if not value or len(value) > VALUE_MAX:
        return None
    if kind == "email":
        named = _NAMED.fullmatch(value)
        return normalise(named[1] if named else value)
    if kind == "contact":
        return str(int(value)) if _NUMBER.fullmatch(value) else None
    if kind == "external":
        return value if _EXTERNAL.fullmatch(value) else None
    if kind in _DIGEST:
        return value.lower() if _DIGEST[kind].fullmatch(value.lower()) else None
    if kind == "phone":
        return phone_digits(value)
    return value


def phone_digits(value):
    """Return a phone number's digits, an international prefix removed; None for too few."""
    digits = _NOT_DIGIT.sub("", value)
    digits = digits.removeprefix("00")
    return digits if len(digits) >= PHONE_DIGITS_MIN else None


def guess_kind(values, can_decrypt=None):
    """Return what kind of ID most of some cells are, or None if nothing stands out.

    :param values: texts of one column
    :param can_decrypt: tells of a text whether it decrypts to an address
    """
    values = [value.strip() for value in values if value.strip()]
    tests = (
        ("email", lambda value: match_key("email", value)),
        ("encrypted", can_decrypt or (lambda value: False)),
        ("md5", lambda value: match_key("md5", value)),
        ("sha256", lambda value: match_key("sha256", value)),
    )
    for kind, test in tests:
        if values and sum(bool(test(value)) for value in values) * 2 > len(values):
            return kind
    return None


def read_safe_cell(value):
    """Return the text that `safe_cell` was given."""
    marked = value.startswith("'") and value[1:].startswith(_FORMULA)
    return value[1:] if marked else value


def safe_cell(value):
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(_FORMULA) else value
