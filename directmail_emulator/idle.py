"""Connections that lie idle, as the setting ``protocol.idle_connections`` treats them.

For a gateway in between that drops packets, `nat.Nat` is the better picture: here the server itself
forgets, so that a client gets a reset and never silence.
"""

from __future__ import annotations

import asyncio
import time
import weakref


class IdleConnections:
    """When connections carried their last call."""

    def __init__(self):
        self._used_at = weakref.WeakKeyDictionary()

    def is_used(self, transport):
        """Whether a connection has carried a call before."""
        return transport in self._used_at

    def is_forgotten(self, transport, protocol):
        """Whether a connection that a call comes on lay idle for too long.

        :param protocol: a `settings.Protocol`
        """
        idle = time.monotonic() - self._used_at.get(transport, time.monotonic())
        return protocol.idle_connections == "forgotten" and idle > protocol.idle_seconds

    def note(self, transport, protocol):
        """A call on a connection is answered: it lies idle from now on."""
        now = time.monotonic()
        self._used_at[transport] = now
        if protocol.idle_connections == "closed":
            asyncio.get_running_loop().call_later(
                protocol.idle_seconds, self._close, weakref.ref(transport), now
            )

    def _close(self, reference, used_at):
        transport = reference()
        if transport is not None and self._used_at.get(transport) == used_at:
            transport.close()
