# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""ListError, which the readers of uploaded files raise."""

from __future__ import annotations


class ListError(ValueError):
    """A file can't be read.

    :ivar code: "empty", "long_line", "long_cell", "columns", "too_large" or "no_sheet"; or the kind
        of file instead of a list: "old_excel", "protected", "xlsb", "opendocument", "numbers",
        "strict", "zip", "html", "xml", "vcard", "workbook" (damaged, or none) or "binary"
    :ivar line: number of the line, from 1, or None
    """

    def __init__(self, code: str, line: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.line = line
