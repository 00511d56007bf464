# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads the IDs of an uploaded list and gives each one spelling, by which contacts are found."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .cells import DOUBTFUL_PATTERN, clean, find_addresses, show
from .encodings import REPLACED

#: kinds of ID; the user interface has a label for each
KINDS = (
    "contact", "reference", "external", "email", "encrypted", "phone", "md5", "sha256", "field",
)  # fmt: skip
VALUE_MAX = 1024  # characters of an ID that are kept

_NUMBER = re.compile(r"([0-9]{1,9})(?:\.0+)?")  # some spreadsheets write 12 as 12.0
_EXTERNAL = re.compile(r"[\w-]+\.[\w.-]+")
_DIGEST = {"md5": re.compile(r"[0-9a-f]{32}"), "sha256": re.compile(r"[0-9a-f]{64}")}
_NOT_DIGIT = re.compile(r"[^0-9]")
# Separators of several IDs in one cell. In a phone number a comma alone does not separate.
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
# Beginnings of cells that spreadsheets run as formulas (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True)
class Id:
    """An ID in a cell.

    :ivar text: as in the cell; if there is a flaw, with hidden characters made visible
    :ivar key: the text by which the ID is compared with contacts, or None
    :ivar flaw: why there is no key: a flaw of `cells.Found`, "shortened" or "other_kind"
    """

    text: str
    key: str | None = None
    flaw: str | None = None


def read_ids(kind: str, cell: str, make_key: Callable[[str], str | None] | None = None) -> list[Id]:
    """Return the IDs in a cell, each once; an empty list for an empty cell.

    :param kind: one of KINDS
    :param make_key: returns the key of a text, instead of `match_key` (to decrypt, for example)
    """
    if kind == "email":
        return [Id(one.text[:VALUE_MAX], one.address, one.flaw) for one in find_addresses(cell)]
    make_key = make_key or (lambda text: match_key(kind, text))
    pattern = _SEPARATORS.get(kind)
    found: dict[str, Id] = {}
    for piece in pattern.split(cell) if pattern else [cell]:
        if text := piece.strip():
            key = make_key(text)
            one = Id(text[:VALUE_MAX], key) if key else _explain(text)
            found.setdefault(key or text, one)
    return list(found.values())


def _explain(text: str) -> Id:
    flaw = "other_kind"
    if len(text) > VALUE_MAX:
        flaw = "too_long"
    elif REPLACED in text:
        flaw = "encoding"
    elif _SHORTENED.fullmatch(text):
        flaw = "shortened"
    return Id(show(text)[:VALUE_MAX], flaw=flaw)


def is_doubtful(address: str) -> bool:
    """Tell whether an address is probably damaged data, though RFC 5322 allows it."""
    return bool(re.match(DOUBTFUL_PATTERN, address))


def match_key(kind: str, value: str) -> str | None:
    """Return the text by which an ID is compared with contacts; None if it is not of that kind.

    It neither decrypts nor adds a country code to phone numbers: see `make_key` of `read_ids`.

    :param kind: one of KINDS
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


def strip_marks(value: str) -> str:
    """Return an ID without invisible characters, and without a spreadsheet's ="" or apostrophe."""
    value = clean(value).strip()
    if value.startswith('="') and value.endswith('"'):
        value = value[2:-1]
    elif value.startswith("'"):
        value = value[1:]
    return value.strip().strip('"').strip()


def phone_digits(value: str) -> str | None:
    """Return a phone number's digits without the prefix 00; None for too few digits."""
    value = value.strip()
    if _SHORTENED.fullmatch(value):
        return None
    value = _TRUNK_ZERO.sub("", _EXTENSION.sub("", value))
    digits = _NOT_DIGIT.sub("", value)
    digits = digits.removeprefix("00")
    return digits if len(digits) >= PHONE_DIGITS_MIN else None


def international_digits(value: str, country_code: int | None) -> str | None:
    """Return a phone number's digits, with the country's code added if the number has none.

    For servers without the library `phonenumbers`. A zero in front is the trunk prefix, which calls
    from abroad drop, except to KEEPS_ZERO.

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


def guess_kind(
    values: Iterable[str], can_decrypt: Callable[[str], object] | None = None
) -> str | None:
    """Return the kind of ID of more than half of some cells, or None.

    :param values: texts of one column
    :param can_decrypt: returns something true for a text that decrypts to an address
    """
    values = [value.strip() for value in values if value.strip()]
    tests: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("email", lambda value: any(one.address for one in find_addresses(value))),
        ("encrypted", can_decrypt or (lambda value: False)),
        ("md5", lambda value: match_key("md5", value)),
        ("sha256", lambda value: match_key("sha256", value)),
    )
    for kind, test in tests:
        if values and sum(bool(test(value)) for value in values) * 2 > len(values):
            return kind
    return None


def read_safe_cell(value: str) -> str:
    """Return the text that `safe_cell` was given."""
    return value[1:] if value.startswith("'") and _is_formula(value) else value


def safe_cell(value: str) -> str:
    """Return a text that no spreadsheet runs as a formula; `read_safe_cell` reverses it."""
    return f"'{value}" if _is_formula(value) else value


def _is_formula(value: str) -> bool:
    # Skip apostrophes: a user's own '=1 needs one more, or read_safe_cell() would return =1.
    return value.lstrip("'").startswith(_FORMULA)
