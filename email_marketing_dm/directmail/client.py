# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""DirectMail's API. The only file that imports the provider's SDK.

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
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
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
    BEIJING,
    BLOCKED_PAGE,
    CONNECT_TIMEOUT,
    DETAIL_PAGE,
    GET_ACTIONS,
    HEADERS_MAX,
    LIST_PAGE,
    READ_TIMEOUT,
    WINDOW_DAYS,
)
from .errors import DirectMailError, from_sdk
from .records import (
    AccountSummary,
    BlockedAddress,
    BlockedPage,
    DeliveryDetail,
    DetailPage,
    Domain,
    DomainRecords,
    InvalidAddress,
    InvalidPage,
    Mail,
    Row,
    SenderAddress,
    Tag,
    Template,
    TemplateRow,
    as_int,
    as_text,
)
from .server_credentials import ServerCredential
from .wire import (
    AnswerBody,
    Fields,
    check_answer,
    get_object,
    get_required,
    get_rows,
    template_fields,
    whole_minutes,
)

__all__ = ["DirectMailClient", "Mail"]

SdkRequest = Any  # the SDK has no types

# A line break in a header would start another header or the body.
_LINE_BREAK = re.compile(r"[\r\n\0\x0b\x0c\x85\u2028\u2029]")
_MAIL_TEMPLATE = 0  # TemplateType; 1 is a text message
_PAGES_MAX = 1_000  # stops a management list whose pages never end

# With DEBUG=sdk in the environment the SDK writes all sent headers to stderr, among them the
# signature and the security token.
logging.getLogger("darabonba-core").setLevel(logging.WARNING)

# A forked child must not use the parent's connections: each would read the other's answers.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=DaraCore._sessions.clear)


class DirectMailClient:
    """One DirectMail account. Thread-safe.

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

    # Sending ---------------------------------------------------------------------------

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

    # Account ---------------------------------------------------------------------------

    def describe_account(self) -> AccountSummary:
        """Return the AccountSummary. DirectMail allows about ten calls a minute."""
        answer = self._call("DescAccountSummary")
        get_required(answer, "DailyQuota")
        return AccountSummary.from_wire(answer)

    def count_requests_today(self) -> int:
        """Return how many mails DirectMail received today (Beijing), from all its clients."""
        today = datetime.now(BEIJING).strftime("%Y-%m-%d")
        query = {"StartTime": today, "EndTime": today}
        answer = self._call("SenderStatisticsByTagNameAndBatchID", query)
        return sum(as_int(row.get("requestCount")) for row in get_rows(answer, "data", "stat"))

    def list_senders(self) -> Iterator[SenderAddress]:
        """Iterate over the account's sender addresses."""
        rows = self._list("QueryMailAddressByParam", "mailAddress")
        return (SenderAddress.from_wire(row) for row in rows)

    def list_domains(self) -> Iterator[Domain]:
        """Iterate over the account's sending domains."""
        return (Domain.from_wire(row) for row in self._list("QueryDomainByParam", "domain"))

    def describe_domain(self, domain_id: str) -> DomainRecords:
        """Return the checks of a domain against its current public DNS records."""
        fields: Fields = {"DomainId": domain_id, "RequireRealTimeDnsRecords": "true"}
        return DomainRecords.from_wire(self._call("DescDomain", fields))

    def check_action(self, action: str) -> str:
        """Call an operation without parameters, to find out whether this AccessKey may call it.

        Operations that change something need parameters, so DirectMail refuses to carry them out.

        :param action: one of `permissions.get_checkable()`
        :return: "yes", "denied" (by RAM) or "missing" (DirectMail has no such operation)
        :raise DirectMailError: the call failed for another reason
        """
        try:
            self._call(action)
        except DirectMailError as error:
            if error.kind == "permission" and error.code != "InvalidIP.NotFound":
                return "denied"
            if error.code in ("InvalidApi.NotFound", "InvalidAction.NotFound"):
                return "missing"
            if error.kind not in ("invalid", "not_found", "quota", "duplicate"):
                raise
        return "yes"

    def read_time(self) -> datetime | None:
        """Return the server's time (aware, in whole seconds), or None without a valid Date header.

        :raise OSError: no answer
        :raise DirectMailError: with ``public_only``, if the endpoint is not DirectMail
        """
        if self._public_only:
            self.describe_account()
        with self._make_session() as session:
            answer = session.get(
                f"{self._protocol}://{self.endpoint}/", timeout=(CONNECT_TIMEOUT, CONNECT_TIMEOUT)
            )
        try:
            moment = parsedate_to_datetime(answer.headers.get("Date", ""))
        except (TypeError, ValueError):
            return None
        # HTTP dates are in UTC, also where the zone is missing or "-0000".
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)

    def get_events(self) -> bool:
        """Tell whether DirectMail passes its events to EventBridge."""
        answer = self._call("GetUser")
        return get_object(answer, "Data").get("EnableEventbridge") is True

    def set_events(self, enabled: bool) -> None:
        """Set whether DirectMail passes its events to EventBridge."""
        user = json.dumps({"EnableEventbridge": bool(enabled)})
        self._call("UpdateUser", {"User": user}, in_body=True)

    # Tags ------------------------------------------------------------------------------

    def create_tag(self, name: str, description: str = "") -> str:
        """Create a tag (letters, digits and "_", at most 128) and return its id."""
        answer = self._call("CreateTag", {"TagName": name, "TagDescription": description})
        return get_required(answer, "TagId")

    def find_tag(self, name: str) -> Tag | None:
        """Return the tag of exactly this name, or None."""
        # KeyWord takes fewer characters than a name may have, and finds parts of names.
        rows = self._list("QueryTagByParam", "tag", {"KeyWord": name[:50]})
        return next((Tag.from_wire(row) for row in rows if row.get("TagName") == name), None)

    def list_tags(self) -> Iterator[Tag]:
        """Iterate over the account's tags."""
        return (Tag.from_wire(row) for row in self._list("QueryTagByParam", "tag"))

    def delete_tag(self, tag_id: str) -> None:
        """Delete a tag."""
        self._call("DeleteTag", {"TagId": tag_id})

    # Templates -------------------------------------------------------------------------

    def create_template(
        self,
        name: str,
        subject: str,
        sender_name: str,
        text: str,
        remark: str = "",
        in_body: bool = False,
    ) -> str:
        """Create a template, which starts its review, and return its id.

        :param in_body: put the fields into the form body instead of the URL, which takes only
            about 80 KB
        """
        fields = template_fields(name, subject, sender_name, text, remark)
        fields["TemplateType"] = _MAIL_TEMPLATE
        return get_required(self._call("CreateTemplate", fields, in_body=in_body), "TemplateId")

    def modify_template(
        self,
        template_id: str,
        name: str,
        subject: str,
        sender_name: str,
        text: str,
        remark: str = "",
        in_body: bool = False,
    ) -> None:
        """Replace a template's content, which starts a new review; see create_template()."""
        fields = template_fields(name, subject, sender_name, text, remark)
        fields["TemplateId"] = template_id
        self._call("ModifyTemplate", fields, in_body=in_body)

    def describe_template(self, template_id: str) -> Template:
        """Return a template with its content."""
        answer = self._call("DescTemplate", {"TemplateId": template_id})
        return Template.from_wire(template_id, answer)

    def list_templates(self) -> Iterator[TemplateRow]:
        """Iterate over the account's templates of any status."""
        rows = self._list("QueryTemplateByParam", "template")
        return (TemplateRow.from_wire(row) for row in rows)

    def find_template(self, name: str) -> TemplateRow | None:
        """Return the template of exactly this name, or None."""
        rows = self._list("QueryTemplateByParam", "template", {"KeyWord": name})
        named = (row for row in rows if row.get("TemplateName") == name)
        return next((TemplateRow.from_wire(row) for row in named), None)

    def delete_template(self, template_id: str) -> None:
        """Delete a template."""
        self._call("DeleteTemplate", {"TemplateId": template_id})

    # Results of the mails --------------------------------------------------------------

    def list_delivery_details(
        self, tag_name: str, start: datetime, end: datetime, next_start: str | None = None
    ) -> Iterator[DetailPage]:
        """Iterate over pages of the mails that were sent with a tag in a period.

        DirectMail reads whole minutes: both times are rounded down, so that ``end`` is not in the
        future.

        :param start, end: aware; once rounded at most WINDOW_DAYS apart
        :param next_start: position in the last page that was processed, to continue behind it
        :raise ValueError: naive times, or a window that is empty or too long
        :raise DirectMailError: while iterating
        """
        start, end = whole_minutes(start, end)
        if not timedelta(0) < end - start <= timedelta(days=WINDOW_DAYS):
            raise ValueError(f"The window must be 1 minute to {WINDOW_DAYS} days long.")
        query: Fields = {
            "TagName": tag_name,
            "StartTime": start.strftime("%Y-%m-%d %H:%M"),
            "EndTime": end.strftime("%Y-%m-%d %H:%M"),
            "Length": DETAIL_PAGE,
        }
        pages = self._pages("SenderStatisticsDetailByParam", query, "NextStart", next_start)
        return (
            DetailPage(
                tuple(map(DeliveryDetail.from_wire, get_rows(answer, "data", "mailDetail"))),
                following,
            )
            for answer, following in pages
        )

    def list_blocked(
        self,
        block_type: str,
        begin: datetime,
        end: datetime,
        sender: str | None = None,
        next_token: str | None = None,
    ) -> Iterator[BlockedPage]:
        """Iterate over pages of addresses that unsubscribed or complained in a period.

        :param block_type: const.BLOCK_UNSUBSCRIBED or const.BLOCK_REPORTED
        :param begin, end: aware
        :param sender: only addresses blocked for this sender address
        :param next_token: position in the last page that was processed, to continue behind it
        :raise ValueError: naive times
        :raise DirectMailError: while iterating
        """
        if begin.tzinfo is None or end.tzinfo is None:
            raise ValueError("Times must have a time zone.")
        query: Fields = {
            "BlockType": block_type,
            "BeginTime": int(begin.timestamp()),
            "EndTime": int(end.timestamp()),
            "SenderEmail": sender,
            "MaxResults": BLOCKED_PAGE,
        }
        pages = self._pages("ListBlockSending", query, "NextToken", next_token)
        return (
            BlockedPage(
                tuple(map(BlockedAddress.from_wire, get_rows(answer, "Data"))),
                following,
            )
            for answer, following in pages
        )

    def list_invalid(
        self, begin: datetime, end: datetime, next_start: str | None = None
    ) -> Iterator[InvalidPage]:
        """Iterate over pages of addresses that DirectMail refuses because they don't exist.

        :param begin, end: aware, at most WINDOW_DAYS apart; whole days (Beijing) are read
        :param next_start: position in the last page that was processed, to continue behind it
        :raise ValueError: naive times
        :raise DirectMailError: while iterating
        """
        if begin.tzinfo is None or end.tzinfo is None:
            raise ValueError("Times must have a time zone.")
        query: Fields = {
            "StartTime": begin.astimezone(BEIJING).strftime("%Y-%m-%d"),
            "EndTime": end.astimezone(BEIJING).strftime("%Y-%m-%d"),
            "Length": DETAIL_PAGE,
        }
        pages = self._pages("QueryInvalidAddress", query, "NextStart", next_start)
        return (
            InvalidPage(
                tuple(map(InvalidAddress.from_wire, get_rows(answer, "data", "mailDetail"))),
                following,
            )
            for answer, following in pages
        )

    # Calling ---------------------------------------------------------------------------

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
