"""Snapshots of an audience that are taken and deleted at the same moment."""

import json
import subprocess
import sys
from pathlib import Path

from devenv.run import environment


def test_each_person_stands_once_in_the_last_snapshot(database):
    script = (Path(__file__).parent / "common" / "runs_snapshots.py").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "odoo", "shell", "-d", database, "--no-http", "--log-level=error"],
        input=script, text=True, capture_output=True, cwd="/tmp", env=environment(),
    )  # fmt: skip
    results = [line for line in done.stdout.splitlines() if "RESULT" in line]
    assert results, done.stderr
    [line] = results
    assert json.loads(line.partition("RESULT")[2]) == {
        "two are taken": 2,
        "deleted while another is taken": 2,
        "taken while the one before is deleted": 2,
        "cleaned up while another is taken": 2,
        # Entered and left in the next snapshot.
        "taken while leads are merged": [0, 0],
        "leads are merged while it is taken": [0, 0],
    }, done.stderr
