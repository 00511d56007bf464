"""How many pushed events an Odoo server takes per second of its own processor time.

Genuine pushes, signed as EventBridge does with one event a call, by several connections at once.
Only what the server's processes use is counted (user and system time, as the kernel has it), so
neither the sender nor the load of the machine matters. Afterwards every event is in the database.

    python -m benchmarks.webhook_rate            (SCALE=600: pushes of one run)
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from devenv import database as databases
from directmail_emulator.testing import Emulator
from tests.server.common.odoo_server import OdooServer

GOAL = 400
RUNS = 5
SENDERS = 4
BATCH = 50  # events of a call in the second figure, which has no goal

SETUP = """
import json
from odoo.addons.email_marketing_dm.privacy.tokens import make_token
from odoo.addons.email_marketing_dm.engine.content import TOKEN_KIND, get_database_uuid
# First, so that the keys below belong to it.
key, uuid = env["directmail.keyring"]._get_master_key(), get_database_uuid(env)
account = env["directmail.account"].create(
    {{"name": "A", "connection": "test", "endpoint": "127.0.0.1:1", "public_url": "{url}"}})
sender = env["directmail.sender"].create({{"account_id": account.id, "email": "a@b.example"}})
task = env["directmail.task"].create({{"name": "T", "account_id": account.id}})
task.tag_name = "bench"
env.flush_all()
env.cr.execute(\"\"\"
    INSERT INTO directmail_delivery (task_id, account_id, company_id, email, address_key, state,
           sent_at)
    SELECT %s, %s, %s, 'p' || p || '@customer.example', md5(p::text), 'sent',
           now() AT TIME ZONE 'UTC'
      FROM generate_series(1, {people}) AS p RETURNING id\"\"\",
    [task.id, account.id, account.company_id.id])
ids = [row[0] for row in env.cr.fetchall()]
env.cr.commit()
with open("{path}", "w") as file:
    json.dump({{"url": account.push_url, "token": account.push_token,
               "people": [make_token(key, uuid, TOKEN_KIND, number) for number in ids]}}, file)
"""


def make_database(url, people):
    """Return a new database, and what a sender of pushes has to know of it."""
    name = databases.fresh("bench_webhook")
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        databases.odoo(
            ["shell", "-d", name, "--no-http"], name, "making deliveries",
            text=SETUP.format(url=url, people=people, path=file.name),
        )  # fmt: skip
        return name, json.load(file)


def make_event(number, token):
    """A delivery event, as large as a real one."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    return {
        "id": f"00000000-0000-0000-0000-{number:012}", "source": "acs:dm", "specversion": "1.0",
        "subject": "acs:dm:ap-southeast-1:1234567890987654:*", "type": "dm:Deliver:Succeed",
        "time": at, "datacontenttype": "application/json;charset=utf-8",
        "aliyunaccountid": "1234567890987654", "aliyunpublishtime": at,
        "aliyuneventbusname": "default", "aliyunregionid": "ap-southeast-1",
        "aliyunpublishaddr": "192.0.2.1",
        "data": {
            "header": {"X-User-Notify-Mid": token}, "env_id": str(600_000_000_000 + number),
            "account": "a@b.example", "from": "a@b.example",
            "rcpt": f"p{number}@customer.example", "msg_id": f"{token}@b.example",
            "channel_name": "bg:x", "outbound_ip": "192.0.2.25", "send_time": at[:19],
            "deliver_time": at[:19], "status": "0", "event": "dm:Deliver:Succeed",
            "region": "ap-southeast-1", "err_code": "250", "err_msg": "250 Mail OK",
            "failed_type": "SendOk", "esp": "customer.example", "ip_pool_id": "",
            "is_dedicated_ip": False, "tag": "bench",
        },
    }  # fmt: skip


def processor_seconds(pid):
    """Return what a process and all below it have used, in seconds."""
    ticks, waiting = 0, [pid]
    while waiting:
        number = waiting.pop()
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
        for task in Path(f"/proc/{number}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread that has ended
                waiting += map(int, (task / "children").read_text().split())
    return ticks / os.sysconf("SC_CLK_TCK")


class Sender:
    """Signs and pushes, as EventBridge does, in threads of this process."""

    def __init__(self, target, emulator):
        from directmail_emulator.events import Signer

        requests.get(f"{emulator.admin}/eventbridge/certificate.pem", timeout=10)  # makes the key
        self.url, self.token = target["url"], target["token"]
        self._signer = Signer(emulator._data)
        self._certificate = f"{emulator.admin}/eventbridge/certificate.pem"
        self._pool = ThreadPoolExecutor(SENDERS)

    def push(self, events):
        """Push one event, or a list of them, in a connection of its own."""
        body = json.dumps(events).encode()
        headers = self._signer.headers(self.url, self._certificate, self.token, body, newline=True)
        headers["content-type"] = "application/cloudevents+json; charset=utf-8"
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(self.url, data=body, headers=headers, timeout=60)
        if answer.status_code != 200:
            raise RuntimeError(f"HTTP {answer.status_code}: {answer.text[:200]}")

    def push_all(self, calls):
        list(self._pool.map(self.push, calls))


def measure(server, sender, calls):
    """Return (processor seconds of the server, wall-clock seconds) for some calls."""
    before, begin = processor_seconds(server.pid), time.monotonic()
    sender.push_all(calls)
    return processor_seconds(server.pid) - before, time.monotonic() - begin


def main():
    pushes = int(os.environ.get("SCALE") or 600)
    server = OdooServer(databases.full_name("bench_webhook"), crons=0, filtered=False)
    name, target = make_database(server.url, pushes)
    try:
        with Emulator() as emulator, server:
            sender, number, single, wall, batched = Sender(target, emulator), 0, [], [], []

            def take(count):
                nonlocal number
                number += count
                return [make_event(at, target["people"][at % pushes])
                        for at in range(number - count, number)]  # fmt: skip

            sender.push_all(take(50))  # fills caches
            for _run in range(RUNS):
                used, seconds = measure(server, sender, take(pushes))
                single.append(pushes / used)
                wall.append(pushes / seconds)
                events = take(pushes)
                calls = [events[at : at + BATCH] for at in range(0, pushes, BATCH)]
                batched.append(pushes / max(measure(server, sender, calls)[0], 0.01))
            [(kept,)] = server.query("SELECT count(*) FROM directmail_event WHERE source = 'push'")
    finally:
        databases.drop(name)
    if kept != number:
        raise SystemExit(f"{number} events were pushed, {kept} are in the database")
    report(single, wall, batched, pushes)


def report(single, wall, batched, pushes):
    value = statistics.median(single)
    print(f"BENCH webhook_rate {value:.0f} goal >= {GOAL} {'ok' if value >= GOAL else 'short'}")
    print(
        f"  pushed events, one a call, per second of the Odoo server's processor time; median of"
        f" {RUNS} runs of {pushes} ({min(single):.0f} to {max(single):.0f}); every push is signed"
        f" and verified with RSA, and every event is in the database"
    )
    print(
        f"  {statistics.median(batched):.0f} with {BATCH} events a call;"
        f" {statistics.median(wall):.0f} one a call by the clock, with sender, PostgreSQL and Odoo"
        " on one machine"
    )
    print(f"  load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)


if __name__ == "__main__":
    main()
