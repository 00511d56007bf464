# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""DirectMail's operations, one method each; `Transport` calls them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from .const import BEIJING, BLOCKED_PAGE, CONNECT_TIMEOUT, DETAIL_PAGE, WINDOW_DAYS
from .errors import DirectMailError
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
)
from .transport import Transport
from .wire import Fields, get_object, get_required, get_rows, template_fields, whole_minutes

__all__ = ["DirectMailClient", "Mail"]

_MAIL_TEMPLATE = 0  # TemplateType; 1 is a text message


class DirectMailClient(Transport):
    """One DirectMail account: see `Transport`, also for the parameters."""

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
