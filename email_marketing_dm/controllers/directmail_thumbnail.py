from odoo import http
from odoo.http import request

from .directmail_recipient import VIEW_HEADERS

# Cards show the top of a mail, so hide the scroll bars. `thumbnail.scss` gives the iframe the width
# of a desktop, because the mail's layout for phones would not show its columns.
PAGE = (
    '<!DOCTYPE html><html><head><meta charset="utf-8"/><base target="_blank"/>'
    "<style>body{margin:0;overflow:hidden}.o_mail_wrapper{margin:0 auto}</style></head>"
    "<body>%s</body></html>"
)


class DirectmailThumbnail(http.Controller):
    """Serves the previews on the gallery's cards, which load them when scrolled into view."""

    @http.route(
        "/directmail/thumbnail/<string:kind>/<int:record_id>",
        type="http",
        auth="user",
        methods=["GET"],
        readonly=True,
        sitemap=False,
    )
    def thumbnail(self, kind, record_id, unique=None):
        """Show a template or a design that the user may read, with its placeholders unfilled.

        :param kind: "template" or "design"
        :param unique: not read; it changes with the content, so that browsers fetch it anew
        """
        if kind not in ("template", "design"):
            raise request.not_found()
        record = request.env[f"directmail.{kind}"].browse(record_id).exists()
        if not record or not record.has_access("read"):
            raise request.not_found()
        body = record._get_body() if kind == "design" else record.body_html or record.body_arch
        return request.make_response(PAGE % (body or ""), headers=VIEW_HEADERS)
