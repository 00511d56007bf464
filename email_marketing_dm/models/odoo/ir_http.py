from werkzeug.exceptions import HTTPException, ServiceUnavailable

from odoo import models
from odoo.http import Response, request

# After an upgrade of the database: mail programs and EventBridge try again by themselves.
RETRY_SECONDS = 120
PREFIX = "/directmail/"  # of all our routes
# Bytes of a request. The largest is a reason for unsubscribing; the webhook has its own limit.
BODY_MAX = 64 * 1024
# What every answer to somebody from outside says to their browser and to search engines.
FRAMES = "frame-ancestors 'none'"
HEADERS = {
    "Cache-Control": "no-store, private",
    "Content-Security-Policy": FRAMES,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}


class IrHttp(models.AbstractModel):
    """Guards our public pages: routes that name their parameters in ``recipient_parameters``.

    Such a route gets those parameters only, as texts without NUL. Other fields, files and what a
    query adds can't break it. A body that is too long is not read.
    """

    _inherit = "ir.http"

    @classmethod
    def _pre_dispatch(cls, rule, args):
        """Override: have no long bodies read on our public pages."""
        result = super()._pre_dispatch(rule, args)
        if "recipient_parameters" in rule.endpoint.routing:
            limit = rule.endpoint.routing.get("max_content_length", BODY_MAX)
            request.httprequest.max_content_length = limit
        return result

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
        response = Response.load(super()._dispatch(endpoint))
        cls._add_recipient_headers(response)
        return response

    @classmethod
    def _handle_error(cls, exception):
        """Override: errors guard their reader too, also those before our code is called."""
        response = super()._handle_error(exception)
        if request.httprequest.path.startswith(PREFIX):
            if isinstance(response, HTTPException):
                response = response.get_response(request.httprequest.environ)
            cls._add_recipient_headers(response)
        return response

    @classmethod
    def _add_recipient_headers(cls, response):
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        policy = response.headers["Content-Security-Policy"]
        if "frame-ancestors" not in policy:
            response.headers["Content-Security-Policy"] = f"{policy}; {FRAMES}"
