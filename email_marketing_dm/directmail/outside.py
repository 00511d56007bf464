# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Calls to hosts that a user typed: they reach public addresses only, and follow no redirect.

Else whoever may edit an account could have this server call what stands beside it: a database, a
router, the metadata service of a cloud. The name is looked up once, and the connection goes to an
address that was checked, so that the name can't lead elsewhere in between.
"""

import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from .public_address import is_public

SECONDS = 4
SIZE_MAX = 200
PORTS = {"http": 80, "https": 443}


class UnknownNameError(NewConnectionError):
    """No address is known for a host's name."""


class NotPublicError(NewConnectionError):
    """A host is this machine, or in a network that isn't public."""


class PublicConnection:
    """What is added to urllib3's connections so that they reach public addresses only."""

    def _new_conn(self):
        """Return a socket; raise what urllib3's does, or `UnknownNameError`, `NotPublicError`."""
        name = self._dns_host
        failed = None
        try:
            # urllib3 connects to _dns_host, and takes the name for TLS and headers afterwards.
            for address in self._find_addresses(name):
                self._dns_host = address
                try:
                    return super()._new_conn()
                except (NewConnectionError, ConnectTimeoutError) as error:
                    failed = error
            raise failed
        finally:
            self._dns_host = name

    def _find_addresses(self, name):
        try:
            found = socket.getaddrinfo(name, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnknownNameError(self, "the name is unknown") from error
        addresses = [row[4][0] for row in found]
        # One that isn't public spoils all: a name with both kinds is an attempt to get inside.
        if not all(is_public(ipaddress.ip_address(text.partition("%")[0])) for text in addresses):
            raise NotPublicError(self, "not a public address")
        return addresses


class _HTTPConnection(PublicConnection, HTTPConnectionPool.ConnectionCls):
    pass


class _HTTPSConnection(PublicConnection, HTTPSConnectionPool.ConnectionCls):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    :ivar problem: "" (there was an answer), "name" (unknown host), "inside" (the host is not a
        public one), "certificate", or "connection"
    """

    problem: str = ""
    status: int = 0
    text: str = ""


def is_allowed(url, hosts):
    """Tell whether a list of hosts has that of a URL, as it is spelled there.

    :param str url: http or https
    :param str hosts: names or IP addresses between commas, each perhaps with a port; without one
        all ports are meant
    """
    try:
        parts = urlsplit(url)
        wanted = parts.hostname, parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return False
    return any(_fits(entry, *wanted) for entry in re.split(r"[,\s]+", hosts or "") if entry)


def _fits(entry, host, port):
    try:
        listed = urlsplit(f"//{entry}")
        return listed.hostname == host and listed.port in (None, port)
    except ValueError:
        return False


def is_usual(url):
    """Tell whether a URL leads to the port at which web sites answer."""
    parts = urlsplit(url)
    return parts.port in (None, PORTS[parts.scheme])


def fetch(url, body=None, *, anywhere=False, seconds=SECONDS):
    """Return the `Answer` to a GET, or to a POST of a body. Proxies are not used.

    :param str url: http or https, without user and password
    :param bytes body: what to post, if anything
    :param bool anywhere: also inside a network: the server's configuration allows this host
    """
    parts = urlsplit(url)
    try:
        host = parts.hostname.encode("idna").decode("ascii")
    except UnicodeError:
        return Answer("name")
    options = {"timeout": Timeout(total=seconds), "retries": False, "maxsize": 1}
    if parts.scheme == "https":
        kind = HTTPSConnectionPool if anywhere else _HTTPSPool
        options["ssl_context"] = ssl.create_default_context()
    else:
        kind = HTTPConnectionPool if anywhere else _HTTPPool
    try:
        with kind(host, parts.port or PORTS[parts.scheme], **options) as pool:
            return _ask(pool, parts, body)
    except UnknownNameError:
        return Answer("name")
    except NotPublicError:
        return Answer("inside")
    except SSLError:
        return Answer("certificate")
    except (HTTPError, OSError):
        return Answer("connection")


def _ask(pool, parts, body):
    response = pool.urlopen(
        "GET" if body is None else "POST",
        parts.path or "/",
        body=body,
        headers={"User-Agent": "Odoo", "Connection": "close"},
        redirect=False,
        retries=False,
        preload_content=False,
    )
    try:
        text = response.read(SIZE_MAX, decode_content=False).decode("ascii", "replace")
        return Answer("", response.status, text.strip())
    finally:
        response.close()
