import logging
import time

from odoo import SUPERUSER_ID, http
from odoo.http import request

from ..directmail.push import BODY_MAX, PushRefused, read_events, verify
from ..directmail.push_forms import describe_push
from ..engine.content import TOKEN_KIND
from ..exceptions import MasterKeyProblem
from ..privacy.tokens import read_token
from .pages import RETRY_SECONDS

_logger = logging.getLogger(__name__)

# Each refusal reason is logged and counted once per this time, so that many forged pushes do not
# fill the log or the database.
REPORT_SECONDS = 60
_reported = {}
STATUS = {"oversized": 413, "malformed": 400}


class DirectmailEvents(http.Controller):
    """Receives DirectMail's events, which Alibaba Cloud EventBridge pushes."""

    @http.route(
        "/directmail/events/<string:address>",
        type="http",
        # The signature and token of the push authenticate the caller; "public" would only add a
        # query for the public user.
        auth="none",
        readonly=False,
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        # Twice the limit of `_read_body`, so that a slightly oversized body reaches `_read_body`
        # and is counted and logged; above this, Odoo answers 413 before this method runs.
        max_content_length=2 * BODY_MAX,
        recipient_parameters=("address",),
    )
    def receive(self, address):
        """Verify a push, insert its events, and answer; the event job applies them later.

        A repeated event is recognized by its fingerprint and changes nothing.
        """
        # Superuser, because the caller has no user. `_find_push_target` accepts only an address
        # signed by this database, and nothing is written before `_verify` has checked the
        # signature and token of the push.
        env = request.env(user=SUPERUSER_ID, su=True)
        try:
            target = env["directmail.account"]._find_push_target(address)
        except MasterKeyProblem:
            # 503: EventBridge tries again, or the load balancer asks a server with the right key.
            return request.make_response(
                "master key", headers=[("Retry-After", str(RETRY_SECONDS))], status=503
            )
        if not target:
            raise request.not_found()
        account = env["directmail.account"].browse(target.account_id)
        try:
            body = self._read_body()
            self._verify(account, target, body)
            pushed = read_events(body)
        except PushRefused as error:
            self._report(account, error.reason)
            return request.make_response(
                error.reason,
                headers=[("X-DirectMail-Push", error.reason)],
                status=STATUS.get(error.reason, 403),
            )
        key, uuid = target.master_key, target.database_uuid
        named = [(event, read_token(key, uuid, TOKEN_KIND, event.token)) for event in pushed]
        events = env["directmail.event"]
        facts = events._make_pushed(
            account, named, company_id=target.company_id, master_key=target.master_key
        )
        events._receive(facts)
        self._recognise_probe(account, target, body, named)
        return request.make_response("ok")

    def _read_body(self):
        """Return the request's body.

        :raise PushRefused: "oversized", if it is longer than `BODY_MAX`
        """
        length = request.httprequest.content_length
        if length is not None and length > BODY_MAX:
            raise PushRefused("oversized")
        body = request.httprequest.get_data(cache=True)
        if len(body) > BODY_MAX:
            raise PushRefused("oversized")
        return body

    def _verify(self, account, target, body):
        verify(request.httprequest.headers, body, **self._get_options(account, target))

    def _get_options(self, account, target):
        """Return the options of `push.verify` for this request."""
        # EventBridge signs the URL that is configured in its rule. Behind a proxy, the request's
        # own URL may differ from it.
        urls = [target.url]
        if target.test_mode:
            urls.append(request.httprequest.url)
        return {
            "urls": urls,
            "token": target.token,
            "certificate": account._get_certificate,
            "now": time.time(),
            "test_mode": target.test_mode,
        }

    def _recognise_probe(self, account, target, body, named):
        """Pass the push to First contact's step "push", if the event is about its test mail.

        :param named: [(a `directmail.push.PushedEvent`, id of the delivery that it names or None)]
        """
        tokens = {event.token for event, delivery_id in named if event.token and not delivery_id}
        contact = tokens and account.env["directmail.first.contact"]._recognise(account, tokens)
        if contact:
            step = contact._get_step("push")
            # "running" too: First contact is waiting for a push, and this is the one.
            if step.state in ("todo", "waiting", "running"):
                options = self._get_options(account, target)
                step._take_push(describe_push(request.httprequest.headers, body, **options))

    def _report(self, account, reason):
        """Log and count a refusal, once per `REPORT_SECONDS` for each account and reason."""
        key = (request.db, account.id, reason)
        now = time.monotonic()
        if _reported.get(key, float("-inf")) + REPORT_SECONDS > now:
            return
        _reported[key] = now
        _logger.warning("An event pushed to account %s was refused: %s", account.id, reason)
        account.env["directmail.event.count"]._add(account, f"refused_{reason}")
