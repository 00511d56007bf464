# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reading the first sheet of an Excel workbook in flat memory, however it was written.

openpyxl knows what a cell means, and is left to say so. What it would hold in memory is done here:
the workbook's table of texts goes to a temporary file, rows are dropped when they have been read,
and no part is read whole that could be large.
"""

import os
import tempfile
import zipfile
from array import array

from lxml import etree
from openpyxl.reader.excel import ExcelReader
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

from .listfile import ListError

# Unpacked sizes, in bytes. A sheet of a million rows has some hundred megabytes.
WORKBOOK_MAX = 1024**3
TEXTS_MAX = 256 * 1024**2
OTHERS_MAX = 32 * 1024**2  # what openpyxl reads whole: styles and the like
PIECE_MAX = 4 * 1024**2  # one row, or one text
_ROW, _ROWS = f"{{{SHEET_MAIN_NS}}}row", f"{{{SHEET_MAIN_NS}}}sheetData"
_TEXT = f"{{{SHEET_MAIN_NS}}}si"
_PIECES = etree.ETXPath(
    f"{{{SHEET_MAIN_NS}}}t/text() | {{{SHEET_MAIN_NS}}}r/{{{SHEET_MAIN_NS}}}t/text()"
)


def check_workbook(stream):
    """Refuse what is no workbook, or would be too large unpacked. Reads the archive's index only.

    :raise ListError: "workbook" or "too_large"
    """
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ListError("workbook") from error
    finally:
        stream.seek(0)
    if "xl/workbook.xml" not in sizes:
        raise ListError("workbook")
    texts = sizes.get("xl/sharedStrings.xml", 0)
    others = sum(
        size
        for name, size in sizes.items()
        if name.endswith((".xml", ".rels"))
        and name != "xl/sharedStrings.xml"
        and not name.startswith("xl/worksheets/")
    )
    if sum(sizes.values()) > WORKBOOK_MAX or texts > TEXTS_MAX or others > OTHERS_MAX:
        raise ListError("too_large")


def read_sheet(stream, skip=0):
    """Yield the rows of the first sheet.

    :param stream: binary and seekable
    :param int skip: how many rows to leave out
    :return: iterator of (row's number in the sheet, [(column from 1, value)], share of the sheet
        that has been read, 0 to 1)
    :raise ListError: as `check_workbook`, or a row or text is out of all proportion
    :raise Exception: whatever a broken file makes its readers stumble over
    """
    check_workbook(stream)
    book = _FirstSheet(stream, read_only=True, data_only=True, keep_links=False)
    try:
        book.read()
        info = book.archive.getinfo(book.path)
        with book.archive.open(info) as source:
            bounded = _Bounded(source)
            parser = book.make_parser(bounded)
            number = 0
            for element in _elements(bounded, _ROW, stop=_ROWS):
                number += 1
                if number <= skip:
                    continue
                index, cells = parser.parse_row(element)
                share = min(1.0, bounded.total / (info.file_size or 1))
                yield index, [(cell["column"], cell["value"]) for cell in cells], share
    except ValueError as error:
        # openpyxl wraps what it takes for its own errors.
        if isinstance(error.__cause__, ListError):
            raise error.__cause__ from error
        raise
    finally:
        book.close()


class _FirstSheet(ExcelReader):
    """openpyxl's reader, which finds the first sheet and leaves it closed."""

    path = None

    def read_strings(self):
        self.shared_strings = _Texts()
        part = self.package.find(SHARED_STRINGS)
        if part is not None:
            with self.archive.open(part.PartName[1:]) as source:
                self.shared_strings.load(source)

    def read_worksheets(self):
        for _sheet, relation in self.parser.find_sheets():
            if relation.target in self.valid_files and "chartsheet" not in relation.Type:
                self.path = relation.target
                return
        raise ValueError("no sheet")

    def make_parser(self, source):
        """Return openpyxl's reader of rows."""
        return WorkSheetParser(
            source,
            self.shared_strings,
            data_only=True,
            epoch=self.wb.epoch,
            date_formats=self.wb._date_formats,
            timedelta_formats=self.wb._timedelta_formats,
        )

    def close(self):
        if self.shared_strings:
            self.shared_strings.close()
        self.archive.close()


class _Texts:
    """The texts that a workbook's cells refer to by number, in a temporary file."""

    def __init__(self):
        self._file = tempfile.TemporaryFile()
        self._ends = array("Q", (0,))

    def load(self, source):
        end = 0
        for element in _elements(_Bounded(source), _TEXT):
            end += self._file.write("".join(_PIECES(element)).encode())
            self._ends.append(end)
        self._file.flush()

    def __getitem__(self, number):
        if number < 0:
            raise IndexError(number)
        start, end = self._ends[number], self._ends[number + 1]
        return os.pread(self._file.fileno(), end - start, start).decode()

    def close(self):
        self._file.close()


class _Bounded:
    """A file of which no more may be read for one piece than a piece may have."""

    def __init__(self, source):
        self._source = source
        self.total = self._begin = 0

    def begin_piece(self):
        self._begin = self.total

    def read(self, size=-1):  # pylint: disable=method-required-super
        data = self._source.read(size)
        self.total += len(data)
        if self.total - self._begin > PIECE_MAX:
            raise ListError("too_large")
        return data


def _elements(source, tag, stop=None):
    """Yield the elements of one kind in an XML file, forgetting each when the next is asked for."""
    tags = (tag, stop) if stop else (tag,)
    for _event, element in etree.iterparse(source, tag=tags, resolve_entities=False):
        if element.tag == stop:
            return
        source.begin_piece()
        yield element
        parent = element.getparent()
        element.clear()
        # An empty element is small, but there may be millions.
        while parent is not None and parent[0] is not element:
            del parent[0]
