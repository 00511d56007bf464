"""Databases, servers and emulators of the whole-server tests; they all end with their test file."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from campaign import EMULATOR, Shop  # noqa: E402
from odoo_server import OdooServer  # noqa: E402

from devenv import database as databases  # noqa: E402
from directmail_emulator.testing import Emulator  # noqa: E402


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
def shop(server, emulator):
    """An active account, an approved template, an administrator and a marketing user."""
    return Shop(server, emulator)
