# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Kept connections that lose no mail: idle ones are not used again, unread requests are repeated.

NAT gateways and firewalls drop an idle connection without telling either end. A request written to
it gets a reset or no answer, and a mail without an answer may not be sent again. So a connection
that was idle for IDLE_SECONDS is closed, and the request uses a new one.

The server may close an idle connection while a request is on its way. The request is repeated on a
new connection only where TCP shows that the other end closed before any byte of the request
arrived. Silence or a reset doesn't show that: the request may have been read and the answer lost.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import ssl
import struct
import sys
import time
from http.client import HTTPException
from typing import Any, cast

from requests import PreparedRequest, Session
from requests import Response as SessionResponse
from requests.adapters import HTTPAdapter
from requests.utils import should_bypass_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import ProxyManager

from .outside import PublicConnection

if sys.platform == "linux":
    import fcntl
    import termios

Data = Any  # bytes, or another type that http.client sends
Kept = Any  # a _Connection; urllib3 2 declares a wider class, 1.26 has no types
Response = Any  # http.client's in urllib3 1.26, urllib3's own in 2

# Some networks drop connections after a few seconds; the whole-server tests use one that does after
# three. A longer time would save few handshakes: while mails go out, each connection is used many
# times a second.
IDLE_SECONDS = 2.0
KEEP_ALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 6))  # seconds, count
_CLOSE_WAIT = 8  # state of a connection that the other end has closed (linux/tcp_states.h)
_BYTES_ACKED = 120  # offset of tcpi_bytes_acked in struct tcp_info (linux/tcp.h)


class NotTaken(Exception):
    """The other end has read nothing of the request. No OSError, because urllib3 wraps those."""


class _Connection(HTTPConnection):
    """Mixin for urllib3's connections.

    :ivar idle_since: monotonic time in seconds when the last answer was read; None for a new
        connection
    """

    idle_since: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parts: list[bytes] = []

    def connect(self) -> None:  # pylint: disable=missing-return
        self.idle_since = None
        super().connect()
        # TLS inside a proxy's TLS has no setsockopt().
        with contextlib.suppress(AttributeError, OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEP_ALIVE:
                if hasattr(socket, name):  # not every system has all of them
                    self.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def begin(self) -> None:
        """Drop parts of the previous request that were not written."""
        self._parts = []

    def send(self, data: Data, at_once: bool = False) -> None:
        """Write a part of the request; a kept connection collects the parts until getresponse().

        Between two writes a reset could arrive and hide that the other end had closed before.
        Data other than `bytes` is written immediately; the SDK sends only `bytes`.
        """
        is_kept = self.sock is not None and self.idle_since is not None
        if is_kept and isinstance(data, bytes) and not at_once:
            return self._parts.append(data)
        return super().send(data)

    def getresponse(self, *args: Any, **kwargs: Any) -> Response:
        """Write the collected parts and read the answer.

        :raise NotTaken: the other end had closed before any of the request arrived
        """
        parts, self._parts = self._parts, []
        before = self._count_bytes() if parts else None
        if hasattr(self, "_response_options"):
            # urllib3 2 sets the read timeout in its own getresponse(); 1.26 has set it by now.
            self.sock.settimeout(self.timeout)
        if parts:
            self._write(b"".join(parts), before)
        if before:
            self._wait_for_answer(sum(before))
        return super().getresponse(*args, **kwargs)

    def _write(self, data: bytes, before: tuple[int, int] | None) -> None:
        try:
            self.send(data, at_once=True)
        except OSError as error:
            if before and self._count_bytes() == before:
                raise NotTaken from error
            raise

    def _wait_for_answer(self, before: int) -> None:
        """Wait for an answer or the end of the stream, and tell them apart before TLS reads.

        Every TCP segment acknowledges all bytes that have arrived, also the one that ends the
        stream. If that one acknowledges nothing of the request, nothing had arrived when the other
        end closed. A reset acknowledges nothing even if the request was read, so it proves
        nothing. A reset after the end of the stream leaves EPIPE on the socket, any other reset
        ECONNRESET (tcp_reset() in Linux).

        :param before: bytes that were sent on this connection before the request
        :raise NotTaken: the other end had closed before any of the request arrived
        """
        timeout = self.sock.gettimeout()
        poller = select.poll()
        poller.register(self.sock.fileno(), select.POLLIN | select.POLLRDHUP)
        found = poller.poll(None if timeout is None else timeout * 1000)
        if not found:
            raise TimeoutError("timed out")
        if not found[0][1] & (select.POLLRDHUP | select.POLLHUP | select.POLLERR):
            return
        state = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        has_ended = (
            state == _CLOSE_WAIT
            or self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EPIPE
        )
        counted = self._count_bytes()
        if has_ended and counted and counted[0] <= before:
            raise NotTaken

    def abandon(self) -> None:
        """Close with a reset, so that the system drops data that is not sent yet."""
        with contextlib.suppress(AttributeError, OSError):
            linger = struct.pack("ii", 1, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def _count_bytes(self) -> tuple[int, int] | None:
        """Return (bytes acknowledged by the other end, bytes not acknowledged yet).

        None where the system doesn't tell.
        """
        if sys.platform != "linux":
            return None
        try:
            info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            queue = fcntl.ioctl(self.sock.fileno(), termios.TIOCOUTQ, bytes(4))
            acknowledged: int = struct.unpack_from("=Q", info, _BYTES_ACKED)[0]
        except (AttributeError, OSError, struct.error):  # TLS inside TLS, or an old kernel
            return None
        return acknowledged, struct.unpack("i", queue)[0]


class _Pool(HTTPConnectionPool):
    """Mixin for urllib3's pools of connections to one host."""

    _suspect_before = 0.0  # monotonic seconds; connections idle since before are not used again

    def _get_conn(self, timeout: float | None = None) -> _Connection:
        conn = cast(_Connection, super()._get_conn(timeout))
        conn.begin()
        fresh_since = max(self._suspect_before, time.monotonic() - IDLE_SECONDS)
        if conn.idle_since is not None and conn.idle_since < fresh_since:
            conn.close()
        return conn

    def _put_conn(self, conn: Kept) -> None:
        if conn:
            conn.idle_since = time.monotonic()
        return super()._put_conn(conn)

    def _make_request(self, conn: Kept, *args: Any, **kwargs: Any) -> Response:
        try:
            return super()._make_request(conn, *args, **kwargs)
        except (OSError, HTTPError, HTTPException, NotTaken):
            conn.abandon()
            raise

    def urlopen(self, *args: Any, **kwargs: Any) -> Response:
        """Carry out a request, on another connection if the other end read nothing of it.

        Parameters, result and exceptions are those of urllib3's method.
        """
        while True:
            try:
                return super().urlopen(*args, **kwargs)
            except NotTaken:
                # The server will have closed the other idle connections too.
                self._suspect_before = time.monotonic()


class _HTTPSConnection(_Connection, HTTPSConnection):
    pass


class _PublicHTTPConnection(PublicConnection, _Connection):
    pass


class _PublicHTTPSConnection(PublicConnection, _HTTPSConnection):
    pass


class _HTTPPool(_Pool):
    ConnectionCls = _Connection


class _HTTPSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _PublicHTTPPool(_Pool):
    ConnectionCls = _PublicHTTPConnection


class _PublicHTTPSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}
_PUBLIC_POOLS = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}


class Adapter(HTTPAdapter):
    """Adapter of ``requests`` that uses the connections and pools of this file.

    :param ssl_context: for connections without a proxy
    :param pool_size: connections kept open
    :param public_only: connect to public addresses only; not with a proxy, because the check would
        apply to the proxy's address
    """

    def __init__(
        self, ssl_context: ssl.SSLContext | None, pool_size: int, public_only: bool = False
    ) -> None:
        self._ssl_context = ssl_context
        self._pools = _PUBLIC_POOLS if public_only else _POOLS
        super().__init__(pool_maxsize=pool_size)

    # pylint: disable-next=missing-return
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._ssl_context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


class OneHostSession(Session):
    """Session for one host. It follows no redirect (a POST would become a GET), respects NO_PROXY.

    The SDK reads HTTP_PROXY and HTTPS_PROXY itself and ignores NO_PROXY.

    :param url: of the service; all requests go there
    :param adapter: carries all requests
    :param public_only: use no proxy, because a proxy could reach private addresses
    """

    def __init__(self, url: str, adapter: Adapter, public_only: bool) -> None:
        super().__init__()
        self.public_only = public_only
        for protocol in ("http://", "https://"):
            self.mount(protocol, adapter)
        # Read once: reading the environment takes a tenth of a call's time.
        self._is_direct = public_only or should_bypass_proxies(url, no_proxy=None)

    def send(self, request: PreparedRequest, **kwargs: Any) -> SessionResponse:
        """Override: of all requests, those of the SDK included."""
        kwargs["allow_redirects"] = False
        if self._is_direct:
            kwargs["proxies"] = {}
        return super().send(request, **kwargs)
