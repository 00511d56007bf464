"""Every data table that comes with an app, with the app installed and records in it."""

import re

import pytest

from devenv import database as databases
from devenv.common import ADDON
from tests.server.common.odoo_server import OdooServer
from tests.server.common.preset_records import NOW, OLD, Records

#: the apps of all presets that are not in the prepared database
APPS = (
    "account", "event", "loyalty", "point_of_sale", "repair", "survey", "website_sale",
    "website_sale_wishlist", "website_slides",
)  # fmt: skip
#: with these groups a marketing user may read the records of every preset
GROUPS = (
    "account.group_account_invoice", "event.group_event_user", "point_of_sale.group_pos_user",
    "sales_team.group_sale_manager", "stock.group_stock_user",
    "survey.group_survey_user", "website.group_website_designer",
    "website_slides.group_website_slides_officer",
)  # fmt: skip
PRESETS = (
    "contacts", "leads", "mailing_contacts", "sale_orders", "sale_order_lines", "invoices",
    "pos_orders", "event_registrations", "website_visitors", "wishlists", "courses", "surveys",
    "loyalty_cards", "repairs",
)  # fmt: skip
WITH_AMOUNT = ("leads", "sale_orders", "sale_order_lines", "invoices", "pos_orders")
#: presets whose records name an address where they have no contact
WITH_ADDRESS = ("leads", "event_registrations", "surveys")


@pytest.fixture(scope="module")
def server():
    with databases.temporary("presets", APPS) as name, OdooServer(name, crons=0) as running:
        yield running


@pytest.fixture(scope="module")
def records(server):
    """For each preset a recent record, an old one, and one that it leaves out."""
    admin = server.login("admin", "admin")
    groups = [(4, _find_id(admin, f"{ADDON}.group_admin"))]
    groups += [(4, _find_id(admin, group)) for group in GROUPS]
    admin.call("res.users", "write", [[_find_id(admin, "base.user_admin")], {"group_ids": groups}])
    made = Records(server, admin)
    made.make_all()
    return made


@pytest.fixture(scope="module")
def marketer(server, records):
    return _make_user(server, records.admin, "marketer", GROUPS)


@pytest.fixture(scope="module")
def stranger(server, records):
    """A marketing user without any app, and an administrator who has opened the data tables."""
    return _make_user(server, records.admin, "stranger", ())


def _find_id(session, xml_id):
    return session.call("ir.model.data", "check_object_reference", xml_id.split("."))[1]


def _make_user(server, admin, login, groups):
    names = ("base.group_user", f"{ADDON}.group_user", *groups)
    ids = [_find_id(admin, name) for name in names]
    values = {"name": login, "login": login, "password": "preset-1234"}
    admin.call("res.users", "create", [{**values, "group_ids": [(6, 0, ids)]}])
    return server.login(login, "preset-1234")


def _find_table(session, preset):
    [table] = session.call("directmail.data.table", "search", [[("preset", "=", preset)]])
    return table


def _find_named(session, preset):
    """Return the ids of the fields that the filter of `_find_people` names."""
    names = [("model", "=", "res.partner"), ("name", "=", "email")]
    return session.call("ir.model.fields", "search", [names]) if preset == "contacts" else []


def _find_people(session, preset, **line):
    """Return the addresses of an audience with one line on the preset, once it is refreshed."""
    # Everybody with a record of another app is a contact, too.
    domain = "[('email', 'like', '@contacts.')]" if preset == "contacts" else "[]"
    values = {"table_id": _find_table(session, preset), "domain": domain, **line}
    audience = session.call(
        "directmail.audience",
        "create",
        [{"name": f"{preset} {line}", "line_ids": [(0, 0, values)]}],
    )
    session.call("directmail.audience", "action_refresh", [[audience]])
    error = session.read("directmail.audience", audience, "refresh_error")["refresh_error"]
    assert not error, error
    members = session.call(
        "directmail.audience.member",
        "search_read",
        [[("audience_id", "=", audience)], ["shown_email"]],
    )
    # Some apps come with records of the administrator.
    found = (member["shown_email"] or "" for member in members)
    return sorted(email for email in found if email.endswith(".preset.example"))


def test_every_preset_is_there(marketer):
    found = marketer.call(
        "directmail.data.table", "search_read", [[("preset", "!=", False)], ["preset", "usable"]]
    )
    # That of engagement is about emails: see `test_audience_engagement.py` of the addon.
    everything = dict.fromkeys((*PRESETS, "engagement"), True)
    assert {row["preset"]: row["usable"] for row in found} == everything


@pytest.mark.parametrize("preset", PRESETS)
def test_people_of_a_preset(marketer, records, preset):
    """Base filter, contact and address choose the people, date and amount narrow them."""
    addresses = ["alone"] if preset in WITH_ADDRESS else []
    everybody = ["recent", "old", *addresses]
    assert _find_people(marketer, preset) == records.addresses(preset, everybody)
    recent = ["recent", *addresses]
    assert _find_people(marketer, preset, within_days=30) == records.addresses(preset, recent)


@pytest.mark.parametrize("preset", WITH_AMOUNT)
def test_amounts_of_a_preset(marketer, records, preset):
    found = _find_people(marketer, preset, min_amount=200)
    assert found == records.addresses(preset, ["old"])


@pytest.mark.parametrize("preset", WITH_AMOUNT)
def test_rfm_of_a_preset(marketer, records, preset):
    """An RFM model over the preset has each contact with its day, count and amount."""
    model = records.admin.call(
        "directmail.rfm.model",
        "create",
        [{"name": preset, "data_table_id": _find_table(records.admin, preset)}],
    )
    records.admin.call("directmail.rfm.model", "action_compute", [[model]])
    assert not marketer.read("directmail.rfm.model", model, "compute_error")["compute_error"]
    found = marketer.call(
        "directmail.rfm.customer",
        "search_read",
        [[("rfm_model_id", "=", model)], ["partner_id", "last_date", "frequency", "monetary"]],
    )
    customers = {
        row["partner_id"][0]: (row["last_date"], row["frequency"], row["monetary"]) for row in found
    }
    assert customers == {
        records.people[preset, "recent"]: (str(NOW.date()), 1, 100),
        records.people[preset, "old"]: (str(OLD.date()), 1, 300),
    }


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_opened_to_marketing_users(stranger, records, preset):
    """Who may not read the app's records sees its contacts once an administrator opened it.

    Members that are records without a contact stay hidden from them, as the records do.
    """
    table = _find_table(records.admin, preset)
    values = {"open_to_marketers": True, "field_ids": [(6, 0, _find_named(records.admin, preset))]}
    records.admin.call("directmail.data.table", "write", [[table], values])
    found = _find_people(stranger, preset)
    assert found == records.addresses(preset, ["recent", "old"])


def test_the_ready_made_cart_leads_to_the_shop(marketer, records):
    """The series starts for carts of the shop, shows them, and its button opens their page."""
    admin = records.admin
    [orders] = admin.call("ir.model", "search", [[("model", "=", "sale.order")]])
    paths = {"partner_path": "partner_id", "date_field": "date_order"}
    values = {"name": "Carts", "model_id": orders, **paths}
    table = admin.call("directmail.data.table", "create", [values])
    [company] = admin.call("res.company", "search", [[]])
    admin.call("res.company", "write", [[company], {"website": "https://shop.example"}])
    account = admin.call("directmail.account", "create", [{"name": "Account"}])
    series = marketer.call("directmail.series", "create", [{"account_id": account}])
    context = {"context": {"ready_made": "cart"}}
    marketer.call("directmail.series", "action_use_ready_made", [[series]], context)
    read = marketer.read("directmail.series", series, "start_table_id", "start_domain")
    assert read["start_table_id"][0] == table
    assert "('website_id', '!=', False)" in read["start_domain"]
    names = [("name", "in", ("Cart 1: still interested?", "Cart 2: a last reminder"))]
    mails = marketer.call("directmail.template", "search_read", [names, ["body_html"]])
    for mail in mails:
        assert 'href="https://shop.example/shop/cart"' in mail["body_html"]
        assert "object.directmail_record.sale__order.amount_total" in mail["body_html"]
    assert len(mails) == 2


def test_a_sign_up_form_becomes_a_block_of_the_website(server, records):
    """An administrator puts the form among the blocks of the website's editor."""
    admin = records.admin
    topic = admin.call("directmail.purpose", "create", [{"name": "Offers"}])
    values = {"name": "Our news", "purpose_ids": [(6, 0, [topic])]}
    form = admin.call("directmail.signup.form", "create", [values])
    names = ["token", "has_website"]
    read = admin.read("directmail.signup.form", form, *names)
    assert read["has_website"]
    admin.call("directmail.signup.form", "action_add_to_website", [[form]])
    blocks = admin.call("ir.ui.view", "render_public_asset", ["website.snippets"])
    [custom] = re.findall(r'<snippets id="snippet_custom".*?</snippets>', blocks, re.DOTALL)
    assert 'name="Our news"' in custom
    assert f'/directmail/signup/{read["token"]}"' in custom
    assert "<form" in custom
