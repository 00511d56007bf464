"""``make test``: every test with the runner that it is for, and a failure where none ran.

Without arguments all stages run, one after the other, also when one fails. With paths (``make test
ONLY=path``) only those tests run.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import chromium, database, node, postgres, venv
from .common import ADDON, ROOT, STATE, SetupError, main
from .run import environment

#: tests of parts that import no Odoo, done in seconds
UNIT = ("tests/unit", "tests/emulator")
#: run apart from the others: they have commands of their own (make torture)
NOT_PYTEST = ("tests/torture",)
#: the closing line of Odoo's own runner
CLOSING = re.compile(r"(\d+) failed, (\d+) error\(s\) of (\d+) tests when loading")


def lint():
    """The checks of `.pre-commit-config.yaml` on every file that git knows."""
    found = environment()
    tools = (venv.HOME / "bin", node.BIN)
    found["PATH"] = os.pathsep.join([*map(str, tools), found["PATH"]])
    # where prettier's and eslint's configuration finds their plugins
    found["NODE_PATH"] = str(node.HOME / "node_modules")
    found["PRE_COMMIT_HOME"] = str(STATE / "pre-commit")
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--show-diff-on-failure"]
    return subprocess.run(command, cwd=ROOT, env=found, check=False).returncode == 0


def plain(*paths):
    """pytest without Odoo: unit tests, the emulator's, and tests of whole servers from outside."""
    return run_pytest(["-p", "no:odoo", "--import-mode=importlib", *paths])[0]


def addon_pytest(*paths):
    """The addon's tests with pytest-odoo, browser tours included."""
    require_browser()
    with database.temporary("test") as name:
        arguments = [f"--odoo-database={name}", "--odoo-http", "--odoo-log-level=error"]
        return run_pytest([*arguments, *(paths or [ADDON])], ODOO_RC=STATE / "odoo.conf")


def run_pytest(arguments, **variables):
    """Run pytest. :return: whether all passed and none was skipped, and how many ran"""
    count_file = STATE / f"count-{os.getpid()}"
    found = environment()
    # with it in the environment pytest-odoo would switch itself on for every test
    found.pop("ODOO_RC")
    found |= {name: str(value) for name, value in variables.items()}
    found["DEVENV_COUNT_FILE"] = str(count_file)
    command = [sys.executable, "-m", "pytest", "-p", "devenv.pytest_strict", "-ra", *arguments]
    code = subprocess.run(command, cwd=ROOT, env=found, check=False).returncode
    ran = int(count_file.read_text()) if count_file.is_file() else 0
    count_file.unlink(missing_ok=True)
    if not ran:
        print("no test was run, which counts as a failure", flush=True)
    return code == 0 and ran > 0, ran


def addon_native():
    """The addon's tests with Odoo's own runner, as those who do not use pytest run them."""
    require_browser()
    with database.temporary("test") as name:
        return run_native(name)


def run_native(name):
    """Run Odoo's own runner on a database. :return: as `run_pytest`"""
    command = [
        sys.executable, "-m", "odoo", "-d", name, f"--test-tags=/{ADDON}", "--stop-after-init",
        f"--http-port={free_port()}", "--max-cron-threads=0", "--log-level=warn",
        "--log-handler=odoo.tests:INFO", f"--log-handler=odoo.addons.{ADDON}.tests:INFO",
    ]  # fmt: skip
    skipped, closing = [], None
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if is_shown(line):
                print(line, end="", flush=True)
            if re.search(r" INFO .*: skipped ", line):
                skipped.append(line)
            closing = CLOSING.search(line) or closing
    for line in skipped:
        print(f"skipped, which counts as a failure: {line}", end="", flush=True)
    ran = int(closing.group(3)) if closing else 0
    if not ran:
        print("no test was run, which counts as a failure", flush=True)
    return process.returncode == 0 and ran > 0 and not skipped, ran


def is_shown(line):
    """Leave out what Odoo says about each test and each browser message that is fine."""
    return " INFO " not in line[:60] or CLOSING.search(line)


def require_browser():
    """:raise SetupError: when tours could not run"""
    if not chromium.executable():
        raise SetupError("browser tours need Chromium; run: make setup")


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def addon_all():
    """All of the addon's tests with Odoo's own runner; pytest must find the same ones.

    A test file that ``tests/__init__.py`` forgets is seen by pytest only.
    """
    found = collect_pytest()
    passed, ran = addon_native()
    print(f"pytest finds {found} tests, Odoo's own runner ran {ran}", flush=True)
    if found != ran:
        print("is a file missing in tests/__init__.py, or a class not post_install?", flush=True)
    return passed and found == ran


def collect_pytest():
    """Return how many tests of the addon pytest finds."""
    with database.temporary("test") as name:
        arguments = [f"--odoo-database={name}", "--odoo-log-level=error", "--collect-only", "-qq"]
        command = [sys.executable, "-m", "pytest", *arguments, ADDON]
        found = subprocess.run(
            command, cwd=ROOT, env=environment(), text=True, stdout=subprocess.PIPE, check=False
        ).stdout
    return sum(int(number) for number in re.findall(r"^\S+\.py: (\d+)$", found, re.MULTILINE))


def all_stages():
    """Yield (title, function) of every stage. What needs no database runs beside the second."""
    with Beside("lint", *UNIT) as quick:
        yield "addon tests", addon_all
        yield "lint, unit and emulator tests", quick.finish
    others = [f"--ignore={path}" for path in (*UNIT, *NOT_PYTEST)]
    yield "whole-server tests", lambda: plain("tests", *others)


class Beside:
    """Stages that run beside others, in a process whose output is shown when it is asked for."""

    def __init__(self, *paths):
        self._output = tempfile.TemporaryFile(mode="w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "devenv.test", *paths],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_details):
        # Whoever interrupts the run leaves nothing behind.
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()
        self._output.close()

    def finish(self):
        """Wait for the end and show what was said. :return: whether all passed"""
        code = self._process.wait()
        self._output.seek(0)
        print(self._output.read(), flush=True)
        return code == 0


def stages_for(paths):
    """Yield the stages for ``paths`` (pytest's ``file::Class::test`` too, or ``lint``)."""
    addon, other = [], []
    for path in paths:
        if path == "lint":
            yield "lint", lint
            continue
        file = Path(path.split("::")[0])
        inside = Path(os.path.relpath(file if file.is_absolute() else ROOT / file, ROOT))
        if not (ROOT / inside).exists():
            raise SetupError(f"there is no {file} here")
        group = addon if inside.parts[0] == ADDON else other
        group.append(str(inside) + path[len(str(path.split("::")[0])) :])
    if addon in ([ADDON], [f"{ADDON}/tests"]):
        yield "addon tests", addon_all
    elif addon:
        yield f"addon tests: {' '.join(addon)}", lambda: addon_pytest(*addon)[0]
    if other:
        yield f"tests: {' '.join(other)}", lambda: plain(*other)


def command():
    """Run the stages and close with one line for each."""
    os.environ.update(postgres.environment())
    results = []
    paths = sys.argv[1:]
    for title, function in stages_for(paths) if paths else all_stages():
        print(f"\n--- {title}", flush=True)
        start = time.monotonic()
        try:
            passed = function()
        except SetupError as error:
            print(f"devenv: error: {error}", flush=True)
            passed = False
        results.append((title, passed, time.monotonic() - start))
    print("\n--- summary", flush=True)
    for title, passed, seconds in results:
        print(f"{'ok' if passed else 'FAILED':6} {title} ({seconds:.0f} s)", flush=True)
    return 0 if results and all(passed for _, passed, _ in results) else 1


if __name__ == "__main__":
    main(command)
