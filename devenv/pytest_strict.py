"""pytest plugin: a test that was skipped counts as a failure, and the numbers are written down.

Browser tours, for one, are skipped without a word when Chromium or a Python package is missing.
Loaded with ``-p devenv.pytest_strict``; writes the number of tests run to ``DEVENV_COUNT_FILE``.
"""

import os
from pathlib import Path

import pytest

from devenv.jobs import FAILED

ran = set()
skipped = []


def pytest_runtest_logreport(report):
    """Note each test that ran, and each that did not."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        skipped.append((report.nodeid, reason))
    elif report.when == "call":
        ran.add(report.nodeid)


def pytest_collectreport(report):
    """A whole file may be skipped while it is collected."""
    if report.skipped:
        skipped.append((report.nodeid, report.longrepr))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Fail a run in which something was skipped."""
    if skipped and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    count_file = os.environ.get("DEVENV_COUNT_FILE")
    if count_file:
        Path(count_file).write_text(f"{len(ran)}\n")


def pytest_terminal_summary(terminalreporter):
    """Say why, and name the tests that failed as `devenv.jobs` reads them."""
    for outcome in ("failed", "error"):
        for report in terminalreporter.getreports(outcome):
            terminalreporter.write_line(f"{FAILED}{report.nodeid}")
    for nodeid, reason in skipped:
        terminalreporter.write_line(
            f"skipped, which counts as a failure: {nodeid}: {reason}", red=True
        )
