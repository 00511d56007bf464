# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The links of a mail, and which web pages a check of the links opens."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from lxml import etree

from .foreign_tags import find_braces_in_address, find_tags_in_address
from .lengths import OdooText
from .outlook import is_conditional, is_link, read_links
from .preflight_mail import EXAMPLE_HOSTS, host_of, read_fragment

TITLE_MAX = 100  # characters of a link's title
TARGETS_MAX = 100  # pages of one mail that are opened
URL_MAX = 2000  # characters; a longer address is not opened
# Pages of this server and of Odoo that are about a recipient, with or without a language before.
_OWN = re.compile(
    r"/+(?:[a-z]{2}(?:[_-][a-z]+)?/+)?"
    r"(?:directmail|r|mailing|mail|unsubscribe_from_list|view)(?:/|$)",
    re.IGNORECASE,
)
_SHORT = re.compile(r"/+(?:[a-z]{2}(?:[_-][a-z]+)?/+)?r/+(?P<code>[^/]+)/*", re.IGNORECASE)
# Opening such a page may already unsubscribe or confirm.
_ACTION = re.compile(
    r"unsubscri|opt[-_]?(?:out|in)\b|confirm|abmeld|abbestell|desinscri|désinscri|desuscri|darse-de-baja|"
    r"退订|退訂|取消订阅|配信停止",
    re.IGNORECASE,
)
_SAFE = "!#$%&'()*+,/:;=?@[]~"


@dataclass(frozen=True)
class Target:
    """A web page that a mail links to.

    :ivar url: as it is opened: absolute and ASCII, without the part after "#"; as written if the
        page is not opened
    :ivar title: text of the first link to it, "" if there is none
    :ivar is_skipped: whether a check of the links does not open it
    """

    url: str
    title: str
    is_skipped: bool = False


def iter_links(root: etree._Element) -> Iterator[etree._Element]:
    """Yield the links of a mail in order, with links in Outlook's conditional comments.

    A button has one link for Outlook and one for other programs, with the same address.
    """
    for node in root.iter():
        if isinstance(node, etree._Comment):
            if is_conditional(node.text):
                yield from read_links(node.text or "")
        elif is_link(node):
            yield node


def get_title(node: etree._Element) -> str:
    """Return the title of a link: its text, else the alternative text of its picture."""
    words = str(etree.tostring(node, method="text", encoding="unicode", with_tail=False)).split()
    alt = next((image.get("alt") for image in node.iter("img") if image.get("alt")), "")
    return (" ".join(words) or str(alt)).strip()[:TITLE_MAX]


def find_targets(
    body: OdooText,
    base: str,
    own_hosts: Container[str],
    may_open: Callable[[str], bool],
    follow: Callable[[str], str | None],
) -> list[Target]:
    """Return the web pages that a mail links to, each once, at most TARGETS_MAX.

    Left out are other kinds of links, this server's own pages for recipients (unsubscribe, view
    online), and the example addresses of designs.

    :param body: HTML as the builder holds it
    :param base: address of this server that relative links begin with
    :param own_hosts: host names of this server
    :param may_open: tells whether a page may be opened, by its tidy address
    :param follow: returns where this server's short link with a code leads
    """
    found: dict[str, Target] = {}
    for node in iter_links(read_fragment(body)):
        href = (node.get("href") or "").strip()
        absolute = base.rstrip("/") + href if re.match(r"/(?!/)", href) else href
        if not absolute.lower().startswith(("http://", "https://")):
            continue
        target = _find_target(absolute, own_hosts, may_open, follow)
        if target is not None:
            found.setdefault(target.url, replace(target, title=get_title(node)))
    return list(found.values())[:TARGETS_MAX]


def _find_target(
    address: str,
    own_hosts: Container[str],
    may_open: Callable[[str], bool],
    follow: Callable[[str], str | None],
) -> Target | None:
    if find_tags_in_address(address) or find_braces_in_address(address):
        return Target(address, "", True)
    url = tidy(address)
    code = _SHORT.fullmatch(unquote(urlsplit(url).path)) if host_of(url) in own_hosts else None
    if code:
        # The tracker would count a visit, so its target is opened instead.
        url = tidy(follow(code["code"]) or "")
        if not url:
            return None
    if url and (is_own_page(url, own_hosts) or host_of(url) in EXAMPLE_HOSTS):
        return None
    if not url or not may_open(url) or _ACTION.search(unquote(url)):
        return Target(url or address, "", True)
    return Target(url, "")


def tidy(address: str) -> str:
    """Return an address as it is opened, as in `Target.url`; "" for one that can't be opened.

    Not opened: another protocol than http and https, a user name, an invalid host or port, or more
    characters than URL_MAX.
    """
    try:
        parts = urlsplit(address.strip())
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = parts.port
    except (ValueError, UnicodeError):
        return ""
    # URL parsers disagree on where the host begins in http://a\\@b.
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or "\\" in address:
        return ""
    netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    path = quote(parts.path or "/", safe=_SAFE)
    query = "?" + quote(parts.query, safe=_SAFE) if parts.query else ""
    url = f"{parts.scheme}://{netloc}{path}{query}"
    return url if len(url) <= URL_MAX else ""


def is_own_page(url: str, own_hosts: Container[str]) -> bool:
    """Return whether an address is a page of this server that is about a recipient.

    Opening it could count as a click or confirm something.
    """
    return host_of(url) in own_hosts and bool(_OWN.match(unquote(urlsplit(url).path)))
