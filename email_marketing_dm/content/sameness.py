# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Whether two texts of a template are the same mail, and what differs if they are not.

A service that stores HTML may change line ends, entities, the order of attributes and spaces
between words without changing what anybody sees.
"""

import difflib
import re

from lxml import etree, html

# Written as entities these are braces to the reader; plain ones would be a variable.
_BRACES = (
    (re.compile(r"&(?:#123|#x7b|lbrace|lcub);", re.IGNORECASE), "\ue07b"),
    (re.compile(r"&(?:#125|#x7d|rbrace|rcub);", re.IGNORECASE), "\ue07d"),
)
_BETWEEN_TAGS = re.compile(r">\s+<")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_LINE_MAX = 160  # characters of a line in a difference


def is_same(one, other):
    """Tell whether two texts of a template are the same mail.

    :param one, other: HTML with ``{Name}`` variables
    """
    return one == other or _pieces(one) == _pieces(other)


def find_difference(before, after, lines_max=12):
    """Return what differs between two texts, a line for each piece of text or tag.

    :return: [("-" or "+", what was taken out or put in)], at most ``lines_max``; empty if they are
        the same mail
    """
    lines = difflib.unified_diff(_pieces(before), _pieces(after), n=0, lineterm="")
    found = [(line[0], _shown(line[1:])) for line in list(lines)[2:] if line[0] in "+-"]
    return found[:lines_max]


def _shown(piece):
    piece = piece.replace("\ue07b", "&#123;").replace("\ue07d", "&#125;")
    return piece if len(piece) <= _LINE_MAX else piece[: _LINE_MAX - 1] + "…"


def _pieces(text):
    """Return tags and texts of a mail in a form that is the same for all ways to write them."""
    for pattern, mark in _BRACES:
        text = pattern.sub(mark, text)
    text = text.encode("utf-8", "replace").decode().strip()
    if not text:
        return []
    parser = html.HTMLParser(encoding="utf-8")
    root = html.document_fromstring(text.encode(), parser)
    found = []
    _collect(root, found)
    return found


def _collect(root, found):
    """Append the pieces of a tree, without recursion: mails nest tables deeply."""
    stack = [(root, False)]
    while stack:
        node, closing = stack.pop()
        if closing:
            _add_text(node.tail, found)
            continue
        if isinstance(node.tag, str):
            found.append(_tag(node))
            _add_text(node.text, found)
            stack.append((node, True))
            stack += [(child, False) for child in reversed(node)]
        else:
            if node.tag is etree.Comment:
                found.append(f"<!--{_BETWEEN_TAGS.sub('><', _spaced(node.text))}-->")
            _add_text(node.tail, found)


def _tag(node):
    attributes = "".join(
        f' {name}="{_declarations(value) if name == "style" else _spaced(value)}"'
        for name, value in sorted(node.attrib.items())
    )
    return f"<{node.tag}{attributes}>"


def _declarations(style):
    return re.sub(r"\s*([;:,])\s*", r"\1", _spaced(style)).rstrip(";")


def _add_text(text, found):
    text = _spaced(text)
    if text:
        found.append(text)


def _spaced(text):
    return _SPACES.sub(" ", text or "").strip(" ")
