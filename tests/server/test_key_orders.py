"""The keys of a database are recomputed for one server while another one sends, and back again."""

import pytest

from tests.server.common.odoo_server import OdooServer, wait_until
from tests.server.common.shop import ACCESS_KEY_SECRET, PASSWORD, Shop
from tests.server.common.unsubscribe import ONE_CLICK, call, find_links

GROUP = "orders"
PEOPLE, GONE = 400, 3
THREADS = 32  # an account's default


@pytest.fixture(scope="module")
def server(database):
    with OdooServer(database) as running:
        yield running


@pytest.fixture(scope="module")
def shop(server, emulator):
    return Shop(server, emulator)


@pytest.fixture
def other(server):
    """Another server of the same database, with a key of its own."""
    environment = {"DIRECTMAIL_MASTER_KEY": "the key of the other server, long enough"}
    with OdooServer(server.database, crons=2, environment=environment) as running:
        yield running


def _rekey(server, other, meanwhile=lambda: None):
    """Have the keys recomputed for a server's key, as an administrator who works on it."""
    admin = server.login("dm_admin", PASSWORD)
    page = admin.call("directmail.rekey.start", "action_open", [])["res_id"]
    admin.call("directmail.rekey.start", "write", [[page], {"understood": True}])
    admin.call("directmail.rekey.start", "action_start", [[page]])
    meanwhile()
    wait_until(
        lambda: not server.query("SELECT 1 FROM directmail_rekey WHERE state = 'running'"),
        between=lambda: _wake(server, other),
    )


def _wake(*servers):
    for server in servers:
        server.wake_crons()


def _set_up_account(server, shop):
    """Do what the account's page asks for after the master key was replaced."""
    admin = server.login("dm_admin", PASSWORD)
    account = [shop.account]
    secret = {"access_key_secret": ACCESS_KEY_SECRET}
    admin.call("directmail.account", "write", [account, secret])
    admin.call("directmail.account", "action_activate", [account])


def _is_mailed_but(shop, task, out, *servers):
    """Wait until a task is done, and check that it mailed everybody but these, once."""
    wait_until(lambda: shop.state(task) == "done", between=lambda: _wake(*servers))
    books = shop.check(task, PEOPLE)
    assert books.ok, books
    assert books.states == {"suppressed": len(out), "sent": PEOPLE - len(out)}, books
    assert not {mail["to"] for mail in shop.emulator.ledger(tag=shop.tag(task))} & set(out)


def test_the_keys_change_while_mails_go_out_and_change_back(shop, server, other, emulator):
    shop.add_people(GROUP, PEOPLE)
    values = {"audience_ids": [(6, 0, [shop.make_audience(GROUP)])]}
    first = shop.make_task("first", **values)
    shop.act(first, "send")
    shop.wait(first, "done")
    links = find_links(shop, first)
    gone, late = sorted(links)[:GONE], sorted(links)[GONE : GONE + 3]
    for address in gone:
        assert call(server.url + links[address], ONE_CLICK).status_code == 200

    emulator.set_fault("slow", action="SingleSendMail", delay=0.5)
    second = shop.make_task("second", **values)
    shop.act(second, "send")
    wait_until(lambda: shop.count_rows(second).get("sent", 0) >= 20, between=server.wake_crons)
    out = []

    def ask_both_servers():
        out.append(len(emulator.ledger(tag=shop.tag(second))))
        for asked, address in zip((server, other), late[:2], strict=True):
            answer = call(asked.url + links[address], ONE_CLICK)
            assert answer.status_code == 503 and "has been recorded" in answer.text

    _rekey(other, server, ask_both_servers)
    emulator.clear_faults()
    shop.wait_quiet(second)
    books = shop.check(second, PEOPLE)
    assert books.ok and not books.unknown and books.states["waiting"], books
    assert books.mailed <= out[0] + THREADS, "only the calls under way were finished"

    # The first server now has the wrong key, and links in older mails say what to do.
    assert call(server.url + links[late[2]], ONE_CLICK).status_code == 503
    answer = call(other.url + links[late[2]], method="get")
    assert answer.status_code == 404 and "reply to the email" in answer.text
    _set_up_account(other, shop)
    _is_mailed_but(shop, second, gone, server, other)
    new = find_links(shop, second)
    works = [call(other.url + link, method="get").status_code == 200 for link in new.values()]
    assert sum(works) >= PEOPLE - GONE - books.mailed, "links of mails under the new key work"

    # The first key is restored; requests that waited for it are applied before the next mail.
    _rekey(server, other)
    third = shop.make_task("third", **values)
    server.query("UPDATE directmail_task SET state = 'pending' WHERE id = %s", third)
    _set_up_account(server, shop)
    _is_mailed_but(shop, third, [*gone, *late], server, other)
    assert call(server.url + links[late[0]], method="get").status_code == 200
