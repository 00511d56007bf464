# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The master key, kept outside the database: it decrypts every secret in the database.

Each use gets a key of its own, derived with HKDF, so that one derived key reveals nothing about
another.
"""

import base64
import contextlib
import hashlib
import logging
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_logger = logging.getLogger(__name__)

SECRET_MIN = 32
_BLOCK = 64  # of SHA-256 in HMAC (RFC 2104)
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class MasterKeyError(Exception):
    """There is no usable master key."""


class WrongKeyError(MasterKeyError):
    """A secret was encrypted with another master key, or is damaged."""


class MasterKey:
    """Encrypts secrets and computes address keys.

    :param secret: at least 32 bytes
    :raise MasterKeyError: shorter
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_MIN:
            raise MasterKeyError(f"The master key must be at least {SECRET_MIN} characters long.")
        self._secret = bytes(secret)
        self._fernet = Fernet(base64.urlsafe_b64encode(self.derive("secrets")))
        padded = self.derive("address").ljust(_BLOCK, b"\0")
        self._pads = padded.translate(_INNER), padded.translate(_OUTER)
        self._inner = hashlib.sha256(self._pads[0])
        self._outer = hashlib.sha256(self._pads[1])
        #: 16 hex digits that differ from key to key and reveal nothing about the key
        self.fingerprint = self.derive("fingerprint").hex()[:16]

    def __repr__(self) -> str:
        return f"<MasterKey {self.fingerprint}>"

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for one ``purpose`` (a short ASCII word)."""
        info = b"email_marketing_dm/" + purpose.encode("ascii")
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self._secret)

    def encrypt(self, text: str) -> str:
        """Encrypt a string. Encrypting it twice gives two different results."""
        return self._fernet.encrypt(text.encode()).decode("ascii")

    def decrypt(self, token: str) -> str:
        """Return the text that encrypt() got.

        :raise WrongKeyError: encrypted with another key, or changed since
        """
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except (InvalidToken, UnicodeError) as error:
            raise WrongKeyError("This was encrypted with another master key.") from error

    def address_key(self, address: str) -> str:
        """Return the key (64 hex digits) by which a normalised address is matched.

        The HMAC-SHA256 of the address; equal to hmac.new(...), and faster because the pads are
        hashed once.
        """
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(address.encode())
        outer.update(inner.digest())
        return outer.hexdigest()

    def address_pads(self) -> tuple[bytes, bytes]:
        """Return HMAC's (inner, outer) pads, 64 bytes each.

        PostgreSQL computes address keys from them:
        ``encode(sha256(outer || sha256(inner || convert_to(address, 'UTF8'))), 'hex')``.
        They are as secret as the key: never put them into a statement that could be logged.
        """
        return self._pads


def load_master_key(
    configured: str | None, path: str | os.PathLike[str], create: bool = True
) -> MasterKey:
    """Return the MasterKey of this server.

    :param configured: the key's text from the server's configuration or environment, or None
    :param path: file for a server on one host, used when nothing is configured. Its text may be
        put into the configuration later: it is the same key.
    :param create: make the file if it is missing
    :raise MasterKeyError: no key, too short a key, or the file can't be read or made
    """
    if configured and configured.strip():
        text = configured.strip()
        if len(text) < SECRET_MIN:
            raise MasterKeyError(
                f"The configured master key has {len(text)} characters; "
                f"it must have at least {SECRET_MIN}."
            )
        return MasterKey(text.encode())
    path = Path(path)
    try:
        if create and not path.exists():
            _create_key_file(path)
        return MasterKey(_read_key_file(path).encode())
    except OSError as error:
        raise MasterKeyError(
            f"The master key file {path} can't be used ({error.strerror or error}). "
            "Put a master key into the server's configuration instead."
        ) from error


def _read_key_file(path: Path) -> str:
    text = path.read_text("utf-8").strip()
    if len(text) < SECRET_MIN:
        raise MasterKeyError(f"The master key file {path} is damaged: it is too short.")
    if os.name == "posix" and path.stat().st_mode & 0o077:
        _logger.warning("The master key file %s can be read by others: use mode 0600.", path)
    return text


def _create_key_file(path: Path) -> None:
    """Make the file in one step; a second process that makes it meanwhile uses the first's key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(handle, "w", encoding="utf-8") as stream:
            stream.write(secrets.token_urlsafe(48) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # unlike a rename, fails if the file exists
    finally:
        draft.unlink()
