"""A real Odoo server in a process of its own, on a database of its own.

    name = database.fresh("my_test")
    with OdooServer(name) as server:
        admin = server.login("admin", "admin")
        admin.call("res.partner", "search_count", [[]])

Everything listens on 127.0.0.1, and the process ends with the one that started it.
"""

import atexit
import contextlib
import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg2
import requests

from devenv import postgres
from devenv.common import ROOT, STATE

HOST = "127.0.0.1"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
PR_SET_PDEATHSIG = 1
#: seconds to wait for what comes within a few on a quiet machine; it only ends what hangs
PATIENCE = 300


class RpcError(Exception):
    """The server refused a call. ``kind`` is the exception's name there, str() the user's text."""

    def __init__(self, kind, message, debug=""):
        super().__init__(message)
        self.kind = kind
        self.debug = debug
        if debug:
            self.add_note(debug)  # shown below the error of a failed test


class Session:
    """A user who is logged in; calls go the way the web client's do."""

    def __init__(self, server, login, password):
        self._server = server
        self._login, self._password = login, password
        #: the cookie of who is logged in
        self._cookie = None
        self.timeout = PATIENCE

    def call(self, model, method, args=(), kwargs=None):
        """Return what ``model.method(*args, **kwargs)`` returns.

        :raise RpcError: with the text that the user would read
        """
        if self._cookie is None:
            self._authenticate()
        result, _headers = self._post(
            f"/web/dataset/call_kw/{model}/{method}",
            {"model": model, "method": method, "args": list(args), "kwargs": kwargs or {}},
        )
        return result

    def run_cron(self, cron):
        """Run a cron, as *Run Manually* does, once no thread of the server runs it any more.

        :return: True
        """

        def is_run():
            try:
                self.call("ir.cron", "method_direct_trigger", [[cron]])
            except RpcError as error:
                if "already executing" not in str(error):
                    raise
                return False
            return True

        return wait_until(is_run, f"cron {cron} is always being run by others")

    def change_modules(self, model, method, records):
        """Press a button that installs or uninstalls, once no thread of the server runs a cron.

        :return: the length of the server's log before, without what Odoo says when it refuses that
        """

        def is_done():
            before = len(self._server.log.read_text())
            try:
                self.call(model, method, [records])
            except RpcError as error:
                if "scheduled action" not in str(error):
                    raise
                return None
            return (before,)

        [before] = wait_until(is_done, "crons are always being run", None, PATIENCE, 1)
        return before

    def read(self, model, record_id, *names):
        """Return one record's fields as a dictionary."""
        return self.call(model, "read", [[record_id], list(names)])[0]

    def _authenticate(self):
        _result, headers = self._post(
            "/web/session/authenticate",
            {"db": self._server.database, "login": self._login, "password": self._password},
        )
        self._cookie = headers["Set-Cookie"].partition(";")[0]

    def _post(self, path, params):
        """Return what a JSON-RPC call returns, and the headers of the answer."""
        # Odoo's threaded server ends each connection, and `requests` takes longer to make a
        # request than the server takes to read it: `test_rights` makes 18,000.
        connection = http.client.HTTPConnection(HOST, self._server.port, timeout=self.timeout)
        headers = {"Content-Type": "application/json"}
        if self._cookie:
            headers["Cookie"] = self._cookie
        try:
            connection.request(
                "POST", path, json.dumps({"jsonrpc": "2.0", "params": params}), headers
            )
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if "error" in answer:
            data = answer["error"]["data"]
            raise RpcError(data["name"].rpartition(".")[2], data["message"], data.get("debug"))
        return answer.get("result"), response.headers


class OdooServer:
    """An Odoo process, threaded, so that one SIGKILL ends all of it.

    :param int crons: how many cron threads; 0 for none
    :param dict environment: further variables, for example another PostgreSQL
    :param str program: the module to run: an Odoo with quick passwords, or one that lacks something
    :param bool filtered: find the database by its name among those of PostgreSQL, which costs a
        connection for each request of somebody unknown; else only this database is served
    :param Path addons: a folder of further addons
    :param debug: loggers that write all they can to the log; "" for all of Odoo and its libraries,
        SQL included
    """

    def __init__(
        self,
        database,
        crons=2,
        environment=None,
        program="tests.server.common.odoo_quick_passwords",
        filtered=True,
        debug=(),
        addons=None,
    ):
        self._filter = [f"--db-filter=^{database}$"] if filtered else []
        self.program = program
        self.database = database
        self.crons = crons
        self._handlers = [f"--log-handler={name}:DEBUG" for name in debug]
        self.environment = {**os.environ, **postgres.environment(), **(environment or {})}
        for name in PROXIES:
            self.environment.pop(name, None)
        self.environment["ODOO_RC"] = str(STATE / "odoo.conf")
        if addons:
            self._filter.append(f"--addons-path={read_addons_path()},{addons}")
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.log = Path(tempfile.gettempdir()) / f"odoo-{database}-{os.getpid()}.log"
        self._process = None
        #: connections that are kept while the server runs, by database
        self._kept = {}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_details):
        self.stop()

    def start(self, seconds=PATIENCE):
        """Start and wait until it answers. Returns self."""
        assert self._process is None, "it runs already"
        command = [
            sys.executable, "-m", self.program,
            "-d", self.database, *self._filter,
            f"--http-port={self.port}", f"--http-interface={HOST}", "--workers=0",
            f"--max-cron-threads={self.crons}", "--log-level=info", *self._handlers,
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip
        atexit.register(self.kill)
        deadline = time.monotonic() + seconds
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Odoo did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.1)
        return self

    def _answers(self):
        with contextlib.suppress(OSError), requests.Session() as http:
            http.trust_env = False
            return http.get(self.url + "/web/health", timeout=10).ok
        return False

    def kill(self):
        """SIGKILL, at once: nothing is flushed, no call is finished."""
        self._end(signal.SIGKILL)

    def stop(self):
        """Stop in good order."""
        self._end(signal.SIGTERM)

    def _end(self, number):
        process, self._process = self._process, None
        self._let_go()
        if process is None:
            return
        atexit.unregister(self.kill)
        process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def pid(self):
        """The process's id, while it runs."""
        return self._process.pid

    def login(self, login, password):
        """Return a `Session`, which survives restarts of the server."""
        return Session(self, login, password)

    def query(self, statement, *values):
        """Run SQL beside Odoo, in a transaction of its own; return its rows, if it has any."""
        if self._process is None:
            # nobody lets go of a connection that is kept now, and it would be in a copy's way
            with connect(self.database, self.environment) as cursor:
                return execute(cursor, statement, values)
        return self._ask(self.database, statement, values)

    def let_cron_run(self, cron):
        """Make a cron due, and wait until Odoo's own cron threads have run it to its end.

        After that, a test may say that the cron has left something alone.
        """
        self.make_due(cron)
        ended = "SELECT 1 FROM ir_cron WHERE id = %s AND lastcall IS NOT NULL"
        wait_until(lambda: self.query(ended, cron), f"cron {cron} does not run", self.wake_crons)

    def make_due(self, cron):
        """Let a cron be due now, as if it had never been run."""
        self.query(
            """UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'UTC', lastcall = NULL
                WHERE id = %s""",
            cron,
        )

    def wake_crons(self):
        """Let the cron threads look now instead of within a minute.

        The notice that Odoo itself sends for a trigger that is due at once. It decides nothing:
        what is not due is not run.
        """
        self._ask("postgres", "SELECT pg_notify('cron_trigger', %s)", [self.database])

    def _ask(self, database, statement, values):
        """Run SQL in a connection that is kept.

        Tests ask at each look, and opening one costs both sides ten times as much as a statement.
        """
        kept = self._kept.pop(database, None)
        if kept is not None:
            try:
                kept.cursor().execute("SELECT 1")
            except psycopg2.Error:  # PostgreSQL has been restarted meanwhile
                kept.close()
                kept = None
        connection = kept or open_connection(database, self.environment)
        try:
            with connection.cursor() as cursor:
                return execute(cursor, statement, values)
        finally:
            self._keep(database, connection)

    def _keep(self, database, connection):
        """Keep a connection for the next statement, unless another thread has one ready."""
        if self._process is None or self._kept.setdefault(database, connection) is not connection:
            connection.close()

    def _let_go(self):
        while self._kept:
            self._kept.popitem()[1].close()


def read_addons_path():
    """Return the addons path of this checkout's Odoo, with commas."""
    lines = (STATE / "odoo.conf").read_text().splitlines()
    [path] = [line.partition("=")[2].strip() for line in lines if line.startswith("addons_path")]
    return path


def _end_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def execute(cursor, statement, values):
    """Run one statement and return its rows, if it has any."""
    cursor.execute(statement, values or None)
    return cursor.fetchall() if cursor.description else []


def free_port():
    """Return a port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def wait_until(
    is_so, complaint="nothing happened", between=None, seconds=PATIENCE, longest_pause=0.1
):
    """Return what ``is_so()`` returns, once that is true.

    :param complaint: what the failure says; a function if that takes a look
    :param between: function to call between two looks, as `OdooServer.wake_crons`, at first before
        each and then about twice a second: it has several processes do something
    :param float longest_pause: seconds up to which the pauses between the looks grow, from 0.1; for
        what stays true, because a look that asks Odoo takes its time from what is waited for
    """
    deadline, pause = time.monotonic() + seconds, 0.1
    rest, next_call = 0.1, time.monotonic()
    while not (found := is_so()):
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(complaint() if callable(complaint) else complaint)
        if between and now >= next_call:
            between()
            next_call = now + rest
            rest = min(1.25 * rest, 0.5)
        time.sleep(pause)
        pause = min(1.25 * pause, longest_pause)
    return found


@contextlib.contextmanager
def connect(database, environment=None):
    """A cursor in autocommit; the server is the one that ``environment`` names."""
    connection = open_connection(database, environment)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def open_connection(database, environment=None):
    """Return a connection in autocommit, of `psycopg2`; the server is as in `connect`."""
    environment = environment or {**os.environ, **postgres.environment()}
    connection = psycopg2.connect(
        dbname=database,
        host=environment.get("PGHOST"),
        port=environment.get("PGPORT"),
        user=environment.get("PGUSER"),
    )
    connection.autocommit = True
    return connection
