from werkzeug.exceptions import HTTPException, ServiceUnavailable

from odoo import models
from odoo.http import Response, request

# Retry-After until the database is upgraded: mail programs and EventBridge retry by themselves.
RETRY_SECONDS = 120
PREFIX = "/directmail/"  # of all routes of this addon
# Bytes of a request body. The largest holds a reason for unsubscribing; the webhook sets its own
# limit.
BODY_MAX = 64 * 1024
# Headers of every response of the public pages, for browsers and search engines.
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
    """Guard the public pages: routes that name their parameters in ``recipient_parameters``.

    Such a route gets those parameters only, as integers or texts without NUL, so that other fields,
    files and query parameters can't break it. A body that is too long is not read.
    """

    _inherit = "ir.http"

    @classmethod
    def _pre_dispatch(cls, rule, args):
        """Override: limit the size of request bodies on public pages."""
        result = super()._pre_dispatch(rule, args)
        if "recipient_parameters" in rule.endpoint.routing:
            limit = rule.endpoint.routing.get("max_content_length", BODY_MAX)
            request.httprequest.max_content_length = limit
        return result

    @classmethod
    def _dispatch(cls, endpoint):
        """Override: call public pages with their ``recipient_parameters`` only.

        :raise ServiceUnavailable: the database is not upgraded yet
        """
        names = endpoint.routing.get("recipient_parameters")
        if names is None:
            return super()._dispatch(endpoint)
        if not request.env["ir.module.module"]._is_directmail_upgraded():
            raise ServiceUnavailable(retry_after=RETRY_SECONDS)
        # Odoo adds OPTIONS to each route's methods and would call the endpoint, which may change
        # something.
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
        """Override: add the headers to error responses, also to errors before `_dispatch`."""
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
