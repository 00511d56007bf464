"""The master key is lost, or two servers of one database have different ones."""

import pytest

from tests.server.common.odoo_server import OdooServer, RpcError, wait_until
from tests.server.common.shop import ACCESS_KEY_SECRET, Shop, refusal
from tests.server.common.unsubscribe import ONE_CLICK, call, find_links

GROUP = "lost"
PEOPLE, UNSUBSCRIBED, BOUNCED = 60, 50, 4
DELIVERIES = 4  # place of their table in `engine.rekey.TABLES`
# So many more rows that recomputing them can be killed half-way.
HISTORY = 60_000
NEW_KEY = "the key of the new server, long enough"
# what a server says of a cron that it leaves to the server with the master key, and where
LEFT = "Job 'DirectMail: send with Emulator' is left to another server"
LOGGED = ["odoo.addons.email_marketing_dm.models.odoo.ir_cron"]


@pytest.fixture(scope="module")
def server(database):
    with OdooServer(database, debug=LOGGED) as running:
        yield running


@pytest.fixture(scope="module")
def shop(server, emulator):
    return Shop(server, emulator)


def _let_look(shop, server, times=1):
    """Make the account's cron due, and wait until the server has left it to others so often."""
    before = server.log.read_text().count(LEFT)
    server.make_due(shop.get_cron())
    wait_until(
        lambda: server.log.read_text().count(LEFT) >= before + times,
        "the server does not look at the account's cron",
        server.wake_crons,
    )


def _refused(function):
    with pytest.raises(RpcError) as error:
        function()
    return str(error.value)


class TestTwoServers:
    """Runs first: the key is not lost yet."""

    def test_the_wrong_one_leaves_everything_to_the_right_one(self, shop, server):
        sent = shop.make_task("first", 5)
        shop.act(sent, "send")
        shop.wait(sent, "done")
        [path, *_others] = find_links(shop, sent).values()

        environment = {"DIRECTMAIL_MASTER_KEY": "the key of another server, long enough"}
        with OdooServer(server.database, crons=2, environment=environment, debug=LOGGED) as wrong:
            wrong.log.write_bytes(b"")
            wrong.stop()
            wrong.start()
            assert wrong.log.read_text().count(" ERROR ") == 1, "one at the start"
            # The right server has no cron for now: what is due meets the wrong one only.
            server.stop()
            server.crons = 0
            server.start()
            task = shop.make_task("second", 20)
            shop.act(task, "send")
            _let_look(shop, wrong, 5)
            assert wrong.query("SELECT state FROM directmail_task WHERE id = %s", task) == [
                ("pending",)
            ]
            assert not wrong.query(
                """SELECT 1 FROM ir_cron WHERE failure_count > 0 OR NOT active
                      AND cron_name LIKE 'DirectMail%%'"""
            )
            assert wrong.log.read_text().count(" ERROR ") <= 2, "one a minute, not one a look"
            user = wrong.login("dm_user", "a long password 1")
            assert "master key" in user.read("directmail.task", task, "waiting_for")["waiting_for"]
            # The recipients' pages ask for somebody else, and nothing is lost.
            answer = call(wrong.url + path, method="get")
            assert answer.status_code == 503 and int(answer.headers["Retry-After"])
            assert call(wrong.url + path, ONE_CLICK).status_code == 503
            assert not wrong.query("SELECT 1 FROM directmail_optout")

            server.stop()
            server.crons = 2
            server.start()
            # Both are woken at the same moments. The right one does it all.
            shop.wait(task, "done")
            wait_until(
                lambda: wrong.query("SELECT 1 FROM directmail_optout"), between=server.wake_crons
            )
            books = shop.check(task, 20)
            assert books.ok and books.states == {"sent": 20}, books
            assert "can't be started" not in wrong.log.read_text()
            assert call(server.url + path, method="get").status_code == 200

            # Whoever works on the wrong server reads why nothing happens.
            paused = shop.make_task("third", 5)
            server.query(
                "UPDATE directmail_task SET state = 'paused', planned_at = now() WHERE id = %s",
                paused,
            )
            assert "master key" in refusal(user, "directmail.task", "action_resume", [paused])
            server.query("UPDATE directmail_task SET state = 'cancelled' WHERE id = %s", paused)


def test_whoever_opted_out_is_not_mailed_after_the_key_is_lost(shop, server, emulator):
    first = shop.make_task(GROUP, PEOPLE)
    server.query(
        """UPDATE res_partner SET email = 'bounce.' || email,
                                  email_normalized = 'bounce.' || email_normalized
            WHERE ref = %s AND id IN (SELECT id FROM res_partner WHERE ref = %s
                                       ORDER BY id LIMIT %s)""",
        GROUP, GROUP, BOUNCED,
    )  # fmt: skip
    shop.act(first, "send")
    shop.wait(first, "done")
    shop.import_results(first)
    links = find_links(shop, first)
    assert len(links) == PEOPLE
    readers = sorted(address for address in links if not address.startswith("bounce."))
    gone = readers[:UNSUBSCRIBED]
    for address in gone:
        assert call(server.url + links[address], ONE_CLICK).status_code == 200
    out = set(gone) | (links.keys() - set(readers))
    counted = "SELECT count(*) FROM directmail_optout WHERE task_id = %s"
    wait_until(lambda: server.query(counted, first) == [(len(out),)], between=server.wake_crons)
    _make_history(server, first)
    before = len(emulator.ledger())
    second = shop.make_task("again", audience_ids=[(6, 0, [_audience(shop)])])

    # The server is set up anew, with a new key, and the administrator does what was documented.
    server.stop()
    server.environment["DIRECTMAIL_MASTER_KEY"] = NEW_KEY
    server.start()
    account = [shop.account]
    said = _refused(
        lambda: shop.admin.call(
            "directmail.account", "write", [account, {"access_key_secret": ACCESS_KEY_SECRET}]
        )
    )
    assert "Configuration → Master key" in said
    assert "master key" in refusal(shop.admin, "directmail.account", "action_activate", account)
    assert "master key" in refusal(shop.user, "directmail.task", "action_send", [second])
    assert (
        "master key"
        in shop.admin.read("directmail.account", shop.account, "key_problem")["key_problem"]
    )
    server.query("UPDATE directmail_task SET state = 'pending' WHERE id = %s", second)
    _let_look(shop, server)
    assert len(emulator.ledger()) == before, "somebody was mailed under another key"
    assert server.query("SELECT state FROM directmail_task WHERE id = %s", second) == [("pending",)]

    _rekey(shop, server)
    # The link in a mail of before, and a new one.
    answer = call(server.url + links[readers[-1]], method="get")
    assert answer.status_code == 404 and "reply to the email" in answer.text
    shop.admin.call(
        "directmail.account", "write", [account, {"access_key_secret": ACCESS_KEY_SECRET}]
    )
    shop.admin.call("directmail.account", "action_activate", [account])
    shop.wait(second, "done")
    books = shop.check(second, PEOPLE)
    assert books.ok and books.states == {"suppressed": len(out), "sent": PEOPLE - len(out)}, books
    assert not out & {mail["to"].lower() for mail in emulator.ledger(tag=shop.tag(second))}
    assert " ERROR " not in server.log.read_text().rpartition("Address keys: done")[2]


def _audience(shop):
    [audience] = shop.user.call(
        "directmail.audience", "search", [[("name", "=", f"Audience {GROUP}")]]
    )
    return audience


def _make_history(server, task):
    """Copy a mail that was sent, to many people of its own."""
    server.query(
        """INSERT INTO directmail_delivery (task_id, account_id, company_id, email, address_key,
                  state, outcome, claimed_at, sent_at)
           SELECT task_id, account_id, company_id, 'h-' || n || '@past.example',
                  md5('a' || n) || md5('b' || n), 'sent', 'delivered', claimed_at, sent_at
             FROM (SELECT * FROM directmail_delivery WHERE task_id = %s ORDER BY id LIMIT 1) d,
                  generate_series(1, %s) n""",
        task,
        HISTORY,
    )


def _rekey(shop, server):
    """Recompute the keys on the page, with the server killed half-way."""
    action = shop.admin.call("directmail.rekey.start", "action_open", [])
    page = shop.admin.read(
        "directmail.rekey.start", action["res_id"], "may_start", "unmatched_count", "account_names"
    )
    assert page["may_start"] and not page["unmatched_count"] and page["account_names"]
    assert "First look for the old" in refusal(
        shop.admin, "directmail.rekey.start", "action_start", [action["res_id"]]
    )
    shop.admin.call("directmail.rekey.start", "write", [[action["res_id"]], {"understood": True}])
    shop.admin.call("directmail.rekey.start", "action_start", [[action["res_id"]]])

    def half_way():
        [(step, position)] = server.query("SELECT step, position FROM directmail_rekey")
        return step == DELIVERIES and position > 0

    wait_until(half_way, between=server.wake_crons)
    server.kill()
    [(state, target)] = server.query(
        "SELECT state, next_fingerprint FROM directmail_rekey, directmail_data_key"
    )
    assert state == "running" and target, "killed too late: make HISTORY larger"
    server.start()
    wait_until(
        lambda: server.query("SELECT state FROM directmail_rekey") == [("done",)],
        between=server.wake_crons,
    )
    [(done, left)] = server.query("SELECT done_count, left_count FROM directmail_rekey")
    assert done >= HISTORY + PEOPLE and not left
    assert server.query(
        "SELECT count(*) FROM directmail_delivery "
        "WHERE email LIKE 'h-%%' AND address_key = md5('a' || 1)"
    ) == [(0,)]
