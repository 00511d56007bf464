# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What goes to and comes from DirectMail, as plain values.

All ids are strings, all times are aware and in UTC (None where DirectMail gave none that can be
read). Status words come from ``const``; a code that is not listed there gives "".
"""

from dataclasses import dataclass, field
from datetime import datetime, timezone

from .const import BEIJING, DETAIL_STATUS, DOMAIN_CHECK_STATUS, TEMPLATE_STATUS


@dataclass
class Mail:
    """One mail to one address.

    Its content is either an approved template with this person's ``variables``, or ``html_body``,
    for programs that show no HTML with a ``text_body``.

    :ivar address_type: 1 sends as ``sender``, 0 as a random account of the sender's domain
    :ivar reply_address: where answers go; empty for the sender itself, see ``reply_as_sender``
    :ivar reply_as_sender: answers go to the verified reply address that the sender has in
        DirectMail's console
    :ivar tag: must exist at DirectMail
    :ivar headers: at most 10, of Message-ID, List-Unsubscribe, List-Unsubscribe-Post and X-User-*
    :ivar unsubscribe_link: whether DirectMail adds a link of its own ("default") or not
        ("disabled"); "" where ``headers`` have none
    :ivar unsubscribe_filter: whom DirectMail itself holds back after an unsubscription through its
        link: one of const.UNSUBSCRIBE_FILTERS
    """

    sender: str
    to: str
    subject: str
    address_type: int = 1
    sender_name: str = ""
    reply_address: str = ""
    reply_as_sender: bool = False
    tag: str = ""
    headers: dict = field(default_factory=dict)
    template_id: str = ""
    variables: dict = field(default_factory=dict)
    html_body: str = ""
    text_body: str = ""
    click_trace: bool = False
    unsubscribe_link: str = ""
    unsubscribe_filter: str = "mailfrom_domain"


@dataclass(frozen=True)
class AccountSummary:
    """Mails a day and a month, and counts of what the account has.

    How much of today's quota is used is not told. ``user_status`` is a set of
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
    def from_wire(cls, row):
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

    ``account_status`` and ``domain_status`` are 0 when all is well. ``daily_count`` is the most it
    may send a day, ``daily_used`` what it has sent today (help, QueryMailAddressByParam).
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
    def from_wire(cls, row):
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
    def from_wire(cls, row):
        """Read a row of QueryDomainByParam."""

        def check(name):
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
class DomainRecords:
    """The checks of a sending domain; each is "verified", "not_verified" or "" where not told."""

    ownership: str
    spf: str
    mx: str
    dkim: str
    dmarc: str

    @classmethod
    def from_wire(cls, row):
        """Read a DescDomain answer."""

        def check(name):
            return DOMAIN_CHECK_STATUS.get(as_int(row.get(name), -1), "")

        return cls(
            ownership=check("DomainStatus"),
            spf=check("SpfAuthStatus"),
            mx=check("MxAuthStatus"),
            dkim=check("DkimAuthStatus"),
            dmarc=check("DmarcAuthStatus"),
        )


@dataclass(frozen=True)
class Tag:
    """A tag: DirectMail groups its figures by it."""

    tag_id: str
    name: str
    description: str

    @classmethod
    def from_wire(cls, row):
        """Read a row of QueryTagByParam."""
        return cls(
            as_text(row.get("TagId")),
            as_text(row.get("TagName")),
            as_text(row.get("TagDescription")),
        )


@dataclass(frozen=True)
class TemplateRow:
    """A template in a list. ``comment`` is the reviewer's, empty unless rejected."""

    template_id: str
    name: str
    status: str
    comment: str
    created_at: datetime | None

    @classmethod
    def from_wire(cls, row):
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
    """A template with its content, as DirectMail holds it.

    DescTemplate has no field for the reviewer's comment; list_templates() has it.
    """

    template_id: str
    name: str
    subject: str
    sender_name: str
    text: str
    status: str
    remark: str

    @classmethod
    def from_wire(cls, template_id, row):
        """Read a DescTemplate answer. Contents are kept to the letter, to be compared."""
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
    """What became of one mail. ``status`` is a word of const.DETAIL_STATUS.

    Carries neither EnvId nor our headers, and appears only once there is an outcome.
    """

    address: str
    subject: str
    sender: str
    status: str
    error_classification: str
    message: str
    updated_at: datetime | None

    @classmethod
    def from_wire(cls, row):
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

    rows: tuple
    next_start: str | None


@dataclass(frozen=True)
class BlockedAddress:
    """Somebody who unsubscribed, or reported a mail as spam. ``reason`` as DirectMail gives it."""

    address: str
    sender: str
    reason: int
    blocked_at: datetime | None
    sent_at: datetime | None

    @classmethod
    def from_wire(cls, row):
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

    rows: tuple
    next_token: str | None


@dataclass(frozen=True)
class InvalidAddress:
    """An address that DirectMail sends nothing to, because it does not exist."""

    address: str
    updated_at: datetime | None

    @classmethod
    def from_wire(cls, row):
        """Read a row of QueryInvalidAddress."""
        return cls(
            address=as_text(row.get("ToAddress")),
            updated_at=as_time(row.get("UtcLastUpdateTime")) or as_time(row.get("LastUpdateTime")),
        )


@dataclass(frozen=True)
class InvalidPage:
    """A page of invalid addresses; ``next_start`` is None on the last one."""

    rows: tuple
    next_start: str | None


def as_exact(value):
    """The text of a value to the letter, save for what no database takes; "" for lists and objects.

    JSON may spell NUL and half a surrogate pair.
    """
    if value is None or isinstance(value, (dict, list)):
        return ""
    return str(value).replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def as_text(value):
    """A stripped string; DirectMail gives the same field as number and as text."""
    return as_exact(value).strip()


def as_int(value, default=0):
    """A whole number of 32 bits from a number or its text, else ``default``."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return default
    return number if abs(number) < 2**31 else default


def as_time(value):
    """An aware UTC time from epoch seconds or milliseconds, or from ISO text.

    Text without a zone is Beijing time, as everywhere at DirectMail. None where unreadable.
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
