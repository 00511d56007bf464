"""SingleSendMail and SendTestByTemplate."""

from __future__ import annotations

import html as html_lib
import json
import re

from ..addresses import domain_of, is_address
from ..errors import ApiError
from ..mail import Content, Mail
from . import operation, units
from .tags import find_tag
from .templates import APPROVED, BUILT_IN, fill, find_template

#: header names that may be set, apart from those that start with "X-User-" (SDK 1.11.1)
STANDARD_HEADERS = ("message-id", "list-unsubscribe", "list-unsubscribe-post")
LINK_TYPES = ("", "disabled", "default", "zh-cn", "en-us")
FILTER_LEVELS = ("", "disabled", "default", "mailfrom", "mailfrom_domain", "edm_id")
#: what RFC 5322 and RFC 2369 want: an id, or addresses, in angle brackets
BRACKETED = {
    "message-id": re.compile(r"<[^\s<>@]+@[^\s<>@]+>"),
    "list-unsubscribe": re.compile(r"<[^\s<>]+>(\s*,\s*<[^\s<>]+>)*"),
}
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")


def check_sender(call, name):
    """The sender behind an AccountName, when it may send.

    :raises ApiError: the code that says what is wrong with it
    """
    account = call.account
    if not is_address(name):
        raise ApiError("InvalidMailAddressName.Malformed")
    sender, domain = account.sender(name), account.domain(domain_of(name))
    if sender is None and call.params.boolean("DomainAuth"):
        # Any address of a domain may send when the domain's own authentication exists.
        sender = account.sender(f"domain-auth-created-by-system@{domain_of(name)}")
    if sender is None:
        raise ApiError("InvalidMailAddress.NotFound")
    if sender.frozen:
        raise ApiError("InvalidMailAddressStatus.Malformed")
    if domain is None or not domain.healthy:
        raise ApiError("InvalidMailAddressDomain.Malformed")
    if sender.type not in call.rules.single_send_types:
        raise ApiError("InvalidMailAddressSendType.Malformed")
    return sender


def _addresses(call, name, most, code):
    """The addresses of a comma-separated parameter."""
    text = call.params.text(name)
    found = [part.strip() for part in text.split(",") if part.strip()]
    if len(found) > most:
        raise ApiError(code, f"There are more than {most} addresses.")
    for address in found:
        if len(address) > call.limits.address:
            raise ApiError("EmailLengthError")
        if not is_address(address):
            raise ApiError(code)
    return found


def _reply_to(call, sender):
    """Where answers go: the call's address, else the sender's own if asked for; or ""."""
    own = call.params.boolean("ReplyToAddress")
    if own is None:
        raise ApiError("InvalidParameter", "ReplyToAddress is neither true nor false.")
    reply = call.params.text("ReplyAddress")
    if reply and (not is_address(reply) or len(reply) > call.limits.address):
        raise ApiError("InvalidReplyAddress.Malformed")
    if units(call.params.text("ReplyAddressAlias")) > call.limits.reply_alias:
        raise ApiError("InvalidReplyAddressAlias.Malformed")
    if reply or not own:
        return reply
    if sender.reply_address and not sender.reply_verified:
        if call.rules.reply_must_be_verified:
            raise ApiError("InvalidReplyAddress.Malformed", "The sender's is not verified.")
        return ""
    return sender.reply_address


def _headers(call):
    """The headers that go into the mail: the first ten, those that may be set."""
    text = call.params.text("Headers")
    if not text:
        return {}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise ApiError("InvalidHeaders.Malformed", "They are not JSON.") from None
    if not isinstance(given, dict):
        raise ApiError("InvalidHeaders.Malformed", "They are not an object.")
    if call.rules.bad_headers == "refuse":
        _check_headers(given, call.limits)
    kept = {}
    for name, value in list(given.items())[: call.limits.headers]:
        if (
            not isinstance(value, str)
            or not _HEADER_NAME.fullmatch(name)
            or "\r" in value
            or "\n" in value
        ):
            raise ApiError("InvalidHeaders.Malformed", f"{name!r} is not a header.")
        if _may_be_set(name):
            kept[name] = value
    return kept


def _check_headers(given, limits):
    """:raises ApiError: for what else would be dropped, or would make a mail malformed"""
    if len(given) > limits.headers:
        raise ApiError("InvalidHeaders.Malformed", f"There are more than {limits.headers}.")
    for name, value in given.items():
        if not _may_be_set(name):
            raise ApiError("InvalidHeaders.Malformed", f"{name} can't be set.")
        if len(str(value)) > limits.header_length:
            raise ApiError(
                "InvalidHeaders.Malformed",
                f"{name} is longer than {limits.header_length} characters.",
            )
        if not str(value).isascii() or not str(value).isprintable():
            raise ApiError("InvalidHeaders.Malformed", f"{name} has other than ASCII characters.")
        if name.lower() in BRACKETED and not BRACKETED[name.lower()].fullmatch(str(value)):
            raise ApiError("InvalidHeaders.Malformed", f"{name} is not well formed.")


def _may_be_set(name):
    return name.lower() in STANDARD_HEADERS or name.lower().startswith("x-user-")


def _tag(call):
    name = call.params.text("TagName")
    if not name:
        return ""
    if len(name) > call.limits.tag_length or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ApiError("InvalidTagName.Malformed")
    if call.rules.tag_must_exist and find_tag(call, name) is None:
        raise ApiError("InvalidTag.NotFound")
    return name


def _choice(call, name, allowed):
    value = call.params.text(name).strip()
    if value.lower() not in allowed:
        raise ApiError("InvalidParameter", f"{name} is none of the values that are allowed.")
    return value.lower()


def _template_parameter(call):
    """``(template id, variables)`` of the parameter `Template`, or ``(None, {})``."""
    text = call.params.text("Template")
    if not text:
        return None, {}
    try:
        template = json.loads(text)
    except (ValueError, RecursionError):
        raise ApiError("InvalidParameter", "Template is not JSON.") from None
    if not isinstance(template, dict) or "TemplateId" not in template:
        raise ApiError("InvalidParameter", "Template has no TemplateId.")
    values = template.get("TemplateData") or {}
    simple = isinstance(values, dict) and all(
        isinstance(value, (str, int, float)) for value in values.values()
    )
    if not simple:
        raise ApiError("InvalidParameter", "TemplateData is not a map of texts.")
    number = str(template["TemplateId"])
    if not re.fullmatch(r"[0-9]{1,18}", number):
        raise ApiError("InvalidTemplate.NotFound")
    return int(number), {name: str(value) for name, value in values.items()}


def _content(call, sender):
    """What the mail says, from the template or from the call, with its subject."""
    number, values = _template_parameter(call)
    subject, alias = call.params.text("Subject"), call.params.text("FromAlias")
    if number is None:
        html, text = call.params.text("HtmlBody"), call.params.text("TextBody")
        size = len(html.encode("utf-8", "replace")) + len(text.encode("utf-8", "replace"))
        if not (html.strip() or text.strip()) or size > call.limits.body_bytes:
            raise ApiError("InvalidBody")
        content = Content(html=html, text=text, subject=subject, alias=alias)
    else:
        row = find_template(call, number)
        if call.rules.template_must_be_approved and row["status"] != APPROVED:
            raise ApiError("InvalidTemplateStatus.Malformed")
        if sender.type not in call.rules.template_senders:
            raise ApiError(
                "InvalidMailAddressSendType.Malformed", "Template is not for this type of sender."
            )
        if call.rules.subject_source == "template":
            subject = ""
        # A subject is plain text: its values are never escaped.
        subject = subject or fill(row["subject"], values)
        if call.rules.value_escaping == "html":
            values = {name: html_lib.escape(value) for name, value in values.items()}
        content = Content(
            subject=subject, alias=alias or row["nickname"], template=row, values=values
        )
    if not content.subject.strip() or units(content.subject) > call.limits.subject:
        raise ApiError("InvalidSubject.Malformed")
    if units(alias) > call.limits.from_alias:
        raise ApiError("InvalidFromAlias.Malformed")
    return content


def _check_account(call, sender, content, mails):
    """:raises ApiError: InvalidSendMail.Spam (or the code set for quotas)"""
    if call.account.config.user_status:
        raise ApiError("InvalidSendMail.Spam", "The account may not send.")
    if call.account.used_today() + mails > call.account.config.daily_quota:
        raise ApiError(call.rules.quota_code, "The daily quota is used up.", status=400)
    most = sender.daily_count
    if most and call.account.used_today_by(sender.address) + mails > most:
        raise ApiError(call.rules.quota_code, "The sender's daily quota is used up.", status=400)
    everything = " ".join(
        (content.subject, content.html, content.text, *content.values.values())
    ).lower()
    if any(word.lower() in everything for word in call.rules.spam_words):
        raise ApiError("InvalidSendMail.Spam")


@operation("SingleSendMail", "AccountName", "AddressType", "ReplyToAddress", "ToAddress", "Subject")
def single_send_mail(call):
    name = call.params["AccountName"].strip()
    sender = check_sender(call, name)
    if call.params.text("AddressType").strip() not in ("0", "1"):
        raise ApiError("InvalidAddressType.Malformed")
    reply_to = _reply_to(call, sender)
    to = _addresses(call, "ToAddress", call.limits.to_addresses, "InvalidToAddress")
    if not to:
        raise ApiError("InvalidToAddress")
    bcc = _addresses(call, "BccAddress", call.limits.bcc_addresses, "InvalidBccAddress.Malformed")
    headers, tag = _headers(call), _tag(call)
    options = {
        "click_trace": _choice(call, "ClickTrace", ("", "0", "1")) == "1",
        "link_type": _choice(call, "UnSubscribeLinkType", LINK_TYPES),
        "filter_level": _choice(call, "UnSubscribeFilterLevel", FILTER_LEVELS),
        "reply_to": reply_to,
        "random_from": call.params.text("AddressType").strip() == "0" and call.rules.random_from,
    }
    if options["click_trace"] and not tag:
        raise ApiError("InvalidTagName.Malformed", "ClickTrace needs a tag.")
    content = _content(call, sender)
    _check_account(call, sender, content, len(to) + len(bcc))
    if call.rules.invalid_address == "refuse":
        for address in to:
            if call.core.mail.is_invalid(call.account, address):
                raise ApiError("InvalidToAddress.Spam")
    mail = Mail(
        account=call.account,
        sender=name,
        to=to,
        bcc=bcc,
        tag=tag,
        headers=headers,
        options=options,
        content=content,
        request_id=call.request_id,
    )
    return {"EnvId": call.core.mail.accept(mail)}


@operation("SendTestByTemplate", "AccountName", "Email", "TemplateId")
def send_test_by_template(call):
    params = call.params
    name, address = params["AccountName"].strip(), params["Email"].strip()
    if len(name) > 60:
        raise ApiError("InvalidMailAddressName.Malformed")
    sender = check_sender(call, name)
    if len(address) > 60:
        raise ApiError("EmailLengthError")
    if not is_address(address):
        raise ApiError("EmailFormatError")
    values = {"EAddr": address}
    for built_in in BUILT_IN[1:]:
        values[built_in] = params.text(built_in)
        if units(values[built_in]) > 30:
            raise ApiError("InvalidParameter", f"{built_in} is longer than 30 characters.")
    values.update(_test_values(call))
    row = find_template(call, params.integer("TemplateId"))
    if call.rules.test_must_be_approved and row["status"] != APPROVED:
        raise ApiError("InvalidTemplateStatus.Malformed")
    content = Content(
        subject=fill(row["subject"], values), alias=row["nickname"], template=row, values=values
    )
    _check_account(call, sender, content, 1)
    call.core.mail.accept(
        Mail(
            account=call.account,
            sender=name,
            to=[address],
            content=content,
            request_id=call.request_id,
        )
    )
    return {}


def _test_values(call):
    text = call.params.text("TemplateParams")
    if not text:
        return {}
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise ApiError("InvalidParameter", "TemplateParams is not JSON.") from None
    if not isinstance(values, dict):
        raise ApiError("InvalidParameter", "TemplateParams is not an object.")
    return {name: str(value) for name, value in values.items()}
