"""The demo's database and its Odoo: made anew, started, and spoken to by JSON-RPC."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time

import requests

from . import database, demo_data, venv
from .common import LOGS, SetupError

DATABASE = database.full_name("demo")
HOST = "127.0.0.1"
PORT = 8069
LOG = LOGS / "demo-odoo.log"
#: seconds that a cold Odoo on a busy machine may take until it answers
START_SECONDS = 120
PR_SET_PDEATHSIG = 1


def choose_port(variable, preferred=0):
    """Return the port that the environment asks for, else the preferred one, else any free one.

    :raise SetupError: if the port that was asked for is taken or is none
    """
    asked = os.environ.get(variable, "").strip()
    if asked:
        if not asked.isdigit() or not 0 < int(asked) < 65536:
            raise SetupError(f"{variable}={asked} is no port number")
        if not is_free(int(asked)):
            raise SetupError(f"port {asked} is taken; choose another {variable}, or leave it out")
        return int(asked)
    if preferred and is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def is_free(port):
    """Tell whether a server could listen there."""
    with socket.socket() as probe:
        # as servers do: a connection that was just closed does not hold the port
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def make_database():
    """Make the demo's database anew: a copy of the prepared one, which has everything installed."""
    database.copy(database.ensure_template(), DATABASE)


def seed_database(base_url):
    """Fill the database. :return: what `demo_data` says it made"""
    done = subprocess.run(
        [venv.PYTHON, "-m", "devenv.demo_data", DATABASE, base_url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    (LOGS / "demo-data.log").write_text(done.stderr)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SetupError(f"filling the database failed: {last} (details: {LOGS / 'demo-data.log'})")
    return demo_data.read_answer(done.stdout)


class OdooServer:
    """Odoo in a process of its own, with its crons. It ends with this process."""

    def __init__(self, port):
        self.url = f"http://{HOST}:{port}"
        self._port = port
        self._process = None

    def start(self):
        """Start it and wait until it answers. :raise SetupError: if it does not"""
        self._process = subprocess.Popen(
            [
                venv.PYTHON,
                "-m",
                "odoo",
                "-d",
                DATABASE,
                "--http-port",
                str(self._port),
                "--workers=0",
                "--max-cron-threads=2",
                "--db-filter",
                f"^{DATABASE}$",
                "--no-database-list",
            ],
            stdin=subprocess.DEVNULL,
            stdout=LOG.open("wb"),
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the demo, which then stops its servers in good order
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        session = requests.Session()
        session.trust_env = False  # local calls go through no proxy
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise SetupError(f"Odoo ended at once: {last_line()} (details: {LOG})")
            with contextlib.suppress(requests.RequestException):
                if session.get(f"{self.url}/web/health", timeout=5).ok:
                    return
            time.sleep(0.2)
        raise SetupError(f"Odoo did not answer within {START_SECONDS} s (details: {LOG})")

    def is_running(self):
        return self._process.poll() is None

    def close(self):
        """Stop it in good order, if it runs."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_with_parent():
    """Have the system end this process when its parent is gone, even by SIGKILL (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def last_line():
    """Return the last thing that Odoo said."""
    lines = LOG.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")


class User:
    """Somebody who is logged in, by the JSON-RPC routes that Odoo's own pages use.

    :param str url: of Odoo
    """

    def __init__(self, url, login, password):
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # local calls go through no proxy
        answer = self._post(
            "/web/session/authenticate", {"db": DATABASE, "login": login, "password": password}
        )
        self.id = answer["uid"]

    def call(self, model, method, *arguments, **named):
        """Call a model's method; the first argument is the ids where the method is of records.

        :raise SetupError: with the sentence that the user would have seen
        """
        return self._post(
            f"/web/dataset/call_kw/{model}/{method}",
            {"model": model, "method": method, "args": list(arguments), "kwargs": named},
            f"{model}.{method}: ",
        )

    def create(self, model, **values):
        """Create one record. :return: its id"""
        return self.call(model, "create", [values])[0]

    def read(self, model, record, *fields):
        """Read fields of one record. :return: a dict"""
        return self.call(model, "read", [record], list(fields))[0]

    def _post(self, path, params, doing=""):
        try:
            answer = self._session.post(
                self._url + path,
                json={"jsonrpc": "2.0", "method": "call", "params": params},
                timeout=120,
            ).json()
        except (requests.RequestException, ValueError) as error:
            raise SetupError(f"Odoo does not answer: {error} (details: {LOG})") from error
        if "error" in answer:
            error = answer["error"]
            said = error.get("data", {}).get("message") or error.get("message", "")
            raise SetupError(f"{doing}{' '.join(said.split())} (details: {LOG})")
        return answer.get("result")
