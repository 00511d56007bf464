"""Lengths as DirectMail counts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_marketing_dm.content.lengths import count_units, cut_units


@pytest.mark.parametrize(
    ("text", "units"),
    [("", 0), (None, 0), (False, 0), ("abc", 3), ("春天", 2), ("é", 1), ("e\u0301", 2), ("🌸", 2),
     ("👩‍👩‍👧", 8), ("🇸🇬", 4), ("𝓐", 2), ("\ud800", 1)],
)  # fmt: skip
def test_units(text, units):
    assert count_units(text) == units


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("Azure Interior", 14, "Azure Interior"),
        ("Azure Interiors", 14, "Azure Interior"),
        ("🌸🌸🌸🌸🌸🌸🌸🌸", 14, "🌸" * 7),
        ("🌸🌸🌸🌸🌸🌸🌸🌸", 15, "🌸" * 7),
        ("Shop 👩‍👩‍👧", 12, "Shop "),
        ("Cafe\u0301", 4, "Caf"),
        ("a👍🏽b", 3, "a"),
        ("🇸🇬🇩🇪", 6, "🇸🇬"),
        ("🇸🇬🇩🇪", 4, "🇸🇬"),
        ("🇸🇬🇩🇪", 3, ""),
        ("❤️x", 1, ""),
        ("x", 0, ""),
        (None, 3, ""),
    ],
)
def test_cut(text, most, kept):
    assert cut_units(text, most) == kept


@given(st.text(), st.integers(0, 20))
def test_a_cut_text_is_short_enough_and_a_beginning(text, most):
    kept = cut_units(text, most)
    assert text.startswith(kept)
    assert count_units(kept) <= most
    assert count_units(text) == len(text.encode("utf-16-le", "surrogatepass")) // 2
