# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The template and the mail with which *First contact* finds out an account's behaviors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..content.filling import html_value, plain_value
from ..content.placeholders import TOKEN
from ..content.sameness import is_same
from ..privacy.address import normalise
from .behaviors import find_suspect
from .const import VARIABLES_MAX
from .records import DeliveryDetail, Mail

#: operations without which Odoo can't submit a template
TEMPLATE_ACTIONS = frozenset(("CreateTemplate", "ModifyTemplate", "DescTemplate", "DeleteTemplate"))

NAME = "O'Brien & Sons"
EMOJI = "\U0001f600\U0001f469\u200d\U0001f4bb"
RIGHT_TO_LEFT = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd 123"
SENDER_NAME = "First contact!"  # 14 characters: the smallest of the documented limits
#: value of the behavior ``alias_limit`` -> a sender name of exactly that length, longest first
SENDER_NAMES = {
    "30": "First contact: thirty letters!",
    "15": "First contact!!",
    "14": SENDER_NAME,
}
LONGEST = next(iter(SENDER_NAMES))
#: a header that no document lists, so that DirectMail may refuse a mail with it
STRANGE_HEADERS = {"First-Contact": "1"}
SUBJECT_OF_TEMPLATE = "First contact: subject A, {NameSubject}"
SUBJECT_OF_CALL = "First contact: subject B, {NameSubject}"
#: names of variables that fill the template up to VARIABLES_MAX
FILLERS = tuple(
    f"Probe{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(VARIABLES_MAX - 3)
)

_TEXT = """<!DOCTYPE html>
<html lang="en" dir="ltr"><head><meta charset="utf-8"><title>First contact</title>
<style>.probe { color: #333333 }
@media (max-width: 600px) { .probe { width: 100% !important } }</style>
</head>\r
<body><p class='probe' title="a &quot;quoted&quot; title">Hello {Name},</p>
<p>this is a technical test by the administrator of {public_url}.
It is sent once,\tto the administrator.</p>
<p>Emoji: {emoji}</p><p dir="rtl">{right_to_left}</p>
<p>Signs: 100 % &amp; more, 5 &lt; 6, "double", 'single', \u201ccurly\u201d,
\u00e4\u00f6\u00fc \u00df \u4f60\u597d, a&nbsp;b, caf\u00e9</p>
<p>{fillers}</p>
<p>You receive this mail because you administer this system.
<a href="{public_url}/directmail/unsubscribe/{Token}">Unsubscribe</a></p>
</body></html>
"""


def make_text(public_url: str) -> str:
    """Return the template's HTML text with its variables.

    :param public_url: of this server, without a slash at its end
    """
    text = _TEXT
    for name, value in (
        ("public_url", public_url),
        ("emoji", EMOJI),
        ("right_to_left", RIGHT_TO_LEFT),
        ("fillers", " ".join("{%s}" % name for name in FILLERS)),
    ):
        text = text.replace("{%s}" % name, value)
    return text


def make_values(token: str) -> dict[str, object]:
    """Return {variable: value}, escaped like the values of an email task."""
    fillers = {name: str(number) for number, name in enumerate(FILLERS, 1)}
    return {
        "Name": html_value(NAME),
        "NameSubject": plain_value(NAME),
        **fillers,
        TOKEN: token,
    }


@dataclass(frozen=True)
class Attempt:
    """The variant of the mail in one attempt to send it. A refused attempt uses no quota.

    :ivar mode: "template" or "body": how the content is sent
    :ivar alias_limit: a key of SENDER_NAMES
    :ivar strange: with STRANGE_HEADERS
    """

    mode: str
    alias_limit: str = LONGEST
    strange: bool = True

    def dress(self, mail: Mail) -> Mail:
        """Return the mail with this attempt's sender name and headers."""
        headers = {**mail.headers, **(STRANGE_HEADERS if self.strange else {})}
        return replace(mail, sender_name=SENDER_NAMES[self.alias_limit], headers=headers)

    def get_next(self, code: str) -> Attempt | None:
        """Return the next attempt after a refusal, without the refused variant; None to give up.

        :param code: error code of the refusal
        """
        suspect = find_suspect(code, self.mode)
        if suspect == "template_senders":
            return replace(self, mode="body")
        if suspect == "bad_headers" and self.strange:
            return replace(self, strange=False)
        names = list(SENDER_NAMES)
        if suspect == "alias_limit" and self.alias_limit != names[-1]:
            return replace(self, alias_limit=names[names.index(self.alias_limit) + 1])
        # The code doesn't tell which variant was refused: use the safe value of both, for which
        # `get_found` reports nothing.
        plain = replace(self, alias_limit=names[-1], strange=False)
        return None if self == plain else plain

    def get_found(self, codes: Iterable[str]) -> dict[str, str]:
        """Return {behavior: value} that an accepted attempt has shown.

        :param codes: error codes of the attempts before this one
        """
        suspects = {find_suspect(code, self.mode) for code in codes}
        found: dict[str, str] = {}
        if self.mode == "template":
            found["template_senders"] = "all"
        if self.strange or "bad_headers" in suspects:
            found["bad_headers"] = "drop" if self.strange else "refuse"
        if self.alias_limit == LONGEST or "alias_limit" in suspects:
            found["alias_limit"] = self.alias_limit
        return found


def compare_text(sent: str, stored: str) -> str:
    """Return the value of the behavior ``stored_text`` for the sent and the stored text."""
    if stored == sent:
        return "exact"
    # Line breaks with the spaces around them: they change nothing that a reader sees.
    if _without_line_ends(stored) == _without_line_ends(sent):
        return "crlf"
    if not is_same(sent, stored):
        return "changed"
    entities = sum(stored.count(mark) for mark in ("&#", "&quot;", "&apos;"))
    before = sum(sent.count(mark) for mark in ("&#", "&quot;", "&apos;"))
    return "entities" if entities > before else "other"


def _without_line_ends(text: str) -> str:
    return re.sub(r"\s*[\r\n]\s*", "", text)


def find_own_row(rows: Iterable[DeliveryDetail], address: str) -> DeliveryDetail | None:
    """Return the newest delivery detail of an address, or None."""
    own = [row for row in rows if normalise(row.address) == normalise(address) and row.status]
    return max(own, key=_get_moment, default=None)


def _get_moment(row: DeliveryDetail) -> float:
    return row.updated_at.timestamp() if row.updated_at else 0
