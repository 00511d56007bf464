import csv
import io
import tempfile

from werkzeug.wsgi import FileWrapper

from odoo import http
from odoo.http import request

from ..directmail.identifiers import safe_cell

PAGE = 10_000  # rows read at once
IN_MEMORY = 1024 * 1024  # bytes of the file before it goes to disk


class DirectmailUpload(http.Controller):
    @http.route(
        "/directmail/upload/<int:upload_id>/unmatched.csv",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
    )
    def unmatched(self, upload_id):
        """Download the IDs of an upload that matched nobody, safe to open in a spreadsheet."""
        upload = request.env["directmail.upload"].browse(upload_id).exists()
        if not upload or not upload.has_access("read"):
            raise request.not_found()
        stream = tempfile.SpooledTemporaryFile(IN_MEMORY)
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        writer = csv.writer(text)
        writer.writerow([upload.env._("Row"), upload.env._("ID")])
        last = 0
        while rows := self._read_page(upload, last):
            writer.writerows((number, safe_cell(value or "")) for _id, number, value in rows)
            last = rows[-1][0]
        text.detach()
        stream.seek(0)
        response = request.make_response(
            FileWrapper(stream),
            headers=[
                ("Content-Type", "text/csv; charset=utf-8"),
                ("Content-Disposition", http.content_disposition(f"not-matched-{upload.id}.csv")),
            ],
        )
        response.direct_passthrough = True
        return response

    def _read_page(self, upload, last):
        lines = request.env["directmail.upload.line"].search_fetch(
            [("upload_id", "=", upload.id), ("status", "=", "unmatched"), ("id", ">", last)],
            ["number", "value"],
            order="id",
            limit=PAGE,
        )
        rows = [(line.id, line.number, line.value) for line in lines]
        lines.invalidate_recordset()
        return rows
