"""Smaller bodies that look the same. What "the same" means to a browser is in tests/server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree, html

from email_marketing_dm.content.compaction import compact
from email_marketing_dm.content.placeholders import compile_content


def compacted(source):
    """The fragment, compacted."""
    root = html.fragment_fromstring(source, create_parent="div")
    compact(root)
    text = etree.tostring(root, encoding="unicode", method="html")
    return text.removeprefix("<div>").removesuffix("</div>")


@pytest.mark.parametrize(
    "before, after",
    [
        # default values
        ('<p style="border-radius: 0px; opacity: 1;">x</p>', "<p>x</p>"),
        ('<div style="margin: 0px; padding: 0px;">x</div>', "<div>x</div>"),
        ('<p style="border-style:none;border-color:#123456;border-width:0px">x</p>', "<p>x</p>"),
        ('<div style="cursor: pointer; transition: all 1s">x</div>', "<div>x</div>"),
        ('<div style="box-sizing: border-box">x</div>', "<div>x</div>"),
        # inherited values
        (
            '<div style="color:#ff0000">a<p style="color:#ff0000">x</p></div>',
            '<div style="color:#ff0000">a<p>x</p></div>',
        ),
        # styles that nothing in the element uses
        (
            '<div style="color:#ff0000"><p style="color:#0000ff">x</p></div>',
            '<div><p style="color:#0000ff">x</p></div>',
        ),
        # attributes that only an editor reads
        ('<p class="o_x" data-snippet="s_y" contenteditable="true">x</p>', "<p>x</p>"),
        ("<p>x<!-- note --> y</p>", "<p>x y</p>"),
        # shorter notations
        ('<p style="color: rgb(1, 2, 9); top: 0px">x</p>', '<p style="color:#010209;top:0">x</p>'),
        (
            '<p style="padding-top:1px;padding-right:2px;padding-bottom:1px;padding-left:2px"></p>',
            '<p style="padding:1px 2px"></p>',
        ),
        ('<p style="width:1px;width:2px">x</p>', '<p style="width:2px">x</p>'),
        ("<table>\n <tr>\n <td>x</td>\n </tr>\n</table>", "<table><tr><td>x</td></tr></table>"),
        ("<div>\n  <p>a\n  b</p>\n  <p>c</p>\n</div>", "<div><p>a b</p><p>c</p></div>"),
    ],
)
def test_shorter(before, after):
    assert compacted(before) == after


@pytest.mark.parametrize(
    "kept",
    [
        # not the default of this element
        '<p style="margin:0">x</p>',
        '<h1 style="font-weight:400;font-size:16px">x</h1>',
        '<a style="text-decoration:none;color:#000000">x</a>',
        '<table><tr><td style="padding:0">x</td></tr></table>',
        '<p style="border-style:solid;border-color:#123456;border-width:1px">x</p>',
        '<div style="box-sizing:border-box;width:9px;padding:1px">x</div>',
        '<ul style="padding:0"><li>x</li></ul>',
        # quirks mode and Outlook do not inherit fonts into tables and cells
        '<div style="color:#f00">a<table><tr><td style="color:#f00">x</td></tr></table></div>',
        # relative to the parent, so not the same value
        '<div style="font-size:2em"><p style="font-size:2em">x</p></div>',
        # the first is the fallback of programs that do not support the second
        '<p style="background:#fff;background:linear-gradient(red,blue)">x</p>',
        # spaces and line breaks that are seen
        "<pre>a\n  b</pre>",
        '<p style="white-space:pre">a  b</p>',
        "<p>a <b>b</b> c</p>",
        "<p>a <a>b</a> <a>c</a></p>",
        # Outlook's own content
        "<!--[if mso]><p>x</p><![endif]-->",
        "<!--[if !mso]><!-- --><p>x</p><!--<![endif]-->",
        # a style that can't be read
        '<p style="margin 0; color">x</p>',
    ],
)
def test_kept(kept):
    assert compacted(kept) == kept


def test_what_a_style_sheet_speaks_of_is_kept():
    """Its rules for phones must find the classes, and nothing they override may be missing."""
    sheet = "<style>@media(max-width:600px){.wide{padding:0!important}}</style>"
    body = '<p class="wide other" style="padding:0;opacity:1">x</p>'
    assert compacted(sheet + body) == sheet + '<p class="wide" style="padding:0">x</p>'


def test_builder_style_sheet_moves_into_the_elements():
    """No mail program knows variables, and elements made for Outlook have nothing but the sheet."""
    sheet = (
        '<style id="design-element">.w { --size: 20px; } .w p { font-size: var(--size); '
        "color: var(--none); } .w .big:not(.btn) { font-size: 30px !important; }</style>"
    )
    body = '<div class="w"><p>x</p><p class="big" style="font-size:9px">y</p></div>'
    result = compacted(sheet + body)
    assert result == ('<div><p style="font-size:20px">x</p><p style="font-size:30px">y</p></div>')


def test_comment_for_outlook_is_shortened():
    before = '<!--[if mso]><td class="o_x" style="width: 9px; top: 0px;">\n <p>x</td><![endif]-->'
    assert compacted(before) == ('<!--[if mso]><td style="width:9px;top:0"><p>x</td><![endif]-->')


TAGS = st.sampled_from(["p", "div", "span", "a", "table", "td", "h1", "b", "ul", "li", "pre", "t"])
STYLES = st.sampled_from(
    ["", "color:red", "margin:0px", "font-size:1px; font-size:", "border:0", "x", "white-space:pre"]
    + ["background:url(x.png)", "font-family:'A B', \"C\"", "padding: 0 0 0 0", "width:calc(1px)"]
)


@st.composite
def trees(draw, depth=3):
    tag, style = draw(TAGS), draw(STYLES).replace('"', "&quot;")
    inner = draw(st.text("ab \n<>&{}'\"é😀", max_size=6)).replace("&", "&amp;").replace("<", "&lt;")
    children = draw(st.lists(trees(depth - 1), max_size=3)) if depth else []
    picture = draw(st.sampled_from(["", '<img src="x.png" style="border:0">']))
    return f'<{tag} style="{style}">{picture}{inner}{"".join(children)}</{tag}>'


@given(trees())
def test_no_text_and_no_picture_gets_lost(source):
    def letters(text):
        found = html.fragment_fromstring(text, create_parent="div")
        return "".join("".join(found.itertext()).split()), len(found.findall(".//img"))

    assert letters(compacted(source)) == letters(source)


def test_variables_survive():
    body = (
        '<div style="color:#fff;margin:0px"><t t-out="object.name">friend</t> {typed}'
        '<a href="/unsubscribe_from_list?a={b}" t-att-title="object.city">x</a>'
        '<a href="/unsubscribe_from_list">y</a></div>'
    )
    plain, small = (
        compile_content("s", body, public_url="https://n.example", compacted=compacted,
                        links={"/unsubscribe_from_list": "/u/"})
        for compacted in (False, True)
    )  # fmt: skip
    assert small.text == plain.text.replace("margin:0px", "").replace('color:#fff;"', 'color:#fff"')
    assert small.variables == plain.variables and small.links == plain.links
