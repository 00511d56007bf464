"""Unit tests of the addon's packages that import no Odoo."""

import pytest
from hypothesis import settings

import devenv.without_odoo  # noqa: F401
from email_marketing_dm.directmail.client import DirectMailClient
from tests.unit.common.scripted_server import ScriptedServer

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
