"""The network side: one listener per region, one for the admin API and page."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .admin import make_admin
from .core import Core
from .faults import LISTENER_KINDS
from .gateway import Gateway

HOST = "127.0.0.1"
#: longest request line and header that are read; "at least 512 KB" is what clients need
LONGEST_LINE = 16 * 1024 * 1024


def _worth_logging(record):
    """A request that is no HTTP is answered with 400, and not logged."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


LOGGER = logging.getLogger("directmail_emulator.http")
LOGGER.addFilter(_worth_logging)


class Listener:
    """The socket of one region, which can be made to refuse or to stall connections."""

    def __init__(self, gateway, port):
        self._gateway = gateway
        self.port = port
        self._runner = None
        self._server = None
        self._backlog = []
        self._open = False

    async def start(self):
        protocol = self._gateway.core.settings.protocol
        loop = asyncio.get_running_loop()

        def make_request(message, payload, connection, writer, task):
            return web.BaseRequest(
                message,
                payload,
                connection,
                writer,
                task,
                loop,
                client_max_size=protocol.max_body_bytes,
            )

        server = web.Server(
            self._gateway,
            request_factory=make_request,
            access_log=None,
            logger=LOGGER,
            auto_decompress=False,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
            lingering_time=0,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.open()

    async def open(self):
        """Accept connections (again)."""
        if self._open:
            return
        for connection in self._backlog:
            connection.close()
        self._backlog = []
        listening = self._bind(1024)
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server, sock=listening, backlog=1024
        )
        self._open = True

    def _bind(self, backlog):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, self.port))
        listening.listen(backlog)
        listening.setblocking(False)
        self.port = listening.getsockname()[1]
        return listening

    def refuse(self):
        """Refuse new connections; those that are open go on."""
        if self._open:
            self._server.close()
            self._open = False

    def stall(self):
        """Let new connections wait: nobody accepts them, and after a few not even the kernel."""
        if not self._open:
            return
        self.refuse()
        listening = self._bind(0)
        self._backlog = [listening]
        for _ in range(4):  # fill the kernel's queue, so that further attempts time out
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex((HOST, self.port))
            self._backlog.append(filler)

    async def stop(self):
        for connection in self._backlog:
            connection.close()
        self.refuse()
        await self._runner.cleanup()


class Server:
    """The whole emulator, in this process."""

    def __init__(self, config, directory, *, port=0, admin_port=0, region_ports=None):
        self.core = Core(config, directory)
        regions = self.core.accounts.regions()
        ports = {**dict.fromkeys(regions, 0), regions[0]: port, **(region_ports or {})}
        self.listeners = {
            region: Listener(Gateway(self.core, region), number) for region, number in ports.items()
        }
        self._admin_port = admin_port
        self._admin = None

    async def start(self):
        """Listen. Returns what the command line prints: the addresses."""
        for listener in self.listeners.values():
            await listener.start()
        self._admin = web.AppRunner(make_admin(self), access_log=None, shutdown_timeout=0.1)
        await self._admin.setup()
        site = web.TCPSite(self._admin, HOST, self._admin_port, reuse_address=True)
        await site.start()
        self._admin_port = self._admin.addresses[0][1]
        self.core.certificate_url = f"{self.admin_url}/eventbridge/certificate.pem"
        self.core.start()
        for fault in self.core.faults.rules:
            self.apply_listener_fault(fault)
        return self.describe()

    @property
    def admin_url(self):
        return f"http://{HOST}:{self._admin_port}"

    def describe(self):
        endpoints = {
            region: f"{HOST}:{listener.port}" for region, listener in self.listeners.items()
        }
        return {
            "endpoint": next(iter(endpoints.values())),
            "admin": self.admin_url,
            "pid": os.getpid(),
            "endpoints": endpoints,
            "data": str(self.core.directory),
        }

    async def stop(self):
        await self._admin.cleanup()
        for listener in self.listeners.values():
            await listener.stop()
        await self.core.stop()

    def apply_listener_fault(self, fault):
        """Carry out a fault of the listening sockets, for as long as it says."""
        if fault.kind not in LISTENER_KINDS:
            return
        for listener in self.listeners.values():
            listener.refuse() if fault.kind == "refuse" else listener.stall()
        asyncio.get_running_loop().call_later(
            fault.delay, lambda: asyncio.ensure_future(self._end_listener_fault(fault))
        )

    async def _end_listener_fault(self, fault):
        if fault in self.core.faults.rules:
            self.core.faults.clear(fault.id)
            await self.reopen()

    async def reopen(self):
        """Accept connections again, after a fault of the listening sockets."""
        for listener in self.listeners.values():
            try:
                await listener.open()
            except OSError as error:
                print(f"Can't listen on port {listener.port} again: {error}", file=sys.stderr)
