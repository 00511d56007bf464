# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Short signed tokens for the links in a mail. Each stands for the number of one record.

base64url of: the number in as few bytes as it needs, then 10 bytes (80 bits) of HMAC-SHA256. The
HMAC covers the database, so that a token of a copied database is not valid in the original, and
the kind, so that a delivery's token is not valid for another kind of record.
"""

import base64
import binascii
import functools
import hashlib
import hmac

from .keys import MasterKey

_MAC = 10
_LONGEST = 32  # more than the token of the largest 64-bit number
_NUMBER = 4  # bytes of a PostgreSQL integer, the largest id of a delivery
_PURPOSE = "tokens"


def make_token(master_key: MasterKey, database_uuid: str, kind: str, number: int) -> str:
    """Return the token of record ``number`` (>= 0): letters, digits, "-" and "_".

    18 characters up to 16.7 million.
    """
    packed = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    mac = _mac(master_key, database_uuid, kind, packed)
    return base64.urlsafe_b64encode(packed + mac).rstrip(b"=").decode("ascii")


def read_number(token: object) -> int | None:
    """Return the number in a token *without verifying it*, or None if it can't be a token.

    Use it only to limit how many unverified tokens are stored.
    """
    raw = _decode(token)
    packed = raw[:-_MAC] if raw else b""
    number = int.from_bytes(packed, "big") if 0 < len(packed) <= _NUMBER else None
    return number if number is not None and number < 2**31 else None


def read_token(master_key: MasterKey, database_uuid: str, kind: str, token: object) -> int | None:
    """Return the number, or None for any text that make_token() did not return."""
    raw = _decode(token)
    if raw is None:
        return None
    packed, mac = raw[:-_MAC], raw[-_MAC:]
    if not packed or not hmac.compare_digest(mac, _mac(master_key, database_uuid, kind, packed)):
        return None
    number = int.from_bytes(packed, "big")
    # base64 has several spellings of the same bytes; accept only that of make_token().
    return number if make_token(master_key, database_uuid, kind, number) == token else None


def _decode(token: object) -> bytes | None:
    """Return the bytes of a token, or None for any other value."""
    if not isinstance(token, str) or len(token) > _LONGEST or not token.isascii():
        return None
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        return None


def _mac(master_key: MasterKey, database_uuid: str, kind: str, packed: bytes) -> bytes:
    message = b"\0".join((database_uuid.encode(), kind.encode(), packed))
    return hmac.digest(_signing_key(master_key), message, hashlib.sha256)[:_MAC]


@functools.lru_cache(maxsize=8)
def _signing_key(master_key: MasterKey) -> bytes:
    # Cached: deriving costs more than signing, and a sender makes a hundred tokens a second.
    return master_key.derive(_PURPOSE)
