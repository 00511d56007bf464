"""Request bodies that never end, or never arrive, at the public routes."""

import socket
import threading

import pytest
import requests

from tests.server.common.odoo_server import wait_until

PATHS = (
    "/directmail/unsubscribe/nobody",
    "/directmail/unsubscribe/nobody/undo",
    "/directmail/events/nobody",
    "/directmail/view/nobody",
)
HEAD = "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n{length}\r\n\r\n"


def connect(server, path, length, kind="application/x-www-form-urlencoded"):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    head = HEAD.format(path=path, host=f"127.0.0.1:{server.port}", kind=kind, length=length)
    connection.sendall(head.encode())
    return connection


@pytest.mark.parametrize("kind", ("application/json", "application/x-www-form-urlencoded"))
@pytest.mark.parametrize("path", PATHS)
def test_a_body_without_an_end_is_answered_at_once(server, path, kind):
    """A chunked body, whose length is not known before. The answer does not wait for its end."""
    with connect(server, path, "Transfer-Encoding: chunked", kind) as connection:
        over = threading.Event()
        thread = threading.Thread(target=send_on, args=(connection, over), daemon=True)
        thread.start()
        try:
            answer = connection.recv(4096).decode("latin-1")
        finally:
            over.set()
            thread.join(60)
    assert int(answer.split()[1]) in (404, 405, 413), answer


def send_on(connection, over):
    piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    try:
        while not over.is_set():
            connection.sendall(piece)
    except OSError:
        pass  # the server has closed the connection


def test_others_are_served_while_bodies_do_not_come(server):
    """Connections of clients that give up are closed."""
    waiting = [connect(server, path, "Content-Length: 100") for path in PATHS * 3]
    try:
        with requests.Session() as http:
            http.trust_env = False
            answer = http.get(f"{server.url}/directmail/unsubscribe/nobody", timeout=30)
        assert answer.status_code == 404
    finally:
        for connection in waiting:
            connection.close()
    # What begins after everybody has given up may be open, but nothing from before.
    [(given_up,)] = server.query("SELECT now()")
    wait_until(lambda: not count_open(server, given_up), "a transaction stays open")


def count_open(server, before):
    [(number,)] = server.query(
        """SELECT count(*) FROM pg_stat_activity
            WHERE datname = %s AND xact_start < %s AND pid != pg_backend_pid()""",
        server.database,
        before,
    )
    return number
