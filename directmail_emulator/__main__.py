"""Command line: ``python -m directmail_emulator --port 0``."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from . import __version__, trial
from .config import Config
from .settings import ConfigError


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        prog="directmail_emulator",
        description="A local Alibaba Cloud DirectMail, which never sends a real mail. Without"
        " --port, --admin-port and --config it is ready for Odoo's Try it out. Otherwise it prints"
        " one line of JSON with its addresses when it is ready. It runs until it is stopped.",
    )
    parser.add_argument("--port", type=int, help="API port; 0 takes a free one")
    parser.add_argument(
        "--admin-port", type=int, help="port of the admin API and the page; 0 takes a free one"
    )
    parser.add_argument(
        "--trial",
        action="store_true",
        help="be ready for Odoo's Try it out on another port too: Odoo's configuration then has"
        " directmail_trial_port",
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
    parser.add_argument(
        "--detached",
        action="store_true",
        help="with --parent: go on in a process that is no child of its own (Linux)",
    )
    parser.add_argument("--version", action="version", version=__version__)
    options = parser.parse_args(arguments)
    if options.config:
        options.trial = False
    elif options.port is None and options.admin_port is None:
        options.trial, options.port, options.admin_port = True, trial.PORT, trial.ADMIN_PORT
    options.port, options.admin_port = options.port or 0, options.admin_port or 0
    return options


def load_config(arguments):
    """:raises ConfigError: when the file can't be used"""
    if arguments.config:
        return Config.load(arguments.config)
    return Config.from_dict(trial.CONFIG if arguments.trial else {})


def region_ports(pairs):
    ports = {}
    for pair in pairs:
        region, _sign, port = pair.partition("=")
        if not port.isdigit():
            raise ConfigError(f"--region-port {pair}: write it like cn-hangzhou=8081")
        ports[region] = int(port)
    return ports


async def serve(arguments, directory):
    """Run until a signal or the parent's end.

    With a parent, SIGUSR1 starts over as `directmail_emulator.testing.Emulator.renew` says.
    """
    stopped, renewed = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    ports = {"port": arguments.port, "admin_port": arguments.admin_port}
    ports["region_ports"] = region_ports(arguments.region_port)
    tasks = []
    if arguments.parent:
        loop.add_signal_handler(signal.SIGUSR1, renewed.set)
        if arguments.detached:
            # readable when that process has ended
            loop.add_reader(os.pidfd_open(arguments.parent), stopped.set)
        else:
            tasks.append(loop.create_task(watch_parent(arguments.parent, stopped)))
    while not stopped.is_set():
        await serve_once(arguments, directory, ports, stopped, renewed)
        if renewed.is_set():
            renewed.clear()
            forget(directory)
            ports = {}  # nobody goes on with a connection of before
    for task in tasks:
        task.cancel()


async def serve_once(arguments, directory, ports, *events):
    """Run until one of the events is set.

    :raises ConfigError: when the configuration can't be used
    """
    from .server import Server

    server = Server(load_config(arguments), directory, **ports)
    ready = await server.start()
    print(trial.TEXT.format(**ready) if arguments.trial else json.dumps(ready), flush=True)
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()
    await server.stop()


def forget(directory):
    """Delete all data; the key that signs pushes stays."""
    for path in Path(directory).glob("emulator.sqlite*"):
        path.unlink()


async def watch_parent(pid, stopped):
    """A process whose parent dies gets another one: nothing else tells us of a SIGKILL."""
    while os.getppid() == pid:
        await asyncio.sleep(0.3)
    stopped.set()


def main(arguments=None):
    arguments = parse_arguments(arguments)
    if arguments.detached and os.fork():
        return 0
    from .store import StoreError

    try:
        if arguments.data:
            asyncio.run(serve(arguments, arguments.data))
        else:
            with tempfile.TemporaryDirectory(prefix="directmail-emulator-") as directory:
                asyncio.run(serve(arguments, directory))
    except (ConfigError, StoreError, OSError) as error:
        print(f"directmail_emulator: {error}", file=sys.stderr)
        if getattr(error, "errno", None) == errno.EADDRINUSE and arguments.trial:
            print("Is an emulator running already? Then go on in Odoo.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
