import io
import re
from contextlib import contextmanager

from markupsafe import Markup

from odoo import api, models
from odoo.exceptions import UserError

from ..directmail import listfile
from ..directmail.identifiers import guess_kind
from ..directmail.listfile import ListError

NUMBER = re.compile(r"[+(]?[0-9][0-9 ().-]*")
PREVIEW_ROWS = 10
PREVIEW_COLUMNS = 20
PREVIEW_CELL = 60  # characters


class DirectmailUpload(models.Model):
    """Reading the first rows of an upload: what kind of file it is, and which column to take."""

    _inherit = "directmail.upload"

    @api.depends("preview", "column_id")
    def _compute_preview_html(self):
        cell = Markup('<td class="%s">%s</td>')
        for upload in self:
            preview = upload.preview or {}
            chosen = upload.column_id.number if upload.column_id else None

            def row(cells, chosen=chosen):
                return Markup("<tr>%s</tr>") % Markup("").join(
                    cell % ("table-info" if number == chosen else "", text)
                    for number, text in enumerate(cells)
                )

            more = preview.get("more")
            upload.preview_html = bool(preview) and Markup(
                '<table class="table table-sm table-bordered small w-auto">'
                '<thead class="fw-bold">%s</thead><tbody>%s</tbody></table>%s'
            ) % (
                row(preview["titles"]),
                Markup("").join(map(row, preview["rows"])),
                more and self.env._("and %s more columns", more) or "",
            )

    def _has_content(self):
        if self.source == "paste":
            return bool((self.pasted or "").strip())
        return bool(self._get_attachment())

    def _get_attachment(self):
        return (
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
        """Open what was uploaded or pasted as a binary stream, without loading a file."""
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
            self.file_kind or "csv", self.encoding or "utf-8", self.separator or ","
        )

    def _read_head(self, detect):
        """Read the first rows for the preview and the choice of the column.

        :param detect: find out encoding, separator and kind of ID; otherwise keep what was chosen
        :raise UserError: if the file can't be read
        """
        upload = self.sudo()
        if not self._has_content():
            upload.column_ids.unlink()
            upload.preview = False
            return
        try:
            with self._open() as stream:
                if detect:
                    found = listfile.detect(stream)
                    upload._store(
                        {
                            "file_kind": found.kind,
                            "encoding": found.encoding,
                            "separator": found.separator,
                        }
                    )
                rows = self._read_first(stream)
        except ListError as error:
            raise UserError(self._explain(error)) from error
        self._make_columns(rows, detect)

    def _store(self, vals):
        """Write settings that were found out about a file, without reading it once more."""
        return self.with_context(directmail_head_is_read=True).write(vals)

    def _read_first(self, stream):
        rows = []
        for row, _place in listfile.read_rows(stream, self._get_format()):
            rows.append(row[: listfile.COLUMNS_MAX])
            if len(rows) > PREVIEW_ROWS:
                break
        return rows

    def _make_columns(self, rows, detect):
        """Make a column for each of the first rows' cells, and guess which one holds the IDs."""
        upload = self.sudo()
        width = max(map(len, rows), default=0)
        columns = [[row[n] if n < len(row) else "" for row in rows] for n in range(width)]
        if detect:
            upload._store({"has_header": self._has_titles(columns)})
        titles = [
            cells[0] if upload.has_header and cells[0] else self.env._("Column %s", n + 1)
            for n, cells in enumerate(columns)
        ]
        chosen = upload.column_id.number if upload.column_id and not detect else None
        upload.column_ids.unlink()
        made = (
            self.env["directmail.upload.column"]
            .sudo()
            .create(
                [
                    {"upload_id": self.id, "number": n, "name": title[:PREVIEW_CELL]}
                    for n, title in enumerate(titles)
                ]
            )
        )
        body = [cells[1:] if upload.has_header else cells for cells in columns]
        if chosen is None:
            chosen = self._guess(body)
        upload.column_id = made.filtered(lambda column: column.number == chosen)[:1]
        upload.preview = {
            "titles": [title[:PREVIEW_CELL] for title in titles[:PREVIEW_COLUMNS]],
            "rows": [
                [cell[:PREVIEW_CELL] for cell in row[:PREVIEW_COLUMNS]]
                for row in (rows[1:] if upload.has_header else rows)
            ],
            "more": max(0, width - PREVIEW_COLUMNS),
        }

    def _has_titles(self, columns):
        """Tell whether the first row holds titles: a word above what looks like IDs.

        In doubt it does not: a title that is no ID is merely not matched, an ID that is taken for a
        title would be a person lost.
        """
        can_decrypt = self._can_decrypt()

        def is_id(cell):
            return bool(NUMBER.fullmatch(cell) or guess_kind([cell], can_decrypt))

        return any(
            first and not is_id(first) and body and 2 * sum(map(is_id, body)) > len(body)
            for first, *body in columns
        )

    def _guess(self, columns):
        """Set the kind of ID and return the number of its column; a lone column is the one."""
        can_decrypt = self._can_decrypt()
        for number, cells in enumerate(columns):
            if kind := guess_kind(cells, can_decrypt):
                self.sudo().id_kind = kind
                return number
        return 0 if len(columns) == 1 else None

    def _can_decrypt(self):
        reader = self.env["directmail.aes.key"]._get_reader(self.company_id)
        return lambda value: reader.find_key(value, self.company_id.id)[0]

    def _explain(self, error):
        """Return what is wrong with a file in words for its owner.

        :param error: a `listfile.ListError`
        """
        line = error.line or 0
        sentences = {
            "empty": self.env._("There is nothing in it. Choose another file."),
            "encoding": self.env._(
                "Around line %(line)s are characters that are not %(encoding)s. Choose another"
                " encoding, or save the list again as UTF-8.",
                line=line,
                encoding=(self.encoding or "utf-8").upper(),
            ),
            "long_line": self.env._(
                "Line %(line)s has more than %(limit)s characters. Is this a list with one person"
                " a line?",
                line=line,
                limit=f"{listfile.LINE_MAX:,}",
            ),
            "long_cell": self.env._(
                "A cell before line %s does not end. A quotation mark may be missing; correct the"
                " file, or choose another separator.",
                line,
            ),
            "columns": self.env._(
                "Line %(line)s has more than %(limit)s columns. Is the separator right?",
                line=line,
                limit=listfile.COLUMNS_MAX,
            ),
            "old_excel": self.env._(
                "This is a workbook of an old Excel, or a protected one. Save it as .xlsx without"
                " a password, or as CSV."
            ),
            "workbook": self.env._(
                "This is no Excel workbook, or it is damaged. Save it again as .xlsx or CSV."
            ),
            "too_large": self.env._(
                "This workbook is too large when unpacked. Save the sheet as CSV and upload that."
            ),
            "binary": self.env._("This is no list: choose a CSV or Excel (.xlsx) file."),
        }
        return sentences[error.code]
