from werkzeug.exceptions import HTTPException, ServiceUnavailable

from odoo import models
from odoo.http import Response, request

# After an upgrade of the database: mail programs and EventBridge try again by themselves.
RETRY_SECONDS = 120
# What every answer to somebody from outside says to their browser and to search engines.
HEADERS = {
    "Cache-Control": "no-store, private",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


class IrHttp(models.AbstractModel):
    """Guards our public pages: routes that name their parameters in ``recipient_parameters``.

    Such a route gets those parameters only, as texts without NUL. Other fields, files and what a
    query adds can't break it.
    """

    _inherit = "ir.http"

    @classmethod
    def _dispatch(cls, endpoint):
        """Override: call our public routes with what they know, and nothing else."""
        names = endpoint.routing.get("recipient_parameters")
        if names is None:
            return super()._dispatch(endpoint)
        if not request.env["ir.module.module"]._is_directmail_upgraded():
            raise ServiceUnavailable(retry_after=RETRY_SECONDS)
        # Odoo adds OPTIONS to the methods of each route, also where POST changes something.
        if request.httprequest.method == "OPTIONS":
            allowed = ", ".join(sorted({*endpoint.routing["methods"], "OPTIONS"}))
            return Response(status=204, headers={**HEADERS, "Allow": allowed})
        request.params = {
            name: value.replace("\0", "") if isinstance(value, str) else value
            for name in names
            if isinstance(value := request.params.get(name), (str, int))
        }
        try:
            response = Response.load(super()._dispatch(endpoint))
        except HTTPException as error:
            error.response = error.get_response(request.httprequest.environ)
            cls._add_recipient_headers(error.response)
            raise
        cls._add_recipient_headers(response)
        return response

    @classmethod
    def _add_recipient_headers(cls, response):
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
