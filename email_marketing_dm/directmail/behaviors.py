# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Behaviors of DirectMail that its documents leave open.

The documents don't tell which value is true of an account. Until *First contact* has found the
value, the addon acts on ``assumed``, with which no mail is lost whichever value is true. The
emulator has settings of the same names (``directmail_emulator/behaviors.py``).
Sources: the help pages, the SDK's model comments, and public code that calls the service; where
they disagree, each reading is a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Steps of First contact that find a behavior out. A behavior without a step can't be found out
# with one mail: only a long campaign, a long list or a fault shows it.
STEPS = ("quota", "template", "review", "mail", "eyes", "records", "push")


@dataclass(frozen=True)
class Behavior:
    """One behavior that the documents leave open.

    :ivar name: technical name
    :ivar question: in plain words, for users
    :ivar values: {technical value: in plain words, for users}
    :ivar assumed: the safe default, a key of ``values``
    :ivar step: the one of STEPS that finds it out, or ""
    """

    name: str
    question: str
    values: Mapping[str, str]
    assumed: str
    step: str = ""


BEHAVIORS = (
    # Templates
    Behavior(
        "template_operations",
        "Can templates be created through the API?",
        {
            "available": "Yes",
            "missing": "No: the account does not have these operations yet",
            "denied": "No: the AccessKey may not call them",
        },
        "available",
        "template",
    ),
    Behavior(
        "parameter_places",
        "Does DirectMail accept large templates?",
        {
            "accept": "Yes",
            "refuse": "No: DirectMail refuses the call",
            "ignore": "No: DirectMail ignores them",
        },
        "refuse",
    ),
    Behavior(
        "stored_text",
        "Does DirectMail store the text of a template unchanged?",
        {
            "exact": "Unchanged",
            "crlf": "With other line ends",
            "entities": "With characters written as HTML entities",
            "other": "With other changes that readers don't see",
            "changed": "With changes that readers see",
        },
        "entities",
        "template",
    ),
    Behavior(
        "returns_nickname",
        "Does DirectMail return the sender name of a template?",
        {"yes": "Yes", "no": "No"},
        "no",
        "template",
    ),
    # Parameters of calls
    Behavior(
        "alias_limit",
        "How long may a sender name be? (An emoji counts as two characters.)",
        {"14": "14 characters", "15": "15 characters", "30": "30 characters"},
        "14",
        "mail",
    ),
    Behavior(
        "subject_limit",
        "How long may a subject be?",
        {"100": "100 characters", "256": "256 characters"},
        "100",
    ),
    Behavior(
        "bad_headers",
        "What happens to mail headers that DirectMail does not accept?",
        {"refuse": "DirectMail refuses the mail", "drop": "DirectMail removes them silently"},
        "refuse",
        "mail",
    ),
    Behavior(
        "unknown_parameters",
        "What happens to parameters that DirectMail does not know?",
        {"refuse": "DirectMail refuses the call", "ignore": "DirectMail ignores them"},
        "refuse",
    ),
    Behavior(
        "missing_parameter",
        "How does DirectMail report a missing parameter?",
        {
            "MissingParameter": "As MissingParameter",
            "Missing{name}": "As “Missing” and the parameter's name",
        },
        "MissingParameter",
    ),
    # Content of the mails
    Behavior(
        "template_senders",
        "Can marketing senders send approved templates one mail at a time?",
        {"all": "Yes", "trigger": "No: the approved text must be filled in by Odoo"},
        "all",
        "mail",
    ),
    Behavior(
        "value_escaping",
        "Does DirectMail escape special characters in personal values?",
        {"none": "No: Odoo escapes them", "html": "Yes: Odoo must not escape them again"},
        "none",
        "eyes",
    ),
    Behavior(
        "subject_source",
        "Which subject does a mail with an approved template have?",
        {"call": "The subject of the individual mail", "template": "The subject of the template"},
        "call",
        "eyes",
    ),
    Behavior(
        "emoji",
        "Do emoji arrive?",
        {"yes": "Yes", "no": "No"},
        "yes",
        "eyes",
    ),
    Behavior(
        "right_to_left",
        "Does right-to-left text arrive in the right order?",
        {"yes": "Yes", "no": "No"},
        "yes",
        "eyes",
    ),
    Behavior(
        "reply",
        "Do replies reach the reply address?",
        {"yes": "Yes", "no": "No"},
        "yes",
        "eyes",
    ),
    # DirectMail's records, answers and connections
    Behavior(
        "detail_window",
        "How many days back can delivery details be read?",
        {"29": "29 days", "30": "30 days"},
        "29",
    ),
    Behavior(
        "future_end",
        "Can a requested period end in the future?",
        {"no": "No", "yes": "Yes"},
        "no",
    ),
    Behavior(
        "cursor_form",
        "What do the positions in DirectMail's lists look like?",
        {"number": "Numbers", "opaque": "Texts, which may contain an address"},
        "opaque",  # one mail's records fill no page, so First contact sees no cursor
    ),
    Behavior(
        "page_order",
        "In which order does DirectMail list delivery details?",
        {"oldest": "Oldest first", "newest": "Newest first"},
        "newest",
    ),
    Behavior(
        "invalid_address",
        "What happens to a mail to an address that DirectMail knows to be invalid?",
        {
            "fail": "DirectMail accepts it, then reports a failure",
            "refuse": "DirectMail refuses it",
        },
        "fail",
    ),
    Behavior(
        "quota_code",
        "How does DirectMail report that the quota is used up?",
        {
            "InvalidSendMail.Spam": "Like content that DirectMail takes for spam",
            "InvalidQuota.Exceeded": "As an exceeded quota",
        },
        "InvalidSendMail.Spam",
    ),
    Behavior(
        "retry_header",
        "Does DirectMail say when to call again after too many calls?",
        {"never": "No", "alternate": "Sometimes", "always": "Yes"},
        "never",
    ),
    Behavior(
        "idle_connections",
        "What happens to network connections that are not used for a while?",
        {
            "kept": "They stay open",
            "closed": "They are closed",
            "forgotten": "They break without notice",
        },
        "forgotten",
    ),
    # Events from EventBridge
    Behavior(
        "echo_field",
        "Where do events carry the mail's own header?",
        {"header": "Under header", "headers": "Under headers", "none": "Nowhere"},
        "headers",
        "push",
    ),
    Behavior(
        "echo_names",
        "How is the name of the mail's own header written in events?",
        {"sent": "As it was sent", "lower": "In lower case"},
        "lower",
        "push",
    ),
    Behavior(
        "signature",
        "How does EventBridge sign events?",
        {"rsa": "With RSA", "hmac": "With HMAC"},
        "rsa",
        "push",
    ),
    Behavior(
        "signature_newline",
        "Does the signed text of an event end with a line break?",
        {"yes": "Yes", "no": "No"},
        "yes",
        "push",
    ),
    Behavior(
        "certificate_content",
        "What does EventBridge publish for checking its signatures?",
        {"certificate": "A certificate", "public_key": "A bare public key"},
        "public_key",
        "push",
    ),
    Behavior(
        "certificate_encoding",
        "In which format does EventBridge publish its certificate?",
        {"pem": "PEM", "der": "DER", "base64": "DER in Base64"},
        "der",
        "push",
    ),
)

BEHAVIOR = {behavior.name: behavior for behavior in BEHAVIORS}

#: error code of a send -> behaviors that may explain it, likeliest first
SUSPECTS = (
    ("InvalidMailAddressSendType", ("template_senders",)),
    ("InvalidFromAlias", ("alias_limit",)),
    ("InvalidFromALias", ("alias_limit",)),
    ("InvalidSubject", ("subject_limit",)),
    ("InvalidHeader", ("bad_headers",)),
    ("InvalidParameter", ("unknown_parameters", "parameter_places")),
)


def find_suspect(code: str, content_mode: str) -> str | None:
    """Return the name of the behavior that best explains an error code of a send, or None.

    :param code: DirectMail's error code
    :param content_mode: "template" or "body": how the mail's content was sent
    """
    for prefix, names in SUSPECTS:
        if code.startswith(prefix):
            if names == ("template_senders",) and content_mode != "template":
                return None
            return names[0]
    return None
