"""A host that a user typed is called at public addresses only, and nothing else is followed."""

import http.server
import ipaddress
import socket
import threading

import pytest

from email_marketing_dm.directmail import outside
from email_marketing_dm.directmail.client import DirectMailClient
from email_marketing_dm.directmail.errors import DirectMailError
from email_marketing_dm.directmail.outside import SIZE_MAX, fetch, is_allowed, is_usual
from email_marketing_dm.directmail.public_address import is_public
from tests.unit.common.scripted_server import self_signed

INSIDE = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0", "10.0.0.1",
    "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "168.63.129.16",
    "224.0.0.1", "255.255.255.255", "[::1]", "[::]", "[fd00::1]", "[fd00:ec2::254]", "[fe80::1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[ff02::1]", "localhost",
]  # fmt: skip


class Handler(http.server.BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        self.asked.append(f"{self.command} {self.path}")
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/target")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 100_000 if self.path == "/large" else b"signed\n")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_args):
        pass


@pytest.fixture
def server():
    Handler.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_page_of_an_allowed_host_is_read(server):
    answer = fetch(f"{server}/here", anywhere=True)
    assert (answer.problem, answer.status, answer.text) == ("", 200, "signed")


def test_a_body_is_posted(server):
    assert fetch(f"{server}/here", b"test", anywhere=True).status == 200
    assert Handler.asked == ["POST /here"]


@pytest.mark.parametrize("host", INSIDE)
def test_nothing_inside_is_asked(server, host):
    port = server.rpartition(":")[2]
    for protocol in ("http", "https"):
        assert fetch(f"{protocol}://{host}:{port}/here").problem == "inside"
    assert Handler.asked == []


@pytest.mark.parametrize("host", INSIDE)
def test_no_endpoint_inside_is_called(server, host):
    """The SDK's own connections too; with the words for a host that does not answer."""
    port = server.rpartition(":")[2]
    for protocol in ("http", "https"):
        client = DirectMailClient(
            f"{host}:{port}", "id", "secret", protocol=protocol, public_only=True
        )
        for call in (client.describe_account, client.read_time):
            with pytest.raises(DirectMailError) as caught:
                call()
            assert (caught.value.kind, caught.value.code) == ("unreachable", "NoDirectMail")
    assert Handler.asked == []


def test_a_name_that_leads_inside_at_the_second_look(server, monkeypatch):
    """DNS rebinding: what was checked is what is connected to."""
    port = int(server.rpartition(":")[2])
    asked, connected = [], []

    def look_up(host, *args, **options):
        if host != "rebinding.example.com":
            return system(host, *args, **options)
        asked.append(host)
        found = "127.0.0.1" if len(asked) > 1 else "8.8.8.8"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    def connect(self, address):
        connected.append(address[0])
        raise ConnectionRefusedError

    system = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket.socket, "connect", connect)
    assert fetch(f"http://rebinding.example.com:{port}/here").problem == "connection"
    assert connected == ["8.8.8.8"]
    assert fetch(f"http://rebinding.example.com:{port}/here").problem == "inside"
    client = DirectMailClient(
        f"rebinding.example.com:{port}", "id", "secret", protocol="http", public_only=True
    )
    with pytest.raises(DirectMailError):
        client.describe_account()
    assert connected == ["8.8.8.8"]


def test_a_name_with_an_address_inside_is_not_asked(monkeypatch):
    def look_up(_host, port, **_options):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("8.8.8.8", "192.168.1.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert fetch("http://both.example.com/here").problem == "inside"


def test_an_unknown_name_and_one_that_is_none():
    assert fetch("http://nowhere.invalid/here").problem == "name"
    assert fetch(f"http://{'x' * 64}.example.com/here").problem == "name"


def test_a_proxy_does_not_lead_inside(server, monkeypatch):
    """A server's proxy is not used for a host that a user typed: it would look the name up."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server)
    client = DirectMailClient("10.0.0.1", "id", "secret", protocol="http", public_only=True)
    with pytest.raises(DirectMailError):
        client.describe_account()
    assert Handler.asked == []


def test_open_and_closed_ports_answer_alike(server, monkeypatch):
    """Public hosts too: all that are not DirectMail get the same message."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    monkeypatch.setattr(outside, "is_public", lambda address: True)
    told = set()
    for endpoint in (server.partition("//")[2], f"127.0.0.1:{closed}"):
        client = DirectMailClient(endpoint, "id", "secret", protocol="http", public_only=True)
        for call in (client.describe_account, client.read_time):
            with pytest.raises(DirectMailError) as caught:
                call()
            told.add((caught.value.kind, caught.value.code, caught.value.message))
    assert told == {("unreachable", "NoDirectMail", "")}
    assert len(Handler.asked) == 2


def test_the_certificate_must_be_the_names(tmp_path, monkeypatch):
    """The connection goes to an address, but the certificate is compared with the name."""
    context, path = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setattr(outside, "is_public", lambda address: True)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        port = running.server_port
        assert fetch(f"https://localhost:{port}/here").status == 200
        assert fetch(f"https://127.0.0.1:{port}/here").problem == "certificate"
        running.shutdown()


def test_public_addresses():
    for text in ("8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"):
        assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "url, hosts, wanted",
    [
        ("http://127.0.0.1:8080", "127.0.0.1", True),
        ("http://127.0.0.1:8080/x", "gate.internal, 127.0.0.1:8080", True),
        ("http://127.0.0.1:8081", "127.0.0.1:8080", False),
        ("https://gate.internal", "gate.internal:443", True),
        ("http://GATE.internal", "gate.internal:80", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://127.1:8080", "127.0.0.1", False),
        ("http://127.0.0.1.example.com", "127.0.0.1", False),
        ("http://127.0.0.1", "", False),
        ("http://127.0.0.1", None, False),
        ("http://127.0.0.1:x", "127.0.0.1", False),
        ("http://127.0.0.1", "127.0.0.1:x, [", False),
        # urllib3 would go to the first host, urlsplit names the second
        ("http://10.0.0.1\\@gate.internal", "gate.internal", False),
        ("http://user@gate.internal", "gate.internal", False),
    ],
)
def test_what_the_configuration_allows(url, hosts, wanted):
    assert is_allowed(url, hosts) is wanted


def test_usual_ports():
    assert is_usual("https://www.example.com/x") and is_usual("http://www.example.com:80")
    assert not is_usual("https://www.example.com:80")


def test_a_redirect_is_not_followed(server):
    assert fetch(f"{server}/moved", anywhere=True).status == 302
    assert Handler.asked == ["GET /moved"]


def test_no_more_than_a_line_is_read(server):
    assert len(fetch(f"{server}/large", anywhere=True).text) == SIZE_MAX


def test_nobody_listens():
    assert fetch("http://127.0.0.1:9/here", anywhere=True).problem == "connection"
