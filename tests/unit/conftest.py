"""Unit tests of the part that imports no Odoo: put it on the path as the package "directmail"."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "email_marketing_dm"))
sys.path.insert(0, str(Path(__file__).parent))

from directmail.client import DirectMailClient
from hypothesis import settings
from scripted_server import ScriptedServer

# How long an example takes says how busy this machine is, nothing else.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The SDK would send calls for 127.0.0.1 to the proxy of whoever runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    """A server that answers as the test says."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def client(server):
    """The real client with the real SDK, pointed at ``server``; patient for a third of a second."""
    return DirectMailClient(
        server.endpoint, "ak", "secret-of-ak", protocol="http", connect_timeout=1, read_timeout=0.3
    )
