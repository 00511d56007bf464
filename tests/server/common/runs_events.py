"""The outcomes of a task's mails, as the emulator has them and as Odoo has them.

`get_truth` reads the emulator's database, `get_known` Odoo's; `find_differences` compares them.
"""

import sqlite3
import threading
from pathlib import Path
from random import Random

import requests

from directmail_emulator.events import Signer
from directmail_emulator.testing import ACCESS_KEY_ID
from tests.server.common.odoo_server import wait_until

BODY = """<html><body><p>Dear <t t-out="object.name">friend</t>,</p>
<p><a href="https://shop.example.com/spring">Our spring collection</a> is here.</p>
<p>Azure Interior, 1 Orchard Road, Singapore. You get this mail because you are our customer.
<a href="/unsubscribe_from_list">Unsubscribe</a></p></body></html>"""
SHARES = {
    "bounce": 0.05,
    "spam": 0.03,
    "fail": 0.05,
    "soft": 0.05,
    "open": 0.2,
    "click": 0.2,
    "unsubscribe": 0.05,
    "resubscribe": 0.03,
    "complain": 0.03,
    "machine": 0.1,
    "scanner": 0.1,
}
NAMES = ("outcome", "opened", "clicked", "unsubscribed", "complained", "machine_clicked")
CRONS = {"apply": "ir_cron_directmail_events", "poll": "ir_cron_directmail_results"}


def prepare(shop, *, push):
    """Have the emulator's people behave like people, and follow the links of this server.

    :param bool push: push events to the server as well, some twice, all in disorder
    """
    emulator = shop.emulator
    emulator.change_settings(
        {
            "outcomes": {
                "follow_links": True,
                "mailbox_hosts": {"https://www.example.com": shop.server.url},
                "share": SHARES,
                "unsubscribe_via": "both",
                "report_deferred": True,
            },
            "events": {"duplicates": 0.2, "disorder": 2.0, "parallel": 16},
        }
    )
    account = shop.admin.read("directmail.account", shop.account, "push_url", "push_token")
    url = account["push_url"].replace("https://www.example.com", shop.server.url)
    emulator.configure_account(
        ACCESS_KEY_ID,
        enable_eventbridge=push,
        webhook={"url": url if push else "", "token": account["push_token"]},
    )
    # Here people open a mail the moment it comes.
    shop.root.call("ir.config_parameter", "set_param", ["email_marketing_dm.machine_seconds", "0"])
    shop.body = BODY
    shop.template = shop.make_template()
    shop.review(shop.template)
    return url, account["push_token"]


def run_cron(shop, name):
    """Run one of our crons, switched off or not."""
    [(cron,)] = shop.server.query("SELECT res_id FROM ir_model_data WHERE name = %s", CRONS[name])
    shop.root.run_cron(cron)


def settle(shop, seconds=600):
    """Let all that is pending at the emulator happen, until no event waits to be pushed."""

    def is_settled():
        shop.emulator.flush_outcomes()
        pending = shop.emulator.get("/api/status")["pending"]
        return not pending and not shop.emulator.events(state="waiting")

    wait_until(
        is_settled,
        lambda: f"{len(shop.emulator.events(state='waiting'))} events wait",
        None,
        seconds,
        longest_pause=0.5,
    )
    dead = shop.emulator.events(state="dead")
    assert not dead, dead[0]["error"]


def get_truth(shop, task):
    """Return {address: facts} of a task's mails, straight from the emulator's books."""
    path = Path(shop.emulator._data) / "emulator.sqlite"
    books = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = books.execute(
        """SELECT lower(l.rcpt), o.status,
                  max(a.kind = 'image' AND NOT a.machine OR a.kind = 'click' AND NOT a.machine),
                  max(a.kind = 'click' AND NOT a.machine), max(a.kind = 'unsubscribe'),
                  max(a.kind = 'complain'), max(a.kind = 'click' AND a.machine)
             FROM ledger l JOIN outcome o ON o.seq = l.seq
             LEFT JOIN activity a ON a.seq = l.seq WHERE l.tag = ? GROUP BY l.seq""",
        (shop.tag(task),),
    ).fetchall()
    books.close()
    status = {0: "delivered", 2: "invalid", 3: "spam", 4: "failed"}
    return {
        address: (status[code], *(bool(value) for value in rest)) for address, code, *rest in found
    }


def get_known(shop, task):
    """Return {address: facts} as Odoo has come to know them."""
    rows = shop.server.query(
        """SELECT lower(email), outcome, opened_at IS NOT NULL, clicked_at IS NOT NULL,
                  unsubscribed_at IS NOT NULL, complained_at IS NOT NULL, machine_click_count > 0
             FROM directmail_delivery WHERE task_id = %s""",
        task,
    )
    return {
        address: (outcome, *(bool(value) for value in rest)) for address, outcome, *rest in rows
    }


def find_differences(shop, task, without=()):
    """Return what is wrong, in words: people whose facts differ, counters that don't add up.

    :param without: names of NAMES that can't be known in this run
    """
    truth, known = get_truth(shop, task), get_known(shop, task)
    wrong = [f"{len(truth)} mails, {len(known)} deliveries"] if truth.keys() != known.keys() else []
    for number, name in enumerate(NAMES):
        if name in without:
            continue
        differing = [
            who for who in truth if who in known and known[who][number] != truth[who][number]
        ]
        if differing:
            who = differing[0]
            wrong.append(f"{name}: {len(differing)} differ, {who}: {truth[who]} {known.get(who)}")
    counted = shop.read(task, *(f"{name}_count" for name in NAMES[1:5]))
    for number, name in enumerate(NAMES[1:5], 1):
        fresh = sum(facts[number] for facts in known.values())
        if counted[f"{name}_count"] != fresh:
            wrong.append(f"{name}: counter {counted[f'{name}_count']}, rows {fresh}")
    [(tracked, clicks)] = shop.server.query(
        """SELECT (SELECT sum(t.count) FROM link_tracker t
                     JOIN directmail_link l ON l.tracker_id = t.id WHERE l.task_id = %s),
                  (SELECT sum(click_count) FROM directmail_delivery WHERE task_id = %s)""",
        task,
        task,
    )
    if tracked != clicks:
        wrong.append(f"link tracker: {tracked} clicks, people {clicks}")
    return wrong + shop.check(task, len(known)).wrong


class Forger(threading.Thread):
    """Pushes what must be refused, for as long as genuine events come in.

    :ivar accepted: what was let through all the same
    """

    def __init__(self, shop, url, token, folder, seed):
        super().__init__(daemon=True)
        self.accepted, self.refused = [], 0
        self._signers = Signer(folder), Signer(shop.emulator._data)
        self._certificate = f"{shop.emulator.admin}/eventbridge/certificate.pem"
        self._url, self._token, self._random = url, token, Random(seed)
        self._over = threading.Event()

    def run(self):
        with requests.Session() as http:
            http.trust_env = False
            while not self._over.wait(0.02):
                body = self._make_body()
                kind = self._random.choice(("key", "token", "body", "url", "host", "size"))
                headers, body = self._spoil(kind, body)
                answer = http.post(self._url, data=body, headers=headers, timeout=60)
                if answer.status_code in (403, 413):
                    self.refused += 1
                else:
                    self.accepted.append((kind, answer.status_code))

    def finish(self):
        self._over.set()
        self.join()
        return self

    def _make_body(self):
        number = self._random.randrange(10**9)
        return (
            b'{"id": "forged-%d", "type": "dm:Deliver:Fail", "time": "2030-01-01T00:00:00+08:00",'
            b' "data": {"status": "2", "rcpt": "p-facts-%d@customer.example"}}'
            % (number, number % 100)
        )

    def _spoil(self, kind, body):
        forged, genuine = self._signers
        signer, url, token, source = genuine, self._url, self._token, self._certificate
        if kind == "key":
            signer = forged
        elif kind == "token":
            token = "guess"
        elif kind == "url":
            url += "x"
        elif kind == "host":
            source = "https://evil.example/certificate.pem"
        elif kind == "size":
            body += b" " * 1024 * 1024
        headers = signer.headers(url, source, token, body)
        return headers, body + b" " if kind == "body" else body
