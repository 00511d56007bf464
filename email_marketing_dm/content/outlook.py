# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What only Outlook reads of a mail: conditional comments, with HTML, VML and settings in them."""

import re
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
# Odoo drops "<o:…>" wherever it stands, and comments before the first element.
_SHIELD = "dm-shield-"
_WRAPPER = '<div data-dm-wrapper="1">'


def is_conditional(comment):
    """Tell whether a comment, without its marks, is content to Outlook."""
    return "[if" in (comment or "")


def is_settings(node):
    """Tell whether a node is a comment with Outlook's settings, and no text comes behind it."""
    return (
        node.tag is etree.Comment
        and is_conditional(node.text)
        and "OfficeDocumentSettings" in node.text
        and not (node.tail or "").strip()
    )


def close_comment(comment):
    """Return a comment that begins a part for all but Outlook, in its valid form.

    Odoo stores "<!--[if !mso]><!-- -->", a comment inside a comment to HTML.
    """
    return re.sub(r"(\[if\b[^\]]*\]><!)--\s*$", r"\1", comment, flags=re.IGNORECASE)


def is_link(node):
    """Tell whether an element is one that readers click: a link, an area, or a shape of VML."""
    return isinstance(node.tag, str) and (node.tag in _LINKS or node.tag.startswith("v:"))


def read_links(comment):
    """Return the links in a conditional comment.

    :param comment: its text, without the marks around it
    :return: elements with a "href", see `is_link`
    """
    return [node for node in _read(comment).iter() if is_link(node) and node.get("href")]


def replace_addresses(comment, function):
    """Return a conditional comment with each address replaced by what a function makes of it.

    :param function: from an address, as a reader's program reads it, to another
    """

    def replace(match):
        address = unescape(match["double"] if match["single"] is None else match["single"])
        return f'{match["name"]}"{escape(function(address))}"'

    return _ADDRESS.sub(replace, comment)


def shield(text):
    """Return a body in a form in which Odoo's cleaning keeps all that Outlook reads.

    The title of a whole document is dropped, as its text would stand in the mail.
    """
    if "<!--[if" not in text.lower():
        return _TITLE.sub("", text) if _DOCUMENT.match(text) else text
    position, pieces = 0, []
    for match in CONDITIONAL.finditer(text):
        pieces += [_TITLE.sub("", text[position : match.start()])]
        pieces += [re.sub(r"<(/?)o:", rf"<\1{_SHIELD}o:", match[0])]
        position = match.end()
    text = "".join([*pieces, _TITLE.sub("", text[position:])])
    return text if _DOCUMENT.match(text) else f"{_WRAPPER}{text}</div>"


def unshield(text):
    """Return what `shield` was given, after the cleaning."""
    if text.startswith(_WRAPPER) and text.endswith("</div>"):
        text = text[len(_WRAPPER) : -len("</div>")]
    text = text.replace(_WRAPPER, "<div>")
    return re.sub(rf"<(/?){_SHIELD}o:", r"<\1o:", text)


def _read(comment):
    """Return the tree of what is inside a conditional comment."""
    inside = re.sub(r"^\s*\[if\b[^\]]*\]>|<!\[endif\]\s*$", "", comment, flags=re.IGNORECASE)
    try:
        return html.fragment_fromstring(inside, create_parent="div")
    except (etree.ParserError, ValueError):
        return html.Element("div")
