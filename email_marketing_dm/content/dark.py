# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""How a mail looks in dark mode: colors of texts and backgrounds change, pictures stay as they are.

Light backgrounds become dark and dark texts light; dark backgrounds and light texts stay
(partial inversion, as in Outlook and Gmail). A color changes only its lightness, mapped from 0..100
to 100..`BASE` in CIELAB, as in roosterjs, the editor of Outlook on the web.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tinycss2
from lxml import etree, html
from tinycss2.color3 import RGBA, parse_color

Node = Any  # tinycss2 has no types, and lxml's are not those of its HTML elements

BASE = 21.247  # lightness of #333333, which white becomes
MIDDLE = 50.0  # backgrounds above are light, texts below are dark
TEXT, BACKGROUND, LINE = "text", "background", "line"
_ATTRIBUTES = {
    "bgcolor": BACKGROUND,
    "bordercolor": LINE,
    "color": TEXT,
    "text": TEXT,
    "link": TEXT,
    "vlink": TEXT,
    "alink": TEXT,
}
_PROPERTIES = {
    "background": BACKGROUND,
    "background-color": BACKGROUND,
    "color": TEXT,
    "caret-color": TEXT,
    "-webkit-text-fill-color": TEXT,
    "text-decoration": TEXT,
    "text-decoration-color": TEXT,
    "outline": LINE,
    "outline-color": LINE,
}
_WHITE = (0.95047, 1.0, 1.08883)  # CIE XYZ of D65, sRGB's white
_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_FROM_XYZ = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)


def darken(page: str) -> str:
    """Return a page of HTML with the colors that it has in dark mode.

    Pictures and gradients are left alone, and so is what the mail itself brings for dark mode
    (``prefers-color-scheme``).
    """
    if not page.strip():
        return page
    root = html.document_fromstring(page.encode(), html.HTMLParser(encoding="utf-8"))
    for node in root.iter(etree.Element):
        if node.tag == "style":
            node.text = _darken_sheet(node.text or "")
        for name, kind in _ATTRIBUTES.items():
            if value := node.get(name):
                color = parse_color(value) or parse_color(f"#{value}")
                if isinstance(color, RGBA):
                    node.set(name, get_dark(color, kind))
        if style := node.get("style"):
            node.set("style", _darken_declarations(style))
    _add_defaults(root)
    # lxml invents a doctype for a page without one, which browsers then show in another mode.
    has_doctype = page.lstrip()[:9].lower() == "<!doctype"
    doctype = root.getroottree().docinfo.doctype if has_doctype else None
    return html.tostring(root, encoding="unicode", doctype=doctype)


def get_dark(color: RGBA, kind: str) -> str:
    """Return a color as CSS text, as it is in dark mode.

    :param kind: TEXT, BACKGROUND or LINE: lines are inverted whether they are dark or light
    """
    lightness, green_red, blue_yellow = _to_lab(color)
    keeps = {TEXT: lightness >= MIDDLE, BACKGROUND: lightness <= MIDDLE, LINE: False}[kind]
    rgb: tuple[float, ...] = (color.red, color.green, color.blue)
    if not keeps:
        inverted = (100 - lightness) * (100 - BASE) / 100 + BASE
        rgb = _from_lab(inverted, green_red, blue_yellow)
    red, green, blue = (round(255 * min(max(part, 0), 1)) for part in rgb)
    if color.alpha < 1:
        return f"rgba({red}, {green}, {blue}, {color.alpha:g})"
    return f"#{red:02x}{green:02x}{blue:02x}"


def _add_defaults(root: html.HtmlElement) -> None:
    """Give the page what mail programs have for texts and links without a color.

    Any rule of the mail overrides `:where()`.
    """
    paper, ink, link = (
        get_dark(parse_color(name), kind)
        for name, kind in (("#fff", BACKGROUND), ("#000", TEXT), ("#00e", TEXT))
    )
    head: Node = root.find("head")
    if head is None:
        head = etree.Element("head")
        root.insert(0, head)
    style = etree.Element("style")
    style.text = (
        f":where(html){{background:{paper};color:{ink}}}"
        f":where(table){{color:inherit}}:where(a[href]){{color:{link}}}"
    )
    head.insert(0, style)


def _darken_sheet(text: str) -> str:
    return _darken_rules(tinycss2.parse_stylesheet(text))


def _darken_rules(rules: Iterable[Node]) -> str:
    parts = []
    for rule in rules:
        if rule.type == "qualified-rule":
            body = _darken_declarations(rule.content)
            parts.append(f"{tinycss2.serialize(rule.prelude)}{{{body}}}")
        elif rule.type == "at-rule" and rule.content and _is_for_any_scheme(rule):
            body = _darken_rules(tinycss2.parse_rule_list(rule.content))
            parts.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{body}}}")
        elif rule.type != "error":
            parts.append(rule.serialize())
    return "".join(parts)


def _is_for_any_scheme(rule: Node) -> bool:
    """Return whether an at-rule contains rules that apply outside of dark mode."""
    prelude = tinycss2.serialize(rule.prelude).lower()
    return rule.lower_at_keyword in ("media", "supports") and "prefers-color-scheme" not in prelude


def _darken_declarations(source: str | list[Node]) -> str:
    parts = []
    for node in tinycss2.parse_blocks_contents(source, skip_comments=True, skip_whitespace=True):
        if node.type != "declaration":
            continue
        kind = _get_kind(node.lower_name)
        value = "".join(_darken_token(token, kind) for token in node.value).strip()
        parts.append(f"{node.name}:{value}{' !important' if node.important else ''}")
    return ";".join(parts)


def _get_kind(name: str) -> str | None:
    if name.startswith(("border", "column-rule")):
        return LINE
    return _PROPERTIES.get(name)


def _darken_token(token: Node, kind: str | None) -> str:
    color = parse_color(token) if kind else None
    if kind and isinstance(color, RGBA) and color.alpha:
        return get_dark(color, kind)
    return str(token.serialize())


def _to_lab(color: RGBA) -> tuple[float, float, float]:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color[:3]
    ]
    x, y, z = (
        _squeeze(sum(weight * part for weight, part in zip(row, linear, strict=True)) / white)
        for row, white in zip(_TO_XYZ, _WHITE, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _from_lab(lightness: float, green_red: float, blue_yellow: float) -> tuple[float, ...]:
    y = (lightness + 16) / 116
    near = (y + green_red / 500, y, y - blue_yellow / 200)
    xyz = [_stretch(part) * white for part, white in zip(near, _WHITE, strict=True)]
    linear = (
        sum(weight * part for weight, part in zip(row, xyz, strict=True)) for row in _FROM_XYZ
    )
    return tuple(
        part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055 for part in linear
    )


def _squeeze(part: float) -> float:
    return part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116


def _stretch(part: float) -> float:
    return part**3 if part > 6 / 29 else (116 * part - 16) * 27 / 24389
