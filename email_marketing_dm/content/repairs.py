# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""What one click can mend of what `preflight` found.

Each repair takes a Draft and returns it mended; what it inserts a user may then reword.
"""

import re
from dataclasses import dataclass, replace
from html import escape
from urllib.parse import unquote, urljoin, urlsplit

from lxml import etree, html

from ..directmail import const
from .expressions import INLINE
from .lengths import count_units, cut_units
from .preflight import UNSUBSCRIBE, read_fragment

# Where the builder keeps a mail's blocks, the innermost first.
_WRAPPERS = (
    "//*[contains(concat(' ', @class, ' '), ' o_mail_wrapper_td ')]",
    "//*[contains(concat(' ', @class, ' '), ' o_layout ')]//*[contains(concat(' ', @class, ' '),"
    " ' oe_structure ')]",
    "//*[contains(concat(' ', @class, ' '), ' o_layout ')]",
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BLOCK = (
    '<section class="s_text_block o_mail_snippet_general" data-snippet="s_text_block"'
    ' data-vxml="001"'
    ' data-name="Text" style="{style}">{content}</section>'
)
_FOOTER_STYLE = (
    "padding:24px;text-align:center;font-family:Arial,Helvetica,sans-serif;font-size:12px;"
    "line-height:18px;color:#6b7280;"
)
_TEXT_STYLE = (
    "padding:24px 24px 8px 24px;font-family:Arial,Helvetica,sans-serif;font-size:16px;"
    "line-height:24px;color:#1f2937;"
)


@dataclass(frozen=True)
class Draft:
    """What somebody is writing."""

    subject: str
    sender_name: str
    body: str


@dataclass(frozen=True)
class Phrases:
    """What repairs insert, in the language of whoever writes.

    :ivar salutation: "Dear", say
    :ivar friend: for those whose name is unknown
    :ivar unsubscribe: the link's text
    :ivar reason: why people get the mail, a sentence
    :ivar address: the sender's name and postal address, a line
    :ivar picture: what a picture without any better text is called
    """

    salutation: str
    friend: str
    unsubscribe: str
    reason: str
    address: str
    picture: str


def repair(name, draft, phrases, public_url):
    """Return the Draft with one thing mended.

    :param name: as in `preflight.Finding.fix`
    :raise KeyError: for a name that is none
    """
    return REPAIRS[name](draft, phrases, public_url)


def shorten_subject(draft, phrases, public_url):
    """Cut a subject at a word, its placeholders kept whole."""
    room = const.SUBJECT_MAX
    result, position = "", 0
    subject = " ".join(draft.subject.split())
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


def shorten_sender_name(draft, phrases, public_url):
    return replace(draft, sender_name=_cut(draft.sender_name, const.SENDER_NAME_MAX))


def calm_subject(draft, phrases, public_url):
    """One exclamation mark is enough, and capitals begin words."""
    head, mark, tail = _split_first(draft.subject)
    subject = head + mark + re.sub(r"[ !！]*[!！]", "", tail)
    pieces, position = [], 0
    for match in INLINE.finditer(subject):
        pieces += [_lower(subject[position : match.start()], not pieces), match[0]]
        position = match.end()
    pieces.append(_lower(subject[position:], not pieces))
    return replace(draft, subject="".join(pieces))


def absolute_links(draft, phrases, public_url):
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


def add_alternatives(draft, phrases, public_url):
    """Name pictures after their title, their link or their file."""
    root, finish = _parse(draft.body)
    for node in root.iter("img"):
        if "alt" not in node.attrib:
            node.set("alt", node.get("title") or _name_of(node, phrases.picture))
    return replace(draft, body=finish())


def add_salutation(draft, phrases, public_url):
    """Greet people by name, at the start of the first text."""
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
            if first.get(name):
                paragraph.set(name, first.get(name))
        first.addprevious(paragraph)
    else:
        _wrapper(root).insert(0, html.fragment_fromstring(block))
    return replace(draft, body=finish())


def add_footer(draft, phrases, public_url):
    """Say who writes and why, and how to stop it."""
    root, finish = _parse(draft.body)
    linked = any(
        (node.get("href") or "").removeprefix(public_url.rstrip("/")) == UNSUBSCRIBE
        for node in root.iter("a")
    )
    lines = [escape(phrases.reason), escape(phrases.address)]
    if not linked:
        lines.append(
            f'<a href="{UNSUBSCRIBE}" style="color:#6b7280;text-decoration:underline;">'
            f"{escape(phrases.unsubscribe)}</a>"
        )
    content = "".join(f'<p style="margin:0 0 4px 0;">{line}</p>' for line in lines if line)
    block = html.fragment_fromstring(_BLOCK.format(style=_FOOTER_STYLE, content=content))
    _wrapper(root).append(block)
    return replace(draft, body=finish())


REPAIRS = {
    function.__name__: function
    for function in (
        shorten_subject,
        shorten_sender_name,
        calm_subject,
        absolute_links,
        add_alternatives,
        add_salutation,
        add_footer,
    )
}


def _cut(text, most):
    """Return the beginning of a text, at a word if that is not too far back, in UTF-16 units."""
    kept = cut_units(text, most)
    if kept == text:
        return text
    words = text[: len(kept) + 1].rpartition(" ")[0]
    return words if count_units(words) > most // 2 else kept


def _split_first(subject):
    match = re.search(r"[!！]", subject)
    if not match:
        return subject, "", ""
    return subject[: match.start()], match[0], subject[match.end() :]


def _lower(text, is_start):
    letters = [char for char in text if char.isalpha()]
    if len(letters) < 4 or not all(char.isupper() or not char.islower() for char in letters):
        return text
    text = text.lower()
    return text[:1].upper() + text[1:] if is_start else text


def _parse(body):
    """Return (root, function that gives the body back as text)."""
    root = read_fragment(body)

    def finish():
        text = etree.tostring(root, encoding="unicode", method="html")
        return text.removeprefix("<div>").removesuffix("</div>")

    return root, finish


def _wrapper(root):
    """Return the element that holds a mail's blocks."""
    for path in _WRAPPERS:
        found = root.xpath(path)
        if found:
            return found[-1]
    return root


def _in_header(node):
    classes = [parent.get("class") or "" for parent in node.iterancestors()]
    return any("header" in words for words in classes)


def _name_of(node, default):
    parent = node.getparent()
    if parent is not None and parent.tag == "a" and parent.get("title"):
        return parent.get("title")
    path = urlsplit(node.get("src") or "").path
    stem = unquote(path.rpartition("/")[2]).rpartition(".")[0]
    words = re.sub(r"[\W_]+|\d+", " ", stem).split()
    words = [word for word in words if word.lower() not in ("s", "default", "image", "img")]
    return " ".join(words).capitalize() or default
