# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Checks by its text whether recipients anywhere could reach a URL or host."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import unicodedata
from urllib.parse import urlsplit

#: return values of find_problem()
PROBLEMS = ("malformed", "scheme", "local_name", "bare_name", "private")

# Names that public DNS never answers: RFC 6761, 6762, 8375, 9476, and usual internal names.
_LOCAL_SUFFIXES = (
    "localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private",
    "home.arpa", "test", "invalid", "example", "alt", "onion",
)  # fmt: skip
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# Not allowed in a URL; in a header such as List-Unsubscribe they would end the URL.
_FOREIGN = re.compile(r"""[\x00-\x20\x7f<>"\\^`{|}]""")
# Browsers read a host as an IPv4 address if its last part is a decimal or hexadecimal number.
_NUMERIC_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.IGNORECASE)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Azure's metadata service; other clouds' have private or link-local addresses.
_METADATA = ipaddress.ip_address("168.63.129.16")


def find_problem(url: str | None) -> str | None:
    """Return why recipients can't reach a URL over HTTPS, or None if its text shows no reason.

    Makes no DNS query, so that a public name may still not exist.

    :return: one of PROBLEMS: "malformed" (not a site's URL), "scheme" (not https), "local_name"
        (such as localhost or server.local), "bare_name" (without a dot), "private" (an IP address
        of this machine or of a private network)
    """
    url = (url or "").strip()
    try:
        # Before urlsplit(), which silently removes line breaks and tabs.
        if _FOREIGN.search(url):
            return "malformed"
        parts = urlsplit(url)
        host = unicodedata.normalize("NFKC", parts.hostname or "").replace("\u3002", ".")
        _port = parts.port  # raises ValueError for an invalid port
    except ValueError:
        return "malformed"
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return "malformed"
    if parts.query or parts.fragment or not parts.path.isascii():
        return "malformed"
    return find_host_problem(host.rstrip(".")) or ("scheme" if parts.scheme != "https" else None)


def find_host_problem(host: str) -> str | None:
    """Return one of PROBLEMS but "scheme" for a host name or IP address, or None."""
    address = _read_ip(host)
    if address is not None:
        return None if is_public(address) else "private"
    if ":" in host or _NUMERIC_END.fullmatch(host):
        return "malformed"  # an invalid IP address
    try:
        labels = host.encode("idna").decode("ascii").lower().split(".")
    except UnicodeError:
        return "malformed"
    if not all(_LABEL.fullmatch(label) for label in labels):
        return "malformed"
    name = ".".join(labels)
    if any(name == suffix or name.endswith(f".{suffix}") for suffix in _LOCAL_SUFFIXES):
        return "local_name"
    return "bare_name" if len(labels) == 1 else None


def _read_ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a host stands for, in any spelling, or None for a name."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.partition("%")[0])
    if not _NUMERIC_END.fullmatch(host):
        return None
    try:
        # Also 127.1, 0x7f000001, 2130706433, 0177.0.0.1, as browsers do.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether an address is a public unicast address of the internet."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local or address.is_reserved:
            return False
    return address.is_global and not address.is_multicast and address != _METADATA
