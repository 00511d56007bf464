import base64

from odoo import http
from odoo.http import request

from ..privacy.machines import is_machine
from .pages import make_dead_link
from .tokens import find_mail

# A transparent GIF of one pixel.
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


class DirectmailTracking(http.Controller):
    """Serves our own links and images in mails.

    The signed token names the delivery, or only the task: see `engine.content.make_tokens`.
    """

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
        delivery, task = find_mail(token)
        if task._is_recording("opens"):
            self._record(delivery, task, "open")
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
        delivery, task = find_mail(token)
        link = delivery.env["directmail.link"].search(
            [
                ("task_id", "=", task.id),
                ("template_id", "=", template),
                ("number", "=", number),
            ]
        )
        target = link and link._get_target()
        if not target:
            raise make_dead_link(delivery)
        if task._is_recording("clicks"):
            self._record(delivery, task, "click", link)
        return request.redirect(target, code=302, local=False)

    def _record(self, delivery, task, kind, link=None):
        asked = request.httprequest
        agent, headers = asked.headers.get("User-Agent", ""), asked.headers
        if not delivery:
            machine = is_machine(agent, method=asked.method, headers=headers)
            task.env["directmail.anonymous.hit"]._record(task, kind, machine)
            return
        delivery._record_hit(
            kind, link=link, user_agent=agent, method=asked.method, headers=headers
        )
