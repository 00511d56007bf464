"""What only Outlook reads: found, replaced, and kept by Odoo's cleaning."""

import pytest

from email_marketing_dm.content.outlook import read_links, replace_addresses, shield, unshield
from email_marketing_dm.content.placeholders import compile_content

SETTINGS = (
    "<!--[if gte mso 9]><xml><o:OfficeDocumentSettings><o:AllowPNG/><o:PixelsPerInch>96"
    "</o:PixelsPerInch></o:OfficeDocumentSettings></xml><![endif]-->"
)
BUTTON = (
    '<!--[if mso]><v:roundrect xmlns:v="urn:schemas-microsoft-com:vml" '
    'href="https://shop.example/?a=1&amp;b=2" arcsize="10%"><w:anchorlock/>'
    "<center>Shop now</center></v:roundrect><![endif]-->"
)
TWIN = '<a href="https://shop.example/?a=1&amp;b=2">Shop now</a>'


def inside(comment):
    return comment.removeprefix("<!--").removesuffix("-->")


def test_links():
    [link] = read_links(inside(BUTTON))
    assert link.get("href") == "https://shop.example/?a=1&b=2"
    assert link.text_content() == "Shop now"
    [link] = read_links("[if mso]><table><tr><td><a href='/view'>x</a></td></tr></table><![endif]")
    assert link.get("href") == "/view"
    for nothing in ("[if mso]><![endif]", "[if mso]>", "", "[if mso]><v:fill src='/a'/><![endif]",
                    "[if mso]><link href='/a.css'><![endif]", "<![endif]"):  # fmt: skip
        assert read_links(nothing) == []


@pytest.mark.parametrize(
    ("written", "replaced"),
    [
        ('<a href="/a?b=1&amp;c=2">', '<a href="/A?B=1&amp;C=2">'),
        ("<a href='/a'>", '<a href="/A">'),
        ('<v:rect HREF = "/a" fill="t">', '<v:rect HREF = "/A" fill="t">'),
        ('<v:fill src="/a.png"/>', '<v:fill src="/A.PNG"/>'),
        ('<td background="/b">', '<td background="/B">'),
        ('<a href="">', '<a href="">'),
        ('<a href="/it\'s">', '<a href="/IT&#x27;S">'),
    ],
)
def test_addresses(written, replaced):
    assert replace_addresses(written, str.upper) == replaced


def test_a_button_and_its_twin_are_one_link():
    links = {"https://shop.example/?a=1&b=2": "/directmail/click/1/0/", "/view": "/directmail/v/"}
    body = f'{BUTTON}{TWIN}<!--[if mso]><a href="/view">View</a><![endif]-->'
    for compacted in (False, True):
        result = compile_content(
            "s", body, public_url="https://n.example", links=links, compacted=compacted
        )
        assert result.text.count('href="https://n.example/directmail/click/1/0/{Token}"') == 2
        assert result.text.count('href="https://n.example/directmail/v/{Token}"') == 1
        assert "shop.example" not in result.text
        assert result.problems == ()


def test_settings_survive_compaction():
    for compacted in (False, True):
        body = f"{SETTINGS}<p>x</p>"
        options = {"public_url": "https://n.example", "links": {}, "compacted": compacted}
        assert SETTINGS in compile_content("s", body, **options).text


@pytest.mark.parametrize(
    "text",
    ["", "<p>x</p>", SETTINGS, SETTINGS + BUTTON + TWIN, f"<p>a</p>{SETTINGS}</div>b", "x < y"],
)
def test_a_shield_leaves_no_trace(text):
    assert unshield(shield(text)) == text


def test_the_title_of_a_document_does_not_become_text():
    page = "<!DOCTYPE html><html><head><title>T</title>%s</head><body>x</body></html>"
    assert unshield(shield(page % "")) == (page % "").replace("<title>T</title>", "")
    assert "<title>" not in shield(page % SETTINGS)
