"""The text part of a mail says what its HTML says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_marketing_dm.content.plaintext import TextPart


def text_of(body, **values):
    return TextPart(body).fill(values)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p>Dear  Ann,</p>\n<p>our <b>spring</b> collection\nis here.</p>",
         "Dear Ann,\n\nour spring collection is here."),
        ('<a href="https://x.example/a?b=1&amp;c=2">Shop</a> now',
         "Shop (https://x.example/a?b=1&c=2) now"),
        ('<a href="https://x.example">https://x.example</a>', "https://x.example"),
        ('<a href="mailto:a@b.example">Write</a>', "Write (a@b.example)"),
        ('<a href="#top">Up</a>', "Up"),
        ('<a href="https://x.example"><img src="/a.png" alt="A meadow"></a>',
         "A meadow (https://x.example)"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<ul><li>one</li><li>two</li></ul>end", "- one\n- two\n\nend"),
        ("<table><tr><td>Tea</td><td>5 &euro;</td></tr><tr><td>Milk</td><td>1 €</td></tr></table>",
         "Tea 5 €\nMilk 1 €"),
        ("<h1>News</h1>text<hr>end", "News\n\ntext\n\n--------------------\n\nend"),
        ("<style>p{}</style><title>T</title><script>x</script>a", "a"),
        ('<div style="display:none">Preview\u034f\u200c\u00a0</div>Hello', "Hello"),
        ("<!--[if mso]>Outlook<![endif]-->a<!-- b -->", "a"),
        ('a<img src="/pixel" width="1" alt="">', "a"),
        ("<p>&lt;b&gt; &amp; \u00a0 x</p>", "<b> & x"),
        ("你好，<b>世界</b>", "你好，世界"),
        ("مرحبا", "مرحبا"),
        ("", ""),
        ("   ", ""),
        ("<p></p>", ""),
    ],
)  # fmt: skip
def test_text(body, text):
    assert text_of(body) == text


def test_values():
    body = (
        "<p>Hi {Name}, &#123;Name&#125; {Other}</p>"
        '<a href="https://x.example/{Token}">Unsubscribe</a>'
    )
    values = {"Name": "O&#x27;Neil &lt;b&gt;<br/>&#123;Token&#125;", "Token": "t1"}
    assert text_of(body, **values) == (
        "Hi O'Neil <b>\n{Token}, {Name} {Other}\n\nUnsubscribe (https://x.example/t1)"
    )


@given(st.text())
def test_any_body(body):
    assert isinstance(text_of(body), str)


def test_deep_nesting():
    assert text_of("<div>" * 200 + "x") == "x"
