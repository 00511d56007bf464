"""Each rule of the preflight: mails that fail it, and mails that pass."""

import pytest

from email_marketing_dm.content.preflight import RULES, check, is_public, wire_size
from email_marketing_dm.content.preflight_mail import Page
from tests.unit.common.preflight_examples import (
    DEMO,
    DEMO_TEXTS,
    FAILING,
    URL,
    mail,
    with_body,
    without,
)


def test_good_mail():
    assert check(mail()) == []


@pytest.mark.parametrize("code, level, options, detail", FAILING)
def test_rule_fails(code, level, options, detail):
    found = check(mail(**options))
    assert (code, level, detail) in [(one.code, one.level, one.detail) for one in found]
    assert [one.code for one in found if one.code != code] == [
        one.code for one in found if one.code != code and one.level == "warning"
    ] or code == "body_empty"


PASSING = [
    {"subject": "x" * 100},
    {"subject": "x" * 80 + "{{ object.name ||| y }}"},
    {"sender_name": "Azure Interior"},
    {"sender_name": "🌸" * 7},
    {"subject": "🌸" * 50},
    {"subject": "春の新作"},
    {"subject": "NEWS from ACME!"},
    {**with_body("<p>%s</p>" % ("茶" * 9000)), "in_body": True},
    with_body('<t t-out="object.city">your town</t> <t t-out="object.city"/>'),
    without("/unsubscribe_from_list", URL + "/unsubscribe_from_list"),
    without("1 Orchard Road", "1, <b>Orchard</b> road"),
    without("You get this mail because you are our\ncustomer.", "Sie erhalten diese Nachricht,"),
    without("Dear ", "尊敬的"),
    without("Dear ", "嗨，你们好！"),
    without("You get this mail because you are our\ncustomer.", "Sie haben diese E-Mail erhalten,"),
    with_body("<p>our casinoesque tablecloth</p>"),
    with_body('<a href="https://notfacebook.com/">x</a>'),
    with_body('<a href="#top">x</a> <a href="/view">x</a> <a href="tel:+65123">x</a>'),
    with_body('<img src="/web/image/1" alt=""/>'),
    with_body('<img src="/mail/font_to_img/61594/rgb(0%2C0%2C0)/20"/>'),
    with_body('<a href="https://www.facebook.org/Odoo">x</a>'),
    {
        **with_body('<p class="o_directmail_kept">VIP10</p><p>VIP100 [sic]</p>'),
        "theme_blanks": frozenset(("VIP10", "[date]")),
    },
    with_body("<style>.a { color: red }</style>"),
    with_body("<p>100% cotton, 50% off, {} and #sale</p>"),
    with_body("<p>Write <code>{{ name }}</code> or</p><pre>*|FNAME|*</pre>"),
    with_body('<a href="https://shop.org/?f[email]=1&amp;q=%20a%7B%22b%22%3A1%7D">x</a>'),
    with_body("<a t-att-href=\"object.website or 'https://shop.org'\">x</a>"),
    {"preview_text": "Hi {{ object.name ||| friend }}, 100%"},
    {"subject": "(AD) Spring", "to_china": True},
    {"subject": "【广告】春の新作", "to_china": True},
    {
        **with_body(DEMO.replace("Wool", "Silk").replace("SPRING10", "MAY5")),
        "demo_texts": DEMO_TEXTS,
    },
    {
        **with_body("<p>Wool coat: SPRING10</p>"),
        "subject": "SPRING10 helps",
        "demo_texts": DEMO_TEXTS,
    },
    {**with_body(f'<a href="{URL}/">x</a>'), "has_website": True},
    with_body('<a href="https://habit.ly/x">x</a>'),
    without("A meadow", "The 2 image makers"),
    {"picture_sizes": {"https://shop.org/spring.jpg": 200 * 1024, "https://b.org/x": 10**7}},
    with_body('<p style="color:#767676">Grey enough</p>'),
    with_body('<h1 style="font-size:24px;color:#949494">Large and grey</h1>'),
    with_body('<p style="background:#036 url(/web/image/1)">On a picture</p>'),
    with_body('<p style="background-image:linear-gradient(red, blue)">On a gradient</p>'),
    with_body('<section class="o_cc1 bg-primary" style="color:#777">The theme decides</section>'),
    with_body("<style>p {color: #fff; font-size: 3px}</style><p>A style sheet decides</p>"),
    with_body(
        "<style>.btn, p { background: #036 }</style>"
        '<p style="color:#999">The sheet is not for buttons only</p>'
    ),
    with_body('<p style="background:#036;color:rgb(255, 255, 255)">White on blue</p>'),
    with_body('<p style="font-size:0">&nbsp;<span style="display:none;color:#fff">x</span></p>'),
    with_body('<p style="font-size:14px">a<sup style="font-size:9px">1</sup></p>'),
]


@pytest.mark.parametrize("options", PASSING)
def test_rule_passes(options):
    assert check(mail(**options)) == []


def test_every_rule_has_a_failing_example():
    """Each rule has an example that fails it."""
    examples = [mail(**options) for _code, _level, options, _detail in FAILING]
    silent = [
        rule.__name__
        for rule in RULES
        if not any(list(rule(example, Page(example))) for example in examples)
    ]
    assert silent == []


def test_errors_come_first():
    found = check(mail(body="<p>Hello</p>", subject="x" * 101))
    levels = [one.level for one in found]
    assert levels == sorted(levels) and {"error", "warning"} == set(levels)


@pytest.mark.parametrize(
    "host, public",
    [("shop.org", True), ("8.8.8.8", True), ("localhost", False), ("odoo", False),
     ("127.0.0.1", False), ("192.168.1.2", False), ("[::1]", False), ("odoo.local", False)],
)  # fmt: skip
def test_is_public(host, public):
    assert is_public(host) is public


def test_wire_size_is_that_of_the_address():
    assert wire_size("a b<茶>") == len("a%20b%3C%E8%8C%B6%3E")
