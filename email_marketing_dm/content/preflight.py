# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What DirectMail's reviewers will look for in a mail, found before they do.

Every check is a function of a Mail that yields Findings; what they say to a user is written where
users are. An error stands against a submission, a warning does not.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit

from lxml import html

from ..directmail import const
from .expressions import INLINE
from .foreign_tags import find_braces_in_address, find_tags, find_tags_in_address
from .lengths import count_units
from .outlook import is_conditional, read_links

ERROR, WARNING = "error", "warning"
UNSUBSCRIBE = "/unsubscribe_from_list"
# What reviewers read as advertising of the unwanted kind, and sharing content that DirectMail
# does not carry (help, "content rules"; the lists of others are longer, ours names the usual).
SUSPICIOUS_WORDS = (
    "100% free", "act now", "as seen on", "be your own boss", "cash bonus", "casino",
    "cheap meds", "click here now", "congratulations you won", "double your", "earn extra cash",
    "free gift card", "free money", "get rich", "guaranteed income", "limited time only!!",
    "lose weight", "lottery", "make money fast", "miracle", "no risk", "risk-free", "viagra",
    "winner!!", "you have been selected",
    "发票", "代开", "贷款", "博彩", "赌博", "彩票", "色情", "刷单", "中奖", "高利",
)  # fmt: skip
SHARING_WORDS = ("wechat", "weixin", "微信", "qq群", "qr code", "二维码", "网盘", "百度云")
SHARING_HOSTS = (
    "facebook.com", "fb.com", "fb.me", "weixin.qq.com", "qq.com", "pan.baidu.com", "dropbox.com",
    "drive.google.com", "wetransfer.com", "mega.nz", "1drv.ms",
)  # fmt: skip
_SALUTATION = re.compile(
    r"\b(dear|hello|hi|hey|good (?:morning|day|evening)|liebe[rs]?|hallo|guten (?:tag|morgen)|"
    r"sehr geehrte[rs]?|bonjour|cher|chère|chers|hola|estimad[oa]s?|olá|prezad[oa]|caro|cara|"
    r"ciao|beste|geachte)\b|尊敬的|亲爱的|您好|你好|親愛的|こんにちは|様|안녕",
    re.IGNORECASE,
)
_WHY = re.compile(
    r"because you|you (?:are )?(?:get|receiv|getting)\w* (?:this|our)|you (?:signed|subscribed)|"
    r"weil sie|sie erhalten|vous recevez|parce que vous|recibe este|porque (?:usted|se)|"
    r"ricevi questa|u ontvangt|您收到|你收到|因为您|因為您|您订阅|您訂閱|このメールは",
    re.IGNORECASE,
)
_EXAMPLE_HOSTS = ("example.com", "www.example.com", "example.org", "www.example.org")
_FOREIGN_TAGS = ("form", "input", "button", "iframe", "video", "audio", "object", "embed", "canvas")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_CSS_URL = re.compile(r"""url\(\s*['"]?([^'")]+)""", re.IGNORECASE)
_OUTLOOK_URL = re.compile(r"""\b(?:src|background)\s*=\s*["']([^"']+)""", re.IGNORECASE)
_CODE_TAGS = ("code", "kbd", "pre", "samp", "tt")  # what stands there is an example
_PROSE = "descendant::text()[not(ancestor::%s)]" % " or ancestor::".join(_CODE_TAGS)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BARE_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?:[/?#:].*)?", re.IGNORECASE)
_FILE = re.compile(r"\.(?:html?|php|aspx?|pdf|jpe?g|png|gif|webp|svg)$", re.IGNORECASE)
_BRACED = re.compile(r"(?<!\{)\{\s*([A-Za-z]\w*)\s*\}(?!\})")
_PLACEHOLDER = re.compile(r"\{\{.+?\}\}|\{\s*\w+\s*\}")
#: how much a filled-in value is taken to be when the length of a subject is judged
VALUE_LENGTH = 15
CLIP_BYTES = 102 * 1024  # Gmail hides what comes after it


@dataclass(frozen=True)
class Finding:
    """Something that speaks against a mail.

    :ivar code: of the rule, in words of ours
    :ivar level: ERROR or WARNING
    :ivar detail: what it is about, quoted from the mail; "" if it is about the whole
    :ivar fix: name of the fix in the module `repairs` that mends it, "" if only a person can
    """

    code: str
    level: str
    detail: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Mail:
    """A mail as the checks see it.

    :ivar subject: as written, with Odoo's placeholders
    :ivar preview_text: as written, with Odoo's placeholders
    :ivar body: HTML as the builder holds it
    :ivar compiled: `placeholders.Compiled` of both
    :ivar wire_text: the text that goes over the wire, if it is not that of ``compiled``
    :ivar public_url: where this server is reached, e.g. "https://news.example.com"
    :ivar address: (street, zip, city) of the sending company; empty texts where unknown
    :ivar in_body: whether the text goes in the call's body, not in its address
    :ivar test_mode: whether the account talks to an emulator: then nobody needs to reach pictures
    """

    subject: str
    sender_name: str
    body: str
    compiled: object
    wire_text: str = ""
    public_url: str = ""
    address: tuple = ("", "", "")
    in_body: bool = False
    test_mode: bool = False
    preview_text: str = ""


def check(mail):
    """Return every Finding about a Mail, errors first, each in the order of the rules."""
    page = _Page(mail)
    found = [finding for rule in RULES for finding in rule(mail, page)]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level != ERROR)


def read_fragment(body):
    """Return a <div> with a body in it. What no HTML can hold, such as control codes, is left out.

    :rtype: lxml.html.HtmlElement
    """
    text = _CONTROLS.sub("", str(body or "")).encode("utf-8", "replace").decode()
    return html.fragment_fromstring(text, create_parent="div")


class _Page:
    """A body that has been read."""

    def __init__(self, mail):
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

    def picture_addresses(self):
        """Iterate over the addresses of all pictures, those in styles and Outlook's too."""
        for node in self.images:
            yield (node.get("src") or "").strip()
        for node in self.root.iter():
            if isinstance(node.tag, str):
                yield from _CSS_URL.findall(node.get("style") or "")
                if node.get("background"):
                    yield node.get("background")
            elif is_conditional(node.text):
                yield from _CSS_URL.findall(node.text)
                yield from _OUTLOOK_URL.findall(node.text)

    def link_addresses(self):
        """Iterate over the addresses of all links, Outlook's too."""
        for node in self.root.iter():
            if isinstance(node.tag, str):
                yield (node.get("href") or "").strip()
            elif is_conditional(node.text):
                yield from (link.get("href").strip() for link in read_links(node.text))

    def descriptions(self):
        """Iterate over what readers see of attributes."""
        return self.root.xpath("descendant::*/@alt | descendant::*/@title")


# Subject and sender ---------------------------------------------------------------------


def subject(mail, page):
    """A subject, at most 100 units when it is filled in."""
    text = " ".join(mail.subject.split())
    if not text:
        yield Finding("subject_empty", ERROR)
        return
    literal = count_units(INLINE.sub("", text))
    if literal > const.SUBJECT_MAX:
        yield Finding("subject_long", ERROR, str(literal), "shorten_subject")
    elif literal + VALUE_LENGTH * len(INLINE.findall(text)) > const.SUBJECT_MAX:
        yield Finding("subject_may_be_long", WARNING, str(literal))


def sender_name(mail, page):
    """A sender name of at most 14 units."""
    name = mail.sender_name.strip()
    if not name:
        yield Finding("sender_name_empty", ERROR)
    elif count_units(name) > const.SENDER_NAME_MAX:
        yield Finding("sender_name_long", ERROR, name, "shorten_sender_name")
    for tag in find_tags(name) or _PLACEHOLDER.findall(name):
        yield Finding("placeholder_in_sender_name", ERROR, tag)


# What can be said in DirectMail's way -----------------------------------------------------


def expressible(mail, page):
    """Only what the compilation found no problem with."""
    for code, detail in mail.compiled.problems:
        if not _is_foreign(detail):
            yield Finding(code, ERROR, detail)
    for node in page.root.iter("*"):
        if node.get("data-filter-domain") and "t-if" not in node.attrib:
            yield Finding("condition", ERROR, node.get("data-filter-domain"))


def fallbacks(mail, page):
    """A placeholder says what to write for those who have nothing there."""
    missing = {
        variable["path"] for variable in mail.compiled.variables if not variable["fallback"]
    } - {variable["path"] for variable in mail.compiled.variables if variable["fallback"]}
    for path in sorted(missing):
        yield Finding("no_fallback", WARNING, path)


def typed_variables(mail, page):
    """``{Name}`` typed by hand goes out as it stands."""
    for word in dict.fromkeys(_BRACED.findall(f"{mail.preview_text} {page.prose}")):
        if not find_tags("{%s}" % word):
            yield Finding("typed_variable", WARNING, "{%s}" % word)


def foreign_tags(mail, page):
    """What other mailing tools fill in, and nobody here: ``*|FNAME|*``, ``{{first_name}}``."""
    # Braces in a subject are reported by the compilation, except those of other tools.
    found = [tag for tag in find_tags(mail.subject) if tag[0] != "{" or _is_foreign(tag)]
    for text in (mail.preview_text, page.prose, *page.descriptions()):
        found += find_tags(text)
    for tag in dict.fromkeys(found):
        if not (tag.startswith("{{") and "object." in tag):
            yield Finding("foreign_tag", ERROR, tag)


def _is_foreign(tag):
    """Tell whether a tag in double braces is none of Odoo's placeholders."""
    return tag.startswith("{{") and "object" not in tag and bool(find_tags(tag))


def foreign_elements(mail, page):
    """Mail programs show no forms, films or frames."""
    for tag in _FOREIGN_TAGS:
        if page.root.find(f".//{tag}") is not None:
            yield Finding("foreign_element", WARNING, tag)


def size(mail, page):
    """What goes over the wire: about 80 KB in an address, 1 MB in a body. Gmail clips at 102 KB."""
    text = mail.wire_text or mail.compiled.text
    length = len(text.encode("utf-8", "replace"))
    wire = length if mail.in_body else wire_size(text)
    if wire > (const.TEMPLATE_BODY_MAX if mail.in_body else const.TEMPLATE_URL_MAX):
        yield Finding("body_large", ERROR, _kilobytes(wire))
    elif length > CLIP_BYTES:
        yield Finding("body_clipped", WARNING, _kilobytes(length))


def wire_size(text):
    """Return how many bytes a text takes in the address of a call, percent-encoded."""
    return len(quote(text, safe="~", errors="replace"))


def _kilobytes(size):
    return str(-(-size // 1024))


# What reviewers look for ------------------------------------------------------------------


def content(mail, page):
    """Something to read."""
    if not page.text and not page.images:
        yield Finding("body_empty", ERROR)


def unsubscribe(mail, page):
    """A link to unsubscribe, or an address to write to."""
    if not page.text and not page.images:
        return
    targets = [href for _node, href in page.links]
    if any(_path(href, mail.public_url) == UNSUBSCRIBE for href in targets):
        return
    if any(href.lower().startswith("mailto:") for href in targets):
        yield Finding("unsubscribe_only_address", WARNING, "", "add_footer")
    else:
        yield Finding("no_unsubscribe", ERROR, "", "add_footer")


def postal_address(mail, page):
    """The sender's postal address."""
    street, _zip, city = (_plain(part) for part in mail.address)
    if not street or not city:
        yield Finding("company_address_unknown", WARNING)
        return
    text = _plain(page.text)
    if street not in text or city not in text:
        yield Finding("no_address", WARNING, "", "add_footer")


def reason(mail, page):
    """Why somebody gets this mail."""
    if page.text and not _WHY.search(page.text):
        yield Finding("no_reason", WARNING, "", "add_footer")


def salutation(mail, page):
    """A polite salutation."""
    if page.text and not _SALUTATION.search(page.text[:1500]):
        yield Finding("no_salutation", WARNING, "", "add_salutation")


def wording(mail, page):
    """No words that DirectMail's reviewers reject."""
    text = f"{mail.subject} {page.text}".lower()
    for word in (*SUSPICIOUS_WORDS, *SHARING_WORDS):
        if _has_word(text, word):
            code = "sharing" if word in SHARING_WORDS else "suspicious_wording"
            yield Finding(code, WARNING, word)
    letters = [char for char in mail.subject if char.isalpha() and char.upper() != char.lower()]
    if len(letters) > 10 and all(char.isupper() for char in letters):
        yield Finding("shouting", WARNING, mail.subject, "calm_subject")
    elif mail.subject.count("!") + mail.subject.count("！") > 2:
        yield Finding("shouting", WARNING, mail.subject, "calm_subject")
    for _node, href in page.links:
        host = _host(href)
        if any(host == known or host.endswith(f".{known}") for known in SHARING_HOSTS):
            yield Finding("sharing", WARNING, host)


def _has_word(text, word):
    if word.isascii():
        return bool(re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", text))
    return word in text


# Links and pictures -------------------------------------------------------------------------


def links(mail, page):
    """Links lead somewhere, and to where they say."""
    for _node, href in page.links:
        if not href or href == "#":
            yield Finding("link_empty", WARNING)
        elif href.startswith("#") or _path(href, mail.public_url) in (UNSUBSCRIBE, "/view"):
            continue
        elif not _SCHEME.match(href) and not href.startswith("/"):
            if _BARE_HOST.fullmatch(href) and not _FILE.search(href.split("?")[0]):
                yield Finding("link_without_scheme", ERROR, href, "absolute_links")
            else:
                yield Finding("link_relative", WARNING, href, "absolute_links")
        elif href.startswith("/") and not href.startswith("//"):
            yield Finding("link_relative", WARNING, href, "absolute_links")
        elif _host(href) in _EXAMPLE_HOSTS:
            yield Finding("link_example", WARNING, href)


def addresses(mail, page):
    """Nothing is filled in in an address: readers would follow the braces."""
    for address in dict.fromkeys((*page.link_addresses(), *page.picture_addresses())):
        if find_tags_in_address(address):
            yield Finding("placeholder_in_address", ERROR, _shown(address))
        elif find_braces_in_address(address):
            yield Finding("braces_in_address", WARNING, _shown(address))


def pictures(mail, page):
    """Pictures on public https addresses: reviewers and readers can't see others."""
    level = WARNING if mail.test_mode else ERROR
    for address in page.picture_addresses():
        if address.startswith("data:"):
            yield Finding("picture_embedded", level, address[:40])
            continue
        absolute = urljoin(mail.public_url.rstrip("/") + "/", address) if address else ""
        parts = urlsplit(absolute) if _readable(absolute) else None
        if not address:
            yield Finding("picture_empty", WARNING)
        elif parts is None or parts.scheme != "https" or not is_public(parts.hostname or ""):
            yield Finding("picture_not_public", level, _shown(absolute))


def alternatives(mail, page):
    """A text for those who don't see a picture."""
    missing = [node.get("src") or "" for node in page.images if "alt" not in node.attrib]
    if missing:
        yield Finding("no_alt", WARNING, str(len(missing)), "add_alternatives")


def is_public(host):
    """Tell whether a host can be reached from outside, as far as its name says."""
    host = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        private = ("localhost", "local", "internal", "lan", "test", "invalid", "localdomain")
        return "." in host and host.rpartition(".")[2] not in private


def _path(href, public_url):
    """Return an address relative to this server, or as it is."""
    base = public_url.rstrip("/")
    return href.removeprefix(base) if base else href


def _host(href):
    try:
        return (urlsplit(href).hostname or "").lower()
    except ValueError:
        return ""


def _readable(address):
    try:
        urlsplit(address)
    except ValueError:
        return False
    return True


def _shown(address):
    """Shorten an address to what tells it from others."""
    address = unquote(address)
    return address if len(address) <= 90 else f"{address[:50]}…{address[-39:]}"


def _plain(text):
    return re.sub(r"[\W_]+", " ", text or "").strip().lower()


RULES = (
    subject,
    sender_name,
    content,
    expressible,
    unsubscribe,
    size,
    links,
    addresses,
    pictures,
    salutation,
    reason,
    postal_address,
    wording,
    alternatives,
    fallbacks,
    typed_variables,
    foreign_tags,
    foreign_elements,
)
