"""What the columns of uploaded lists are used for."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_marketing_dm.content.expressions import parse_expression
from email_marketing_dm.lists.columns import (
    NOTHING,
    PLACEHOLDER,
    USED_MAX,
    find_doubles,
    find_flaw,
    guess_uses,
    join_name,
    make_keys,
    split_tags,
)


@pytest.mark.parametrize(
    "title, key",
    [
        ("Coupon code", "coupon_code"),
        (" Coupon-Code ", "coupon_code"),
        ("COUPON__CODE", "coupon_code"),
        ("Größe", "grösse"),
        ("优惠码", "优惠码"),
        ("クーポン コード", "クーポン_コード"),
        ("हिन्दी", "हिन्दी"),
        ("2026 revenue", "column_2026_revenue"),
        ("class", "class_"),
        ("None", "none"),
        ("__class__", "class_"),
        ("½ price", "column_1_2_price"),
        ("<script>", "script"),
        ("?!", "column"),
        ("", "column"),
        ("x" * 100, "x" * 40),
    ],
)
def test_key_of_a_title(title, key):
    assert make_keys([title]) == [key]


def test_keys_are_unique():
    assert make_keys(["Code", "code", "CODE", "Code 2"]) == ["code", "code_2", "code_3", "code_2_2"]


@given(st.lists(st.text(), max_size=5))
def test_any_title_makes_a_placeholder(titles):
    keys = make_keys(titles)
    assert len(set(keys)) == len(titles)
    for key in keys:
        assert ast.parse(f"object.directmail_upload.{key}", mode="eval").body.attr == key
        assert parse_expression(f"object.directmail_upload.{key}").path.endswith(f".{key}")


@pytest.mark.parametrize(
    "titles, uses",
    [
        (["Email", "Coupon"], [PLACEHOLDER, PLACEHOLDER]),
        (["First Name", "last_name", "City"], ["first_name", "last_name", "city"]),
        (["Vorname", "Name"], ["first_name", "last_name"]),
        (["Nom", "Ville"], ["name", "city"]),
        (["姓名", "手机号", "城市"], ["name", "phone", "city"]),
        (["Phone", "Mobile"], ["phone", PLACEHOLDER]),
        (["Name", "Surname"], ["name", PLACEHOLDER]),
    ],
)
def test_guessed_uses(titles, uses):
    assert guess_uses(titles, [[]] * len(titles)) == uses


def test_columns_with_addresses_and_too_many_columns_are_not_used():
    assert guess_uses(["Other mail", "@handle"], [["a@b.com"], ["@ada"]]) == [NOTHING, PLACEHOLDER]
    titles = [f"Column {n}" for n in range(USED_MAX + 2)]
    assert guess_uses(titles, [[]] * len(titles)).count(NOTHING) == 2


@pytest.mark.parametrize(
    "values, name",
    [
        ({"name": "Ada King", "first_name": "X"}, "Ada King"),
        ({"first_name": "Ada", "last_name": "King"}, "Ada King"),
        ({"last_name": "King"}, "King"),
        ({"first_name": "小明", "last_name": "王"}, "王小明"),
        ({"first_name": "Li", "last_name": "王"}, "Li 王"),
        ({"city": "Rome"}, ""),
    ],
)
def test_joined_name(values, name):
    assert join_name(values) == name


def test_flaws():
    assert find_flaw("phone", "call me", False) == "no_phone"
    assert find_flaw("phone", "+65 9123 4567", False) == ""
    assert find_flaw(PLACEHOLDER, "x" * 1025, False) == "too_long"
    assert find_flaw(PLACEHOLDER, "M\ufffdller", False) == "encoding"
    assert find_flaw(PLACEHOLDER, "Ada <ada@example.com>", True) == "address"
    assert find_flaw(PLACEHOLDER, "Ada <ada@example.com>", False) == ""


def test_tags_and_doubles():
    assert split_tags(" VIP, Press ;VIP,, B  2 B、展会") == ["VIP", "Press", "B 2 B", "展会"]
    assert find_doubles(["city", "city", "tags", "tags", PLACEHOLDER, PLACEHOLDER]) == ["city"]
