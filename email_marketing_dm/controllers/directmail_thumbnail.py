from odoo import http
from odoo.http import request

from .directmail_recipient import VIEW_HEADERS

# Cards show the first screen of a mail; a phone's width would hide how it is laid out.
PAGE = (
    '<!DOCTYPE html><html><head><meta charset="utf-8"/><base target="_blank"/>'
    "<style>body{margin:0;overflow:hidden}</style></head><body>%s</body></html>"
)


class DirectmailThumbnail(http.Controller):
    """What the cards of the gallery show, loaded as they come into sight."""

    @http.route(
        "/directmail/thumbnail/<string:kind>/<int:record_id>",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
        sitemap=False,
    )
    def thumbnail(self, kind, record_id, unique=None):
        """Show a template or a design that the user may read, without anybody's values.

        :param kind: "template" or "design"
        :param unique: changes with the content, so that browsers may keep the picture
        """
        if kind not in ("template", "design"):
            raise request.not_found()
        record = request.env[f"directmail.{kind}"].browse(record_id).exists()
        if not record or not record.has_access("read"):
            raise request.not_found()
        body = record._get_body() if kind == "design" else record.body_html or record.body_arch
        return request.make_response(PAGE % (body or ""), headers=VIEW_HEADERS)
