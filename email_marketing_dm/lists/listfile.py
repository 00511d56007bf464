# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads an uploaded list row by row, however large or damaged the file is.

Memory holds a few rows at a time.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, time
from typing import IO, TYPE_CHECKING, Any

from .encodings import REPLACED, codec, decode, guess_encoding
from .errors import ListError

if TYPE_CHECKING:
    from .workbook import Sheet

CellValue = Any  # openpyxl has no types: None, str, bool, int, float or a date
#: where reading may go on: (lines or rows read, cookie of the text stream or 0)
Position = tuple[int, int]
Row = list[str]

HEAD = 64 * 1024  # bytes that detect() looks at
LINE_MAX = 1_000_000  # characters
ROW_MAX = 2_000_000  # characters; an unclosed quote turns the rest of the file into one row
#: Letters of a cell. `csv` has the same limit by default, but Odoo sets a far higher one.
CELL_MAX = 128 * 1024
COLUMNS_MAX = 500
WORKBOOK_ROWS_MAX = 1_048_576  # Excel's limit
SEPARATORS = ",;\t|"
#: used as separator: each line is one cell, which may hold several addresses
WHOLE_LINES = "none"
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SEP_LINE = re.compile(r'\ufeff?"?sep=(.)"?\s*', re.IGNORECASE)  # for Excel
_ZIP = b"PK\x03\x04"
# First bytes -> code of a ListError.
_MAGIC = (
    (b"\x09\x08", "old_excel"), (b"\x09\x04", "old_excel"), (b"\x09\x02\x06\0", "old_excel"),
    (b"%PDF", "binary"), (b"{\\rtf", "binary"),
)  # fmt: skip
_OLE = b"\xd0\xcf\x11\xe0"  # old Excel, and the container of protected workbooks
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_MARKUP = (
    (re.compile(r"\s*<\?xml[^>]*>.{0,500}schemas-microsoft-com:office:spreadsheet", re.S), "xml"),
    (re.compile(r"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|meta|table|style|body|div)(?=[\s/>])",
                re.I | re.S), "html"),
    (re.compile(r"MIME-Version:.{0,500}(multipart/related|text/html)", re.I | re.S), "html"),
    (re.compile(r"\s*<(\?xml|[a-z][\w:.-]*\s+xmlns)", re.I), "xml"),
    (re.compile(r"\s*BEGIN:VCARD", re.I), "vcard"),
)  # fmt: skip


@dataclass(frozen=True)
class Format:
    """How to read a file. ``kind`` is "csv" or "xlsx".

    ``encoding`` and ``separator`` matter for CSV only, ``sheet`` (a name; None for the first
    visible sheet) for workbooks only.
    """

    kind: str = "csv"
    encoding: str = "utf-8"
    separator: str = ","
    sheet: str | None = None


def detect(stream: IO[bytes], language: str = "") -> Format:
    """Return the Format of a file.

    :param stream: seekable, at its beginning
    :param language: the user's ("ja_JP"); decides between encodings that fit equally
    :raise ListError: the file is empty, or of a kind that can't be read
    """
    head = stream.read(HEAD)
    stream.seek(0)
    if not head.strip():
        raise ListError("empty")
    if head.startswith(_ZIP):
        from .workbook import check_workbook  # late: openpyxl takes 0.2 s and 20 MB

        check_workbook(stream)
        return Format("xlsx")
    if head.startswith(_OLE):
        raise ListError("protected" if _ENCRYPTED in head else "old_excel")
    for magic, code in _MAGIC:
        if head.startswith(magic):
            raise ListError(code)
    encoding = guess_encoding(_sample(stream, head), language)
    if encoding is None:
        raise ListError("binary")
    text = decode(head, encoding)
    for pattern, code in _MARKUP:
        if pattern.match(text):
            raise ListError(code)
    return Format("csv", encoding, _detect_separator(text, len(head) < HEAD))


def _sample(stream: IO[bytes], head: bytes) -> bytes:
    """Return bytes that show the encoding: ``head``, if all ASCII with the first others after it.

    Leaves the stream at its beginning.
    """
    stream.seek(len(head))
    piece, kept = head, b""
    while piece and piece.isascii() and b"\0" not in piece:
        kept = piece[-256:]
        piece = stream.read(1024 * 1024)
    if piece is not head and piece:
        place = next((n for n, byte in enumerate(piece) if byte > 0x7F), 0)
        head += b"\n" + (kept + piece)[max(0, place) : place + 256 + HEAD]
    stream.seek(0)
    return head


def list_sheets(stream: IO[bytes]) -> list[Sheet]:
    """Return the sheets of a workbook: see `workbook.list_sheets`."""
    from .workbook import list_sheets as read

    return read(stream)


def read_rows(
    stream: IO[bytes], form: Format, position: Position | None = None
) -> Iterator[tuple[Row, _Place | _RowPlace]]:
    """Yield (row, place where the next row begins), each row a list of stripped texts.

    :param stream: seekable
    :param position: get() of a yielded place, to go on from there; None for the beginning
    :raise ListError: as soon as the file can't be read any further
    """
    reader = _read_workbook if form.kind == "xlsx" else _read_csv
    return reader(stream, form, position)


def _read_csv(
    stream: IO[bytes], form: Format, position: Position | None
) -> Iterator[tuple[Row, _Place]]:
    size = stream.seek(0, io.SEEK_END) or 1
    stream.seek(0)
    encoding, errors = codec(form.encoding)
    text = io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")
    number = length = 0

    def lines() -> Iterator[str]:
        nonlocal number, length
        while line := text.readline(LINE_MAX + 1):
            number += 1
            length += len(line)
            if len(line) > LINE_MAX:
                raise ListError("long_line", number)
            if length > ROW_MAX:
                raise ListError("long_cell", number)
            if number == 1 and _SEP_LINE.fullmatch(line):
                continue
            yield line.replace("\0", "")

    try:
        if position:
            number, cookie = position
            text.seek(cookie)
        rows: Iterable[Row]
        if form.separator == WHOLE_LINES:
            rows = ([line] for line in lines())
        else:
            rows = csv.reader(lines(), delimiter=form.separator, skipinitialspace=True)
        for row in rows:
            if length > CELL_MAX and any(len(cell) > CELL_MAX for cell in row):
                raise ListError("long_cell", number)
            length = 0
            row = _strip_row(row)
            if len(row) > COLUMNS_MAX:
                raise ListError("columns", number)
            yield row, _Place(stream, text, number, size)
    except csv.Error as error:
        raise ListError("long_cell", number) from error
    finally:
        text.detach()


def _strip_row(row: Row) -> Row:
    """Return a row's cells stripped, without empty cells beyond COLUMNS_MAX."""
    row = [cell.strip() for cell in row]
    while len(row) > COLUMNS_MAX and not row[-1]:
        row.pop()
    return row


@dataclass
class _Place:
    """Where in a text file reading may go on. get() is slow, so call it once in many rows."""

    stream: IO[bytes]
    text: io.TextIOWrapper
    line: int
    size: int

    def get(self) -> Position:
        """Return the position, for read_rows(). Valid until the next row is read."""
        return (self.line, self.text.tell())

    def share(self) -> float:
        """Return how much of the file has been read, 0 to 1."""
        return min(1.0, self.stream.tell() / self.size)


@dataclass
class _RowPlace:
    """Where in a workbook reading may go on; the rows before have to be unpacked again."""

    rows: int
    read: float

    def get(self) -> Position:
        return (self.rows, 0)

    def share(self) -> float:
        return self.read


def _read_workbook(
    stream: IO[bytes], form: Format, position: Position | None
) -> Iterator[tuple[Row, _RowPlace]]:
    from .workbook import read_sheet

    rows = line = position[0] if position else 0
    try:
        with closing(read_sheet(stream, form.sheet, rows)) as sheet:
            for line, values, share in sheet:  # noqa: B007
                rows += 1
                # Leave out cells that have a style but no value.
                cells = [(column, text) for column, value in values if (text := _text(value))]
                width = max((column for column, _text in cells), default=0)
                if width > COLUMNS_MAX:
                    raise ListError("columns", line)
                if rows > WORKBOOK_ROWS_MAX:
                    raise ListError("too_large", line)
                row = [""] * width
                for column, text in cells:
                    row[column - 1] = text
                yield row, _RowPlace(rows, share)
    except ListError:
        raise
    except Exception as error:  # openpyxl raises errors of any type for damaged files
        raise ListError("workbook", line + 1) from error


def _text(cell: CellValue) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime) and cell.time() == time():
        cell = cell.date()
    return _ESCAPE.sub(_unescape, str(cell)).replace("\0", "").strip()


def _unescape(found: re.Match[str]) -> str:
    """Return the character that a workbook writes as "_x000D_" (ECMA-376, ST_Xstring)."""
    code = int(found[1], 16)
    return REPLACED if 0xD800 <= code < 0xE000 else chr(code)


def _detect_separator(text: str, is_whole: bool) -> str:
    """Return the separator that most consistently cuts the first lines into as many cells.

    Returns WHOLE_LINES for lines that hold addresses only, several in a line.

    :param is_whole: ``text`` is the whole file, so its last line is complete
    """
    lines = text.splitlines()
    lines = lines if is_whole else lines[:-1] or lines  # the last line may be cut off
    lines = lines[:50]
    if lines and (found := _SEP_LINE.fullmatch(lines[0])):
        return found[1] if found[1] in SEPARATORS else ","
    lines = [line for line in lines if line.strip()]
    if any(_holds_addresses_only(lines, separator) for separator in SEPARATORS):
        return WHOLE_LINES
    best, best_score = ",", 0
    for separator in SEPARATORS:
        counts = [line.count(separator) for line in lines]
        common = max(set(counts), key=counts.count) if counts else 0
        score = counts.count(common) * min(common, 20) if common else 0
        if score > best_score:
            best, best_score = separator, score
    return best


def _holds_addresses_only(lines: list[str], separator: str) -> bool:
    """Tell whether every cell has an address, and some line more than one.

    The first line may be a title. False if another separator makes a table of the lines, except if
    it only cuts names: "Doe, Alice <alice@...>; Roe, Bob <bob@...>".
    """
    rows = _cut(lines, separator)
    if len(rows) > 1 and len(rows[0]) == 1 and "@" not in rows[0][0]:
        rows = rows[1:]
    cells = [cell for row in rows for cell in row]
    # An odd number of quotes: the separator is inside a cell, so another one is right.
    if not all("@" in cell and not cell.count('"') % 2 for cell in cells):
        return False
    several = [len(row) > 1 for row in rows]
    if all(several) and any("<" in line for line in lines):
        return True
    return any(several) and not any(_is_table(_cut(lines, other)) for other in SEPARATORS)


def _is_table(rows: list[Row]) -> bool:
    """Tell whether rows have mostly the same number of cells, and a column without addresses."""
    widths = [len(row) for row in rows]
    width = max(set(widths), key=widths.count, default=0)
    if len(rows) < 2 or width < 2 or widths.count(width) * 5 < len(rows) * 4:
        return False
    rows = [row for row in rows if len(row) == width]
    return any(not any("@" in cell for cell in column) for column in zip(*rows, strict=True))


def _cut(lines: list[str], separator: str) -> list[Row]:
    """Return the cells of lines that are not empty."""
    try:
        rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    except csv.Error:
        return []
    rows = [[cell for cell in _strip_row(row) if cell] for row in rows]
    return [row for row in rows if row]
