"""Texts that visitors enter."""

import pytest

from email_marketing_dm.privacy.entered import clean_line


@pytest.mark.parametrize(
    ("entered", "kept"),
    [
        (None, ""),
        ("", ""),
        ("  Zoë \t Müller\r\n", "Zoë Müller"),
        ("Zoë\r\nBcc: all@example.com", "Zoë Bcc: all@example.com"),
        ("a\x00b\x07c\x7fd\x85e", "a b c d e"),
        ("a\u2028b\u2029c\u3000d", "a b c d"),
        ("\u202eZo\u200bë\u2066\ufeff", "Zoë"),
        ("\u200d \u200c", ""),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("王 小明", "王 小明"),
        ("\ud800x\ue000", "x"),
    ],
)
def test_only_what_is_visible_is_kept(entered, kept):
    assert clean_line(entered, 100) == kept


def test_long_texts_are_cut():
    assert clean_line("x" * 50, 10) == "x" * 10
    assert clean_line("123456789 x", 10) == "123456789"
