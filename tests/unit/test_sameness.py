"""Which changes by the service leave a text the same mail, and which make it another one."""

import pytest

from email_marketing_dm.content.sameness import find_difference, is_same

MAIL = (
    '<!DOCTYPE html><html lang="de"><head><meta charset="utf-8"><style>p{color:red}</style></head>'
    '<body style="margin:0;padding:0"><!--[if mso]><table><tr><td><![endif]-->'
    '<p class="a" title="Grüße">Schöne Grüße, <b>{Name}</b>! It\'s &#123;Word&#125;</p>'
    '<a href="https://x.example/?a=1&amp;b=2">Mehr</a></body></html>'
)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("><", ">\r\n<") + "\r\n",
        lambda text: text.replace("ö", "&ouml;").replace("ü", "&#252;").replace("'", "&#39;"),
        lambda text: text.replace('class="a" title="Grüße"', "title='Grüße'  class='a'"),
        lambda text: text.replace("margin:0;padding:0", "margin: 0; padding: 0;"),
        lambda text: text.replace("&#123;", "&#x7B;").replace("&#125;", "&rbrace;"),
        lambda text: text.replace("a=1&amp;b", "a=1&#38;b"),
        lambda text: text.replace(", <b>", ",\n  <b>"),
        lambda text: text.replace("<p ", "<P ").replace("</p>", "</P>"),
        lambda text: "\n" + text,
    ],
)
def test_the_same_mail(change):
    assert is_same(MAIL, change(MAIL))
    assert find_difference(MAIL, change(MAIL)) == []


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("Schöne", "Böse", "Böse Grüße,"),
        ("{Name}", "{Other}", "{Other}"),
        ("&#123;Word&#125;", "{Word}", "! It's {Word}"),
        ("x.example", "evil.example", '<a href="https://evil.example/?a=1&b=2">'),
        ("color:red", "color:blue", "p{color:blue}"),
        ("margin:0", "margin:9px", '<body style="margin:9px;padding:0">'),
        ("[if mso]", "[if !mso]", None),
        ('lang="de"', 'lang="en"', '<html lang="en">'),
    ],
)
def test_another_mail(old, new, shown):
    changed = MAIL.replace(old, new)
    assert changed != MAIL
    assert not is_same(MAIL, changed)
    found = find_difference(MAIL, changed)
    assert [sign for sign, _piece in found] == ["-", "+"]
    assert shown is None or found[1][1] == shown


def test_empty_and_odd_texts():
    assert is_same("", "")
    assert not is_same("", "x")
    assert not is_same("<p>x</p>", "")
    assert is_same("<br>" * 5000, "<br/>" * 5000)
    assert is_same("\ud800x", "\ud800x")
    deep = "<div>" * 2000 + "x"
    assert is_same(deep, deep + " ")


def test_a_long_difference_is_cut():
    before, after = ("".join(f"<p>{n} {word}</p>" for n in range(500)) for word in ("a", "b"))
    found = find_difference(before, after)
    assert len(found) == 12
    assert max(len(piece) for _sign, piece in find_difference("", "x" * 10000)) == 160
