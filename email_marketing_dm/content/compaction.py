# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Makes a mail's HTML smaller without a visible change.

Odoo's builder writes every computed style onto every element, mostly defaults and inherited values:
95 KB for the Newsletter theme as shipped. DirectMail takes about 80 KB in a URL, and Gmail clips
a mail after 102 KB.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import cssselect2
import tinycss2
from lxml import etree

from . import styles
from .styles import Declaration

Selector = Any  # cssselect2 has no types

#: id of the builder's own style sheet, for its editor; the style attributes repeat its rules
_BUILDER_STYLE = "design-element"
_KEPT_DATA = ("data-ogsc", "data-ogsb")  # Outlook.com's dark mode, in style sheets
_SPACE_KEPT = frozenset(("pre", "textarea", "style", "script", "title"))
_TABLE_PARTS = frozenset(("table", "tbody", "thead", "tfoot", "tr", "colgroup"))
_BLOCKS = frozenset(
    """address article aside blockquote body center dd div dl dt figure footer form h1 h2 h3 h4 h5
    h6 head header hr html li main nav ol p section style table tbody td tfoot th thead title tr
    ul""".split()
)
_SPACES = re.compile(r"[ \t\r\n\f]+")
_COMMENT_STYLE = re.compile(r"""(\sstyle\s*=\s*)(["'])(.*?)\2""", re.DOTALL)
_COMMENT_NOISE = re.compile(r"""\s(?:data-(?!filter)[\w-]+|class|contenteditable)="[^"]*\"""")
_CONDITIONAL = re.compile(r"^\s*(\[if\b|<!\[endif\])", re.IGNORECASE)


def compact(root: etree._Element) -> None:
    """Compact a tree in place: a whole document or a fragment, placeholders already replaced."""
    sheets = _Sheets(root)
    builders = sheets.builder_declarations(root)
    for node in list(root.iter()):
        if isinstance(node, etree._Comment):
            _compact_comment(node)
        elif isinstance(node.tag, str):
            _drop_attributes(node, sheets)
    _Elements(root, sheets, builders).shorten(root)
    _collapse_spaces(root)


class _Sheets:
    """Minifies the style sheets of a mail in place and collects the names in them.

    :ivar properties: properties that a rule sets, shorthands with their parts
    :ivar words: identifiers of selectors: classes (".name"), ids ("#name"), tags, attributes
    :ivar variables: {name: value} of CSS variables with one value in the whole mail
    """

    def __init__(self, root: etree._Element) -> None:
        self.properties: set[str] = set()
        self.words: set[str] = set()
        self.variables: dict[str, str] = {}
        self._builder_rules: list[tuple[Selector, list[Declaration]]] = []
        clashing: set[str] = set()
        for node in list(root.iter("style")):
            text = node.text or ""
            for name, value in re.findall(r"(--[\w-]+)\s*:\s*([^;{}]+)", text):
                if self.variables.setdefault(name, value.strip()) != value.strip():
                    clashing.add(name)
            if node.get("id") == _BUILDER_STYLE:
                self._builder_rules += _rules(text)
                _remove(node)
                continue
            for attribute in set(node.attrib) - {"type", "media"}:
                del node.attrib[attribute]
            self._read(text)
            node.text = _minify_sheet(text)
            if not node.text:
                _remove(node)
        for name in clashing:
            del self.variables[name]

    def builder_declarations(self, root: etree._Element) -> dict[etree._Element, list[Declaration]]:
        """Return {element: Declarations} of the builder's rules, in the order of the cascade.

        The builder copies its rules into the style attributes before it adds elements for Outlook,
        so these elements would lose the rules together with the style sheet.
        """
        if not self._builder_rules:
            return {}
        matcher = cssselect2.Matcher()
        for selector, declarations in self._builder_rules:
            matcher.add_selector(
                selector, styles.settle(styles.resolve(declarations, self.variables))
            )
        return {
            element.etree_element: [
                one for *_order, declarations in matcher.match(element) for one in declarations
            ]
            for element in cssselect2.ElementWrapper.from_html_root(root).iter_subtree()
        }

    def _read(self, text: str) -> None:
        for name in re.findall(r"([a-z-]+)\s*:", text.lower()):
            self.properties.add(name)
            self.properties |= _parts_of(name)
        self.words.update(re.findall(r"[.#]?[A-Za-z_][\w-]*", text))


# Nearly the same in all mails, while each has hundreds of elements to apply it to.
@lru_cache(maxsize=16)
def _rules(text: str) -> tuple[tuple[Selector, list[Declaration]], ...]:
    """Return (selector, Declarations) of every rule of the builder's style sheet."""
    found: list[tuple[Selector, list[Declaration]]] = []
    for rule in tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True):
        if rule.type != "qualified-rule":
            continue
        parsed = styles.parse(tinycss2.serialize(rule.content)) or ()
        declarations = [one for one in parsed if not one.name.startswith("--")]
        with contextlib.suppress(cssselect2.SelectorError):
            selectors = cssselect2.compile_selector_list(rule.prelude)
            found += [(selector, declarations) for selector in selectors if declarations]
    return tuple(found)


def _parts_of(name: str) -> set[str]:
    """Return the properties that a shorthand sets, and the shorthand of a property."""
    family = name.split("-")[0]
    if family in ("margin", "padding", "border", "background", "font", "text", "list"):
        return (
            {known for known in (*styles.INHERITED, *_FAMILIES) if known.split("-")[0] == family}
            | {family}
            | ({"line-height"} if name == "font" else set())
        )
    return set()


_FAMILIES = (
    *(f"{kind}-{side}" for kind in ("margin", "padding", "border") for side in styles.SIDES),
    *(f"border-{part}" for part in ("color", "style", "width", "radius")),
    *(f"border-{s}-{p}" for s in styles.SIDES for p in ("color", "style", "width")),
    *(f"background-{part}" for part in ("color", "image", "position", "repeat", "size")),
    "text-decoration",
)  # fmt: skip


def _minify_sheet(text: str) -> str:
    """Return a style sheet without comments and needless spaces."""
    if "<!--" in text or "{ " not in text and "\n" not in text and "/*" not in text:
        return text.strip()
    rules = tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)
    if any(rule.type == "error" for rule in rules):
        return text.strip()
    return "".join(_SPACES.sub(" ", rule.serialize()).strip() for rule in rules)


def _remove(node: etree._Element) -> None:
    """Remove a node from its tree and keep the text behind it."""
    parent, previous = node.getparent(), node.getprevious()
    if parent is None:
        return
    if node.tail:
        if previous is not None:
            previous.tail = (previous.tail or "") + node.tail
        else:
            parent.text = (parent.text or "") + node.tail
    parent.remove(node)


def _compact_comment(node: etree._Element) -> None:
    """Shorten a conditional comment, which is content for Outlook; remove any other comment."""
    text = node.text or ""
    if not _CONDITIONAL.match(text):
        _remove(node)
        return

    def shorten(match: re.Match[str]) -> str:
        if "&" in match[3]:
            return match[0]
        declarations = styles.parse(match[3])
        if declarations is None:
            return match[0]
        quote = match[2]
        text = ";".join(map(str, styles.merge(declarations)))
        return match[0] if quote in text else f"{match[1]}{quote}{text}{quote}"

    text = _COMMENT_NOISE.sub("", _COMMENT_STYLE.sub(shorten, text))
    node.text = re.sub(r">\s+<", "><", _SPACES.sub(" ", text))


def _drop_attributes(node: etree._Element, sheets: _Sheets) -> None:
    """Drop attributes of the editor, and classes that no style sheet mentions."""
    for name, value in node.items():
        if name.startswith("data-") and name not in _KEPT_DATA or name == "contenteditable":
            del node.attrib[name]
        elif name == "class":
            kept = [word for word in value.split() if {word, f".{word}"} & sheets.words]
            if kept:
                node.set("class", " ".join(kept))
            else:
                del node.attrib["class"]


class _Elements:
    """Prunes the style attributes in two passes.

    `_find_used` goes from the leaves to the root for the inherited properties that each element
    uses; `shorten` goes from the root to the leaves with the values that each element inherits.

    :param builders: see `_Sheets.builder_declarations`
    """

    def __init__(
        self,
        root: etree._Element,
        sheets: _Sheets,
        builders: Mapping[etree._Element, list[Declaration]],
    ) -> None:
        self._sheets = sheets
        # None for a style attribute with an error
        self._styles: dict[etree._Element, list[Declaration] | None] = {}
        self._used: dict[etree._Element, set[str]] = {}
        for node in root.iter():
            if isinstance(node.tag, str):
                parsed = styles.parse(node.get("style") or "")
                found = None
                if parsed is not None:
                    cascaded = _cascaded(builders.get(node, ()), parsed)
                    found = styles.merge(styles.resolve(cascaded, sheets.variables))
                self._styles[node] = found
        self._find_used(root)

    def _find_used(self, root: etree._Element) -> None:
        through: dict[etree._Element, set[str]] = {}
        for node in reversed(list(root.iter())):
            if not isinstance(node.tag, str):
                continue
            below: set[str] = set()
            for child in node:
                below |= through.get(child, set())
            declarations = self._styles[node] or []
            self._used[node], through[node] = styles.uses(
                declarations, node.tag, _has_text(node), below
            )

    def shorten(self, root: etree._Element) -> None:
        """Write the shortened style attributes."""
        # (element, inherited values, pseudo attributes of its table)
        stack: list[tuple[etree._Element, dict[str, str], dict[str, str]]] = [(root, {}, {})]
        while stack:
            node, inherited, table = stack.pop()
            declarations = self._styles[node]
            tag, attributes = str(node.tag), dict(node.attrib)
            if tag == "table":
                table = self._describe_table(attributes, declarations or [])
            else:
                attributes |= table
            if declarations is not None:
                declarations = styles.prune(
                    declarations,
                    tag,
                    attributes,
                    inherited,
                    self._sheets.properties,
                    self._used[node],
                )
                _set_style(node, declarations)
            known: dict[str, str] = {}
            if declarations is not None:  # an invalid style may set any property
                known = styles.hand_down(declarations, tag, attributes, inherited)
            stack += [(child, known, table) for child in node if isinstance(child.tag, str)]

    def _describe_table(
        self, attributes: Mapping[str, str], declarations: list[Declaration]
    ) -> dict[str, str]:
        """Return the pseudo attributes of everything in a table: `styles.UNPADDED`, `BORDERED`."""
        table: dict[str, str] = {}
        if attributes.get("cellpadding", "").strip() in ("0", "0px"):
            table[styles.UNPADDED] = "1"
        if not styles.is_borderless(declarations, "table", attributes, self._sheets.properties):
            table[styles.BORDERED] = "1"
        return table


def _cascaded(rules: Iterable[Declaration], style: Iterable[Declaration]) -> list[Declaration]:
    """Return the declarations of the rules and of the style attribute, the winning one last.

    "!important" of a rule is dropped: the order already says which declaration wins.
    """
    return [
        *(one for one in rules if not one.important),
        *(one for one in style if not one.important),
        *(replace(one, important=False) for one in rules if one.important),
        *(one for one in style if one.important),
    ]


def _set_style(node: etree._Element, declarations: Iterable[Declaration]) -> None:
    text = ";".join(map(str, declarations))
    if '"' in text and "'" not in text:
        text = text.replace('"', "'")  # would be &quot; in the attribute
    if text:
        node.set("style", text)
    else:
        node.attrib.pop("style", None)


def _has_text(node: etree._Element) -> bool:
    """Return whether an element has lines of its own: text or an inline child."""
    if node.text and node.text.strip(" \t\r\n\f"):
        return True
    return any(
        child.tail
        and child.tail.strip(" \t\r\n\f")
        or isinstance(child.tag, str)
        and not _is_block(child)
        for child in node
    )


def _collapse_spaces(root: etree._Element) -> None:
    for node in root.iter():
        if node.tag in _SPACE_KEPT or _keeps_spaces(node):
            continue
        if isinstance(node.tag, str):
            first = node[0] if len(node) else None
            node.text = _collapsed(node.text, node, None, first)
        parent = node.getparent()
        if parent is not None and node is not root and not _keeps_spaces(parent):
            node.tail = _collapsed(node.tail, parent, node, node.getnext())


def _collapsed(
    text: str | None,
    parent: etree._Element,
    before: etree._Element | None,
    after: etree._Element | None,
) -> str | None:
    """Collapse the spaces of a text as a browser does.

    :param before: sibling before the text; None at the start of the parent
    :param after: sibling behind the text; None at the end of the parent
    """
    if not text:
        return text
    text = _SPACES.sub(" ", text)
    if parent.tag in _TABLE_PARTS:
        return text.strip(" ") or None
    if before is None and _is_block(parent) or before is not None and _is_block(before):
        text = text.lstrip(" ")
    if after is None and _is_block(parent) or after is not None and _is_block(after):
        text = text.rstrip(" ")
    return text or None


def _is_block(node: etree._Element) -> bool:
    if node.tag not in _BLOCKS:
        return False
    style = (node.get("style") or "").replace(" ", "")
    return "inline" not in style and "float:" not in style


def _keeps_spaces(node: etree._Element) -> bool:
    """Return whether an element or an ancestor shows the spaces of its text."""
    found: etree._Element | None = node
    while found is not None:
        if found.tag in _SPACE_KEPT or "white-space" in (found.get("style") or ""):
            return True
        found = found.getparent()
    return False
