"""A mail in dark mode: light backgrounds become dark, dark texts light, pictures stay."""

import pytest
from tinycss2.color3 import parse_color

from email_marketing_dm.content.dark import BACKGROUND, LINE, TEXT, darken, get_dark
from email_marketing_dm.content.looks import get_contrast

PICTURES = (
    '<img src="data:image/png;base64,iVBOR" alt="#ffffff">',
    '<table background="https://x.example/white.png"><tr><td>a</td></tr></table>',
    '<p style="background-image:url(https://x.example/fff.png)">a</p>',
    '<p style="background-image:linear-gradient(#fff, #000)">a</p>',
)


@pytest.mark.parametrize(
    ("kind", "color", "dark"),
    [
        (BACKGROUND, "white", "#333333"),
        (BACKGROUND, "#000", "#000000"),
        (BACKGROUND, "#1b2a4e", "#1b2a4e"),
        (TEXT, "black", "#ffffff"),
        (TEXT, "#ffffff", "#ffffff"),
        (TEXT, "rgba(0, 0, 0, 0.5)", "rgba(255, 255, 255, 0.5)"),
        (LINE, "black", "#ffffff"),
        (LINE, "white", "#333333"),
    ],
)
def test_colors(kind, color, dark):
    assert get_dark(parse_color(color), kind) == dark


@pytest.mark.parametrize("color", ["#222", "#00457c", "#5c2d91", "#7a0019"])
def test_texts_stay_readable_and_keep_their_hue(color):
    paper = parse_color(get_dark(parse_color("#fff"), BACKGROUND))
    before, ink = parse_color(color), parse_color(get_dark(parse_color(color), TEXT))
    assert get_contrast(ink[:3], paper[:3]) >= 4.5
    strongest = max(range(3), key=lambda part: before[part])
    assert ink[strongest] == max(ink[:3])


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures_are_left_alone(picture):
    assert picture in darken(f"<html><body>{picture}</body></html>")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<p style="color:#000;margin:0">', '<p style="color:#ffffff;margin:0">'),
        ('<p style="COLOR: black !important">', '<p style="COLOR:#ffffff !important">'),
        ('<td bgcolor="#FFFFFF">', '<td bgcolor="#333333">'),
        ('<td bgcolor="ffffff">', '<td bgcolor="#333333">'),
        ('<font color="black">', '<font color="#ffffff">'),
        ('<p style="background: #fff url(https://x.example/fff.png) repeat">',
         '<p style="background:#333333 url(https://x.example/fff.png) repeat">'),
        ('<p style="border:1px solid rgb(0, 0, 0)">', '<p style="border:1px solid #ffffff">'),
        ('<p style="color:inherit">', '<p style="color:inherit">'),
        ('<p style="background:transparent">', '<p style="background:transparent">'),
        ("<style>p > a, .b{color:#000}</style>", "<style>p > a, .b{color:#ffffff}</style>"),
        ("<style>@media (max-width: 600px) {p{color:#000}}</style>",
         "<style>@media (max-width: 600px) {p{color:#ffffff}}</style>"),
        ("<style>@media (prefers-color-scheme: dark) {p{color:#123}}</style>",
         "<style>@media (prefers-color-scheme: dark) {p{color:#123}}</style>"),
        ("<style>@font-face{font-family:x;src:url(x)}</style>",
         "<style>@font-face{font-family:x;src:url(x)}</style>"),
    ],
)  # fmt: skip
def test_where_colors_stand(before, after):
    if before.startswith("<td"):
        before, after = (f"<table><tr>{cell}x</td></tr></table>" for cell in (before, after))
    shown = darken(f"<!DOCTYPE html><html><head></head><body>{before}</body></html>")
    assert shown.startswith("<!DOCTYPE html>")
    assert after in shown


def test_texts_without_a_color_get_one():
    shown = darken("<p>a <a href='https://x.example'>b</a></p>")
    assert ":where(html){background:#333333;color:#ffffff}" in shown
    assert shown.index("<style>") < shown.index("<p>")


@pytest.mark.parametrize("doctype", ["", "<!DOCTYPE html>"])
def test_a_page_keeps_its_doctype(doctype):
    shown = darken(f"{doctype}<html><body><p>a</p></body></html>")
    assert shown.lower().startswith(doctype.lower() or "<html>")


@pytest.mark.parametrize("page", ["", " \n"])
def test_an_empty_mail_stays_empty(page):
    assert darken(page) == page


@pytest.mark.parametrize("style", ["color:#000;;}", "color", "a{b:c}", "color:#000 url(", "é:#000"])
def test_invalid_styles_do_no_harm(style):
    assert ">a</p>" in darken(f'<p style="{style}">a</p>')
