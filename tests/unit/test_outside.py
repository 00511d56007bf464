"""One page is fetched as somebody outside would, and nothing else."""

import http.server
import threading

import pytest
from directmail.outside import SIZE_MAX, fetch


class Handler(http.server.BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        self.asked.append(self.path)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/target")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 100_000 if self.path == "/large" else b"signed\n")

    def log_message(self, *_args):
        pass


@pytest.fixture
def server():
    Handler.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_page_of_this_host_is_read_in_a_test(server):
    answer = fetch(f"{server}/here", inside=True)
    assert (answer.problem, answer.status, answer.text) == ("", 200, "signed")


def test_this_host_is_never_asked_otherwise(server):
    assert fetch(f"{server}/here").problem == "inside"
    assert Handler.asked == []


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "[fd00::1]", "0.0.0.0"]
)
def test_no_network_inside_is_asked(host):
    assert fetch(f"http://{host}/here").problem == "inside"
    if host not in ("[::1]",):
        assert fetch(f"http://{host}/here", inside=True).problem == "inside"


def test_a_redirect_is_not_followed(server):
    assert fetch(f"{server}/moved", inside=True).status == 302
    assert Handler.asked == ["/moved"]


def test_no_more_than_a_line_is_read(server):
    assert len(fetch(f"{server}/large", inside=True).text) == SIZE_MAX


def test_nobody_listens():
    assert fetch("http://127.0.0.1:9/here", inside=True).problem == "connection"
