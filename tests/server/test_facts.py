"""What became of each mail reaches Odoo, by webhook or by polling, and equals the truth."""

import os
import tempfile

import pytest

from tests.server.common.odoo_server import connect
from tests.server.common.runs_events import (
    Forger,
    find_differences,
    get_known,
    prepare,
    run_cron,
    settle,
)
from tests.server.common.shop import MORE_RESULTS

PEOPLE = int(os.environ.get("PEOPLE") or 300)
SEED = int(os.environ.get("SEED") or "1")


def count_events(shop, task):
    return dict(
        shop.server.query(
            """SELECT e.source, count(*) FROM directmail_event e
                 JOIN directmail_delivery d ON d.id = e.delivery_id
                WHERE d.task_id = %s GROUP BY 1""",
            task,
        )
    )


def test_by_webhook(shop):
    """Events come twice, in any order and mixed with forgeries; nothing is polled."""
    shop.stop_importing()
    url, token = prepare(shop, push=True)
    with tempfile.TemporaryDirectory() as folder:
        forger = Forger(shop, url, token, folder, SEED)
        forger.start()
        task = shop.make_task("facts", PEOPLE)
        shop.act(task, "send")
        shop.wait(task, "done")
        settle(shop)
        forger.finish()
    assert forger.refused and not forger.accepted
    run_cron(shop, "apply")

    assert find_differences(shop, task) == []
    events = count_events(shop, task)
    assert set(events) == {"push", "own"} and events["push"] > PEOPLE
    strays = shop.server.query("SELECT count(*) FROM directmail_event WHERE delivery_id IS NULL")
    assert strays == [(0,)]
    assert shop.server.log.read_text().count("was refused:") <= 6 * 2, "a flood in the log"

    # Everybody who wants no more mail, or can get none, is suppressed from now on.
    known = get_known(shop, task)
    audiences = shop.read(task, "audience_ids")["audience_ids"]
    group = shop.make_task("again", audience_ids=[(6, 0, audiences)])
    shop.act(group, "send")
    shop.wait(group, "done")
    reasons = dict(
        shop.server.query(
            "SELECT lower(email), reason FROM directmail_delivery WHERE task_id = %s", group
        )
    )
    for address, (outcome, _opened, _clicked, unsubscribed, complained, _machine) in known.items():
        if outcome == "invalid":
            assert reasons[address] == "bounced", address
        elif complained:
            assert reasons[address] == "blacklisted", address
        elif not unsubscribed:
            assert reasons[address] is None, address
    shop.server.query(
        "UPDATE ir_cron SET active = TRUE WHERE cron_name = 'DirectMail: import results'"
    )


def test_by_polling_only(shop):
    """No webhook: opens and clicks by our own links, all else by DirectMail's records."""
    prepare(shop, push=False)
    shop.admin.call("directmail.account", "write", [[shop.account], {"poll_calls": 2}])
    task = shop.make_task("polled", PEOPLE)
    shop.act(task, "send")
    shop.wait(task, "done")
    settle(shop)
    rounds = 0
    while any(facts[0] is None for facts in get_known(shop, task).values()):
        run_cron(shop, "poll")
        rounds += 1
        assert rounds < 40, shop.read(task, "poll_message")
    assert rounds > 1, "the budget of calls was no limit"
    run_cron(shop, "apply")

    assert find_differences(shop, task) == []
    assert set(count_events(shop, task)) == {"poll", "own"}


def test_two_who_read_the_same_records_do_not_wait_for_each_other(shop):
    """A user presses Check results while the cron reads: the answer comes at once."""
    task = shop.make_task("both", 5)
    shop.act(task, "send")
    shop.wait(task, "done")
    shop.read_results(task)
    poll = "SELECT read_at, position, covered_until FROM directmail_poll WHERE task_id = %s"
    [(cron,)] = shop.server.query(
        "SELECT id FROM ir_cron WHERE cron_name = 'DirectMail: import results'"
    )
    with connect(shop.server.database, shop.server.environment) as cursor:
        cursor.execute(f"BEGIN; {poll} FOR NO KEY UPDATE", [task])
        before = cursor.fetchall()
        pressed = shop.act(task, "import_results")
        assert MORE_RESULTS in pressed["params"]["message"]
        shop.server.let_cron_run(cron)
        assert shop.server.query(poll, task) == before
    assert "can't be read" not in shop.server.log.read_text()
    settle(shop)
    shop.read_results(task)
    assert {facts[0] for facts in get_known(shop, task).values()} != {None}


def test_the_address_for_events_is_tested(shop):
    """From the server itself, as an administrator would."""
    shop.admin.call(
        "directmail.account", "write", [[shop.account], {"public_url": shop.server.url}]
    )
    shop.admin.call("directmail.account", "action_enable_push", [[shop.account]])
    answer = shop.admin.call("directmail.account", "action_test_push", [[shop.account]])
    assert answer["params"]["type"] == "success"
    with pytest.raises(Exception, match="rights|access"):
        shop.user.call("directmail.account", "action_test_push", [[shop.account]])
