"""A mail that passes the preflight, and examples of mails that fail a rule."""

from email_marketing_dm.content.placeholders import compile_content
from email_marketing_dm.content.preflight_mail import UNSUBSCRIBE, Mail, read_demo_texts

URL = "https://news.shop.org"
GOOD = """
<p>Dear <t t-out="object.name">friend</t>,</p>
<p>our spring collection is here. <a href="https://shop.org/spring">Have a look</a>.</p>
<p><img src="https://shop.org/spring.jpg" alt="A meadow"/></p>
<p>Azure Interior, 1 Orchard Road, Singapore 238824. You get this mail because you are our
customer. <a href="/unsubscribe_from_list">Unsubscribe</a></p>
"""
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
