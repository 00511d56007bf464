# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reading a list that somebody uploads, row by row, however large or broken it is.

Nothing here holds more than a few rows.
"""

import csv
import io
import re
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, time

from .encodings import REPLACED, codec, decode, guess_encoding

HEAD = 64 * 1024  # bytes looked at to find out what a file is
LINE_MAX = 1_000_000  # characters
ROW_MAX = 2_000_000  # characters; a quote that is never closed makes one row of the whole file
COLUMNS_MAX = 500
WORKBOOK_ROWS_MAX = 1_048_576  # Excel has no more
SEPARATORS = ",;\t|"
#: instead of a separator: every line is one cell, perhaps with several addresses
WHOLE_LINES = "none"
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SEP_LINE = re.compile(r'\ufeff?"?sep=(.)"?\s*', re.IGNORECASE)  # Excel's own first line
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


class ListError(ValueError):
    """A file can't be read.

    :ivar code: "empty", "long_line", "long_cell", "columns", "too_large" or "no_sheet"; or what the
        file is instead of a list: "old_excel", "protected", "xlsb", "opendocument", "numbers",
        "strict", "zip", "html", "xml", "vcard", "workbook" (a damaged one, or none) or "binary"
    :ivar line: number of the line, from 1, or None
    """

    def __init__(self, code, line=None):
        super().__init__(code)
        self.code = code
        self.line = line


@dataclass(frozen=True)
class Format:
    """How a file is to be read. ``kind`` is "csv" or "xlsx".

    ``encoding`` and ``separator`` matter to CSV only, ``sheet`` (a name; None for the first one
    that is visible) to workbooks.
    """

    kind: str = "csv"
    encoding: str = "utf-8"
    separator: str = ","
    sheet: str | None = None


def detect(stream, language=""):
    """Return the Format of a file.

    :param stream: binary, at its beginning, seekable
    :param str language: the reader's ("ja_JP"), for the encoding where the bytes leave it open
    :raise ListError: empty, or nothing that can be read
    """
    head = stream.read(HEAD)
    stream.seek(0)
    if not head.strip():
        raise ListError("empty")
    if head.startswith(_ZIP):
        from .workbook import check_workbook  # openpyxl: 0.2 s and 20 MB, which few ever need

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


def _sample(stream, head):
    """Return bytes that tell the encoding: the first ones, or if those are ASCII the first others.

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


def list_sheets(stream):
    """Return the sheets of a workbook: see `workbook.list_sheets`."""
    from .workbook import list_sheets as read

    return read(stream)


def read_rows(stream, form, position=None):
    """Yield (row, where the next one begins), each row a list of stripped texts.

    :param stream: binary and seekable
    :param position: what was yielded before, to go on from there; None for the beginning
    :raise ListError: as soon as the file can't be read any further
    """
    reader = _read_workbook if form.kind == "xlsx" else _read_csv
    return reader(stream, form, position)


def _read_csv(stream, form, position):
    size = stream.seek(0, io.SEEK_END) or 1
    stream.seek(0)
    encoding, errors = codec(form.encoding)
    text = io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")
    number = length = 0

    def lines():
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
        if form.separator == WHOLE_LINES:
            rows = ([line] for line in lines())
        else:
            rows = csv.reader(lines(), delimiter=form.separator, skipinitialspace=True)
        for row in rows:
            length = 0
            row = _strip_row(row)
            if len(row) > COLUMNS_MAX:
                raise ListError("columns", number)
            yield row, _Place(text, number, size)
    except csv.Error as error:
        raise ListError("long_cell", number) from error
    finally:
        text.detach()


def _strip_row(row):
    """Return a row's cells without blanks around; empty ones behind the last column are none."""
    row = [cell.strip() for cell in row]
    while len(row) > COLUMNS_MAX and not row[-1]:
        row.pop()
    return row


@dataclass
class _Place:
    """Where in a text file reading may go on. Asking costs, so it is asked once in many rows."""

    text: io.TextIOWrapper
    line: int
    size: int

    def get(self):
        """Return the position, for read_rows(). Valid until the next row is read."""
        return (self.line, self.text.tell())

    def share(self):
        """Return how much of the file has been read, 0 to 1."""
        return min(1.0, self.text.buffer.tell() / self.size)


@dataclass
class _RowPlace:
    """Where in a workbook reading may go on; what comes before has to be unpacked again."""

    rows: int
    read: float

    def get(self):
        return (self.rows, 0)

    def share(self):
        return self.read


def _read_workbook(stream, form, position):
    from .workbook import read_sheet

    rows = line = position[0] if position else 0
    try:
        with closing(read_sheet(stream, form.sheet, rows)) as sheet:
            for line, cells, share in sheet:  # noqa: B007
                rows += 1
                # Cells that merely have a style are no columns.
                cells = [(column, text) for column, value in cells if (text := _text(value))]
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
    except Exception as error:  # openpyxl raises whatever a broken file makes it stumble over
        raise ListError("workbook", line + 1) from error


def _text(cell):
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime) and cell.time() == time():
        cell = cell.date()
    return _ESCAPE.sub(_unescape, str(cell)).replace("\0", "").strip()


def _unescape(found):
    """Return the character that a workbook writes as "_x000D_" (ECMA-376, ST_Xstring)."""
    code = int(found[1], 16)
    return REPLACED if 0xD800 <= code < 0xE000 else chr(code)


def _detect_separator(text, is_whole):
    """Return the separator that cuts the first lines into the same number of cells, most of all.

    Lines that hold nothing but addresses, several in one, are not cut: see `WHOLE_LINES`.
    """
    lines = text.splitlines()
    lines = lines if is_whole else lines[:-1] or lines  # the last one may be cut off
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


def _holds_addresses_only(lines, separator):
    """Tell whether there is an address in every cell, and more than one in some line.

    The first line may be a title. What is a table by another separator is none of this, unless it
    is names that are cut: "Doe, Alice <alice@...>; Roe, Bob <bob@...>".
    """
    rows = _cut(lines, separator)
    if len(rows) > 1 and len(rows[0]) == 1 and "@" not in rows[0][0]:
        rows = rows[1:]
    cells = [cell for row in rows for cell in row]
    # An odd quotation mark: the separator stands within a cell of another one.
    if not all("@" in cell and not cell.count('"') % 2 for cell in cells):
        return False
    several = [len(row) > 1 for row in rows]
    if all(several) and any("<" in line for line in lines):
        return True
    return any(several) and not any(_is_table(_cut(lines, other)) for other in SEPARATORS)


def _is_table(rows):
    """Tell whether rows have mostly the same number of cells, and a column without addresses."""
    widths = [len(row) for row in rows]
    width = max(set(widths), key=widths.count, default=0)
    if len(rows) < 2 or width < 2 or widths.count(width) * 5 < len(rows) * 4:
        return False
    rows = [row for row in rows if len(row) == width]
    return any(not any("@" in cell for cell in column) for column in zip(*rows, strict=True))


def _cut(lines, separator):
    """Return the cells of lines that are not empty."""
    try:
        rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    except csv.Error:
        return []
    rows = [[cell for cell in _strip_row(row) if cell] for row in rows]
    return [row for row in rows if row]


def with_options(form, encoding=None, separator=None):
    """Return a Format with what somebody chose instead of what was detected."""
    if form.kind != "csv":
        return form
    return replace(form, encoding=encoding or form.encoding, separator=separator or form.separator)
