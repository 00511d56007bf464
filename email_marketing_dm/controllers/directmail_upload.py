from odoo import http
from odoo.http import request

from .download import PAGE, make_csv_response


class DirectmailUpload(http.Controller):
    """Serves the IDs of an upload that matched no contact as a file."""

    @http.route(
        "/directmail/upload/<int:upload_id>/unmatched.csv",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
    )
    def unmatched(self, upload_id):
        """Download the IDs of an upload that matched no one, with formulas escaped."""
        upload = request.env["directmail.upload"].browse(upload_id).exists()
        if not upload or not upload.has_access("read"):
            raise request.not_found()
        return make_csv_response(
            f"not-matched-{upload.id}.csv",
            [upload.env._("Row"), upload.env._("ID"), upload.env._("Reason")],
            lambda last: self._read_page(upload, last),
        )

    def _read_page(self, upload, last):
        lines = request.env["directmail.upload.line"].search_fetch(
            [("upload_id", "=", upload.id), ("status", "=", "unmatched"), ("id", ">", last)],
            ["number", "value", "reason"],
            order="id",
            limit=PAGE,
        )
        reasons = dict(lines._fields["reason"]._description_selection(request.env))
        rows = [(line.id, line.number, line.value, reasons.get(line.reason, "")) for line in lines]
        lines.invalidate_recordset()
        return rows
