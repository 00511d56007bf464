"""When two mails are the same to the people who read them."""

import pytest

from email_marketing_dm.content.identity import make_content_mark

BODY = '<p style="color: red">Dear <t t-out="object.name">you</t>, <a href="/a">see</a></p>'


@pytest.mark.parametrize(
    "subject, body",
    [
        (" spring  is HERE", BODY),
        ("Spring is here", BODY.replace("red", "blue")),
        ("Spring is here", BODY.replace("<p", "<style>p {}</style>\n<p").replace(", ", ",\n ")),
        ("Spring is here", f"<div>{BODY}<!-- a comment --></div>"),
    ],
)
def test_the_same(subject, body):
    assert make_content_mark(subject, body) == make_content_mark("Spring is here", BODY)


@pytest.mark.parametrize(
    "subject, body",
    [
        ("Summer is here", BODY),
        ("Spring is here", BODY.replace("Dear", "Hello")),
        ("Spring is here", BODY.replace('"/a"', '"/b"')),
        ("Spring is here", BODY.replace("object.name", "object.city")),
        ("Spring is here", BODY + '<img src="/picture.png">'),
        ("Spring is here", None),
    ],
)
def test_another_one(subject, body):
    assert make_content_mark(subject, body) != make_content_mark("Spring is here", BODY)
