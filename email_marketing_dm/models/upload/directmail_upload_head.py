import base64
import hashlib
import io
import itertools
import re
from contextlib import contextmanager
from dataclasses import replace

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import formatLang

from ...lists import listfile
from ...lists.cells import show
from ...lists.columns import guess_uses, make_keys
from ...lists.encodings import REPLACED
from ...lists.errors import ListError
from ...lists.identifiers import guess_kind, strip_marks

NUMBER = re.compile(r"[+(]?[0-9][0-9 ()./-]*")
DIGITS_OF_ID = 6  # a cell with so many digits is an ID and no title
PREVIEW_ROWS = 10
SEARCHED_ROWS = 10_000  # rows searched for `PREVIEW_ROWS` that are not empty
PREVIEW_COLUMNS = 20
PREVIEW_CELL = 60  # characters
SAMPLE_CELL = 200  # characters


class DirectmailUpload(models.Model):
    """Reading the first rows of an upload, to guess its settings and show a preview.

    An upload's *list* is its file or its pasted text, as `source` says. `_open` opens the list that
    is saved, `_open_form_list` the one on the form, which may be newer (`_is_saved_list`).
    """

    _inherit = "directmail.upload"

    @api.depends("preview", "column_id", "key_ids.column_id")
    def _compute_preview_html(self):
        cell = Markup('<td class="%s">%s</td>')
        for upload in self:
            preview = upload.preview or {}
            chosen = {*(upload.column_id | upload.key_ids.column_id).mapped("number")}
            if not upload.column_id:
                chosen.add(preview.get("chosen"))

            def row(cells, chosen=chosen):
                return Markup("<tr>%s</tr>") % Markup("").join(
                    cell % ("table-info" if number in chosen else "", text)
                    for number, text in enumerate(cells)
                )

            more = preview.get("more")
            upload.preview_html = bool(preview) and Markup(
                '<table class="table table-sm table-bordered small w-auto">'
                '<thead class="fw-bold">%s</thead><tbody>%s</tbody></table>%s'
            ) % (
                row(preview["titles"]),
                Markup("").join(map(row, preview["rows"])),
                more and self.env._("Columns not shown: %s", more) or "",
            )

    def _has_content(self):
        if self.source == "paste":
            return bool((self.pasted or "").strip())
        return bool(self._get_attachment())

    def _get_attachment(self):
        return (
            # sudo(): the attachment of a field has the rights of the field, which callers have:
            # they have written or read the upload.
            self.env["ir.attachment"]
            .sudo()
            .search(
                [
                    ("res_model", "=", self._name),
                    ("res_field", "=", "file"),
                    ("res_id", "=", self.id),
                ],
                limit=1,
            )
        )

    @contextmanager
    def _open(self):
        """Open the file or the pasted text as a binary stream.

        A file in the filestore is not loaded into memory.
        """
        self.ensure_one()
        if self.source == "paste":
            yield io.BytesIO((self.pasted or "").encode())
            return
        attachment = self._get_attachment()
        if attachment.store_fname:
            with open(attachment._full_path(attachment.store_fname), "rb") as stream:
                yield stream
        else:
            yield io.BytesIO(attachment.raw or b"")

    def _get_format(self):
        """Return the `listfile.Format` that the settings describe."""
        return listfile.Format(
            self.file_kind or "csv",
            self.encoding or "utf-8",
            self.separator or ",",
            self._get_sheet_name(),
        )

    def _get_sheet_name(self):
        """Return the name of the chosen sheet, or None if it belongs to another upload."""
        sheet = self.sheet_id.sudo()
        # sudo() reads the sheet of a form that is not saved; another upload's is not used.
        return sheet.name if sheet and sheet.upload_id == self._origin else None

    def _detect(self, stream):
        """Return the detected `listfile.Format`. Pasted text is always UTF-8, see `_open`."""
        found = listfile.detect(stream, self.env.user.lang or "")
        return replace(found, encoding="utf-8") if self.source == "paste" else found

    @api.onchange("file", "pasted", "source", "sheet_id", "encoding", "separator", "has_header")
    def _onchange_head(self):
        """Show the first rows with the settings of the form, before it is saved.

        Settings are guessed only for a new file or text. If it is the saved one, the stored file is
        read.
        """
        stream = self._open_form_list()
        self.preview = False
        if not stream:
            return None
        is_new = not self._is_saved_list() and self.head_of != self._get_list_mark()
        try:
            with stream:
                if is_new:
                    found = self._detect(stream)
                    self.file_kind, self.encoding = found.kind, found.encoding
                    self.separator = found.separator
                rows = self._read_first(stream)
        except ListError as error:
            self.head_of = False
            return {
                "warning": {
                    "title": self.env._("This list can't be read"),
                    "message": self._explain(error),
                }
            }
        columns = self._transpose(rows)
        if is_new:
            self.has_header = self._has_titles(columns)
            self.head_of = self._get_list_mark()
        saved = self._origin
        is_saved = saved and self._is_saved_list() and self.sheet_id._origin == saved.sheet_id
        if is_saved:
            self.column_id = self.column_id or saved.column_id
            chosen = saved.column_id.number if saved.column_id else None
        else:
            chosen, kind = self._guess(self._get_body(columns))
            if is_new or self.column_id:
                self.id_kind = kind or self.id_kind
            # The columns in the database are those of the saved list. `_read_head` creates the new
            # ones when the form is saved.
            self.column_id = False
        self.preview = self._make_preview(rows, self._get_titles(columns), chosen)
        return None

    def _get_list_mark(self):
        """Return a text that identifies the form's list: source, length and hash of its start."""
        text = self.pasted if self.source == "paste" else self.file
        data = (text or b"")[:4096]
        data = data.encode() if isinstance(data, str) else data
        return f"{self.source} {len(text or b'')} {hashlib.sha256(data).hexdigest()[:16]}"

    def _open_form_list(self):
        """Return the form's file or text as a stream, or None if there is none."""
        if self.source == "paste":
            text = (self.pasted or "").strip()
            return io.BytesIO(self.pasted.encode()) if text else None
        if not self.file:
            return None
        if self._is_saved_list():
            return io.BytesIO(self._origin._get_attachment().raw or b"")
        return io.BytesIO(base64.b64decode(self.file))

    def _is_saved_list(self):
        """Tell whether the form's file or text is the saved one."""
        saved = self._origin
        if not saved or saved.source != self.source:
            return False
        name = "pasted" if self.source == "paste" else "file"
        return self[name] == saved[name]

    def _read_head(self, detect, given=()):
        """Read the first rows, store `preview`, and create columns and sheets.

        :param bool detect: guess the settings `GUESSED`; otherwise keep them
        :param given: names of settings that are kept although ``detect`` is set
        :raise UserError: if the file can't be read
        """
        # sudo(): `create` and `write`, which call this, have checked the rights to the upload. What
        # is read from the file is guarded, and only this addon writes columns and sheets.
        upload = self.sudo()
        if not self._has_content():
            upload.column_ids.unlink()
            upload.sheet_ids.unlink()
            upload.preview = False
            return
        try:
            with self._open() as stream:
                if detect:
                    found = self._detect(stream)
                    settings = {"encoding": found.encoding, "separator": found.separator}
                    kept = {name: value for name, value in settings.items() if name not in given}
                    upload._store({"file_kind": found.kind, **kept})
                    self._make_sheets(stream)
                rows = self._read_first(stream)
        except ListError as error:
            raise UserError(self._explain(error)) from error
        self._make_columns(rows, detect or "sheet_id" in given, given)

    def _make_sheets(self, stream):
        """Create the records of a workbook's sheets, and choose the first visible one."""
        # sudo(): see `_read_head`.
        upload = self.sudo()
        upload.sheet_ids.unlink()
        if upload.file_kind != "xlsx":
            return
        found = listfile.list_sheets(stream)
        sheets = self.env["directmail.upload.sheet"].sudo()
        # sudo(): see `_read_head`.
        sheets = sheets.create(
            [
                {
                    "upload_id": self.id,
                    "number": number,
                    "name": sheet.name or "-",
                    "is_visible": sheet.visible,
                }
                for number, sheet in enumerate(found)
            ]
        )
        chosen = sheets.filtered("is_visible")[:1] or sheets[:1]
        upload._store({"sheet_id": chosen.id})

    def _store(self, vals):
        """Write settings without making `write` read the file again."""
        return self.with_context(directmail_head_is_read=True).write(vals)

    def _read_first(self, stream):
        """Return the first rows that are not empty: titles, and `PREVIEW_ROWS` more."""
        found = itertools.islice(listfile.read_rows(stream, self._get_format()), SEARCHED_ROWS)
        rows = (row[: listfile.COLUMNS_MAX] for row, _place in found if any(row))
        return list(itertools.islice(rows, PREVIEW_ROWS + 1))

    @staticmethod
    def _transpose(rows):
        """Transpose rows to columns; cells that a row lacks are empty."""
        width = max(map(len, rows), default=0)
        return [[row[n] if n < len(row) else "" for row in rows] for n in range(width)]

    def _get_body(self, columns):
        return [cells[1:] if self.has_header else cells for cells in columns]

    def _get_titles(self, columns):
        return [
            cells[0] if self.has_header and cells[0] else self.env._("Column %s", n + 1)
            for n, cells in enumerate(columns)
        ]

    def _make_columns(self, rows, detect, given):
        """Create the records of the columns, choose the one with the IDs, and store `preview`.

        :param rows: as `_read_first` returns them
        :param bool detect: guess the column and `has_header`; otherwise keep the column if it is
            still there
        :param given: as in `_read_head`
        """
        # sudo(): see `_read_head`.
        upload = self.sudo()
        columns = self._transpose(rows)
        if detect and "has_header" not in given:
            upload._store({"has_header": self._has_titles(columns)})
        width = len(columns)
        titles = upload._get_titles(columns)
        chosen = upload.column_id.number if upload.column_id and not detect else None
        chosen = None if chosen is not None and chosen >= width else chosen
        body = upload._get_body(columns)
        known = {(column.number, column.name): column.use for column in upload.column_ids}
        samples = [[cell[:SAMPLE_CELL] for cell in cells if cell] for cells in body]
        uses, keys = guess_uses(titles, samples), make_keys(titles)
        old = upload.column_ids
        made = (
            self.env["directmail.upload.column"]
            .sudo()
            .create(
                [
                    {
                        "upload_id": self.id,
                        "number": n,
                        "name": title[:PREVIEW_CELL],
                        "key": keys[n],
                        "samples": samples[n],
                        "use": (not detect and known.get((n, title[:PREVIEW_CELL]))) or uses[n],
                    }
                    for n, title in enumerate(titles)
                ]
            )
        )
        upload._keep_keys(made.browse() if detect else made)
        old.unlink()
        if chosen is None:
            chosen, kind = self._guess(body)
            if kind and "id_kind" not in given:
                upload.id_kind = kind
        upload.column_id = made.filtered(lambda column: column.number == chosen)[:1]
        upload.preview = upload._make_preview(rows, titles, chosen)

    def _make_preview(self, rows, titles, chosen):
        """Return the value of `preview`, cut to `PREVIEW_COLUMNS` and `PREVIEW_CELL`.

        :param chosen: number of the column that is highlighted, from 0, or None
        """
        return {
            "titles": [self._shorten(title) for title in titles[:PREVIEW_COLUMNS]],
            "rows": [
                [self._shorten(cell) for cell in row[:PREVIEW_COLUMNS]]
                for row in (rows[1:] if self.has_header else rows)
            ],
            "more": max(0, len(titles) - PREVIEW_COLUMNS),
            "chosen": chosen,
            "replaced": any(REPLACED in cell for row in rows for cell in row),
        }

    @staticmethod
    def _shorten(cell):
        return show(cell if len(cell) <= PREVIEW_CELL else cell[: PREVIEW_CELL - 1] + "…")

    def _has_titles(self, columns):
        """Tell whether the first row holds titles: some column has a word above mostly IDs.

        In doubt the answer is no: a title taken for an ID is only not matched, but an ID taken for
        a title would lose a person.

        :param columns: as `_transpose` returns them
        """
        can_decrypt = self._can_decrypt()

        def is_id(cell):
            if "@" in cell or sum(map(str.isdigit, cell)) >= DIGITS_OF_ID:
                return True
            return bool(NUMBER.fullmatch(strip_marks(cell)) or guess_kind([cell], can_decrypt))

        return any(
            first and not is_id(first) and body and 2 * sum(map(is_id, body)) > len(body)
            for first, *body in columns
        )

    def _guess(self, columns):
        """Return (number of the column with the IDs, `id_kind`), each None if it can't be guessed.

        A list's only column is chosen even if the kind can't be guessed.
        """
        can_decrypt = self._can_decrypt()
        for number, cells in enumerate(columns):
            if kind := guess_kind(cells, can_decrypt):
                return number, kind
        return 0 if len(columns) == 1 else None, None

    def _can_decrypt(self):
        reader = self.env["directmail.aes.key"]._get_reader(self.company_id)
        return lambda value: reader.find_key(value, self.company_id.id)[0]

    def _explain(self, error):
        """Return the message of a `lists.errors.ListError` for the upload's owner."""
        line = error.line or 0
        sentences = {
            "empty": self.env._("The list is empty. Choose another file, or paste some lines."),
            "long_line": self.env._(
                "Line %(line)s has more than %(limit)s characters. Choose a list with one person"
                " per line.",
                line=line,
                limit=formatLang(self.env, listfile.LINE_MAX, digits=0),
            ),
            "long_cell": self.env._(
                "A cell before line %s has no end. A quotation mark may be missing. Correct the"
                " file, or choose another separator.",
                line,
            ),
            "columns": self.env._(
                "Line %(line)s has more than %(limit)s columns. Choose another separator.",
                line=line,
                limit=listfile.COLUMNS_MAX,
            ),
            "old_excel": self.env._(
                "This workbook has an old Excel format (.xls). Open it in Excel, save it as .xlsx"
                " or CSV, and upload that file."
            ),
            "protected": self.env._(
                "This workbook is protected with a password. Open it in Excel, remove the password"
                " under File → Info → Protect Workbook, save it, and upload it again."
            ),
            "xlsb": self.env._(
                "This is a binary Excel workbook (.xlsb). Open it in Excel, save it as .xlsx or"
                " CSV, and upload that file."
            ),
            "opendocument": self.env._(
                "This is an OpenDocument spreadsheet (.ods). Open it in LibreOffice, save it as"
                " .xlsx or CSV, and upload that file."
            ),
            "numbers": self.env._(
                "This is an Apple Numbers spreadsheet. Open it in Numbers, choose File → Export"
                " To → Excel or CSV, and upload that file."
            ),
            "html": self.env._(
                "This file is a web page, although its name may end in .xls. Open it in Excel, save"
                " it as .xlsx or CSV, and upload that file."
            ),
            "xml": self.env._(
                "This file is an XML document, although its name may end in .xls. Open it in Excel,"
                " save it as .xlsx or CSV, and upload that file."
            ),
            "zip": self.env._(
                "This is a ZIP archive. Unpack it and upload the list that it contains."
            ),
            "vcard": self.env._(
                "This is a file of address cards (vCard). Import it in your address book, export a"
                " CSV file there, and upload that file."
            ),
            "no_sheet": self.env._(
                "This workbook has no sheet with cells. Save the list again as .xlsx or CSV."
            ),
            "workbook": self.env._(
                "This is not an Excel workbook, or it is damaged. Save it again as .xlsx or CSV."
            ),
            "too_large": self.env._(
                "This workbook is too large when unpacked. Save the sheet as CSV and upload that."
            ),
            "binary": self.env._("This file is not a list. Choose a CSV or Excel (.xlsx) file."),
        }
        return sentences[error.code]


class DirectmailUploadSheet(models.Model):
    """A sheet of an uploaded workbook, for the choice of `sheet_id`."""

    _name = "directmail.upload.sheet"
    _description = "Sheet of an Upload"
    _log_access = False
    _order = "number"

    upload_id = fields.Many2one(
        "directmail.upload", required=True, readonly=True, index=True, ondelete="cascade"
    )
    number = fields.Integer(required=True, readonly=True)
    name = fields.Char(required=True, readonly=True)
    is_visible = fields.Boolean("Visible", readonly=True)

    @api.depends("name", "is_visible")
    def _compute_display_name(self):
        for sheet in self:
            sheet.display_name = (
                sheet.name if sheet.is_visible else self.env._("%s (hidden)", sheet.name)
            )
