"""Two refreshes of one audience at the same moment, and a task that meets one."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.common.odoo_server import OdooServer, RpcError, connect, wait_until
from tests.server.common.shop import PASSWORD

PEOPLE = 20


def test_the_second_is_told(shop, database):
    """While a refresh is at work another one, on another server, is refused at once.

    The first is kept at work by a lock on the table that it writes last.
    """
    shop.add_people("race", PEOPLE)
    audience = shop.make_audience("race")
    with (
        OdooServer(database, crons=0) as elsewhere,
        ThreadPoolExecutor(1) as pool,
        connect(database) as cursor,
    ):
        second = elsewhere.login("dm_user", PASSWORD)
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE directmail_audience_size IN EXCLUSIVE MODE")
        first = pool.submit(shop.user.call, "directmail.audience", "action_refresh", [[audience]])
        try:
            wait_until(lambda: is_waited_for(shop.server, "directmail_audience_size"))
            with pytest.raises(RpcError, match="at the moment"):
                second.call("directmail.audience", "action_refresh", [[audience]])
        finally:
            cursor.execute("COMMIT")
        assert first.result(60)
        assert read(second, audience) == [PEOPLE, PEOPLE, False]
        assert second.call("directmail.audience", "action_refresh", [[audience]])
        assert read(second, audience) == [PEOPLE, 0, False]


def test_a_task_waits_for_a_refresh(shop, database):
    """Its time comes while somebody refreshes its audience: it goes out a minute later."""
    task = shop.make_task("wait", PEOPLE, template_id=shop.make_template())
    [template] = shop.read(task, "template_id")["template_id"][:1]
    [audience] = shop.read(task, "audience_ids")["audience_ids"]
    shop.act(task, "send")
    with connect(database) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT FROM directmail_audience WHERE id = %s FOR UPDATE", [audience])
        shop.review(template)
        wait_until(lambda: wake(shop).read(task, "state_message")["state_message"])
        found = shop.read(task, "state", "state_message")
        assert found["state"] == "pending" and "at the moment" in found["state_message"], found
        assert not shop.count_rows(task)
        cursor.execute("COMMIT")
    # the minute is over
    shop.server.query("UPDATE ir_cron_trigger SET call_at = now() AT TIME ZONE 'UTC'")
    assert shop.wait(task, "done", "failed") == "done"
    assert shop.count_rows(task) == {"sent": PEOPLE}


def read(session, audience):
    names = ("people_count", "entered_count", "refresh_error")
    found = session.read("directmail.audience", audience, *names)
    return [found[name] for name in names]


def wake(shop):
    shop.server.wake_crons()
    return shop


def is_waited_for(server, table):
    return server.query(
        "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = %s::regclass", table
    )
