"""Where documents leave room: how the service may behave, and which setting makes it so.

One table for the code, the README and the defaults; a test keeps the three equal. The first value
of each is the default: the stricter reading, so that a client that gets on with it gets on with
every other one. A reading that would leave an operation without any use (no templates at all, no
`Template` for marketing senders) is never the default.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Behavior:
    """One open point.

    :ivar name: the same as in a client's own table
    :ivar setting: section and name in `settings.Settings`, with a dot in between
    :ivar question: in plain words
    :ivar values: {value of the setting: what the service then does}; the first is the default
    """

    name: str
    setting: str
    question: str
    values: dict

    @property
    def default(self):
        return next(iter(self.values))

    def changes(self, value):
        """The settings that make the service behave so, as for ``change_settings``."""
        section, _dot, name = self.setting.partition(".")
        return {section: {name: list(value) if isinstance(value, tuple) else value}}


BEHAVIORS = (
    Behavior(
        "template_operations",
        "rules.template_operations",
        "Does the account have the operations for templates, which came in 2026?",
        {
            "available": "yes",
            "missing": "only those that read: InvalidAction.NotFound",
            "all_missing": "none: InvalidAction.NotFound",
            "denied": "RAM denies those that change templates: Forbidden.RAM",
        },
    ),
    Behavior(
        "stored_text",
        "rules.stored_text",
        "How is the text of a template stored?",
        {
            "entities": "with characters as entities",
            "crlf": "with other line ends",
            "exact": "as it came",
        },
    ),
    Behavior(
        "returns_nickname",
        "rules.returns_nickname",
        "Does DescTemplate tell the sender name?",
        {False: "no: the field is deprecated", True: "yes"},
    ),
    Behavior(
        "alias_limit",
        "limits.from_alias",
        "How long may a sender name be, in UTF-16 units?",
        {14: '"shorter than 15"', 15: "as the SDK says", 30: "as for templates"},
    ),
    Behavior(
        "subject_limit",
        "limits.subject",
        "How long may a subject be?",
        {100: "older pages and the console", 256: "as the SDK says"},
    ),
    Behavior(
        "bad_headers",
        "rules.bad_headers",
        "What becomes of headers that are too many, unknown, too long or malformed?",
        {
            "refuse": "the call is refused: InvalidHeaders.Malformed",
            "drop": "they are dropped silently",
        },
    ),
    Behavior(
        "unknown_parameters",
        "protocol.unknown_parameters",
        "What becomes of parameters that an operation doesn't have?",
        {"refuse": "InvalidParameter", "ignore": "nothing"},
    ),
    Behavior(
        "parameter_places",
        "protocol.parameter_places",
        "May parameters stand in the form body instead of the query, or the reverse?",
        {
            "refuse": "no: InvalidParameter",
            "ignore": "no: they are as if they were not there (`query` only)",
            "accept": "yes; where both have one, the body's counts",
        },
    ),
    Behavior(
        "idle_connections",
        "protocol.idle_connections",
        "What becomes of connections that are not used for `protocol.idle_seconds`?",
        {
            "forgotten": "a call that comes on one gets a reset and is not carried out",
            "closed": "they are closed",
            "kept": "they stay open",
        },
    ),
    Behavior(
        "template_senders",
        "rules.template_senders",
        "Which senders may use `Template` in SingleSendMail?",
        {
            ("batch", "trigger"): "all",
            ("trigger",): "batch senders are refused: InvalidMailAddressSendType.Malformed",
        },
    ),
    Behavior(
        "value_escaping",
        "rules.value_escaping",
        "Does the service escape the values of TemplateData in the body?",
        {"none": "no: they are put in as they are", "html": "yes: `&` becomes `&amp;`, and so on"},
    ),
    Behavior(
        "subject_source",
        "rules.subject_source",
        "Which subject does a mail with `Template` have?",
        {"call": "the call's, if it has one", "template": "always the template's, filled"},
    ),
    Behavior(
        "invalid_address",
        "rules.invalid_address",
        "What becomes of a mail to an address that is known to be invalid?",
        {
            "fail": "it is accepted, then fails",
            "refuse": "the call is refused: InvalidToAddress.Spam",
        },
    ),
    Behavior(
        "missing_parameter",
        "protocol.missing_parameter",
        "Which code refuses a call without a mandatory parameter?",
        {"MissingParameter": "DirectMail's own table", "Missing{name}": "the gateway's"},
    ),
    Behavior(
        "quota_code",
        "rules.quota_code",
        "Which code says that the quota is used up?",
        {
            "InvalidSendMail.Spam": "the documented collective one",
            "InvalidQuota.Exceeded": "one of its own",
        },
    ),
    Behavior(
        "detail_window",
        "rules.window_days",
        "How many days of records may one query ask for?",
        {29: "a day less than the SDK says: it depends on how both count", 30: "30"},
    ),
    Behavior(
        "future_end",
        "rules.future_end",
        "May a query of records end in the future?",
        {"refuse": "no: InvalidDate.Malformed", "accept": "yes"},
    ),
    Behavior(
        "cursor_form",
        "rules.cursors",
        "What do `NextStart` and `NextToken` look like?",
        {"address": "opaque, with `#`, `@` and somebody's address", "number": "a number"},
    ),
    Behavior(
        "page_order",
        "rules.record_order",
        "Which records come first?",
        {"newest": "the newest", "oldest": "the oldest"},
    ),
    Behavior(
        "retry_header",
        "throttle.retry_header",
        "Does a throttled call say when to come back?",
        {"always": "yes, in `x-acs-retry-after`", "never": "no", "alternate": "sometimes"},
    ),
    Behavior(
        "signature",
        "events.signature",
        "How are pushes signed?",
        {"rsa": "with RSA over SHA-256", "hmac": "with HMAC-SHA1, the older form"},
    ),
    Behavior(
        "signature_newline",
        "events.signature_newline",
        "Does the signed text end with a newline behind the body?",
        {True: "yes, as in Alibaba's own verifier", False: "no, as on the help page"},
    ),
    Behavior(
        "certificate_content",
        "events.certificate_content",
        "What is published to check the signature?",
        {"public_key": "a bare public key", "certificate": "an X.509 certificate"},
    ),
    Behavior(
        "certificate_encoding",
        "events.certificate_encoding",
        "In which form?",
        {"der": "DER", "pem": "PEM", "base64": "DER in Base64"},
    ),
    Behavior(
        "echo_field",
        "events.echo_field",
        "Where do events carry our X-User-Notify-… headers?",
        {"headers": "in `data.headers`", "header": "in `data.header`"},
    ),
    Behavior(
        "echo_names",
        "events.echo_names",
        "How are their names written?",
        {"lower": "in lower case", "sent": "as they were sent"},
    ),
)


def readme_table():
    """The table of the README, as lines of Markdown."""
    lines = [
        "| Behavior | Setting | Question | Values, the default first |",
        "| --- | --- | --- | --- |",
    ]
    for behavior in BEHAVIORS:
        values = "; ".join(
            f"`{_shown(value)}`: {meaning}" for value, meaning in behavior.values.items()
        )
        lines.append(f"| {behavior.name} | `{behavior.setting}` | {behavior.question} | {values} |")
    return lines


def _shown(value):
    """A value as TOML has it, without the quotes of a text."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{list(value)}".replace("'", '"') if isinstance(value, tuple) else value
