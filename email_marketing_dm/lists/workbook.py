# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads a sheet of an Excel workbook in flat memory, whichever program wrote it.

openpyxl turns the cells of one row into values; everything that it would hold in memory is done
here: the table of shared texts goes to a temporary file, each row is dropped after it was read, and
no part that could be large is read as a whole. Parts are found by their relations (ECMA-376, part
2), because openpyxl expects some of them under fixed names.

openpyxl's public `load_workbook(read_only=True)` can't do this: it keeps all shared texts in
memory, finds no sheet in Strict Open XML, fails on part names with backslashes and doesn't tell how
far it has read. So `_make_parser` uses names that are private in openpyxl: requirements.txt pins
the versions that have them, and tests/unit/test_openpyxl.py fails if one of them is missing.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
import zipfile
from array import array
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import IO, Any, NamedTuple

from lxml import etree
from openpyxl import Workbook
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import SHEET_MAIN_NS

from .errors import ListError

RowParser = Any  # openpyxl has no types
CellValue = Any  # None, str, bool, int, float or a date

# Unpacked sizes, in bytes. A sheet of a million rows has some hundred megabytes.
WORKBOOK_MAX = 1024**3
TEXTS_MAX = 256 * 1024**2
OTHERS_MAX = 32 * 1024**2  # parts that are read whole, such as the styles
PIECE_MAX = 4 * 1024**2  # one row, or one text
_ROW, _ROWS = f"{{{SHEET_MAIN_NS}}}row", f"{{{SHEET_MAIN_NS}}}sheetData"
_TEXT = f"{{{SHEET_MAIN_NS}}}si"
_PIECES = etree.ETXPath(
    f"{{{SHEET_MAIN_NS}}}t/text() | {{{SHEET_MAIN_NS}}}r/{{{SHEET_MAIN_NS}}}t/text()"
)
# The namespace of "Strict Open XML", replaced by SHEET_MAIN_NS on reading.
_STRICT_NS = b"http://purl.oclc.org/ooxml/spreadsheetml/main"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)


class Sheet(NamedTuple):
    """A sheet of a workbook, as its tab shows it."""

    name: str
    visible: bool


def check_workbook(stream: IO[bytes]) -> None:
    """Refuse archives that are not a workbook or are too large unpacked. Reads no sheet.

    :raise ListError: "too_large", or the kind of file instead of a workbook: see `ListError`
    """
    with _open(stream):
        pass


def list_sheets(stream: IO[bytes]) -> list[Sheet]:
    """Return the worksheets of a workbook in the order of their tabs.

    :raise ListError: as `check_workbook`
    """
    with _open(stream) as package:
        try:
            return [Sheet(name, visible) for name, visible, _path in package.find_sheets()]
        except (etree.LxmlError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ListError("workbook") from error


def read_sheet(
    stream: IO[bytes], name: str | None = None, skip: int = 0
) -> Generator[tuple[int, list[tuple[int, CellValue]], float], None, None]:
    """Yield the rows of a sheet.

    :param stream: seekable
    :param name: of the sheet; None for the first visible sheet
    :param skip: how many rows to leave out
    :return: iterator of (row's number in the sheet, [(column from 1, value)], share of the sheet
        that has been read, 0 to 1)
    :raise ListError: as `check_workbook`; "no_sheet"; "too_large" for a row or text of more than
        PIECE_MAX bytes
    :raise Exception: of any type, from openpyxl or lxml, for a damaged file
    """
    with _open(stream) as package:
        path = package.find_sheet(name)
        texts = _Texts()
        try:
            if package.texts:
                with package.open(package.texts) as source:
                    texts.load(source)
            with package.open(path) as source:
                bounded = _Bounded(source)
                parser = _make_parser(package, bounded, texts)
                size = package.sizes[path] or 1
                number = 0
                for element in _elements(bounded, _ROW, stop=_ROWS):
                    number += 1
                    if number <= skip:
                        continue
                    index, cells = parser.parse_row(element)
                    share = min(1.0, bounded.total / size)
                    yield index, [(cell["column"], cell["value"]) for cell in cells], share
        finally:
            texts.close()


def _make_parser(package: _Package, source: _Bounded, texts: _Texts) -> RowParser:
    """Return openpyxl's parser of rows. If the styles are damaged, it returns dates as numbers."""
    book = Workbook()
    try:
        apply_stylesheet(package, book)
    except Exception:  # damaged styles don't prevent reading the rows
        book = Workbook()
    return WorkSheetParser(
        source,
        texts,
        data_only=True,
        epoch=CALENDAR_MAC_1904 if package.counts_from_1904() else book.epoch,
        date_formats=book._date_formats,
        timedelta_formats=book._timedelta_formats,
    )


def _open(stream: IO[bytes]) -> _Package:
    stream.seek(0)
    try:
        return _Package(stream)
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, etree.LxmlError) as error:
        if isinstance(error, ListError):
            raise
        raise ListError("workbook") from error
    finally:
        stream.seek(0)


class _Package:
    """The parts of a workbook, found by relation, not by name.

    Part names are compared through _canonical(): references may differ from them in case, and some
    programs write backslashes.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._archive = zipfile.ZipFile(stream)
        self._parts = {_canonical(info.filename): info for info in self._archive.infolist()}
        self.sizes = {name: info.file_size for name, info in self._parts.items()}
        if sum(self.sizes.values()) > WORKBOOK_MAX:
            raise ListError("too_large")
        self._types = self._read_types()
        self.workbook = self._find_workbook()
        self._relations = self._read_relations(self.workbook)
        self.texts = self._find("sharedStrings")
        self._check_sizes()

    def __enter__(self) -> _Package:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._archive.close()

    def _check_sizes(self) -> None:
        sheets = {path for kind, path in self._relations.values() if kind == "worksheet"}
        others = sum(
            size
            for name, size in self.sizes.items()
            if name.endswith((".xml", ".rels"))
            and name not in sheets
            and name != self.texts
            and not name.startswith("xl/worksheets/")
        )
        if (self.texts and self.sizes[self.texts] > TEXTS_MAX) or others > OTHERS_MAX:
            raise ListError("too_large")

    def open(self, name: str) -> IO[bytes]:
        """Open a part.

        :raise KeyError: there is none of that name
        """
        return self._archive.open(self._parts[name])

    def read(self, name: str) -> bytes:  # pylint: disable=method-required-super
        """Return a part's bytes; openpyxl asks for the styles by their usual name."""
        name = _canonical(name)
        if name == "xl/styles.xml":
            name = self._find("styles") or name
        if self.sizes[name] > OTHERS_MAX:
            raise ListError("too_large")
        with self.open(name) as source:
            return source.read().replace(_STRICT_NS, SHEET_MAIN_NS.encode())

    def _read_xml(self, name: str) -> etree._Element:
        return etree.fromstring(self.read(name), _PARSER)

    def _read_types(self) -> dict[str, str]:
        """Return {part: content type}."""
        if "[content_types].xml" not in self._parts:
            return {}
        return {
            _canonical(element.get("PartName", "")): element.get("ContentType", "")
            for element in self._read_xml("[content_types].xml")
            if isinstance(element.tag, str) and element.get("PartName")
        }

    def _read_relations(self, part: str) -> dict[str | None, tuple[str, str]]:
        """Return {id: (last word of its type, part)} for the parts that a part refers to."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if relations not in self._parts:
            return {}
        return {
            element.get("Id"): (
                element.get("Type", "").rpartition("/")[2],
                _canonical(posixpath.join("/", folder, target.replace("\\", "/"))),
            )
            for element in self._read_xml(relations)
            if isinstance(element.tag, str)
            and element.get("TargetMode") != "External"
            and (target := element.get("Target")) is not None
        }

    def _find(self, kind: str) -> str | None:
        """Return the part of a kind that belongs to the workbook, or None."""
        related = [path for found, path in self._relations.values() if found == kind]
        typed = [path for path, found in self._types.items() if f".{kind}+" in found]
        return next((path for path in related + typed if path in self._parts), None)

    def _find_workbook(self) -> str:
        related = [p for kind, p in self._read_relations("").values() if kind == "officeDocument"]
        typed = [path for path, kind in self._types.items() if kind.endswith(".main+xml")]
        for path in (*related, *typed, "xl/workbook.xml"):
            if path in self._parts and path.endswith(".bin"):
                raise ListError("xlsb")
            if path in self._parts and "wordprocessing" not in self._types.get(path, ""):
                return path
        raise ListError(self._name_other_kind())

    def _name_other_kind(self) -> str:
        names = set(self._parts)
        if "mimetype" in names and b"opendocument" in self.read("mimetype")[:100]:
            return "opendocument"
        if any(name.endswith(".iwa") or name == "index.zip" for name in names):
            return "numbers"
        if "[content_types].xml" in names:
            return "workbook"
        return (
            "zip" if any(name.endswith((".csv", ".txt", ".xlsx")) for name in names) else "workbook"
        )

    def find_sheets(self) -> Iterator[tuple[str, bool, str]]:
        """Yield (name, visible, part) of each worksheet."""
        for element in self._read_xml(self.workbook).iter("{*}sheet"):
            number = next((v for k, v in element.attrib.items() if k.endswith("}id")), None)
            kind, path = self._relations.get(number, ("", ""))
            if kind == "worksheet" and path in self._parts:
                visible = element.get("state", "visible") == "visible"
                yield element.get("name", ""), visible, path

    def find_sheet(self, name: str | None) -> str:
        """Return the part of the sheet of that name; for None, of the first visible sheet."""
        sheets = list(self.find_sheets())
        if name is None:
            chosen = [path for _name, visible, path in sheets if visible]
            chosen = chosen or [path for _name, _visible, path in sheets]
        else:
            chosen = [path for found, _visible, path in sheets if found == name]
        if not chosen:
            raise ListError("no_sheet")
        return chosen[0]

    def counts_from_1904(self) -> bool:
        """Tell whether day numbers start in 1904, as in old versions of Excel for Macintosh."""
        found = self._read_xml(self.workbook).find("{*}workbookPr")
        return found is not None and found.get("date1904") in ("1", "true", "on")


def _canonical(name: str) -> str:
    """Return a part's name in the form in which names are compared."""
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/").lower()


class _Texts:
    """The texts that a workbook's cells refer to by number, in a temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        self._ends = array("Q", (0,))

    def load(self, source: IO[bytes]) -> None:
        end = 0
        for element in _elements(_Bounded(source), _TEXT):
            end += self._file.write("".join(_PIECES(element)).encode())
            self._ends.append(end)
        self._file.flush()

    def __getitem__(self, number: int) -> str:
        if number < 0:
            raise IndexError(number)
        start, end = self._ends[number], self._ends[number + 1]
        return os.pread(self._file.fileno(), end - start, start).decode()

    def close(self) -> None:
        self._file.close()


class _Bounded:
    """A file that refuses to read more than PIECE_MAX bytes for one row or text."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.total = self._begin = 0

    def begin_piece(self) -> None:
        self._begin = self.total

    def read(self, size: int = -1) -> bytes:  # pylint: disable=method-required-super
        data = self._source.read(size)
        if not self.total:
            data = data.replace(_STRICT_NS, SHEET_MAIN_NS.encode())
        self.total += len(data)
        if self.total - self._begin > PIECE_MAX:
            raise ListError("too_large")
        return data


def _elements(source: _Bounded, tag: str, stop: str | None = None) -> Iterator[etree._Element]:
    """Yield the elements with a tag, dropping each before the next is read; end at tag ``stop``."""
    tags = (tag, stop) if stop else (tag,)
    for _event, element in etree.iterparse(source, tag=tags, resolve_entities=False):
        if element.tag == stop:
            return
        source.begin_piece()
        yield element
        parent = element.getparent()
        element.clear()
        # Also drop the emptied elements: there may be millions.
        while parent is not None and parent[0] is not element:
            del parent[0]
