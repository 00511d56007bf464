# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Calls to hosts that a user typed: only to public addresses, and without following redirects.

Otherwise a user who may edit an account could make this server call a database, a router or the
metadata service of a cloud in its own network. The name is looked up once and the connection uses
an address that was checked, so that DNS can't return another address in between.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError
from urllib3.util.ssl_ import create_urllib3_context

from .public_address import is_public

SECONDS = 4  # for the whole request
SIZE_MAX = 200  # bytes of an answer that are read
PORTS = {"http": 80, "https": 443}


class UnknownNameError(NewConnectionError):
    """DNS has no address for a host name."""


class NotPublicError(NewConnectionError):
    """A host is this machine, or in a private network."""


class PublicConnection(HTTPConnection):
    """Mixin for urllib3's connections that connects to public addresses only."""

    _dns_host: str

    def _new_conn(self) -> socket.socket:
        """Return a connected socket.

        :raise UnknownNameError: DNS has no address
        :raise NotPublicError: one of the addresses is not public
        :raise NewConnectionError, ConnectTimeoutError: urllib3's, of the last address
        """
        name = self._dns_host
        failed: Exception | None = None
        try:
            # urllib3 connects to _dns_host; TLS and headers use the name, restored in finally.
            for address in self._find_addresses(name):
                self._dns_host = address
                try:
                    return super()._new_conn()
                except (NewConnectionError, ConnectTimeoutError) as error:
                    failed = error
            raise failed or UnknownNameError(self, "the name has no address")
        finally:
            self._dns_host = name

    def _find_addresses(self, name: str) -> list[str]:
        try:
            found = socket.getaddrinfo(name, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnknownNameError(self, "the name is unknown") from error
        addresses = [str(row[4][0]) for row in found]
        # A name with public and private addresses is an attack on the private network: refuse all.
        if not all(is_public(ipaddress.ip_address(text.partition("%")[0])) for text in addresses):
            raise NotPublicError(self, "not a public address")
        return addresses


class _HTTPSConnection(PublicConnection, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = PublicConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


@dataclass(frozen=True)
class Answer:
    """The result of a request.

    :ivar problem: "" (there was an answer), "name" (unknown host), "inside" (the host is not
        public), "certificate", or "connection"
    :ivar status: HTTP status, 0 without an answer
    :ivar text: the first SIZE_MAX bytes of the body as ASCII, stripped
    """

    problem: str = ""
    status: int = 0
    text: str = ""


def is_allowed(url: str, hosts: str | None) -> bool:
    """Tell whether a list of hosts contains the host of a URL, in the same spelling.

    :param url: http or https
    :param hosts: host names or IP addresses separated by commas; an entry without a port allows
        all ports
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return False
    # URL parsers disagree on where the host begins: urllib3 connects to a in http://a\\@b.
    if "@" in parts.netloc or "\\" in parts.netloc:
        return False
    return any(_fits(entry, host, port) for entry in re.split(r"[,\s]+", hosts or "") if entry)


def _fits(entry: str, host: str | None, port: int | None) -> bool:
    try:
        listed = urlsplit(f"//{entry}")
        return listed.hostname == host and listed.port in (None, port)
    except ValueError:
        return False


def is_usual(url: str) -> bool:
    """Tell whether a URL has the default port of its protocol, http or https."""
    parts = urlsplit(url)
    return parts.port in (None, PORTS[parts.scheme])


def fetch(
    url: str, body: bytes | None = None, *, anywhere: bool = False, seconds: float = SECONDS
) -> Answer:
    """Return the `Answer` to a GET, or to a POST if there is a body. Proxies are not used.

    :param url: http or https, without user and password
    :param anywhere: also at private addresses, for a host that the server's configuration allows
    """
    parts = urlsplit(url)
    try:
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except UnicodeError:
        return Answer("name")
    port = parts.port or PORTS[parts.scheme]
    timeout = Timeout(total=seconds)
    context = _make_context() if parts.scheme == "https" else None
    pool: HTTPConnectionPool
    try:
        # By keyword: the order of the parameters differs between urllib3 1.26 and 2.
        if context:
            secure = HTTPSConnectionPool if anywhere else _HTTPSPool
            pool = secure(host, port, timeout=timeout, retries=False, ssl_context=context)
        else:
            plain = HTTPConnectionPool if anywhere else _HTTPPool
            pool = plain(host, port, timeout=timeout, retries=False)
        with pool:
            return _ask(pool, parts, body)
    except UnknownNameError:
        return Answer("name")
    except NotPublicError:
        return Answer("inside")
    except SSLError:
        return Answer("certificate")
    except (HTTPError, OSError):
        return Answer("connection")


def _make_context() -> ssl.SSLContext:
    """Return a context that verifies certificates, with urllib3's own check of host names.

    With `ssl.create_default_context`, whose own check is on, urllib3 1.26.5 raises ValueError for
    an IP address.
    """
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    return context


def _ask(pool: HTTPConnectionPool, parts: SplitResult, body: bytes | None) -> Answer:
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
