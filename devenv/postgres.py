"""PostgreSQL: an existing server (``PGHOST`` and the other usual variables), or a private cluster.

The private cluster runs from the system's binaries, listens on a unix socket only and is started on
demand. PostgreSQL refuses to run as root, so under root it runs as the system user ``postgres``.
A watcher stops it when nobody has been connected for a while: a killed test leaves nothing running.
"""

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from .common import LOGS, ROOT, STATE, SetupError, digest, lock, main, remove, run, say

ROLE = "odoo"
#: of the private cluster
PORT = "5432"
IDLE_SECONDS = 600
#: seconds that a busy server may take to answer
PATIENCE = 300
#: held by the watcher
WATCH_LOCK = STATE / "locks" / "postgres-watch"
#: for clusters of checkouts in root's own folders, where the server's user cannot go
ELSEWHERE = Path("/var/tmp")
#: a socket's path may have 107 bytes; the name of PostgreSQL's own is 15 of them
LONGEST_FOLDER = 90


def is_external():
    """Tell whether an existing server was chosen. Our own exports say so too, hence the marker."""
    host = os.environ.get("PGHOST")
    return bool(host) and host != os.environ.get("DEVENV_PRIVATE_PGHOST")


def binaries():
    """Return the folder with the newest PostgreSQL server programs (13 or newer), or None."""
    found = [
        (int(match.group(1)), path)
        for path in Path("/usr/lib/postgresql").glob("*/bin")
        if (match := re.fullmatch(r"(\d+)", path.parent.name)) and (path / "initdb").exists()
    ]
    newest = max((pair for pair in found if pair[0] >= 13), default=None)
    if newest:
        return newest[1]
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def server_user():
    """Return the system user that the server runs as: None is the one who asks."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise SetupError("PostgreSQL cannot run as root, and there is no user postgres or nobody here")


def as_server():
    """Return the options of ``subprocess`` that run a program as the server's user."""
    user = server_user()
    if not user:
        return {"cwd": "/"}
    return {"cwd": "/", "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def home():
    """Return the cluster's folder, in the state folder if the server's user can get there."""
    wanted = STATE / "postgres"
    if server_user():
        wanted.parent.mkdir(parents=True, exist_ok=True)
        reached = subprocess.run(["test", "-x", wanted.parent], check=False, **as_server())
        if reached.returncode:
            return ELSEWHERE / f"devenv-postgres-{digest(str(STATE))}"
    return wanted


def sweep():
    """Remove clusters outside their checkout whose checkout is gone."""
    for note in ELSEWHERE.glob("devenv-postgres-*/checkout"):
        stopped = not (note.parent / "data" / "postmaster.pid").exists()
        if stopped and not Path(note.read_text()).exists():
            remove(note.parent)


def socket_folder():
    """Return the folder of the server's socket, short enough for the system's limit."""
    folder = home() / "run"
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        folder = Path("/tmp") / f"devenv-pg-{digest(str(STATE))}"
    return folder


def environment():
    """Return the variables by which Odoo, psql and the tests find the server."""
    if is_external():
        return {}
    where = str(socket_folder())
    path = f"{binaries()}{os.pathsep}{os.environ.get('PATH', '')}"
    return {
        "PGHOST": where,
        # The socket's name has the port in it, whatever PGPORT says in the environment.
        "PGPORT": PORT,
        "PGUSER": ROLE,
        "DEVENV_PRIVATE_PGHOST": where,
        "PATH": path,
    }


def make_private_folder(folder):
    """Make a folder for the server's user only. :raise SetupError: if it is somebody else's"""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    user = server_user()
    owner = user.pw_uid if user else os.geteuid()
    if user and folder.stat().st_uid == 0:
        os.chown(folder, user.pw_uid, user.pw_gid)
    if folder.stat().st_uid != owner or folder.is_symlink():
        raise SetupError(f"{folder} belongs to somebody else; remove it and run this again")


def ensure_cluster():
    """Make the private cluster if it is missing, or was made by another major version."""
    if is_external():
        return
    programs = binaries()
    if not programs:
        raise SetupError("PostgreSQL's server programs are missing; run: make setup")
    make_private_folder(home())
    if home().parent == ELSEWHERE:
        (home() / "checkout").write_text(str(STATE))
        sweep()
    data = home() / "data"
    version = (
        subprocess.run(
            [programs / "postgres", "--version"], capture_output=True, text=True, check=True
        )
        .stdout.split()[2]
        .split(".")[0]
    )
    made_by = data / "PG_VERSION"
    if made_by.exists() and made_by.read_text().strip() == version:
        return
    say(f"making a PostgreSQL {version} cluster ...")
    stop()
    beside = home() / "data.new"
    remove(beside)
    run(
        [
            programs / "initdb",
            "-D",
            beside,
            "-U",
            ROLE,
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ],
        "postgres",
        "making the PostgreSQL cluster",
        **as_server(),
    )
    remove(data)
    beside.replace(data)


def answers():
    """Tell whether the private server accepts connections."""
    command = [
        binaries() / "pg_isready",
        "--quiet",
        "-h",
        socket_folder(),
        "-p",
        PORT,
        "-U",
        ROLE,
        "-d",
        "postgres",
    ]
    return subprocess.run(command, check=False).returncode == 0


def start():
    """Start the private server if it is not running, and its watcher. Safe to call often."""
    if is_external():
        return
    with lock("postgres"):
        ensure_cluster()
        make_private_folder(socket_folder())
        (STATE / "postgres.used").touch()
        if not is_running() or not wait_for_answer():
            launch()
            # a test run that was killed has not done it
            set_fsync(True)
        watch_in_background()


def is_running():
    """Tell whether the private server's process is there."""
    try:
        process = (home() / "data" / "postmaster.pid").read_text().split("\n")[0]
    except FileNotFoundError:
        return False
    # A machine that went down leaves the file behind, and another program may have the number now.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cwd").resolve() == (home() / "data").resolve()
    return False


def wait_for_answer():
    """Wait for a server that is busy, starting or stopping: no second one can run beside it.

    :return: whether it answers; else it has ended
    """
    deadline = time.monotonic() + PATIENCE
    while not answers():
        if not is_running():
            return False
        if time.monotonic() > deadline:
            raise SetupError(f"PostgreSQL does not answer (details: {home() / 'server.log'})")
        time.sleep(0.1)
    return True


def launch():
    """Start the server's process and wait until it answers."""
    log = home() / "server.log"
    settings = (
        f"-c port={PORT} -c listen_addresses='' -c unix_socket_directories='{socket_folder()}'"
        " -c unix_socket_permissions=0700 -c max_connections=200 -c log_min_messages=warning"
    )
    command = [
        binaries() / "pg_ctl",
        "start",
        "-w",
        "-t",
        "60",
        "-s",
        "-D",
        home() / "data",
        "-l",
        log,
        "-o",
        settings,
    ]
    # its own session, so that Ctrl-C in a terminal ends the test and not the server under it
    done = subprocess.run(
        command,
        check=False,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **as_server(),
    )
    if done.returncode:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        reason = next(
            (line for line in reversed(lines) if "FATAL" in line or "PANIC" in line),
            "no reason given",
        )
        raise SetupError(f"PostgreSQL did not start: {reason} (details: {log})")


@contextlib.contextmanager
def hasty():
    """Let the private server not wait for the disk while tests run.

    A copy of a database takes half a second instead of three. Only a power cut loses anything, so
    benchmarks and databases of one's own are served as usual again afterwards.
    """
    if is_external():
        yield
        return
    start()
    set_fsync(False)
    try:
        yield
    finally:
        start()
        set_fsync(True)


def set_fsync(wanted):
    """Switch whether the running private server waits for the disk."""
    change = "RESET fsync" if wanted else "SET fsync = off"
    for statement in (f"ALTER SYSTEM {change}", "SELECT pg_reload_conf()"):
        query(statement)


def stop():
    """Stop the private server, if it runs. Connections are closed, nothing is lost."""
    pid_file = home() / "data" / "postmaster.pid"
    if is_external() or not pid_file.exists():
        return
    run(
        [binaries() / "pg_ctl", "stop", "-w", "-m", "fast", "-D", home() / "data"],
        "postgres",
        "stopping PostgreSQL",
        **as_server(),
    )


def watch_in_background():
    """Start the watcher, unless one is there (it holds the lock)."""
    if is_watched():
        return
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "postgres-watch.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "devenv.postgres", "watch"],
            cwd=ROOT,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def is_watched():
    """Tell whether a watcher holds the lock."""
    with WATCH_LOCK.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def watch():
    """Stop the server when nobody has used it for a while, or when the checkout is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with WATCH_LOCK.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        folder, used = home(), STATE / "postgres.used"
        while (folder / "data" / "postmaster.pid").exists():
            time.sleep(20)
            if not STATE.exists():
                stop()
                if STATE not in folder.parents:
                    remove(folder)
                return
            if connections():
                used.touch()
            elif time.time() - used.stat().st_mtime > IDLE_SECONDS:
                with lock("postgres"):
                    if time.time() - used.stat().st_mtime > IDLE_SECONDS:
                        stop()


def connections():
    """Return how many clients are connected."""
    statement = "SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'"
    said = query(statement)
    return int(said) if said.isdigit() else 0


def query(statement):
    """Run one statement on the private server; return what psql prints, "" if it fails."""
    server = ["-h", socket_folder(), "-p", PORT, "-U", ROLE, "-d", "postgres"]
    return subprocess.run(
        [binaries() / "psql", *server, "-Atqc", statement],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()


def command():
    """``python -m devenv.postgres start|stop|watch|env``"""
    what = sys.argv[1] if len(sys.argv) == 2 else ""
    if what == "start":
        start()
    elif what == "stop":
        with lock("postgres"):
            stop()
    elif what == "watch":
        watch()
    elif what == "env":
        for name, value in environment().items():
            if name != "PATH":
                print(f"export {name}='{value}'")
    else:
        raise SetupError("usage: python -m devenv.postgres start|stop|env")


if __name__ == "__main__":
    main(command)
