"""An Odoo server that sends to an emulator, for the figures about sending."""

import contextlib
import time

from devenv import database as databases
from directmail_emulator.testing import Emulator
from tests.server.common.odoo_server import OdooServer
from tests.server.common.shop import BODY, Shop

THREADS = 32
UNLIMITED = "0"
#: Letters that fill the body to the size of an ordinary newsletter.
FILLING = "<p>Dear reader, the spring collection has arrived, and with it a few surprises.</p>\n"


def make_body(size=4000):
    """Return a template's body of so many bytes."""
    return BODY.replace("<p>Azure", FILLING * (size // len(FILLING)) + "<p>Azure")


def settings(rate=UNLIMITED):
    """Return the emulator's settings: so many calls a second, and outcomes that cost it nothing."""
    operations = {"SingleSendMail": f"{rate}/s" if rate != UNLIMITED else rate}
    operations["DescAccountSummary"] = UNLIMITED
    return {
        "throttle": {"operations": operations},
        "outcomes": {"follow_links": False, "delays": {"delivered": 3600}},
        "protocol": {"clock_window": 7200.0},
    }


@contextlib.contextmanager
def open_shop(name, rate=UNLIMITED, body=BODY, crons=2):
    """Yield a `Shop` on a database of its own, with a quota for everything.

    :param rate: calls a second that the emulator allows
    """
    database = databases.fresh(f"bench_{name}")
    try:
        with Emulator(settings=settings(rate)) as emulator, OdooServer(database, crons) as server:
            emulator.configure_account(daily_quota=10**7)
            shop = Shop(server, emulator, body=body)
            shop.stop_importing()
            yield shop
    finally:
        databases.drop(database)


def unlimit(shop):
    """Switch the account's limiter off, which no user can."""
    shop.server.query(
        "ALTER TABLE directmail_account DROP CONSTRAINT IF EXISTS directmail_account_rate_range"
    )
    shop.server.query("UPDATE directmail_account SET rate_limit = 1000000")


def set_rate(shop, rate):
    shop.server.query("UPDATE directmail_account SET rate_limit = %s", rate)


def send(shop, task, seconds=900):
    """Send a task and wait until it is done.

    :return: seconds from the press of *Send* (the plan included) to the last mail accepted
    """
    [(begin,)] = shop.server.query("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
    shop.act(task, "send")
    wait(shop, task, seconds)
    [(end,)] = shop.server.query(
        "SELECT max(sent_at) FROM directmail_delivery WHERE task_id = %s", task
    )
    return (end - begin).total_seconds()


def wait(shop, task, seconds=900):
    """Wait for the end without getting in the way: one small query every half a second."""
    deadline = time.monotonic() + seconds
    shop.server.wake_crons()
    while True:
        [(state,)] = shop.server.query("SELECT state FROM directmail_task WHERE id = %s", task)
        if state == "done":
            return
        if state not in ("pending", "sending") or time.monotonic() > deadline:
            raise SystemExit(f"the task is {state}: {shop.read(task, 'state_message')}")
        time.sleep(0.5)


def check(shop, task, people):
    """Refuse a figure of a run in which anything went wrong."""
    books = shop.check(task, people)
    if not books.ok or books.states != {"sent": people}:
        raise SystemExit(f"the books do not balance: {books}")
