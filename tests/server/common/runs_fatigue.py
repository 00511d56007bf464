"""Many tasks of several accounts, on two servers, want to mail the same people at the same time."""

import contextlib
from collections import Counter
from dataclasses import dataclass

from directmail_emulator.testing import Emulator
from tests.server.common.odoo_server import PATIENCE, OdooServer, connect, wait_until
from tests.server.common.shop import EMULATOR, Shop

ACCOUNTS = 3
LATENCY = 0.05  # seconds, so that the accounts are at work for long enough to meet


@dataclass(frozen=True)
class Race:
    """The result of a race.

    :ivar mailed: {address: number of mails in the emulator's ledger}
    :ivar states: {state: number of deliveries}
    :ivar meetings: how often a claim of one account fell into a run of another one. Each server
        has one cron thread, so the two were on different servers
    :ivar wrong: complaints of the books, in words
    """

    mailed: Counter
    states: dict
    meetings: int
    wrong: list


@contextlib.contextmanager
def open_track(database, gate=True):
    """Two servers with one cron thread each, on one database; a shop with three accounts."""
    program = f"tests.server.common.odoo_{'quick_passwords' if gate else 'without_gate'}"
    with (
        Emulator(settings=EMULATOR) as emulator,
        OdooServer(database, crons=1, program=program) as first,
        OdooServer(database, crons=1, program=program) as second,
    ):
        yield Track(Shop(first, emulator, lease_seconds=60, read_timeout=20), second)


class Track:
    """The accounts of one company, each with a sender address and an approved template."""

    def __init__(self, shop, second):
        self.shop, self.second = shop, second
        self.starters = [(shop.account, shop.sender, shop.template)]
        for number in range(2, ACCOUNTS + 1):
            branch = shop.open_branch(number)
            self.starters.append((branch.account, branch.sender, branch.template))

    def limit(self, number):
        """Let everybody of the company get so many mails within 30 days."""
        shop = self.shop
        action = shop.admin.call("directmail.fatigue", "action_open", [])
        rules = shop.admin.read("directmail.fatigue", action["res_id"], "rule_ids")["rule_ids"]
        for rule in shop.admin.call("directmail.fatigue.rule", "read", [rules, ["span"]]):
            if rule["span"] == "month":
                shop.admin.call(
                    "directmail.fatigue.rule", "write", [[rule["id"]], {"email_limit": number}]
                )

    def run(self, people, tasks, group):
        """Plan all tasks for the same people, then let all accounts go at once."""
        shop = self.shop
        shop.add_people(group, people)
        audience = shop.make_audience(group)
        # While the reserve takes all of the quota, tasks are planned and nothing is sent.
        with self._making_due():
            self._reserve(1_000_000)
        started = [self._send(group, audience, number) for number in range(tasks)]
        self._wait(started, "sending")
        planned = sum(shop.count_rows(task).get("waiting", 0) for task in started)
        assert planned == people * tasks, f"{planned} are planned: they must all want to start"
        shop.emulator.set_fault("slow", action="SingleSendMail", delay=LATENCY)
        self._let_go()
        self._wait(started, "done")
        shop.emulator.clear_faults()
        return self._account(started, people)

    def _send(self, group, audience, number):
        account, sender, template = self.starters[number % ACCOUNTS]
        task = self.shop.user.call(
            "directmail.task",
            "create",
            [
                {
                    "name": f"Task {group} {number}",
                    "account_id": account,
                    "sender_id": sender,
                    "template_id": template,
                    "audience_ids": [(6, 0, [audience])],
                    "use_as_is": number > 0,
                }
            ],
        )
        self.shop.act(task, "send")
        return task

    def _let_go(self):
        """Let the accounts send, and hold the first two claims until both are under way.

        Counting a claim's mails against the day's quota ends it, so the claims wait there; with the
        gate, the second one waits at the gate.
        """
        server = self.shop.server
        with connect(server.database, server.environment) as cursor:
            with self._making_due():
                cursor.execute("BEGIN; LOCK TABLE directmail_usage IN SHARE MODE")
                self._reserve(0)
            wait_until(
                lambda: self._count_held() == 2,
                lambda: f"{self._count_held()} claims are under way, not 2",
                server.wake_crons,
            )
            cursor.execute("COMMIT")

    def _count_held(self):
        """Return how many transactions wait for the usage of the day, or for the gate."""
        [(number,)] = self.shop.server.query(
            """SELECT count(DISTINCT pid) FROM pg_locks
                WHERE NOT granted AND relation IN ('directmail_usage'::regclass,
                                                   'directmail_gate'::regclass)"""
        )
        return number

    @contextlib.contextmanager
    def _making_due(self):
        """Make the accounts' crons due at the end of the block; none of them runs before.

        A cron that ran already would keep its row, and the claim that it holds would wait for the
        lock of the test, which would wait for the row.
        """
        server = self.shop.server
        with connect(server.database, server.environment) as cursor:
            cursor.execute(
                """BEGIN;
                   UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'UTC' - interval '1 minute'
                    WHERE id IN (SELECT cron_id FROM directmail_account)"""
            )
            yield
            cursor.execute("COMMIT")

    def _reserve(self, number):
        """Reserve so much of every account's quota."""
        self.shop.server.query("UPDATE directmail_account SET quota_reserve = %s", number)

    def _wait(self, tasks, state, seconds=PATIENCE):
        def find_others():
            return {self.shop.state(task) for task in tasks} - {state}

        wait_until(
            lambda: not find_others(),
            lambda: f"some tasks are {find_others()}",
            self.shop.server.wake_crons,
            seconds,
        )

    def _account(self, tasks, people):
        shop = self.shop
        ids = tuple(tasks)
        books = [shop.check(task, people) for task in tasks]
        mailed = Counter(
            row["to"].lower() for task in tasks for row in shop.emulator.ledger(tag=shop.tag(task))
        )
        states = Counter()
        for found in books:
            states.update(found.states)
        [(meetings,)] = shop.server.query(
            """WITH run AS (
                    SELECT account_id, claim_token, min(claimed_at) AS begin,
                           max(claimed_at) AS finish
                      FROM directmail_delivery
                     WHERE task_id IN %s AND claimed_at IS NOT NULL GROUP BY 1, 2)
               SELECT count(*) FROM directmail_delivery d JOIN run ON d.account_id != run.account_id
                  AND d.claimed_at > run.begin AND d.claimed_at < run.finish
                WHERE d.task_id IN %s""",
            ids,
            ids,
        )
        wrong = [text for found in books for text in found.wrong]
        wrong += [f"{found.lost} lost" for found in books if found.lost]
        return Race(mailed, dict(states), meetings, wrong)
