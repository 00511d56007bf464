# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Addresses that a company encrypted in its own database before it handed them over.

AES-128 with the key's 16 characters taken as ASCII bytes, the result as hex digits or Base64:

- GCM, for values that are encrypted anew: nonce (12 bytes), ciphertext, tag (16 bytes), without
  additional data. A value that was changed is not decrypted.
- ECB with PKCS#7 padding, as the tools of Quick Audience and MySQL's ``AES_ENCRYPT`` do it. It
  shows which values are equal.
- CBC with PKCS#7 padding, its IV (16 bytes) in front. No longer offered: a user who changes the IV
  and sees whether the value can still be decrypted could find out the address character by
  character. So only CBC values are decrypted that the caller knows: see `list_cbc_digests`.

No exception contains decrypted text.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

from .address import normalise

IsKnown = Callable[[str], bool]

MODES = ("gcm", "ecb", "cbc")
BLOCK = 16  # bytes
NONCE = 12  # bytes
TAG = 16  # bytes
VALUE_MAX = 1024  # characters; a longest address is 576 hex digits with padding and IV

_KEY = re.compile(r"[0-9A-Fa-f]{16}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_SPACE = re.compile(r"[\s\u200b\ufeff]+")
# As databases and programs write bytes: 0x..., X'...', '\x...'::bytea, E'\\x...', _binary 0x...,
# UNHEX('...'), decode('...', 'hex'), FROM_BASE64('...'), in quotes or behind an apostrophe.
_LITERALS = (
    re.compile(
        r"""[^0-9A-Z]*(?:_binary)?[('"]*(?:0x|\\+x|[be]?['"]+\\+x|x['"]+)
        ([0-9a-f]+)['"]*\)*(?:::bytea)?[^0-9A-Z]*""",
        re.IGNORECASE | re.VERBOSE,
    ),
    re.compile(
        r"""[^0-9A-Z]*(?:unhex|hextoraw|from_base64|decode)\(['"]
        ([\w+/=-]+)['"](?:,['"](?:hex|base64)['"])?\)[^0-9A-Z]*""",
        re.IGNORECASE | re.VERBOSE,
    ),
    re.compile(r"""=?[nb]?['"`]*([\w+/=-]+)['"`,;]*""", re.IGNORECASE),
)
_GROUP = re.compile(r"[:.-]")
_HEX_GROUPS = re.compile(
    r"[0-9A-Fa-f]{2}(?:[:.-][0-9A-Fa-f]{2})+|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{8})*-[0-9A-Fa-f]{2,8}"
)
_URLSAFE = str.maketrans("-_", "+/")
# scrypt: a guess costs 50 ms and 32 MB, and most keys were not chosen at random
_SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26, "dklen": 32}


class AesKeyError(ValueError):
    """A text is no AES key in the form that Quick Audience prescribes."""


class DecryptError(ValueError):
    """A value was not encrypted with this key, or is damaged."""


class AesKey:
    """Decrypts addresses. It can't encrypt: that is done where the addresses come from.

    :param text: exactly 16 characters of 0-9, A-F, a-f; capitals matter
    :param mode: one of MODES
    :raise AesKeyError: any other text
    """

    def __init__(self, text: str, mode: str = "ecb") -> None:
        if not isinstance(text, str) or not _KEY.fullmatch(text):
            raise AesKeyError("An AES key has exactly 16 characters: 0-9, A-F, a-f.")
        if mode not in MODES:
            raise AesKeyError(f"There is no mode {mode!r}.")
        self.mode = mode
        self._key = text.encode("ascii")

    def __repr__(self) -> str:
        return f"<AesKey {self.mode}>"

    def decrypt(self, value: str | None, is_known: IsKnown | None = None) -> str:
        """Return the text behind a value in hex digits or Base64, however a database wrote it.

        :param is_known: as in `read_address`
        :raise DecryptError: encrypted with another key or mode, or changed since
        """
        for text in self._read(value, is_known):
            return text
        raise DecryptError("This can't be decrypted.")

    def read_address(self, value: str | None, is_known: IsKnown | None = None) -> str | None:
        """Return the normalised address behind a value, or None where there is none.

        A known CBC value is read in any mode, so that a company can change to another mode.

        :param is_known: tells of a CBC value's SHA-256, 64 hex digits, whether it may be
            decrypted; without it no CBC value is
        """
        addresses = (normalise(text) for text in self._read(value, is_known))
        return next(filter(None, addresses), None)

    def _read(self, value: str | None, is_known: IsKnown | None) -> Iterator[str]:
        """Yield the texts that a value may stand for."""
        for data in _decode(value or ""):
            for mode in dict.fromkeys((self.mode, "cbc")):
                if mode == "cbc" and not (is_known and _is_cbc(data) and is_known(_digest(data))):
                    continue
                try:
                    yield self._decrypt(mode, data).decode()
                except (ValueError, InvalidTag):
                    continue

    def _decrypt(self, mode: str, data: bytes) -> bytes:
        if mode == "gcm":
            if len(data) <= NONCE + TAG:
                raise ValueError("too short")
            return AESGCM(self._key).decrypt(data[:NONCE], data[NONCE:], None)
        iv, data = (data[:BLOCK], data[BLOCK:]) if mode == "cbc" else (b"", data)
        chaining = modes.CBC(iv) if iv else modes.ECB()  # noqa: S305 (prescribed)
        decryptor = Cipher(algorithms.AES(self._key), chaining).decryptor()
        unpadder = PKCS7(8 * BLOCK).unpadder()
        padded = decryptor.update(data) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()


def list_cbc_digests(value: str | None) -> list[str]:
    """Return the digests that `AesKey.read_address` passes to `is_known` for a value.

    Several if the value can be read as hex digits and as Base64; none if it can't be CBC.

    :return: SHA-256s in 64 hex digits
    """
    return [_digest(data) for data in _decode(value or "") if _is_cbc(data)]


def _is_cbc(data: bytes) -> bool:
    return len(data) >= 2 * BLOCK and not len(data) % BLOCK


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _decode(value: str) -> Iterator[bytes]:
    """Yield the bytes that a value may encode: read as it is, then as a literal of a database."""
    if len(value) > VALUE_MAX:
        return
    text = _SPACE.sub("", value)  # MySQL's TO_BASE64 breaks lines
    yield from _decode_plain(text)
    for pattern in _LITERALS:
        if found := pattern.fullmatch(text):
            yield from _decode_plain(found[1])
    if _HEX_GROUPS.fullmatch(text):
        yield from _decode_plain(_GROUP.sub("", text))


def _decode_plain(text: str) -> Iterator[bytes]:
    """Yield the bytes of a text read as hex digits, then as Base64."""
    if _HEX.fullmatch(text):
        yield bytes.fromhex(text)
    text = text.rstrip("=").translate(_URLSAFE)
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return
    yield data


def make_fingerprint(text: str, salt: str) -> str:
    """Return 64 hex digits that are equal for the same key; slow to compute, against guessing.

    Independent of the master key, so that the key can be entered again after that one was lost.

    :param text: the key
    :param salt: any text, kept beside the fingerprint
    """
    return hashlib.scrypt(text.encode(), salt=salt.encode(), **_SCRYPT).hex()
