"""With one cron thread, a sending run is prolonged only while no other cron is due."""

import pytest

from tests.server.common.odoo_server import OdooServer, connect, wait_until

#: Of this pace the cron is given ten seconds, in which it sends about 80. The rest takes as long as
#: a busy machine may need for what the tests do meanwhile; then they let it go quickly.
RATE, PEOPLE, LATE = 8, 600, 95


@pytest.fixture(scope="module")
def server(database):
    with OdooServer(database, crons=1) as running:
        yield running


@pytest.fixture
def calm(shop):
    """Nothing but the sender is due."""
    shop.stop_importing()
    shop.server.query("UPDATE ir_cron SET nextcall = now() + interval '1 day'")
    shop.server.query("DELETE FROM ir_cron_trigger")
    shop.server.query("UPDATE directmail_account SET rate_limit = %s", RATE)
    return shop


def begin(shop, group, people=PEOPLE):
    task = shop.make_task(group, people)
    shop.act(task, "send")
    shop.server.wake_crons()
    return task


def count_sent(shop, task):
    return shop.read(task, "sent_count")["sent_count"]


def count_runs(shop):
    [(runs,)] = shop.server.query(
        """SELECT count(*) FROM ir_cron_progress
            WHERE cron_id = (SELECT cron_id FROM directmail_account WHERE id = %s)""",
        shop.account,
    )
    return runs


def test_goes_on_until_something_new_is_to_be_sent(calm):
    before = count_runs(calm)
    first = begin(calm, "first")
    wait_until(lambda: count_sent(calm, first) >= LATE)
    assert count_runs(calm) == before + 1, "still the run that began"

    second = begin(calm, "second", 3)
    wait_until(lambda: calm.state(second) != "pending")
    assert calm.state(first) == "sending"
    calm.set_pace()
    calm.wait(first, "done")
    calm.wait(second, "done")
    for task, people in ((first, PEOPLE), (second, 3)):
        books = calm.check(task, people)
        assert books.ok, books
        assert books.states == {"sent": people}


def test_others_get_their_turn(calm):
    task = begin(calm, "turn")
    wait_until(lambda: count_sent(calm, task) >= RATE)
    [(cron,)] = calm.server.query(
        """SELECT res_id FROM ir_model_data
            WHERE module = 'base' AND name = 'autovacuum_job'"""
    )
    calm.server.make_due(cron)

    def has_run():
        [(last,)] = calm.server.query("SELECT lastcall FROM ir_cron WHERE id = %s", cron)
        return last is not None

    wait_until(has_run)
    assert calm.state(task) == "sending", "it did not have to wait for the end"
    calm.set_pace()
    calm.wait(task, "done")
    books = calm.check(task, PEOPLE)
    assert books.ok, books
    assert books.states == {"sent": PEOPLE}


@pytest.mark.parametrize(("action", "state"), [("withdraw", "draft"), ("cancel", "cancelled")])
def test_its_owner_need_not_wait_while_people_are_chosen(calm, action, state):
    server, people = calm.server, 20
    with connect(server.database, server.environment) as cursor:
        # Choosing the people asks for opt-outs, and so takes as long as this transaction.
        cursor.execute("BEGIN; LOCK TABLE directmail_optout IN ACCESS EXCLUSIVE MODE")
        task = begin(calm, f"early {action}", people)
        wait_until(lambda: is_waiting(server, "directmail_optout"))
        assert "being selected" in calm.read(task, "waiting_for")["waiting_for"]
        calm.act(task, action)
        assert calm.state(task) == state
        cursor.execute("COMMIT")
    wait_until(lambda: not is_waiting(server, "directmail_optout"))
    # Whatever the account is given next comes after it.
    after = begin(calm, f"after {action}", 3)
    calm.wait(after, "done")
    assert calm.state(task) == state
    books = calm.check(task, 0)
    assert books.ok and not books.mailed, books


def is_waiting(server, table):
    return server.query(
        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass", table
    )
