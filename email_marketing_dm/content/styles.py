# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Declarations of CSS as mails use them: read, shortened, and judged as needed or not.

Mail programs know far less than browsers, so nothing here rewrites a declaration into a newer or
cleverer form. What stays, stays as its author wrote it, only without spaces and with colours as
``#rrggbb``.
"""

import re
from dataclasses import dataclass, replace

import tinycss2
from tinycss2.color3 import parse_color

INHERITED = frozenset(
    """border-collapse border-spacing caption-side color cursor direction font-family font-size
    font-style font-variant font-weight letter-spacing line-height list-style-image
    list-style-position list-style-type overflow-wrap text-align text-indent text-size-adjust
    text-transform visibility white-space word-break word-spacing""".split()
)
SIDES = ("top", "right", "bottom", "left")
# Only editors and pointers in a browser ever read these.
_USELESS = frozenset(("cursor", "transition", "user-select", "caption-side", "will-change"))
# What every element has that nothing says otherwise about, in any of the ways to write it.
_INITIAL = {
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
_ROOT_DEFAULTS = {
    "font-style": "normal",
    "letter-spacing": "normal",
    "text-indent": "0",
    "text-transform": "none",
    "visibility": "visible",
    "white-space": "normal",
    "word-spacing": "normal",
}
# Where browsers and mail programs have another default; these properties are kept there.
_BOX = ("margin", "margin-top", "margin-right", "margin-bottom", "margin-left")
_OWN_DEFAULTS = {
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
# Their insides start afresh: old modes of browsers, and Outlook, hand no font into a table.
FRESH = frozenset(("table",))
# A cell keeps its fonts whatever its table says, for the same reason.
KEEPS_FONTS = frozenset(("table", "td", "th"))
# What `prune` finds among the attributes of everything in a table without cell padding.
UNPADDED = "unpadded"
# The same in a table with a border, half of which may be the cell's.
BORDERED = "bordered"
# A form control looks different everywhere; nothing is taken from it.
UNTOUCHED = frozenset(("input", "button", "select", "textarea", "svg", "math", "fieldset"))
_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)\s*\)")
_SHORTHANDS = ("background", "border", "font", "margin", "padding")
_WRITES = UNTOUCHED | {"img", "br"}  # a picture's alternative text, a line's height
_ZERO = re.compile(r"(?<![\w.#-])0(?:\.0+)?(?:px|pt|em|rem)\b", re.IGNORECASE)
_COMPARABLE = re.compile(r"^(?!.*(?:var|calc|attr|env)\()", re.IGNORECASE)
_RELATIVE = re.compile(r"(?:%|\d(?:r?em|ex|ch)\b|larger|smaller|bolder|lighter|\()", re.IGNORECASE)
_KEYWORDS = ("inherit", "initial", "unset", "revert")
_BORDER_PART = re.compile(r"border(?:-(?:top|right|bottom|left))?-(?:color|style|width)")


@dataclass(frozen=True)
class Declaration:
    """One ``name: value``, the value shortened."""

    name: str
    value: str
    important: bool = False

    def __str__(self):
        return f"{self.name}:{self.value}{'!important' if self.important else ''}"


def parse(style):
    """Return the Declarations of a ``style`` attribute in order, or None if it has an error.

    What a browser would skip may mean something to a mail program, so such a style is left alone.
    """
    found = tinycss2.parse_blocks_contents(style, skip_comments=True, skip_whitespace=True)
    if any(node.type != "declaration" for node in found):
        return None
    return [
        Declaration(node.lower_name, _value(node.lower_name, node.value), node.important)
        for node in found
    ]


def _value(name, tokens):
    text = minify(tokens)
    if name.startswith(("--", "mso-")):
        return text
    if name not in ("font", "flex", "content", "font-family", "line-height", "background"):
        text = _ZERO.sub("0", text)
    return text


def minify(tokens):
    """Return tokens as text without comments and needless spaces, colours as ``#rrggbb``."""
    parts = []
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


def _color(token):
    """``rgb(1, 2, 3)`` as ``#010203``: shorter, and read by more mail programs."""
    color = parse_color(token)
    if color and color.alpha == 1:
        return "#%02x%02x%02x" % tuple(round(part * 255) for part in color[:3])
    return f"{token.name}({minify(token.arguments)})"


def resolve(declarations, variables):
    """Replace ``var(--x)`` by its value, which no mail program would do, where it has only one."""

    def fill(match):
        return variables.get(match[1]) or match[0]

    return [replace(found, value=_VARIABLE.sub(fill, found.value)) for found in declarations]


def settle(declarations):
    """Return resolved declarations without what still has a variable.

    A browser takes the parent's value for such a property if it is an inherited one.
    """
    return [
        replace(one, value="inherit") if "var(" in one.value else one
        for one in declarations
        if "var(" not in one.value or one.name in INHERITED
    ]


def merge(declarations):
    """Drop what a later declaration of the same name overrides, and join the four sides of one.

    A value with a function stays beside the simpler one before it: that is how mails say what to
    do where the function isn't known.
    """
    kept = []
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


def _covers(shorthand, name):
    return (
        shorthand in _SHORTHANDS
        and name.startswith(f"{shorthand}-")
        and name not in ("border-radius", "border-collapse", "border-spacing")
    )


def _join(declarations, pattern):
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
        # Only what comes before may be overridden by the joined one as by its parts.
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


def uses(declarations, tag, has_text, below):
    """Return the inherited properties whose value in the parent shows in an element or inside it.

    :param has_text: whether text or an image stands directly in the element
    :param below: the same of its children, joined
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


def prune(declarations, tag, attributes, inherited, fixed, used):
    """Drop declarations without which the element looks the same.

    :param attributes: the element's; ``align``, ``border`` and the like set styles too
    :param inherited: {name: value} known to come from its ancestors
    :param fixed: names that a style sheet of this mail sets somewhere: these are never dropped
    :param used: names of inherited properties that show in the element or inside it
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

    def needed(one):
        if one.name in fixed or one.important and one.name not in _USELESS:
            return True
        if not _COMPARABLE.match(one.value):
            return True
        if one.name in _USELESS:
            return False
        if borderless and (_BORDER_PART.fullmatch(one.name) or one.name == "border"):
            # Old programs draw a frame around a picture that is a link.
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


def _needs_inherited(one, tag, own, inherited, attributes, used):
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


def is_borderless(declarations, tag, attributes, fixed):
    """Tell whether no side has a border, so that what is said about borders says nothing."""
    if tag == "hr" or any(name.startswith("border") for name in fixed):
        return False
    if attributes.get("border", "0") not in ("0", ""):
        return False
    width = style = None
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
    # Without a style there is no border, whatever its width.
    return style is None and (width is None or not width.strip("0 "))


def hand_down(declarations, tag, attributes, inherited):
    """Return what an element's children inherit, as far as it is known."""
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
