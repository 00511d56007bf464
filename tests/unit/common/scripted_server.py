"""A small HTTP server over real sockets that answers, or fails to, as a test says."""

import datetime
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass
class Request:
    """One request as it came in. ``query`` and ``form`` are decoded."""

    method: str
    headers: dict
    query: dict
    form: dict

    @property
    def action(self):
        """Name of the operation."""
        return self.headers.get("x-acs-action")


class ScriptedServer(socketserver.ThreadingTCPServer):
    """Answers each request with the next step of ``script``; its last step is repeated.

    A step is a function(connection, request). ``requests`` holds everything received.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, tls_context=None):
        self.requests = []
        self.script = [answer({"RequestId": "request-1", "EnvId": "600000000001"})]
        self.tls_context = tls_context
        self._connections = set()
        super().__init__(("127.0.0.1", 0), _Connection)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_error):
        self.shutdown()
        self.server_close()

    @property
    def endpoint(self):
        """host:port"""
        host = "localhost" if self.tls_context else "127.0.0.1"
        return f"{host}:{self.server_address[1]}"

    def hang_up(self):
        """Close every connection, as a server does with those that lie idle, and wait for it."""
        for connection in list(self._connections):
            connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + 60
        while self._connections:
            assert time.monotonic() < deadline, "a connection stays open"
            time.sleep(0.001)

    def handle_error(self, request, client_address):
        """A client that goes away is part of many tests."""


class _Connection(socketserver.StreamRequestHandler):
    def setup(self):
        if self.server.tls_context:
            self.request = self.server.tls_context.wrap_socket(self.request, server_side=True)
        self.server._connections.add(self.request)
        super().setup()

    def finish(self):
        self.server._connections.discard(self.request)
        super().finish()

    def handle(self):
        while (request := self._read()) is not None:
            self.server.requests.append(request)
            step = self.server.script[0]
            if len(self.server.script) > 1:
                self.server.script.pop(0)
            if step(self, request) == "close":
                return

    def _read(self):
        line = self.rfile.readline().decode()
        if not line.strip():
            return None
        method, target, _version = line.split()
        headers = {}
        while (line := self.rfile.readline().decode().strip()) != "":
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", 0))).decode()
        query = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
        return Request(method, headers, query, dict(parse_qsl(body, keep_blank_values=True)))


def raw(status, body, **headers):
    """Answer with any bytes."""

    def step(connection, _request):
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.wfile.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return step


def answer(body, status=200, **headers):
    """Answer with JSON."""
    return raw(status, json.dumps(body).encode(), **headers)


def refusal(status, code, message="Not so.", **headers):
    """Answer with an error as DirectMail writes it."""
    body = {"RequestId": "request-2", "HostId": "dm", "Code": code, "Message": message}
    return answer(body, status, **headers)


def cut(_connection, _request):
    """Close without an answer."""
    return "close"


def reset(connection, _request):
    """Reset the connection without an answer."""
    linger = struct.pack("ii", 1, 0)
    connection.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.request.close()
    return "close"


def cut_inside_body(connection, _request):
    """Promise more than is sent."""
    connection.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"EnvId": "6')
    return "close"


def stall(seconds, then):
    """Answer nothing for so long, then take the step ``then``."""

    def step(connection, request):
        time.sleep(seconds)
        return then(connection, request)

    return step


def say_nothing(connection, _request):
    """Answer nothing until the client has gone."""
    connection.rfile.read()
    return "close"


def self_signed(tmp_path):
    """Return (server's TLS context, path of its certificate) for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    alternatives = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, path
