# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The text part of a mail: what its HTML says, for programs that show no HTML."""

import re
from html import unescape

from lxml import html

from .placeholders import assemble

_UNSEEN = frozenset(("head", "script", "style", "template", "title"))
_PARAGRAPHS = frozenset(
    "address article blockquote dl figure footer form h1 h2 h3 h4 h5 h6 header hr ol p pre section"
    " table ul".split()
)
_LINES = frozenset("br caption center dd div dt li tbody tr".split())
_SPACES = re.compile(r"[ \t\r\n\f\u00a0]+")
_INVISIBLE = re.compile("[\u034f\u200b\u200c\u200d\ufeff\u00ad]")
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all|font-size\s*:\s*0", re.IGNORECASE)
# Typed braces are entities in the HTML; as plain ones they would be filled in.
_OPEN, _CLOSE = "\ue07b", "\ue07d"
_BRACES = (
    (re.compile(r"&(?:#123|#x7b|lbrace|lcub);", re.IGNORECASE), _OPEN),
    (re.compile(r"&(?:#125|#x7d|rbrace|rcub);", re.IGNORECASE), _CLOSE),
)


class TextPart:
    """The text of one mail, read once and filled in for each person.

    :param body: HTML with ``{Name}`` variables, as DirectMail approved it
    """

    def __init__(self, body):
        for pattern, mark in _BRACES:
            body = pattern.sub(mark, body)
        self._text = _read(body)

    def fill(self, values):
        """Return the text for one person.

        :param values: {name: value as HTML}, as for a body
        """
        plain = {name: _plain_value(value) for name, value in values.items()}
        text = assemble(self._text, plain)
        return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def _plain_value(value):
    lines = re.sub(r"<br\s*/?>", "\n", str(value or ""), flags=re.IGNORECASE)
    return unescape(re.sub(r"<[^>]*>", "", lines))


def _read(body):
    body = body.encode("utf-8", "replace").decode()
    if not body.strip():
        return ""
    root = html.document_fromstring(body.encode(), html.HTMLParser(encoding="utf-8"))
    writer = _Writer()
    writer.add(root)
    return writer.get_text()


class _Writer:
    """Collects the words of a tree, and how far apart they stand."""

    def __init__(self):
        self._pieces = []
        self._break = 0  # line ends that come before the next word

    def get_text(self):
        lines = "".join(self._pieces).split("\n")
        return "\n".join(line.strip(" ") for line in lines).strip()

    def add(self, root):
        """Add an element and all that is in it, without recursion: mails nest deeply."""
        stack = [(root, False)]
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

    def _begin(self, node):
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

    def _end(self, node):
        href = (node.get("href") or "").strip() if node.tag == "a" else ""
        if href.lower().startswith(("http://", "https://", "mailto:", "tel:")):
            address = re.sub("^(?:mailto|tel):", "", href, flags=re.IGNORECASE)
            if address not in " ".join(node.itertext()):
                self._words(f" ({address})")
        self._apart(node)
        self._words(node.tail)

    def _apart(self, node):
        if node.tag in _PARAGRAPHS:
            self._break = max(self._break, 2)
        elif node.tag in _LINES:
            self._break = max(self._break, 1)

    def _words(self, text):
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


def _is_unseen(node):
    return node.tag in _UNSEEN or bool(_HIDDEN.search(node.get("style") or ""))
