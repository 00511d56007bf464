# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reading a sheet of an Excel workbook in flat memory, however it was written.

openpyxl knows what a cell means, and is left to say so. What it would hold in memory is done here:
the workbook's table of texts goes to a temporary file, rows are dropped when they have been read,
and no part is read whole that could be large. Parts are found by their relations, as the standard
(ECMA-376, part 2) has it; openpyxl expects some of them under fixed names.
"""

import os
import posixpath
import tempfile
import zipfile
from array import array
from collections import namedtuple

from lxml import etree
from openpyxl import Workbook
from openpyxl.styles.stylesheet import apply_stylesheet
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import SHEET_MAIN_NS

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


# The names that "Strict Open XML" has for the same things.
_STRICT_NS = b"http://purl.oclc.org/ooxml/spreadsheetml/main"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)

Sheet = namedtuple("Sheet", "name visible")
Sheet.__doc__ = "A sheet of a workbook, as its tab shows it."


def check_workbook(stream):
    """Refuse what is no workbook, or would be too large unpacked. Reads the archive's index only.

    :raise ListError: "too_large", or what the archive is instead: see `ListError`
    """
    with _open(stream):
        pass


def list_sheets(stream):
    """Return the worksheets of a workbook in the order of their tabs.

    :rtype: list of `Sheet`
    :raise ListError: as `check_workbook`
    """
    with _open(stream) as package:
        try:
            return [Sheet(name, visible) for name, visible, _path in package.find_sheets()]
        except (etree.LxmlError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ListError("workbook") from error


def read_sheet(stream, name=None, skip=0):
    """Yield the rows of a sheet.

    :param stream: binary and seekable
    :param name: of the sheet; None for the first one that is visible
    :param int skip: how many rows to leave out
    :return: iterator of (row's number in the sheet, [(column from 1, value)], share of the sheet
        that has been read, 0 to 1)
    :raise ListError: as `check_workbook`, "no_sheet", or a row or text is out of all proportion
    :raise Exception: whatever a broken file makes its readers stumble over
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


def _make_parser(package, source, texts):
    """Return openpyxl's reader of rows. Where styles are broken, dates are numbers."""
    book = Workbook()
    try:
        apply_stylesheet(package, book)
    except Exception:  # the list can be read all the same
        book = Workbook()
    return WorkSheetParser(
        source,
        texts,
        data_only=True,
        epoch=CALENDAR_MAC_1904 if package.counts_from_1904() else book.epoch,
        date_formats=book._date_formats,
        timedelta_formats=book._timedelta_formats,
    )


def _open(stream):
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
    """The parts of a workbook, whatever they are called.

    Names differ in case between a part and what refers to it, and some writers use backslashes.
    """

    def __init__(self, stream):
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

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._archive.close()

    def _check_sizes(self):
        sheets = {path for kind, path in self._relations.values() if kind == "worksheet"}
        others = sum(
            size
            for name, size in self.sizes.items()
            if name.endswith((".xml", ".rels"))
            and name not in sheets
            and name != self.texts
            and not name.startswith("xl/worksheets/")
        )
        if self.sizes.get(self.texts, 0) > TEXTS_MAX or others > OTHERS_MAX:
            raise ListError("too_large")

    def open(self, name):
        """Open a part. Raises KeyError where there is none."""
        return self._archive.open(self._parts[name])

    def read(self, name):  # pylint: disable=method-required-super
        """Return a part's bytes; openpyxl asks for the styles by their usual name."""
        name = _canonical(name)
        if name == "xl/styles.xml":
            name = self._find("styles") or name
        if self.sizes[name] > OTHERS_MAX:
            raise ListError("too_large")
        with self.open(name) as source:
            return source.read().replace(_STRICT_NS, SHEET_MAIN_NS.encode())

    def _read_xml(self, name):
        return etree.fromstring(self.read(name), _PARSER)

    def _read_types(self):
        """Return {part: content type}."""
        if "[content_types].xml" not in self._parts:
            return {}
        return {
            _canonical(element.get("PartName", "")): element.get("ContentType", "")
            for element in self._read_xml("[content_types].xml")
            if isinstance(element.tag, str) and element.get("PartName")
        }

    def _read_relations(self, part):
        """Return {id: (last word of its type, part)} of what a part refers to."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if relations not in self._parts:
            return {}
        return {
            element.get("Id"): (
                element.get("Type", "").rpartition("/")[2],
                _canonical(posixpath.join("/", folder, element.get("Target").replace("\\", "/"))),
            )
            for element in self._read_xml(relations)
            if isinstance(element.tag, str) and element.get("TargetMode") != "External"
        }

    def _find(self, kind):
        """Return the part of a kind that belongs to the workbook, or None."""
        related = [path for found, path in self._relations.values() if found == kind]
        typed = [path for path, found in self._types.items() if f".{kind}+" in found]
        return next((path for path in related + typed if path in self._parts), None)

    def _find_workbook(self):
        related = [p for kind, p in self._read_relations("").values() if kind == "officeDocument"]
        typed = [path for path, kind in self._types.items() if kind.endswith(".main+xml")]
        for path in (*related, *typed, "xl/workbook.xml"):
            if path in self._parts and path.endswith(".bin"):
                raise ListError("xlsb")
            if path in self._parts and "wordprocessing" not in self._types.get(path, ""):
                return path
        raise ListError(self._name_other_kind())

    def _name_other_kind(self):
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

    def find_sheets(self):
        """Yield (name, visible, part) of each worksheet."""
        for element in self._read_xml(self.workbook).iter("{*}sheet"):
            number = next((v for k, v in element.attrib.items() if k.endswith("}id")), None)
            kind, path = self._relations.get(number, ("", ""))
            if kind == "worksheet" and path in self._parts:
                visible = element.get("state", "visible") == "visible"
                yield element.get("name", ""), visible, path

    def find_sheet(self, name):
        """Return the part of the sheet of that name, or of the first one that can be seen."""
        sheets = list(self.find_sheets())
        if name is None:
            chosen = [path for _name, visible, path in sheets if visible]
            chosen = chosen or [path for _name, _visible, path in sheets]
        else:
            chosen = [path for found, _visible, path in sheets if found == name]
        if not chosen:
            raise ListError("no_sheet")
        return chosen[0]

    def counts_from_1904(self):
        """Tell whether days are numbered as old Macintosh Excels did."""
        found = self._read_xml(self.workbook).find("{*}workbookPr")
        return found is not None and found.get("date1904") in ("1", "true", "on")


def _canonical(name):
    """Return a part's name as it is compared: names of parts differ by more than case."""
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/").lower()


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
        if not self.total:
            data = data.replace(_STRICT_NS, SHEET_MAIN_NS.encode())
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
