"""How `make test` runs its parts side by side, and that no test file is left out."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devenv import jobs
from devenv import test as make_test
from devenv.run import environment

ROOT = Path(__file__).parents[2]

#: writes when it begins and when it ends, an interruption included
WITNESS = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.default_int_handler)
folder, name, seconds = sys.argv[1:]
try:
    # from here on an interruption is seen
    Path(folder, f"{name}.begin").touch()
    print(f"{name} speaks", flush=True)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        # Short ones: Python sleeps through a signal that comes just before it falls asleep.
        time.sleep(0.05)
finally:
    Path(folder, f"{name}.end").touch()
"""
#: a process that runs a job and is interrupted while it does
RUN = """
import sys
from devenv import jobs
jobs.obey_signals()
command = [sys.executable, "-c", sys.argv[1], sys.argv[2], "one", "600"]
jobs.run([jobs.Job("one", command)], 1)
"""


def make_job(folder, name, seconds=0.0, kind=jobs.Job, after=None):
    return kind(name, [sys.executable, "-c", WITNESS, str(folder), name, str(seconds)], after)


def wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} is missing"
        time.sleep(0.02)


def test_a_job_that_fails_stops_no_other(tmp_path, capfd):
    failing = jobs.Job("failing", [sys.executable, "-c", "raise SystemExit('the reason')"])
    results = jobs.run([failing, make_job(tmp_path, "next")], 1)
    assert [(result.title, result.passed) for result in results] == [
        ("failing", False),
        ("next", True),
    ]
    said = capfd.readouterr().out
    assert said.index("--- failing\nthe reason") < said.index("--- next\nnext speaks")


def test_what_failed_is_said_last(capfd):
    """A log of thousands of lines may be cut: its end names every test that failed."""
    script = "print('failed test: a.py::test_one', 'much more', sep='\\n'); raise SystemExit(1)"
    other = "print(*range(100), sep='\\n'); raise SystemExit('the reason')"
    commands = {"naming": script, "broken": other, "fine": "print('failed test: not really')"}
    results = jobs.run(
        [jobs.Job(title, [sys.executable, "-c", text]) for title, text in commands.items()], 1
    )
    make_test.print_summary(results)
    summary = capfd.readouterr().out.partition("--- summary")[2]
    assert [line.split(" (")[0] for line in summary.splitlines()[1:4]] == [
        "FAILED naming", "FAILED broken", "ok     fine",
    ]  # fmt: skip
    assert summary.partition("--- failed: naming")[2].splitlines()[:2] == ["", "a.py::test_one"]
    [*numbers, reason] = summary.partition("--- failed: broken")[2].splitlines()[1:]
    assert (numbers, reason) == ([*map(str, range(91, 100))], "the reason")


@pytest.mark.parametrize(
    "line, name",
    [
        (
            "2026-01-01 10:00:00,000 77 ERROR base odoo.addons.some_addon.tests.task.test_task:"
            " FAIL: TestTask.test_a_task",
            "some_addon.tests.task.test_task TestTask.test_a_task",
        ),
        (
            "2026-01-01 10:00:00,000 77 ERROR base odoo.tests.suite: ERROR: setUpClass"
            " (odoo.addons.some_addon.tests.task.test_task.TestTask)",
            "odoo.tests.suite setUpClass (odoo.addons.some_addon.tests.task.test_task.TestTask)",
        ),
        ("2026-01-01 10:00:00,000 77 ERROR base odoo.sql_db: bad query: SELECT 1", None),
    ],
)
def test_what_odoos_runner_says_of_a_failure_is_read(line, name):
    found = make_test.BROKEN.search(line)
    assert (" ".join(found.groups()) if found else None) == name


def test_pytest_names_what_failed(tmp_path):
    (tmp_path / "test_three.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef broken():\n    raise OSError\n\n"
        "def test_fine():\n    pass\n\ndef test_wrong():\n    assert False\n\n"
        "def test_without_fixture(broken):\n    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "devenv.pytest_strict", "-p", "no:odoo"]
    kept = {name: text for name, text in os.environ.items() if name != "DEVENV_COUNT_FILE"}
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT, env=kept, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert jobs.find_failures(done.stdout) == (
        "test_three.py::test_wrong", "test_three.py::test_without_fixture",
    )  # fmt: skip


def test_a_result_counts_the_processor_time_of_all_its_processes(tmp_path):
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    around = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    [result] = jobs.run([jobs.Job("busy", [sys.executable, "-c", around])], 1)
    assert result.passed
    assert result.processor >= 0.3


def test_no_more_than_so_many_at_once(tmp_path):
    class Counted(jobs.Job):
        running, most = 0, 0

        def start(self):
            super().start()
            Counted.running += 1
            Counted.most = max(Counted.most, Counted.running)

        def finish(self):
            Counted.running -= 1
            return super().finish()

    made = [make_job(tmp_path, f"job{number}", 0.3, Counted) for number in range(5)]
    assert len(jobs.run(made, 2)) == 5
    assert Counted.most == 2


def test_a_job_waits_for_the_one_that_it_comes_after(tmp_path, capfd):
    """What waits for nothing runs meanwhile, without waiting for its turn."""
    until = f"""
import time
from pathlib import Path
while not Path({str(tmp_path)!r}, "other.end").exists():
    time.sleep(0.02)
assert not Path({str(tmp_path)!r}, "next.begin").exists()
"""
    first = jobs.Job("first", [sys.executable, "-c", until])
    results = jobs.run(
        [first, make_job(tmp_path, "next", after=first), make_job(tmp_path, "other")], 2
    )
    assert all(result.passed for result in results)
    assert {result.title for result in results[:2]} == {"first", "other"}
    assert results[2].title == "next"


def test_what_comes_after_a_job_that_fails_is_not_run(tmp_path, capfd):
    failing = jobs.Job("failing", [sys.executable, "-c", "raise SystemExit('the reason')"])
    next_one = make_job(tmp_path, "next", after=failing)
    wanted = [failing, next_one, make_job(tmp_path, "last", after=next_one)]
    wanted.append(make_job(tmp_path, "other"))
    results = jobs.run(wanted, 1)
    assert [(result.title, result.passed) for result in results] == [
        ("failing", False),
        ("other", True),
    ]
    assert not (tmp_path / "next.begin").exists()
    make_test.print_summary(results, len(wanted) - len(results))
    summary = capfd.readouterr().out.partition("--- summary")[2]
    assert summary.partition("--- failed: failing\n")[2].splitlines() == [
        "the reason", "", "2 jobs were not run, because one that they need has failed",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interruption_reaches_every_job(tmp_path, number):
    process = subprocess.Popen([sys.executable, "-c", RUN, WITNESS, str(tmp_path)], cwd=ROOT)
    wait_for(tmp_path / "one.begin")
    process.send_signal(number)
    assert process.wait(60) != 0
    wait_for(tmp_path / "one.end")


def test_what_a_job_leaves_behind_is_ended(tmp_path):
    left = tmp_path / "pid"
    shell = f"sleep 600 & echo $! > {left}"
    [result] = jobs.run([jobs.Job("leaving", ["sh", "-c", shell])], 1)
    assert result.passed
    status = Path(f"/proc/{left.read_text().strip()}/status")
    deadline = time.monotonic() + 60
    while status.exists() and "State:\tZ" not in status.read_text():
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.02)


def test_no_test_file_is_left_out():
    """Each is in exactly one job, but for those of `make torture`."""
    words = [word for job in make_test.all_jobs() for word in job.command]
    folders = tuple(f"{folder}/" for folder in make_test.UNIT)
    paths = [
        str(path.relative_to(ROOT))
        for folder in ("tests", "email_marketing_dm")
        for path in (ROOT / folder).rglob("test_*.py")
    ]
    assert len(paths) > 150
    assert [path for path in paths if words.count(path) + path.startswith(folders) != 1] == []


def test_long_jobs_begin_before_short_ones():
    titles = [job.title for job in make_test.all_jobs()]
    stems = [Path(title).stem for title in titles]
    long = [stems.index(stem) for stem in make_test.LONG]
    assert long == sorted(long)
    assert max(long) < titles.index("unit and emulator tests") < titles.index("lint")
    assert titles[-1].startswith("tests/server/")


def test_the_databases_are_prepared_first_and_what_needs_none_does_not_wait():
    [prepared, *others] = make_test.all_jobs()
    assert prepared.command[-2:] == ["devenv.database", "template"]
    assert {job.after for job in others} == {prepared, None}
    assert [job.title for job in others if not job.after] == [
        "unit and emulator tests", "lint", "tests/contract/test_client_contract.py",
    ]  # fmt: skip


def test_the_addons_tests_are_split_evenly():
    sizes = [
        sum(os.path.getsize(ROOT / path) for path in part) for part in make_test.split_addon(2)
    ]
    assert max(sizes) < 1.1 * min(sizes)


def test_compiled_modules_are_kept_whatever_the_machine_says(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    command = [sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]
    for variables, expected in ((os.environ, "True"), (environment(), "False")):
        said = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        assert said.stdout.strip() == expected
