"""The gateway: from an HTTP request to an operation and back."""

from __future__ import annotations

import inspect
import json
import sys
import traceback
import uuid
from dataclasses import dataclass, field

from aiohttp import web

from . import greeting, parameters, signature
from .errors import ApiError, error_body, missing_parameter
from .idle import IdleConnections
from .misbehave import Misbehaviour, reset
from .operations import Call, Params, load_all

VERSION = "2015-11-23"
OPERATIONS = load_all()
_GATEWAY_HTML = "<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"


@dataclass
class Received:
    """A parsed request; nothing in it is verified yet."""

    method: str
    path: str
    headers: object
    query: list
    body: bytes
    form: list
    remote: str
    request_id: str
    params: Params = field(default_factory=Params)
    access_key_id: str = ""

    @property
    def old_style(self):
        """Whether the signature is among the parameters (HMAC-SHA1) and not in a header."""
        return "Authorization" not in self.headers and "Signature" in self.params

    @property
    def action(self):
        return self.headers.get("x-acs-action") or self.params.get("Action", "")

    @property
    def version(self):
        return self.headers.get("x-acs-version") or self.params.get("Version", "")


def _check_template_operation(action, state):
    """:raises ApiError: for an operation that an older account lacks, or that RAM denies"""
    changing = action in ("CreateTemplate", "ModifyTemplate", "DeleteTemplate")
    reading = action in ("DescTemplate", "QueryTemplateByParam")
    if (changing and state in ("missing", "all_missing")) or (reading and state == "all_missing"):
        raise ApiError(
            "InvalidAction.NotFound",
            "Specified api is not found, please check your url and method.",
            status=404,
        )
    if changing and state == "denied":
        raise ApiError("Forbidden.RAM")


class Gateway:
    """Answers requests for one region; several may share a `Core`."""

    def __init__(self, core, region):
        self.core = core
        self.region = region
        self._misbehaviour = Misbehaviour(core)
        self._idle = IdleConnections()

    async def __call__(self, request):
        request_id = str(uuid.uuid4()).upper()
        protocol = self.core.settings.protocol
        path, _mark, query = request.raw_path.partition("?")
        if protocol.max_query_bytes and len(query) > protocol.max_query_bytes:
            title = "414 Request-URI Too Large"
            return web.Response(
                status=414, text=_GATEWAY_HTML.format(title=title), content_type="text/html"
            )
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._refuse(ApiError("RequestEntityTooLarge"), request_id, request.host)
        if path == greeting.PATH:
            return greeting.answer(self.core, self.region, request, body)
        received = Received(
            request.method,
            path,
            request.headers,
            signature.pairs(query.encode("utf-8", "surrogateescape")),
            body,
            self._form(request, body),
            request.remote or "",
            request_id,
        )
        received.params.update(received.query)
        received.params.update(received.form)
        received.access_key_id = self._stated_key(received)
        transport, protocol = request.transport, self._protocol_of(received)
        if transport is None:
            return await self._with_faults(request, received, False)
        if self._idle.is_forgotten(transport, protocol):
            reset(transport)
            return web.Response()
        response = await self._with_faults(request, received, self._idle.is_used(transport))
        self._idle.note(transport, protocol)
        return response

    def _protocol_of(self, received):
        """How calls of the account that a request names are treated."""
        account = self.core.accounts.by_key(received.access_key_id, self.region)
        return (account or self.core).settings.protocol

    @staticmethod
    def _form(request, body):
        """The parameters of a form body; any other body has none."""
        if not body or request.content_type != "application/x-www-form-urlencoded":
            return []
        return signature.pairs(body)

    @staticmethod
    def _stated_key(received):
        """The AccessKey id that a request names, verified or not."""
        if received.old_style:
            return received.params.get("AccessKeyId", "")
        header = received.headers.get("Authorization", "")
        return header.partition("Credential=")[2].partition(",")[0]

    async def _with_faults(self, request, received, reused):
        faults, known = (
            self.core.faults,
            (received.action, received.access_key_id, received.params, reused),
        )
        if faults.rules:
            fault = faults.find(False, *known)
            if fault:
                return await self._misbehaviour.strike(fault, request, received, None)
        response, accepted = await self._answer(received, request.host, request.secure)
        if accepted and faults.rules:
            fault = faults.find(True, *known)
            if fault:
                return await self._misbehaviour.strike(fault, request, received, response)
        return response

    async def _answer(self, received, host, secure):
        """``(response, whether the call was carried out)``"""
        now = self.core.clock.now()
        try:
            account = self._admit(received, secure)
            answer = await self._carry_out(received, account)
        except ApiError as error:
            self.core.count_call(received.action, received.access_key_id, error.code, now)
            return self._refuse(error, received.request_id, host), False
        except Exception:
            # An error of the emulator: the client gets an ordinary error, the log the traceback.
            traceback.print_exc(file=sys.stderr)
            self.core.internal_errors += 1
            self.core.count_call(received.action, received.access_key_id, "InternalError", now)
            return self._refuse(ApiError("InternalError"), received.request_id, host), False
        self.core.count_call(received.action, received.access_key_id, "ok", now)
        answer["RequestId"] = received.request_id
        return self._json(200, answer, received.request_id), True

    def _admit(self, received, secure):
        """Everything before the operation: who calls, may they, and is it really them.

        :returns: the account
        """
        protocol = self.core.settings.protocol
        if received.path != "/" or received.method not in ("GET", "POST"):
            raise ApiError("InvalidApi.NotFound")
        if not received.version:
            raise missing_parameter("Version", protocol.missing_parameter)
        if received.version != VERSION:
            raise ApiError("InvalidVersion")
        if received.action not in OPERATIONS:
            raise ApiError("InvalidApi.NotFound")
        if protocol.require_ssl and not secure:
            raise ApiError("InvalidProtocol.NeedSsl")
        check = self._check_old_style if received.old_style else self._check_acs3
        owner, key, nonce = check(received, protocol)
        account = self.core.accounts.in_region(owner, self.region)
        if not account.config.active:
            raise ApiError("InvalidAccessKeyId.Inactive")
        if not nonce:
            raise missing_parameter("SignatureNonce", protocol.missing_parameter)
        if protocol.check_nonce and not self.core.nonces.use(
            key, nonce, self.core.clock.gateway_now()
        ):
            raise ApiError("SignatureNonceUsed")
        allowed = account.config.allow_ips
        if allowed and received.remote not in allowed:
            raise ApiError("InvalidIP.NotFound")
        if not account.may(received.action, key):
            raise ApiError("Forbidden.RAM")
        _check_template_operation(received.action, account.settings.rules.template_operations)
        account.throttle(received.action, self.core.clock.now())
        return account

    def _check_acs3(self, received, protocol):
        headers = received.headers
        key, names, stated = signature.parse_authorization(headers.get("Authorization"))
        credential = self.core.accounts.credential(key)
        self._check_token(credential, headers.get("x-acs-security-token"))
        signature.check_date(
            headers.get("x-acs-date"), self.core.clock.gateway_now(), protocol.clock_window
        )
        signature.check_acs3(
            credential.secret,
            received.method,
            received.path,
            received.query,
            headers,
            names,
            stated,
            received.body,
        )
        return credential.owner, key, headers.get("x-acs-signature-nonce")

    def _check_old_style(self, received, protocol):
        params = received.params
        key = params.get("AccessKeyId", "")
        credential = self.core.accounts.credential(key)
        self._check_token(credential, params.get("SecurityToken"))
        signature.check_date(
            params.get("Timestamp"), self.core.clock.gateway_now(), protocol.clock_window
        )
        if (params.get("SignatureMethod"), params.get("SignatureVersion")) != ("HMAC-SHA1", "1.0"):
            raise ApiError("IncompleteSignature")
        signature.check_hmac_sha1(
            credential.secret, received.method, received.query + received.form
        )
        return credential.owner, key, params.get("SignatureNonce")

    def _check_token(self, credential, token):
        if not credential.token:
            if token:
                raise ApiError("InvalidSecurityToken.Malformed")
            return
        if not token:
            raise ApiError("MissingSecurityToken")
        if token != credential.token:
            raise ApiError("InvalidSecurityToken.Malformed")
        if credential.expires and credential.expires < self.core.clock.gateway_now():
            raise ApiError("InvalidSecurityToken.Expired")

    async def _carry_out(self, received, account):
        function, required = OPERATIONS[received.action]
        params = Params(
            parameters.check(
                received.action, received.query, received.form, account.settings.protocol
            )
        )
        call = Call(received.action, params, account, self.core, received.request_id)
        params.require(required, account.settings.protocol.missing_parameter)
        try:
            answer = function(call)
            return await answer if inspect.isawaitable(answer) else answer
        except UnicodeEncodeError:
            # Bytes that are no UTF-8 got as far as the database, which takes only text.
            raise ApiError("InvalidParameter", "A parameter is not UTF-8.") from None

    @staticmethod
    def _json(status, body, request_id, headers=None):
        return web.Response(
            status=status,
            body=json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
            headers={
                "Content-Type": "application/json;charset=utf-8",
                "x-acs-request-id": request_id,
                **(headers or {}),
            },
        )

    @classmethod
    def _refuse(cls, error, request_id, host):
        return cls._json(
            error.status,
            error_body(error.code, error.message, request_id, host),
            request_id,
            error.headers,
        )
