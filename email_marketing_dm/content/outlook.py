# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Conditional comments of a mail: HTML, VML and settings that only Outlook reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape, unescape

from lxml import etree, html

CONDITIONAL = re.compile(r"<!--\[if\b[^\]]*\]>.*?<!\[endif\]-->", re.IGNORECASE | re.DOTALL)
_ADDRESS = re.compile(
    r"""(?P<name>\b(?:href|src|background)\s*=\s*)(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')""",
    re.IGNORECASE,
)
_TITLE = re.compile(r"<title\b[^>]*>.*?</title\s*>", re.IGNORECASE | re.DOTALL)
_DOCUMENT = re.compile(r"\s*(?:<!doctype\b|<html\b)", re.IGNORECASE)
_LINKS = ("a", "area")
# Odoo's cleaning drops elements named "o:…", so `shield` renames them, and drops comments before
# the first element, so `shield` wraps the body.
_SHIELD = "dm-shield-"
_WRAPPER = '<div data-dm-wrapper="1">'


def is_conditional(comment: str | None) -> bool:
    """Return whether the text of a comment is a condition that Outlook evaluates."""
    return "[if" in (comment or "")


def is_settings(node: etree._Element) -> bool:
    """Return whether a node is a comment with Outlook's settings without text behind it.

    With text behind the comment, moving the comment would move the text too.
    """
    text = node.text or ""
    return (
        isinstance(node, etree._Comment)
        and is_conditional(text)
        and "OfficeDocumentSettings" in text
        and not (node.tail or "").strip()
    )


def close_comment(comment: str) -> str:
    """Return the text of a comment that opens a part for all programs but Outlook, made valid.

    Odoo stores "<!--[if !mso]><!-- -->"; "--" inside of a comment is invalid HTML.
    """
    return re.sub(r"(\[if\b[^\]]*\]><!)--\s*$", r"\1", comment, flags=re.IGNORECASE)


def is_link(node: etree._Element) -> bool:
    """Return whether readers can click an element: <a>, <area> or a shape of VML."""
    return isinstance(node.tag, str) and (node.tag in _LINKS or node.tag.startswith("v:"))


def read_links(comment: str) -> list[etree._Element]:
    """Return the elements with a "href" in a conditional comment that `is_link` accepts.

    :param comment: its text, without "<!--" and "-->"
    """
    return [node for node in _read(comment).iter() if is_link(node) and node.get("href")]


def replace_addresses(comment: str, function: Callable[[str], str]) -> str:
    """Return a conditional comment with each address replaced by ``function(address)``.

    :param function: gets and returns an address without entities
    """

    def replace(match: re.Match[str]) -> str:
        address = unescape(match["double"] if match["single"] is None else match["single"])
        return f'{match["name"]}"{escape(function(address))}"'

    return _ADDRESS.sub(replace, comment)


def shield(text: str) -> str:
    """Return a body in a form whose conditional comments survive Odoo's cleaning.

    The title of a whole document is dropped: the cleaning would turn it into text of the mail.
    """
    if "<!--[if" not in text.lower():
        return _TITLE.sub("", text) if _DOCUMENT.match(text) else text
    position = 0
    pieces: list[str] = []
    for match in CONDITIONAL.finditer(text):
        pieces += [_TITLE.sub("", text[position : match.start()])]
        pieces += [re.sub(r"<(/?)o:", rf"<\1{_SHIELD}o:", match[0])]
        position = match.end()
    text = "".join([*pieces, _TITLE.sub("", text[position:])])
    return text if _DOCUMENT.match(text) else f"{_WRAPPER}{text}</div>"


def unshield(text: str) -> str:
    """Undo `shield` after the cleaning."""
    if text.startswith(_WRAPPER) and text.endswith("</div>"):
        text = text[len(_WRAPPER) : -len("</div>")]
    text = text.replace(_WRAPPER, "<div>")
    return re.sub(rf"<(/?){_SHIELD}o:", r"<\1o:", text)


def _read(comment: str) -> html.HtmlElement:
    """Return a <div> with the content of a conditional comment, empty if it is not HTML."""
    inside = re.sub(r"^\s*\[if\b[^\]]*\]>|<!\[endif\]\s*$", "", comment, flags=re.IGNORECASE)
    try:
        return html.fragment_fromstring(inside, create_parent="div")
    except (etree.ParserError, ValueError):
        return html.Element("div")
