# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""A simple mail with a heading, paragraphs and a button, for the mail builder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from types import MappingProxyType
from typing import NamedTuple

_FONT = "font-family:Helvetica,Arial,sans-serif"
_TEXT = f"margin:0 0 16px 0;{_FONT};font-size:16px;line-height:26px;color:#2f3a4a;"
_SMALL = f"margin:0 0 8px 0;{_FONT};font-size:14px;line-height:21px;color:#4b5563;"
_LINK = "color:#1f2937;text-decoration:underline;"
_SECTION = (
    '<section class="s_text_block o_mail_snippet_general" data-snippet="s_text_block"'
    ' data-vxml="001" data-name="%s" style="background-color:%s;padding:%s;">%s</section>'
)


class SimpleMail(NamedTuple):
    """The texts of a mail, without markup.

    :ivar greeting: with `%s` where the name stands
    :ivar name: what stands there for people without a name
    :ivar button: (label, address); None for a mail without a button
    :ivar footer: lines above the links
    :ivar unsubscribe: label of that link
    :ivar view: label of the link to the online view
    :ivar name_path: the field with the name
    :ivar values: {name: path of a field} that stands as %(name)s in paragraphs
    """

    company: str
    heading: str
    greeting: str
    name: str
    paragraphs: Iterable[str]
    button: tuple[str, str] | None
    footer: Iterable[str]
    unsubscribe: str
    view: str
    name_path: str = "name"
    values: Mapping[str, str] = MappingProxyType({})


def make_body(mail: SimpleMail) -> str:
    """Return the mail as HTML with inlined styles, as the mail builder stores it."""
    before, _mark, after = escape(mail.greeting).partition("%s")
    name = _make_placeholder(mail.name_path, mail.name)
    head = (
        f'<p style="margin:0;{_FONT};font-size:14px;line-height:21px;color:#41586b;'
        f'text-align:center;letter-spacing:2px;">{escape(mail.company)}</p>'
    )
    text = (
        "<h1 style=\"margin:0 0 20px 0;font-family:Georgia,'Times New Roman',serif;font-size:32px;"
        f'line-height:40px;font-weight:normal;color:#17324a;">{escape(mail.heading)}</h1>'
        f'<p style="{_TEXT}">{before}{name}{after}</p>'
        + "".join(
            f'<p style="{_TEXT}">{_fill(escape(paragraph), mail.values)}</p>'
            for paragraph in mail.paragraphs
        )
    )
    if mail.button:
        label, address = mail.button
        text += (
            f'<p style="margin:8px 0 0 0;text-align:left;"><a href="{escape(address)}"'
            ' style="display:inline-block;padding:14px 32px;background-color:#1f4fa3;'
            f"color:#ffffff;{_FONT};font-size:16px;font-weight:bold;line-height:20px;"
            f'text-decoration:none;border-radius:6px;">{escape(label)}</a></p>'
        )
    foot = "".join(f'<p style="{_SMALL}">{escape(line)}</p>' for line in mail.footer) + (
        f'<p style="{_SMALL}"><a href="/unsubscribe_from_list" style="{_LINK}">'
        f"{escape(mail.unsubscribe)}</a> &#160;·&#160; "
        f'<a href="/view" style="{_LINK}">{escape(mail.view)}</a></p>'
    )
    sections = (
        _SECTION % ("Header", "#f7fafc", "26px 32px 22px 32px", head)
        + _SECTION % ("Text", "#ffffff", "40px 48px 44px 48px", text)
        + _SECTION % ("Footer", "#e9eef2", "28px 32px 32px 32px;text-align:center", foot)
    )
    return (
        '<div class="o_layout oe_unremovable oe_unmovable o_empty_theme" data-name="Mailing"'
        ' style="background-color:#e9eef2;">'
        '<div class="container o_mail_wrapper o_mail_regular oe_unremovable"'
        ' style="max-width:640px;"><div class="row mw-100 mx-0">'
        '<div class="col o_mail_no_options o_mail_wrapper_td oe_structure"'
        f' style="background-color:#ffffff;padding:0;">{sections}</div></div></div></div>'
    )


def _make_placeholder(path: str, default: str) -> str:
    return f'<t t-out="object.{escape(path)}">{escape(default)}</t>'


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Return an escaped text with placeholders for the values that it names."""
    for name, path in values.items():
        text = text.replace(f"%({name})s", _make_placeholder(path, "-"))
    return text
