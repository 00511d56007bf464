# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Compares two texts of a template: are they the same mail, and where do they differ.

DirectMail may store HTML with other line ends, entities, spaces between words or order of
attributes; none of these changes the mail that readers see.
"""

from __future__ import annotations

import difflib
import re

from lxml import etree, html

# Braces as entities are text; parsed, they would look like the braces of a variable.
_BRACES = (
    (re.compile(r"&(?:#123|#x7b|lbrace|lcub);", re.IGNORECASE), "\ue07b"),
    (re.compile(r"&(?:#125|#x7d|rbrace|rcub);", re.IGNORECASE), "\ue07d"),
)
_BETWEEN_TAGS = re.compile(r">\s+<")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_LINE_MAX = 160  # characters of a line in a difference


def is_same(one: str, other: str) -> bool:
    """Return whether two texts of a template are the same mail.

    :param one, other: HTML with ``{Name}`` variables
    """
    return one == other or _pieces(one) == _pieces(other)


def find_difference(before: str, after: str, lines_max: int = 12) -> list[tuple[str, str]]:
    """Return the difference between two texts, one line for each tag or piece of text.

    :return: [("-" or "+", removed or added piece)], at most ``lines_max``; empty if both texts are
        the same mail
    """
    lines = difflib.unified_diff(_pieces(before), _pieces(after), n=0, lineterm="")
    found = [(line[0], _shown(line[1:])) for line in list(lines)[2:] if line[0] in "+-"]
    return found[:lines_max]


def _shown(piece: str) -> str:
    piece = piece.replace("\ue07b", "&#123;").replace("\ue07d", "&#125;")
    return piece if len(piece) <= _LINE_MAX else piece[: _LINE_MAX - 1] + "…"


def _pieces(text: str) -> list[str]:
    """Return the tags and texts of a mail, normalised so that only visible differences remain."""
    for pattern, mark in _BRACES:
        text = pattern.sub(mark, text)
    text = text.encode("utf-8", "replace").decode().strip()
    if not text:
        return []
    parser = html.HTMLParser(encoding="utf-8")
    root = html.document_fromstring(text.encode(), parser)
    found: list[str] = []
    _collect(root, found)
    return found


def _collect(root: etree._Element, found: list[str]) -> None:
    """Append the pieces of a tree, without recursion: mails nest tables deeply."""
    stack: list[tuple[etree._Element, bool]] = [(root, False)]
    while stack:
        node, closing = stack.pop()
        if closing:
            _add_text(node.tail, found)
            continue
        if isinstance(node.tag, str):
            found.append(_tag(node.tag, node))
            _add_text(node.text, found)
            stack.append((node, True))
            stack += [(child, False) for child in reversed(node)]
        else:
            if isinstance(node, etree._Comment):
                found.append(f"<!--{_BETWEEN_TAGS.sub('><', _spaced(node.text))}-->")
            _add_text(node.tail, found)


def _tag(name: str, node: etree._Element) -> str:
    """Return the start tag of an element with its attributes in alphabetical order."""
    attributes = "".join(
        f' {key}="{_declarations(value) if key == "style" else _spaced(value)}"'
        for key, value in sorted(node.attrib.items())
    )
    return f"<{name}{attributes}>"


def _declarations(style: str) -> str:
    return re.sub(r"\s*([;:,])\s*", r"\1", _spaced(style)).rstrip(";")


def _add_text(text: str | None, found: list[str]) -> None:
    text = _spaced(text)
    if text:
        found.append(text)


def _spaced(text: str | None) -> str:
    return _SPACES.sub(" ", text or "").strip(" ")
