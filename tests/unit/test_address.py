"""Spelling and masking of mail addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_marketing_dm.privacy.address import mask, normalise


@pytest.mark.parametrize(
    "address",
    [
        "a@b.co",
        "ann.o'neil+shop@mail.example.com",
        "a!#$%&'*+/=?^_`{|}~-@example.com",
        "a@1.example.com",
        "a@x--y.xn--fiqs8s",
        "a" * 64 + "@example.com",
        "a@" + ".".join(["b" * 40] * 4) + ".example",
    ],
)
def test_addresses(address):
    assert normalise(address) == address
    assert normalise(f"  {address.upper()}\n") == address


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "   ",
        "a",
        "@example.com",
        "a@",
        "a@example",
        "a@b@example.com",
        "a b@example.com",
        "a@example.com,b@example.com",
        "a@example.com;b@example.com",
        "Ann <a@example.com>",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a@-example.com",
        "a@example-.com",
        "a@example..com",
        "a@.example.com",
        "a@example.com.",
        "a@192.168.0.1",
        "a@[192.168.0.1]",
        "ä@example.com",
        "a@ex\u00e4m ple.com",
        "\u212a@example.com",  # the Kelvin sign: lower() makes it a k
        "a\n@example.com",
        "a@example.com\nb",
        "a\x00@example.com",
        "a" * 65 + "@example.com",
        "a@" + "b" * 64 + ".com",
        "a" * 61 + "@" + ".".join(["b" * 40] * 3) + ".examples",  # 193 characters
    ],
)
def test_no_addresses(address):
    assert normalise(address) is None


def test_the_longest():
    longest = "a" * 61 + "@" + ".".join(["b" * 40] * 3) + ".example"
    assert len(longest) == 192
    assert normalise(longest) == longest


@given(st.text(max_size=50) | st.emails())
def test_normalised_once_is_normalised(address):
    once = normalise(address)
    assert once is None or (normalise(once) == once and once.isascii() and once == once.lower())


@pytest.mark.parametrize(
    "address, shown",
    [
        ("Ann@Example.com", "A***@Example.com"),
        ("an@example.com", "***@example.com"),
        ("a@example.com", "***@example.com"),
        ("no address", "***"),
        (None, "***"),
    ],
)
def test_mask(address, shown):
    assert mask(address) == shown
