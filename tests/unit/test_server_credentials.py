"""The server's own credentials: the library's chain, in a process with an environment of its own.

The library reads its environment when it is imported. ECS metadata is switched off, so that nothing
is asked at 100.100.100.200.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from directmail_emulator.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET, Emulator
from email_marketing_dm.directmail.answers import Verdict
from email_marketing_dm.directmail.client import DirectMailClient
from email_marketing_dm.directmail.errors import DirectMailError
from email_marketing_dm.directmail.records import Mail
from email_marketing_dm.directmail.server_credentials import get_server_credential

_PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
import devenv.without_odoo
from email_marketing_dm.directmail.client import DirectMailClient
from email_marketing_dm.directmail.server_credentials import get_server_credential
from email_marketing_dm.directmail.errors import DirectMailError
client = DirectMailClient(
    sys.argv[2], protocol="http", credential=get_server_credential("chain")
)
try:
    print(json.dumps(["ok", client.describe_account().daily_quota]))
except DirectMailError as error:
    print(json.dumps([error.kind, error.code, str(error)]))
"""


@pytest.fixture(scope="module")
def emulator():
    with Emulator() as running:
        yield running


def ask(emulator, home, **environment):
    """Return what the account said, and everything that the process wrote."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    program = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(Path(__file__).parents[2]),
         emulator.endpoint],
        env={**kept, "HOME": str(home), "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
             **environment},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert program.returncode == 0, program.stderr
    return json.loads(program.stdout), program.stdout + program.stderr


def test_chain_reads_the_environment(emulator, tmp_path):
    answer, _output = ask(
        emulator,
        tmp_path,
        ALIBABA_CLOUD_ACCESS_KEY_ID=ACCESS_KEY_ID,
        ALIBABA_CLOUD_ACCESS_KEY_SECRET=ACCESS_KEY_SECRET,
    )
    assert answer == ["ok", 200000]


def test_chain_reads_a_temporary_key_of_the_environment(emulator, tmp_path):
    emulator.configure_account(
        temporary_keys=[{"access_key_id": "STS.env", "secret": "s", "token": "t/+="}]
    )
    answer, _output = ask(
        emulator,
        tmp_path,
        ALIBABA_CLOUD_ACCESS_KEY_ID="STS.env",
        ALIBABA_CLOUD_ACCESS_KEY_SECRET="s",
        ALIBABA_CLOUD_SECURITY_TOKEN="t/+=",
    )
    assert answer == ["ok", 200000]


def test_chain_reads_a_credentials_file(emulator, tmp_path):
    path = tmp_path / "credentials"
    path.write_text(
        "[default]\ntype = access_key\n"
        f"access_key_id = {ACCESS_KEY_ID}\naccess_key_secret = {ACCESS_KEY_SECRET}\n"
    )
    answer, _output = ask(emulator, tmp_path, ALIBABA_CLOUD_CREDENTIALS_FILE=str(path))
    assert answer == ["ok", 200000]


def test_a_chain_that_finds_nothing_says_so(emulator, tmp_path):
    answer, _output = ask(emulator, tmp_path)
    assert answer[:2] == ["server_credentials", "NoCredentials"]


def test_no_secret_is_written_out(emulator, tmp_path):
    _answer, output = ask(
        emulator,
        tmp_path,
        ALIBABA_CLOUD_ACCESS_KEY_ID=ACCESS_KEY_ID,
        ALIBABA_CLOUD_ACCESS_KEY_SECRET="a-wrong-secret",
        DEBUG="sdk",
    )
    assert "a-wrong-secret" not in output


def test_no_credentials_means_that_nothing_was_sent():
    """A mail that could not be signed must not become unknown."""
    unused = "127.0.0.1:9"  # discard: nobody listens
    client = DirectMailClient(
        unused, protocol="http", credential=get_server_credential("ecs", "Role", unused)
    )
    mail = Mail(sender="a@b.example", to="c@d.example", subject="s", html_body="<p>x</p>")
    answer = client.send(mail)
    assert (answer.verdict, answer.code) == (Verdict.RETRY_LATER, "NoCredentials")
    with pytest.raises(DirectMailError) as caught:
        client.describe_account()
    assert caught.value.kind == "server_credentials"
    assert not caught.value.sent_unknown
