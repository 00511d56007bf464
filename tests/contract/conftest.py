"""Our client against the emulator: two readings of the same documentation must agree."""

import pytest

import devenv.without_odoo  # noqa: F401
from directmail_emulator.testing import Emulator
from email_marketing_dm.directmail.client import DirectMailClient

#: seconds; it only ends what hangs
PATIENCE = 60


@pytest.fixture(scope="session")
def running_emulator():
    """One emulator for all tests; each test takes an account of its own."""
    unlimited = {"DescAccountSummary": "0", "CreateTag": "0"}
    with Emulator(settings={"throttle": {"operations": unlimited}}) as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator):
    """The emulator, without faults."""
    yield running_emulator
    running_emulator.clear_faults()


@pytest.fixture
def account(emulator, request):
    """(AccessKey id, secret) of a fresh account with the default senders."""
    key = "AK" + "".join(letter for letter in request.node.name.upper() if letter.isalnum())[:60]
    emulator.create_account(
        key,
        "its-secret",
        daily_quota=1000,
        senders=[
            {"address": "news@mail.example.com", "type": "batch"},
            {"address": "frozen@mail.example.com", "type": "batch", "frozen": True},
        ],
        domains=[{"name": "mail.example.com"}],
        tags=["spring"],
    )
    return key, "its-secret"


@pytest.fixture
def connect(emulator, account):
    """Makes clients of the account."""

    def connect(secret=account[1], **options):
        options = {"connect_timeout": PATIENCE, "read_timeout": PATIENCE, **options}
        return DirectMailClient(emulator.endpoint, account[0], secret, protocol="http", **options)

    return connect


@pytest.fixture
def client(connect):
    """A client of the account, which waits for an answer as long as it takes."""
    return connect()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The SDK would send calls for 127.0.0.1 to the proxy of whoever runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
