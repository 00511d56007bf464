"""How many signed SingleSendMail calls the emulator takes per second on one core.

The requests are signed and laid out beforehand, so that the driver costs next to nothing; the
emulator is held to one core, the driver to another where there is one. The ledger is on, every
nonce is checked, and what was accepted is counted in the ledger afterwards. The figure is per
second of the emulator's own processor time, because "per core" must not depend on what else the
machine does; the wall clock's figure is printed beside it.

    python -m benchmarks.emulator_rate            (SCALE=100000: ledger rows for the memory part)
"""

from __future__ import annotations

import hashlib
import hmac
import os
import select
import socket
import statistics
import time
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

from directmail_emulator.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET, Emulator

GOAL = 1500
MINUTES = 10
RUNS = 5
CALLS = 3000  # per run of the rate part
CONNECTIONS = 32
HTML = (
    "<html><body>"
    + "<p>Dear reader, the spring collection has arrived.</p>" * 38
    + "</body></html>"
)  # 2 KB
UNLIMITED = {
    "throttle": {"default": "0", "operations": {"SingleSendMail": "0"}},
    "outcomes": {"delays": {"delivered": 0.2}},
    "protocol": {"clock_window": 7200.0},
}


class Requests:
    """Signed requests, made without the SDK, which would cost the driver more than it measures."""

    def __init__(self, endpoint):
        self._endpoint = endpoint
        self._number = 0
        self._fixed = "&".join(
            f"{name}={quote(value, safe='~')}"
            for name, value in (
                ("AccountName", "news@mail.example.com"),
                ("AddressType", "1"),
                ("HtmlBody", HTML),
                ("ReplyToAddress", "false"),
                ("Subject", "Spring"),
            )
        )

    def make(self, recipients=1):
        """The bytes of the next request, to addresses that no other has."""
        self._number += 1
        to = "%2C".join(f"reader{self._number}n{n}%40example.org" for n in range(recipients))
        body = f"{self._fixed}&ToAddress={to}".encode()
        headers = {
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
            "host": self._endpoint,
            "user-agent": "benchmark",
            "x-acs-action": "SingleSendMail",
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-acs-date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": f"{time.time_ns():032x}"[-26:] + f"{self._number:06d}",
            "x-acs-version": "2015-11-23",
        }
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"POST\n/\n\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
        text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
        digest = hmac.new(ACCESS_KEY_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
        headers["Authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={ACCESS_KEY_ID},SignedHeaders={names},Signature={digest}"
        )
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return (f"POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n").encode() + body


def drive(connections, requests):
    """Send every request, one at a time per connection. Returns the seconds it took."""
    waiting = iter(requests)
    poll = select.epoll()
    by_number = {connection.fileno(): connection for connection in connections}
    begin, open_calls = time.perf_counter(), 0
    for connection in connections:
        request = next(waiting, None)
        if request is not None:
            connection.sendall(request)
            open_calls += 1
        poll.register(connection, select.EPOLLIN)
    while open_calls:
        for number, _event in poll.poll():
            answer = by_number[number].recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"The emulator refused a call: {answer[:500]!r}")
            request = next(waiting, None)
            if request is None:
                open_calls -= 1
            else:
                by_number[number].sendall(request)
    seconds = time.perf_counter() - begin
    poll.close()
    return seconds


def connect(emulator, number):
    host, _colon, port = emulator.endpoint.rpartition(":")
    connections = [socket.create_connection((host, int(port))) for _ in range(number)]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connections


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid):
    """Memory of its own, without what it shares with files on disk."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no RssAnon")


def measure_rate(emulator, requests):
    """Calls per second of wall-clock time, and per second of the emulator's processor time."""
    connections = connect(emulator, CONNECTIONS)
    drive(connections, [requests.make() for _ in range(500)])
    wall, cpu = [], []
    for _ in range(RUNS):
        batch = [requests.make() for _ in range(CALLS)]
        before = cpu_seconds(emulator.pid)
        wall.append(CALLS / drive(connections, batch))
        cpu.append(CALLS / (cpu_seconds(emulator.pid) - before))
    for connection in connections:
        connection.close()
    return wall, cpu


def wait_for_outcomes(emulator):
    """Until nothing is left to do for mail that was taken before."""
    while emulator.get("/api/status")["pending"]:
        time.sleep(0.2)


def measure_latency(emulator, requests, rate=100, seconds=5):
    """Milliseconds per call, sorted, at a steady rate on one connection."""
    wait_for_outcomes(emulator)
    (connection,) = connect(emulator, 1)
    times, begin = [], time.perf_counter()
    for number in range(rate * seconds):
        request = requests.make()
        time.sleep(max(0.0, begin + number / rate - time.perf_counter()))
        start = time.perf_counter()
        connection.sendall(request)
        connection.recv(65536)
        times.append((time.perf_counter() - start) * 1000)
    connection.close()
    return sorted(times)


def measure_memory(emulator, requests, rows, deadline):
    """``[(ledger rows, MB)]`` while the ledger grows to ``rows``, with 100 recipients per call.

    Each figure is taken when every mail so far has its outcome. Ends early at the deadline.
    """
    connections = connect(emulator, 4)
    sizes = []
    while True:
        wait_for_outcomes(emulator)
        count = emulator.summary()["accepted"]
        sizes.append((count, memory_mb(emulator.pid)))
        if count >= rows or time.monotonic() > deadline:
            break
        calls = -(-min(rows // 10, rows - count) // 100)
        drive(connections, [requests.make(100) for _ in range(max(calls, 1))])
    for connection in connections:
        connection.close()
    return sizes


def hold_to_core(pid, core):
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def report_rate(wall, cpu):
    rate = statistics.median(cpu)
    print(f"BENCH emulator_rate {rate:.0f} goal >= {GOAL} {'ok' if rate >= GOAL else 'short'}")
    print(
        f"  signed SingleSendMail calls per second of the emulator's processor time, median of"
        f" {RUNS} runs of {CALLS} calls on {CONNECTIONS} connections, held to one core, own body"
        f" of {len(HTML)} bytes, ledger, nonce check and outcomes on; lowest {min(cpu):.0f},"
        f" highest {max(cpu):.0f}"
    )
    print(
        f"  by the wall clock: median {statistics.median(wall):.0f}, lowest {min(wall):.0f},"
        f" highest {max(wall):.0f} a second; load of the machine {os.getloadavg()[0]:.1f} on"
        f" {os.cpu_count()} cores",
        flush=True,
    )


def report_latency(times):
    print(
        f"  latency at 100 calls a second: median {times[len(times) // 2]:.2f} ms,"
        f" 99 % below {times[int(len(times) * 0.99)]:.2f} ms",
        flush=True,
    )


def report_memory(sizes, rows):
    middle = sizes[len(sizes) // 2]
    print(
        f"  memory: {sizes[0][1]:.0f} MB at {sizes[0][0]:,} ledger rows, {middle[1]:.0f} MB at"
        f" {middle[0]:,}, {sizes[-1][1]:.0f} MB at {sizes[-1][0]:,}"
        f" (second half: {sizes[-1][1] - middle[1]:+.1f} MB)"
    )
    if sizes[-1][0] < rows:
        print(f"  the ten minutes were over before {rows:,} rows were reached")


def main():
    rows = int(os.environ.get("SCALE") or 1_000_000)
    deadline = time.monotonic() + MINUTES * 60
    with Emulator(settings=UNLIMITED) as emulator:
        emulator.configure_account(ACCESS_KEY_ID, daily_quota=10**9)
        hold_to_core(emulator.pid, 0)
        hold_to_core(0, 1)
        requests = Requests(emulator.endpoint)
        wall, cpu = measure_rate(emulator, requests)
        times = measure_latency(emulator, requests)
        sent = 500 + RUNS * CALLS + len(times)
        summary = emulator.summary()
        if (summary["accepted"], summary["duplicates"]) != (sent, 0):
            raise SystemExit(f"The ledger has {summary}, sent were {sent}.")
        report_rate(wall, cpu)
        report_latency(times)
        report_memory(measure_memory(emulator, requests, rows, deadline), rows)


if __name__ == "__main__":
    main()
