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
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st

from email_marketing_dm.privacy.address import scrub
from email_marketing_dm.privacy.aes import (
    AesKey,
    AesKeyError,
    DecryptError,
    list_cbc_digests,
    make_fingerprint,
)

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
    known = list_cbc_digests(value)
    for mode in ("cbc", "gcm", "ecb"):
        assert AesKey(KEY, mode).decrypt(value, known.__contains__) == "alice@example.com"
        assert AesKey(KEY, mode).read_address(value) is None


def test_cbc_in_another_spelling_is_known_too():
    known = list_cbc_digests(CBC_HEX)
    for value in (CBC_BASE64, f"0x{CBC_HEX.upper()}"):
        assert AesKey(KEY, "gcm").read_address(value, known.__contains__) == "alice@example.com"


def test_cbc_that_was_changed_is_not_decrypted():
    known = list_cbc_digests(CBC_HEX).__contains__
    for changed in _change_each_byte(bytes.fromhex(CBC_HEX)):
        for mode in ("cbc", "gcm", "ecb"):
            assert AesKey(KEY, mode).read_address(changed.hex(), known) is None


def _change_each_byte(data):
    """Yield the data with each byte changed, in one bit and in all."""
    for place in range(len(data)):
        for mask in (1, 0x80, 0xFF):
            yield bytes(byte ^ mask * (at == place) for at, byte in enumerate(data))


def _encrypt_gcm(clear, nonce=bytes(range(12))):
    return nonce + AESGCM(KEY.encode()).encrypt(nonce, clear.encode(), None)


@pytest.mark.parametrize("length", range(6, 60))
def test_gcm_of_every_length(length):
    address = "a" * (length - 5) + "@b.cd"
    data = _encrypt_gcm(address)
    for value in (data.hex(), data.hex().upper(), base64.b64encode(data).decode()):
        assert AesKey(KEY, "gcm").read_address(value) == address
        assert AesKey(KEY, "ecb").read_address(value) is None


def test_gcm_of_the_longest_address():
    address = "a" * 64 + "@" + ".".join(["b" * 60] * 3) + ".cd"
    assert AesKey(KEY, "gcm").decrypt(_encrypt_gcm(address).hex()) == address
    assert AesKey(KEY, "gcm").decrypt(_encrypt_gcm("x" * 254).hex()) == "x" * 254


def test_gcm_that_was_changed_in_any_byte_can_not_be_decrypted():
    data = _encrypt_gcm("alice@example.com")
    key = AesKey(KEY, "gcm")
    for changed in _change_each_byte(data):
        for value in (changed.hex(), base64.b64encode(changed).decode()):
            with pytest.raises(DecryptError):
                key.decrypt(value)
    for part in (data[:-1], data[1:], data + b"0", data[:28], data[:12] + data[-16:], data[:12]):
        with pytest.raises(DecryptError):
            key.decrypt(part.hex())


def test_gcm_vector_of_the_specification():
    """Test case 3 of the GCM specification (McGrew, Viega), which NIST SP 800-38D refers to."""
    key = AesKey(KEY, "gcm")
    key._key = bytes.fromhex("feffe9928665731c6d6a8f9467308308")  # no key of 16 characters
    assert key._decrypt(
        "gcm",
        bytes.fromhex(
            "cafebabefacedbaddecaf888"
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
            "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985"
            "4d5c2af327cd64a62cf35abd2ba6fab4"
        ),
    ) == bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
    )


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
    assert AesKey(KEY, "gcm").read_address(value) is None
    assert AesKey(KEY, "cbc").read_address(value, lambda digest: True) is None
    with pytest.raises(DecryptError):
        AesKey(KEY).decrypt(value)


@given(st.one_of(st.text(max_size=80), st.binary(max_size=64).map(bytes.hex)))
def test_nothing_crashes(value):
    for mode in ("gcm", "ecb", "cbc"):
        address = AesKey(KEY, mode).read_address(value, lambda digest: True)
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


def _encrypt_ecb(text, address):
    padder = PKCS7(128).padder()
    padded = padder.update(address) + padder.finalize()
    encryptor = Cipher(algorithms.AES(text.encode()), modes.ECB()).encryptor()  # noqa: S305
    return encryptor.update(padded) + encryptor.finalize()


@pytest.mark.parametrize("mode", ("gcm", "ecb"))
@pytest.mark.parametrize("literal", LITERALS)
def test_values_as_databases_write_them(literal, mode):
    text = "1234567890abcdef"
    address = b"a.rather.long.local.part.for.a.second.line@list.example"
    nonce = bytes(range(200, 212))
    data = {
        "gcm": nonce + AESGCM(text.encode()).encrypt(nonce, address, None),
        "ecb": _encrypt_ecb(text, address),
    }[mode]
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
    assert AesKey(text, mode).read_address(value) == address.decode()
    assert AesKey(text, mode).decrypt(value) == address.decode()
