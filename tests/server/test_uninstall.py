"""The addon is uninstalled and installed again; opt-outs can be kept in two ways."""

import base64

import pytest
import requests

from tests.server.common.logs import complaints
from tests.server.common.odoo_server import OdooServer, wait_until
from tests.server.common.runs_apps import WAITING
from tests.server.common.shop import Shop

GROUP = "leaving"
PEOPLE, UNSUBSCRIBED = 8, 3


@pytest.fixture(scope="module")
def server(database):
    with OdooServer(database) as running:
        yield running


@pytest.fixture(scope="module")
def shop(server, emulator):
    return Shop(server, emulator)


def test_uninstalled_and_installed_again(shop, server):
    first = shop.make_task(GROUP, PEOPLE)
    shop.act(first, "send")
    shop.wait(first, "done")
    shop.import_results(first)
    server.query(
        """INSERT INTO directmail_optout (company_id, address_key, email, origin, occurred_at)
           SELECT company_id, address_key, email, 'page', now() FROM directmail_delivery
            WHERE task_id = %s ORDER BY id LIMIT %s""",
        first,
        UNSUBSCRIBED,
    )
    gone = {
        email for (email,) in server.query("SELECT email FROM directmail_optout ORDER BY email")
    }
    exported = _export(server)
    server.query(
        "UPDATE directmail_optout SET address_key = repeat('0', 64) WHERE id = "
        "(SELECT max(id) FROM directmail_optout)"
    )

    begin = len(server.log.read_text())
    [module] = shop.root.call("ir.module.module", "search", [[("name", "=", "email_marketing_dm")]])
    action = shop.root.call("ir.module.module", "button_uninstall_wizard", [[module]])
    dialog = shop.root.call(
        "base.module.uninstall",
        "create",
        [{"module_ids": [(6, 0, [module])], "directmail_blacklist": True}],
        {"context": action["context"]},
    )
    said = shop.root.read(
        "base.module.uninstall", dialog, "directmail_is_lost", "directmail_optout_count"
    )
    assert said["directmail_is_lost"] and said["directmail_optout_count"] == UNSUBSCRIBED
    opened = server.log.read_text()[begin:]
    before = shop.root.change_modules("base.module.uninstall", "action_uninstall", [dialog])

    assert not server.query("SELECT 1 FROM pg_tables WHERE tablename LIKE 'directmail%%'")
    assert not server.query("SELECT 1 FROM ir_act_server WHERE name->>'en_US' LIKE 'DirectMail%%'")
    assert set(server.query("SELECT email FROM mail_blacklist WHERE active")) >= {
        (email,) for email in gone
    }
    log = opened + server.log.read_text()[before:]
    assert not complaints(log, WAITING), log[-3000:]

    # The other way: a new installation imports the file.
    server.query("DELETE FROM mail_blacklist")
    server.query("UPDATE res_users SET login = 'old_' || login WHERE login LIKE 'dm\\_%%'")
    shop.root.change_modules("ir.module.module", "button_immediate_install", [module])
    again = Shop(server, shop.emulator)
    wizard = again.admin.call(
        "directmail.optout.import", "create", [{"file": base64.b64encode(exported).decode()}]
    )
    again.admin.call("directmail.optout.import", "action_import", [[wizard]])
    second = again.make_task(GROUP)
    again.act(second, "send")
    again.wait(second, "done")
    books = again.check(second, PEOPLE)
    assert books.ok, books
    assert books.states == {"suppressed": UNSUBSCRIBED, "sent": PEOPLE - UNSUBSCRIBED}, books
    mailed = {mail["to"] for mail in shop.emulator.ledger(tag=again.tag(second))}
    assert not mailed & gone


def _export(server):
    with requests.Session() as http:
        http.trust_env = False
        answer = http.post(
            server.url + "/web/session/authenticate",
            json={
                "jsonrpc": "2.0",
                "params": {
                    "db": server.database, "login": "dm_admin", "password": "a long password 1",
                },
            },
            timeout=60,
        )  # fmt: skip
        assert answer.ok
        address = server.url + "/directmail/optouts.csv"
        # an answer is true when it is no error
        return wait_until(lambda: http.get(address, timeout=60)).content
