# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Requests to and answers of DirectMail as plain values.

All ids are strings, all times are aware and in UTC (None where DirectMail gave none or one that
can't be read). Status words come from ``const``; a code that is not listed there gives "".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from .const import BEIJING, DETAIL_STATUS, DOMAIN_CHECK_STATUS, TEMPLATE_STATUS

Row = Mapping[str, Any]  # decoded JSON with DirectMail's names; the SDK brings no types


@dataclass
class Mail:
    """One mail to one address.

    Either ``template_id`` (an approved template, filled with ``variables``) or ``html_body`` is
    set. ``text_body`` is for mail programs without HTML.

    :ivar address_type: 1 sends as ``sender``, 0 as a random account of the sender's domain
    :ivar reply_address: Reply-To; "" for the sender, see ``reply_as_sender``
    :ivar reply_as_sender: use the verified reply address that the sender has in DirectMail's
        console
    :ivar tag: name of a tag that exists at DirectMail, or ""
    :ivar headers: {name: value}, at most 10: Message-ID, List-Unsubscribe, List-Unsubscribe-Post
        and X-User-*
    :ivar variables: {name in the template: value}
    :ivar unsubscribe_link: "default" lets DirectMail add its own link, "disabled" doesn't; "" is
        "default" where ``headers`` have no List-Unsubscribe, else "disabled"
    :ivar unsubscribe_filter: for which senders DirectMail drops mails to a recipient who used
        DirectMail's link: one of const.UNSUBSCRIBE_FILTERS
    """

    sender: str
    to: str
    subject: str
    address_type: int = 1
    sender_name: str = ""
    reply_address: str = ""
    reply_as_sender: bool = False
    tag: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    template_id: str = ""
    variables: dict[str, object] = field(default_factory=dict)
    html_body: str = ""
    text_body: str = ""
    click_trace: bool = False
    unsubscribe_link: str = ""
    unsubscribe_filter: str = "mailfrom_domain"


@dataclass(frozen=True)
class AccountSummary:
    """Quotas of an account (mails a day and a month), and how many objects it has.

    DirectMail doesn't tell how much of today's quota is used. ``user_status`` is a set of
    const.USER_STATUS_BITS; 0 is healthy.
    """

    daily_quota: int
    month_quota: int
    remain_free_quota: int
    daily_remain_free_quota: int
    quota_level: int
    max_quota_level: int
    user_status: int
    ip_channel_type: str
    domains: int
    mail_addresses: int
    receivers: int
    tags: int
    templates: int

    @classmethod
    def from_wire(cls, row: Row) -> AccountSummary:
        """Read a DescAccountSummary answer."""
        return cls(
            daily_quota=as_int(row.get("DailyQuota")),
            month_quota=as_int(row.get("MonthQuota")),
            remain_free_quota=as_int(row.get("RemainFreeQuota")),
            daily_remain_free_quota=as_int(row.get("DailyRemainFreeQuota")),
            quota_level=as_int(row.get("QuotaLevel")),
            max_quota_level=as_int(row.get("MaxQuotaLevel")),
            user_status=as_int(row.get("UserStatus")),
            ip_channel_type=as_text(row.get("IpChannelType")),
            domains=as_int(row.get("Domains")),
            mail_addresses=as_int(row.get("MailAddresses")),
            receivers=as_int(row.get("Receivers")),
            tags=as_int(row.get("Tags")),
            templates=as_int(row.get("Templates")),
        )


@dataclass(frozen=True)
class SenderAddress:
    """A sender address. ``send_type`` is "batch" (marketing) or "trigger".

    ``account_status`` and ``domain_status``: 0 is healthy. ``daily_count`` is the limit of mails a
    day, ``daily_used`` how many were sent today (help, QueryMailAddressByParam).
    """

    mail_address_id: str
    address: str
    send_type: str
    account_status: int
    domain_status: int
    reply_address: str
    reply_status: int
    daily_count: int
    daily_used: int
    month_count: int
    month_used: int

    @classmethod
    def from_wire(cls, row: Row) -> SenderAddress:
        """Read a row of QueryMailAddressByParam. An unreadable status counts as bad."""
        return cls(
            mail_address_id=as_text(row.get("MailAddressId")),
            address=as_text(row.get("AccountName")).lower(),
            send_type=as_text(row.get("Sendtype")),
            account_status=as_int(row.get("AccountStatus"), -1),
            domain_status=as_int(row.get("DomainStatus"), -1),
            reply_address=as_text(row.get("ReplyAddress")),
            reply_status=as_int(row.get("ReplyStatus"), -1),
            daily_count=as_int(row.get("DailyCount")),
            daily_used=as_int(row.get("DailyReqCount")),
            month_count=as_int(row.get("MonthCount")),
            month_used=as_int(row.get("MonthReqCount")),
        )


@dataclass(frozen=True)
class Domain:
    """A sending domain; each check is "verified", "not_verified" or ""."""

    domain_id: str
    name: str
    status: int
    ownership: str
    spf: str
    mx: str
    cname: str

    @classmethod
    def from_wire(cls, row: Row) -> Domain:
        """Read a row of QueryDomainByParam."""

        def check(name: str) -> str:
            return DOMAIN_CHECK_STATUS.get(as_int(row.get(name), -1), "")

        return cls(
            domain_id=as_text(row.get("DomainId")),
            name=as_text(row.get("DomainName")),
            status=as_int(row.get("DomainStatus"), -1),
            ownership=check("ConfirmStatus"),
            spf=check("SpfAuthStatus"),
            mx=check("MxAuthStatus"),
            cname=check("CnameAuthStatus"),
        )


@dataclass(frozen=True)
class DnsRecord:
    """A DNS record of a sending domain.

    ``kind``: "SPF", "MX", "DKIM" or "DMARC". ``host`` is below the domain, "@" for the domain
    itself. ``seen`` is what DirectMail found, "" if nothing, and of DKIM, which it does not tell.
    ``state``: "verified", "not_verified" or "" (not told).
    """

    kind: str
    host: str
    wanted: str
    seen: str
    state: str


@dataclass(frozen=True)
class DomainRecords:
    """The DNS checks of a sending domain. ``ownership``: see ``state`` of `DnsRecord`."""

    ownership: str
    records: tuple[DnsRecord, ...]

    @classmethod
    def from_wire(cls, row: Row) -> DomainRecords:
        """Read a DescDomain answer."""

        def check(name: str) -> str:
            return DOMAIN_CHECK_STATUS.get(as_int(row.get(name), -1), "")

        def record(kind: str, host: str, wanted: str, seen: str, state: str) -> DnsRecord:
            return DnsRecord(
                kind,
                as_text(row.get(host)) or "@",
                as_text(row.get(wanted)),
                as_text(row.get(seen)),
                check(state),
            )

        return cls(
            ownership=check("DomainStatus"),
            records=(
                record("SPF", "", "SpfRecordV2", "DnsSpf", "SpfAuthStatus"),
                record("MX", "", "MxRecord", "DnsMx", "MxAuthStatus"),
                record("DKIM", "DkimRR", "DkimPublicKey", "", "DkimAuthStatus"),
                record("DMARC", "DmarcHostRecord", "DmarcRecord", "DnsDmarc", "DmarcAuthStatus"),
            ),
        )


@dataclass(frozen=True)
class Tag:
    """A tag of mails; DirectMail's statistics and delivery details can be queried by tag."""

    tag_id: str
    name: str
    description: str

    @classmethod
    def from_wire(cls, row: Row) -> Tag:
        """Read a row of QueryTagByParam."""
        return cls(
            as_text(row.get("TagId")),
            as_text(row.get("TagName")),
            as_text(row.get("TagDescription")),
        )


@dataclass(frozen=True)
class TemplateRow:
    """A template in a list. ``comment`` is the reviewer's; "" unless rejected."""

    template_id: str
    name: str
    status: str
    comment: str
    created_at: datetime | None

    @classmethod
    def from_wire(cls, row: Row) -> TemplateRow:
        """Read a row of QueryTemplateByParam."""
        return cls(
            template_id=as_text(row.get("TemplateId")),
            name=as_text(row.get("TemplateName")),
            status=TEMPLATE_STATUS.get(as_int(row.get("TemplateStatus"), -1), ""),
            comment=as_text(row.get("TemplateComment")),
            created_at=as_time(row.get("UtcCreatetime")),
        )


@dataclass(frozen=True)
class Template:
    """A template with its content, as DirectMail stores it.

    DescTemplate has no field for the reviewer's comment; `TemplateRow` has one.
    """

    template_id: str
    name: str
    subject: str
    sender_name: str
    text: str
    status: str
    remark: str

    @classmethod
    def from_wire(cls, template_id: object, row: Row) -> Template:
        """Read a DescTemplate answer. Texts are not stripped: they are compared with Odoo's."""
        return cls(
            template_id=as_text(template_id),
            name=as_exact(row.get("TemplateName")),
            subject=as_exact(row.get("TemplateSubject")),
            sender_name=as_exact(row.get("TemplateNickName")),
            text=as_exact(row.get("TemplateText")),
            status=TEMPLATE_STATUS.get(as_int(row.get("TemplateStatus"), -1), ""),
            remark=as_exact(row.get("Remark")),
        )


@dataclass(frozen=True)
class DeliveryDetail:
    """The outcome of one mail. ``status`` is a word of const.DETAIL_STATUS.

    DirectMail lists a mail only once it has an outcome, without EnvId and without our headers.
    """

    address: str
    subject: str
    sender: str
    status: str
    error_classification: str
    message: str
    updated_at: datetime | None

    @classmethod
    def from_wire(cls, row: Row) -> DeliveryDetail:
        """Read a row of SenderStatisticsDetailByParam."""
        return cls(
            address=as_text(row.get("ToAddress")),
            subject=as_exact(row.get("Subject")),
            sender=as_text(row.get("AccountName")).lower(),
            status=DETAIL_STATUS.get(as_int(row.get("Status"), -1), ""),
            error_classification=as_text(row.get("ErrorClassification")),
            message=as_text(row.get("Message")),
            updated_at=as_time(row.get("UtcLastUpdateTime")) or as_time(row.get("LastUpdateTime")),
        )


@dataclass(frozen=True)
class DetailPage:
    """A page of delivery details; ``next_start`` is None on the last one."""

    rows: tuple[DeliveryDetail, ...]
    next_start: str | None


@dataclass(frozen=True)
class BlockedAddress:
    """An address that unsubscribed or reported spam. ``reason`` is DirectMail's number."""

    address: str
    sender: str
    reason: int
    blocked_at: datetime | None
    sent_at: datetime | None

    @classmethod
    def from_wire(cls, row: Row) -> BlockedAddress:
        """Read a row of ListBlockSending."""
        return cls(
            address=as_text(row.get("BlockEmail")),
            sender=as_text(row.get("SenderEmail")).lower(),
            reason=as_int(row.get("Reason")),
            blocked_at=as_time(row.get("BlockTime")),
            sent_at=as_time(row.get("SendTime")),
        )


@dataclass(frozen=True)
class BlockedPage:
    """A page of blocked addresses; ``next_token`` is None on the last one."""

    rows: tuple[BlockedAddress, ...]
    next_token: str | None


@dataclass(frozen=True)
class InvalidAddress:
    """An address that DirectMail doesn't send to, because the mailbox does not exist."""

    address: str
    updated_at: datetime | None

    @classmethod
    def from_wire(cls, row: Row) -> InvalidAddress:
        """Read a row of QueryInvalidAddress."""
        return cls(
            address=as_text(row.get("ToAddress")),
            updated_at=as_time(row.get("UtcLastUpdateTime")) or as_time(row.get("LastUpdateTime")),
        )


@dataclass(frozen=True)
class InvalidPage:
    """A page of invalid addresses; ``next_start`` is None on the last one."""

    rows: tuple[InvalidAddress, ...]
    next_start: str | None


def as_exact(value: object) -> str:
    """Return the text of a value to the letter, save for what no database takes.

    JSON may spell NUL and half a surrogate pair. Lists and objects are "".
    """
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def as_text(value: object) -> str:
    """Return a stripped string; DirectMail gives the same field as a number and as a text."""
    return as_exact(value).strip()


def as_int(value: Any, default: int = 0) -> int:
    """Return the whole number of 32 bits that a number or text stands for, else ``default``."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):  # Python reads the JSON number 1e999 as infinity
        return default
    return number if abs(number) < 2**31 else default


def as_time(value: object) -> datetime | None:
    """Return the time (aware, UTC) of epoch seconds or milliseconds, or of an ISO text.

    A text without a zone is Beijing time, DirectMail's own. None where it can't be read.
    """
    text = as_text(value)
    try:
        if text.isdigit():
            seconds = int(text)
            # 10^11 seconds is the year 5138; as milliseconds it is 1973.
            return datetime.fromtimestamp(
                seconds / 1000 if seconds > 10**11 else seconds, timezone.utc
            )
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
