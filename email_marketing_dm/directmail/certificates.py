# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Reads the public key in a certificate file of any documented form."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")
_BOM = b"\xef\xbb\xbf"


@functools.lru_cache(maxsize=64)
def read_public_key(content: bytes) -> rsa.RSAPublicKey:
    """Return the RSA public key in a file. Cached, because reading costs more than verifying.

    :param content: a certificate or a bare public key (SubjectPublicKeyInfo or PKCS #1), as PEM,
        DER, or DER in Base64
    :raise ValueError: another content, or another kind of key
    """
    readers: tuple[Callable[[bytes], object], ...]
    text = content.removeprefix(_BOM).strip()
    if b"-----BEGIN" in text:
        readers = (_read_pem_certificate, serialization.load_pem_public_key)
    else:
        readers = (_read_der_certificate, serialization.load_der_public_key)
        if _BASE64.fullmatch(text):
            content = base64.b64decode(text)
    for read in readers:
        try:
            key = read(content)
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(key, rsa.RSAPublicKey):
            return key
    raise ValueError("neither a certificate nor a public key of RSA")


def _read_pem_certificate(content: bytes) -> object:
    return x509.load_pem_x509_certificate(content).public_key()


def _read_der_certificate(content: bytes) -> object:
    return x509.load_der_x509_certificate(content).public_key()
