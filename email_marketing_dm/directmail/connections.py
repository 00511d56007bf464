# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Kept connections: none is used again that the network may have forgotten.

NAT gateways and firewalls forget a quiet connection without telling either end. A request written
to it gets a reset or no answer at all, and a mail without an answer may not be sent again. So a
connection that was unused for IDLE_SECONDS is closed, and the request uses a new one.

A server too closes a connection that it finds unused, perhaps at the moment a request is on its
way. Where TCP shows that the other end closed before any of the request arrived, nobody has read
it, and only then it is sent again on a new connection. Silence and a reset don't show that: the
request may have been read, and the answer lost.
"""

import contextlib
import errno
import select
import socket
import struct
import sys
import time
from http.client import HTTPException

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from .outside import PublicConnection

if sys.platform == "linux":
    import fcntl
    import termios

# Not longer: some networks forget after a few seconds, and the whole-server tests send through one
# that does so after three. While mails go out each connection is used many times a second, so that
# ten seconds would save no handshake but the one of a task that starts within them.
IDLE_SECONDS = 2.0
KEEP_ALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 6))  # seconds, count
_CLOSE_WAIT = 8  # state of a connection whose other end has closed (linux/tcp_states.h)
_BYTES_ACKED = 120  # offset of tcpi_bytes_acked in struct tcp_info (linux/tcp.h)


class NotTaken(Exception):
    """Nobody has read any of the request. Not an OSError, which urllib3 would wrap."""


class _Connection:
    """What is added to urllib3's connection.

    :ivar idle_since: when its last answer was read, by the monotonic clock; None for a new one
    """

    idle_since = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._parts = []

    def connect(self):
        self.idle_since = None
        result = super().connect()
        with contextlib.suppress(AttributeError, OSError):  # TLS inside a proxy's TLS has none
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEP_ALIVE:
                if hasattr(socket, name):  # each system has its own
                    self.sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        return result

    def begin(self):
        """Forget the request before."""
        self._parts = []

    def send(self, data, at_once=False):
        """Write a part of the request; a kept connection writes all parts at once, at the end.

        Between two parts a reset could arrive, and hide that the other end had closed before.
        What is no `bytes` is written at once; the SDK has nothing else.
        """
        is_kept = self.sock is not None and self.idle_since is not None
        if is_kept and isinstance(data, bytes) and not at_once:
            return self._parts.append(data)
        return super().send(data)

    def getresponse(self, *args, **kwargs):
        """Write what is left of the request and read the answer.

        :raise NotTaken: the other end had closed before it had any of the request
        """
        parts, self._parts = self._parts, []
        before = self._count_bytes() if parts else None
        if parts:
            self._write(b"".join(parts), before)
        if before:
            self._wait_for_answer(sum(before))
        return super().getresponse(*args, **kwargs)

    def _write(self, data, before):
        try:
            self.send(data, at_once=True)
        except OSError as error:
            if before and self._count_bytes() == before:
                raise NotTaken from error
            raise

    def _wait_for_answer(self, before):
        """Wait until there is something to read; see what it is before TLS reads it.

        Every TCP segment acknowledges all that has arrived, and so does the one that ends the
        stream. If it acknowledges none of the request, none had arrived when the other end closed.
        A reset acknowledges nothing, even if the request was read, so it proves nothing. One that
        follows the end of the stream leaves the error EPIPE on the socket, any other ECONNRESET
        (tcp_reset() in Linux).

        :param before: bytes that were sent on this connection before the request
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

    def abandon(self):
        """Close with a reset, so that the system sends nothing more of what is still unsent."""
        with contextlib.suppress(AttributeError, OSError):
            linger = struct.pack("ii", 1, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def _count_bytes(self):
        """Return (bytes that the other end has acknowledged, bytes that it hasn't yet).

        None where the system can't tell.
        """
        if sys.platform != "linux":
            return None
        try:
            info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            queue = fcntl.ioctl(self.sock.fileno(), termios.TIOCOUTQ, bytes(4))
            acknowledged = struct.unpack_from("=Q", info, _BYTES_ACKED)[0]
        except (AttributeError, OSError, struct.error):  # TLS inside TLS, or an old kernel
            return None
        return acknowledged, struct.unpack("i", queue)[0]


class _Pool:
    """What is added to urllib3's pool of connections to one host."""

    _suspect_before = 0.0

    def _get_conn(self, timeout=None):
        conn = super()._get_conn(timeout)
        conn.begin()
        fresh_since = max(self._suspect_before, time.monotonic() - IDLE_SECONDS)
        if conn.idle_since is not None and conn.idle_since < fresh_since:
            conn.close()
        return conn

    def _put_conn(self, conn):
        if conn:
            conn.idle_since = time.monotonic()
        return super()._put_conn(conn)

    def _make_request(self, conn, *args, **kwargs):
        try:
            return super()._make_request(conn, *args, **kwargs)
        except (OSError, HTTPError, HTTPException, NotTaken):
            conn.abandon()
            raise

    def urlopen(self, *args, **kwargs):
        """Carry out a request, on another connection if the first was closed before it.

        Takes, returns and raises what urllib3's does.
        """
        while True:
            try:
                return super().urlopen(*args, **kwargs)
            except NotTaken:
                # Whatever was unused for as long will have been closed too.
                self._suspect_before = time.monotonic()


class _HTTPConnection(_Connection, HTTPConnectionPool.ConnectionCls):
    pass


class _HTTPSConnection(_Connection, HTTPSConnectionPool.ConnectionCls):
    pass


class _PublicHTTPConnection(PublicConnection, _HTTPConnection):
    pass


class _PublicHTTPSConnection(PublicConnection, _HTTPSConnection):
    pass


class _HTTPPool(_Pool, HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _PublicHTTPPool(_Pool, HTTPConnectionPool):
    ConnectionCls = _PublicHTTPConnection


class _PublicHTTPSPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}
_PUBLIC_POOLS = {"http": _PublicHTTPPool, "https": _PublicHTTPSPool}


class Adapter(HTTPAdapter):
    """Carries requests over connections that follow the rules above.

    :param ssl_context: for connections without a proxy
    :param pool_size: connections kept open
    :param bool public_only: reach public addresses only; not for requests through a proxy, which
        is what would be reached
    """

    def __init__(self, ssl_context, pool_size, public_only=False):
        self._ssl_context = ssl_context
        self._pools = _PUBLIC_POOLS if public_only else _POOLS
        super().__init__(pool_maxsize=pool_size)

    def init_poolmanager(self, *args, **kwargs):
        result = super().init_poolmanager(*args, ssl_context=self._ssl_context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools
        return result

    def proxy_manager_for(self, *args, **kwargs):
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager
