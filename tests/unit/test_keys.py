"""The master key, and the tokens signed with it."""

import hashlib
import hmac
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_marketing_dm.privacy.keys import (
    MasterKey,
    MasterKeyError,
    WrongKeyError,
    load_master_key,
)
from email_marketing_dm.privacy.tokens import make_token, read_token

ROOT = Path(__file__).parents[2]
KEY = MasterKey(b"k" * 32)
OTHER = MasterKey(b"o" * 32)
DATABASE = "11111111-2222-3333-4444-555555555555"


@given(st.text())
def test_encryption(text):
    encrypted = KEY.encrypt(text)
    assert encrypted != KEY.encrypt(text)
    assert MasterKey(b"k" * 32).decrypt(encrypted) == text
    with pytest.raises(WrongKeyError):
        OTHER.decrypt(encrypted)


@pytest.mark.parametrize("damaged", ["", "x", "gAAAA", "ü", "A" * 200])
def test_what_is_no_secret(damaged):
    with pytest.raises(WrongKeyError):
        KEY.decrypt(damaged)


def test_fingerprint():
    assert len(KEY.fingerprint) == 16
    assert int(KEY.fingerprint, 16)
    assert KEY.fingerprint == MasterKey(b"k" * 32).fingerprint != OTHER.fingerprint


@given(st.text(max_size=200))
def test_address_key_is_hmac_and_can_be_had_from_the_pads(address):
    inner, outer = KEY.address_pads()
    assert (len(inner), len(outer)) == (64, 64)
    message = address.encode()
    as_postgresql_does = hashlib.sha256(outer + hashlib.sha256(inner + message).digest())
    as_the_standard_says = hmac.new(KEY.derive("address"), message, "sha256")
    assert KEY.address_key(address) == as_postgresql_does.hexdigest()
    assert KEY.address_key(address) == as_the_standard_says.hexdigest()


def test_keys_stay_as_they_are():
    """A change here would orphan every stored secret, address key and link ever mailed."""
    assert KEY.fingerprint == "a58d23905c98e70a"
    assert KEY.address_key("ann@example.com")[:16] == "c0930765c038c29d"
    assert make_token(KEY, DATABASE, "d", 123456789) == "B1vNFe1-3p0c-qOmcXk"


def test_a_key_shows_nothing_of_itself():
    assert "kkkk" not in f"{KEY} {KEY!r}"


def test_too_short():
    with pytest.raises(MasterKeyError, match="32"):
        MasterKey(b"k" * 31)
    with pytest.raises(MasterKeyError, match="31"):
        load_master_key("k" * 31, "unused")


def test_configured_key_wins_and_touches_no_file(tmp_path):
    path = tmp_path / "master.key"
    assert load_master_key(" " + "k" * 32 + "\n", path).fingerprint == KEY.fingerprint
    assert not path.exists()


def test_key_file(tmp_path):
    path = tmp_path / "new" / "master.key"
    with pytest.raises(MasterKeyError, match="master.key"):
        load_master_key(None, path, create=False)
    made = load_master_key("", path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["master.key"]
    assert load_master_key(None, path, create=False).fingerprint == made.fingerprint
    # Moved into the configuration it is the same key.
    assert load_master_key(path.read_text(), "unused").fingerprint == made.fingerprint


def test_damaged_and_unusable_key_files(tmp_path):
    path = tmp_path / "master.key"
    path.write_text("short\n")
    with pytest.raises(MasterKeyError, match="damaged"):
        load_master_key(None, path)
    with pytest.raises(MasterKeyError, match="configuration"):
        load_master_key(None, tmp_path)
    with pytest.raises(MasterKeyError, match="configuration"):
        load_master_key(None, path / "below" / "a_file")


def test_a_readable_key_file_is_pointed_out(tmp_path, caplog):
    path = tmp_path / "master.key"
    load_master_key(None, path)
    assert not caplog.records
    path.chmod(0o644)
    load_master_key(None, path)
    assert "0600" in caplog.text


def test_processes_that_start_at_once_get_one_key(tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import devenv.without_odoo\n"
        "from email_marketing_dm.privacy.keys import load_master_key\n"
        "print('ready', flush=True); sys.stdin.read()\n"
        "print(load_master_key(None, sys.argv[2]).fingerprint)\n"
    )
    for attempt in range(2):
        path = tmp_path / f"{attempt}.key"
        command = [sys.executable, "-c", program, ROOT, path]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        running = [subprocess.Popen(command, **pipes) for _ in range(6)]
        for process in running:
            assert process.stdout.readline() == b"ready\n"
        for process in running:
            process.stdin.close()
        found = {process.stdout.read() for process in running}
        assert [process.wait() for process in running] == [0] * 6
        assert len(found) == 1
        assert len(found.pop().strip()) == 16


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_token(number):
    token = make_token(KEY, DATABASE, "d", number)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(token) <= 24
    assert read_token(KEY, DATABASE, "d", token) == number
    assert read_token(OTHER, DATABASE, "d", token) is None
    assert read_token(KEY, "another database", "d", token) is None
    assert read_token(KEY, DATABASE, "e", token) is None


@given(st.integers(min_value=0, max_value=10**8), st.data())
def test_any_other_token_is_none(number, data):
    token = make_token(KEY, DATABASE, "d", number)
    place = data.draw(st.integers(min_value=0, max_value=len(token) - 1))
    letter = data.draw(st.characters(max_codepoint=255))
    changed = token[:place] + letter + token[place + 1 :]
    for other in (
        changed,
        token[:place] + token[place + 1 :],
        token[:place] + letter + token[place:],
        token + "=",
        token + "\n",
        " " + token,
    ):
        assert read_token(KEY, DATABASE, "d", other) == (number if other == token else None)


def test_every_last_character_but_one_is_refused():
    """base64 ignores the last bits of the last character; a token doesn't."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
    for number in (5, 300, 70000, 2**40):
        token = make_token(KEY, DATABASE, "d", number)
        read = [letter for letter in letters if read_token(KEY, DATABASE, "d", token[:-1] + letter)]
        assert read == [token[-1]]


@pytest.mark.parametrize("nothing", [None, "", "A", 5, b"abc", "é" * 18, "A" * 10_000])
def test_no_token_at_all(nothing):
    assert read_token(KEY, DATABASE, "d", nothing) is None


def test_tokens_are_short():
    assert len(make_token(KEY, DATABASE, "d", 10_000_000)) == 18
