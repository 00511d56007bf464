# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Finds the mail addresses in the cells of uploaded lists, or the reason why a piece has none.

An address is accepted only if its beginning and end are clear. Otherwise the piece is returned with
a reason, because a guess could be the address of another person.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from urllib.parse import unquote

from ..directmail.const import ADDRESS_MAX
from ..privacy.address import normalise
from .encodings import REPLACED

_HALFWIDTH: dict[int, int | str] = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: " ", 0x3001: ",", 0xFE50: ",", 0xFE54: ";", 0xFE6B: "@", 0xFF64: ",",
}  # fmt: skip
_BREAKS = dict.fromkeys(map(ord, "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), "\n")
_JOINERS = "\u200c\u200d"  # part of some words and domains in Persian and Indic scripts
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u034f\u180b\u180c\u180d\ufe0e\ufe0f")
_EXCEL_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_WRAPPED = re.compile(r"^=?\s*(['\"“”„‘’‚«»`]+)(.*?)['\"“”„‘’‚«»`]*$", re.DOTALL)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|nbsp|commat|#39|#64|#x40);", re.IGNORECASE)
_HYPERLINK = re.compile(r'^=\s*HYPERLINK\s*\(\s*"(mailto:[^"]*)"', re.IGNORECASE)
_QUERY = re.compile(r"^(mailto:[^?]*)\?.*", re.IGNORECASE | re.DOTALL)
# The text between separators; separators in quotes or angle brackets do not count.
_PIECE = re.compile(r'(?:"[^"\n]*"|<[^<>]*>|[^;,|\t\n])+')
_BROKEN_PIECE = re.compile(r"[^;,|\t\n]+")
_ANGLED = re.compile(r"<([^<>]*@[^<>]*)>")
_ENCLOSED = re.compile(r"[(\[{【〔《「]\s*([^()\[\]{}]*@[^()\[\]{}]*?)\s*[)\]}】〕》」]")
_SEPARATORS = re.compile(r"[;,|]")
_COMMENT = re.compile(r"\([^()@]*\)")
_LABEL = re.compile(
    r"^(?:mailto|smtp|sip|e-?mail|mail|to|cc|bcc|from|an|von|para"
    r"|邮箱|邮件|电子邮件|收件人|メール):(?=[^:])",
    re.IGNORECASE,
)
_COLONS = re.compile(r"^[^@]*:{2,}")
_OPENING = "\"'“”„‘’‚«»`<([{•·—–…:,;>"
_CLOSING = "\"'“”„‘’‚«»`>)]}•·—–…:,;.!?。"
_QUOTED_LOCAL = re.compile(r'^"([^"\\\s]+)"(?=@)')
_BEFORE = re.compile(r"[^\w@]+|.*[:>)\]\"”»]|\d+[.)]")  # a word that an address may follow
_BEHIND = re.compile(r"[^\w@].*")  # a word that may follow an address
# Local parts that RFC 5322 allows, but that in lists mostly come from damaged data:
# "Alice^alice@...", "?lodie@...". PostgreSQL reads the same pattern.
DOUBTFUL_PATTERN = r"^([^@]*[!#$%*/=?^`{|}~]|-)"


@dataclass(frozen=True)
class Found:
    """A piece of a cell.

    :ivar text: as in the cell; if there is a flaw, with hidden characters made visible
    :ivar address: the normalised address, or None
    :ivar flaw: why there is no address: "nothing", "no_at", "encoding", "hidden", "local",
        "domain", "too_long", "unclear" or "invalid"
    """

    text: str
    address: str | None = None
    flaw: str | None = None


def find_addresses(cell: str) -> list[Found]:
    """Return the pieces of a cell, each address once; an empty list for an empty cell."""
    text = clean(cell).strip()
    if address := normalise(text):
        # The most frequent case. An apostrophe in front is Excel's mark of a text.
        if not text.startswith(("'", "`")):
            return [Found(cell.strip(), address)]
    if link := _HYPERLINK.match(text):
        text = link[1]
    if text.lower().startswith("mailto:") and text.lower().count("mailto:") == 1:
        text = unquote(_QUERY.sub(r"\1", text))
    text = _ENTITY.sub(lambda entity: unescape(entity[0]), text)
    pieces = _cut(text)
    found: dict[str, Found] = {}
    for number, piece in enumerate(pieces):
        for one in _read_piece(piece):
            if one.flaw == "no_at" and "<" in "".join(pieces[number + 1 : number + 2]):
                continue  # the surname of "Doe, Alice <alice@...>"
            found.setdefault(one.address or one.text, one)
    if not found and cell.strip():
        found[""] = Found(show(cell.strip()), flaw="nothing")
    if len(found) == 1:
        [one] = found.values()
        # The cell is one piece, so return its text as in the file.
        whole = cell.strip() if one.address else show(cell.strip())
        return [Found(whole, one.address, one.flaw)]
    return list(found.values())


def clean(cell: str) -> str:
    """Return a cell's text without invisible characters, full-width signs as ASCII."""
    if cell.isascii() and cell.isprintable() and "_x" not in cell:
        return cell
    text = _EXCEL_ESCAPE.sub(_unescape, cell)
    text = text.translate(_BREAKS).translate(_HALFWIDTH)
    kept = [_keep(char) for char in text]
    text = "".join(kept)
    without = text.translate(dict.fromkeys(map(ord, _JOINERS)))
    return without if without.isascii() else text


def _unescape(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code) if code < 0x20 or code == 0x7F else found[0]


def _keep(char: str) -> str:
    if char.isascii():
        return char
    category = unicodedata.category(char)
    if category == "Zs":
        return " "
    if char in _FILLERS or (category == "Cf" and char not in _JOINERS):
        return ""
    return char


def show(text: str) -> str:
    """Return a text with every invisible character written as "[U+200B]"."""
    return "".join(
        char if char == " " or _is_seen(text, place) else f"[U+{ord(char):04X}]"
        for place, char in enumerate(text)
    )


def _is_seen(text: str, place: int) -> bool:
    char = text[place]
    if char in _JOINERS:  # between letters of some scripts a joiner changes their shape
        return text[place - 1 : place + 2 : 2].isalpha() and not text[place - 1].isascii()
    return char.isprintable() and char not in _FILLERS


def _cut(text: str) -> list[str]:
    """Return the pieces of a cell between separators."""
    wrapped = _WRAPPED.match(text)
    # Quotes around the whole cell, left over from CSV; not those of '"Alice" <alice@...>'.
    if wrapped and not (set('"“”„') & set(wrapped[2])):
        text = wrapped[2]
    pattern = _BROKEN_PIECE if text.count('"') % 2 else _PIECE
    return [piece.strip() for piece in pattern.findall(text) if piece.strip()]


def _read_piece(piece: str) -> Iterator[Found]:
    """Yield the addresses in a piece: mostly one, perhaps beside its owner's name."""
    if "@" not in piece:
        yield Found(show(piece), flaw=_find_flaw(piece))
        return
    angled = _ANGLED.findall(piece)
    if angled:
        found = [one for inner in angled for one in _read_words(_SEPARATORS.sub(" ", inner))]
        yield from found
        yield from _read_beside(piece, {one.address for one in found})
        return
    enclosed = _ENCLOSED.search(piece) if piece.count("@") == 1 else None
    yield from _read_words(enclosed[1] if enclosed else piece)


def _read_beside(piece: str, found: set[str | None]) -> Iterator[Found]:
    """Yield addresses outside of angle brackets that are not in ``found``."""
    *names, rest = _ANGLED.sub(">", piece).split(">")
    for name in names:
        for word in name.split():
            if "@" in word and read_address(word) not in found:
                yield Found(show(word), flaw=_find_flaw(word, "unclear"))
    if "@" in rest:
        yield from _read_words(rest)


def _read_words(piece: str) -> Iterator[Found]:
    words = _COMMENT.sub(" ", piece).split()
    for place, word in enumerate(words):
        if "@" not in word:
            continue
        before = words[place - 1] if place else ""
        behind = words[place + 1] if place + 1 < len(words) else ""
        if (before and "@" not in before and not _BEFORE.fullmatch(before)) or (
            behind and "@" not in behind and not _BEHIND.fullmatch(behind)
        ):
            yield Found(show(piece), flaw=_find_flaw(word, "unclear"))
        elif address := read_address(word):
            yield Found(word, address)
        else:
            yield Found(show(word), flaw=_find_flaw(word))


def read_address(word: str) -> str | None:
    """Return the normalised address in a word without blanks, or None."""
    word = _QUOTED_LOCAL.sub(r"\1", word)
    word = _COLONS.sub("", word.lstrip(_OPENING))
    label = _LABEL.match(word)
    word = word[label.end() :].lstrip(_OPENING) if label else word
    local, at, domain = word.rpartition("@")
    if label and label[0].lower() == "mailto:":
        local = unquote(local)
    return normalise(local + at + domain.split("?")[0].rstrip(_CLOSING))


def _find_flaw(text: str, otherwise: str = "invalid") -> str:
    """Return why a text is not an address."""
    if REPLACED in text:
        return "encoding"
    local, at, domain = text.rpartition("@")
    if not at:
        return "no_at"
    if any(not char.isprintable() for char in text):
        return "hidden"
    if len(text) > ADDRESS_MAX:
        return "too_long"
    if local.isascii() and domain and not domain.isascii() and normalise("a@" + domain) is None:
        return "domain"
    if not local.isascii():
        return "local"
    return otherwise
