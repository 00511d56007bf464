"""The addon on a server with other apps: apps that go, and databases of older versions."""

import pytest

from devenv import database as databases
from devenv.common import ADDON
from tests.server.common.logs import complaints
from tests.server.common.odoo_server import OdooServer
from tests.server.common.old_versions import put_back
from tests.server.common.runs_apps import run_apps

#: what the log may say: ours, and what Odoo says of columns that the upgrade will bring
WAITS = ("is newer than this database", "Missing not-null constraint on directmail.")


@pytest.fixture
def own_database(request):
    name = databases.fresh(f"platform_{request.node.name.split('[')[0][-20:]}")
    yield name
    databases.drop(name)


def _find(admin, model, *conditions, active_test=True):
    return admin.call(
        model, "search", [list(conditions)], {"context": {"active_test": active_test}}
    )


def _make_admin(server):
    admin = server.login("admin", "admin")
    _model, group = admin.call(
        "ir.model.data",
        "check_object_reference",
        [ADDON, "group_admin"],
    )
    [user] = _find(admin, "res.users", ("login", "=", "admin"))
    admin.call("res.users", "write", [[user], {"group_ids": [(4, group)]}])
    return admin


def _press(admin, model, button, records):
    """Press a button that reloads the registry of the server."""
    return admin.call(model, button, [records])


class Orders:
    """Audiences, an RFM model, an AIPL model and an email task, all of them over sales orders."""

    def __init__(self, admin):
        self.admin = admin
        partner = admin.call(
            "res.partner", "create", [{"name": "Buyer", "email": "buyer@list.example"}]
        )
        admin.call("res.partner", "create", [{"name": "Visitor", "email": "visitor@list.example"}])
        product = admin.call(
            "product.product", "create", [{"name": "Chair", "list_price": 50, "type": "consu"}]
        )
        order = admin.call(
            "sale.order",
            "create",
            [{"partner_id": partner, "order_line": [(0, 0, {"product_id": product})]}],
        )
        admin.call("sale.order", "action_confirm", [[order]])
        [self.orders] = _find(admin, "directmail.data.table", ("preset", "=", "sale_orders"))
        [contacts] = _find(admin, "directmail.data.table", ("preset", "=", "contacts"))
        fields = _find(admin, "ir.model.fields", ("model", "=", "sale.order"),
                       ("name", "in", ["state", "amount_total"]))  # fmt: skip
        [model] = _find(admin, "ir.model", ("model", "=", "sale.order"))
        self.custom = admin.call(
            "directmail.data.table",
            "create",
            [
                {
                    "name": "Quotations",
                    "model_id": model,
                    "partner_path": "partner_id",
                    "open_to_marketers": True,
                    "field_ids": [(6, 0, fields)],
                }
            ],
        )
        listed = {"table_id": contacts, "domain": "[('email', 'ilike', 'list.example')]"}
        self.except_buyers = self._make_audience(
            "Visitors",
            {**listed, "sequence": 1},
            {"operator": "except", "table_id": self.orders, "sequence": 2},
        )
        self.quoted = self._make_audience(
            "Quoted", {"table_id": self.custom, "domain": "[('state', '!=', 'cancel')]"}
        )
        self.rfm = admin.call(
            "directmail.rfm.model", "create", [{"name": "RFM", "data_table_id": self.orders}]
        )
        account = admin.call(
            "directmail.account",
            "create",
            [{"name": "Account", "public_url": "https://www.example.com"}],
        )
        self.task = admin.call(
            "directmail.task",
            "create",
            [
                {
                    "name": "Task",
                    "account_id": account,
                    "audience_ids": [(6, 0, [self.except_buyers])],
                    "conversion_table_id": self.orders,
                }
            ],
        )
        self.refresh()

    def _make_audience(self, name, *lines):
        return self.admin.call(
            "directmail.audience",
            "create",
            [{"name": name, "line_ids": [(0, 0, line) for line in lines]}],
        )

    def refresh(self):
        """Press *Refresh* and *Compute now*; return what the pages say about both."""
        audiences = [self.except_buyers, self.quoted]
        for audience in audiences:
            self.admin.call("directmail.audience", "action_refresh", [[audience]])
        self.admin.call("directmail.rfm.model", "action_compute", [[self.rfm]])
        self.admin.call("directmail.task", "action_count_conversions", [[self.task]])
        found = [
            self.admin.read("directmail.audience", audience, "people_count", "refresh_error")
            for audience in audiences
        ]
        model = self.admin.read("directmail.rfm.model", self.rfm, "people_count", "compute_error")
        return (
            [row["people_count"] for row in (*found, model)],
            [*(row["refresh_error"] for row in found), model["compute_error"]],
        )


def test_an_app_goes_and_comes_back_under_what_uses_it(own_database):
    with OdooServer(own_database, crons=0) as server:
        admin = _make_admin(server)
        uses = Orders(admin)
        assert uses.refresh() == ([1, 1, 1], [False] * 3)
        [sale] = _find(admin, "ir.module.module", ("name", "=", "sale"))

        _press(admin, "ir.module.module", "button_immediate_uninstall", [sale])
        assert complaints(server.log.read_text()) == []
        assert admin.read("ir.module.module", sale, "state")["state"] == "uninstalled"
        people, reasons = uses.refresh()
        assert people == [1, 1, 1], "the last people stay, and nobody is added"
        for reason in reasons:
            assert "sale.order" in reason and "is not installed" in reason
        for model, record in (
            ("directmail.data.table", uses.orders),
            ("directmail.data.table", uses.custom),
            ("directmail.audience", uses.except_buyers),
            ("directmail.rfm.model", uses.rfm),
            ("directmail.task", uses.task),
        ):
            admin.call(model, "read", [[record]])  # every field of its page, without an error
        [again] = _find(admin, "ir.module.module", ("name", "=", "sale_management"))
        _press(admin, "ir.module.module", "button_immediate_install", [again])
        people, reasons = uses.refresh()
        assert reasons[0] is False and reasons[2] is False
        assert people[0] == 2, "the orders are gone with the app, so both are visitors now"
        assert complaints(server.log.read_text()) == []


def test_a_campaigns_figures_stay_while_an_app_comes_and_goes():
    """The addon goes last, and comes back to a server that still knows the other one's people."""
    assert list(run_apps(("survey",))) == []


@pytest.mark.parametrize("shape", ["1_0_0", "1_1_0_events", "1_1_0_lines"])
def test_new_code_on_an_old_database(own_database, shape):
    put_back(own_database, shape)
    server = OdooServer(own_database, crons=1)
    # The log of the shape before goes on in the same file.
    begin = len(server.log.read_text()) if server.log.exists() else 0
    with server:
        admin = server.login("admin", "admin")
        _use_other_apps(admin)
        server.wake_crons()
        said = server.log.read_text()[begin:]
        assert complaints(said, WAITS) == []
        assert WAITS[0] in said
    before = len(server.log.read_text())
    databases.install(own_database, "-u", [ADDON], f"platform-{shape}")
    with OdooServer(own_database, crons=0) as server:
        # The log of the same file name goes on.
        admin = _make_admin(server)
        _check_old_data(server, admin)
        assert complaints(server.log.read_text()[before:]) == []


def _use_other_apps(admin):
    """What others do on the server meanwhile."""
    partner = admin.call(
        "res.partner", "create", [{"name": "New", "email": "new@customer.example"}]
    )
    admin.call("res.partner", "write", [[partner], {"name": "Newer", "active": False}])
    admin.call("res.partner", "web_search_read", [[], {"name": {}, "email": {}}], {"limit": 5})
    admin.call("res.partner", "get_views", [[(False, "form"), (False, "list")]])
    [company] = _find(admin, "res.company")
    admin.call("res.company", "write", [[company], {"phone": "+65 1234 5678"}])
    lead = admin.call("crm.lead", "create", [{"name": "A lead", "partner_id": partner}])
    admin.call("crm.lead", "write", [[lead], {"expected_revenue": 5}])
    admin.call("mail.blacklist", "create", [{"email": "left@customer.example"}])
    admin.call("mailing.list", "create", [{"name": "A list"}])


def _check_old_data(server, admin):
    [account] = _find(admin, "directmail.account", ("name", "=", "Old account"))
    [audience] = _find(admin, "directmail.audience", ("name", "=", "Old audience"))
    [task] = _find(admin, "directmail.task", ("name", "=", "Old task"))
    assert admin.read("directmail.task", task, "state")["state"] == "done"
    assert server.query("SELECT count(*) FROM directmail_delivery WHERE task_id = %s AND state ="
                        " 'sent'", task) == [(3,)]  # fmt: skip
    assert server.query("SELECT email FROM directmail_optout") == [("gone@list.example",)]
    assert server.query("SELECT email, purpose, answer, origin FROM directmail_consent") == [
        ("gone@list.example", "mailing", "withdrawn", "page")
    ]
    # The facts speak of a delivery, and those that were not applied still wait.
    assert server.query("SELECT count(*), count(delivery_id), count(DISTINCT kind)"
                        " FROM directmail_event") == [(3, 3, 1)]  # fmt: skip
    assert server.query("SELECT count(*) FROM directmail_event_pending") == [(2,)]
    admin.call("res.partner", "create", [{"name": "A", "email": "a@list.example"}])
    admin.call("directmail.audience", "action_refresh", [[audience]])
    found = admin.read("directmail.audience", audience, "refresh_error", "people_count", "line_ids")
    assert found["refresh_error"] is False
    assert (found["people_count"], len(found["line_ids"])) == (1, 1)
    admin.call("directmail.account", "read", [[account]])
    # What is open is decided by each company; until 19.0.1.2.0 it stood in the data table itself.
    columns = """SELECT count(*) FROM information_schema.columns
                  WHERE table_name = 'directmail_data_table' AND column_name = %s"""
    assert server.query(columns, "open_to_marketers") == [(0,)]
    assert server.query("SELECT count(*) FROM directmail_data_table"
                        " WHERE preset IS NULL AND company_id IS NULL") == [(0,)]  # fmt: skip
    assert _find(admin, "ir.actions.act_window", ("res_model", "=", "directmail.audience.add"))
