"""Another addon adds a kind of audience line with one Python file and one view."""

import subprocess
import sys
from pathlib import Path

import pytest

from devenv import database as databases
from devenv.run import environment
from tests.server.common.odoo_server import OdooServer, RpcError, read_addons_path

ADDONS = Path(__file__).parent / "addons"
ADDON = "directmail_open_quotation"


@pytest.fixture(scope="module")
def server():
    with databases.temporary("line_kind") as name:
        paths = f"--addons-path={read_addons_path()},{ADDONS}"
        command = [
            sys.executable, "-m", "odoo", "-d", name, paths, "-i", ADDON,
            "--stop-after-init", "--max-cron-threads=0", "--log-level=warn",
        ]  # fmt: skip
        subprocess.run(command, env=environment(), check=True, timeout=300)
        with OdooServer(name, crons=0, addons=ADDONS) as running:
            yield running


def test_a_line_of_another_addon(server):
    """Contacts with an open quotation are counted while the line is edited, chosen, and mailed."""
    admin = server.login("admin", "admin")
    names = ["Open", "Open, twice", "Small", "Confirmed", "Without"]
    people = admin.call(
        "res.partner",
        "create",
        [[{"name": name, "email": f"{i}@kind.example"} for i, name in enumerate(names)]],
    )
    product = admin.call("product.product", "create", [{"name": "Boots", "taxes_id": []}])

    def quote(partner, price):
        line = {"product_id": product, "price_unit": price, "tax_ids": []}
        values = {"partner_id": partner, "order_line": [(0, 0, line)]}
        return admin.call("sale.order", "create", [values])

    for partner, price in zip(people, (500, 500, 5, 500), strict=False):
        last = quote(partner, price)
    admin.call("sale.order", "action_confirm", [[last]])
    quote(people[1], 900)

    line = {"kind": "quotation", "quotation_amount": 100}
    audience = admin.call(
        "directmail.audience", "create", [{"name": "Open", "line_ids": [(0, 0, line)]}]
    )
    admin.call("directmail.audience", "action_refresh", [[audience]])
    members = admin.call(
        "directmail.audience.member",
        "search_read",
        [[("audience_id", "=", audience)], ["partner_id"]],
    )
    chosen = {member["partner_id"][0] for member in members}
    # Sales of the demo data may be among them; of ours these two.
    assert chosen & set(people) == set(people[:2])
    [line] = admin.read("directmail.audience", audience, "line_ids")["line_ids"]
    sentence = admin.read("directmail.audience.line", line, "sentence")["sentence"]
    assert sentence == "Open quotation of at least 100.0"


def test_its_rights_are_the_owners(server):
    """Somebody who may not read quotations can't use the line to find out who has one."""
    admin = server.login("admin", "admin")
    [group] = admin.call(
        "ir.model.data", "check_object_reference",
        ["email_marketing_dm", "group_user"],
    )[1:]  # fmt: skip
    values = {"name": "Marketer", "login": "kind", "password": "kind-1234"}
    admin.call("res.users", "create", [{**values, "group_ids": [(6, 0, [group])]}])
    marketer = server.login("kind", "kind-1234")
    with pytest.raises(RpcError, match="Sales Order"):
        marketer.call(
            "directmail.audience", "create",
            [{"name": "Guess", "line_ids": [(0, 0, {"kind": "quotation"})]}],
        )  # fmt: skip
