"""The private database server of the development environment."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devenv.postgres import binaries

ROOT = Path(__file__).parents[2]
#: seconds; it only ends what hangs
PATIENCE = 120


@pytest.fixture
def cluster(tmp_path):
    """(variables, folder) of a server that was started for this test only; None without programs.

    Where somebody else's server is used (``PGHOST``) there may be none.
    """
    if not binaries():
        yield None
        return
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    kept |= {"DEVENV_DIR": str(tmp_path / "state"), "DEVENV_PRIVATE_PGHOST": ""}
    command = [sys.executable, "-c", "from devenv import postgres; print(postgres.home())"]
    said = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=True)
    folder = Path(said.stdout.strip())
    assert begin(kept, "start").wait(PATIENCE) == 0
    yield kept, folder
    assert begin(kept, "stop").wait(PATIENCE) == 0
    shutil.rmtree(folder)


def begin(environment, what):
    return subprocess.Popen(
        [sys.executable, "-m", "devenv.postgres", what], cwd=ROOT, env=environment
    )


def find_children(process, name):
    """Return the ids of a process's children that run this program."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [pid for pid in listed if read_name(pid) == name]


def read_name(pid):
    """Return the name of the program that a process runs; None if it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_until(is_so):
    deadline = time.monotonic() + PATIENCE
    while not (found := is_so()):
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)
    return found


def test_a_server_that_is_busy_is_waited_for(cluster):
    if cluster is None:
        return
    environment, folder = cluster
    server = read_server(folder)
    os.kill(server, signal.SIGSTOP)
    try:
        again = begin(environment, "start")
        [asked] = wait_until(lambda: find_children(again, "pg_isready"))
        wait_until(lambda: asked not in find_children(again, "pg_isready"))
    finally:
        os.kill(server, signal.SIGCONT)
    assert again.wait(PATIENCE) == 0
    assert read_server(folder) == server


def read_server(folder):
    """Return the id of the server's process."""
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])
