"""Tags of other mailing tools, and text that only looks like them."""

import pytest

from email_marketing_dm.content.foreign_tags import (
    find_braces_in_address,
    find_tags,
    find_tags_in_address,
)

TAGS = [
    "{{first_name}}", "{{ contact.FIRSTNAME }}", "{{{name}}}", "{{ user.name | default: 'you' }}",
    "{{#if name}}", "{% if customer %}", "{%- for x in y -%}",
    "${object.name}", "${first_name}", "#{name}",
    "*|FNAME|*", "*|IF:FNAME|*", "*|UNSUB|*",
    "%name%", "%FIRSTNAME%", "%first name%", "%subscriber.email%", "%%FirstName%%", "%%=v(@x)=%%",
    "[[name]]", "[[ data:firstname ]]", "[FirstName]", "[FIRST NAME]", "[Email,fallback=]",
    "[subscriber:firstname | default:reader]", "[unsubscribe]",
    "<%= name %>", "<% if x %>", "<<First Name>>", "«First_Name»",
    "{FirstName}", "{first_name}", "{firstname|friend}", "{!Contact.FirstName}", "{EAddr}",
    "{contact.name}", "{$email}", "#name#", "##first_name##", "@@email@@", "{姓名}", "%Vorname%",
]  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_of_another_tool(tag):
    for text in (tag, f"Dear {tag},", f"({tag})!", f"a {tag} b {tag}"):
        assert find_tags(text) == [tag]


def test_several_tags():
    assert find_tags("Hi *|FNAME|* and %name%, {{ x }}") == ["{{ x }}", "*|FNAME|*", "%name%"]


@pytest.mark.parametrize(
    "text",
    [
        "100% cotton, 50% off", "from 10% to 20%", "100%Bio%", "5%-10% name", "up to 50 % name %",
        "it's %TEMP%", "50%off%",
        "p {color: red}", "{ margin: 0 }", "{50% off, today}", ":-} {", "{}", "{{}}", "a {b} c",
        "https://shop.org/?q=%20name%20&r=%E4name%C3", "https://shop.org/?q=%C3%A4",
        "#sale #summer", "#name", "#1 and #2", "C# and F#", "colors #fff#000",
        "$5 {net}", "$name", "US$ 5", "5 * 3 | 2 * 1", "*|*", "* | name | *",
        "[1]", "[Name]", "[sic]", "[link](https://shop.org)", "array[email]", "[...]", "[[1, 2]]",
        "a < b % c > d", "<3", "<<", "« Nom »", "«Bonjour»", "1 << name >> 2",
        "me@shop.org @name", "@@", "name: {Name}", "", " ", "email", "first_name",
        "2 %% 3 %% 4", "\U0001f600 {\U0001f600}", "{name}",
    ],
)  # fmt: skip
def test_ordinary_text(text):
    assert find_tags(text) == []


@pytest.mark.parametrize(
    ("address", "tags"),
    [
        ("https://x.example/?n={{ object.name }}", ["{{ object.name }}"]),
        ("https://x.example/?n=%7B%7B%20object.name%20%7D%7D", ["{{ object.name }}"]),
        ("https://x.example/?n=%7b%7bobject.name%7d%7d", ["{{object.name}}"]),
        ("mailto:a@b.example?subject={{object.name}}", ["{{object.name}}"]),
        ("https://x.example/{Name}", ["{Name}"]),
        ("https://x.example/%7BName%7D", ["{Name}"]),
        ("https://x.example/?n=${object.name}", ["${object.name}"]),
        ("https://x.example/?e=*|EMAIL|*", ["*|EMAIL|*"]),
        ("https://x.example/?e=*%7CEMAIL%7C*", ["*|EMAIL|*"]),
        ("https://x.example/?e=%email%", ["%email%"]),
        ("https://x.example/?e=%address%&x=1", ["%address%"]),
        ("https://x.example/?e=[[email]]", ["[[email]]"]),
        ("*|UNSUB|*", ["*|UNSUB|*"]),
        ("{{ unsubscribe_url }}", ["{{ unsubscribe_url }}"]),
        ("#{{ anchor }}", ["{{ anchor }}"]),
        ("https://x.example/?e=<%= email %>", ["<%= email %>"]),
    ],
)
def test_something_to_fill_in_in_an_address(address, tags):
    assert find_tags_in_address(address) == tags


@pytest.mark.parametrize(
    "address",
    [
        "https://x.example/?a=%20b&c=%E4%C3", "https://x.example/?fields[email]=1&f[name]=2",
        "https://x.example/?filter=%7B%22a%22%3A1%7D", 'https://x.example/?filter={"a":1}',
        "#name", "https://x.example/#email#", "mailto:a@b.example?subject=50%25%20off",
        "tel:+65123", "/unsubscribe_from_list", "", "https://x.example/%E4name%C3",
        "data:image/png;base64,AAAA%3D", "https://[::1]/", "https://x.example/a{2}",
        "https://x.example/{Braces}",
    ],
)  # fmt: skip
def test_ordinary_addresses(address):
    assert find_tags_in_address(address) == []


def test_braces_in_addresses():
    assert find_braces_in_address("https://x.example/%7BBraces%7D/{a b}") == ["{Braces}", "{a b}"]
    for address in ('https://x.example/?filter={"a":1}', "https://x.example/a{2}", "{}", ""):
        assert find_braces_in_address(address) == []
