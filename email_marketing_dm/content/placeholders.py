# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""From Odoo's way of writing personal content to DirectMail's.

Odoo's builder leaves ``<t t-out="object.country_id.name">somewhere</t>`` in a body, and a subject
says ``{{ object.name ||| friend }}``. DirectMail knows ``{Name}``, put in as it is: no escaping,
no conditions, no fallback. So the fallback and the escaping of each value are ours, at sending,
and what can't be said in DirectMail's way is reported before anything is submitted.
"""

import html as html_lib
import re
from dataclasses import dataclass
from urllib.parse import urljoin

from lxml import etree, html

from ..directmail.const import BUILT_IN_VARIABLES, VARIABLES_MAX
from .compaction import compact
from .expressions import INLINE, parse_expression
from .languages import is_right_to_left, name_language
from .lengths import count_units, cut_units
from .outlook import close_comment, is_settings, replace_addresses

TOKEN = "Token"  # reserved: the person's token in our own links

_VARIABLE = re.compile(r"\{([A-Za-z]+)\}")
_BRACED_WORD = re.compile(r"\{\s*\w+\s*\}")
_RAW_TEXT = ("style", "script")  # where entities mean nothing
_ADDRESS_ATTRIBUTES = ("href", "src", "background")
_CSS_URL = re.compile(r"""(url\(\s*['"]?)([^'")]+)""", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# The C0 controls that neither HTML nor PostgreSQL takes.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NEW_LINE = re.compile(r"\r\n|[\r\n\u2028\u2029]")
_DOCUMENT = re.compile(r"\s*(<!doctype\b|<html\b)", re.IGNORECASE)
# The class is that of the builder's columns.
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
_BLANKS = "\u034f\u200c\u00a0"  # joiners without width: a mail program keeps these blanks
_BODY_START = re.compile(r"\s*(?:<!doctype\b|<html\b).*?<body\b[^>]*>", re.IGNORECASE | re.DOTALL)
_DIGITS = dict(enumerate("Zero One Two Three Four Five Six Seven Eight Nine".split()))


@dataclass(frozen=True)
class Compiled:
    """Content in DirectMail's form.

    :ivar variables: dicts with name; path (behind "object."); fallback (plain text); where ("body",
        "subject" or "attribute"); format ("datetime", or "" for a value as it is). ``{Token}`` is
        not among them.
    :ivar problems: (code, detail) pairs; anything in it means the content must not be submitted.
        Codes: "expression", "condition", "directive", "fallback_markup", "inline_in_body",
        "brace_in_subject", "too_many_variables". The detail quotes what was found.
    :ivar links: which keys of ``links`` the body uses
    """

    subject: str
    text: str
    variables: tuple
    problems: tuple
    links: frozenset = frozenset()


def compile_content(
    subject,
    body_html,
    *,
    public_url,
    links,
    preview_text="",
    framed=False,
    compacted=False,
    language="",
):
    """Turn a subject and a body as Odoo holds them into DirectMail's form.

    :param public_url: of this server, without path ("https://news.example.com"); relative
        addresses become absolute on it
    :param links: {href: path}: a link with exactly this address becomes public_url + path +
        "{Token}". Also right for links that are to be tracked.
    :param preview_text: what mail programs show beside the subject; placeholders as in a subject
    :param framed: whether the body becomes a whole page, with what phones need to show it well,
        its language and a title
    :param language: of the text, by Odoo's code; only for a page
    :param compacted: whether what nobody sees is left out, see compaction.compact()
    :return: Compiled; the same input always gives the same output
    """
    names = _Names()
    problems = []
    base = _base(public_url)
    source = with_preview(str(body_html or ""), preview_text)
    body = _Body(frame(source) if framed else source, base, links, names, problems)
    text = body.compile(compacted, Page(_title_of(subject), language) if framed else None)
    filled_subject = _compile_subject(subject or "", names, problems)
    count = len(names.variables) + (1 if "{%s}" % TOKEN in text else 0)
    if count > VARIABLES_MAX:
        problems.append(("too_many_variables", str(count)))
    return Compiled(
        filled_subject, text, tuple(names.variables), tuple(problems), frozenset(body.links_used)
    )


def assemble(text, values, escape=None):
    """Put values into a text exactly as DirectMail does: each ``{Name}`` once, as it is.

    :param values: {name: value}; a name that is not in it stays as it stands
    :param escape: function for each value, e.g. html_value; None where they are ready
    """

    def fill(match):
        if match[1] not in values:
            return match[0]
        value = values[match[1]]
        return escape(value) if escape else str(value)

    return _VARIABLE.sub(fill, text)


def html_value(value):
    """Return a value as HTML for a body or a quoted attribute. None and False are empty.

    Braces become entities too, so that a value can't turn into a variable.
    """
    if value is None or value is False:
        return ""
    text = html_lib.escape(_CONTROLS.sub("", str(value)), quote=True)
    return text.replace("{", "&#123;").replace("}", "&#125;")


def unescaped_value(value):
    """Return a value of html_value() or body_value() as it was before, for who escapes it anew."""
    return html_lib.unescape(value.replace("<br/>", "\n"))


def fit_subject(subject, values, names, limit):
    """Return values with which a filled subject is no longer than ``limit``.

    :param subject: with variables
    :param values: {name: value}
    :param names: which of the values only a subject has; the longest is cut first
    :param limit: UTF-16 units, as DirectMail counts
    """
    values = dict(values)
    names = [name for name in names if "{%s}" % name in subject]
    while names and (excess := count_units(assemble(subject, values)) - limit) > 0:
        longest = max(names, key=lambda name: count_units(values.get(name)))
        length = count_units(values.get(longest))
        if not length:
            break
        values[longest] = cut_units(values[longest], max(0, length - excess))
    return values


def body_value(value):
    """Return a value as HTML for a body, a text of several lines in as many.

    DirectMail puts values in as they are, so a tag reaches the reader as one, as our entities do.
    """
    return _NEW_LINE.sub("<br/>", html_value(value))


def plain_value(value):
    """Return a value for a subject: one line of plain text. None and False are empty."""
    if value is None or value is False:
        return ""
    return _LINE_BREAKS.sub(" ", str(value)).strip()


def frame(body_html):
    """Make a page of a body, unless it is one: on a phone the builder's columns stand one below
    the other then, as wide as the screen.
    """
    if _DOCUMENT.match(body_html) or not body_html.strip():
        return body_html
    return _PAGE % body_html


def with_preview(body_html, preview_text):
    """Put a preview text at the start of a body, where mail programs look for it, unseen there.

    Blanks behind it keep the beginning of the mail itself out of the preview.
    """
    preview_text = _LINE_BREAKS.sub(" ", preview_text or "").strip()
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
class Page:
    """What a page says about itself: its title, plain text, and its language, by Odoo's code."""

    title: str
    language: str


def _title_of(subject):
    """Return a subject with the defaults of its placeholders: the title is the same for all."""
    text = INLINE.sub(lambda match: (match[3] or "").strip(), subject or "")
    return " ".join(text.split()).rstrip(" ,;:-–")


class _Names:
    """Hands out one variable for each thing that must be filled in separately."""

    def __init__(self):
        self.variables = []
        self._known = {}
        # DirectMail's rule on case is not documented, so names differ by more than case.
        self._taken = {name.lower() for name in (*BUILT_IN_VARIABLES, TOKEN)}

    def name(self, placeholder, where):
        """Return the variable's name for an expressions.Placeholder used ``where``."""
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

    def _free_name(self, path, where):
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


def _letters(number):
    """1 -> B, 25 -> Z, 26 -> BA: the second of its kind is "NameB"."""
    text = ""
    while number:
        number, digit = divmod(number, 26)
        text = chr(ord("A") + digit) + text
    return text


def _compile_subject(subject, names, problems):
    subject = _LINE_BREAKS.sub(" ", subject).strip()
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


def _checked_literal(literal, problems):
    """Typed text of a subject. There are no entities there: a typed {Word} can't be protected."""
    problems += [("brace_in_subject", found) for found in _BRACED_WORD.findall(literal)]
    return literal


class _Body:
    """One body being compiled.

    While it is a tree, braces and variables are stand-ins of plain letters: the serialiser would
    turn the true ones into "&amp;#123;" in a text and "%7B" in an address.
    """

    def __init__(self, source, base, links, names, problems):
        # ASCII controls would end the parsing, lone surrogates the serialising.
        source = source.encode("utf-8", "replace").decode("utf-8")
        self._source = _CONTROLS.sub("", source)
        self._base = base
        self._links = links
        self._names = names
        self._problems = problems
        self.links_used = set()
        self._removed = set()  # nodes that left the tree with the fallback they were in
        mark = "dmq"
        while mark in self._source.lower():
            mark += "q"
        self._open, self._close, self._name, self._end = (f"{mark}{x}x" for x in "ocne")

    def compile(self, compacted, page=None):
        """Return the body's text for DirectMail.

        :param page: a `Page` that a whole document is to be
        """
        is_document = _DOCUMENT.match(self._source)
        if is_document:
            parser = html.HTMLParser(encoding="utf-8")
            root = html.document_fromstring(self._source.encode(), parser)
        else:
            root = html.fragment_fromstring(self._source, create_parent="div")
        self._convert(root)
        if compacted:
            compact(root)
        if page and is_document:
            self._describe_page(root, page)
        whole = root.getroottree() if is_document else root
        text = etree.tostring(whole, encoding="unicode", method="html")
        if not is_document:
            text = text.removeprefix("<div>").removesuffix("</div>")
        text = text.replace(self._open, "&#123;").replace(self._close, "&#125;")
        return text.replace(self._name, "{").replace(self._end, "}")

    def _describe_page(self, root, page):
        """Say language, direction and title of a document, where it does not say so itself."""
        language, rtl = name_language(page.language), is_right_to_left(page.language)
        if language and "lang" not in root.attrib:
            root.set("lang", language)
            root.set("dir", root.get("dir", "rtl" if rtl else "ltr"))
        body, head = root.find("body"), root.find("head")
        if rtl and body is not None:
            # Web mail shows the body only, inside a page of its own.
            body.set("dir", body.get("dir", "rtl"))
        if head is None:
            head = etree.Element("head")
            root.insert(0, head)
        if head.find("title") is None:
            title = etree.SubElement(head, "title")
            title.text = self._typed(_CONTROLS.sub("", page.title))
        if body is not None:
            # Outlook looks for its settings in the head only.
            head.extend([node for node in body.iter(etree.Comment) if is_settings(node)])

    def _convert(self, root):
        for node in list(root.iter("*")):
            if node not in self._removed:
                self._placeholder(node)
        for node in root.iter():
            if node.tag is etree.Comment:
                node.text = self._comment(node.text or "")
            elif node.tag in _RAW_TEXT:
                node.text = _unbrace(self._css(node.text or ""))
            elif isinstance(node.tag, str):
                node.text = self._typed(node.text)
            if isinstance(node.tag, str):
                self._attributes(node)
            if node is not root:
                node.tail = self._typed(node.tail)

    def _placeholder(self, node):
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

    def _output(self, node, attribute, value):
        inner = " ".join(node.text_content().split())
        placeholder = parse_expression(value, inner)
        if not placeholder:
            return self._report("expression", attribute, value)
        if len(node):
            self._report("fallback_markup", attribute, value)
        self._removed.update(node.iterdescendants())
        for child in list(node):
            node.remove(child)
        del node.attrib[attribute]
        node.text = self._name + self._names.name(placeholder, "body") + self._end

    def _computed_attribute(self, node, attribute, value):
        """``t-att-href="object.website"``. Code and style are no place for people's values."""
        target = attribute.removeprefix("t-att-")
        placeholder = parse_expression(value, node.get(target, ""))
        if not placeholder or target == "style" or target.startswith(("on", "t-")):
            return self._report("expression", attribute, value)
        del node.attrib[attribute]
        node.set(target, self._name + self._names.name(placeholder, "attribute") + self._end)

    def _report(self, code, attribute, value):
        self._problems.append((code, f'{attribute}="{value}"'))

    def _attributes(self, node):
        for attribute, value in node.items():
            if attribute.startswith("t-") or value.startswith(self._name):
                continue
            if attribute in _ADDRESS_ATTRIBUTES:
                value = self._address(value)
            elif attribute == "style":
                value = self._css(value)
            node.set(attribute, self._typed(value))

    def _typed(self, text):
        """Protect the braces that somebody typed: {Word} must not become a variable."""
        if not text or ("{" not in text and "}" not in text):
            return text
        for match in INLINE.finditer(text):
            # It would go out to everybody just as it stands.
            if "object." in match[1]:
                self._problems.append(("inline_in_body", match[0]))
        return text.replace("{", self._open).replace("}", self._close)

    def _comment(self, text):
        """What only Outlook reads is a comment to everybody else; Odoo doesn't fill it either."""
        self._problems += [
            ("directive", found) for found in re.findall(r"\bt-[a-z-]+\s*=\s*[\"'][^\"']*", text)
        ]
        text = replace_addresses(self._css(close_comment(text)), self._address)
        return _unbrace(text)

    def _css(self, text):
        return _CSS_URL.sub(lambda match: match[1] + self._address(match[2]), text)

    def _address(self, address):
        """Return an address made absolute, or ours where ``links`` has one for it."""
        address = address.strip()
        for known in (address, address.removeprefix(self._base)):
            if known in self._links:
                self.links_used.add(known)
                token = self._name + TOKEN + self._end
                return self._base + "/" + self._links[known].lstrip("/") + token
        if not address or address.startswith("#") or _SCHEME.match(address):
            return address
        return urljoin(self._base + "/", address)


def _unbrace(text):
    """Keep a {Word} of a style sheet or comment from being a variable; "{ Word }" says the same."""
    return _VARIABLE.sub(r"{ \1 }", text)


def _base(public_url):
    url = public_url.strip().rstrip("/")
    return url if _SCHEME.match(url) and "//" in url else f"https://{url}"
