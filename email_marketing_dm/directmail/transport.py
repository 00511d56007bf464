# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Calls of DirectMail's API. The only file that imports the provider's SDK.

The SDK signs the calls and sends them. Management calls use its generic ``call_api``: the SDK's
method of each operation repeats every field name, silently drops fields that its model lacks, and
can't put a template into the form body.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from alibabacloud_dm20151123 import models
from alibabacloud_dm20151123.client import Client as SdkClient
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.core import DaraCore
from darabonba.runtime import RuntimeOptions

from ..privacy.address import normalise
from .answers import Answer, Verdict, classify_error, classify_response
from .connections import Adapter, OneHostSession
from .const import (
    API_VERSION,
    CONNECT_TIMEOUT,
    GET_ACTIONS,
    HEADERS_MAX,
    LIST_PAGE,
    READ_TIMEOUT,
)
from .errors import DirectMailError, from_sdk
from .records import Mail, Row, as_int, as_text
from .server_credentials import ServerCredential
from .wire import AnswerBody, Fields, check_answer, get_rows

SdkRequest = Any  # the SDK has no types

# A line break in a header would start another header or the body.
_LINE_BREAK = re.compile(r"[\r\n\0\x0b\x0c\x85\u2028\u2029]")
_PAGES_MAX = 1_000  # stops a management list whose pages never end

# With DEBUG=sdk in the environment the SDK writes all sent headers to stderr, among them the
# signature and the security token.
logging.getLogger("darabonba-core").setLevel(logging.WARNING)

# A forked child must not use the parent's connections: each would read the other's answers.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=DaraCore._sessions.clear)


class Transport:
    """Calls operations of one DirectMail account. Thread-safe.

    A request that DirectMail may have read is not repeated, because a repeated send is a second
    mail: see connections.py.

    :param endpoint: host, or host:port; see const.REGIONS
    :param protocol: 'https', or 'http' for the emulator
    :param security_token: only with temporary (STS) keys
    :param credential: of `get_server_credential`, instead of AccessKey and security token
    :param connect_timeout: seconds
    :param read_timeout: seconds without a byte from the server
    :param pool_size: connections kept open; at least the number of threads that send
    :param public_only: a user typed the endpoint, so call it at public addresses only
    :raise DirectMailError: kind "credentials" or "invalid" for a parameter that can't be right
    """

    def __init__(
        self,
        endpoint: str,
        access_key_id: str | None = None,
        access_key_secret: str | None = None,
        *,
        protocol: str = "https",
        security_token: str | None = None,
        credential: ServerCredential | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        pool_size: int = 64,
        public_only: bool = False,
    ) -> None:
        # Without keys the SDK would search the machine for other credentials.
        if not credential and (not access_key_id or not access_key_secret):
            raise DirectMailError("credentials", "NoAccessKey", "The AccessKey is missing.")
        if not endpoint or "/" in endpoint or protocol not in ("http", "https"):
            raise DirectMailError("invalid", "BadEndpoint", "The endpoint must be a host name.")
        self.endpoint = endpoint
        self._protocol = protocol
        self._pool_size = pool_size
        self._public_only = public_only
        # retry_options stays unset: with it the SDK repeats a send after a read time-out.
        self._sdk = SdkClient(
            Config(
                access_key_id=access_key_id,
                access_key_secret=access_key_secret,
                security_token=security_token,
                credential=credential,
                endpoint=endpoint,
                protocol=protocol,
                connect_timeout=max(1, round(connect_timeout * 1000)),
                read_timeout=max(1, round(read_timeout * 1000)),
                max_idle_conns=pool_size,
            )
        )
        self._runtime = RuntimeOptions()
        self._use_own_session()  # here, before several threads make one each

    def __repr__(self) -> str:
        return f"<DirectMailClient {self._protocol}://{self.endpoint}>"

    def send(self, mail: Mail) -> Answer:
        """Send one mail. Never raises; the verdict is UNKNOWN if it may have been sent."""
        try:
            request = _send_request(mail)
        except _Refused as error:
            return error.answer
        except Exception as error:  # a fault in this addon; no call was made
            return Answer(Verdict.TASK_PAUSED, "BadMail", type(error).__name__)
        outer = sys.exc_info()[1]
        try:
            self._use_own_session()
            response = self._sdk.single_send_mail_with_options(request, self._runtime)
            return classify_response(response.body)
        except Exception as error:
            return classify_error(error, outer)

    def _call(
        self,
        action: str,
        fields: Mapping[str, str | int | None] | None = None,
        in_body: bool = False,
    ) -> AnswerBody:
        """Call an operation and return its answer with DirectMail's names.

        :raise DirectMailError: the call failed
        """
        fields = {name: value for name, value in (fields or {}).items() if value is not None}
        request = OpenApiRequest(
            query=None if in_body else Utils.query(fields),
            body=Utils.parse_to_map(fields) if in_body else None,
        )
        params = Params(
            action=action,
            version=API_VERSION,
            protocol=self._protocol,
            pathname="/",
            method="GET" if action in GET_ACTIONS else "POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        outer = sys.exc_info()[1]
        try:
            self._use_own_session()
            return check_answer(self._sdk.call_api(params, request, self._runtime)["body"])
        except Exception as error:
            failed = error if isinstance(error, DirectMailError) else from_sdk(error, outer)
            if self._public_only and not failed.request_id:
                # One error for all cases: it must not tell whether a port is open or what answers.
                failed = DirectMailError(
                    "unreachable", "NoDirectMail", sent_unknown=failed.sent_unknown
                )
            failed.action = action
            # "from None": the SDK's text may quote the whole URL with its parameters.
            raise failed from None

    def _list(
        self, action: str, row_name: str, fields: Mapping[str, str] | None = None
    ) -> Iterator[Row]:
        """Iterate over the raw rows of all pages of a management list."""
        seen = 0
        for page in range(1, _PAGES_MAX):
            query: Fields = {**(fields or {}), "PageNo": page, "PageSize": LIST_PAGE}
            answer = self._call(action, query)
            rows = get_rows(answer, "data", row_name)
            yield from rows
            seen += len(rows)
            # A page may have fewer rows than LIST_PAGE without being the last one.
            if not rows or seen >= as_int(answer.get("TotalCount")):
                return

    def _pages(
        self, action: str, query: Fields, cursor: str, position: str | None = None
    ) -> Iterator[tuple[AnswerBody, str | None]]:
        """Iterate over (answer, next position or None) of a list with positions.

        :param cursor: name of the field with the position, in calls and answers
        :param position: where to start; None for the beginning
        """
        while True:
            answer = self._call(action, {**query, cursor: position or None})
            following = as_text(answer.get(cursor)) or None
            if following == position:  # would repeat this page endlessly
                following = None
            yield answer, following
            if following is None:
                return
            position = following

    def _use_own_session(self) -> None:
        """Make the SDK use a `OneHostSession`; a fork or another client may have removed it."""
        key = f"{self._protocol}://{self.endpoint}:80:pool={self._pool_size}"
        session = DaraCore._sessions.get(key)
        if not isinstance(session, OneHostSession) or session.public_only != self._public_only:
            DaraCore._sessions[key] = self._make_session()

    def _make_session(self) -> OneHostSession:
        theirs = DaraCore.get_adapter(self._protocol.upper())
        adapter = Adapter(theirs.ssl_context, self._pool_size, self._public_only)
        return OneHostSession(f"{self._protocol}://{self.endpoint}", adapter, self._public_only)


class _Refused(Exception):
    """A mail that must not be passed to DirectMail."""

    def __init__(self, verdict: Verdict, code: str, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(verdict, code, message)


def _send_request(mail: Mail) -> SdkRequest:
    """Return the SDK's request for a mail.

    :raise _Refused: the mail must not be sent
    """
    # Refuses a comma too, which would make it a mail to two recipients.
    if normalise(mail.to) is None:
        raise _Refused(Verdict.PERSON_REFUSED, "InvalidToAddress", "Not a mail address.")
    if bool(mail.template_id) == bool(mail.html_body):
        raise _Refused(Verdict.TASK_PAUSED, "BadMail", "Needs either a template or a body.")
    if len(mail.headers) > HEADERS_MAX:
        raise _Refused(Verdict.TASK_PAUSED, "BadMail", f"More than {HEADERS_MAX} headers.")
    written = [mail.subject, mail.sender, mail.sender_name, mail.reply_address, mail.tag]
    written += [part for item in mail.headers.items() for part in item]
    if any(_LINE_BREAK.search(text or "") for text in written):
        raise _Refused(Verdict.TASK_PAUSED, "BadMail", "A header with a line break.")
    template = None
    if mail.template_id:
        data = {name: "" if value is None else str(value) for name, value in mail.variables.items()}
        template = models.SingleSendMailRequestTemplate(data, str(mail.template_id))
    return models.SingleSendMailRequest(
        account_name=mail.sender,
        address_type=mail.address_type,
        # A string: the SDK writes a bool as "False".
        reply_to_address="true" if mail.reply_as_sender else "false",
        reply_address=mail.reply_address or None,
        to_address=mail.to.strip() if mail.to.isascii() else normalise(mail.to),
        subject=mail.subject,
        from_alias=mail.sender_name or None,
        tag_name=mail.tag or None,
        headers=json.dumps(mail.headers, ensure_ascii=False) if mail.headers else None,
        template=template,
        html_body=mail.html_body or None,
        text_body=mail.text_body or None,
        click_trace="1" if mail.click_trace else "0",
        un_subscribe_link_type=mail.unsubscribe_link or _get_link_type(mail.headers),
        un_subscribe_filter_level=mail.unsubscribe_filter,
    )


def _get_link_type(headers: Mapping[str, str]) -> str:
    """Return the UnSubscribeLinkType: "disabled" for a mail with its own List-Unsubscribe."""
    has_own = any(name.lower() == "list-unsubscribe" for name in headers)
    return "disabled" if has_own else "default"
