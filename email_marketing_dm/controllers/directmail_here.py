from odoo import http
from odoo.http import request

LENGTH = 32


class DirectmailHere(http.Controller):
    """Answers *Test connection*, which checks that the public address leads to this database."""

    @http.route(
        "/directmail/here/<string:nonce>",
        type="http",
        auth="public",
        methods=["GET"],
        save_session=False,
        sitemap=False,
        recipient_parameters=("nonce",),
    )
    def here(self, nonce):
        """Return the nonce signed with this database's secret; 404 unless it is well-formed."""
        if len(nonce) != LENGTH or not nonce.isalnum() or not nonce.isascii():
            raise request.not_found()
        signed = request.env["directmail.account"]._sign_here(nonce)
        return request.make_response(signed, headers=[("Content-Type", "text/plain")])
