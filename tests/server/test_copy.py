"""A copied database sends nothing, whatever its original was doing at that moment."""

import pytest

from devenv import database as databases
from tests.server.common.odoo_server import OdooServer, wait_until
from tests.server.common.shop import SHORT, refusal

PEOPLE = 300
SECONDS = SHORT


@pytest.fixture(scope="module")
def running_task(shop):
    """A task of which some mails are out and some are not, and whose server was killed."""
    shop.set_pace(5)
    task = shop.make_task("copied", PEOPLE)
    shop.act(task, "send")
    shop.wait_sent(task, 20)
    shop.server.kill()
    assert shop.count_rows(task)["waiting"] > 20
    return task


def test_a_copy_sends_nothing_and_the_original_goes_on(shop, emulator, running_task):
    name = f"{shop.server.database}_copy"
    databases.copy(shop.server.database, name)
    before = len(emulator.ledger())
    calls = emulator.calls()
    try:
        with OdooServer(name) as copy:
            _check_copy(copy, shop, running_task)
        assert len(emulator.ledger()) == before
        assert emulator.calls() == calls, "the copy called DirectMail"
    finally:
        databases.drop(name)

    shop.server.start()
    shop.set_pace()
    shop.wait(running_task, "done")
    shop.import_results(running_task)
    books = shop.check(running_task, PEOPLE)
    assert books.ok, books
    assert books.states["sent"] + books.states.get("not_sent", 0) == PEOPLE


def _check_copy(copy, shop, task):
    """Let the copy's crons run, then press every button that might send."""
    admin = copy.login("dm_admin", "a long password 1")
    user = copy.login("dm_user", "a long password 1")
    before = _count_by_state(copy, task)

    def read_account():
        return admin.read("directmail.account", shop.account, "state", "state_message")

    wait_until(lambda: read_account()["state"] == "disarmed", read_account, copy.wake_crons)
    account = read_account()
    assert "copy" in account["state_message"]
    assert "administrator" in account["state_message"]

    assert user.read("directmail.task", task, "waiting_for")["waiting_for"]
    user.call("directmail.task", "action_pause", [[task]])
    assert "not active" in refusal(user, "directmail.task", "action_resume", [task])
    [second] = user.call("directmail.task", "copy", [[task]])
    said = refusal(user, "directmail.task", "action_send", [second])
    assert "not active" in said and "administrator" in said
    shop.let_account_run(copy)
    assert _count_by_state(copy, task) == before
    assert _count_by_state(copy, second) == {}


def _count_by_state(server, task):
    return dict(
        server.query(
            "SELECT state, count(*) FROM directmail_delivery WHERE task_id = %s GROUP BY 1", task
        )
    )
