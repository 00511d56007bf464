# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Checks a mail for what DirectMail's reviewers reject, before it is submitted.

Every check is a function of a Mail that yields Findings; the model
`directmail.template` explains them to users. An error blocks the submission, a warning does not.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote, urljoin, urlsplit

from ..directmail import const
from .expressions import INLINE, parse_expression
from .foreign_tags import find_braces_in_address, find_tags, find_tags_in_address
from .lengths import count_units
from .preflight_look import alternatives, contrast, only_pictures, text_size, weight
from .preflight_mail import (
    BLANK,
    ERROR,
    EXAMPLE_HOSTS,
    FILL,
    KEPT,
    UNSUBSCRIBE,
    VALUE_LENGTH,
    WARNING,
    WHY,
    Finding,
    Mail,
    Page,
    find_headline,
    find_sentence,
    get_demo_key,
    host_of,
    is_example_page,
    is_readable,
    is_sharing,
    leads_nowhere,
    path_of,
    shorten,
    words_of,
)

# Words that reviewers take for spam, and sharing content that DirectMail rejects (help, "content
# rules"). Only the usual words; published lists are longer.
SUSPICIOUS_WORDS = (
    "100% free", "act now", "as seen on", "be your own boss", "cash bonus", "casino",
    "cheap meds", "click here now", "congratulations you won", "double your", "earn extra cash",
    "free gift card", "free money", "get rich", "guaranteed income", "limited time only!!",
    "lose weight", "lottery", "make money fast", "miracle", "no risk", "risk-free", "viagra",
    "winner!!", "you have been selected",
    "发票", "代开", "贷款", "博彩", "赌博", "彩票", "色情", "刷单", "中奖", "高利",
)  # fmt: skip
SHARING_WORDS = ("wechat", "weixin", "微信", "qq群", "qr code", "二维码", "网盘", "百度云")
# Spam filters distrust them, and so do DirectMail's reviewers (help, "sending FAQ").
SHORTENERS = (
    "amzn.to", "bit.ly", "buff.ly", "cutt.ly", "dwz.cn", "goo.gl", "is.gd", "lnkd.in", "ow.ly",
    "rb.gy", "rebrand.ly", "s.id", "shorturl.at", "slidesha.re", "sourl.cn", "suo.im", "t.cn",
    "t.co", "t.ly", "tiny.cc", "tinyurl.com", "url.cn", "v.gd", "w.url.cn",
)  # fmt: skip
# The mark that mainland China requires at the beginning of the subject of advertising.
_AD_MARK = re.compile(r"\W*(?:AD(?![a-z])|广告|廣告)")
_LOREM = ("lorem ipsum", "dolor sit amet")
#: a discount code in the designs
CODE = re.compile(r"[A-Z]{2,}[0-9]+")
_LOGIN = re.compile(r"/(?:web(?:/login)?|odoo(?:/.*)?)/?", re.IGNORECASE)
_SALUTATION = re.compile(
    r"\b(dear|hello|hi|hey|good (?:morning|day|evening)|liebe[rs]?|hallo|guten (?:tag|morgen)|"
    r"sehr geehrte[rs]?|bonjour|cher|chère|chers|hola|estimad[oa]s?|olá|prezad[oa]|caro|cara|"
    r"ciao|beste|geachte)\b|尊敬的|亲爱的|您好|你好|你们好|大家好|各位|親愛的|こんにちは|様|안녕",
    re.IGNORECASE,
)
_FOREIGN_TAGS = ("form", "input", "button", "iframe", "video", "audio", "object", "embed", "canvas")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BARE_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?:[/?#:].*)?", re.IGNORECASE)
_FILE = re.compile(r"\.(?:html?|php|aspx?|pdf|jpe?g|png|gif|webp|svg)$", re.IGNORECASE)
_BRACED = re.compile(r"(?<!\{)\{\s*([A-Za-z]\w*)\s*\}(?!\})")
_PLACEHOLDER = re.compile(r"\{\{.+?\}\}|\{\s*\w+\s*\}")
CLIP_BYTES = 102 * 1024  # Gmail hides the rest of a longer mail


def check(mail: Mail) -> list[Finding]:
    """Return every Finding about a Mail, errors before warnings, each in the order of RULES."""
    page = Page(mail)
    found = [finding for rule in RULES for finding in rule(mail, page)]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level != ERROR)


# Subject and sender ---------------------------------------------------------------------


def subject(mail: Mail, page: Page) -> Iterator[Finding]:
    """A mail needs a subject of at most 100 UTF-16 units when it is filled in."""
    text = " ".join(mail.subject.split())
    if not text:
        fix = "use_headline" if find_headline(page.source) else ""
        yield Finding("subject_empty", ERROR, "", fix)
        return
    literal = count_units(INLINE.sub("", text))
    if literal > const.SUBJECT_MAX:
        yield Finding("subject_long", ERROR, str(literal), "shorten_subject")
    elif literal + VALUE_LENGTH * len(INLINE.findall(text)) > const.SUBJECT_MAX:
        yield Finding("subject_may_be_long", WARNING, str(literal), "shorten_subject")


def sender_name(mail: Mail, page: Page) -> Iterator[Finding]:
    """A mail needs a sender name of at most 14 UTF-16 units, without placeholders."""
    name = mail.sender_name.strip()
    if not name:
        yield Finding("sender_name_empty", ERROR, "", "use_company_name")
    elif count_units(name) > const.SENDER_NAME_MAX:
        yield Finding("sender_name_long", ERROR, name, "shorten_sender_name")
    for tag in find_tags(name) or _PLACEHOLDER.findall(name):
        yield Finding("placeholder_in_sender_name", ERROR, tag, "plain_sender_name")


def preview(mail: Mail, page: Page) -> Iterator[Finding]:
    """A mail needs a preview text that says something else than the subject."""
    text = words_of(mail.preview_text)
    fix = "write_preview_text" if find_sentence(page.source, mail.subject) else ""
    if not text:
        yield Finding("no_preview_text", WARNING, "", fix)
    elif text == words_of(mail.subject):
        yield Finding("preview_is_subject", WARNING, "", fix)


def advertising(mail: Mail, page: Page) -> Iterator[Finding]:
    """In mainland China, the subject of advertising begins with "AD" or "广告"."""
    if mail.to_china and mail.subject.strip() and not _AD_MARK.match(mail.subject):
        yield Finding("no_ad_mark", WARNING, "", "mark_advertising")


# Placeholders, elements and size ----------------------------------------------------------


def expressible(mail: Mail, page: Page) -> Iterator[Finding]:
    """Report the problems of the compilation, and the builder's conditions on blocks."""
    for code, detail in mail.compiled.problems:
        if not _is_foreign(detail):
            yield Finding(code, ERROR, detail, _find_fix(code, detail))
    for node in page.root.iter("*"):
        domain = node.get("data-filter-domain")
        if domain and "t-if" not in node.attrib:
            yield Finding("condition", ERROR, domain, _find_fix("condition", domain))


def _find_fix(code: str, detail: str) -> str:
    """Return the repair of a problem of the compilation."""
    if code == "inline_in_body":
        match = INLINE.fullmatch(detail)
        return "make_placeholders" if match and parse_expression(match[1]) else ""
    return {"condition": "show_to_everybody", "fallback_markup": "plain_defaults"}.get(code, "")


def fallbacks(mail: Mail, page: Page) -> Iterator[Finding]:
    """A placeholder needs a fallback for recipients whose field is empty."""
    missing = {
        variable["path"] for variable in mail.compiled.variables if not variable["fallback"]
    } - {variable["path"] for variable in mail.compiled.variables if variable["fallback"]}
    for path in sorted(missing):
        yield Finding("no_fallback", WARNING, path)


def typed_variables(mail: Mail, page: Page) -> Iterator[Finding]:
    """``{Name}`` typed by hand is sent as plain text."""
    for word in dict.fromkeys(_BRACED.findall(f"{mail.preview_text} {page.prose}")):
        if not find_tags("{%s}" % word):
            yield Finding("typed_variable", WARNING, "{%s}" % word)


def foreign_tags(mail: Mail, page: Page) -> Iterator[Finding]:
    """Placeholders of other mailing tools are not filled in: ``*|FNAME|*``, ``{{first_name}}``."""
    # Braces in a subject are reported by the compilation, except those of other tools.
    found = [tag for tag in find_tags(mail.subject) if tag[0] != "{" or _is_foreign(tag)]
    for text in (mail.preview_text, page.prose, *page.descriptions()):
        found += find_tags(text)
    for tag in dict.fromkeys(found):
        if not (tag.startswith("{{") and "object." in tag):
            yield Finding("foreign_tag", ERROR, tag)


def _is_foreign(tag: str) -> bool:
    """Return whether a tag in double braces belongs to another tool, not to Odoo."""
    return tag.startswith("{{") and "object" not in tag and bool(find_tags(tag))


def foreign_elements(mail: Mail, page: Page) -> Iterator[Finding]:
    """Mail programs show no forms, videos or frames."""
    for tag in _FOREIGN_TAGS:
        if page.root.find(f".//{tag}") is not None:
            yield Finding("foreign_element", WARNING, tag)


def size(mail: Mail, page: Page) -> Iterator[Finding]:
    """A text may have 80 KB in a call's address, 1 MB in its body. Gmail clips at 102 KB."""
    text = mail.wire_text or mail.compiled.text
    length = len(text.encode("utf-8", "replace"))
    wire = length if mail.in_body else wire_size(text)
    if wire > (const.TEMPLATE_BODY_MAX if mail.in_body else const.TEMPLATE_URL_MAX):
        yield Finding("body_large", ERROR, _kilobytes(wire))
    elif length > CLIP_BYTES:
        yield Finding("body_clipped", WARNING, _kilobytes(length))


def wire_size(text: str) -> int:
    """Return the bytes of a text in the address of a call, percent-encoded."""
    return len(quote(text, safe="~", errors="replace"))


def _kilobytes(size: int) -> str:
    return str(-(-size // 1024))


# Content rules of the reviewers ------------------------------------------------------------------


def content(mail: Mail, page: Page) -> Iterator[Finding]:
    """A mail needs a text or a picture."""
    if not page.text and not page.images:
        yield Finding("body_empty", ERROR)


def unsubscribe(mail: Mail, page: Page) -> Iterator[Finding]:
    """A mail needs a link to unsubscribe, or at least a mail address to write to."""
    if not page.text and not page.images:
        return
    targets = [href for _node, href in page.links]
    if any(path_of(href, mail.public_url) == UNSUBSCRIBE for href in targets):
        return
    if any(href.lower().startswith("mailto:") for href in targets):
        yield Finding("unsubscribe_only_address", WARNING, "", "add_footer")
    else:
        yield Finding("no_unsubscribe", ERROR, "", "add_footer")


def postal_address(mail: Mail, page: Page) -> Iterator[Finding]:
    """A mail should show the sender's street and city."""
    if not page.text and not page.images:
        return
    street, _zip, city = (words_of(part) for part in mail.address)
    if not street or not city:
        yield Finding("company_address_unknown", WARNING)
        return
    text = words_of(page.text)
    if street not in text or city not in text:
        yield Finding("no_address", WARNING, "", "add_footer")


def reason(mail: Mail, page: Page) -> Iterator[Finding]:
    """A mail should say why the recipient gets it."""
    if page.text and not WHY.search(page.text):
        yield Finding("no_reason", WARNING, "", "add_footer")


def salutation(mail: Mail, page: Page) -> Iterator[Finding]:
    """A mail should begin with a salutation."""
    if page.text and not _SALUTATION.search(page.text[:1500]):
        yield Finding("no_salutation", WARNING, "", "add_salutation")


def wording(mail: Mail, page: Page) -> Iterator[Finding]:
    """A mail should contain no words, capitals or links that DirectMail's reviewers reject."""
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
        if is_sharing(href) and not is_example_page(href):
            yield Finding("sharing_link", WARNING, host_of(href), "remove_networks")


def _has_word(text: str, word: str) -> bool:
    """Return whether a word stands in a text, as a whole word if it is ASCII. Both lower case."""
    if word.isascii():
        return bool(re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", text))
    return word in text


def demo_text(mail: Mail, page: Page) -> Iterator[Finding]:
    """Examples of a design must be replaced: products, prices, codes, dates."""
    level = WARNING if mail.test_mode else ERROR
    unchanged = [
        " ".join(words.split())
        for node in page.source.find_class(FILL)
        if get_demo_key(words := node.text_content()) in mail.demo_texts
    ]
    for words in (*unchanged, *_find_blanks(mail, page)):
        yield Finding("demo_text", level, words, "keep_texts")
    kept = set(CODE.findall(page.text)) - set(CODE.findall(" ".join(unchanged)))
    for code in CODE.findall(f"{mail.subject} {mail.preview_text}"):
        if code in mail.demo_texts and code not in kept:
            yield Finding("demo_text", level, code)
    text = page.text.lower()
    for words in (*_LOREM, *map(str.lower, mail.demo_phrases)):
        if words in text:
            yield Finding("demo_text", level, words)


def _find_blanks(mail: Mail, page: Page) -> Iterator[str]:
    """Yield the example texts of Odoo's themes that are not marked as KEPT."""
    if not mail.theme_blanks:
        return
    for node in page.source.iter("*"):
        if KEPT not in node.classes and node.tag not in ("style", "script"):
            texts = " ".join(text for text in (node.text, *(child.tail for child in node)) if text)
            yield from (blank for blank in BLANK.findall(texts) if blank in mail.theme_blanks)


# Links and pictures -------------------------------------------------------------------------


def links(mail: Mail, page: Page) -> Iterator[Finding]:
    """Links need an absolute address that is neither empty nor an example."""
    for _node, href in page.links:
        if leads_nowhere(href):
            yield Finding("link_empty", WARNING, "", "remove_links")
        elif href.startswith("#") or path_of(href, mail.public_url) in (UNSUBSCRIBE, "/view"):
            continue
        elif _leads_to_login(href, mail):
            yield Finding("link_login", WARNING if mail.test_mode else ERROR, href)
        elif not _SCHEME.match(href) and not href.startswith("/"):
            if _BARE_HOST.fullmatch(href) and not _FILE.search(href.split("?")[0]):
                yield Finding("link_without_scheme", ERROR, href, "absolute_links")
            else:
                yield Finding("link_relative", WARNING, href, "absolute_links")
        elif href.startswith("/") and not href.startswith("//"):
            yield Finding("link_relative", WARNING, href, "absolute_links")
        elif host_of(href) in EXAMPLE_HOSTS:
            yield Finding("link_example", WARNING if mail.test_mode else ERROR, href)
        elif is_example_page(href):
            level = WARNING if mail.test_mode else ERROR
            yield Finding("link_network", level, href, "remove_networks")
        elif (host := host_of(href).removeprefix("www.")) in SHORTENERS:
            yield Finding("link_shortened", WARNING, host)


def _leads_to_login(href: str, mail: Mail) -> bool:
    """Return whether a link opens the log-in page, which is also at "/" if there is no website."""
    for base in (mail.public_url, *mail.own_urls):
        path = path_of(href, base).split("?")[0].split("#")[0]
        if _LOGIN.fullmatch(path) or (path in ("", "/") and href and not mail.has_website):
            return True
    return False


def addresses(mail: Mail, page: Page) -> Iterator[Finding]:
    """Addresses must contain no placeholders: they are not filled in there."""
    for address in dict.fromkeys((*page.link_addresses(), *page.picture_addresses())):
        if find_tags_in_address(address):
            yield Finding("placeholder_in_address", ERROR, shorten(address))
        elif find_braces_in_address(address):
            yield Finding("braces_in_address", WARNING, shorten(address))


def pictures(mail: Mail, page: Page) -> Iterator[Finding]:
    """Pictures need a public https address that reviewers and readers can reach."""
    level = WARNING if mail.test_mode else ERROR
    for address in page.picture_addresses():
        if address.startswith("data:"):
            yield Finding("picture_embedded", level, address[:40])
            continue
        absolute = urljoin(mail.public_url.rstrip("/") + "/", address) if address else ""
        parts = urlsplit(absolute) if is_readable(absolute) else None
        if not address:
            yield Finding("picture_empty", WARNING, "", "remove_pictures")
        elif parts is None or parts.scheme != "https" or not is_public(parts.hostname or ""):
            yield Finding("picture_not_public", level, shorten(absolute))


def is_public(host: str) -> bool:
    """Return whether a host name or IP address may be public, without looking it up."""
    host = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        private = ("localhost", "local", "internal", "lan", "test", "invalid", "localdomain")
        return "." in host and host.rpartition(".")[2] not in private


RULES: tuple[Callable[[Mail, Page], Iterator[Finding]], ...] = (
    subject,
    sender_name,
    preview,
    advertising,
    content,
    demo_text,
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
    only_pictures,
    alternatives,
    weight,
    contrast,
    text_size,
    fallbacks,
    typed_variables,
    foreign_tags,
    foreign_elements,
)
