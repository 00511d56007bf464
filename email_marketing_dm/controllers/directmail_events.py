import logging
import time

from odoo import http
from odoo.http import request

from ..directmail.push import BODY_MAX, PushRefused, read_events, verify
from ..directmail.push_forms import describe_push
from ..engine.content import read_delivery_token
from ..exceptions import MasterKeyProblem
from .pages import RETRY_SECONDS

_logger = logging.getLogger(__name__)

# A flood of forgeries must not flood the log, nor the database.
REPORT_SECONDS = 60
_reported = {}
STATUS = {"oversized": 413, "malformed": 400}


class DirectmailEvents(http.Controller):
    """Where EventBridge pushes DirectMail's events to."""

    @http.route(
        "/directmail/events/<string:address>",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        recipient_parameters=("address",),
    )
    def receive(self, address):
        """Check a push, keep what it says, and answer. A job applies it later.

        An event that comes again changes nothing.
        """
        try:
            account = request.env["directmail.account"]._find_by_push_address(address)
        except MasterKeyProblem:
            # EventBridge tries again, and a load balancer asks another server.
            return request.make_response(
                "master key", headers=[("Retry-After", str(RETRY_SECONDS))], status=503
            )
        if not account:
            raise request.not_found()
        try:
            body = self._read_body()
            self._verify(account, body)
            pushed = read_events(body)
        except PushRefused as error:
            self._report(account, error.reason)
            return request.make_response(
                error.reason,
                headers=[("X-DirectMail-Push", error.reason)],
                status=STATUS.get(error.reason, 403),
            )
        env = account.env
        events = env["directmail.event"]
        named = [(event, read_delivery_token(env, event.token)) for event in pushed]
        events._receive(events._make_pushed(account, named))
        self._recognise_probe(account, body, named)
        return request.make_response("ok")

    def _read_body(self):
        """Read no more than an event may have.

        :raise PushRefused: it has more
        """
        length = request.httprequest.content_length
        if length is not None and length > BODY_MAX:
            raise PushRefused("oversized")
        body = request.httprequest.get_data(cache=True)
        if len(body) > BODY_MAX:
            raise PushRefused("oversized")
        return body

    def _verify(self, account, body):
        verify(request.httprequest.headers, body, **self._get_options(account))

    def _get_options(self, account):
        """Return the options of `push.verify` for this request."""
        # EventBridge signs the address as the rule has it, which is not what a proxy passes on.
        urls = [account.push_url]
        if account.test_mode:
            urls.append(request.httprequest.url)
        return {
            "urls": urls,
            "token": account.push_token,
            "certificate": account._get_certificate,
            "now": time.time(),
            "test_mode": account.test_mode,
        }

    def _recognise_probe(self, account, body, named):
        """Have First contact look at the event of its own mail.

        :param named: [(a `directmail.push.PushedEvent`, id of the delivery that it names or None)]
        """
        tokens = {event.token for event, delivery_id in named if event.token and not delivery_id}
        contact = tokens and account.env["directmail.first.contact"]._recognise(account, tokens)
        if contact:
            step = contact._get_step("push")
            if step.state in ("todo", "waiting"):
                options = self._get_options(account)
                step._take_push(describe_push(request.httprequest.headers, body, **options))

    def _report(self, account, reason):
        """Say once a minute what is refused and why."""
        key = (request.db, account.id, reason)
        now = time.monotonic()
        if _reported.get(key, float("-inf")) + REPORT_SECONDS > now:
            return
        _reported[key] = now
        _logger.warning("An event pushed to account %s was refused: %s", account.id, reason)
        account.env["directmail.event.count"]._add(account, f"refused_{reason}")
