"""Everything that can be set, with its default.

One `Settings` is the base for all accounts; each account may lay its own changes over it. Where
pages of the provider disagree, the default is the stricter reading; the comment says which.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, fields, is_dataclass


class ConfigError(ValueError):
    """A configuration that can't be used; the text says where and why."""


@dataclass
class Protocol:
    """How the gateway treats requests."""

    clock_window: float = 900.0  # seconds that a request's date may differ from the gateway's
    check_nonce: bool = True  # refuse a nonce that was used within the window
    require_ssl: bool = False  # refuse plain HTTP, as the service may
    max_query_bytes: int = 0  # 0: no limit (we take more than 512 KB); 81920 is what pages advise
    max_body_bytes: int = 9 * 1024 * 1024  # "about 8 MB", and encoding makes it longer
    missing_parameter: str = "MissingParameter"  # or "Missing{name}", as other pages have it
    unknown_parameters: str = "refuse"  # or "ignore"
    parameter_places: str = "refuse"  # of those in the wrong place; or "ignore", "accept"
    idle_connections: str = "forgotten"  # those unused for idle_seconds; or "closed", "kept"
    idle_seconds: float = 60.0


@dataclass
class Limits:
    """Sizes and counts."""

    subject: int = 100  # older pages and the console; SDK 1.11.1 says 256
    from_alias: int = 14  # UTF-16 units; "shorter than 15", while the SDK says 15
    reply_alias: int = 15
    body_bytes: int = 8 * 1024 * 1024
    to_addresses: int = 100
    bcc_addresses: int = 2
    headers: int = 10
    header_length: int = 998  # of a value; a line of a mail has no more (RFC 5322)
    address: int = 192
    tags: int = 100  # older page; 500 on the page of January 2026
    tag_length: int = 128
    tag_hyphen: bool = False  # CreateTag: letters, digits, "_"; SingleSendMail mentions "-" too
    templates: int = 100
    template_name: int = 30
    template_nickname: int = 30
    template_subject: int = 100  # console; SDK 1.11.1 says 256
    template_bytes: int = 1024 * 1024
    template_variables: int = 50


@dataclass
class Throttle:
    """Calls per account: ``"100/s"``, ``"10/min"``, ``"50/300s"``; ``"0"`` switches one off."""

    default: str = "100/s"
    operations: dict[str, str] = field(
        default_factory=lambda: {
            "SingleSendMail": "100/s",
            "DescAccountSummary": "10/min",
            "SenderStatisticsByTagNameAndBatchID": "50/min",
        }
    )
    retry_header: str = "always"  # "always", "never", "alternate": the header x-acs-retry-after


@dataclass
class Rules:
    """Where the service's behaviour is a matter of setting."""

    tag_must_exist: bool = True
    template_must_be_approved: bool = True  # for `Template` in SingleSendMail
    test_must_be_approved: bool = True  # for SendTestByTemplate; not documented
    modified_template_loses_approval: bool = True  # assumed; not documented
    stored_text: str = "entities"  # of templates; or "crlf" (line ends), "exact"
    returns_nickname: bool = False  # by DescTemplate, whose field is deprecated
    bad_headers: str = "refuse"  # or "drop", silently: number, name, length, grammar
    template_senders: list[str] = field(default_factory=lambda: ["batch", "trigger"])
    value_escaping: str = "none"  # of TemplateData in the body; or "html"
    subject_source: str = "call"  # of a mail with `Template`; or "template"
    single_send_types: list[str] = field(default_factory=lambda: ["batch", "trigger"])
    invalid_address: str = "fail"  # accepted, then fails; or "refuse": InvalidToAddress.Spam
    quota_code: str = "InvalidSendMail.Spam"  # not documented; clients also expect InvalidQuota*
    #: whether the account has the operations for templates: "available", "missing" (those that
    #: change templates), "all_missing" (those that read them too), or RAM has "denied" them
    template_operations: str = "available"
    #: AddressType 0: the sender address gets a random part, in the mail's From, events and lists
    random_from: bool = True
    #: ReplyToAddress=true and the sender's is not verified: refused, or the mail has no Reply-To
    reply_must_be_verified: bool = True
    spam_words: list[str] = field(default_factory=lambda: ["viagra", "lottery winner"])
    unsubscribe_effect: float = 0.0  # seconds until an unsubscription is honoured (up to 3600)
    tracking_window_days: int = 30  # how long ago a range may begin, and a day
    window_days: int = 29  # how long a range of records may be; the SDK says 30
    future_end: str = "refuse"  # of a range whose end is yet to come; or "accept"
    cursors: str = "address"  # NextStart and NextToken contain an address; or "number"
    record_order: str = "newest"  # which records come first; or "oldest"


@dataclass
class Review:
    """Who reviews templates: a person on the page, or the emulator by itself."""

    mode: str = "manual"  # "manual", "approve", "reject"
    seconds: float = 2.0  # how long the emulator's own review takes
    comment: str = "The template does not meet the content rules."  # for mode "reject"
    spam_words: list[str] = field(default_factory=lambda: ["viagra", "lottery winner"])


@dataclass
class Outcomes:
    """What becomes of accepted mail. Delays are seconds after the step before."""

    seed: int = 1
    statistics_delay: float = 0.3  # from an outcome until statistics show it
    withhold_statistics: bool = False
    withhold_events: bool = False
    report_deferred: bool = False  # an event for the first, soft failure too
    delays: dict[str, float] = field(
        default_factory=lambda: {
            "delivered": 0.2,
            "bounced": 0.2,
            "spam": 0.2,
            "failed": 0.2,
            "deferred": 0.2,
            "unseen": 0.2,
            "after_deferred": 1.0,
            "open": 0.3,
            "click": 0.3,
            "machine_open": 0.1,
            "machine_click": 0.1,
            "unsubscribe": 0.3,
            "subscribe": 0.3,
            "complain": 0.3,
        }
    )
    #: behaviour -> share (0 to 1) of the addresses that no pattern names
    share: dict[str, float] = field(default_factory=dict)
    #: by how much of itself each delay is shorter or longer, by mail: 0 to 1
    spread: float = 0.0
    #: start of the local part -> behaviour; added to the built-in patterns
    patterns: dict[str, str] = field(default_factory=dict)
    #: people and machines really fetch what the mail links to, on this machine only
    follow_links: bool = True
    #: how people unsubscribe: "link" (the mail's own List-Unsubscribe header), "directmail"
    #: (the provider's page), "both", or "auto": the header if it leads to this machine
    unsubscribe_via: str = "auto"
    #: public base address -> address on this machine, e.g. "https://mail.example.com" ->
    #: "http://127.0.0.1:8069"; loopback addresses need no entry
    mailbox_hosts: dict[str, str] = field(default_factory=dict)
    #: headers of the requests that `mailbox_hosts` leads to this machine
    mailbox_headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Events:
    """How events are pushed to a webhook (EventBridge's HTTP target)."""

    signature: str = "rsa"  # or "hmac", the older form; or "none"
    #: Alibaba's own verifier signs a newline behind the body; the help page's formula has none
    signature_newline: bool = True
    #: what the certificate's address answers: "certificate" (X.509) or "public_key" alone, as
    #: PEM, DER or DER in Base64
    certificate_content: str = "public_key"
    certificate_encoding: str = "der"  # "pem", "der", "base64"
    echo_field: str = "headers"  # where events have our X-User-Notify-…; or "header"
    echo_names: str = "lower"  # or "sent"
    duplicates: float = 0.0  # share of events pushed twice
    disorder: float = 0.0  # seconds: each event waits up to so long more, so they overtake
    delay: float = 0.0  # seconds before the first push
    retries: int = 3
    retry_seconds: float = 10.0  # 10 to 20 in the service
    retry_jitter: float = 10.0
    timeout: float = 5.0
    parallel: int = 8
    source: str = "acs:dm"  # samples; rules are written "acs.dm"
    certificate_url: str = ""  # default: the emulator's own admin address


@dataclass
class Storage:
    """What is kept for looking at; the ledger itself is always complete."""

    own_bodies: int = 20000  # newest mails with a body of their own that the inbox can show
    events: int = 100000  # newest events


@dataclass
class Settings:
    protocol: Protocol = field(default_factory=Protocol)
    limits: Limits = field(default_factory=Limits)
    throttle: Throttle = field(default_factory=Throttle)
    rules: Rules = field(default_factory=Rules)
    review: Review = field(default_factory=Review)
    outcomes: Outcomes = field(default_factory=Outcomes)
    events: Events = field(default_factory=Events)
    storage: Storage = field(default_factory=Storage)

    def with_changes(self, *changes):
        """A copy with nested dictionaries laid over it; open dictionaries are merged.

        :raises ConfigError: naming the setting that is unknown or of a wrong type
        """
        result = copy.deepcopy(self)
        for change in changes:
            lay_over(result, change, "settings")
        _check_choices(result)
        return result


CHOICES = {
    ("review", "mode"): ("manual", "approve", "reject"),
    ("rules", "invalid_address"): ("fail", "refuse"),
    ("rules", "stored_text"): ("exact", "crlf", "entities"),
    ("rules", "bad_headers"): ("refuse", "drop"),
    ("rules", "value_escaping"): ("none", "html"),
    ("rules", "subject_source"): ("call", "template"),
    ("rules", "future_end"): ("refuse", "accept"),
    ("rules", "cursors"): ("address", "number"),
    ("rules", "record_order"): ("newest", "oldest"),
    ("protocol", "unknown_parameters"): ("refuse", "ignore"),
    ("protocol", "parameter_places"): ("refuse", "ignore", "accept"),
    ("throttle", "retry_header"): ("always", "never", "alternate"),
    ("outcomes", "unsubscribe_via"): ("auto", "link", "directmail", "both"),
    ("rules", "template_operations"): ("available", "missing", "all_missing", "denied"),
    ("events", "signature"): ("rsa", "hmac", "none"),
    ("events", "certificate_content"): ("certificate", "public_key"),
    ("events", "certificate_encoding"): ("pem", "der", "base64"),
    ("events", "echo_field"): ("header", "headers"),
    ("events", "echo_names"): ("sent", "lower"),
}


def _check_choices(settings):
    from .outcomes import BEHAVIOURS, DELAYS

    for (section, name), allowed in CHOICES.items():
        value = getattr(getattr(settings, section), name)
        if value not in allowed:
            raise ConfigError(f"settings.{section}.{name}: {value!r} is none of {allowed}")
    for rate in (settings.throttle.default, *settings.throttle.operations.values()):
        parse_rate(rate)
    outcomes = settings.outcomes
    for behaviour in (*outcomes.share, *outcomes.patterns.values()):
        if behaviour not in BEHAVIOURS:
            raise ConfigError(
                f"settings.outcomes: there is no behaviour {behaviour!r};"
                f" there are {', '.join(sorted(BEHAVIOURS))}"
            )
    for name in outcomes.delays:
        if name not in DELAYS:
            raise ConfigError(f"settings.outcomes.delays: there is no step {name!r}")
    if not 0 <= outcomes.spread <= 1:
        raise ConfigError("settings.outcomes.spread: a number from 0 to 1 is expected")
    if sum(outcomes.share.values()) > 1:
        raise ConfigError("settings.outcomes.share: the shares add up to more than 1")


def lay_over(target, changes, path):
    """Set attributes of a dataclass from a dictionary, checking names and types.

    :raises ConfigError: naming the entry that is unknown or of a wrong type
    """
    if not isinstance(changes, dict):
        raise ConfigError(f"{path}: a table is expected, not {changes!r}")
    known = {item.name: item for item in fields(target)}
    for name, value in changes.items():
        where = f"{path}.{name}"
        if name not in known:
            raise ConfigError(f"{where}: unknown; known here: {', '.join(sorted(known))}")
        current = getattr(target, name)
        if is_dataclass(current):
            lay_over(current, value, where)
        elif isinstance(current, dict) and isinstance(value, dict):
            setattr(target, name, {**current, **_checked_values(name, value, where)})
        else:
            setattr(target, name, _checked(current, value, where))


def _checked_values(name, values, where):
    numeric = name in ("delays", "share")
    for key, value in values.items():
        good = _is_number(value) if numeric else isinstance(value, str)
        if not good:
            raise ConfigError(
                f"{where}.{key}: {value!r} is not a {'number' if numeric else 'text'}"
            )
    return values


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _checked(current, value, where):
    """``value``, when it is of the kind that ``current`` is (an int will do for a float)."""
    if isinstance(current, bool) or isinstance(value, bool):
        good = isinstance(value, bool) and isinstance(current, bool)
    elif isinstance(current, float):
        good = isinstance(value, (int, float))
    else:
        good = isinstance(value, type(current))
    if isinstance(value, list):
        good = good and all(isinstance(item, str) for item in value)
    if not good:
        raise ConfigError(f"{where}: {value!r} is not a {type(current).__name__}")
    return float(value) if isinstance(current, float) and not isinstance(value, bool) else value


def parse_rate(text):
    """``"100/s"`` -> ``(100, 1.0)``, ``"50/300s"`` -> ``(50, 300.0)``; no limit -> ``None``.

    :raises ConfigError: when it is not a rate
    """
    if str(text) == "0":
        return None
    try:
        count, period = str(text).split("/")
        unit = period.lstrip("0123456789.")
        number = float(period[: len(period) - len(unit)] or 1)
        seconds = number * {"s": 1, "min": 60, "h": 3600}[unit]
        calls = int(count)
    except (ValueError, KeyError):
        raise ConfigError(f"{text!r} is not a rate such as 100/s or 10/min") from None
    if calls < 1 or seconds <= 0:
        raise ConfigError(f"{text!r} is not a rate such as 100/s or 10/min")
    return calls, seconds
