"""How figures are taken and printed: alternating runs, medians, one ``BENCH`` line each."""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from devenv.run import environment

ROOT = Path(__file__).parents[1]

MINUTES = 10
RUNS = 5


def scale(default):
    """Return how many people to work with: ``SCALE``, or what the figure asks for."""
    return int(os.environ.get("SCALE") or default)


def alternate(*sides, runs=RUNS, minutes=MINUTES):
    """Call the sides by turns: five rounds, or as many as the minutes allow, one at least.

    :param sides: functions that return a figure
    :return: the figures of each side, a list each
    """
    begin, figures = time.monotonic(), [[] for _side in sides]
    for number in range(runs):
        for side, found in zip(sides, figures, strict=True):
            found.append(side())
        spent = time.monotonic() - begin
        if spent + spent / (number + 1) > minutes * 60:
            break
    return figures


def report(name, value, sign, goal, *notes):
    """Print a figure's line and how it was measured.

    :param str sign: ``>=`` or ``<=``
    :return: whether the goal is met
    """
    ok = value >= goal if sign == ">=" else value <= goal
    print(f"BENCH {name} {value:.3g} goal {sign} {goal:g} {'ok' if ok else 'short'}")
    load = f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    for note in (*notes, load):
        print(f"  {note}", flush=True)
    return ok


def spread(figures, digits=0):
    """Say a median with its lowest and highest."""
    return (
        f"median {statistics.median(figures):,.{digits}f} (lowest {min(figures):,.{digits}f},"
        f" highest {max(figures):,.{digits}f}, {len(figures)} runs)"
    )


def cpu_seconds(pid):
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree_cpu_seconds(pid):
    """Return the processor time of a process and all below it, also of children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    seconds = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    for thread in Path(f"/proc/{pid}/task").iterdir():
        # one that ends at this moment is among the ended from now on
        with contextlib.suppress(OSError):
            for child in (thread / "children").read_text().split():
                seconds += tree_cpu_seconds(child)
    return seconds


def memory_mb(pid):
    """Return a process's own memory, without what it shares with files on disk."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no RssAnon")


def run_odoo_shell(database, script):
    """Run a script in Odoo's shell, in a process of its own; return the completed process."""
    return subprocess.run(
        [sys.executable, "-m", "odoo", "shell", "-d", database, "--no-http", "--log-level=error"],
        input=script, text=True, capture_output=True, cwd=ROOT, env=environment(),
    )  # fmt: skip


def run_in_odoo(database, script):
    """Run a script in Odoo's shell, in a process of its own.

    :return: the two numbers that it prints behind RESULT
    """
    done = run_odoo_shell(database, script)
    for line in done.stdout.splitlines():
        if "RESULT" in line:
            number, seconds = line.partition("RESULT")[2].split()
            return int(number), float(seconds)
    raise SystemExit(f"Odoo's shell said: {done.stdout[-1000:]} {done.stderr[-3000:]}")
