# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""DirectMail's API. The only file that imports the provider's SDK.

The SDK signs and carries the calls. Management calls go through its generic ``call_api``: the
typed methods would only repeat each field name, drop answers they can't map without a word, and
can't put a template into the form body.
"""

import json
import logging
import os
import re
import sys
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from alibabacloud_credentials.client import Client as CredentialClient
from alibabacloud_credentials.provider import (
    DefaultCredentialsProvider,
    EcsRamRoleCredentialsProvider,
)
from alibabacloud_dm20151123 import models
from alibabacloud_dm20151123.client import Client as SdkClient
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.core import DaraCore
from darabonba.runtime import RuntimeOptions
from requests import Session
from requests.utils import should_bypass_proxies

from ..privacy.address import normalise
from .answers import Answer, Verdict, classify_error, classify_response
from .connections import Adapter
from .const import (
    API_VERSION,
    BEIJING,
    BLOCKED_PAGE,
    CONNECT_TIMEOUT,
    DETAIL_PAGE,
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
    SenderAddress,
    Tag,
    Template,
    TemplateRow,
    as_int,
    as_text,
)
from .wire import check_answer, get_object, get_required, get_rows, template_fields, whole_minutes

__all__ = ["DirectMailClient", "Mail"]

# With one, a header would go on as another header, or as the body.
_LINE_BREAK = re.compile(r"[\r\n\0\x0b\x0c\x85\u2028\u2029]")
_MAIL_TEMPLATE = 0  # TemplateType; 1 is a text message
_PAGES_MAX = 1_000  # a management list that goes on for longer isn't one

# With DEBUG=sdk in the environment the SDK writes every header it sends to stderr, the signature
# and the security token included.
logging.getLogger("darabonba-core").setLevel(logging.WARNING)

# A connection shared with a forked child gives one process the other's answers.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=DaraCore._sessions.clear)


class NoCredentialError(Exception):
    """This server has no credentials of its own, or they can't be read at the moment."""


class _MetadataProvider(EcsRamRoleCredentialsProvider):
    """The role of the ECS instance, told by the metadata service or what stands in for it.

    The library has no setting for the host, 100.100.100.200.
    """

    def __init__(self, role, host):
        # Without the library's thread that asks every minute for as long as the process lives.
        super().__init__(role_name=role, async_update_enabled=False)
        if host:
            self._EcsRamRoleCredentialsProvider__metadata_service_host = host


class _ServerCredential:
    """What the SDK asks for keys at each call. The library keeps them until they end."""

    def __init__(self, make_provider):
        self._make_provider = make_provider
        self._client = None

    def get_credential(self):
        """Return the library's `CredentialModel`.

        :raise NoCredentialError: there are none
        """
        try:
            if self._client is None:
                self._client = CredentialClient(provider=self._make_provider())
            return self._client.get_credential()
        except Exception as error:
            # The library's own text may quote what was read.
            raise NoCredentialError(type(error).__name__) from None


@lru_cache(maxsize=32)
def get_server_credential(kind, role=None, host=None):
    """Return what a `DirectMailClient` signs with: this server's own rights at Alibaba Cloud.

    One for all clients of the process, so that keys are read once for all runs.

    :param kind: 'ecs' (role of the instance) or 'chain' (the library's default chain: environment,
        OIDC, CLI profile, credentials file, ECS role, URI)
    :param role: name of the RAM role; None asks the instance which one it has
    :param host: 'host:port' that stands in for the metadata service
    """
    if kind == "chain":
        return _ServerCredential(DefaultCredentialsProvider)
    return _ServerCredential(lambda: _MetadataProvider(role, host))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=get_server_credential.cache_clear)


class _Session(Session):
    """Follows no redirect (it would turn a POST into a GET) and respects NO_PROXY.

    The SDK reads HTTP_PROXY and HTTPS_PROXY itself and has no way to make an exception.

    :param url: of the one service that it talks to
    :param adapter: the `connections.Adapter` of all requests
    :param bool public_only: use no proxy, which could lead into its own network
    """

    def __init__(self, url, adapter, public_only):
        super().__init__()
        self.public_only = public_only
        for protocol in ("http://", "https://"):
            self.mount(protocol, adapter)
        # Once for all calls: looking through the environment takes a tenth of a call's time.
        self._is_direct = public_only or should_bypass_proxies(url, no_proxy=None)

    def send(self, request, **kwargs):
        kwargs["allow_redirects"] = False
        if self._is_direct:
            kwargs["proxies"] = {}
        return super().send(request, **kwargs)


class DirectMailClient:
    """One DirectMail account. Safe to use from several threads at once.

    Nothing is retried here that anybody may have read, because a repeated send is a second mail:
    see connections.py.

    :param endpoint: host, or host:port; see const.REGIONS
    :param protocol: 'https', or 'http' for the emulator
    :param security_token: only with temporary (STS) keys
    :param credential: of `get_server_credential`, instead of the three above
    :param connect_timeout: seconds
    :param read_timeout: seconds without a byte from the server
    :param pool_size: connections kept open; at least the number of threads that send
    :param bool public_only: a user typed the endpoint, so call it at public addresses only
    :raise DirectMailError: kind credentials or invalid, when a parameter can't be right
    """

    def __init__(
        self,
        endpoint,
        access_key_id=None,
        access_key_secret=None,
        *,
        protocol="https",
        security_token=None,
        credential=None,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        pool_size=64,
        public_only=False,
    ):
        # Without keys the SDK would search the machine for others.
        if not credential and (not access_key_id or not access_key_secret):
            raise DirectMailError("credentials", "NoAccessKey", "The AccessKey is missing.")
        if not endpoint or "/" in endpoint or protocol not in ("http", "https"):
            raise DirectMailError("invalid", "BadEndpoint", "The endpoint must be a host name.")
        self.endpoint = endpoint
        self._protocol = protocol
        self._pool_size = pool_size
        self._public_only = public_only
        # retry_options stays unset: with it the SDK sends again after a read time-out.
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
        self._use_own_session()  # before there are threads that would each make one

    def __repr__(self):
        return f"<DirectMailClient {self._protocol}://{self.endpoint}>"

    # Sending ---------------------------------------------------------------------------

    def send(self, mail):
        """Send one Mail and return an Answer. Never raises; UNKNOWN when in doubt."""
        try:
            request = _send_request(mail)
        except _Refused as error:
            return error.answer
        except Exception as error:  # our own mistake: nothing has been sent
            return Answer(Verdict.TASK_PAUSED, "BadMail", type(error).__name__)
        outer = sys.exc_info()[1]
        try:
            self._use_own_session()
            response = self._sdk.single_send_mail_with_options(request, self._runtime)
            return classify_response(response.body)
        except Exception as error:
            return classify_error(error, outer)

    # Account ---------------------------------------------------------------------------

    def describe_account(self):
        """Return the AccountSummary. DirectMail allows about ten calls a minute."""
        answer = self._call("DescAccountSummary")
        get_required(answer, "DailyQuota")
        return AccountSummary.from_wire(answer)

    def count_requests_today(self):
        """Return how many mails were handed over today in Beijing, whoever did so."""
        today = datetime.now(BEIJING).strftime("%Y-%m-%d")
        query = {"StartTime": today, "EndTime": today}
        answer = self._call("SenderStatisticsByTagNameAndBatchID", query)
        return sum(as_int(row.get("requestCount")) for row in get_rows(answer, "data", "stat"))

    def list_senders(self):
        """Iterate over all SenderAddress of the account."""
        rows = self._list("QueryMailAddressByParam", "mailAddress")
        return (SenderAddress.from_wire(row) for row in rows)

    def list_domains(self):
        """Iterate over all Domain of the account."""
        return (Domain.from_wire(row) for row in self._list("QueryDomainByParam", "domain"))

    def describe_domain(self, domain_id):
        """Return the DomainRecords of a domain, as public DNS has them at this moment."""
        fields = {"DomainId": domain_id, "RequireRealTimeDnsRecords": "true"}
        return DomainRecords.from_wire(self._call("DescDomain", fields))

    def check_action(self, action):
        """Ask for an operation without any parameter, to see whether this AccessKey may call it.

        What must not be carried out by chance needs parameters, so it is refused for lack of them.

        :param str action: one of `permissions.get_checkable()`
        :return: "yes", "denied" (by RAM) or "missing" (DirectMail has no such operation)
        :raise DirectMailError: where neither can be told
        """
        try:
            self._call(action, method="GET" if action == "GetUser" else "POST")
        except DirectMailError as error:
            if error.kind == "permission" and error.code != "InvalidIP.NotFound":
                return "denied"
            if error.code in ("InvalidApi.NotFound", "InvalidAction.NotFound"):
                return "missing"
            if error.kind not in ("invalid", "not_found", "quota", "duplicate"):
                raise
        return "yes"

    def read_time(self):
        """Return the time by the server's clock (aware, to the second), or None if not told.

        :raise OSError: no answer
        :raise DirectMailError: of an endpoint that a user typed, if it is not DirectMail
        """
        if self._public_only:
            self.describe_account()
        with self._make_session() as session:
            answer = session.get(
                f"{self._protocol}://{self.endpoint}/", timeout=(CONNECT_TIMEOUT, CONNECT_TIMEOUT)
            )
        stamp = answer.headers.get("Date")
        try:
            return parsedate_to_datetime(stamp)
        except (TypeError, ValueError):
            return None

    def get_events(self):
        """Tell whether DirectMail hands its events to EventBridge."""
        answer = self._call("GetUser", method="GET")
        return get_object(answer, "Data").get("EnableEventbridge") is True

    def set_events(self, enabled):
        """Have DirectMail hand its events to EventBridge, or not."""
        user = json.dumps({"EnableEventbridge": bool(enabled)})
        self._call("UpdateUser", {"User": user}, in_body=True)

    # Tags ------------------------------------------------------------------------------

    def create_tag(self, name, description=""):
        """Make a tag (letters, digits and "_", at most 128) and return its id."""
        answer = self._call("CreateTag", {"TagName": name, "TagDescription": description})
        return get_required(answer, "TagId")

    def find_tag(self, name):
        """Return the Tag of exactly this name, or None."""
        # The search word may be shorter than a name, and finds parts of names.
        rows = self._list("QueryTagByParam", "tag", {"KeyWord": name[:50]})
        return next((Tag.from_wire(row) for row in rows if row.get("TagName") == name), None)

    def list_tags(self):
        """Iterate over all Tag of the account."""
        return (Tag.from_wire(row) for row in self._list("QueryTagByParam", "tag"))

    def delete_tag(self, tag_id):
        """Delete a tag."""
        self._call("DeleteTag", {"TagId": tag_id})

    # Templates -------------------------------------------------------------------------

    def create_template(self, name, subject, sender_name, text, remark="", in_body=False):
        """Make a template, which puts it in review, and return its id.

        :param in_body: pass everything in the form body instead of the URL, which only takes
            about 80 KB
        """
        fields = template_fields(name, subject, sender_name, text, remark)
        fields["TemplateType"] = _MAIL_TEMPLATE
        return get_required(self._call("CreateTemplate", fields, in_body=in_body), "TemplateId")

    def modify_template(
        self, template_id, name, subject, sender_name, text, remark="", in_body=False
    ):
        """Replace a template's content; see create_template(). It is reviewed again."""
        fields = template_fields(name, subject, sender_name, text, remark)
        fields["TemplateId"] = template_id
        self._call("ModifyTemplate", fields, in_body=in_body)

    def describe_template(self, template_id):
        """Return the Template with its content."""
        answer = self._call("DescTemplate", {"TemplateId": template_id})
        return Template.from_wire(template_id, answer)

    def list_templates(self):
        """Iterate over all TemplateRow of the account, in any state."""
        rows = self._list("QueryTemplateByParam", "template")
        return (TemplateRow.from_wire(row) for row in rows)

    def find_template(self, name):
        """Return the TemplateRow of exactly this name, or None."""
        rows = self._list("QueryTemplateByParam", "template", {"KeyWord": name})
        named = (row for row in rows if row.get("TemplateName") == name)
        return next((TemplateRow.from_wire(row) for row in named), None)

    def delete_template(self, template_id):
        """Delete a template."""
        self._call("DeleteTemplate", {"TemplateId": template_id})

    # What became of the mails ----------------------------------------------------------

    def list_delivery_details(self, tag_name, start, end, next_start=None):
        """Iterate over DetailPage of what was sent with a tag between two moments.

        DirectMail reads whole minutes: both are rounded down, so that ``end`` is not in the future.

        :param start, end: aware; at most 29 days apart once rounded
        :param next_start: of the last page that was dealt with, to go on behind it
        :raise ValueError: naive times, or a window that is empty or too long
        :raise DirectMailError: while iterating
        """
        start, end = whole_minutes(start, end)
        if not timedelta(0) < end - start <= timedelta(days=WINDOW_DAYS):
            raise ValueError(f"The window must be 1 minute to {WINDOW_DAYS} days long.")
        query = {
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

    def list_blocked(self, block_type, begin, end, sender=None, next_token=None):
        """Iterate over BlockedPage: who unsubscribed or complained between two moments.

        :param block_type: const.BLOCK_UNSUBSCRIBED or const.BLOCK_REPORTED
        :param begin, end: aware
        :param sender: only those who did so to this sender address
        :param next_token: of the last page that was dealt with, to go on behind it
        """
        if begin.tzinfo is None or end.tzinfo is None:
            raise ValueError("Times must have a time zone.")
        query = {
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

    def list_invalid(self, begin, end, next_start=None):
        """Iterate over InvalidPage: addresses that DirectMail refuses because they don't exist.

        :param begin, end: aware; at most 29 days apart, whole days in Beijing are read
        :param next_start: of the last page that was dealt with, to go on behind it
        """
        if begin.tzinfo is None or end.tzinfo is None:
            raise ValueError("Times must have a time zone.")
        query = {
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

    def _call(self, action, fields=None, in_body=False, method="POST"):
        """Call an operation and return its answer as a dict with the wire names."""
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
            method=method,
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
                # Whether a port is open, and what answers there, is told to nobody.
                failed = DirectMailError(
                    "unreachable", "NoDirectMail", sent_unknown=failed.sent_unknown
                )
            failed.action = action
            # "from None": the SDK's own text may hold the whole URL with its parameters.
            raise failed from None

    def _list(self, action, row_name, fields=None):
        """Iterate over the raw rows of all pages of a management list."""
        seen = 0
        for page in range(1, _PAGES_MAX):
            query = {**(fields or {}), "PageNo": page, "PageSize": LIST_PAGE}
            answer = self._call(action, query)
            rows = get_rows(answer, "data", row_name)
            yield from rows
            seen += len(rows)
            # A server may give shorter pages than we ask for.
            if not rows or seen >= as_int(answer.get("TotalCount")):
                return

    def _pages(self, action, query, cursor, position=None):
        """Iterate over (answer, next position or None) of a list that goes on by a ``cursor``."""
        while True:
            answer = self._call(action, {**query, cursor: position or None})
            following = as_text(answer.get(cursor)) or None
            if following == position:  # it would go round for ever
                following = None
            yield answer, following
            if following is None:
                return
            position = following

    def _use_own_session(self):
        """Have the SDK use our kind of session; a fork or another client may have removed it."""
        key = f"{self._protocol}://{self.endpoint}:80:pool={self._pool_size}"
        session = DaraCore._sessions.get(key)
        if not isinstance(session, _Session) or session.public_only != self._public_only:
            DaraCore._sessions[key] = self._make_session()

    def _make_session(self):
        theirs = DaraCore.get_adapter(self._protocol.upper())
        adapter = Adapter(theirs.ssl_context, self._pool_size, self._public_only)
        return _Session(f"{self._protocol}://{self.endpoint}", adapter, self._public_only)


class _Refused(Exception):
    """A mail that must not be handed to DirectMail."""

    def __init__(self, verdict, code, message):
        super().__init__(message)
        self.answer = Answer(verdict, code, message)


def _send_request(mail):
    """Build the SDK's request for a Mail. Raises _Refused for one that must not go out."""
    # A comma would make it a mail to two people.
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
        # A string: the SDK would write a bool as "False".
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


def _get_link_type(headers):
    """Return DirectMail's own unsubscribe link only for a mail that has no other one."""
    has_own = any(name.lower() == "list-unsubscribe" for name in headers)
    return "disabled" if has_own else "default"
