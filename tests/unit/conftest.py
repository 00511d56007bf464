"""Unit tests of the addon's packages that import no Odoo."""

import pytest
from hypothesis import settings

import devenv.without_odoo  # noqa: F401
from email_marketing_dm.directmail.client import DirectMailClient
from tests.unit.common.scripted_server import ScriptedServer

# How long an example takes says how busy this machine is, nothing else.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
#: seconds; it only ends what hangs
PATIENCE = 60


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
    """The real client with the real SDK, pointed at ``server``."""
    return make_client(server, PATIENCE)


@pytest.fixture
def impatient(server):
    """The same, for a server that never answers: no answer can come within a third of a second."""
    return make_client(server, 0.3)


def make_client(server, read_timeout):
    return DirectMailClient(
        server.endpoint,
        "ak",
        "secret-of-ak",
        protocol="http",
        connect_timeout=PATIENCE,
        read_timeout=read_timeout,
    )
