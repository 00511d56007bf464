# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The checks of `preflight` on how a mail looks: colors, sizes and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from lxml import html

from .icons import is_icon
from .preflight_mail import UNSUBSCRIBE, WARNING, WHY, Finding, Mail, Page, path_of, words_of

TEXT_MIN = 14  # px
PICTURE_MAX = 200 * 1024  # bytes of one picture
PICTURES_MAX = 1024 * 1024  # bytes of all pictures of a mail
SHRINK = "shrink_pictures"  # a repair of the model, because it stores pictures
#: characters that a mail with pictures should have, without its footer
WORDS_MIN = 30
_FILE_NAME = re.compile(
    r".*\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|heic)|(?:img|dsc[nf]?|pxl|image|screenshot|untitled|"
    r"picture)[\W_]*\d[\d\W_]*",
    re.IGNORECASE,
)
_BLOCKS = ("p", "div", "td", "th", "li", "section", "h1", "h2", "h3", "h4", "h5", "h6")


def contrast(mail: Mail, page: Page) -> Iterator[Finding]:
    """Text needs a contrast of 4.5 : 1 with its background, large text 3 : 1 (WCAG 2, AA)."""
    for _node, words, look in page.looks:
        if look.contrast is not None and look.contrast < look.contrast_needed:
            yield Finding("low_contrast", WARNING, _begin(words), "fix_contrast")


def text_size(mail: Mail, page: Page) -> Iterator[Finding]:
    """Text should have at least 14 px, so that it can be read on a phone."""
    for _node, words, look in page.looks:
        if look.size is not None and look.size < TEXT_MIN:
            yield Finding("small_text", WARNING, _begin(words), "enlarge_text")


def alternatives(mail: Mail, page: Page) -> Iterator[Finding]:
    """Pictures should have an alternative text, not a file's name, for readers without them."""
    missing = [node for node in page.images if "alt" not in node.attrib and not is_icon(node)]
    if missing:
        yield Finding("no_alt", WARNING, str(len(missing)), "add_alternatives")
    for node in page.images:
        if is_file_name(node.get("alt") or ""):
            yield Finding(
                "useless_alt", WARNING, (node.get("alt") or "").strip(), "add_alternatives"
            )


def is_file_name(text: str) -> bool:
    """Return whether an alternative text is a file's name, such as "IMG_2034" or "sale.jpg"."""
    return bool(_FILE_NAME.fullmatch(text.strip()))


def weight(mail: Mail, page: Page) -> Iterator[Finding]:
    """A picture should have at most 200 KB, and all pictures of a mail 1 MB."""
    sizes = {
        address: mail.picture_sizes[address]
        for address in page.picture_addresses()
        if address in mail.picture_sizes
    }
    for address, size in sizes.items():
        if size > PICTURE_MAX:
            name = unquote(urlsplit(address).path.rpartition("/")[2])
            yield Finding("picture_heavy", WARNING, f"{name} ({_kilobytes(size)} KB)", SHRINK)
    total = sum(sizes.values())
    if total > PICTURES_MAX:
        yield Finding("pictures_heavy", WARNING, _kilobytes(total), SHRINK)


def only_pictures(mail: Mail, page: Page) -> Iterator[Finding]:
    """A mail of pictures needs text, too, for spam filters and readers without pictures."""
    if not page.images:
        return
    street = words_of(mail.address[0])
    texts = [
        text
        for text in page.root.xpath("descendant::text()")
        if text.strip() and not _is_footer(_get_block(text.getparent(), text), mail, street)
    ]
    if len("".join("".join(texts).split())) < WORDS_MIN:
        yield Finding("only_pictures", WARNING)


def _get_block(node: html.HtmlElement, text: str) -> html.HtmlElement:
    """Return the block with a text: its own element or one around it."""
    parent = node.getparent()
    if getattr(text, "is_tail", False) and parent is not None:
        return _get_block(parent, "")
    if node.tag in _BLOCKS or parent is None:
        return node
    return _get_block(parent, "")


def _is_footer(block: html.HtmlElement, mail: Mail, street: str) -> bool:
    """Return whether a block links to the unsubscribe page or says who sends the mail and why."""
    if block.getparent() is None:  # the whole mail
        return False
    if any(path_of(link.get("href") or "", mail.public_url) == UNSUBSCRIBE
           for link in block.iter("a")):  # fmt: skip
        return True
    text = block.text_content()
    return bool(WHY.search(text)) or bool(street) and street in words_of(text)


def _begin(words: str) -> str:
    return words if len(words) <= 40 else words[:39].rstrip() + "…"


def _kilobytes(size: int) -> str:
    return str(-(-size // 1024))
