# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""CSS declarations of a mail: parses and shortens them, and drops those without a visible effect.

Mail programs know far less CSS than browsers, so no declaration is rewritten into a newer form. A
declaration that is kept loses only spaces and comments, and gets colours as ``#rrggbb``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import tinycss2
from tinycss2.color3 import parse_color

Node = Any  # tinycss2 has no types

INHERITED = frozenset(
    """border-collapse border-spacing caption-side color cursor direction font-family font-size
    font-style font-variant font-weight letter-spacing line-height list-style-image
    list-style-position list-style-type overflow-wrap text-align text-indent text-size-adjust
    text-transform visibility white-space word-break word-spacing""".split()
)
SIDES = ("top", "right", "bottom", "left")
# No effect in a mail: only editors and a browser's pointer use these properties.
_USELESS = frozenset(("cursor", "transition", "user-select", "caption-side", "will-change"))
# {property: spellings of its initial value}; `prune` drops these.
_INITIAL: dict[str, tuple[str, ...]] = {
    "background-color": ("transparent", "rgba(0,0,0,0)"),
    "background-image": ("none",),
    "border-image": ("initial", "none", "none 100%/1/0 stretch"),
    "border-image-outset": ("initial", "0"),
    "border-image-repeat": ("initial", "stretch"),
    "border-image-slice": ("initial", "100%"),
    "border-image-source": ("initial", "none"),
    "border-image-width": ("initial", "1"),
    "border-radius": ("0",),
    "align-self": ("auto",),
    "clear": ("none",),
    "float": ("none",),
    "max-height": ("none",),
    "max-width": ("none",),
    "min-height": ("0", "auto"),
    "min-width": ("0", "auto"),
    "object-fit": ("fill",),
    "opacity": ("1",),
    "overflow": ("visible",),
    "position": ("static",),
    "text-decoration": ("none",),
    "margin-inline": ("0",),
    "margin-block": ("0",),
}
# {inherited property: its value where no ancestor sets it}.
_ROOT_DEFAULTS = {
    "font-style": "normal",
    "letter-spacing": "normal",
    "text-indent": "0",
    "text-transform": "none",
    "visibility": "visible",
    "white-space": "normal",
    "word-spacing": "normal",
}
# {tag: properties whose default differs from the initial or inherited value}; kept by `prune`.
_BOX = ("margin", "margin-top", "margin-right", "margin-bottom", "margin-left")
_OWN_DEFAULTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("p", "blockquote", "figure", "dl", "dd", "pre", "form", "body"), (*_BOX,)),
    **{f"h{n}": (*_BOX, "font-size", "font-weight") for n in range(1, 7)},
    "body": (*_BOX, "padding"),
    "hr": (*_BOX, "border", "border-style", "border-width", "border-color", "color", "overflow"),
    "ul": (*_BOX, "padding", "list-style-type"),
    "ol": (*_BOX, "padding", "list-style-type"),
    "a": ("color", "text-decoration", "cursor"),
    "u": ("text-decoration",),
    "ins": ("text-decoration",),
    "s": ("text-decoration",),
    "strike": ("text-decoration",),
    "del": ("text-decoration",),
    "b": ("font-weight",),
    "strong": ("font-weight",),
    "em": ("font-style",),
    "i": ("font-style",),
    "small": ("font-size",),
    "big": ("font-size",),
    "sub": ("font-size",),
    "sup": ("font-size",),
    "font": ("color", "font-family", "font-size"),
    "center": ("text-align",),
    "code": ("font-family", "font-size"),
    "pre": (*_BOX, "font-family", "font-size", "white-space"),
    "caption": ("text-align",),
    "img": ("border", "border-style", "border-width", "max-width", "max-height", "overflow"),
}
# Elements that hand nothing down: Outlook and browsers in quirks mode inherit no font in a table.
FRESH = frozenset(("table",))
# Elements whose declarations of inherited properties are kept, for the same reason as `FRESH`.
KEEPS_FONTS = frozenset(("table", "td", "th"))
# Pseudo attribute that `compaction` gives to everything in a table with cellpadding="0".
UNPADDED = "unpadded"
# Pseudo attribute for everything in a table with a border: cells may share the border.
BORDERED = "bordered"
# Elements whose styles are kept whole: defaults of form controls differ between programs.
UNTOUCHED = frozenset(("input", "button", "select", "textarea", "svg", "math", "fieldset"))
_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)\s*\)")
_SHORTHANDS = ("background", "border", "font", "margin", "padding")
# Elements that use inherited text properties without text of their own: <img> for its alternative
# text, <br> for the height of its line.
_WRITES = UNTOUCHED | {"img", "br"}
_ZERO = re.compile(r"(?<![\w.#-])0(?:\.0+)?(?:px|pt|em|rem)\b", re.IGNORECASE)
_COMPARABLE = re.compile(r"^(?!.*(?:var|calc|attr|env)\()", re.IGNORECASE)
_RELATIVE = re.compile(r"(?:%|\d(?:r?em|ex|ch)\b|larger|smaller|bolder|lighter|\()", re.IGNORECASE)
_KEYWORDS = ("inherit", "initial", "unset", "revert")
_BORDER_PART = re.compile(r"border(?:-(?:top|right|bottom|left))?-(?:color|style|width)")


@dataclass(frozen=True)
class Declaration:
    """One ``name: value``, the value minified."""

    name: str
    value: str
    important: bool = False

    def __str__(self) -> str:
        return f"{self.name}:{self.value}{'!important' if self.important else ''}"


# The builder writes a few styles onto all elements, and a form checks its mail at each change.
@lru_cache(maxsize=1024)
def parse(style: str) -> tuple[Declaration, ...] | None:
    """Return the Declarations of a ``style`` attribute in order, or None if it has an error.

    A mail program may understand what a browser skips, so callers leave an invalid style alone.
    """
    found = tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True)
    if any(node.type != "declaration" for node in found):
        return None
    return tuple(
        Declaration(node.lower_name, _value(node.lower_name, node.value), node.important)
        for node in found
    )


def _value(name: str, tokens: Iterable[Node]) -> str:
    text = minify(tokens)
    if name.startswith(("--", "mso-")):
        return text
    if name not in ("font", "flex", "content", "font-family", "line-height", "background"):
        text = _ZERO.sub("0", text)
    return text


def minify(tokens: Iterable[Node]) -> str:
    """Return tokens as text without comments and needless spaces, colours as ``#rrggbb``."""
    parts: list[str] = []
    for token in tokens:
        if token.type == "whitespace":
            parts.append(" ")
        elif token.type == "function" and token.lower_name in ("rgb", "rgba", "hsl"):
            parts.append(_color(token))
        elif token.type == "function":
            parts.append(f"{token.name}({minify(token.arguments)})")
        elif token.type != "comment":
            parts.append(token.serialize())
    text = re.sub(r" *, *", ",", "".join(parts)) if '"' not in "".join(parts) else "".join(parts)
    return re.sub(r" +", " ", text).strip()


def _color(token: Node) -> str:
    """Return ``rgb(1, 2, 3)`` as ``#010203``, which is shorter and known to more mail programs."""
    color = parse_color(token)
    if color and color.alpha == 1:
        return "#%02x%02x%02x" % tuple(round(part * 255) for part in color[:3])
    return f"{token.name}({minify(token.arguments)})"


def resolve(declarations: Iterable[Declaration], variables: Mapping[str, str]) -> list[Declaration]:
    """Replace ``var(--x)`` by its value, because mail programs know no variables.

    :param variables: {name: value} of variables with one value in the whole mail; others stay
    """

    def fill(match: re.Match[str]) -> str:
        return variables.get(match[1]) or match[0]

    return [
        replace(one, value=_VARIABLE.sub(fill, one.value)) if "var(" in one.value else one
        for one in declarations
    ]


def settle(declarations: Iterable[Declaration]) -> list[Declaration]:
    """Drop declarations that `resolve` left with a variable.

    Inherited properties become "inherit" instead, as a browser does with an unknown variable.
    """
    return [
        replace(one, value="inherit") if "var(" in one.value else one
        for one in declarations
        if "var(" not in one.value or one.name in INHERITED
    ]


def merge(declarations: Sequence[Declaration]) -> list[Declaration]:
    """Drop declarations that a later one overrides, and join the four sides of a property.

    A simple value before a value with a function is kept: programs that do not know the function
    fall back to the simple value.
    """
    kept: list[Declaration] = []
    for place, declaration in enumerate(declarations):
        later = [
            other
            for other in declarations[place + 1 :]
            if (other.name == declaration.name or _covers(other.name, declaration.name))
            and other.important >= declaration.important
        ]
        if not any("(" not in other.value or other.value == declaration.value for other in later):
            kept.append(declaration)
    for pattern in ("padding-%s", "margin-%s", "border-%s-color", "border-%s-width",
                    "border-%s-style"):  # fmt: skip
        kept = _join(kept, pattern)
    return kept


def _covers(shorthand: str, name: str) -> bool:
    """Return whether a shorthand such as "margin" resets a property such as "margin-top"."""
    return (
        shorthand in _SHORTHANDS
        and name.startswith(f"{shorthand}-")
        and name not in ("border-radius", "border-collapse", "border-spacing")
    )


def _join(declarations: list[Declaration], pattern: str) -> list[Declaration]:
    """Replace four sides by their shorthand if the cascade stays the same.

    :param pattern: name of the sides, e.g. "border-%s-color"
    """
    names = [pattern % side for side in SIDES]
    short = pattern.replace("-%s", "")
    found = [one for one in declarations if one.name in names]
    values = {one.name: one.value for one in found}
    if len(found) != 4 or len(values) != 4 or len({one.important for one in found}) != 1:
        return declarations
    if any(" " in value or value in _KEYWORDS for value in values.values()):
        return declarations
    family = short.partition("-")[0]
    if any(one.name.startswith(family) and one.name not in names for one in declarations):
        others = [one for one in declarations if one.name.startswith(family)]
        # The joined declaration takes the last side's place, so another one of the family between
        # or behind the sides could be overridden differently.
        first = declarations.index(found[0])
        if any(declarations.index(one) > first and one.name not in names for one in others
               if not _BORDER_PART.fullmatch(one.name)):  # fmt: skip
            return declarations
    top, right, bottom, left = (values[name] for name in names)
    text = f"{top} {right} {bottom} {left}"
    if left == right:
        text = f"{top} {right} {bottom}"
        if top == bottom:
            text = top if top == right else f"{top} {right}"
    joined = Declaration(short, text, found[0].important)
    result = [one for one in declarations if one not in found]
    result.insert(min(declarations.index(found[-1]), len(result)), joined)
    return result


def uses(
    declarations: Iterable[Declaration], tag: str, has_text: bool, below: AbstractSet[str]
) -> tuple[set[str], set[str]]:
    """Return which inherited properties have a visible effect in an element or its descendants.

    :param has_text: whether text or an image stands directly in the element
    :param below: names that the children use from this element: union of their second results
    :return: (names used in the element or below it, those of them that it takes from its parent)
    """
    found = set(INHERITED) if has_text or tag in _WRITES else set(below)
    own = [one for one in declarations if one.name not in INHERITED]
    if tag in _OWN_DEFAULTS or any(re.search(r"\d(?:r?em|ex|ch|lh)\b", one.value) for one in own):
        found.add("font-size")
    if any(one.name.startswith("border") for one in own):
        found.add("color")
    settled = {
        one.name
        for one in declarations
        if one.value not in _KEYWORDS and not _RELATIVE.search(one.value)
    }
    return found, found - settled


def prune(
    declarations: list[Declaration],
    tag: str,
    attributes: Mapping[str, str],
    inherited: Mapping[str, str],
    fixed: Collection[str],
    used: Collection[str],
) -> list[Declaration]:
    """Drop declarations without a visible effect.

    :param attributes: the element's (``align``, ``border`` and others set styles too), with
        `UNPADDED` and `BORDERED`
    :param inherited: {name: value} known to come from its ancestors, see `hand_down`
    :param fixed: names that a style sheet of this mail sets somewhere: these are never dropped
    :param used: names of inherited properties with a visible effect, see `uses`
    """
    if tag in UNTOUCHED:
        return declarations
    own = _OWN_DEFAULTS.get(tag, ())
    names = {one.name for one in declarations}
    borderless = is_borderless(declarations, tag, attributes, fixed)
    sized = any(
        name in ("width", "height") or name.startswith(("min-", "max-")) for name in names
    ) or {"width", "height"} & set(attributes)
    padded = any(
        one.name.startswith("padding") and one.value.strip("0 ") for one in declarations
    ) or (tag in ("td", "th") and ("padding" not in names or BORDERED in attributes))

    def needed(one: Declaration) -> bool:
        if one.name in fixed or one.important and one.name not in _USELESS:
            return True
        if not _COMPARABLE.match(one.value):
            return True
        if one.name in _USELESS:
            return False
        if borderless and (_BORDER_PART.fullmatch(one.name) or one.name == "border"):
            # Old mail programs draw a frame around a picture in a link.
            return tag == "img" and one.name in ("border", "border-style")
        if one.name == "box-sizing":
            return not (one.value == "border-box" and not (sized and (padded or not borderless)))
        if one.name in INHERITED:
            return _needs_inherited(one, tag, own, inherited, attributes, used)
        if one.name in own:
            return True
        if one.name.startswith(("padding", "margin")) and not one.value.strip("0 "):
            if one.name.startswith("padding") and tag in ("td", "th"):
                return UNPADDED not in attributes
            return len([name for name in names if name.startswith(one.name.split("-")[0])]) > 1
        return one.value not in _INITIAL.get(one.name, ())

    return [one for one in declarations if needed(one)]


def _needs_inherited(
    one: Declaration,
    tag: str,
    own: Collection[str],
    inherited: Mapping[str, str],
    attributes: Mapping[str, str],
    used: Collection[str],
) -> bool:
    """Return whether a declaration of an inherited property has a visible effect.

    :param own: names for which the tag has a default of its own; the others as for `prune`
    """
    if one.name in ("border-collapse", "border-spacing"):
        return True
    if one.name not in used:
        return False
    if one.name in own:
        return True
    if one.name == "text-align" and ("align" in attributes or tag == "th"):
        return True
    if tag in KEEPS_FONTS:
        return True
    if one.value in ("inherit", "unset"):
        return False
    return inherited.get(one.name, _ROOT_DEFAULTS.get(one.name)) != one.value


def is_borderless(
    declarations: Iterable[Declaration],
    tag: str,
    attributes: Mapping[str, str],
    fixed: Iterable[str],
) -> bool:
    """Return whether no side has a border, so that declarations about borders have no effect."""
    if tag == "hr" or any(name.startswith("border") for name in fixed):
        return False
    if attributes.get("border", "0") not in ("0", ""):
        return False
    width: str | None = None
    style: str | None = None
    for one in declarations:
        if one.name.startswith(("border-collapse", "border-spacing", "border-radius")):
            continue
        if re.fullmatch(r"border(-(top|right|bottom|left))?", one.name):
            words = one.value.split()
            if one.name == "border":
                width = style = None
            if not {"0", "none", "hidden"} & set(words):
                return False
        elif one.name == "border-width":
            width = one.value
        elif one.name == "border-style":
            style = one.value
        elif re.fullmatch(r"border-(top|right|bottom|left)-(style|width)", one.name):
            if one.value not in ("0", "none", "hidden"):
                return False
    nothing = ("0", "none", "hidden")
    if style is not None and all(word in nothing for word in style.split()):
        return True
    if width is not None and not width.strip("0 "):
        return True
    # The initial border-style is "none": no border, whatever its width.
    return style is None and (width is None or not width.strip("0 "))


def hand_down(
    declarations: Iterable[Declaration],
    tag: str,
    attributes: Mapping[str, str],
    inherited: Mapping[str, str],
) -> dict[str, str]:
    """Return {name: value} that an element's children inherit, as far as it is known.

    :param inherited: the same of the element itself
    """
    known = {} if tag in FRESH else dict(inherited)
    for name in _OWN_DEFAULTS.get(tag, ()):
        known.pop(name, None)
    if "align" in attributes or tag == "th":
        known.pop("text-align", None)
    if tag == "th":
        known.pop("font-weight", None)
    for one in declarations:
        if one.name in ("font", "all", "list-style"):
            known.clear()
        elif one.name in INHERITED:
            known.pop(one.name, None)
            unitless = one.name == "line-height" and re.fullmatch(r"[\d.]+", one.value)
            if one.value not in _KEYWORDS and (unitless or not _RELATIVE.search(one.value)):
                known[one.name] = one.value
    return known
