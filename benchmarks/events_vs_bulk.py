"""Applying events against a bare bulk load of the same rows.

What came in about a task's mails is applied to its deliveries, counters and opt-outs by the job
that the cron runs. The bare load only copies the same rows into an empty table with the same
columns and indexes. Of 10 events 7 say what became of a mail, 2 that it was opened, 1 that a link
was followed; a few are complaints and unsubscriptions.

How fast they come in, by webhook (signed, on one thread of the server's) and by polling, is
printed beside it as a multiple of the same load.

    python -m benchmarks.events_vs_bulk            (SCALE=events)
"""

import contextlib
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from devenv import database as databases
from directmail_emulator.events import Signer
from directmail_emulator.testing import Emulator
from tests.server.common.odoo_server import OdooServer
from tests.server.common.runs_events import run_cron
from tests.server.common.shop import EMULATOR, Shop

from ._figures import alternate, report, scale, spread

GOAL = 4
PUSHES = 1000
POLLED = 2000
# The same facts for each run; which person's, and in which order, as chance has it.
FACTS = """
    CREATE TABLE bench_facts AS
    SELECT n AS id, d.company_id, d.account_id, d.id AS delivery_id,
           CASE WHEN n %% 10 < 7 THEN 'delivered' WHEN n %% 10 < 9 THEN 'open'
                WHEN n %% 500 = 9 THEN 'unsubscribe' WHEN n %% 1000 = 19 THEN 'complaint'
                ELSE 'click' END AS kind,
           'push' AS source, d.claimed_at + n * interval '1 millisecond' AS occurred_at,
           n %% 7 = 0 AS machine, '250 Send Mail OK' AS message, md5(n::text) AS fingerprint
      FROM generate_series(1, %s) n
      JOIN (SELECT *, row_number() OVER (ORDER BY md5(id::text)) AS place
              FROM directmail_delivery) d ON d.place = 1 + n * 7919::bigint %% %s
"""
COLUMNS = (
    "company_id, account_id, delivery_id, kind, source, occurred_at, machine, message, fingerprint"
)
RECEIVE = f"""
    WITH arrived AS (
        INSERT INTO directmail_event ({COLUMNS}) SELECT {COLUMNS} FROM bench_facts
     RETURNING id, company_id)
    INSERT INTO directmail_event_pending (id, company_id) SELECT id, company_id FROM arrived
"""


@contextlib.contextmanager
def open_shop():
    """Yield a `Shop` on a database of its own, whose crons run only when told to."""
    database = databases.fresh("bench_events")
    try:
        with Emulator(settings=EMULATOR) as emulator, OdooServer(database, crons=0) as server:
            yield Shop(server, emulator)
    finally:
        databases.drop(database)


def main():
    events = scale(100_000)
    with open_shop() as shop:
        task = prepare(shop, events)
        query = shop.server.query
        query("CREATE TABLE bench_bare (LIKE directmail_event INCLUDING ALL)")
        query("CREATE TABLE bench_deliveries AS SELECT * FROM directmail_delivery")
        query("ANALYZE")

        def ours():
            query("TRUNCATE directmail_delivery, directmail_optout CASCADE")
            query("DELETE FROM directmail_task_counter WHERE writer = 'events'")
            query("INSERT INTO directmail_delivery SELECT * FROM bench_deliveries ORDER BY id")
            query(RECEIVE)
            query("ANALYZE directmail_event, directmail_event_pending, directmail_delivery")
            begin = time.perf_counter()
            run_cron(shop, "apply")
            seconds = time.perf_counter() - begin
            [(left,)] = query("SELECT count(*) FROM directmail_event_pending")
            if left:
                raise SystemExit(f"{left} of {events} were not applied")
            return seconds

        def bare():
            query("TRUNCATE bench_bare")
            begin = time.perf_counter()
            query(f"INSERT INTO bench_bare ({COLUMNS}) SELECT {COLUMNS} FROM bench_facts")
            return time.perf_counter() - begin

        mine, plain = alternate(ours, bare)
        check_counters(shop, task)
        load = statistics.median(plain) / events
        pushed, polled = push(shop), poll(shop)
    return report(
        "events_vs_bulk", statistics.median(mine) / statistics.median(plain), "<=", GOAL,
        f"{events:,} events of {people_for(events):,} people; applying took {spread(mine, 2)} s"
        f" ({events / statistics.median(mine):,.0f} a second), the bare load {spread(plain, 2)} s",
        f"by webhook, one signed event a call: {1 / pushed:,.0f} a second, {pushed / load:,.0f}"
        " times the load's time for a row",
        f"by polling, 100 a call: {1 / polled:,.0f} a second, {polled / load:,.0f} times",
    )  # fmt: skip


def people_for(events):
    return max(100, events * 7 // 10)


def prepare(shop, events):
    """Make a task whose mails are out, and events about them. Returns the task's id."""
    people = people_for(events)
    task = shop.make_task("events", people)
    query = shop.server.query
    query(
        """INSERT INTO directmail_delivery (task_id, account_id, company_id, partner_id, email,
                  address_key, state, claimed_at, sent_at)
           SELECT t.id, t.account_id, t.company_id, p.id, p.email_normalized,
                  encode(sha256(p.email_normalized::bytea), 'hex'), 'sent',
                  now() AT TIME ZONE 'UTC' - interval '1 day',
                  now() AT TIME ZONE 'UTC' - interval '1 day'
             FROM directmail_task t, res_partner p WHERE t.id = %s AND p.ref = 'events'""",
        task,
    )
    query(FACTS, events, people)
    query("UPDATE directmail_task SET planned_at = now() AT TIME ZONE 'UTC' WHERE id = %s", task)
    return task


def check_counters(shop, task):
    """The counters must say what the rows say."""
    names = ("delivered", "opened", "clicked", "unsubscribed", "complained")
    counted = shop.read(task, *(f"{name}_count" for name in names))
    [rows] = shop.server.query(
        """SELECT count(*) FILTER (WHERE outcome = 'delivered'), count(opened_at),
                  count(clicked_at), count(unsubscribed_at), count(complained_at)
             FROM directmail_delivery WHERE task_id = %s""",
        task,
    )
    if list(rows) != [counted[f"{name}_count"] for name in names]:
        raise SystemExit(f"counters {counted}, rows {rows}")


def push(shop):
    """Return seconds per signed event through the webhook, eight at a time."""
    account = shop.admin.read("directmail.account", shop.account, "push_url", "push_token")
    url = account["push_url"].replace("https://www.example.com", shop.server.url)
    certificate = f"{shop.emulator.admin}/eventbridge/certificate.pem"
    requests.get(certificate, timeout=10)
    signer = Signer(shop.emulator._data)
    session = requests.Session()
    session.trust_env = False

    def send(number):
        event = {
            "id": f"push-{number}",
            "type": "dm:Deliver:Succeed",
            "time": "2026-11-01T18:00:00+08:00",
            "data": {"status": "0", "rcpt": f"p-events-{number + 1}@customer.example"},
        }
        body = json.dumps(event).encode()
        # Signed at the last moment: a signature is good for a minute.
        headers = signer.headers(url, certificate, account["push_token"], body)
        return session.post(url, data=body, headers=headers, timeout=60).status_code

    begin = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, range(PUSHES)))
    seconds = time.perf_counter() - begin
    if set(statuses) != {200}:
        raise SystemExit(f"pushes were answered with {set(statuses)}")
    return seconds / PUSHES


def poll(shop):
    """Return seconds per row of DirectMail's records, read, stored and applied."""
    task = shop.make_task("polled", POLLED)
    shop.server.stop()
    shop.server.crons = 2
    shop.server.start()
    shop.act(task, "send")
    shop.wait(task, "done", seconds=300)
    shop.emulator.flush_outcomes()
    begin = time.perf_counter()
    shop.read_results(task)
    seconds = time.perf_counter() - begin
    if shop.read(task, "delivered_count")["delivered_count"] != POLLED:
        raise SystemExit("not everything was polled")
    return seconds / POLLED


if __name__ == "__main__":
    sys.exit(not main())
