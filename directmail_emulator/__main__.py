"""Command line: ``python -m directmail_emulator --port 0``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile

from . import __version__
from .config import Config
from .settings import ConfigError


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        prog="directmail_emulator",
        description="A local Alibaba Cloud DirectMail. Prints one line of JSON with its"
        " addresses when it is ready, then runs until it is stopped.",
    )
    parser.add_argument("--port", type=int, default=0, help="API port; 0 takes a free one")
    parser.add_argument(
        "--admin-port",
        type=int,
        default=0,
        help="port of the admin API and the page; 0 takes a free one",
    )
    parser.add_argument(
        "--region-port",
        action="append",
        default=[],
        metavar="REGION=PORT",
        help="API port of a further region; may be given more than once",
    )
    parser.add_argument(
        "--data",
        help="directory to keep everything in; without it, nothing is kept when the emulator stops",
    )
    parser.add_argument("--config", help="TOML file: settings, accounts, faults")
    parser.add_argument(
        "--parent",
        type=int,
        metavar="PID",
        help="stop when this process, which must be the parent, is gone",
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser.parse_args(arguments)


def region_ports(pairs):
    ports = {}
    for pair in pairs:
        region, _sign, port = pair.partition("=")
        if not port.isdigit():
            raise ConfigError(f"--region-port {pair}: write it like cn-hangzhou=8081")
        ports[region] = int(port)
    return ports


async def serve(arguments, config, directory):
    """Run until a signal or the parent's end."""
    from .server import Server

    server = Server(
        config,
        directory,
        port=arguments.port,
        admin_port=arguments.admin_port,
        region_ports=region_ports(arguments.region_port),
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    ready = await server.start()
    print(json.dumps(ready), flush=True)
    if arguments.parent:
        watch = loop.create_task(watch_parent(arguments.parent, stopped))
    await stopped.wait()
    if arguments.parent:
        watch.cancel()
    await server.stop()


async def watch_parent(pid, stopped):
    """A process whose parent dies gets another one: nothing else tells us of a SIGKILL."""
    while os.getppid() == pid:
        await asyncio.sleep(0.3)
    stopped.set()


def main(arguments=None):
    arguments = parse_arguments(arguments)
    from .store import StoreError

    try:
        config = Config.load(arguments.config) if arguments.config else Config.from_dict({})
        if arguments.data:
            asyncio.run(serve(arguments, config, arguments.data))
        else:
            with tempfile.TemporaryDirectory(prefix="directmail-emulator-") as directory:
                asyncio.run(serve(arguments, config, directory))
    except (ConfigError, StoreError, OSError) as error:
        print(f"directmail_emulator: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
