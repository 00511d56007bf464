# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Tells whether two mails are the same to the people who read them."""

from __future__ import annotations

from hashlib import sha256

from lxml import etree, html

# Elements whose text nobody reads.
_UNREAD = ("style", "script", "head", "title")


def make_content_mark(subject: str | None, body: str | None) -> str:
    """Return a mark that is equal for mails with the same subject, text, links and pictures.

    Upper and lower case of the subject, white space and styles don't count: the builder may write
    the styles of an unchanged body differently each time.

    :param subject: the subject, with its placeholders
    :param body: the body as HTML, with its placeholders
    """
    parts = [_squeeze(subject or "").casefold()]
    text = []
    if (body or "").strip():
        for node in html.fromstring(f"<div>{body}</div>").iter():
            if isinstance(node.tag, str) and node.tag not in _UNREAD:
                text.append(node.text or "")
                parts += [
                    f"{name}={node.get(name)}"
                    for name in ("href", "src", "t-out")
                    if node.get(name)
                ]
            elif isinstance(node, etree._Entity):
                text.append(node.text)
            text.append(node.tail or "")
    # Without any white space: line breaks of the HTML may come and go.
    parts.append("".join("".join(text).split()))
    return sha256("\n".join(parts).encode()).hexdigest()


def _squeeze(text: str) -> str:
    return " ".join(text.split())
