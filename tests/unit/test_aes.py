"""Decryption of addresses, against what the openssl command line made.

    hex() { od -An -tx1 | tr -d ' \\n'; }
    K=$(printf '%s' 0123456789abcDEF | hex)
    printf '%s' alice@example.com | openssl enc -aes-128-ecb -K $K -base64 -A
    printf '%s' alice@example.com | openssl enc -aes-128-ecb -K $K | hex
    IV=000102030405060708090a0b0c0d0e0f
    { printf '%s' $IV | xxd -r -p; printf '%s' alice@example.com |
      openssl enc -aes-128-cbc -K $K -iv $IV; } | base64 -w0          (or | hex)

openssl 3.0.19; the lower-case key's value likewise.
"""

import base64

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st

from email_marketing_dm.privacy.address import scrub
from email_marketing_dm.privacy.aes import AesKey, AesKeyError, DecryptError, make_fingerprint

KEY = "0123456789abcDEF"
BASE64 = {
    "alice@example.com": "13/1YKmdS/itveyTAlGUOV+7eV+CASnGrjvg1ECZfNs=",
    " Bob.Smith+news@Example.COM": "yrdzBwHOt01JJEt6CR8n1Ohg612NTpgaLnpAj9WttaI=",
    "x@y.cn": "axDabpmbWiGR1vxNxL+c2w==",
    "12345678@abc.com": "qd85klh3scxGwLbyY5DH2LmSImnJS9NHxWVzUK7egN0=",
    "not an address": "qageTq6x2684KRLnPHHvkw==",
    "用户@example.com": "sZJXsMEo6QWhGUSz7qrQX6oTU31Kok4beuMXV57z7oM=",
}
HEX = {
    "alice@example.com": "d77ff560a99d4bf8adbdec93025194395fbb795f820129c6ae3be0d440997cdb",
    "x@y.cn": "6b10da6e999b5a2191d6fc4dc4bf9cdb",
}
CBC_BASE64 = "AAECAwQFBgcICQoLDA0ODzdMyXjZR7eHA8sXOyoQMTU8uSk9xYRqvW9EzAYSw/Yx"
CBC_HEX = (
    "000102030405060708090a0b0c0d0e0f374cc978d947b78703cb173b2a1031353cb9293dc5846abd6f44cc06"
    "12c3f631"
)
WITH_LOWER_CASE_KEY = "jjRRDtItZg1FwqrUxKdNFZIq9kQyVBjz9WohQ5aS7UE="
NOT_PADDED = "SQRDC6xCVbQF3fub4H5DkA=="  # openssl enc -nopad of "alice-no-padding"
LONG = """toC3E6caknG9fC5OvQ+QWqdgIkhaA2/nHKJj2iN4Up4cw6pjcNq9HW5Qo+qc29lO
Mn76cp1Fi6OteiKCUhdobCZBsfVzY8QOkYZFExwh4rM=
"""


@pytest.mark.parametrize("clear", BASE64)
def test_base64(clear):
    assert AesKey(KEY).decrypt(BASE64[clear]) == clear


@pytest.mark.parametrize("clear", HEX)
def test_hex(clear):
    assert AesKey(KEY).decrypt(HEX[clear]) == clear
    assert AesKey(KEY).decrypt(HEX[clear].upper()) == clear


@pytest.mark.parametrize("value", (CBC_BASE64, CBC_HEX))
def test_cbc(value):
    assert AesKey(KEY, "cbc").decrypt(value) == "alice@example.com"
    assert AesKey(KEY, "ecb").read_address(value) is None


def test_spellings_of_base64():
    value = BASE64["alice@example.com"]
    for spelling in (f" {value}\n", value.rstrip("="), value.replace("/", "_").replace("+", "-")):
        assert AesKey(KEY).read_address(spelling) == "alice@example.com"
    assert AesKey(KEY).read_address(LONG) == (
        "averyveryveryveryveryveryveryverylongnameforamailbox@customers.example.com"
    )


def test_addresses_are_normalised():
    read = AesKey(KEY).read_address
    assert read(BASE64[" Bob.Smith+news@Example.COM"]) == "bob.smith+news@example.com"
    assert read(BASE64["not an address"]) is None
    assert read(BASE64["用户@example.com"]) is None


def test_capitals_of_the_key_matter():
    assert AesKey(KEY.lower()).read_address(WITH_LOWER_CASE_KEY) == "alice@example.com"
    assert AesKey(KEY).read_address(WITH_LOWER_CASE_KEY) is None


@pytest.mark.parametrize(
    "value", (None, "", "=", "?", "abc", "A" * 5000, NOT_PADDED, "00" * 16, "alice@example.com")
)
def test_damaged_values(value):
    assert AesKey(KEY).read_address(value) is None
    assert AesKey(KEY, "cbc").read_address(value) is None
    with pytest.raises(DecryptError):
        AesKey(KEY).decrypt(value)


@given(st.one_of(st.text(max_size=80), st.binary(max_size=64).map(bytes.hex)))
def test_nothing_crashes(value):
    for mode in ("ecb", "cbc"):
        address = AesKey(KEY, mode).read_address(value)
        assert address is None or "@" in address


@pytest.mark.parametrize(
    "text", ("", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeg", "٠" * 16)
)
def test_what_is_no_key(text):
    with pytest.raises(AesKeyError) as caught:
        AesKey(text)
    assert not text or text not in str(caught.value)


def test_key_stays_out_of_its_representation():
    assert KEY not in repr(AesKey(KEY))


def test_fingerprint_depends_on_key_and_salt():
    found = {
        make_fingerprint(KEY, "a"),
        make_fingerprint(KEY, "b"),
        make_fingerprint("0" * 16, "a"),
    }
    assert len(found) == 3
    assert make_fingerprint(KEY, "a") in found


@pytest.mark.parametrize(
    "text",
    (
        "550 5.1.1 <Alice.Jones@Example.com>: Recipient address rejected",
        "user alice.jones unknown",
        "bounce to srs0=x=alice.jones=example.com@mx.example.net",
        "alice.jones=example.com is no mailbox; try Alice.Jones@example.com.",
        "(alice.jones@example.com),alice.jones@example.com",
    ),
)
def test_scrub(text):
    scrubbed = scrub(text, "alice.jones@example.com")
    assert "alice" not in scrubbed.lower()
    assert "***" in scrubbed


def test_scrub_leaves_the_rest():
    assert scrub("550 5.1.1 no mailbox here by that name", "no@example.com") == (
        "550 5.1.1 no mailbox here by that name"
    )
    assert scrub(None, "a@b.cd") == scrub("", "") == ""


LITERALS = (
    "0x{hex}", "0X{HEX}", "X'{HEX}'", "x'{hex}'", "\\x{hex}", "'\\x{hex}'::bytea", "E'\\\\x{hex}'",
    "_binary 0x{HEX}", "UNHEX('{HEX}')", "HEXTORAW('{HEX}')", "decode('{hex}', 'hex')",
    "FROM_BASE64('{b64}')", "decode('{b64}','base64')", "'{hex}'", '"{b64}"', '="{HEX}"', "'{b64}",
    "{hex} ", " {b64}\n", "{colons}", "{spaces}", "{url}", "{lines}", "\ufeff{hex}", "b'{b64}'",
    "N'{hex}'", "{hex},",
)  # fmt: skip


@pytest.mark.parametrize("literal", LITERALS)
def test_values_as_databases_write_them(literal):
    text = "1234567890abcdef"
    padder = PKCS7(128).padder()
    address = b"a.rather.long.local.part.for.a.second.line@list.example"
    padded = padder.update(address) + padder.finalize()
    encryptor = Cipher(algorithms.AES(text.encode()), modes.ECB()).encryptor()  # noqa: S305
    data = encryptor.update(padded) + encryptor.finalize()
    plain = base64.b64encode(data).decode()
    value = literal.format(
        hex=data.hex(),
        HEX=data.hex().upper(),
        b64=plain,
        url=plain.translate(str.maketrans("+/", "-_")).rstrip("="),
        lines="\n".join(plain[n : n + 20] for n in range(0, len(plain), 20)),
        colons=data.hex(":"),
        spaces=data.hex(" "),
    )
    assert AesKey(text).read_address(value) == address.decode()
    assert AesKey(text).decrypt(value) == address.decode()
