# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How the texts of a mail look: color, background and size, inherited values included.

Only what the elements themselves say is known. A builder's class or a style sheet may set another
value, so what depends on one is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import tinycss2
from lxml import html
from tinycss2.color3 import parse_color

from . import styles

#: red, green and blue, each from 0 to 1
Color = tuple[float, float, float]
BLACK: Color = (0.0, 0.0, 0.0)
WHITE: Color = (1.0, 1.0, 1.0)
LARGE, LARGE_BOLD = 24.0, 18.66  # px: WCAG's 18 pt, and 14 pt in bold
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
# Classes of Bootstrap and the builder that set a color, a background or a size.
_COLORED = re.compile(
    r"(?<![\w-])(?:btn|o_cc|link-|text-(?:o-|black|white|primary|secondary|success|info|warning|"
    r"danger|light|dark|muted|body|\d))"
)
_FILLED = re.compile(r"(?<![\w-])(?:btn|o_cc|bg-(?!white)|badge|alert)")
_SIZED = re.compile(
    r"(?<![\w-])(?:btn|small|lead|display-|fs-|h[1-6](?![\w])|h\d-fs|o_small|badge)"
)
_SHEET = {
    "color": re.compile(r"(?<![-\w])color\s*:"),
    "background": re.compile(r"(?<![-\w])background(?:-color)?\s*:"),
    "size": re.compile(r"(?<![-\w])font(?:-size)?\s*:"),
}
# The builder's own style sheet gives buttons a background, and their class is in _FILLED anyway.
# Tried where a rule begins only: at each letter it would take ten times as long.
_BUTTON_RULE = re.compile(r"(?<![^{}])[^{}]*\.btn(?![\w-])[^{},]*\{[^{}]*\}")
_SIZE = re.compile(r"([\d.]+)(px|pt|em|rem|%)")
_PX = {"px": 1.0, "pt": 4 / 3, "rem": 16.0}
_NAMED = {"xx-small": 9.0, "x-small": 10.0, "small": 13.0, "medium": 16.0, "large": 18.0,
          "x-large": 24.0, "xx-large": 32.0}  # fmt: skip
_WORD = re.compile(r"\w")


@dataclass(frozen=True)
class Look:
    """How an element's own text looks; None: unknown.

    :ivar size: in px
    """

    color: Color | None = BLACK
    background: Color | None = WHITE
    size: float | None = 16.0
    bold: bool = False

    @property
    def contrast(self) -> float | None:
        """From 1 to 21, as WCAG 2 counts; None if a color is unknown."""
        if self.color is None or self.background is None:
            return None
        return get_contrast(self.color, self.background)

    @property
    def contrast_needed(self) -> float:
        """3 for large text and for a size that is unknown, otherwise 4.5."""
        if self.size is None:
            return 3.0
        return 3.0 if self.size >= (LARGE_BOLD if self.bold else LARGE) else 4.5


def read_looks(root: html.HtmlElement) -> Iterator[tuple[html.HtmlElement, str, Look]]:
    """Yield (element, its own words, Look) of each element with visible text of its own."""
    sheet = _BUTTON_RULE.sub("", " ".join(node.text or "" for node in root.iter("style")))
    unknown = {name for name, pattern in _SHEET.items() if pattern.search(sheet)}
    pending = [(root, Look())]
    while pending:
        node, inherited = pending.pop()
        look = _read(node, inherited, unknown)
        if look is None:
            continue
        texts = [node.text, *(child.tail for child in node)]
        words = " ".join(" ".join(text for text in texts if text).split())
        if _WORD.search(words):
            yield node, words, look
        children = [child for child in node if isinstance(child.tag, str)]
        pending += [(child, look) for child in reversed(children)]


def get_contrast(one: Color, other: Color) -> float:
    """Return the ratio of the luminances of two colors, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def make_readable(look: Look) -> str:
    """Return the nearest color ("#rrggbb") with enough contrast: darker or lighter than now.

    :param look: with known colors
    """
    color, background = look.color or BLACK, look.background or WHITE
    goal = max((BLACK, WHITE), key=lambda end: get_contrast(end, background))
    for step in range(1, 21):
        mixed = _mix(color, goal, step / 20)
        text = "#%02x%02x%02x" % tuple(round(part * 255) for part in mixed)
        if get_contrast(_parse(text, mixed) or mixed, background) >= look.contrast_needed:
            break
    return text


def set_style(node: html.HtmlElement, **values: str) -> None:
    """Set properties in the ``style`` of an element; ``font_size`` is "font-size"."""
    style = node.get("style") or ""
    for name, value in values.items():
        name = name.replace("_", "-")
        style = re.sub(rf"(?i)(^|;)\s*{name}\s*:[^;]*", r"\1", style).strip("; ")
        style = f"{style};{name}:{value};" if style else f"{name}:{value};"
    node.set("style", re.sub(r";\s*;+", ";", style))


def _luminance(color: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def _read(node: html.HtmlElement, look: Look, unknown: set[str]) -> Look | None:
    """Return the Look of an element inside of ``look``; None if it is hidden.

    :param unknown: names of Look that a style sheet sets
    """
    tag, classes = str(node.tag), node.get("class") or ""
    style = {one.name: one.value for one in styles.parse(node.get("style") or "") or ()}
    size = _read_size(tag, classes, style, look.size, "size" in unknown)
    hidden = style.get("display") == "none" or style.get("visibility") == "hidden"
    if tag in ("style", "script", "title", "sup", "sub") or hidden or size is not None and size < 2:
        return None
    background = WHITE if "bg-white" in classes.split() else look.background
    if _FILLED.search(classes) or "background" in unknown or node.get("background"):
        background = None
    for value in (node.get("bgcolor"), style.get("background"), style.get("background-color")):
        if value:
            background = _fill(value, background)
    if "url(" in style.get("background-image", "") or "gradient" in style.get(
        "background-image", ""
    ):
        background = None
    color = look.color
    if tag in ("a", "button") or _COLORED.search(classes) or "color" in unknown:
        color = None
    for value in (node.get("color"), style.get("color")):
        if value and value != "inherit":
            color = _parse(value, background)
    if "opacity" in style:
        color = None
    bold = look.bold or tag in ("b", "strong", "th", *_HEADINGS)
    if weight := style.get("font-weight"):
        bold = weight == "bold" or weight.isdigit() and int(weight) >= 700
    return replace(look, color=color, background=background, size=size, bold=bold)


def _read_size(
    tag: str, classes: str, style: dict[str, str], inherited: float | None, is_unknown: bool
) -> float | None:
    size = None if is_unknown or tag in _HEADINGS or _SIZED.search(classes) else inherited
    if tag == "small":
        size = size and size * 0.875
    value = style.get("font-size", "").lower()
    if value in _NAMED:
        return _NAMED[value]
    if match := _SIZE.fullmatch(value):
        number, unit = float(match[1]), match[2]
        if unit in _PX:
            return number * _PX[unit]
        return inherited and number * inherited / (100 if unit == "%" else 1)
    if value == "0":
        return 0.0
    return size if value in ("", "inherit") else None


def _fill(value: str, behind: Color | None) -> Color | None:
    """Return the color of a ``background``, None for a picture, gradient or unknown value."""
    if "url(" in value or "gradient" in value:
        return None
    for token in tinycss2.parse_component_value_list(value, skip_comments=True):
        if parse_color(token):
            return _parse(tinycss2.serialize([token]), behind)
    return behind if value in ("none", "inherit") else None


def _parse(value: str, behind: Color | None) -> Color | None:
    """Return a color, None if it is unknown.

    :param behind: shines through a color that is not opaque
    """
    parsed = parse_color(value)
    if parsed is None or isinstance(parsed, str):
        return None
    color = (parsed.red, parsed.green, parsed.blue)
    if parsed.alpha >= 1:
        return color
    return None if behind is None else _mix(behind, color, parsed.alpha)
