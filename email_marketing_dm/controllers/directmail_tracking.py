import base64

from odoo import http
from odoo.http import request

from .pages import make_dead_link
from .tokens import find_delivery

# A transparent GIF of one pixel.
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


class DirectmailTracking(http.Controller):
    """Serves our own links and images in mails; the signed token names the delivery."""

    @http.route(
        "/directmail/open/<string:token>",
        type="http",
        auth="public",
        methods=["GET", "HEAD"],
        save_session=False,
        sitemap=False,
        recipient_parameters=("token",),
    )
    def opened(self, token):
        """Record an open, if the task records opens, and return the pixel."""
        delivery = find_delivery(token)
        if delivery.task_id._is_recording("opens"):
            self._record(delivery, "open")
        return request.make_response(PIXEL, headers=[("Content-Type", "image/gif")])

    @http.route(
        "/directmail/click/<int:template>/<int:number>/<string:token>",
        type="http",
        auth="public",
        methods=["GET", "HEAD"],
        save_session=False,
        sitemap=False,
        recipient_parameters=("template", "number", "token"),
    )
    def clicked(self, template, number, token):
        """Record a click, if the task records clicks, and redirect to the link's target.

        The target is read from `directmail.link`, never from the request, so this is no open
        redirect.
        """
        delivery = find_delivery(token)
        link = delivery.env["directmail.link"].search(
            [
                ("task_id", "=", delivery.task_id.id),
                ("template_id", "=", template),
                ("number", "=", number),
            ]
        )
        target = link and link._get_target()
        if not target:
            raise make_dead_link(delivery)
        if delivery.task_id._is_recording("clicks"):
            self._record(delivery, "click", link)
        return request.redirect(target, code=302, local=False)

    def _record(self, delivery, kind, link=None):
        asked = request.httprequest
        delivery._record_hit(
            kind,
            link=link,
            user_agent=asked.headers.get("User-Agent", ""),
            method=asked.method,
            headers=asked.headers,
        )
