# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Pictures that the mail builder makes of icons, because mail programs know no icon fonts.

In the builder an icon is no picture, so nobody can describe it there.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from lxml import html

_PATH = "/mail/font_to_img/"


def is_icon(node: html.HtmlElement) -> bool:
    """Return whether an <img> shows an icon."""
    return _PATH in (node.get("src") or "")


def describe_icons(root: html.HtmlElement) -> None:
    """Give icons an alternative text: in a link without words the site's name, otherwise none."""
    for node in root.iter("img"):
        if is_icon(node) and "alt" not in node.attrib:
            node.set("alt", _name_site(node))


def _name_site(icon: html.HtmlElement) -> str:
    """Return "Facebook" for the icon of a link to www.facebook.com."""
    link = next(icon.iterancestors("a"), None)
    if link is None or link.text_content().strip():
        return ""
    try:
        host = urlsplit((link.get("href") or "").strip()).hostname or ""
    except ValueError:
        return ""
    return max(host.removeprefix("www.").split(".")[:-1], key=len, default="").capitalize()
