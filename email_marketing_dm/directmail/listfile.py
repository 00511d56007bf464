# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reading a list that somebody uploads, row by row, however large or broken it is.

Nothing here holds more than a few rows.
"""

import codecs
import csv
import io
from contextlib import closing
from dataclasses import dataclass, replace

import chardet

HEAD = 64 * 1024  # bytes looked at to find out what a file is
LINE_MAX = 1_000_000  # characters
ROW_MAX = 2_000_000  # characters; a quote that is never closed makes one row of the whole file
COLUMNS_MAX = 500
WORKBOOK_ROWS_MAX = 1_048_576  # Excel has no more
SEPARATORS = ",;\t|"
ENCODINGS = (
    "utf-8", "utf-16", "gb18030", "big5", "shift_jis", "euc-kr", "windows-1252", "windows-1251",
    "iso-8859-15",
)  # fmt: skip
# What chardet finds, and what is a superset of it.
_ALIASES = {
    "ascii": "utf-8", "utf-8-sig": "utf-8", "gb2312": "gb18030", "gbk": "gb18030",
    "iso-8859-1": "windows-1252", "euc-tw": "big5", "cp949": "euc-kr", "cp932": "shift_jis",
    "utf-16le": "utf-16", "utf-16be": "utf-16",
}  # fmt: skip
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


class ListError(ValueError):
    """A file can't be read.

    :ivar code: "empty", "encoding", "long_line", "long_cell", "columns", "old_excel", "workbook",
        "too_large" or "binary"
    :ivar line: number of the line, from 1, or None
    """

    def __init__(self, code, line=None):
        super().__init__(code)
        self.code = code
        self.line = line


@dataclass(frozen=True)
class Format:
    """How a file is to be read. ``kind`` is "csv" or "xlsx"; the rest matters to CSV only."""

    kind: str = "csv"
    encoding: str = "utf-8"
    separator: str = ","


def detect(stream):
    """Return the Format of a file.

    :param stream: binary, at its beginning, seekable
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
    if head.startswith(_OLD_EXCEL):
        raise ListError("old_excel")
    encoding = _detect_encoding(head)
    return Format("csv", encoding, _detect_separator(_decode(head, encoding)))


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
    text = io.TextIOWrapper(stream, encoding=_codec(form.encoding), newline="")
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
            yield line.replace("\0", "")

    try:
        if position:
            number, cookie = position
            text.seek(cookie)
        for row in csv.reader(lines(), delimiter=form.separator):
            length = 0
            if len(row) > COLUMNS_MAX:
                raise ListError("columns", number)
            yield [cell.strip() for cell in row], _Place(text, number, size)
    except UnicodeError as error:
        raise ListError("encoding", number + 1) from error
    except csv.Error as error:
        raise ListError("long_cell", number) from error
    finally:
        text.detach()


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


def _read_workbook(stream, _form, position):
    from .workbook import read_sheet

    rows = line = position[0] if position else 0
    try:
        with closing(read_sheet(stream, rows)) as sheet:
            for line, cells, share in sheet:  # noqa: B007
                rows += 1
                width = max((column for column, _value in cells), default=0)
                if width > COLUMNS_MAX:
                    raise ListError("columns", line)
                if rows > WORKBOOK_ROWS_MAX:
                    raise ListError("too_large", line)
                row = [""] * width
                for column, value in cells:
                    row[column - 1] = _text(value)
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
    return str(cell).replace("\0", "").strip()


def _detect_encoding(head):
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in head:
        raise ListError("binary")
    if _is_utf8(head):
        return "utf-8"
    found = (chardet.detect(head)["encoding"] or "windows-1252").lower()
    found = _ALIASES.get(found, found)
    return found if found in ENCODINGS else "windows-1252"


def _is_utf8(head):
    """Tell whether bytes are UTF-8, the last character perhaps cut off."""
    try:
        codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _codec(encoding):
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _decode(head, encoding):
    return codecs.getincrementaldecoder(_codec(encoding))(errors="replace").decode(head)


def _detect_separator(text):
    """Return the separator that cuts the first lines into the same number of cells, most of all."""
    lines = text.splitlines()
    lines = (lines[:-1] or lines)[:50]  # the last one may be cut off
    best, best_score = ",", 0
    for separator in SEPARATORS:
        counts = [line.count(separator) for line in lines if line.strip()]
        common = max(set(counts), key=counts.count) if counts else 0
        score = counts.count(common) * min(common, 20) if common else 0
        if score > best_score:
            best, best_score = separator, score
    return best


def with_options(form, encoding=None, separator=None):
    """Return a Format with what somebody chose instead of what was detected."""
    if form.kind != "csv":
        return form
    return replace(form, encoding=encoding or form.encoding, separator=separator or form.separator)
