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

# A flood of forgeries must not flood the log, nor the database.
REPORT_SECONDS = 60
_reported = {}
STATUS = {"oversized": 413, "malformed": 400}


class DirectmailEvents(http.Controller):
    """Where EventBridge pushes DirectMail's events to."""

    @http.route(
        "/directmail/events/<string:address>",
        type="http",
        # Signature and token say who calls: looking up the public user would be for nothing.
        auth="none",
        readonly=False,
        methods=["POST"],
        csrf=False,
        save_session=False,
        sitemap=False,
        # More than `_read_body` takes, so that what is a little too long is counted and told.
        max_content_length=2 * BODY_MAX,
        recipient_parameters=("address",),
    )
    def receive(self, address):
        """Check a push, keep what it says, and answer. A job applies it later.

        An event that comes again changes nothing.
        """
        # With all rights, but for an address that this database has signed, and only after the
        # signature and token of the push.
        env = request.env(user=SUPERUSER_ID, su=True)
        try:
            target = env["directmail.account"]._find_push_target(address)
        except MasterKeyProblem:
            # EventBridge tries again, and a load balancer asks another server.
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

    def _verify(self, account, target, body):
        verify(request.httprequest.headers, body, **self._get_options(account, target))

    def _get_options(self, account, target):
        """Return the options of `push.verify` for this request."""
        # EventBridge signs the address as the rule has it, which is not what a proxy passes on.
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
        """Have First contact look at the event of its own mail.

        :param named: [(a `directmail.push.PushedEvent`, id of the delivery that it names or None)]
        """
        tokens = {event.token for event, delivery_id in named if event.token and not delivery_id}
        contact = tokens and account.env["directmail.first.contact"]._recognise(account, tokens)
        if contact:
            step = contact._get_step("push")
            # Running: First contact is asking whether events are pushed; this one is the answer.
            if step.state in ("todo", "waiting", "running"):
                options = self._get_options(account, target)
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
