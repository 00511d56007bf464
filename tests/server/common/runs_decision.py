"""The decision of an A/B test: servers die in it, and several make it at the same moment."""

import contextlib
import threading

from tests.server.common.odoo_server import (
    PATIENCE,
    OdooServer,
    RpcError,
    connect,
    wait_until,
)
from tests.server.common.shop import PASSWORD

CLICKS = 40
#: The version that people click, and the one that a user chooses by hand.
CLICKED, CHOSEN = "B", "C"
# Names of the servers' connections that wait for a lock, by what they want to lock.
WAITING = """SELECT application_name FROM pg_stat_activity
              WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %s"""
_LOCK, _RELEASE = "%FROM directmail_task%FOR NO KEY UPDATE%", "%UPDATE directmail_delivery%"


class Pair:
    """The shop's server and a second one on the same database, which ends with the block."""

    def __init__(self, shop):
        self.shop = shop
        self.second = OdooServer(shop.server.database, 2, shop.server.environment)

    def __enter__(self):
        self.second.start()
        return self

    def __exit__(self, *_details):
        self.second.stop()

    def wake(self):
        """Let the cron threads of both look now."""
        self.shop.server.wake_crons()
        self.second.wake_crons()

    def kill(self, random):
        """Kill both, in a random order."""
        for server in random.sample([self.shop.server, self.second], 2):
            server.kill()

    def start(self):
        self.shop.server.start()
        self.second.start()


def click(shop, task):
    """Let people of the test group click version `CLICKED`, more than luck explains."""
    shop.server.query(
        """UPDATE directmail_delivery SET clicked_at = claimed_at WHERE id IN (
               SELECT id FROM directmail_delivery
                WHERE task_id = %s AND version = %s AND is_rest IS NULL AND state = 'sent'
                ORDER BY id LIMIT %s)""",
        task,
        CLICKED,
        CLICKS,
    )


def decide(shop, pair, task, random, by_hand):
    """Let both servers die in the middle of the decision, and then decide at the same moment.

    A user chooses version `CHOSEN` at that moment. Both servers run in the end.

    :param by_hand: whether the user comes first; else after both servers
    :return: complaints, in words
    """
    wrong = _die_in_decision(shop, pair, task, random)
    # Only `_decide_at_once` decides now; the servers start their crons at once.
    cron = shop.get_cron()
    shop.server.query("UPDATE ir_cron SET active = FALSE WHERE id = %s", cron)
    pair.start()
    wrong += _decide_at_once(shop, pair, task, cron, by_hand)
    shop.server.query("UPDATE ir_cron SET active = TRUE WHERE id = %s", cron)
    shop.server.make_due(cron)
    return wrong


def _die_in_decision(shop, pair, task, random):
    """Kill both servers when the winner is written and its release to the rest is under way.

    The release waits for one person of the rest, who is locked here, until both are dead.
    """
    with _hold(
        shop,
        """SELECT id FROM directmail_delivery WHERE task_id = %s AND is_rest
            ORDER BY id LIMIT 1 FOR UPDATE""",
        task,
    ):
        wait_until(
            lambda: shop.server.query(WAITING, _RELEASE),
            lambda: f"nothing is decided: {shop.count_rows(task)}",
            pair.wake,
        )
        pair.kill(random)
    # PostgreSQL notices only after the statement that its client is gone.
    wait_until(lambda: not shop.server.query(WAITING, _RELEASE) and not _find_working(shop))
    rows = shop.server.query(
        """SELECT winner_by, compared_at, count(*) FILTER (WHERE d.version IS NOT NULL)
             FROM directmail_task t JOIN directmail_delivery d ON d.task_id = t.id AND d.is_rest
            WHERE t.id = %s GROUP BY t.id""",
        task,
    )
    return [f"a decision that was not finished left {rows}"] * (rows != [(None, None, 0)])


def _decide_at_once(shop, pair, task, cron, by_hand):
    """Lock the task until both servers and a user wait for it; return complaints.

    The cron has a copy meanwhile, because Odoo runs each cron once at a time.
    """
    [copied] = shop.root.call("ir.cron", "copy", [[cron]])
    answers = {}

    def press(server, job):
        root = server.login("admin", "admin")
        return root.run_cron(job)

    def choose(server):
        user = server.login("dm_user", PASSWORD)
        return user.call("directmail.task", "action_choose_version", [[task], CHOSEN])

    def answer(name, function, *arguments):
        try:
            answers[name] = function(*arguments)
        except RpcError as error:
            answers[name] = error

    steps = [("first", press, shop.server, cron), ("second", press, pair.second, copied)]
    steps.insert(0 if by_hand else 2, ("user", choose, pair.second))
    threads = [threading.Thread(target=answer, args=step, daemon=True) for step in steps]
    with _hold(shop, "SELECT id FROM directmail_task WHERE id = %s FOR NO KEY UPDATE", task):
        for number, thread in enumerate(threads, 1):
            thread.start()
            wait_until(
                lambda: len(shop.server.query(WAITING, _LOCK)) == number,  # noqa: B023
                lambda: f"{number} don't meet: {answers}, {shop.server.query(WAITING, '%')}",  # noqa: B023
            )
        met = set(shop.server.query(WAITING, _LOCK))
    for thread in threads:
        thread.join(PATIENCE)
    shop.root.call("ir.cron", "unlink", [[copied]])
    told = answers.pop("user")
    failed = [f"{name}: {found}" for name, found in answers.items() if found is not True]
    return [
        *failed,
        *["only one server decided"] * (len(met) != 2),
        *[f"the user reads: {told}"] * ((told is True) != by_hand),
        *[f"the user reads no reason: {told}"] * (told is not True and "already" not in str(told)),
    ]


def find_wrong_decision(shop, task, winner, by):
    """Tell whether the test was decided otherwise than expected, or more than once.

    :param winner: the expected letter, or False
    :param by: the expected value of `winner_by`
    """
    told = shop.read(task, "winner", "winner_by")
    [(notes,)] = shop.server.query(
        """SELECT count(*) FROM mail_message
            WHERE model = 'directmail.task' AND res_id = %s AND body LIKE '%%The rest %%'""",
        task,
    )
    return [
        *[f"decided otherwise: {told}"] * ((told["winner"], told["winner_by"]) != (winner, by)),
        *[f"the decision was told {notes} times"] * (notes != 1),
    ]


@contextlib.contextmanager
def _hold(shop, statement, *values):
    """Hold the locks of a statement during the block."""
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute("BEGIN")
        cursor.execute(statement, values)
        yield
        cursor.execute("ROLLBACK")


def _find_working(shop):
    """Return connections of Odoo servers that are in a statement or a transaction."""
    return shop.server.query(
        """SELECT pid FROM pg_stat_activity WHERE datname = current_database()
              AND application_name LIKE 'odoo-%' AND state != 'idle'"""
    )
