"""From Odoo's placeholders to DirectMail's, and back to what a reader sees."""

import html as html_lib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from email_marketing_dm.content.expressions import (
    make_record_path,
    parse_expression,
    split_record_path,
)
from email_marketing_dm.content.filling import assemble, body_value, html_value, plain_value
from email_marketing_dm.content.placeholders import compile_content
from email_marketing_dm.directmail.const import BUILT_IN_VARIABLES

LINKS = {"/unsubscribe_from_list": "/directmail/unsubscribe/", "/view": "/directmail/view/"}

# Everything that can be stored in PostgreSQL and shown in HTML, and often what hurts.
CHARACTERS = st.characters(exclude_categories=("Cs", "Cc", "Cn"))
NASTY = st.sampled_from(
    ["{Name}", "{Token}", "{", "}", "{{", "<script>alert(1)</script>", "'\"", "O'Neil", "&amp;"]
    + ["%s", "%7B", "$1", "\\1", "]]>", "-->", "&#123;Name&#125;"]
    + ["😀", "👩‍👩‍👧", "שלום", "مرحبا", "\u202e"]
)
TEXTS = st.lists(st.text(CHARACTERS, max_size=8) | NASTY, max_size=5).map("".join)


def compiled(body="", subject="", **options):
    options = {"public_url": "https://news.example.com", "links": LINKS, **options}
    return compile_content(subject, body, **options)


def seen(text):
    """What a reader sees of a text."""
    return html.fragment_fromstring(text, create_parent="div").text_content()


def one_line(text):
    return " ".join(text.split())


# Placeholders in a body -----------------------------------------------------------------


@pytest.mark.parametrize(
    "written, text, path, fallback",
    [
        ('<t t-out="object.name">friend</t>', "{Name}", "name", "friend"),
        ('<t t-out="object.name"></t>', "{Name}", "name", ""),
        ('<t t-out="object.name"/>', "{Name}", "name", ""),
        ('<t t-esc=" object.name ">\n  dear\n friend </t>', "{Name}", "name", "dear friend"),
        ("<t t-out=\"object.name or ''\"/>", "{Name}", "name", ""),
        ("<t t-out=\"object.name or 'A&amp;B'\">x</t>", "{Name}", "name", "A&B"),
        ("<t t-out='object.name or \"it&apos;s\"'/>", "{Name}", "name", "it's"),
        ('<t t-out="object.country_id.name"/>', "{CountryName}", "country_id.name", ""),
        ('<t t-out="object.x_studio_color_2"/>', "{XStudioColorTwo}", "x_studio_color_2", ""),
        ('<t t-out="object.isFriend"/>', "{IsFriend}", "isFriend", ""),
        ('<t t-out="object.id"/>', "{Id}", "id", ""),
    ],
)
def test_placeholder(written, text, path, fallback):
    result = compiled(f"<p>Hi {written}!</p>")
    assert result.problems == ()
    assert result.text == f"<p>Hi {text}!</p>"
    [variable] = result.variables
    assert (variable["path"], variable["fallback"]) == (path, fallback)
    assert (variable["where"], variable["format"]) == ("body", "")
    assert "{%s}" % variable["name"] == text


def test_an_element_keeps_everything_but_the_placeholder():
    result = compiled('<b class="x" t-out="object.name" style="color: red">you</b>, hello')
    assert result.text == '<b class="x" style="color: red">{Name}</b>, hello'


@pytest.mark.parametrize("function, value_format", [("datetime", "datetime"), ("date", "date")])
def test_dates_as_the_picker_writes_them(function, value_format):
    result = compiled(
        f"<t t-out=\"format_{function}(object.date, tz=object.partner_id.tz) or 'soon'\"/>"
        f'<t t-out="format_{function}(object.date)"/>'
    )
    assert result.problems == ()
    assert result.text == "{Date}{DateB}"
    assert [variable["format"] for variable in result.variables] == [value_format] * 2
    assert [variable["fallback"] for variable in result.variables] == ["soon", ""]


def test_an_attribute():
    result = compiled("<a t-att-href=\"object.website or 'https://x.example'\">site</a>")
    assert result.problems == ()
    assert result.text == '<a href="{WebsiteAttribute}">site</a>'
    [variable] = result.variables
    assert (variable["where"], variable["fallback"]) == ("attribute", "https://x.example")


@pytest.mark.parametrize(
    "written, code",
    [
        ('<t t-out="object.name.upper()"/>', "expression"),
        ('<t t-out="object.name or object.email"/>', "expression"),
        ('<t t-out="object.name or 5"/>', "expression"),
        ("<t t-out=\"object.name and 'x'\"/>", "expression"),
        ('<t t-out="object.lines[0].name"/>', "expression"),
        ('<t t-out="object._name"/>', "expression"),
        ('<t t-out="object.__class__.x"/>', "expression"),
        ('<t t-out="object.größe"/>', "expression"),
        ('<t t-out="object"/>', "expression"),
        ('<t t-out="user.name"/>', "expression"),
        ('<t t-out=""/>', "expression"),
        ('<t t-out="object.a + 1"/>', "expression"),
        ('<t t-out="object.("/>', "expression"),
        ('<t t-out="' + "(" * 450 + '"/>', "expression"),
        ('<t t-out="' + "object.a" * 9999 + '"/>', "expression"),
        ("<t t-out=\"format_datetime(object.date, tz='UTC')\"/>", "expression"),
        ('<t t-out="format_datetime(object.date, object.tz)"/>', "expression"),
        ('<t t-out="format_amount(object.total)"/>', "expression"),
        ('<p t-if="object.name">x</p>', "condition"),
        ('<p t-else="">x</p>', "condition"),
        ('<t t-foreach="object.lines" t-as="line">x</t>', "directive"),
        ('<t t-set="x" t-value="1"/>', "directive"),
        ('<t t-call="mail.layout"/>', "directive"),
        ('<span t-field="object.name"/>', "directive"),
        ('<t t-raw="object.name"/>', "directive"),
        ('<a t-attf-href="/x/#{object.id}">x</a>', "directive"),
        ('<a t-att="object.name">x</a>', "directive"),
        ('<a t-att-href="object.get_url()">x</a>', "expression"),
        ('<a t-att-onclick="object.name">x</a>', "expression"),
        ('<a t-att-style="object.name">x</a>', "expression"),
        ('<t t-out="object.name"><b>you</b></t>', "fallback_markup"),
        ("<p>Hi {{ object.name }}</p>", "inline_in_body"),
        ('<a href="https://x.example/?n={{object.name}}">x</a>', "inline_in_body"),
        ('<!--[if mso]><t t-out="object.name"/><![endif]-->', "directive"),
    ],
)
def test_what_cannot_be_said_is_reported(written, code):
    result = compiled(f"<div>{written}</div>")
    assert {found for found, _detail in result.problems} == {code}
    assert all(detail for _code, detail in result.problems)


def test_a_placeholder_inside_a_fallback_is_no_variable():
    result = compiled('<t t-out="object.name">a <i><t t-out="object.city">b</t></i></t>c')
    assert [variable["name"] for variable in result.variables] == ["Name"]
    assert result.problems == (("fallback_markup", 't-out="object.name"'),)


# Names ----------------------------------------------------------------------------------


def test_one_variable_for_each_way_of_filling_in():
    result = compiled(
        '<t t-out="object.name">a</t><t t-out="object.name">a</t><t t-out="object.name">b</t>'
        '<a t-att-title="object.name">x</a>',
        "{{ object.name ||| a }} {{object.name|||a}} {{object.name ||| c}}",
    )
    assert result.text == '{Name}{Name}{NameB}<a title="{NameAttribute}">x</a>'
    assert result.subject == "{NameSubject} {NameSubject} {NameSubjectB}"
    assert [(variable["name"], variable["where"]) for variable in result.variables] == [
        ("Name", "body"),
        ("NameB", "body"),
        ("NameAttribute", "attribute"),
        ("NameSubject", "subject"),
        ("NameSubjectB", "subject"),
    ]


@pytest.mark.parametrize(
    "path", ["mobile", "e_addr", "user_name", "gender", "token", "TOKEN", "nickName"]
)
def test_never_a_name_that_directmail_or_we_fill(path):
    [variable] = compiled(f'<t t-out="object.{path}"/>').variables
    assert variable["name"].lower() not in {name.lower() for name in (*BUILT_IN_VARIABLES, "Token")}


@given(
    st.lists(
        st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,4}(\.[a-zA-Z][a-zA-Z0-9_]{0,3})?", fullmatch=True),
        min_size=1,
        max_size=30,
        unique=True,
    )
)
def test_names_are_letters_and_differ(paths):
    result = compiled("".join(f'<t t-out="object.{path}"/>' for path in paths))
    # "None.x" and "or.x" are no attribute paths: keywords are reported, the others are there.
    names = [variable["name"] for variable in result.variables]
    assert len(names) + len(result.problems) == len(paths)
    assert len({name.lower() for name in names}) == len(names)
    assert all(name.isascii() and name.isalpha() for name in names)
    assert result == compiled("".join(f'<t t-out="object.{path}"/>' for path in paths))


def test_at_most_fifty_variables_and_our_token_is_one():
    fifty = "".join(f'<t t-out="object.f{number}"/>' for number in range(50))
    assert compiled(fifty).problems == ()
    assert compiled(fifty, "{{ object.f1 }}").problems == (("too_many_variables", "51"),)
    assert compiled(fifty + '<a href="/view">x</a>').problems == (("too_many_variables", "51"),)


# Subjects -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written, text, fallback",
    [
        ("Hi {{ object.name }}", "Hi {NameSubject}", ""),
        ("{{object.name|||friend}}!", "{NameSubject}!", "friend"),
        ("{{ object.name ||| dear friend }}!", "{NameSubject}!", "dear friend"),
        ("{{ object.name or 'you' }}\n 100% & <b>", "{NameSubject} 100% & <b>", "you"),
    ],
)
def test_subject(written, text, fallback):
    result = compiled(subject=written)
    assert result.problems == ()
    assert result.subject == text
    [variable] = result.variables
    assert (variable["path"], variable["fallback"]) == ("name", fallback)
    assert variable["where"] == "subject"


@pytest.mark.parametrize(
    "subject, problem",
    [
        ("Hi {Name}", ("brace_in_subject", "{Name}")),
        ("Hi { Name }", ("brace_in_subject", "{ Name }")),
        ("你好 {姓名}", ("brace_in_subject", "{姓名}")),
        ("{{ object.name.title() }}", ("expression", "{{ object.name.title() }}")),
        ("{{ 1 + 1 ||| two }}", ("expression", "{{ 1 + 1 ||| two }}")),
        ("{{{ object.name }}}", ("expression", "{{{ object.name }}")),
    ],
)
def test_subject_problems(subject, problem):
    assert problem in compiled(subject=subject).problems


def test_braces_that_are_no_variable_may_stay_in_a_subject():
    result = compiled(subject="Sale :-} {50% off, today}")
    assert (result.subject, result.problems) == ("Sale :-} {50% off, today}", ())


# Links and addresses --------------------------------------------------------------------


@pytest.mark.parametrize(
    "public_url", ["https://news.example.com", "news.example.com/", " https://news.example.com/ "]
)
def test_special_links(public_url):
    result = compiled(
        '<a href="/view">v</a><a href=" https://news.example.com/unsubscribe_from_list ">u</a>'
        '<!--[if mso]><a href="/view">v</a><![endif]-->',
        public_url=public_url,
    )
    view = "https://news.example.com/directmail/view/{Token}"
    assert result.text == (
        f'<a href="{view}">v</a>'
        '<a href="https://news.example.com/directmail/unsubscribe/{Token}">u</a>'
        f'<!--[if mso]><a href="{view}">v</a><![endif]-->'
    )
    assert result.links == set(LINKS)
    assert result.variables == ()


def test_any_link_can_be_made_ours():
    links = {"https://shop.example/?a=1&b=2": "/directmail/c/17/"}
    result = compiled('<a href="https://shop.example/?a=1&amp;b=2">x</a>', links=links)
    assert result.text == '<a href="https://news.example.com/directmail/c/17/{Token}">x</a>'


@pytest.mark.parametrize(
    "written, text",
    [
        ('<img src="/web/image/5">', '<img src="https://news.example.com/web/image/5">'),
        ('<img src="web/image/5">', '<img src="https://news.example.com/web/image/5">'),
        ('<img src="//cdn.example/a.png">', '<img src="https://cdn.example/a.png">'),
        ('<td background="/a.png">', '<td background="https://news.example.com/a.png"></td>'),
        (
            "<p style=\"background: url('/a.png'), url(/b.png)\">x</p>",
            "<p style=\"background: url('https://news.example.com/a.png'), "
            'url(https://news.example.com/b.png)">x</p>',
        ),
        (
            '<!--[if mso]><v:fill src="/a.png"/><![endif]-->',
            '<!--[if mso]><v:fill src="https://news.example.com/a.png"/><![endif]-->',
        ),
        (
            "<style>p{background:url(/a)}</style>",
            "<style>p{background:url(https://news.example.com/a)}</style>",
        ),
    ],
)
def test_relative_addresses_become_absolute(written, text):
    assert compiled(written).text == text


@pytest.mark.parametrize(
    "href",
    ["https://x.example/?a=%20b", "http://x.example", "mailto:a@b.example", "tel:+491", "sms:5"]
    + ["#", "#top", "", "cid:logo", "data:image/png;base64,AAAA"],
)
def test_other_addresses_stay(href):
    assert compiled(f'<a href="{href}">x</a>').text == f'<a href="{href}">x</a>'


# Braces and everything else that somebody types -----------------------------------------


@pytest.mark.parametrize(
    "written, text",
    [
        ("<p>{Word}</p>", "<p>&#123;Word&#125;</p>"),
        ("{a} <b>x</b> {b}", "&#123;a&#125; <b>x</b> &#123;b&#125;"),
        ('<a title="{Word}">x</a>', '<a title="&#123;Word&#125;">x</a>'),
        ("<style>p{color:red}b{x}</style>", "<style>p{color:red}b{ x }</style>"),
        ("<!-- {Word} -->", "<!-- { Word } -->"),
        ("&#123;Word&#125;", "&#123;Word&#125;"),
        ("", ""),
        ("just text", "just text"),
        ("<p>a</p>tail &amp; <br>end", "<p>a</p>tail &amp; <br>end"),
        ("<p></p><td></td>", "<p></p><td></td>"),
        ("dmq dmqcx dmqqox <b>{x}</b>", "dmq dmqcx dmqqox <b>&#123;x&#125;</b>"),
    ],
)
def test_typed_text(written, text):
    result = compiled(written)
    assert (result.text, result.problems) == (text, ())


def test_a_whole_document_stays_one():
    body = (
        "<!DOCTYPE html>\n<html><head>"
        '<meta http-equiv="Content-Type" content="text/html; charset=utf-8"><title>Ü</title>'
        '</head><body class="a"><p>中文 😀</p></body></html>'
    )
    assert compiled(body).text == body


def test_characters_no_mail_can_hold():
    assert compiled("a\x00b\x0bc\ud800d").text == "abc?d"


@given(TEXTS)
def test_typed_text_is_read_as_typed(text):
    escaped = html_lib.escape(text)
    result = compiled(f"<p>{escaped}</p><b title='{html_lib.escape(text)}'>x</b>")
    filled = assemble(result.text, {"Name": "WRONG", "Token": "WRONG"})
    assert "WRONG" not in filled
    assert seen(filled) == text + "x"
    [element] = html.fragment_fromstring(filled, create_parent="div").iter("b")
    assert element.get("title") == text


@given(TEXTS, TEXTS)
def test_values_are_read_as_they_are(name, city):
    result = compiled(
        '<p>Hi <t t-out="object.name"/>, <i t-out="object.city">x</i></p>'
        '<a t-att-title="object.name">y</a>'
    )
    values = {"Name": name, "City": city, "NameAttribute": name}
    filled = assemble(result.text, values, html_value)
    tree = html.fragment_fromstring(filled, create_parent="div")
    assert tree.find("p").text_content() == f"Hi {name}, {city}"
    assert tree.find("a").get("title") == name
    assert {node.tag for node in tree.iter()} == {"div", "p", "i", "a"}, "a value is never markup"
    # However DirectMail goes about it, a value is no variable.
    assert assemble(filled, {"Name": "WRONG", "Token": "WRONG"}) == filled


@given(TEXTS)
def test_values_of_a_subject(name):
    result = compiled(subject="Hi {{ object.name }}!")
    filled = assemble(result.subject, {"NameSubject": name}, plain_value)
    assert filled == f"Hi {one_line(name)}!"


@given(st.text(CHARACTERS, max_size=60))
def test_any_body_and_subject_compile(text):
    result = compile_content(text, text, public_url="https://n.example", links=LINKS)
    assert result == compile_content(text, text, public_url="https://n.example", links=LINKS)
    assert assemble(result.text, {"Name": "x"}) == result.text


# Values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, in_html, plain",
    [
        (None, "", ""),
        (False, "", ""),
        (0, "0", "0"),
        (1.5, "1.5", "1.5"),
        ("<'\"&{D}>", "&lt;&#x27;&quot;&amp;&#123;D&#125;&gt;", "<'\"&{D}>"),
        ("a\r\nBcc: b\u2028c\x00", "a\r\nBcc: b\u2028c", "a Bcc: b c"),
    ],
)
def test_one_value(value, in_html, plain):
    assert html_value(value) == in_html
    assert plain_value(value) == plain


@pytest.mark.parametrize(
    "value, in_body",
    [
        (None, ""),
        ("1 < 2 Street\r\nUlm\rBaden\nD", "1 &lt; 2 Street<br/>Ulm<br/>Baden<br/>D"),
        ("<br>\n\n{Name}", "&lt;br&gt;<br/><br/>&#123;Name&#125;"),
        ("a\u2028b\u2029c", "a<br/>b<br/>c"),
    ],
)
def test_lines_of_a_value_are_lines_in_a_body(value, in_body):
    assert body_value(value) == in_body


def test_assemble_puts_each_value_in_once():
    values = {"A": "{B}", "B": "b \\1 $1", "D": 5}
    assert assemble("{A}{B}{C}{D}{ A }{A1}{{B}}", values) == "{B}b \\1 $1{C}5{ A }{A1}{b \\1 $1}"


# Records for which a series starts --------------------------------------------------------


@pytest.mark.parametrize("model", ["sale.order", "crm.lead", "event", "x_studio.my_model"])
@pytest.mark.parametrize("path", ["", "name", "partner_id.name"])
def test_paths_of_records_name_their_model(model, path):
    made = make_record_path(model, path)
    assert split_record_path(made) == (model, path)
    assert parse_expression(f"object.{made}").path == made


def test_other_paths_are_not_of_records():
    assert split_record_path("name") is None
    assert split_record_path("directmail_upload.name") is None


def test_fields_of_contact_and_record_are_two_variables():
    fields = ("directmail_record.sale__order.name", "name")
    body = "".join(f'<t t-out="object.{path}">-</t>' for path in fields)
    assert [one["name"] for one in compiled(body).variables] == ["RecordName", "Name"]
