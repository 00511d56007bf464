"""Paths, stamps and running of commands, shared by every set-up step. Standard library only."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: everything that set-up makes; ``DEVENV_DIR`` moves it out of the checkout
STATE = Path(os.environ.get("DEVENV_DIR") or ROOT / ".devenv").expanduser().resolve()
LOGS = STATE / "log"
ADDON = "email_marketing_dm"

NETWORK_SIGNS = (
    "Temporary failure resolving",
    "Temporary failure in name resolution",
    "Could not resolve",
    "Could not connect",
    "Cannot initiate the connection",
    "Connection refused",
    "Connection timed out",
    "Network is unreachable",
    "No route to host",
    "NewConnectionError",
    "ProxyError",
    "Cannot connect to proxy",
    "Unable to connect",
    "ConnectTimeoutError",
    "Connection failed",
    # pip, once it has given up
    "(from versions: none)",
)


class SetupError(Exception):
    """Set-up cannot go on. Its text is one line that tells the reader what to do."""


def say(text):
    """Print one progress line, at once (make buffers pipes otherwise)."""
    print(f"devenv: {text}", flush=True)


def digest(*parts):
    """Key for a stamp: a hash over strings and the contents of files (``Path``)."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else str(part).encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:16]


def is_done(step, key):
    """Tell whether ``step`` was finished from exactly the inputs behind ``key``."""
    stamp = STATE / "stamps" / step
    return stamp.is_file() and stamp.read_text().strip() == key


def mark_done(step, key):
    """Record that ``step`` is finished. Written beside and renamed, so never half there."""
    write_atomically(STATE / "stamps" / step, key + "\n")


def forget(step):
    """Make ``step`` run again next time."""
    (STATE / "stamps" / step).unlink(missing_ok=True)


def write_atomically(path, text, mode=0o644):
    """Write ``text`` to ``path`` so that an interruption leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.chmod(mode)
    beside.replace(path)


def remove(path):
    """Remove a file or folder that may or may not exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(command, log, doing, **options):
    """Run ``command`` with its output in ``STATE/log/<log>.log``.

    :param str doing: what the command is for, as in "downloading Odoo"
    :raise SetupError: one line with the likely cause when it fails
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    command = [str(word) for word in command]
    with path.open("ab") as output:
        output.write(f"\n$ {' '.join(command)}\n".encode())
        output.flush()
        start = output.tell()
        options.setdefault("stdin", subprocess.DEVNULL)
        try:
            code = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, check=False, **options
            ).returncode
        except FileNotFoundError as error:
            raise SetupError(
                f"{doing} needs the program {error.filename}, which is missing"
            ) from error
    if code:
        said = path.read_bytes()[start:].decode(errors="replace")
        raise SetupError(f"{doing} failed: {explain(said, code)} (details: {path})")


def explain(said, code):
    """Return the likely cause of a failure from what the command said, on one line."""
    if "No space left on device" in said or "not enough free space" in said:
        return f"the disk is full (free some space under {STATE} and run it again)"
    if any(sign in said for sign in NETWORK_SIGNS):
        return "no network, or the package registry cannot be reached; run it again when it can"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f"exit code {code}: {lines[-1][:200]}" if lines else f"exit code {code}"


@contextlib.contextmanager
def lock(name, waiting=""):
    """Hold an exclusive lock across processes. Freed by the system when the process dies."""
    path = STATE / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                say(waiting)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def step(title):
    """Say what is being done, and how long it took."""
    say(f"{title} ...")
    start = time.monotonic()
    yield
    say(f"{title}: done in {time.monotonic() - start:.0f} s")


def main(function):
    """Run a command line entry: errors of the machine become one line and exit code 1."""
    try:
        sys.exit(function())
    except SetupError as error:
        line = str(error)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            line = f"the disk is full (free some space under {STATE} and run it again)"
        elif error.errno in (errno.EACCES, errno.EROFS):
            line = f"cannot write {error.filename}: {error.strerror}"
        else:
            raise
    except KeyboardInterrupt:
        line = "interrupted; run it again to go on"
    print(f"devenv: error: {line}", file=sys.stderr, flush=True)
    sys.exit(1)
