# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""One-click fixes for Findings of `preflight`.

Each repair returns a fixed copy of a Draft; the user can reword inserted texts afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from urllib.parse import unquote, urljoin, urlsplit

from lxml import etree, html

from ..directmail import const
from .expressions import INLINE, parse_expression
from .foreign_tags import find_tags
from .lengths import count_units, cut_units
from .looks import make_readable, read_looks, set_style
from .preflight_look import TEXT_MIN, is_file_name
from .preflight_mail import (
    BLANK,
    FILL,
    HAN,
    KEPT,
    UNSUBSCRIBE,
    VALUE_LENGTH,
    WHY,
    find_headline,
    find_sentence,
    is_example_page,
    is_sharing,
    leads_nowhere,
    read_fragment,
    words_of,
)

# XPaths of the element that holds the builder's blocks, the innermost first.
_WRAPPERS = (
    "//*[contains(concat(' ', @class, ' '), ' o_mail_wrapper_td ')]",
    "//*[contains(concat(' ', @class, ' '), ' o_layout ')]//*[contains(concat(' ', @class, ' '),"
    " ' oe_structure ')]",
    "//*[contains(concat(' ', @class, ' '), ' o_layout ')]",
)
_PREVIEW_LENGTH = 90  # what mail programs show at most
_LINE_HEIGHT = re.compile(r"line-height\s*:\s*([\d.]+)px", re.IGNORECASE)
_LINE_MIN = 20  # px
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BLOCK = (
    '<section class="s_text_block o_mail_snippet_general" data-snippet="s_text_block"'
    ' data-vxml="001"'
    ' data-name="Text" style="{style}">{content}</section>'
)
_FOOTER_STYLE = (
    "padding:24px;text-align:center;font-family:Arial,Helvetica,sans-serif;font-size:14px;"
    "line-height:20px;color:#4b5563;"
)
_TEXT_STYLE = (
    "padding:24px 24px 8px 24px;font-family:Arial,Helvetica,sans-serif;font-size:16px;"
    "line-height:24px;color:#1f2937;"
)


@dataclass(frozen=True)
class Draft:
    """The parts of a template that repairs change, as a user edits them."""

    subject: str
    sender_name: str
    body: str
    preview_text: str = ""


@dataclass(frozen=True)
class Phrases:
    """Texts that repairs insert, in the user's language.

    :ivar salutation: for example "Dear"
    :ivar friend: fallback for recipients without a name
    :ivar unsubscribe: text of the link
    :ivar reason: sentence that says why recipients get the mail
    :ivar address: the sender's name and postal address in one line
    :ivar picture: alternative text of a picture without title or file name
    :ivar company: the sending company's name
    :ivar place: (street, city) of the company, empty texts where unknown
    """

    salutation: str
    friend: str
    unsubscribe: str
    reason: str
    address: str
    picture: str
    company: str = ""
    place: tuple[str, str] = ("", "")


def repair(name: str, draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Return the Draft with one repair applied.

    :param name: as in `preflight.Finding.fix`
    :param public_url: of this server, e.g. "https://news.example.com"
    :raise KeyError: for a name that is not in REPAIRS
    """
    return REPAIRS[name](draft, phrases, public_url)


def shorten_subject(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Cut a subject at a word, so that it has room for the values of its placeholders."""
    result, position = "", 0
    subject = " ".join(draft.subject.split())
    room = const.SUBJECT_MAX - VALUE_LENGTH * len(INLINE.findall(subject))
    for match in (*INLINE.finditer(subject), None):
        literal = subject[position : match.start() if match else len(subject)]
        kept = _cut(literal, room)
        result += kept
        if len(kept) < len(literal) or match is None:
            break
        room -= count_units(kept)
        result += match[0]
        position = match.end()
    return replace(draft, subject=result.rstrip(" ,;:-–"))


def shorten_sender_name(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Cut a sender name to the length that DirectMail accepts."""
    return replace(draft, sender_name=_cut(draft.sender_name, const.SENDER_NAME_MAX))


def use_headline(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Take the first headline of the body, else its first sentence, as the subject."""
    words = find_headline(read_fragment(draft.body))
    return replace(draft, subject=_cut(words, const.SUBJECT_MAX).rstrip(" ,;:-–"))


def use_company_name(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Take the company's name, cut to the length that DirectMail accepts, as the sender name."""
    return replace(draft, sender_name=_cut(phrases.company, const.SENDER_NAME_MAX).strip())


def plain_sender_name(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Take the placeholders out of a sender name; if nothing is left, use the company's."""
    name = re.sub(r"\{\{.+?\}\}|\{\s*\w+\s*\}", "", draft.sender_name)
    for tag in find_tags(name):
        name = name.replace(tag, "")
    name = " ".join(name.split()).strip(" ,;:-–")
    draft = replace(draft, sender_name=name)
    return draft if name else use_company_name(draft, phrases, public_url)


def calm_subject(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Drop all exclamation marks but the first, and write a subject in capitals in lower case."""
    head, mark, tail = _split_first(draft.subject)
    subject = head + mark + re.sub(r"[ !！]*[!！]", "", tail)
    pieces: list[str] = []
    position = 0
    for match in INLINE.finditer(subject):
        pieces += [_lower(subject[position : match.start()], not pieces), match[0]]
        position = match.end()
    pieces.append(_lower(subject[position:], not pieces))
    return replace(draft, subject="".join(pieces))


def absolute_links(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Give relative links this server's address, and bare hosts "https://"."""
    root, finish = _parse(draft.body)
    for node in root.iter("a"):
        href = (node.get("href") or "").strip()
        if not href or href.startswith(("#", "//")) or _SCHEME.match(href):
            continue
        if href in (UNSUBSCRIBE, "/view"):
            continue
        bare = re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?:[/?#:].*)?", href, re.IGNORECASE)
        node.set(
            "href",
            f"https://{href}" if bare else urljoin(public_url.rstrip("/") + "/", href),
        )
    return replace(draft, body=finish())


def add_alternatives(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Name pictures after their title, their link or the words in their file's name."""
    root, finish = _parse(draft.body)
    for node in root.iter("img"):
        if "alt" not in node.attrib or is_file_name(node.get("alt") or ""):
            node.set("alt", node.get("title") or _name_of(node, phrases.picture))
    return replace(draft, body=finish())


def add_salutation(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Insert a salutation with the recipient's name before the first paragraph of text."""
    greeting = f'{escape(phrases.salutation)} <t t-out="object.name">{escape(phrases.friend)}</t>,'
    root, finish = _parse(draft.body)
    block = _BLOCK.format(style=_TEXT_STYLE, content=f'<p style="margin:0;">{greeting}</p>')
    texts = [
        node
        for node in root.iter("p")
        if len(" ".join(node.itertext()).split()) > 4 and not _in_header(node)
    ]
    if texts:
        first = texts[0]
        paragraph = html.fragment_fromstring(f"<p>{greeting}</p>")
        for name in ("style", "class"):
            if value := first.get(name):
                paragraph.set(name, value)
        first.addprevious(paragraph)
    else:
        _wrapper(root).insert(0, html.fragment_fromstring(block))
    return replace(draft, body=finish())


def add_footer(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Append what is missing: reason for the mail, sender's address, link to unsubscribe."""
    root, finish = _parse(draft.body)
    linked = any(
        (node.get("href") or "").removeprefix(public_url.rstrip("/")) == UNSUBSCRIBE
        for node in root.iter("a")
    )
    text = " ".join(root.text_content().split())
    lines = [] if WHY.search(text) else [escape(phrases.reason)]
    if not all(part and words_of(part) in words_of(text) for part in phrases.place):
        lines.append(escape(phrases.address))
    if not linked:
        lines.append(
            f'<a href="{UNSUBSCRIBE}" style="color:#4b5563;text-decoration:underline;">'
            f"{escape(phrases.unsubscribe)}</a>"
        )
    content = "".join(f'<p style="margin:0 0 4px 0;">{line}</p>' for line in lines if line)
    block = html.fragment_fromstring(_BLOCK.format(style=_FOOTER_STYLE, content=content))
    _wrapper(root).append(block)
    return replace(draft, body=finish())


def write_preview_text(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Take the first sentence of the body that is no salutation and has no placeholder."""
    words = find_sentence(read_fragment(draft.body), draft.subject)
    return replace(draft, preview_text=_cut(words, _PREVIEW_LENGTH).rstrip(" ,;:-–"))


def mark_advertising(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Begin the subject with the mark that mainland China requires, in the subject's script."""
    mark = "【广告】" if HAN.search(draft.subject) else "(AD) "
    return replace(draft, subject=mark + draft.subject.lstrip())


def fix_contrast(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Make texts as dark, or as light, as their background needs; keep their hue."""
    root, finish = _parse(draft.body)
    for node, _words, look in list(read_looks(root)):
        if look.contrast is not None and look.contrast < look.contrast_needed:
            set_style(node, color=make_readable(look))
    return replace(draft, body=finish())


def enlarge_text(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Give small texts 14 px, and lines that were meant for smaller ones 20 px."""
    root, finish = _parse(draft.body)
    for node, _words, look in list(read_looks(root)):
        if look.size is not None and look.size < TEXT_MIN:
            set_style(node, font_size=f"{TEXT_MIN}px")
            height = _LINE_HEIGHT.search(node.get("style") or "")
            if height and float(height[1]) < _LINE_MIN:
                set_style(node, line_height=f"{_LINE_MIN}px")
    return replace(draft, body=finish())


def keep_texts(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Mark example texts as checked by the user, so that they are not reported any more."""
    root, finish = _parse(draft.body)
    for node in root.find_class(FILL):
        node.set("class", " ".join(word for word in node.classes if word != FILL))
    for node in root.iter("*"):
        texts = (node.text, *(child.tail for child in node))
        if node.tag not in ("style", "script") and any(BLANK.search(text or "") for text in texts):
            node.classes.add(KEPT)
    return replace(draft, body=finish())


def show_to_everybody(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Take the conditions off blocks, so that all recipients see them."""
    root, finish = _parse(draft.body)
    for node in root.iter("*"):
        for name in ("t-if", "t-elif", "t-else", "data-filter-domain"):
            node.attrib.pop(name, None)
    return replace(draft, body=finish())


def plain_defaults(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Take formatting and links out of the defaults of placeholders."""
    root, finish = _parse(draft.body)
    for node in root.xpath("descendant::*[@t-out or @t-esc]"):
        words = " ".join(node.text_content().split())
        for child in list(node):
            node.remove(child)
        node.text = words
    return replace(draft, body=finish())


def make_placeholders(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Turn braces that were typed into texts, "{{ object.name }}", into placeholders."""
    root, finish = _parse(draft.body)
    for node in list(root.iter("*")):
        for child in [None, *node]:
            _insert_placeholders(node, child)
    return replace(draft, body=finish())


def remove_links(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Take away links without an address; their texts and pictures stay."""
    root, finish = _parse(draft.body)
    for node in list(root.iter("a")):
        if "href" in node.attrib and leads_nowhere(node.get("href") or ""):
            node.drop_tag()
    return replace(draft, body=finish())


def remove_networks(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Take away links to networks with their icons; their texts stay."""
    root, finish = _parse(draft.body)
    for node in list(root.iter("a")):
        href = (node.get("href") or "").strip()
        if is_sharing(href) or is_example_page(href):
            if node.text_content().strip():
                node.drop_tag()
            else:
                node.drop_tree()
    return replace(draft, body=finish())


def remove_pictures(draft: Draft, phrases: Phrases, public_url: str) -> Draft:
    """Take away pictures without an address."""
    root, finish = _parse(draft.body)
    for node in list(root.iter("img")):
        if "t-att-src" not in node.attrib and not (node.get("src") or "").strip():
            node.drop_tree()
    return replace(draft, body=finish())


Repair = Callable[[Draft, Phrases, str], Draft]
_REPAIRS: tuple[Repair, ...] = (
    shorten_subject,
    shorten_sender_name,
    calm_subject,
    absolute_links,
    add_alternatives,
    add_salutation,
    add_footer,
    write_preview_text,
    mark_advertising,
    fix_contrast,
    enlarge_text,
    keep_texts,
    make_placeholders,
    plain_defaults,
    plain_sender_name,
    remove_links,
    remove_networks,
    remove_pictures,
    show_to_everybody,
    use_company_name,
    use_headline,
)
REPAIRS: dict[str, Repair] = {function.__name__: function for function in _REPAIRS}


def _cut(text: str, most: int) -> str:
    """Return the beginning of a text, at most ``most`` UTF-16 units.

    The cut is at a space if that keeps more than half of ``most``.
    """
    kept = cut_units(text, most)
    if kept == text:
        return text
    words = text[: len(kept) + 1].rpartition(" ")[0]
    return words if count_units(words) > most // 2 else kept


def _insert_placeholders(node: html.HtmlElement, child: html.HtmlElement | None) -> None:
    """Replace braces by placeholders in the text of an element, or in that behind its child."""
    text = (node.text if child is None else child.tail) or ""
    found = [match for match in INLINE.finditer(text) if parse_expression(match[1])]
    if not found or isinstance(node, etree._Comment) or node.tag in ("style", "script", "t"):
        return
    index = 0 if child is None else node.index(child) + 1
    before = text[: found[0].start()]
    if child is None:
        node.text = before
    else:
        child.tail = before
    for number, match in enumerate(found):
        placeholder = html.Element("t")
        placeholder.set("t-out", match[1].strip())
        placeholder.text = (match[3] or "").strip()
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        placeholder.tail = text[match.end() : end]
        node.insert(index + number, placeholder)


def _split_first(subject: str) -> tuple[str, str, str]:
    """Return the texts before, of and after the first exclamation mark."""
    match = re.search(r"[!！]", subject)
    if not match:
        return subject, "", ""
    return subject[: match.start()], match[0], subject[match.end() :]


def _lower(text: str, is_start: bool) -> str:
    """Return a text in capitals in lower case, any other text unchanged.

    :param is_start: whether the first letter stays a capital
    """
    letters = [char for char in text if char.isalpha()]
    if len(letters) < 4 or not all(char.isupper() or not char.islower() for char in letters):
        return text
    text = text.lower()
    return text[:1].upper() + text[1:] if is_start else text


def _parse(body: str) -> tuple[html.HtmlElement, Callable[[], str]]:
    """Return (root, function that serialises the root back into a body)."""
    root = read_fragment(body)

    def finish() -> str:
        text = etree.tostring(root, encoding="unicode", method="html")
        return text.removeprefix("<div>").removesuffix("</div>")

    return root, finish


def _wrapper(root: html.HtmlElement) -> html.HtmlElement:
    """Return the element that holds the mail's blocks, the root if the builder's is missing."""
    for path in _WRAPPERS:
        found: list[html.HtmlElement] = root.xpath(path)
        if found:
            return found[-1]
    return root


def _in_header(node: html.HtmlElement) -> bool:
    classes = [parent.get("class") or "" for parent in node.iterancestors()]
    return any("header" in words for words in classes)


def _name_of(node: html.HtmlElement, default: str) -> str:
    """Return a text for a picture: the title of its link, or words from its file's name."""
    parent = node.getparent()
    title = parent.get("title") if parent is not None and parent.tag == "a" else None
    if title:
        return title
    path = urlsplit(node.get("src") or "").path
    stem = unquote(path.rpartition("/")[2]).rpartition(".")[0]
    words = re.sub(r"[\W_]+|\d+", " ", stem).split()
    words = [word for word in words if word.lower() not in ("s", "default", "image", "img")]
    return " ".join(words).capitalize() or default
