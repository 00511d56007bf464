"""Each rule of the preflight: a mail that passes, the same mail failing, and the repair."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_marketing_dm.content.looks import read_looks
from email_marketing_dm.content.placeholders import compile_content
from email_marketing_dm.content.preflight import (
    RULES,
    check,
    is_public,
    wire_size,
)
from email_marketing_dm.content.preflight_look import SHRINK
from email_marketing_dm.content.preflight_mail import (
    UNSUBSCRIBE,
    Mail,
    Page,
    read_demo_texts,
    read_fragment,
)
from email_marketing_dm.content.repairs import REPAIRS, Draft, Phrases, repair

URL = "https://news.shop.org"
GOOD = """
<p>Dear <t t-out="object.name">friend</t>,</p>
<p>our spring collection is here. <a href="https://shop.org/spring">Have a look</a>.</p>
<p><img src="https://shop.org/spring.jpg" alt="A meadow"/></p>
<p>Azure Interior, 1 Orchard Road, Singapore 238824. You get this mail because you are our
customer. <a href="/unsubscribe_from_list">Unsubscribe</a></p>
"""
PHRASES = Phrases(
    "Dear", "friend", "Unsubscribe", "You get this mail because you asked for it.",
    "Azure Interior, 1 Orchard Road, 238824 Singapore", "Picture", "Azure Interior Ltd",
    ("1 Orchard Road", "Singapore"),
)  # fmt: skip
PREVIEW = "Light cloth for warm days."
ADDRESS = ("1 Orchard Road", "238824", "Singapore")


def mail(subject="Spring, {{ object.name ||| friend }}", body=GOOD, sender_name="Azure", **options):
    compiled = compile_content(subject, body, public_url=URL, links={UNSUBSCRIBE: "/u/"})
    options = {"preview_text": PREVIEW, "public_url": URL, "address": ADDRESS, **options}
    return Mail(subject, sender_name, body, compiled, **options)


def with_body(text):
    return {"body": GOOD + text}


def without(text, instead=""):
    assert text in GOOD
    return {"body": GOOD.replace(text, instead)}


def test_good_mail():
    assert check(mail()) == []


DEMO = """<p class="o_directmail_fill"><strong>Wool
coat</strong></p><p class="x o_directmail_fill">SPRING10</p>"""
DEMO_TEXTS = frozenset(("Wool coat", "SPRING10"))

# rule: (code, level, failing mail, the detail)
FAILING = [
    ("subject_empty", "error", {"subject": "  "}, ""),
    ("subject_long", "error", {"subject": "x" * 101}, "101"),
    ("subject_may_be_long", "warning", {"subject": "x" * 95 + "{{ object.name ||| y }}"}, "95"),
    ("sender_name_empty", "error", {"sender_name": " "}, ""),
    ("sender_name_long", "error", {"sender_name": "Azure Interior 3"}, "Azure Interior 3"),
    ("sender_name_long", "error", {"sender_name": "Azure Interiors"}, "Azure Interiors"),
    ("sender_name_long", "error", {"sender_name": "Shop 🌸🌸🌸🌸🌸"}, "Shop 🌸🌸🌸🌸🌸"),
    ("subject_long", "error", {"subject": "🌸" * 51}, "102"),
    ("body_empty", "error", {"body": "<p> </p>"}, ""),
    ("body_large", "error", with_body("<p>%s</p>" % ("茶" * 9100)), "81"),
    ("body_clipped", "warning", {**with_body("x" * 105_000), "in_body": True}, "103"),
    ("body_large", "error", {**with_body("x" * 1024 * 1024), "in_body": True}, "1025"),
    ("condition", "error", with_body('<p t-if="object.name">x</p>'), 't-if="object.name"'),
    ("condition", "error", with_body("<p data-filter-domain='[1]'>x</p>"), "[1]"),
    ("directive", "error", with_body('<p t-foreach="x">x</p>'), 't-foreach="x"'),
    ("expression", "error", with_body('<t t-out="object.a()"/>'), 't-out="object.a()"'),
    ("fallback_markup", "error", with_body('<t t-out="object.a">x<b>y</b></t>'),
     't-out="object.a"'),
    ("inline_in_body", "error", with_body("{{ object.name }}"), "{{ object.name }}"),
    ("brace_in_subject", "error", {"subject": "Spring {Name}"}, "{Name}"),
    ("too_many_variables", "error",
     with_body("".join(f'<t t-out="object.f{n}x">y</t>' for n in range(50))), "53"),
    ("no_unsubscribe", "error",
     without('<a href="/unsubscribe_from_list">Unsubscribe</a>'), ""),
    ("unsubscribe_only_address", "warning",
     without("/unsubscribe_from_list", "mailto:stop@shop.org"), ""),
    ("no_address", "warning", without("1 Orchard Road, "), ""),
    ("company_address_unknown", "warning", {"address": ("", "", "")}, ""),
    ("no_reason", "warning", without("You get this mail because you are our\ncustomer. "), ""),
    ("no_salutation", "warning", without("Dear "), ""),
    ("suspicious_wording", "warning", with_body("<p>Get RICH now</p>"), "get rich"),
    ("suspicious_wording", "warning", {"subject": "代开发票"}, "发票"),
    ("sharing", "warning", with_body("<p>Scan our QR code</p>"), "qr code"),
    ("sharing_link", "warning", with_body('<a href="https://www.facebook.com/x">x</a>'),
     "www.facebook.com"),
    ("link_network", "error",
     with_body('<a href="https://www.facebook.com/Odoo"><img src="https://shop.org/f.png" alt="f"/>'
               "</a>"), "https://www.facebook.com/Odoo"),
    ("link_network", "warning",
     {**with_body('<a href="https://www.tiktok.com/@odoo/">Our films</a>'), "test_mode": True},
     "https://www.tiktok.com/@odoo/"),
    ("shouting", "warning", {"subject": "EVERYTHING MUST GO"}, "EVERYTHING MUST GO"),
    ("shouting", "warning", {"subject": "Sale! Sale! Sale!"}, "Sale! Sale! Sale!"),
    ("link_empty", "warning", with_body('<a href="#">x</a>'), ""),
    ("link_empty", "warning", with_body('<p>Hi <a href="mailto:">x</a> there</p>'), ""),
    ("link_without_scheme", "error", with_body('<a href="www.shop.org/a">x</a>'), "www.shop.org/a"),
    ("link_relative", "warning", with_body('<a href="/shop">x</a>'), "/shop"),
    ("link_relative", "warning", with_body('<a href="terms.html">x</a>'), "terms.html"),
    ("link_example", "error", with_body('<a href="https://www.example.com/">x</a>'),
     "https://www.example.com/"),
    ("picture_not_public", "error", without("https://shop.org/spring", "http://shop.org/spring"),
     "http://shop.org/spring.jpg"),
    ("picture_not_public", "error", without("https://shop.org/spring.jpg", "https://10.0.0.1/a"),
     "https://10.0.0.1/a"),
    ("picture_not_public", "error",
     with_body('<p style="background:url(http://shop.org/a.png)">x</p>'),
     "http://shop.org/a.png"),
    ("picture_not_public", "error",
     with_body('<!--[if mso]><td background="http://shop.org/a.png"><![endif]-->'),
     "http://shop.org/a.png"),
    ("picture_not_public", "warning",
     {**without("https://shop.org/spring", "http://shop.org/spring"), "test_mode": True},
     "http://shop.org/spring.jpg"),
    ("picture_embedded", "error", without("https://shop.org/spring.jpg", "data:image/png;base64,x"),
     "data:image/png;base64,x"),
    ("picture_empty", "warning", without("https://shop.org/spring.jpg"), ""),
    ("no_alt", "warning", without(' alt="A meadow"'), "1"),
    ("no_fallback", "warning", with_body('<t t-out="object.city"/>'), "city"),
    ("typed_variable", "warning", with_body("<p>Hi {Name}</p>"), "{Name}"),
    ("typed_variable", "warning", {"preview_text": "Hi {Name}"}, "{Name}"),
    ("foreign_tag", "error", with_body("<p>Hi {{first_name}}</p>"), "{{first_name}}"),
    ("foreign_tag", "error", with_body("<p>Hi {{<b>first</b>_name}}</p>"), "{{first_name}}"),
    ("foreign_tag", "error", with_body("<p>Hi {FirstName}</p>"), "{FirstName}"),
    ("foreign_tag", "error", with_body("<p>Hi &lt;%= name %&gt;</p>"), "<%= name %>"),
    ("foreign_tag", "error", with_body('<img src="https://shop.org/a" alt="%name%"/>'), "%name%"),
    ("foreign_tag", "error", with_body('<t t-out="object.city">*|CITY|*</t>'), "*|CITY|*"),
    ("foreign_tag", "error", {"subject": "Hi *|FNAME|*"}, "*|FNAME|*"),
    ("foreign_tag", "error", {"subject": "Hi {{first_name}}"}, "{{first_name}}"),
    ("foreign_tag", "error", {"preview_text": "Hi ${object.name}"}, "${object.name}"),
    ("placeholder_in_sender_name", "error", {"sender_name": "{{object.x}}"}, "{{object.x}}"),
    ("placeholder_in_sender_name", "error", {"sender_name": "{Name}"}, "{Name}"),
    ("placeholder_in_sender_name", "error", {"sender_name": "*|LIST|*"}, "*|LIST|*"),
    ("placeholder_in_address", "error",
     with_body('<a href="https://shop.org/?n=%7B%7B%20object.name%20%7D%7D">x</a>'),
     "https://shop.org/?n={{ object.name }}"),
    ("placeholder_in_address", "error", with_body('<a href="mailto:a@b.org?body=%name%">x</a>'),
     "mailto:a@b.org?body=%name%"),
    ("placeholder_in_address", "error",
     with_body('<img src="https://shop.org/{Name}.png" alt=""/>'), "https://shop.org/{Name}.png"),
    ("placeholder_in_address", "error",
     with_body('<!--[if mso]><v:roundrect href="https://shop.org/*|ID|*"><![endif]-->'),
     "https://shop.org/*|ID|*"),
    ("placeholder_in_address", "error",
     with_body("<p style=\"background:url('https://shop.org/%7BName%7D.png')\">x</p>"),
     "https://shop.org/{Name}.png"),
    ("braces_in_address", "warning", with_body('<a href="https://shop.org/{Braces}">x</a>'),
     "https://shop.org/{Braces}"),
    ("directive", "error",
     with_body('<a t-attf-href="https://shop.org/?n={{object.name}}">x</a>'),
     't-attf-href="https://shop.org/?n={{object.name}}"'),
    ("foreign_element", "warning", with_body("<form><b>x</b></form>"), "form"),
    ("no_preview_text", "warning", {"preview_text": " "}, ""),
    ("preview_is_subject", "warning", {"subject": "It is here", "preview_text": "It is here!"}, ""),
    ("no_ad_mark", "warning", {"subject": "Our adventures", "to_china": True}, ""),
    ("demo_text", "error", with_body("<p>Lorem ipsum dolor</p>"), "lorem ipsum"),
    ("demo_text", "warning", {**with_body("<p>Lorem ipsum</p>"), "test_mode": True}, "lorem ipsum"),
    ("demo_text", "error", {**with_body(DEMO), "demo_texts": DEMO_TEXTS}, "Wool coat"),
    ("demo_text", "error", {**with_body(DEMO), "demo_texts": DEMO_TEXTS}, "SPRING10"),
    ("demo_text", "error", {"subject": "Use SPRING10", "demo_texts": DEMO_TEXTS}, "SPRING10"),
    ("demo_text", "error",
     {**with_body('<p class="o_directmail_fill">up to 40 % off</p>'),
      "demo_texts": frozenset(read_demo_texts('<p class="o_directmail_fill">up to 40% off</p>'))},
     "up to 40 % off"),
    ("demo_text", "error",
     {**with_body("<h2>VIP10</h2>"), "theme_blanks": frozenset(("VIP10",))}, "VIP10"),
    ("demo_text", "error",
     {**with_body("<p>On <b>x</b> [date]</p>"), "theme_blanks": frozenset(("[date]",))}, "[date]"),
    ("link_example", "warning",
     {**with_body('<a href="https://example.org/">x</a>'), "test_mode": True},
     "https://example.org/"),
    ("link_login", "error", with_body(f'<a href="{URL}/">x</a>'), f"{URL}/"),
    ("link_login", "error", with_body('<a href="/web/login?next=x">x</a>'), "/web/login?next=x"),
    ("link_login", "error",
     {**with_body('<a href="http://odoo.shop.org/odoo/contacts">x</a>'),
      "own_urls": ("http://odoo.shop.org",), "has_website": True},
     "http://odoo.shop.org/odoo/contacts"),
    ("link_shortened", "warning", with_body('<a href="https://bit.ly/3x">x</a>'), "bit.ly"),
    ("useless_alt", "warning", without("A meadow", "spring_sale-2.jpg"), "spring_sale-2.jpg"),
    ("useless_alt", "warning", without("A meadow", "IMG_2034"), "IMG_2034"),
    ("picture_heavy", "warning",
     {"picture_sizes": {"https://shop.org/spring.jpg": 200 * 1024 + 1}}, "spring.jpg (201 KB)"),
    ("pictures_heavy", "warning",
     {**with_body("".join(f'<img src="/web/image/{n}" alt=""/>' for n in range(6))),
      "picture_sizes": {f"/web/image/{n}": 190 * 1024 for n in range(6)}}, "1140"),
    ("only_pictures", "warning",
     without("<p>our spring collection is here. "
             '<a href="https://shop.org/spring">Have a look</a>.</p>\n'), ""),
    ("low_contrast", "warning", with_body('<p style="color:#999">Grey words</p>'), "Grey words"),
    ("low_contrast", "warning",
     with_body("<style>.x a.btn.btn-link { background-color: var(--b) }</style>"
               '<p style="color:#999">Beside the sheet for buttons</p>'),
     "Beside the sheet for buttons"),
    ("low_contrast", "warning",
     with_body('<div class="bg-dark"><td class="col bg-white" style="color:#aaa">On white</td>'
               "</div>"), "On white"),
    ("low_contrast", "warning",
     with_body('<div style="background:#036 none"><p>Dark on dark</p></div>'), "Dark on dark"),
    ("low_contrast", "warning",
     with_body('<table bgcolor="yellow"><tr><td><font color="white">Sun</font></td></tr></table>'),
     "Sun"),
    ("low_contrast", "warning",
     with_body('<p style="background-color:rgba(0,0,0,.5);color:#333">Half</p>'), "Half"),
    ("small_text", "warning", with_body('<p style="font-size:12px">Tiny words</p>'), "Tiny words"),
    ("small_text", "warning", with_body('<div style="font-size:20px"><p style="font-size:60%">x</p>'
                                        "</div>"), "x"),
    ("small_text", "warning", with_body("<p><b style='font-size: 10pt'>Ten</b></p>"), "Ten"),
]  # fmt: skip


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


# Repairs ------------------------------------------------------------------------------------


def mended(code, **options):
    """The mail after the fix of what was found, and what is found in it then."""
    before = mail(**options)
    [fix] = fixes_of(before, code)
    draft = Draft(before.subject, before.sender_name, before.body, before.preview_text)
    draft = repair(fix, draft, PHRASES, URL)
    options |= {"preview_text": draft.preview_text}
    options |= {"subject": draft.subject, "body": draft.body, "sender_name": draft.sender_name}
    after = mail(**options)
    return after, [one.code for one in check(after)]


@pytest.mark.parametrize(
    "code, options",
    [(code, options) for code, _level, options, detail in FAILING
     if any(one.fix in REPAIRS for one in check(mail(**options)) if one.code == code)],
)  # fmt: skip
def test_one_click_mends(code, options):
    """The finding is gone, there is no new one, and a repair changes what it is for only."""
    before, [fix] = mail(**options), fixes_of(mail(**options), code)
    after, found = mended(code, **options)
    assert code not in found
    # A placeholder that was typed without a default still needs one.
    assert set(found) <= {one.code for one in check(before)} | {"no_fallback"}
    changed = {name for name in ("subject", "sender_name", "preview_text", "body")
               if getattr(before, name) != getattr(after, name)}  # fmt: skip
    assert changed == {CHANGES.get(fix, "body")}
    kept = set(words(before.body)) - set(words(after.body))
    assert not kept or fix in ("plain_defaults", "make_placeholders"), kept


#: what a repair changes that does not change the body
CHANGES = {
    "shorten_subject": "subject", "use_headline": "subject", "calm_subject": "subject",
    "mark_advertising": "subject", "shorten_sender_name": "sender_name",
    "use_company_name": "sender_name", "plain_sender_name": "sender_name",
    "write_preview_text": "preview_text",
}  # fmt: skip


def fixes_of(example, code):
    return {one.fix for one in check(example) if one.code == code}


def words(body):
    return read_fragment(body).text_content().split()


def test_every_fix_exists_and_is_offered():
    offered = {one.fix for _code, _level, options, _d in FAILING for one in check(mail(**options))}
    assert offered - {""} == {*REPAIRS, SHRINK}


def test_subject_is_cut_at_a_word_and_placeholders_stay_whole():
    subject = "Dear {{ object.name ||| friend of the house }}, " + "our spring " * 12
    after, _found = mended("subject_long", subject=subject)
    assert after.subject.startswith("Dear {{ object.name ||| friend of the house }}, our spring")
    assert after.subject.endswith(("our", "spring"))


def test_calm_subject():
    after, _found = mended("shouting", subject="SALE!! {{ object.NAME ||| YOU }} TODAY ONLY!!!")
    assert after.subject == "Sale! {{ object.NAME ||| YOU }} today only"


def test_footer_goes_into_the_mail_and_names_everything():
    body = '<div class="o_layout"><div class="o_mail_wrapper_td oe_structure"><p>Hello!</p>'
    body += "</div></div>"
    after, found = mended("no_unsubscribe", body=body)
    assert after.body.endswith("</section></div></div>")
    assert found == []
    assert "/unsubscribe_from_list" in after.body and "Orchard Road" in after.body


def test_salutation_stands_before_the_first_text():
    body = GOOD.replace('<p>Dear <t t-out="object.name">friend</t>,</p>', "")
    body = '<div class="s_header"><p>This is the long header text</p></div>' + body
    after, _found = mended("no_salutation", body=body)
    assert '<p>Dear <t t-out="object.name">friend</t>,</p><p>our spring' in after.body


def test_footer_has_only_what_is_missing():
    after, _found = mended("no_reason", **without("You get this mail because", "Thank you for"))
    assert after.body.count("Orchard Road") == after.body.count("/unsubscribe_from_list") == 1
    assert after.body.count(PHRASES.reason) == 1


def test_headline_is_the_subject():
    body = "<h2>{{ object.name }}</h2><h1>Light &amp; warm</h1>" + GOOD
    assert mended("subject_empty", body=body, subject="")[0].subject == "Light & warm"
    assert mended("subject_empty", subject="")[0].subject.startswith("our spring collection")


def test_sender_name_without_placeholder():
    name = "placeholder_in_sender_name"
    assert mended(name, sender_name="Azure *|X|*")[0].sender_name == "Azure"
    assert mended(name, sender_name="{{object.x}}")[0].sender_name == "Azure Interior"
    assert mended("sender_name_empty", sender_name="")[0].sender_name == "Azure Interior"


def test_links_go_and_texts_stay():
    body = GOOD + (
        '<p>a<a href="https://www.facebook.com/Odoo"><i class="fa"></i></a>b'
        '<a href="https://twitter.com/Odoo">Follow us</a>c<a href="https://shop.org/x">d</a></p>'
    )
    after, found = mended("link_network", body=body)
    assert '<p>abFollow usc<a href="https://shop.org/x">d</a></p>' in after.body
    after, _found = mended("link_empty", body=GOOD + '<p>a<a href="#">b<i>c</i></a>d</p>')
    assert "<p>ab<i>c</i>d</p>" in after.body


def test_typed_braces_become_placeholders():
    body = GOOD + "<p>a {{ object.city ||| x }} b {{object.zip}} c<br>d {{ object.city }}</p>"
    after, _found = mended("inline_in_body", body=body)
    assert (
        '<p>a <t t-out="object.city">x</t> b <t t-out="object.zip"></t> c<br>'
        'd <t t-out="object.city"></t></p>'
    ) in after.body
    [finding] = [
        one for one in check(mail(**with_body("{{ object.f() }}"))) if one.code == "inline_in_body"
    ]
    assert not finding.fix


def test_blocks_are_shown_to_everybody():
    body = GOOD + '<t t-if="object.city"><p data-filter-domain="[1]">x</p></t><p t-else="">y</p>'
    after, found = mended("condition", body=body)
    assert after.body.endswith("<t><p>x</p></t><p>y</p>")
    assert found == []


def test_icons_are_described_when_sent():
    """Nobody can describe an icon in the builder; its link's site is all that it says."""
    icon = '<img src="/mail/font_to_img/61594/rgb(0%2C0%2C0)/20"/>'
    body = (
        f'<a href="https://www.facebook.com/Azure">{icon}</a><a href="https://a.org">{icon} A</a>'
    )
    text = compile_content("x", body, public_url=URL, links={}).text
    assert 'alt="Facebook"' in text
    assert 'alt=""> A' in text


def test_pictures_are_named():
    body = GOOD.replace(' alt="A meadow"', "") + '<img src="/a/s_default_image_1.jpg"/>'
    after, _found = mended("no_alt", body=body)
    assert 'alt="Spring"' in after.body and 'alt="Picture"' in after.body


def test_preview_text_is_the_first_sentence_for_everybody():
    after, _found = mended("no_preview_text", preview_text="")
    assert after.preview_text == "our spring collection is here. Have a look."


def test_ad_mark_is_in_the_script_of_the_subject():
    assert mended("no_ad_mark", subject="春季新品", to_china=True)[0].subject == "【广告】春季新品"
    assert mended("no_ad_mark", subject="Spring", to_china=True)[0].subject == "(AD) Spring"


def test_color_keeps_its_hue():
    text = '<p style="margin:0; background-color:#fff; COLOR: #7fbf7f">Green</p>'
    after, _found = mended("low_contrast", **with_body(text))
    color = after.body.rpartition("color:#")[2][:6]
    red, green, blue = (int(color[at : at + 2], 16) for at in (0, 2, 4))
    assert green > red == blue
    assert "margin:0; background-color:#fff;color:#" in after.body


def test_small_text_gets_room():
    text = '<p style="font-size:11px;line-height:16px">Small</p>'
    after, _found = mended("small_text", **with_body(text))
    assert "font-size:14px;line-height:20px;" in after.body


@pytest.mark.parametrize(
    "one, other, ratio",
    [("#000", "#fff", 21), ("#777", "#fff", 4.48), ("#fff", "#fff", 1), ("#767676", "#fff", 4.54)],
)  # fmt: skip
def test_contrast_is_that_of_wcag(one, other, ratio):
    body = f'<p style="color:{one};background:{other}">x</p>'
    [(_node, _words, look)] = list(read_looks(read_fragment(body)))
    assert look.contrast == pytest.approx(ratio, abs=0.06)


@given(st.text(max_size=200), st.text(max_size=30), st.text(max_size=300))
def test_nothing_is_too_odd_to_check_and_mend(subject, name, body):
    example = mail(subject, body, name)
    for one in check(example):
        if one.fix in REPAIRS:
            draft = repair(one.fix, Draft(subject, name, body), PHRASES, URL)
            assert isinstance(draft.body, str)
    assert check(replace(example, in_body=True)) is not None
