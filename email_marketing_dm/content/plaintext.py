# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The text part of a mail, made from its HTML, for programs that show no HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

from lxml import etree, html

from .filling import assemble

_UNSEEN = frozenset(("head", "script", "style", "template", "title"))
_PARAGRAPHS = frozenset(
    "address article blockquote dl figure footer form h1 h2 h3 h4 h5 h6 header hr ol p pre section"
    " table ul".split()
)
_LINES = frozenset("br caption center dd div dt li tbody tr".split())
_SPACES = re.compile(r"[ \t\r\n\f\u00a0]+")
_INVISIBLE = re.compile("[\u034f\u200b\u200c\u200d\ufeff\u00ad]")
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all|font-size\s*:\s*0", re.IGNORECASE)
# Typed braces are entities in the HTML; unescaped, `assemble` would take them for a variable.
_OPEN, _CLOSE = "\ue07b", "\ue07d"
_BRACES = (
    (re.compile(r"&(?:#123|#x7b|lbrace|lcub);", re.IGNORECASE), _OPEN),
    (re.compile(r"&(?:#125|#x7d|rbrace|rcub);", re.IGNORECASE), _CLOSE),
)


class TextPart:
    """The text part of one mail: parsed once, filled in for each recipient.

    :param body: HTML with ``{Name}`` variables, as DirectMail approved it
    """

    def __init__(self, body: str) -> None:
        for pattern, mark in _BRACES:
            body = pattern.sub(mark, body)
        self._text = _read(body)

    def fill(self, values: Mapping[str, object]) -> str:
        """Return the text for one recipient.

        :param values: {name: value as HTML}, the same as for the body
        """
        plain = {name: _plain_value(value) for name, value in values.items()}
        text = assemble(self._text, plain)
        return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def _plain_value(value: object) -> str:
    """Return a value of `filling.body_value` as plain text."""
    lines = re.sub(r"<br\s*/?>", "\n", str(value or ""), flags=re.IGNORECASE)
    return unescape(re.sub(r"<[^>]*>", "", lines))


def _read(body: str) -> str:
    """Return the text of a body, its variables and `_OPEN` and `_CLOSE` still in it."""
    body = body.encode("utf-8", "replace").decode()
    if not body.strip():
        return ""
    root = html.document_fromstring(body.encode(), html.HTMLParser(encoding="utf-8"))
    writer = _Writer()
    writer.add(root)
    return writer.get_text()


class _Writer:
    """Collects the words of a tree, with the line ends between blocks."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._break = 0  # number of line ends before the next word

    def get_text(self) -> str:
        lines = "".join(self._pieces).split("\n")
        return "\n".join(line.strip(" ") for line in lines).strip()

    def add(self, root: etree._Element) -> None:
        """Add an element and its descendants, without recursion: mails nest tables deeply."""
        stack: list[tuple[etree._Element, bool]] = [(root, False)]
        while stack:
            node, is_end = stack.pop()
            if is_end:
                self._end(node)
            elif isinstance(node.tag, str) and not _is_unseen(node):
                self._begin(node)
                stack.append((node, True))
                stack += [(child, False) for child in reversed(node)]
            else:
                self._words(node.tail)

    def _begin(self, node: etree._Element) -> None:
        self._apart(node)
        if node.tag == "li":
            self._words("- ")
        elif node.tag == "hr":
            self._words("-" * 20)
        elif node.tag == "img":
            self._words(f" {node.get('alt', '')} ")
        elif node.tag in ("td", "th"):
            self._words(" ")
        self._words(node.text)

    def _end(self, node: etree._Element) -> None:
        href = (node.get("href") or "").strip() if node.tag == "a" else ""
        if href.lower().startswith(("http://", "https://", "mailto:", "tel:")):
            address = re.sub("^(?:mailto|tel):", "", href, flags=re.IGNORECASE)
            if address not in " ".join(node.itertext()):
                self._words(f" ({address})")
        self._apart(node)
        self._words(node.tail)

    def _apart(self, node: etree._Element) -> None:
        """Request at least one line end for a block, two (an empty line) for a paragraph."""
        if node.tag in _PARAGRAPHS:
            self._break = max(self._break, 2)
        elif node.tag in _LINES:
            self._break = max(self._break, 1)

    def _words(self, text: str | None) -> None:
        """Add text with its spaces collapsed; line ends replace spaces at a block's edges."""
        text = _SPACES.sub(" ", _INVISIBLE.sub("", text or ""))
        if not text.strip(" "):
            if text and not self._break and self._pieces and not self._pieces[-1].endswith(" "):
                self._pieces.append(" ")
            return
        if self._break and self._pieces:
            self._pieces.append("\n" * self._break)
            text = text.lstrip(" ")
        elif self._pieces and self._pieces[-1].endswith((" ", "\n")):
            text = text.lstrip(" ")
        self._break = 0
        self._pieces.append(text)


def _is_unseen(node: etree._Element) -> bool:
    return node.tag in _UNSEEN or bool(_HIDDEN.search(node.get("style") or ""))
