# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What the checks of `preflight` and `preflight_look` read and return: Mail, Page and Finding."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote, urlsplit

from lxml import html

from .lengths import OdooText
from .looks import Look, read_looks
from .outlook import is_conditional, read_links
from .placeholders import Compiled

ERROR, WARNING = "error", "warning"
UNSUBSCRIBE = "/unsubscribe_from_list"
#: assumed length of a filled-in value in a subject, in UTF-16 units
VALUE_LENGTH = 15
#: class of the paragraphs of a design that its user must fill in
FILL = "o_directmail_fill"
#: class of the texts of one of Odoo's themes that its user has checked
KEPT = "o_directmail_kept"
#: hosts of the example addresses in designs
EXAMPLE_HOSTS = ("example.com", "www.example.com", "example.org", "www.example.org")
#: pages of social networks that Odoo's themes link to as an example: host and path
EXAMPLE_PAGES = (
    "facebook.com/odoo", "instagram.com/explore/tags/odoo", "linkedin.com/company/odoo",
    "tiktok.com/@odoo", "twitter.com/odoo", "x.com/odoo",
)  # fmt: skip
# Social networks and file sharing, which DirectMail rejects (help, "content rules").
_SHARING_HOSTS = (
    "facebook.com", "fb.com", "fb.me", "weixin.qq.com", "qq.com", "pan.baidu.com", "dropbox.com",
    "drive.google.com", "wetransfer.com", "mega.nz", "1drv.ms",
)  # fmt: skip
#: example texts in Odoo's themes: codes, and words in brackets such as "[city]"
BLANK = re.compile(r"[A-Z]{2,}[0-9]+|\[[^\[\]\n]{2,40}\]")
#: why a recipient gets a mail, in the languages of our footers
WHY = re.compile(
    r"because you|you (?:are )?(?:get|receiv|getting)\w* (?:this|our)|you (?:signed|subscribed)|"
    r"weil sie|sie erhalten|sie haben diese|vous recevez|vous avez reçu|parce que vous|"
    r"recibe este|ha recibido|porque (?:usted|se)|"
    r"ricevi questa|u ontvangt|您收到|你收到|因为您|因為您|您订阅|您訂閱|このメールは",
    re.IGNORECASE,
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_CSS_URL = re.compile(r"""url\(\s*['"]?([^'")]+)""", re.IGNORECASE)
_OUTLOOK_URL = re.compile(r"""\b(?:src|background)\s*=\s*["']([^"']+)""", re.IGNORECASE)
HAN = re.compile(r"[\u4e00-\u9fff]")
_NOT_TEXT = (
    "descendant::t | descendant::*[@t-out] | descendant::table | descendant::style"
    f" | descendant::a[@href='{UNSUBSCRIBE}']"
)
_CODE_TAGS = ("code", "kbd", "pre", "samp", "tt")  # a tag quoted there is an example
_PROSE = "descendant::text()[not(ancestor::%s)]" % " or ancestor::".join(_CODE_TAGS)


@dataclass(frozen=True)
class Finding:
    """One problem of a mail.

    :ivar code: names the problem
    :ivar level: ERROR or WARNING
    :ivar detail: quoted from the mail; "" if the problem is about the whole mail
    :ivar fix: name in `repairs.REPAIRS`, "" if only a person can fix the problem
    """

    code: str
    level: str
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Mail:
    """The input of the checks.

    :ivar subject: as written, with Odoo's placeholders
    :ivar preview_text: as written, with Odoo's placeholders
    :ivar body: HTML as the builder holds it
    :ivar compiled: subject and body in DirectMail's form
    :ivar wire_text: the text to submit, if it differs from that of ``compiled``
    :ivar public_url: of this server, e.g. "https://news.example.com"
    :ivar address: (street, zip, city) of the sending company; empty texts where unknown
    :ivar in_body: whether the text is sent in the call's body, not in its address
    :ivar test_mode: whether the account uses an emulator: pictures needn't be public then, and
        texts and links of a design only give warnings
    :ivar source: the HTML that repairs change, if it is not ``body``
    :ivar own_urls: other addresses of this server than ``public_url``
    :ivar has_website: whether this server shows a website to visitors, not the log-in page
    :ivar demo_texts: texts of the designs' paragraphs of class FILL, in all languages
    :ivar theme_blanks: example texts in Odoo's themes (BLANK), in all languages
    :ivar demo_phrases: texts of designs in place of missing data, in all languages
    :ivar picture_sizes: {address in the body: bytes} of the pictures that this server stores
    :ivar to_china: whether some recipients are in mainland China
    """

    subject: str
    sender_name: str
    body: str
    compiled: Compiled
    wire_text: str = ""
    public_url: str = ""
    address: tuple[str, str, str] = ("", "", "")
    in_body: bool = False
    test_mode: bool = False
    preview_text: str = ""
    source: str = ""
    own_urls: tuple[str, ...] = ()
    has_website: bool = False
    demo_texts: frozenset[str] = frozenset()
    theme_blanks: frozenset[str] = frozenset()
    demo_phrases: tuple[str, ...] = ()
    picture_sizes: Mapping[str, int] = field(default_factory=dict)
    to_china: bool = False


def read_fragment(body: OdooText) -> html.HtmlElement:
    """Return a <div> with a body in it, without characters that lxml refuses."""
    text = _CONTROLS.sub("", str(body or "")).encode("utf-8", "replace").decode()
    return html.fragment_fromstring(text, create_parent="div")


def read_demo_texts(body: OdooText) -> Iterator[str]:
    """Yield what a design's paragraphs of class FILL say, as `get_demo_key` returns it."""
    for node in read_fragment(body).find_class(FILL):
        yield get_demo_key(node.text_content())


def get_demo_key(text: str) -> str:
    """Return a text with single spaces, and none before "%".

    Earlier versions of the designs had "40 % off"; templates that were made of them still do.
    """
    return " ".join(text.split()).replace(" %", "%")


def find_headline(root: html.HtmlElement) -> str:
    """Return the first headline of a body without a placeholder, else its first sentence, or ""."""
    return next(_find_texts(root, ("h1", "h2", "h3")), "") or find_sentence(root, "")


def find_sentence(root: html.HtmlElement, subject: str) -> str:
    """Return the first text of a body that says more than its subject or a greeting, or ""."""
    texts = _find_texts(root, ("p", "h1", "h2", "h3", "li", "td"))
    long_texts = (text for text in texts if len(text) > (8 if HAN.search(text) else 20))
    return next((text for text in long_texts if words_of(text) != words_of(subject)), "")


def _find_texts(root: html.HtmlElement, tags: tuple[str, ...]) -> Iterator[str]:
    """Yield the texts of elements without a placeholder and without a link to unsubscribe."""
    for node in root.iter(*tags):
        words = " ".join(node.text_content().split())
        if words and "{" not in words and not node.xpath(_NOT_TEXT):
            yield words


class Page:
    """The parsed body of a mail.

    :ivar source: the parsed HTML that repairs change, with its style sheets
    :ivar text: all words; ``prose``: all but those in `_CODE_TAGS`
    :ivar links: (element, address) of each <a> with a "href"
    :ivar images: all <img> whose address is not computed
    """

    def __init__(self, mail: Mail) -> None:
        self.source = read_fragment(mail.source or mail.body)
        self.root = read_fragment(mail.body)
        for node in list(self.root.iter("style", "script", "title")):
            node.text = None
        self.text = " ".join("".join(self.root.xpath("descendant::text()")).split())
        self.links = [
            (node, (node.get("href") or "").strip())
            for node in self.root.iter("a")
            if "href" in node.attrib
        ]
        self.prose = " ".join("".join(self.root.xpath(_PROSE)).split())
        self.images = [node for node in self.root.iter("img") if "t-att-src" not in node.attrib]

    @cached_property
    def looks(self) -> list[tuple[html.HtmlElement, str, Look]]:
        """What `read_looks` yields for `source`."""
        return list(read_looks(self.source))

    def picture_addresses(self) -> Iterator[str]:
        """Yield the addresses of all pictures, also those in styles and in conditional comments."""
        for node in self.images:
            yield (node.get("src") or "").strip()
        for node in self.root.iter():
            if isinstance(node.tag, str):
                yield from _CSS_URL.findall(node.get("style") or "")
                if background := node.get("background"):
                    yield background
            elif node.text and is_conditional(node.text):
                yield from _CSS_URL.findall(node.text)
                yield from _OUTLOOK_URL.findall(node.text)

    def link_addresses(self) -> Iterator[str]:
        """Yield the addresses of all links, also those in conditional comments."""
        for node in self.root.iter():
            if isinstance(node.tag, str):
                yield (node.get("href") or "").strip()
            elif node.text and is_conditional(node.text):
                yield from (link.get("href", "").strip() for link in read_links(node.text))

    def descriptions(self) -> list[str]:
        """Return the texts of attributes that readers see."""
        found: list[str] = self.root.xpath("descendant::*/@alt | descendant::*/@title")
        return found


def path_of(href: str, public_url: str) -> str:
    """Return an address of this server as a path, any other address unchanged."""
    base = public_url.rstrip("/")
    return href.removeprefix(base) if base else href


def host_of(href: str) -> str:
    """Return the host of an address in lower case, "" if it has none or is invalid."""
    try:
        return (urlsplit(href).hostname or "").lower()
    except ValueError:
        return ""


def is_example_page(href: str) -> bool:
    """Return whether an address is a page of EXAMPLE_PAGES."""
    if not is_readable(href):
        return False
    path = urlsplit(href).path.rstrip("/").lower()
    return host_of(href).removeprefix("www.") + path in EXAMPLE_PAGES


def is_sharing(href: str) -> bool:
    """Return whether an address is in a network that DirectMail's reviewers reject."""
    host = host_of(href)
    return any(host == known or host.endswith(f".{known}") for known in _SHARING_HOSTS)


def leads_nowhere(href: str) -> bool:
    """Return whether a link has no address: empty, "#", or an email link without one."""
    return href.strip().lower() in ("", "#", "mailto:", "tel:", "http://", "https://")


def is_readable(address: str) -> bool:
    """Return whether `urlsplit` accepts an address."""
    try:
        urlsplit(address)
    except ValueError:
        return False
    return True


def shorten(address: str) -> str:
    """Shorten an address to its beginning and end, so that it can be told from others."""
    address = unquote(address)
    return address if len(address) <= 90 else f"{address[:50]}…{address[-39:]}"


def words_of(text: str) -> str:
    """Return the words of a text in lower case with single spaces, for comparing."""
    return re.sub(r"[\W_]+", " ", text or "").strip().lower()
