"""The addon beside each app, in both orders of installation, and when either of them goes.

The long form of `test_platform.py`: ``make torture ONLY=platform``.
"""

from devenv import database as databases
from devenv.common import ADDON, SetupError
from tests.server.common.logs import is_odoos_own

#: apps with records that speak of people, or that change contacts, companies, users or mails
APPS = (
    "account", "event", "loyalty", "marketing_card", "mass_mailing_event", "mass_mailing_sms",
    "point_of_sale", "project", "repair", "stock", "survey", "website", "website_event",
    "website_sale", "website_slides",
)  # fmt: skip
UNINSTALL = """
env["ir.module.module"].search([("name", "=", {name!r})]).button_immediate_uninstall()
"""
CHECK = """
moving = env["ir.module.module"].search([("state", "not in", ["installed", "uninstalled",
                                                              "uninstallable"])])
assert not moving, moving.mapped("name")
assert env["ir.module.module"].search([("name", "=", {name!r})]).state == {state!r}
"""


def run_matrix(apps=APPS):
    """Install each app after and before the addon, take it away, and the addon too.

    Yields a sentence for whatever was refused or logged as a warning.
    """
    for app in apps:
        for order in ((ADDON, app), (app, ADDON)):
            name = databases.full_name(f"matrix_{app}")
            try:
                yield from _run_one(name, app, order)
            finally:
                databases.drop(name)


def _run_one(name, app, order):
    with databases.preparing():
        source = databases.prepare_template() if order[0] == ADDON else databases.ensure_base()
        databases.copy(source, name)
    steps = [
        *(("-i", module) for module in order if module != ADDON or order[0] != ADDON),
        ("remove", app),
        ("-i", app),
        ("remove", ADDON),
        ("-i", ADDON),
    ]
    for what, module in steps:
        label = f"{' then '.join(order)}: {what} {module}"
        try:
            if what == "-i":
                databases.install(name, "-i", [module], "platform")
            else:
                is_fine = is_odoos_own if module != ADDON else lambda _lines: False
                _shell(name, UNINSTALL.format(name=module), label, is_fine)
            state = "uninstalled" if what == "remove" else "installed"
            _shell(name, CHECK.format(name=module, state=state), label)
        except SetupError as error:
            yield f"{label}: {error}"
            return


def _shell(name, text, label, is_fine=lambda _lines: False):
    arguments = ["shell", "-d", name, "--no-http"]
    databases.odoo(arguments, "platform-shell", label, text=text, is_fine=is_fine)
