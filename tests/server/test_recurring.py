"""Recurring email tasks: one run for each moment, whatever is killed, on two servers."""

from concurrent.futures import ThreadPoolExecutor

from tests.server.common.odoo_server import OdooServer, RpcError, connect, wait_until
from tests.server.common.shop import PASSWORD

PEOPLE = 20
DUE = (
    "UPDATE directmail_task SET next_run_at = now() AT TIME ZONE 'UTC' - %s::interval WHERE id = %s"
)
ROWS = "SELECT count(*), count(task_id) FROM directmail_task_run WHERE recurring_id = %s"
RUNS = "SELECT id FROM directmail_task WHERE recurring_id = %s ORDER BY id"
# An inactive job takes no trigger, so that it is due at once when it is active again.
SENDING = """UPDATE ir_cron SET active = %s, nextcall = now() AT TIME ZONE 'UTC'
              WHERE id IN (SELECT cron_id FROM directmail_account)"""
BLOCKED = """SELECT count(*) FROM pg_locks
              WHERE relation = 'directmail_task_run'::regclass AND NOT granted"""


def test_a_kill_and_two_servers_make_one_run(shop):
    task = shop.make_task("repeat", PEOPLE, send_type="repeat", repeat_unit="hour")
    shop.act(task, "send")
    make_while_killed(shop, task)
    [(run,)] = shop.server.query(RUNS, task)
    shop.wait(run, "done")
    check(shop, run)
    # The run of the faster server must not be finished when the other one tries again.
    shop.server.query(SENDING, False)
    with OdooServer(shop.server.database, 2, shop.server.environment) as second:
        answers = run_at_once(shop, second, task)
    shop.server.query(SENDING, True)
    assert sorted(answers) == ["made", "refused"], answers
    assert shop.server.query(ROWS, task) == [(2, 2)]
    [_first, (again,)] = shop.server.query(RUNS, task)
    shop.wait(again, "done")
    check(shop, again)


def make_while_killed(shop, task):
    """Kill the server in the middle of a run's creation; it makes the run after its restart."""
    _model, cron = shop.root.call(
        "ir.model.data",
        "check_object_reference",
        ["email_marketing_dm", "ir_cron_directmail_recurring"],
    )
    shop.server.query(DUE, "1 minute", task)
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute("BEGIN; LOCK TABLE directmail_task_run IN EXCLUSIVE MODE")
        shop.server.make_due(cron)
        wait_until(
            lambda: shop.server.query(BLOCKED) == [(1,)],
            "no run is made",
            shop.server.wake_crons,
        )
        shop.server.kill()
        cursor.execute("COMMIT")
    shop.server.start()
    shop.server.make_due(cron)
    wait_until(
        lambda: shop.server.query(ROWS, task) == [(1, 1)],
        lambda: f"runs: {shop.server.query(ROWS, task)}",
        shop.server.wake_crons,
    )
    late = "SELECT next_run_at > now() AT TIME ZONE 'UTC' FROM directmail_task WHERE id = %s"
    assert shop.server.query(late, task) == [(True,)]


def run_at_once(shop, second, task):
    """Press *Run now* on two servers, which meet where the row about the run is inserted."""
    sessions = [server.login("dm_user", PASSWORD) for server in (shop.server, second)]
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"

    def press(session):
        try:
            session.call("directmail.task", "action_run_now", [[task]])
        except RpcError as error:
            assert "not finished" in str(error), error
            return "refused"
        return "made"

    with (
        ThreadPoolExecutor(2) as pool,
        connect(shop.server.database, shop.server.environment) as cursor,
    ):
        cursor.execute("BEGIN; LOCK TABLE directmail_task_run IN EXCLUSIVE MODE")
        pressed = [pool.submit(press, session) for session in sessions]
        wait_until(lambda: shop.server.query(waiting)[0][0] >= 2, "the two don't meet")
        cursor.execute("COMMIT")
        return [one.result() for one in pressed]


def check(shop, run):
    """Everybody has got one mail of the run."""
    mailed = [row["to"] for row in shop.emulator.ledger(tag=shop.tag(run))]
    assert len(mailed) == len(set(mailed)) == PEOPLE
