"""Odoo takes nothing but the emulator for the emulator."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import directmail_emulator.config
import directmail_emulator.greeting
import directmail_emulator.trial
from directmail_emulator.testing import Emulator
from email_marketing_dm.directmail import trial

GUEST = trial.Guest(
    key=trial.make_key("0a1b"),
    public_url="https://shop.example.com",
    server_url="http://127.0.0.1:8069",
    database="shop",
)


def test_both_sides_mean_the_same():
    assert directmail_emulator.trial.PORT == trial.PORT
    assert directmail_emulator.greeting.PATH == trial.PATH
    assert directmail_emulator.greeting.NAME == trial.NAME
    assert directmail_emulator.config.DEFAULT_ACCOUNT["secret"] == trial.SECRET
    assert directmail_emulator.greeting.KEY.fullmatch(GUEST.key)


def test_the_emulator_is_found():
    with Emulator() as emulator:
        port = int(emulator.endpoint.rpartition(":")[2])
        assert trial.greet(port, GUEST)
        accounts = emulator.get("/api/status")["accounts"]
        assert GUEST.key in {account["access_key_id"] for account in accounts}
        admin_port = int(emulator.admin.rpartition(":")[2])
        assert not trial.greet(admin_port, GUEST), "only the API answers"


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert not trial.greet(free.getsockname()[1], GUEST)


OTHERS = {
    "an echo": lambda asked: (200, asked),
    "everything is fine": lambda asked: (200, b"OK"),
    "the name alone": lambda asked: (200, trial.NAME.encode()),
    "an earlier answer": lambda asked: (200, f"{trial.NAME} {'0' * 64}".encode()),
    "nothing": lambda asked: (200, b""),
    "an error": lambda asked: (500, b""),
}


@pytest.mark.parametrize("respond", OTHERS.values(), ids=OTHERS)
def test_another_service_is_not_taken_for_it(respond):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            status, body = respond(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        assert not trial.greet(running.server_port, GUEST)
        running.shutdown()


def test_databases_have_keys_of_their_own():
    assert trial.make_key("0a1b") == GUEST.key != trial.make_key("0a1c")
