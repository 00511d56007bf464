"""A gateway between client and emulator that forgets connections which lie idle.

    with Emulator() as emulator, Nat(emulator.endpoint, forget_after=3) as nat:
        Config(endpoint=nat.endpoint, protocol="http", ...)

Cloud NATs and firewalls do so after minutes, and tell neither end. What a client then writes gets
a reset, or nothing at all. Runs in threads of the process that makes it; standard library only.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

#: how a forgotten connection is treated when the client writes to it
WAYS = ("reset", "silence")


class Nat:
    """Passes TCP connections on to ``target`` and forgets those that lie idle.

    :param target: "host:port" of the emulator
    :param forget_after: seconds without a byte in either direction; None: only by `forget`
    :param way: one of `WAYS`
    """

    def __init__(self, target, forget_after=None, way="reset"):
        if way not in WAYS:
            raise ValueError(f"there is no way {way!r}; there are {', '.join(WAYS)}")
        host, _colon, port = target.rpartition(":")
        self._target = (host, int(port))
        self.forget_after, self.way = forget_after, way
        self._listening = None
        self._lock = threading.Lock()
        self._tracks = set()
        self.swallowed = 0  # connections on which a client met the forgotten state

    def __enter__(self):
        return self.start()

    def __exit__(self, *_details):
        self.stop()

    @property
    def endpoint(self):
        """ "127.0.0.1:PORT", for the SDK's Config(endpoint=...)."""
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    @property
    def opened(self):
        """How many connections clients have opened and not closed."""
        with self._lock:
            return len(self._tracks)

    def start(self):
        """Listen on a free port of 127.0.0.1. Returns self."""
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        """Close everything."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        with self._lock:
            tracks = list(self._tracks)
        for track in tracks:
            track.end()

    def forget(self):
        """Forget every connection there is, now."""
        with self._lock:
            tracks = list(self._tracks)
        for track in tracks:
            track.forgotten = True

    def wait_forgotten(self):
        """Wait until every connection there is has been idle for ``forget_after`` seconds."""
        while True:
            with self._lock:
                tracks = list(self._tracks)
            if all(self.is_forgotten(track) for track in tracks):
                return
            time.sleep(0.05)

    def _accept(self):
        while True:
            try:
                client, _address = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, 5)
            except OSError:
                client.close()
                continue
            track = _Track(self, client, server)
            with self._lock:
                self._tracks.add(track)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=track.carry, args=(source, sink), daemon=True).start()

    def is_forgotten(self, track):
        """Whether a connection lay idle for too long."""
        idle = time.monotonic() - track.used_at
        return track.forgotten or (self.forget_after is not None and idle > self.forget_after)

    def count_swallowed(self):
        with self._lock:
            self.swallowed += 1

    def drop(self, track):
        """A connection is over."""
        with self._lock:
            self._tracks.discard(track)


class _Track:
    """One connection's entry in the gateway's table."""

    def __init__(self, nat, client, server):
        self._nat, self._client, self._server = nat, client, server
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.settimeout(None)
        self.used_at = time.monotonic()
        self.forgotten = False
        self._is_noticed = False

    def carry(self, source, sink):
        """Pass bytes on in one direction until either end closes."""
        try:
            while data := source.recv(65536):
                if self._nat.is_forgotten(self):
                    if not self._swallow(source):
                        return
                    continue
                self.used_at = time.monotonic()
                sink.sendall(data)
        except OSError:
            pass
        if self._nat.is_forgotten(self):
            self._nat.drop(self)
            source.close()  # the other end never hears of it
        else:
            self.end()

    def _swallow(self, source):
        """Treat what came for a forgotten connection; whether it goes on."""
        if source is self._client and not self._is_noticed:
            self._is_noticed = True
            self._nat.count_swallowed()
        self.forgotten = True
        if self._nat.way == "silence":
            return True
        # Closing with "linger for no time" sends a reset.
        source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        source.close()
        self.end()
        return False

    def end(self):
        """Close both ends."""
        self._nat.drop(self)
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
