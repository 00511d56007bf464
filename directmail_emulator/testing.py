"""Starting an emulator from a test or a demo.

    with Emulator() as emulator:
        Config(endpoint=emulator.endpoint, protocol="http", ...)
        emulator.summary("my_tag")

Needs only the standard library and `requests` here; the emulator runs in a process of its own,
which ends with this one, however this one ends.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

#: what an account without configuration signs with
ACCESS_KEY_ID = "LTAIEMULATOR"
ACCESS_KEY_SECRET = "emulator-secret"
REGION = "ap-southeast-1"


class EmulatorError(RuntimeError):
    """The emulator did not start, or refused a request to its admin API."""


class _Detached:
    """A process that is no child of this one, with what `Emulator` needs of `subprocess.Popen`."""

    def __init__(self, pid, stdout):
        self.stdout = stdout
        self._pid = pid
        self._handle = os.pidfd_open(pid)

    def poll(self):
        """Return None while it runs."""
        return 0 if select.select([self._handle], [], [], 0)[0] else None

    def wait(self, timeout=None):
        if not select.select([self._handle], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(f"process {self._pid}", timeout)

    def send_signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def __del__(self):
        os.close(self._handle)


class Emulator:
    """An emulator in a process of its own.

    :param config: path of a TOML file, or the text of one
    :param data: directory to keep everything in; by default a temporary one, removed by `stop`
    :param settings: settings laid over the configuration at start, as for `change_settings`
    :param python: interpreter that has the emulator's dependencies
    :param bool detached: in a process that is no child of this one: Odoo's tests end all children
        after each class. It ends with this one nevertheless. Linux only
    """

    def __init__(
        self,
        config=None,
        data=None,
        settings=None,
        python=sys.executable,
        port=0,
        admin_port=0,
        detached=False,
    ):
        self._detached = detached
        self._config = config
        self._own_data = data is None
        self._data = data
        self._settings = settings
        self._python = python
        self._ports = {"--port": port, "--admin-port": admin_port}
        self._region_ports = {}
        self._process = None
        self._session = None
        self._log = None
        self.endpoint = ""  # "127.0.0.1:PORT", for the SDK's Config(endpoint=...)
        self.endpoints = {}  # the same per region
        self.admin = ""  # "http://127.0.0.1:PORT"
        self.pid = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_details):
        self.stop()

    # Life

    def start(self):
        """Start and wait until it is ready. Returns self.

        :raises EmulatorError: with what the emulator said
        """
        if self._process is not None:
            raise EmulatorError("The emulator is running already.")
        if self._data is None:
            self._data = tempfile.mkdtemp(prefix="directmail-emulator-")
        Path(self._data).mkdir(parents=True, exist_ok=True)
        self._log = open(Path(self._data) / "emulator.log", "ab")
        environment = dict(os.environ)
        here = str(Path(__file__).resolve().parent.parent)
        paths = [here, environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        self._process = subprocess.Popen(
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,
        )
        self._starter = os.getpid()
        atexit.register(self._stop_at_exit)
        self._become_ready()
        return self

    def _become_ready(self):
        """Take over what the process says when it is ready."""
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            said = self.log()
            self.stop()
            raise EmulatorError(f"The emulator did not start: {said[-2000:]}")
        ready = json.loads(line)
        if self._detached and not isinstance(self._process, _Detached):
            self._process.wait()
            self._process = _Detached(ready["pid"], self._process.stdout)
        self.endpoint, self.admin, self.pid = ready["endpoint"], ready["admin"], ready["pid"]
        self.endpoints = ready["endpoints"]
        self._ports = {
            "--port": self.endpoint.rpartition(":")[2],
            "--admin-port": self.admin.rpartition(":")[2],
        }
        self._region_ports = {
            region: address.rpartition(":")[2] for region, address in self.endpoints.items()
        }
        self._session = requests.Session()
        self._session.trust_env = False  # local calls go through no proxy
        if self._settings:
            self.change_settings(self._settings)

    def renew(self):
        """Start over in the same process, as a new emulator: without data, on new ports.

        It takes hardly any processor time, other than `start`. Returns self.

        :raises EmulatorError: when it has ended meanwhile
        """
        if self._process is None or self._process.poll() is not None:
            raise EmulatorError("The emulator has ended.")
        self._session.close()
        os.truncate(Path(self._data) / "emulator.log", 0)
        self._process.send_signal(signal.SIGUSR1)
        self._become_ready()
        return self

    def _command(self):
        command = [
            self._python,
            "-m",
            "directmail_emulator",
            "--data",
            str(self._data),
            "--parent",
            str(os.getpid()),
        ]
        for flag, port in self._ports.items():
            command += [flag, str(port)]
        for region, port in self._region_ports.items():
            command += ["--region-port", f"{region}={port}"]
        if self._config:
            command += ["--config", self._config_path()]
        if self._detached:
            command.append("--detached")
        return command

    def _config_path(self):
        if "\n" not in str(self._config):
            return str(self._config)
        path = Path(self._data) / "emulator.toml"
        path.write_text(str(self._config))
        return str(path)

    def stop(self):
        """Stop in good order; a temporary data directory is removed. May be called twice."""
        self._end(signal.SIGTERM)
        atexit.unregister(self._stop_at_exit)
        if self._own_data and self._data:
            shutil.rmtree(self._data, ignore_errors=True)
            self._data = None

    def _stop_at_exit(self):
        if os.getpid() == self._starter:  # and not in a child that was forked meanwhile
            self.stop()

    def kill(self):
        """Kill it (SIGKILL). `start` brings it back with the same ports and data."""
        self._end(signal.SIGKILL)

    def restart(self):
        """Stop and start again, with the same ports and data. Returns self."""
        self._end(signal.SIGTERM)
        return self.start()

    def _end(self, number):
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stdout.close()
        self._log.close()
        if self._session is not None:
            self._session.close()

    def wait_dead(self, seconds=10.0):
        """Wait until it has ended by itself, for example by the fault "die"."""
        self._process.wait(seconds)
        self._end(signal.SIGKILL)

    # Reading

    def get(self, path, **query):
        """An answer of the admin API. :raises EmulatorError: when it refuses"""
        return self._call("GET", path, params=query)

    def post(self, path, data=None, **query):
        return self._call("POST", path, json=data or {}, params=query)

    def _call(self, method, path, **details):
        details.setdefault("timeout", 60)
        answer = self._session.request(method, f"{self.admin}{path}", **details)
        if not answer.ok:
            raise EmulatorError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def ledger(self, tag=None, **filters):
        """Every accepted recipient, in the order of acceptance, as a list of dictionaries."""
        query = {"tag": tag, "limit": 5000, **filters}
        rows = []
        while True:
            page = self.get("/api/ledger", offset=len(rows), **query)
            rows += page["rows"]
            if not page["rows"] or len(rows) >= page["total"]:
                return rows

    def summary(self, tag=None, **filters):
        """``{"accepted", "addresses", "duplicates", "outcomes": {...}}``"""
        return self.get("/api/ledger/summary", tag=tag, **filters)

    def templates(self):
        return self.get("/api/templates")["rows"]

    def mail(self, env_id, to=None):
        """One mail with its body, result and what people did with it."""
        return self.get(f"/api/inbox/{env_id}", to=to)

    def calls(self):
        """``{("CreateTag", "ok"): 3, ...}``: how many calls there were, by answer."""
        return {
            (row["action"], row["answer"]): row["calls"] for row in self.get("/api/calls")["counts"]
        }

    def events(self, **filters):
        """Events, newest first; filters: state, type, env_id."""
        return self.get("/api/events", limit=1000, **filters)["rows"]

    # Changing

    def approve(self, template_id, comment=""):
        return self.post(f"/api/templates/{template_id}/approve", {"comment": comment})

    def reject(self, template_id, comment):
        return self.post(f"/api/templates/{template_id}/reject", {"comment": comment})

    def set_fault(self, kind, **details):
        """Let something go wrong; see README.md for the kinds. Returns the rule."""
        return self.post("/api/faults", {"kind": kind, **details})

    def faults(self):
        return self.get("/api/faults")["rows"]

    def clear_faults(self):
        return self._call("DELETE", "/api/faults")

    def create_account(self, access_key_id, secret, **details):
        """Add an account, with senders, domains and so on as in the configuration."""
        return self.post(
            "/api/accounts", {"access_key_id": access_key_id, "secret": secret, **details}
        )

    def configure_account(self, access_key_id=ACCESS_KEY_ID, /, *, region=None, **changes):
        """Change an account, for example ``daily_quota=10`` or ``permissions=[]``."""
        return self.post(f"/api/accounts/{access_key_id}", changes, region=region)

    def change_settings(self, changes):
        """Change settings, for example ``{"outcomes": {"seed": 7}}``."""
        return self.post("/api/settings", changes)

    def advance_clock(self, seconds):
        return self.post("/api/clock", {"advance": seconds})

    def react(self, env_id, reaction, **details):
        """Let the recipient open, click, unsubscribe, … now."""
        return self.post(f"/api/inbox/{env_id}/{reaction}", details)

    def flush_outcomes(self):
        """Everything pending becomes an outcome now, and events are pushed.

        With tens of thousands pending, each of whom opens and clicks, it takes minutes.
        """
        return self._call("POST", "/api/outcomes/flush", json={}, timeout=1800)

    def log(self):
        """What the emulator has written to its error output."""
        return (Path(self._data) / "emulator.log").read_text(errors="replace")
