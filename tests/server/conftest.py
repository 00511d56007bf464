"""Databases, servers and emulators of the whole-server tests; they all end with their test file."""

from pathlib import Path

import pytest

from devenv import database as databases
from directmail_emulator.testing import Emulator
from tests.server.common.odoo_server import OdooServer
from tests.server.common.shop import EMULATOR, Shop


@pytest.fixture(scope="module")
def emulator():
    """An emulator without a limit of calls: pacing is not what these tests are about."""
    with Emulator(settings=EMULATOR) as running:
        yield running
        assert running.get("/api/status")["internal_errors"] == 0


@pytest.fixture(scope="module")
def database(request):
    """A fresh database with the addon, named after the test file."""
    with databases.temporary(f"server_{Path(request.path).stem}") as name:
        yield name


@pytest.fixture(scope="module")
def server(database):
    """A real Odoo with two cron threads."""
    with OdooServer(database) as running:
        yield running


@pytest.fixture(scope="module")
def shop(server, emulator, request):
    """An active account, an approved template, an administrator and a marketing user."""
    return Shop(server, emulator, **getattr(request.module, "SECONDS", {}))
