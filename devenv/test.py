"""``make test``: every test with the runner that it is for, and a failure where none ran.

Without arguments everything runs, two jobs more than processors side by side, also when one
fails. With paths (``make test ONLY=path``) only those tests run, one after the other.
"""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from . import chromium, database, jobs, node, postgres, venv
from .common import ADDON, ROOT, STATE, SetupError, main
from .run import bytecode, environment

#: tests of parts that import no Odoo
UNIT = ("tests/unit", "tests/emulator")
#: tests in which a server is played by the emulator alone
CONTRACT = "tests/contract"
#: run apart from the others: they have commands of their own (make torture)
NOT_PYTEST = ("tests/torture",)
#: files of other tests that take longest side by side, the longest first: see `all_jobs`
LONG = (
    "test_pages",
    "test_rights",
    "test_platform",
    "test_findings",
    "test_commands",
    "test_versions",
    "test_presets",
    "test_faults",
    "test_measuring",
    "test_guided_tour",
    "test_template_look",
    "test_keyboard",
    "test_turns",
    "test_kill",
)
#: so many jobs have the addon's tests
ADDON_PARTS = 2
#: the Odoo, and the plugin of pytest, in which the addon's tests run
KEPT_CACHES = "devenv.kept_caches"
#: what stands before the paths of a job of `all_jobs`
JOB, NATIVE = "job", "native"
#: the closing line of Odoo's own runner
CLOSING = re.compile(r"(\d+) failed, (\d+) error\(s\) of (\d+) tests when loading")
#: what `KEPT_CACHES` says in the end
COUNTED = re.compile(r"^the files have (\d+) tests$")
#: how it says that a test failed: the module and the name
BROKEN = re.compile(r" ERROR \S+ (?:odoo\.addons\.)?(\S+): (?:FAIL|ERROR): (.+)")


def lint():
    """The checks of `.pre-commit-config.yaml` on every file that git knows."""
    found = environment()
    tools = (venv.HOME / "bin", node.BIN)
    found["PATH"] = os.pathsep.join([*map(str, tools), found["PATH"]])
    # where prettier's and eslint's configuration finds their plugins
    found["NODE_PATH"] = str(node.HOME / "node_modules")
    found["PRE_COMMIT_HOME"] = str(STATE / "pre-commit")
    command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--show-diff-on-failure"]
    return jobs.call(command, cwd=ROOT, env=found) == 0


def plain(*paths):
    """pytest without Odoo: unit tests, the emulator's, and tests of whole servers from outside."""
    return run_pytest(["-p", "no:odoo", *paths])[0]


def addon_pytest(*paths):
    """The addon's tests with pytest-odoo, browser tours included."""
    require_browser()
    with database.temporary("test") as name:
        arguments = ["-p", KEPT_CACHES, f"--odoo-database={name}", "--odoo-http"]
        arguments.append("--odoo-log-level=error")
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
    code = jobs.call(command, cwd=ROOT, env=found)
    ran = int(count_file.read_text()) if count_file.is_file() else 0
    count_file.unlink(missing_ok=True)
    if not ran:
        print("no test was run, which counts as a failure", flush=True)
    return code == 0 and ran > 0, ran


def run_native(name, paths):
    """Run test files with Odoo's own runner on a database.

    :return: whether all passed and none was skipped, how many ran, and how many the files have
    """
    tags = ",".join(f"/{path}" for path in paths)
    command = [
        sys.executable, "-m", KEPT_CACHES, "-d", name, f"--test-tags={tags}", "--stop-after-init",
        f"--http-port={free_port()}", "--max-cron-threads=0", "--log-level=warn",
        "--log-handler=odoo.tests:INFO", f"--log-handler=odoo.addons.{ADDON}.tests:INFO",
    ]  # fmt: skip
    skipped, failed, closing, counted = [], [], None, None
    with subprocess.Popen(
        command, cwd=ROOT, env={**environment(), "DEVENV_COUNTED": " ".join(paths)}, text=True,
        errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process, jobs.cleaning_up(process):  # fmt: skip
        for line in process.stdout:
            if is_shown(line):
                print(line, end="", flush=True)
            if re.search(r" INFO .*: skipped ", line):
                skipped.append(line)
            if broken := BROKEN.search(line):
                failed.append(" ".join(broken.groups()))
            closing = CLOSING.search(line) or closing
            counted = COUNTED.search(line) or counted
    for line in skipped:
        print(f"skipped, which counts as a failure: {line}", end="", flush=True)
    for name in failed:
        print(f"{jobs.FAILED}{name}", flush=True)
    ran = int(closing.group(3)) if closing else 0
    if not ran:
        print("no test was run, which counts as a failure", flush=True)
    passed = process.returncode == 0 and ran > 0 and not skipped
    return passed, ran, int(counted.group(1)) if counted else 0


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


def addon_native(*paths):
    """Run test files of the addon with Odoo's own runner, which must run all tests in them.

    It does not see a test file that ``tests/__init__.py`` forgets.
    """
    require_browser()
    with database.temporary("test") as name:
        passed, ran, found = run_native(name, paths)
    print(f"the files have {found} tests, Odoo's own runner ran {ran}", flush=True)
    if found != ran:
        print("is a file missing in tests/__init__.py, or a class not post_install?", flush=True)
    return passed and found == ran


def split_addon(parts):
    """Return the addon's test files in so many lists of about the same size."""
    lists = [[] for _part in range(parts)]
    for size, path in sorted(find_addon_files(), reverse=True):
        min(lists, key=lambda part: sum(weight for weight, _path in part)).append((size, path))
    return [sorted(path for _size, path in part) for part in lists]


def find_addon_files():
    """Yield (size, path) of each of the addon's test files."""
    for path in (ROOT / ADDON / "tests").rglob("test_*.py"):
        yield path.stat().st_size, str(path.relative_to(ROOT))


def all_jobs():
    """Return the jobs of a whole run, long ones first, so that no processor waits at the end.

    The databases are prepared by a process that keeps one processor busy: what needs none of them
    runs meanwhile.
    """
    prepared = jobs.Job(
        "preparing the databases", [sys.executable, "-m", "devenv.database", "template"]
    )
    parts = enumerate(split_addon(ADDON_PARTS), 1)
    addon = [
        make_job(f"addon tests {n} of {ADDON_PARTS}", NATIVE, *paths, after=prepared)
        for n, paths in parts
    ]
    others = [
        make_job(path, JOB, path, after=None if is_without_odoo(path) else prepared)
        for path in find_other_files()
    ]
    return [
        prepared,
        *addon,
        *others[: len(LONG)],
        make_job("unit and emulator tests", JOB, *UNIT),
        make_job("lint", JOB, "lint"),
        *others[len(LONG) :],
    ]


def make_job(title, *words, after=None):
    """Return the `jobs.Job` that calls this module with these words."""
    return jobs.Job(title, [sys.executable, "-m", "devenv.test", *words], after)


def find_other_files():
    """Return all other test files, those of `LONG` first.

    Each makes one job: its tests share a database and a server.
    """
    paths = (path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py"))
    apart = (*map(Path, UNIT), *map(Path, NOT_PYTEST))
    found = sorted(path for path in paths if not any(folder in path.parents for folder in apart))
    places = {stem: place for place, stem in enumerate(LONG)}
    return [str(path) for path in sorted(found, key=lambda path: places.get(path.stem, len(LONG)))]


def is_without_odoo(path):
    """Tell whether a test file needs no database."""
    return Path(CONTRACT) in Path(path).parents


def count_processors():
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


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
        [files] = split_addon(1)
        yield "addon tests", lambda: addon_native(*files)
    elif addon:
        yield f"addon tests: {' '.join(addon)}", lambda: addon_pytest(*addon)[0]
    if other:
        yield f"tests: {' '.join(other)}", lambda: plain(*other)


def run_stages(stages):
    """Run (title, function) one after the other. :return: a `jobs.Result` each"""
    results = []
    for title, function in stages:
        print(f"\n--- {title}", flush=True)
        start = time.monotonic()
        try:
            passed = function()
        except SetupError as error:
            print(f"devenv: error: {error}", flush=True)
            passed = False
        results.append(jobs.Result(title, passed, time.monotonic() - start))
    return results


def print_summary(results, left=0):
    """Print one line for each job and then, last of all, what failed: a log may be cut.

    :param int left: so many jobs were not run, because what they come after has failed
    """
    print("\n--- summary", flush=True)
    for result in results:
        took = f"{result.seconds:.0f} s"
        if result.processor is not None:
            took += f", {result.processor:.0f} s of a processor"
        print(f"{'ok' if result.passed else 'FAILED':6} {result.title} ({took})")
    for result in results:
        if not result.passed:
            print("\n".join([f"\n--- failed: {result.title}", *result.failures]))
    if left:
        print(f"\n{left} jobs were not run, because one that they need has failed")


def command():
    """Run the tests asked for and close with one line for each stage or job."""
    # The servers and emulators of tests inherit it. Python parses each line of a traceback that it
    # marks with ^, and Odoo writes one for each call that it refuses: two thirds of the time of it.
    os.environ.update(postgres.environment() | bytecode() | {"PYTHONNODEBUGRANGES": "1"})
    jobs.obey_signals()
    what, *paths = sys.argv[1:] or [""]
    if what == NATIVE:
        return 0 if addon_native(*paths) else 1
    if what == JOB:
        return 0 if all([function() for _title, function in stages_for(paths)]) else 1
    left = 0
    with postgres.hasty():
        if what:
            results = run_stages(stages_for(sys.argv[1:]))
        else:
            wanted = all_jobs()
            # Two more than processors: tests of whole servers wait half of their time.
            results = jobs.run(wanted, count_processors() + 2)
            left = len(wanted) - len(results)
    print_summary(results, left)
    return 0 if results and all(result.passed for result in results) else 1


if __name__ == "__main__":
    main(command)
