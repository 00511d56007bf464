# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Fetches one small page the way somebody outside would, and says how far that got."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3

SECONDS = 4
SIZE_MAX = 200


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    :ivar problem: "" (there was an answer), "name" (unknown host), "inside" (the host is not a
        public one), "certificate", or "connection"
    """

    problem: str = ""
    status: int = 0
    text: str = ""


def fetch(url, *, inside=False, seconds=SECONDS):
    """Return the `Answer` to a GET of a page. Redirects are not followed; proxies are not used.

    The connection goes to the address that was checked, so that a name can't lead elsewhere in
    between.

    :param str url: http or https, without user and password
    :param bool inside: look only at this very host (a test); else never inside a network
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Answer("name")
    addresses = [ipaddress.ip_address(row[4][0].partition("%")[0]) for row in found]
    if not all(a.is_loopback if inside else a.is_global for a in addresses):
        return Answer("inside")
    options = {"timeout": urllib3.Timeout(total=seconds), "retries": False, "maxsize": 1}
    if parts.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            str(addresses[0]), port, server_hostname=parts.hostname,
            assert_hostname=parts.hostname, **options,
        )  # fmt: skip
    else:
        pool = urllib3.HTTPConnectionPool(str(addresses[0]), port, **options)
    try:
        with pool:
            return _read(pool, parts)
    except urllib3.exceptions.SSLError:
        return Answer("certificate")
    except (urllib3.exceptions.HTTPError, OSError):
        return Answer("connection")


def _read(pool, parts):
    headers = {"Host": parts.netloc, "User-Agent": "Odoo", "Connection": "close"}
    response = pool.request(
        "GET", parts.path or "/", headers=headers, redirect=False, preload_content=False
    )
    try:
        text = response.read(SIZE_MAX, decode_content=False).decode("ascii", "replace")
        return Answer("", response.status, text.strip())
    finally:
        response.close()
