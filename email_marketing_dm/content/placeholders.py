# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Translates Odoo's placeholders into DirectMail's variables; `filling` fills these in.

Odoo's builder writes ``<t t-out="object.country_id.name">somewhere</t>`` in a body and
``{{ object.name ||| friend }}`` in a subject. DirectMail replaces ``{Name}`` by the raw value: no
escaping, no conditions, no fallback. So values are escaped and get their fallback when a mail is
sent, and whatever a variable can't express is reported as a problem before submission.
"""

from __future__ import annotations

import html as html_lib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict
from urllib.parse import urljoin

from lxml import etree, html

from ..directmail.const import BUILT_IN_VARIABLES, VARIABLES_MAX
from .compaction import compact
from .expressions import (
    COLUMN_PREFIX,
    INLINE,
    Placeholder,
    parse_expression,
    split_record_path,
)
from .filling import CONTROLS, LINE_BREAKS, VARIABLE
from .icons import describe_icons
from .languages import is_right_to_left, name_language
from .lengths import OdooText
from .outlook import close_comment, is_settings, replace_addresses

Where = Literal["body", "subject", "attribute"]
Problem = tuple[str, str]  # code, quoted detail; see Compiled.problems

# Reserved names: the recipient's token in links to the recipient's pages, in the tracking pixel and
# in tracked links. The latter two are the same for all recipients who are not measured.
TOKEN, OPEN_TOKEN, CLICK_TOKEN = OWN_VARIABLES = ("Token", "OpenToken", "ClickToken")

_BRACED_WORD = re.compile(r"\{\s*\w+\s*\}")
_RAW_TEXT = ("style", "script")  # their text has no entities
_ADDRESS_ATTRIBUTES = ("href", "src", "background")
_CSS_URL = re.compile(r"""(url\(\s*['"]?)([^'")]+)""", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DOCUMENT = re.compile(r"\s*(<!doctype\b|<html\b)", re.IGNORECASE)
# o_stacking_wrapper is the class of the builder's columns.
_PAGE = (
    '<!DOCTYPE html><html><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<style>@media(max-width:660px){"
    ".o_stacking_wrapper{width:100%%!important;height:auto!important}"
    "div.o_stacking_wrapper{display:block!important}"
    "td{max-width:none!important}"
    "img{max-width:100%%!important;width:auto;height:auto!important}}</style></head>"
    '<body style="margin:0;padding:0">%s</body></html>'
)
_HIDDEN = (
    "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;"
    "mso-hide:all"
)
_BLANKS = (
    "\u034f\u200c\u00a0"  # between joiners of no width mail programs do not collapse the space
)
_BODY_START = re.compile(r"\s*(?:<!doctype\b|<html\b).*?<body\b[^>]*>", re.IGNORECASE | re.DOTALL)
_DIGITS = dict(enumerate("Zero One Two Three Four Five Six Seven Eight Nine".split()))


class Variable(TypedDict):
    """One variable of a compiled template, stored as JSON.

    ``path`` comes without the leading "object."; ``fallback`` is plain text; ``where`` decides how
    the value is escaped; ``format`` is "datetime", "date" or "" for the unformatted value.
    """

    name: str
    path: str
    fallback: str
    where: Where
    format: str


@dataclass(frozen=True)
class Compiled:
    """Content in DirectMail's form.

    :ivar variables: all but `OWN_VARIABLES`
    :ivar problems: (code, detail) pairs; content with problems must not be submitted. Codes:
        "expression", "condition", "directive", "fallback_markup", "inline_in_body",
        "brace_in_subject", "too_many_variables". The detail quotes the content.
    :ivar links: the keys of ``links`` and ``tracked`` that the body uses
    """

    subject: str
    text: str
    variables: tuple[Variable, ...]
    problems: tuple[Problem, ...]
    links: frozenset[str] = frozenset()


def compile_content(
    subject: OdooText,
    body_html: OdooText,
    *,
    public_url: str,
    links: Mapping[str, str],
    tracked: Mapping[str, str] | None = None,
    has_pixel: bool = False,
    preview_text: OdooText = "",
    framed: bool = False,
    compacted: bool = False,
    language: OdooText = "",
) -> Compiled:
    """Turn a subject and a body as Odoo holds them into DirectMail's form.

    The same input always gives the same output.

    :param public_url: of this server, without path ("https://news.example.com"); the base of
        relative addresses
    :param links: {href: path}: a link with exactly this address becomes public_url + path +
        "{Token}". Used for the recipient's pages.
    :param tracked: the same for tracked links, with "{ClickToken}"
    :param has_pixel: whether the caller adds a pixel with "{OpenToken}", which counts as a variable
    :param preview_text: mail programs show it beside the subject; placeholders as in a subject
    :param framed: whether the body becomes a whole page with a style sheet for phones, its
        language and a title
    :param language: of the text, by Odoo's code; only for a page
    :param compacted: whether HTML without a visible effect is dropped, see compaction.compact()
    """
    names = _Names()
    problems: list[Problem] = []
    base = _base(public_url)
    source = with_preview(str(body_html or ""), preview_text)
    targets = {href: (path, TOKEN) for href, path in links.items()}
    targets |= {href: (path, CLICK_TOKEN) for href, path in (tracked or {}).items()}
    body = _Body(frame(source) if framed else source, base, targets, names, problems)
    text = body.compile(compacted, PageHead(_title_of(subject), language) if framed else None)
    filled_subject = _compile_subject(subject or "", names, problems)
    count = len(names.variables) + has_pixel
    count += sum("{%s}" % name in text for name in (TOKEN, CLICK_TOKEN))
    if count > VARIABLES_MAX:
        problems.append(("too_many_variables", str(count)))
    return Compiled(
        filled_subject, text, tuple(names.variables), tuple(problems), frozenset(body.links_used)
    )


def frame(body_html: str) -> str:
    """Make a whole page of a body, unless it is one or empty.

    The page's style sheet puts the builder's columns below each other on a phone.
    """
    if _DOCUMENT.match(body_html) or not body_html.strip():
        return body_html
    return _PAGE % body_html


def with_preview(body_html: str, preview_text: OdooText) -> str:
    """Put a hidden preview text at the start of a body, where mail programs look for it.

    The blanks behind it keep the mail's first words out of the preview.
    """
    preview_text = LINE_BREAKS.sub(" ", preview_text or "").strip()
    if not preview_text:
        return body_html
    result, position = "", 0
    for match in INLINE.finditer(preview_text):
        result += html_lib.escape(preview_text[position : match.start()])
        expression, fallback = html_lib.escape(match[1].strip()), html_lib.escape(match[3] or "")
        result += f'<t t-out="{expression}">{fallback}</t>'
        position = match.end()
    result += html_lib.escape(preview_text[position:])
    hidden = f'<div style="{_HIDDEN}">{result}{_BLANKS * 60}</div>'
    opening = _BODY_START.match(body_html)
    start = opening.end() if opening else 0
    return body_html[:start] + hidden + body_html[start:]


@dataclass(frozen=True)
class PageHead:
    """The title of a page, in plain text, and its language, by Odoo's code."""

    title: str
    language: OdooText


def _title_of(subject: OdooText) -> str:
    """Return a subject with the fallbacks of its placeholders: all recipients share the title."""
    text = INLINE.sub(lambda match: (match[3] or "").strip(), subject or "")
    return " ".join(text.split()).rstrip(" ,;:-–")


class _Names:
    """Hands out variable names, one for each combination of placeholder and ``where``."""

    def __init__(self) -> None:
        self.variables: list[Variable] = []
        self._known: dict[tuple[Placeholder, Where], str] = {}
        # Compared in lower case: DirectMail does not document whether names are case-sensitive.
        self._taken = {name.lower() for name in (*BUILT_IN_VARIABLES, *OWN_VARIABLES)}

    def name(self, placeholder: Placeholder, where: Where) -> str:
        """Return the variable's name for a placeholder used ``where``."""
        key = (placeholder, where)
        if key not in self._known:
            self._known[key] = name = self._free_name(placeholder.path, where)
            self.variables.append(
                {
                    "name": name,
                    "path": placeholder.path,
                    "fallback": placeholder.fallback,
                    "where": where,
                    "format": placeholder.format,
                }
            )
        return self._known[key]

    def _free_name(self, path: str, where: Where) -> str:
        """Return an unused name of letters only, made from a field's path."""
        if of_record := split_record_path(path):
            path = f"record.{of_record[1]}"
        # Columns of uploaded lists may have titles in any script.
        path = re.sub("[^A-Za-z0-9_.]", "_", path.removeprefix(COLUMN_PREFIX))
        words = [
            word
            for part in path.split(".")
            for word in re.sub(r"_ids?$", "", part).split("_")
            if word
        ]
        stem = "".join(word[0].upper() + word[1:] for word in words) or "Value"
        stem = re.sub("[0-9]", lambda digit: _DIGITS[int(digit[0])], stem)
        stem += {"body": "", "subject": "Subject", "attribute": "Attribute"}[where]
        name, number = stem, 0
        while name.lower() in self._taken:
            number += 1
            name = stem + _letters(number)
        self._taken.add(name.lower())
        return name


def _letters(number: int) -> str:
    """Return a number as letters: 1 -> B, 25 -> Z, 26 -> BA. The second "Name" is "NameB"."""
    text = ""
    while number:
        number, digit = divmod(number, 26)
        text = chr(ord("A") + digit) + text
    return text


def _compile_subject(subject: str, names: _Names, problems: list[Problem]) -> str:
    subject = LINE_BREAKS.sub(" ", subject).strip()
    result, position = "", 0
    for match in INLINE.finditer(subject):
        result += _checked_literal(subject[position : match.start()], problems)
        position = match.end()
        placeholder = parse_expression(match[1], match[3] or "")
        if placeholder:
            result += "{%s}" % names.name(placeholder, "subject")
        else:
            problems.append(("expression", match[0]))
    return result + _checked_literal(subject[position:], problems)


def _checked_literal(literal: str, problems: list[Problem]) -> str:
    """Report each typed {Word} of a subject: without entities it can't be told from a variable."""
    problems += [("brace_in_subject", found) for found in _BRACED_WORD.findall(literal)]
    return literal


class _Body:
    """One body being compiled.

    In the tree, marks of plain letters stand for braces: the serialiser would turn a brace's entity
    into "&amp;#123;" in a text and a brace into "%7B" in an address.
    """

    def __init__(
        self,
        source: str,
        base: str,
        links: Mapping[str, tuple[str, str]],
        names: _Names,
        problems: list[Problem],
    ) -> None:
        # lxml cannot serialise lone surrogates, and parses no further than an ASCII control.
        source = source.encode("utf-8", "replace").decode("utf-8")
        self._source = CONTROLS.sub("", source)
        self._base = base
        self._links = links
        self._names = names
        self._problems = problems
        self.links_used: set[str] = set()
        self._removed: set[html.HtmlElement] = set()  # nodes of a fallback, out of the tree now
        mark = "dmq"
        while mark in self._source.lower():
            mark += "q"
        self._open, self._close, self._name, self._end = (f"{mark}{x}x" for x in "ocne")

    def compile(self, compacted: bool, page: PageHead | None = None) -> str:
        """Return the body's text for DirectMail.

        :param page: title and language of a whole document, which keeps its own if it has them
        """
        is_document = _DOCUMENT.match(self._source)
        if is_document:
            parser = html.HTMLParser(encoding="utf-8")
            root = html.document_fromstring(self._source.encode(), parser)
        else:
            root = html.fragment_fromstring(self._source, create_parent="div")
        describe_icons(root)
        self._convert(root)
        if compacted:
            compact(root)
        if page and is_document:
            self._describe_page(root, page)
        if is_document:
            text = etree.tostring(root.getroottree(), encoding="unicode", method="html")
        else:
            text = etree.tostring(root, encoding="unicode", method="html")
            text = text.removeprefix("<div>").removesuffix("</div>")
        text = text.replace(self._open, "&#123;").replace(self._close, "&#125;")
        return text.replace(self._name, "{").replace(self._end, "}")

    def _describe_page(self, root: html.HtmlElement, page: PageHead) -> None:
        """Add language, direction and title to a document that has none."""
        language, rtl = name_language(page.language), is_right_to_left(page.language)
        if language and "lang" not in root.attrib:
            root.set("lang", language)
            root.set("dir", root.get("dir", "rtl" if rtl else "ltr"))
        body, head = root.find("body"), root.find("head")
        if rtl and body is not None:
            # Web mail puts the body into its own page and drops <html> with its direction.
            body.set("dir", body.get("dir", "rtl"))
        if head is None:
            head = html.Element("head")
            root.insert(0, head)
        if head.find("title") is None:
            title = etree.SubElement(head, "title")
            title.text = self._typed(CONTROLS.sub("", page.title))
        if body is not None:
            # Outlook reads its settings in the head only.
            head.extend([node for node in body.iter(etree.Comment) if is_settings(node)])

    def _convert(self, root: html.HtmlElement) -> None:
        for node in list(root.iter("*")):
            if node not in self._removed:
                self._placeholder(node)
        for node in root.iter():
            if isinstance(node, etree._Comment):
                node.text = self._comment(node.text or "")
            elif node.tag in _RAW_TEXT:
                node.text = _unbrace(self._css(node.text or ""))
            elif isinstance(node.tag, str) and node.text:
                node.text = self._typed(node.text)
            if isinstance(node.tag, str):
                self._attributes(node)
            if node is not root and node.tail:
                node.tail = self._typed(node.tail)

    def _placeholder(self, node: html.HtmlElement) -> None:
        """Turn a node's ``t-`` attributes into variables, or report them."""
        for attribute, value in node.items():
            if not attribute.startswith("t-"):
                continue
            if attribute in ("t-out", "t-esc"):
                self._output(node, attribute, value)
            elif attribute.startswith("t-att-"):
                self._computed_attribute(node, attribute, value)
            else:
                condition = attribute in ("t-if", "t-elif", "t-else")
                self._report("condition" if condition else "directive", attribute, value)
        if node.tag == "t" and not node.attrib:
            node.drop_tag()

    def _output(self, node: html.HtmlElement, attribute: str, value: str) -> None:
        """Replace the content of a ``t-out`` element, its fallback, by a variable."""
        inner = " ".join(node.text_content().split())
        placeholder = parse_expression(value, inner)
        if not placeholder:
            self._report("expression", attribute, value)
            return
        if len(node):
            self._report("fallback_markup", attribute, value)
        self._removed.update(node.iterdescendants())
        for child in list(node):
            node.remove(child)
        del node.attrib[attribute]
        node.text = self._name + self._names.name(placeholder, "body") + self._end

    def _computed_attribute(self, node: html.HtmlElement, attribute: str, value: str) -> None:
        """Replace ``t-att-href="object.website"`` by ``href`` with a variable.

        Refused for scripts and styles: a field's value could inject code there.
        """
        target = attribute.removeprefix("t-att-")
        placeholder = parse_expression(value, node.get(target, ""))
        if not placeholder or target == "style" or target.startswith(("on", "t-")):
            self._report("expression", attribute, value)
            return
        del node.attrib[attribute]
        node.set(target, self._name + self._names.name(placeholder, "attribute") + self._end)

    def _report(self, code: str, attribute: str, value: str) -> None:
        self._problems.append((code, f'{attribute}="{value}"'))

    def _attributes(self, node: html.HtmlElement) -> None:
        """Make addresses absolute and protect braces in attributes other than ``t-`` ones."""
        for attribute, value in node.items():
            if attribute.startswith("t-") or value.startswith(self._name):
                continue
            if attribute in _ADDRESS_ATTRIBUTES:
                value = self._address(value)
            elif attribute == "style":
                value = self._css(value)
            node.set(attribute, self._typed(value))

    def _typed(self, text: str) -> str:
        """Replace typed braces by marks: a typed {Word} must not become a variable."""
        if "{" not in text and "}" not in text:
            return text
        for match in INLINE.finditer(text):
            # A placeholder of a subject: in a body it would be sent unfilled.
            if "object." in match[1]:
                self._problems.append(("inline_in_body", match[0]))
        return text.replace("{", self._open).replace("}", self._close)

    def _comment(self, text: str) -> str:
        """Compile a comment; report its ``t-`` attributes, which Odoo does not evaluate either."""
        self._problems += [
            ("directive", found) for found in re.findall(r"\bt-[a-z-]+\s*=\s*[\"'][^\"']*", text)
        ]
        text = replace_addresses(self._css(close_comment(text)), self._address)
        return _unbrace(text)

    def _css(self, text: str) -> str:
        """Make the addresses in ``url(…)`` absolute."""
        return _CSS_URL.sub(lambda match: match[1] + self._address(match[2]), text)

    def _address(self, address: str) -> str:
        """Return an address made absolute, or the address that ``links`` has for it."""
        address = address.strip()
        for known in (address, address.removeprefix(self._base)):
            if known in self._links:
                self.links_used.add(known)
                path, variable = self._links[known]
                token = self._name + variable + self._end
                return self._base + "/" + path.lstrip("/") + token
        if not address or address.startswith("#") or _SCHEME.match(address):
            return address
        return urljoin(self._base + "/", address)


def _unbrace(text: str) -> str:
    """Write {Word} of a style sheet or comment as "{ Word }": same meaning, but no variable."""
    return VARIABLE.sub(r"{ \1 }", text)


def _base(public_url: str) -> str:
    """Return the public URL without trailing slash, "https://" added if it has no scheme."""
    url = public_url.strip().rstrip("/")
    return url if _SCHEME.match(url) and "//" in url else f"https://{url}"
