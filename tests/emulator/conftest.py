"""One emulator for most tests, each test with an account of its own; nothing is shared."""

import pytest

from directmail_emulator.testing import Emulator
from tests.emulator.common.calls import Account

CONFIG = """
[[accounts]]
access_key_id = "LTAIFIRST"
secret = "first"
region = "ap-southeast-1"
[[accounts]]
access_key_id = "LTAIFIRST"
secret = "first"
region = "cn-hangzhou"
"""


@pytest.fixture(autouse=True, scope="session")
def no_proxy():
    """The SDK would send calls for 127.0.0.1 to the proxy of whoever runs the tests."""
    patch = pytest.MonkeyPatch()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy"):
        patch.delenv(name, raising=False)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def emulator(no_proxy):
    # The SDK keeps its connections between tests, however long the tests in between take.
    with Emulator(config=CONFIG, settings={"protocol": {"idle_seconds": 86400}}) as running:
        yield running
        assert running.get("/api/status")["internal_errors"] == 0


@pytest.fixture
def account(emulator):
    """A fresh account with four senders, two domains and a quota of 200,000."""
    return Account(emulator)


@pytest.fixture
def faulty(account):
    """Adds faults for this test's account only."""

    def add(kind, **details):
        return account.emulator.set_fault(kind, account=account.key, **details)

    yield add
    account.emulator.clear_faults()
