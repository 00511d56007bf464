"""Runs programs side by side, at most so many at once, and shows what each said when it has ended.

Interrupting a run (Ctrl-C, SIGTERM, or the death of its process) interrupts all of its programs.
The run then waits until they have removed their databases and servers.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

from .common import ROOT

#: seconds that a program may take to clean up after an interruption
PATIENCE = 120
PR_SET_PDEATHSIG = 1
#: how a job's output names a test that failed, on a line of its own
FAILED = "failed test: "
#: so many lines at the end of its output say why a job failed that names no test
LAST_LINES = 10


class Terminated(KeyboardInterrupt):
    """SIGTERM, which unlike Ctrl-C in a terminal reaches one process only."""


def obey_signals():
    """Make SIGTERM end this process as Ctrl-C does, whose signal a shell's ``&`` has ignored."""

    def end(_number, _frame):
        raise Terminated

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def cleaning_up(process):
    """On an interruption wait until ``process``, which is interrupted too, has cleaned up."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        if isinstance(interruption, Terminated):
            process.send_signal(signal.SIGINT)
        _wait_or_kill(process)
        raise


def call(command, **options):
    """Run a command to its end. :return: its exit code"""
    with subprocess.Popen(command, **options) as process, cleaning_up(process):
        return process.wait()


def _wait_or_kill(process):
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


@dataclass(frozen=True)
class Result:
    """How a job ended, after so many seconds.

    :ivar failures: names of the tests that failed, or else the last lines that the job said
    :ivar float processor: seconds of processor time that the job's processes used, PostgreSQL's
        servers left out; None: not measured
    """

    title: str
    passed: bool
    seconds: float
    failures: tuple = ()
    processor: float | None = None


class Job:
    """A program in a process of its own.

    :param str title: what the summary calls it
    :param Job after: one that must have passed before this one starts
    """

    def __init__(self, title, command, after=None):
        self.title = title
        self.command = command
        self.after = after
        self._process = self._output = self._begin = self._processor = None

    def start(self):
        """Start it, its output kept in a file."""
        self._begin = time.monotonic()
        self._output = tempfile.TemporaryFile(mode="w+", errors="replace")
        self._process = subprocess.Popen(
            self.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self._output,
            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_end_with_parent,
        )  # fmt: skip

    def has_ended(self):
        """Tell whether it has ended, by itself or otherwise."""
        if self._process.returncode is None:
            # As Popen.poll() does, but the kernel also tells how much the process has used.
            pid, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                self._processor = usage.ru_utime + usage.ru_stime
        return self._process.returncode is not None

    def finish(self):
        """Show what it said. :return: `Result`"""
        seconds = time.monotonic() - self._begin
        self._end_group()
        self._output.seek(0)
        said = self._output.read()
        print(f"\n--- {self.title}\n{said}", end="", flush=True)
        self._output.close()
        passed = self._process.returncode == 0
        failures = () if passed else find_failures(said)
        return Result(self.title, passed, seconds, failures, self._processor)

    def interrupt(self):
        """Let it begin to clean up."""
        self._process.terminate()

    def end(self):
        """Wait until it has cleaned up."""
        _wait_or_kill(self._process)
        self._end_group()
        self._output.close()

    def _end_group(self):
        """Kill what it has left behind, such as the browser of an Odoo that was interrupted."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


def find_failures(said):
    """Return what the output of a job that failed names as the reason, see `Result`."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    named = [line.removeprefix(FAILED) for line in lines if line.startswith(FAILED)]
    return tuple(dict.fromkeys(named)) or tuple(lines[-LAST_LINES:])


def _end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run(jobs, at_once):
    """Run jobs in this order, ``at_once`` of them side by side, also when some fail.

    A job that others come after lets those that wait for nothing pass. If it fails, they are not
    run at all.

    :return: a `Result` each, in the order in which they ended
    """
    waiting, running, results, passed = list(jobs), [], [], {None}
    try:
        while True:
            ready = [job for job in waiting if job.after in passed]
            for job in ready[: at_once - len(running)]:
                waiting.remove(job)
                job.start()
                running.append(job)
            if not running:
                return results
            for job in [job for job in running if job.has_ended()]:
                running.remove(job)
                results.append(job.finish())
                if results[-1].passed:
                    passed.add(job)
            time.sleep(0.1)
    finally:
        for job in running:
            job.interrupt()
        for job in running:
            job.end()
