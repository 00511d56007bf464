# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The IDs by which people are found in an uploaded list: one spelling for each."""

import re
from dataclasses import dataclass

from .cells import DOUBTFUL_PATTERN, clean, find_addresses, show
from .encodings import REPLACED

#: kind -> what it is, in the words of the user interface (translated there)
KINDS = ("contact", "reference", "external", "email", "encrypted", "phone", "md5", "sha256")
VALUE_MAX = 1024  # characters of an ID that are kept

_NUMBER = re.compile(r"([0-9]{1,9})(?:\.0+)?")  # a spreadsheet may have made 12.0 of it
_EXTERNAL = re.compile(r"[\w-]+\.[\w.-]+")
_DIGEST = {"md5": re.compile(r"[0-9a-f]{32}"), "sha256": re.compile(r"[0-9a-f]{64}")}
_NOT_DIGIT = re.compile(r"[^0-9]")
# What several IDs in one cell are separated by. A comma may be part of a number.
_SEPARATORS = {
    "contact": re.compile(r"[;\n\t]"),
    "external": re.compile(r"[;,\s]"),
    "encrypted": re.compile(r"[;,](?![^()]*\))"),
    "phone": re.compile(r"[;\n\t|]|,\s|\s/\s"),
    "md5": re.compile(r"[;,\s]"),
    "sha256": re.compile(r"[;,\s]"),
}
_SHORTENED = re.compile(r"[0-9][.,][0-9]+E\+[0-9]+", re.IGNORECASE)  # 6.59123E+11
_EXTENSION = re.compile(
    r"\s*(?:ext|extension|x|durchwahl|分机|内線)\.?\s*[0-9]{1,5}$", re.IGNORECASE
)
_TRUNK_ZERO = re.compile(r"\(0\)")  # +49 (0)30 ...
#: codes of countries whose numbers keep the zero in front
KEEPS_ZERO = (39, 378)  # Italy and San Marino
PHONE_DIGITS_MIN = 6
# Cells that spreadsheets run as formulas (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Id:
    """An ID in a cell.

    :ivar text: as it stands there; what nobody sees is made visible where it has a flaw
    :ivar key: the text by which it is compared with contacts, or None
    :ivar flaw: why there is no key: one of `cells.Found`, "shortened" or "other_kind"
    """

    text: str
    key: str | None = None
    flaw: str | None = None


def read_ids(kind, cell, make_key=None):
    """Return the IDs in a cell, each once; none in an empty one.

    :param str kind: one of KINDS
    :param make_key: makes the key of a text, where the caller knows more than `match_key`
    :rtype: list of Id
    """
    if kind == "email":
        return [Id(one.text[:VALUE_MAX], one.address, one.flaw) for one in find_addresses(cell)]
    make_key = make_key or (lambda text: match_key(kind, text))
    pattern = _SEPARATORS.get(kind)
    found = {}
    for piece in pattern.split(cell) if pattern else [cell]:
        if text := piece.strip():
            key = make_key(text)
            one = Id(text[:VALUE_MAX], key) if key else _explain(text)
            found.setdefault(key or text, one)
    return list(found.values())


def _explain(text):
    flaw = "other_kind"
    if len(text) > VALUE_MAX:
        flaw = "too_long"
    elif REPLACED in text:
        flaw = "encoding"
    elif _SHORTENED.fullmatch(text):
        flaw = "shortened"
    return Id(show(text)[:VALUE_MAX], flaw=flaw)


def is_doubtful(address):
    """Tell whether an address is probably none, though the standard allows it."""
    return bool(re.match(DOUBTFUL_PATTERN, address))


def match_key(kind, value):
    """Return the text by which an ID is compared with contacts; None where it can't be one.

    Of encrypted addresses and of phone numbers with a country the caller knows more.

    :param str kind: one of KINDS
    """
    value = value.strip()
    if not value or len(value) > VALUE_MAX:
        return None
    if kind == "email":
        addresses = [one.address for one in find_addresses(value)]
        return addresses[0] if len(addresses) == 1 else None
    value = strip_marks(value)
    if kind == "contact":
        number = _NUMBER.fullmatch(value)
        return str(int(number[1])) if number else None
    if kind == "external":
        return value if _EXTERNAL.fullmatch(value) else None
    if kind in _DIGEST:
        value = value.lower().removeprefix("0x").removeprefix("\\x")
        return value if _DIGEST[kind].fullmatch(value) else None
    if kind == "phone":
        return phone_digits(value)
    return value or None


def strip_marks(value):
    """Return an ID without what nobody sees, and without what a spreadsheet put around it."""
    value = clean(value).strip()
    if value.startswith('="') and value.endswith('"'):
        value = value[2:-1]
    elif value.startswith("'"):
        value = value[1:]
    return value.strip().strip('"').strip()


def phone_digits(value):
    """Return a phone number's digits, an international prefix removed; None for too few."""
    value = value.strip()
    if _SHORTENED.fullmatch(value):
        return None
    value = _TRUNK_ZERO.sub("", _EXTENSION.sub("", value))
    digits = _NOT_DIGIT.sub("", value)
    digits = digits.removeprefix("00")
    return digits if len(digits) >= PHONE_DIGITS_MIN else None


def international_digits(value, country_code):
    """Return a phone number's digits with the country's code, where the number has none.

    For servers without the library `phonenumbers`. A zero in front is the trunk prefix, which all
    but a few countries drop abroad.

    :param country_code: the number that is dialled for the country, or None
    """
    digits = phone_digits(value)
    plain = strip_marks(value).lstrip("( ")
    if not digits or not country_code or plain.startswith(("+", "00")):
        return digits
    if plain.startswith("0"):
        kept = digits if country_code in KEEPS_ZERO else digits[1:]
        return f"{country_code}{kept}"
    return digits


def guess_kind(values, can_decrypt=None):
    """Return what kind of ID most of some cells are, or None if nothing stands out.

    :param values: texts of one column
    :param can_decrypt: tells of a text whether it decrypts to an address
    """
    values = [value.strip() for value in values if value.strip()]
    tests = (
        ("email", lambda value: any(one.address for one in find_addresses(value))),
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
    return value[1:] if value.startswith("'") and _is_formula(value) else value


def safe_cell(value):
    """Return a text that no spreadsheet takes for a formula; `read_safe_cell` reads it again."""
    return f"'{value}" if _is_formula(value) else value


def _is_formula(value):
    # Also behind marks of its own: what a user typed as '=1 must not come back as =1.
    return value.lstrip("'").startswith(_FORMULA)
