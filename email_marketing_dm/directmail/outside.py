# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Calls to hosts that a user typed: only to public addresses, and without following redirects.

Otherwise a user who may edit an account could make this server call a database, a router or the
metadata service of a cloud in its own network. The name is looked up once and the connection uses
an address that was checked, so that DNS can't return another address in between.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import ssl
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any
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


class _Watch:
    """Ends a request when its time is up, as a context manager.

    The time-out of a socket starts again with each byte, so a host that sends a byte now and then
    could keep a request open for hours.

    :param seconds: for the whole request
    """

    def __init__(self, seconds: float) -> None:
        self.is_over = False
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Watch:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        for copy in self._sockets:
            copy.close()

    def watch(self, connected: socket.socket) -> None:
        # A copy, because TLS takes the socket itself over; both end the same connection.
        self._sockets.append(connected.dup())

    def _end(self) -> None:
        self.is_over = True
        for copy in self._sockets:
            with contextlib.suppress(OSError):
                copy.shutdown(socket.SHUT_RDWR)


class _Watched(HTTPConnection):
    """Mixin for urllib3's connections that a `_Watch` can end."""

    def __init__(self, *args: Any, watch: _Watch, **options: Any) -> None:
        self._watch = watch
        super().__init__(*args, **options)

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        self._watch.watch(connected)
        return connected


class _HTTPSConnection(_Watched, HTTPSConnection):
    pass


class _PublicHTTPConnection(_Watched, PublicConnection):
    pass


class _PublicHTTPSConnection(_Watched, PublicConnection, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _PublicHTTPPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTPConnection


class _PublicHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPSConnection


@dataclass(frozen=True)
class Answer:
    """The result of a request.

    :ivar problem: "" (there was an answer), "name" (unknown host), "inside" (the host is not
        public), "certificate", or "connection"
    :ivar status: HTTP status, 0 without an answer
    :ivar text: the first SIZE_MAX bytes of the body as ASCII, stripped
    :ivar location: where a redirect leads, as the host wrote it; "" for other answers
    """

    problem: str = ""
    status: int = 0
    text: str = ""
    location: str = ""


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
    url: str,
    body: bytes | None = None,
    *,
    method: str = "",
    agent: str = "Odoo",
    anywhere: bool = False,
    seconds: float = SECONDS,
) -> Answer:
    """Return the `Answer` to a request. Proxies are not used.

    :param url: http or https, without user and password
    :param method: GET by default, POST if there is a body
    :param agent: the name that the server gives itself
    :param anywhere: also at private addresses, for a host that the server's configuration allows
    """
    parts = urlsplit(url)
    try:
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except UnicodeError:
        return Answer("name")
    with _Watch(seconds) as watch:
        try:
            with _make_pool(parts, host, anywhere, seconds, watch) as pool:
                answer = _ask(pool, parts, method or _get_method(body), body, agent)
                # Headers that `_Watch` cut off look complete to http.client.
                return Answer("connection") if watch.is_over else answer
        except UnknownNameError:
            return Answer("name")
        except NotPublicError:
            return Answer("inside")
        except SSLError:
            # A connection that `_Watch` ended looks broken to TLS.
            return Answer("connection" if watch.is_over else "certificate")
        except (HTTPError, OSError):
            return Answer("connection")


def _get_method(body: bytes | None) -> str:
    return "GET" if body is None else "POST"


def _make_pool(
    parts: SplitResult, host: str, anywhere: bool, seconds: float, watch: _Watch
) -> HTTPConnectionPool:
    # By keyword: the order of the parameters differs between urllib3 1.26 and 2.
    options: dict[str, Any] = {
        "timeout": Timeout(total=seconds),
        "retries": False,
        "watch": watch,
    }
    port = parts.port or PORTS[parts.scheme]
    if parts.scheme == "https":
        secure = _HTTPSPool if anywhere else _PublicHTTPSPool
        return secure(host, port, ssl_context=_make_context(), **options)
    plain = _HTTPPool if anywhere else _PublicHTTPPool
    return plain(host, port, **options)


def _make_context() -> ssl.SSLContext:
    """Return a context that verifies certificates, with urllib3's own check of host names.

    With `ssl.create_default_context`, whose own check is on, urllib3 1.26.5 raises ValueError for
    an IP address.
    """
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    return context


def _ask(
    pool: HTTPConnectionPool, parts: SplitResult, method: str, body: bytes | None, agent: str
) -> Answer:
    response = pool.urlopen(
        method,
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        body=body,
        headers={"User-Agent": agent, "Connection": "close"},
        redirect=False,
        retries=False,
        preload_content=False,
    )
    try:
        text = response.read(SIZE_MAX, decode_content=False).decode("ascii", "replace")
        return Answer("", response.status, text.strip(), response.get_redirect_location() or "")
    finally:
        response.close()
