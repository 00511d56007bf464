"""A campaign whose figures must stay the same while apps come and go on a running server."""

from contextlib import contextmanager

from devenv import database as databases
from devenv.common import ADDON
from directmail_emulator.testing import Emulator
from tests.server.common.logs import complaints, is_odoos_own
from tests.server.common.odoo_server import OdooServer, RpcError
from tests.server.common.shop import COUNTERS, EMULATOR, Shop

PEOPLE, UNSUBSCRIBED = 8, 2
#: seconds that an app may take to come or go on a busy machine
PATIENCE = 900
#: What a cron says that wakes while an app comes or goes, which takes long on a busy machine.
WAITING = ("because of modules to install/upgrade/remove",)


class Campaign:
    """Email tasks to the same people, a few of whom unsubscribe after the first one."""

    def __init__(self, server, emulator, group):
        self.server, self.emulator, self.group = server, emulator, group
        self.tasks = []
        self.open(PEOPLE)

    def open(self, people=0):
        """Set up an account and mail everybody who may be mailed; ``people`` are made before."""
        self.shop = Shop(self.server, self.emulator)
        self.shop.root.timeout = PATIENCE
        first = self._send(people)
        self.shop.import_results(first)
        self.server.query(
            """INSERT INTO directmail_optout (company_id, address_key, email, origin, occurred_at)
               SELECT company_id, address_key, email, 'page', now() FROM directmail_delivery
                WHERE task_id = %s ORDER BY email LIMIT %s""",
            first,
            UNSUBSCRIBED,
        )
        self.tasks = [first]
        self.figures = self.read_figures()

    def _send(self, people=0):
        task = self.shop.make_task(self.group, people)
        self.shop.act(task, "send")
        self.shop.wait(task, "done")
        return task

    def read_figures(self):
        """Return what pages and tables say of the tasks, the audience refreshed, the opt-outs."""
        shop = self.shop
        audience = shop.read(self.tasks[0], "audience_ids")["audience_ids"][0]
        shop.user.call("directmail.audience", "action_refresh", [[audience]])
        return {
            "audience": shop.user.read(
                "directmail.audience", audience, "people_count", "refresh_error"
            ),
            "opt-outs": self.server.query(
                "SELECT email, origin FROM directmail_optout ORDER BY email"
            ),
            "tasks": [shop.read(task, "state", *COUNTERS) for task in self.tasks],
            "books": [str(shop.check(task, PEOPLE)) for task in self.tasks],
        }

    def find_changes(self):
        """Yield a sentence for each figure that is no longer what it was."""
        now = self.read_figures()
        for name, before in self.figures.items():
            if now[name] != before:
                yield f"{name}: {before} has become {now[name]}"

    def send_again(self):
        """Yield what is wrong with one more task: all are mailed but who has unsubscribed."""
        task = self._send()
        books = self.shop.check(task, PEOPLE)
        expected = {"sent": PEOPLE - UNSUBSCRIBED, "suppressed": UNSUBSCRIBED}
        if books.states != expected or not books.ok:
            yield f"another task: {books}"

    def module(self, name):
        """Return the module's id and state."""
        [found] = self.shop.root.call(
            "ir.module.module", "search_read", [[("name", "=", name)], ["state"]]
        )
        return found["id"], found["state"]

    def change(self, name, what):
        """Install or uninstall on the running server; yield what its log complains of.

        :param str what: ``install`` or ``uninstall``
        """
        number, _state = self.module(name)
        try:
            before = self.shop.root.change_modules(
                "ir.module.module", f"button_immediate_{what}", [number]
            )
        except RpcError as error:
            yield f"refused: {error}"
            return
        if self.module(name)[1] != f"{what}ed":
            yield f"it is {self.module(name)[1]} now"
        log = self.server.log.read_text()[before:]
        if name != ADDON and what == "uninstall":
            yield from complaints(log, WAITING, is_fine=is_odoos_own)
        else:
            yield from complaints(log, WAITING)

    def return_to_a_new_installation(self):
        """Uninstall the addon, install it again, and set everything up anew."""
        yield from self.change(ADDON, "uninstall")
        left = self.server.query("SELECT tablename FROM pg_tables WHERE tablename ~ '^directmail'")
        if left:
            yield f"tables are left: {left}"
        self.server.query(r"UPDATE res_users SET login = 'old_' || login WHERE login ~ '^dm_'")
        yield from self.change(ADDON, "install")
        self.open()


@contextmanager
def open_campaign(name, group):
    """A campaign on a server of its own; the database is dropped afterwards."""
    try:
        with Emulator(settings=EMULATOR) as emulator, OdooServer(name) as server:
            yield Campaign(server, emulator, group)
    finally:
        databases.drop(name)


def run_apps(apps):
    """Install the apps one after the other, then remove them, the figures compared each time.

    Yields a sentence for whatever is wrong.
    """
    name = databases.fresh("campaign_apps")
    with open_campaign(name, "apps") as campaign:
        steps = [("install", app) for app in apps] + [("uninstall", app) for app in apps[::-1]]
        for number, (what, app) in enumerate(steps):
            # An app may have come, or gone, with another one.
            if campaign.module(app)[1] != f"{what}ed":
                yield from _label(f"{what} {app}", campaign.change(app, what))
            yield from _label(f"after {what} {app}", campaign.find_changes())
            if number in (len(apps) - 1, len(steps) - 1):
                yield from _label(f"after {what} {app}", campaign.send_again())
        yield from _label("new installation", campaign.return_to_a_new_installation())
        yield from _label("new installation", campaign.send_again())


def run_alone():
    """The addon with nothing but what it depends on.

    Yields a sentence for whatever is wrong.
    """
    name = databases.full_name("campaign_alone")
    databases.drop(name)
    databases.install(name, "-i", [ADDON], "platform-alone")
    with open_campaign(name, "alone") as campaign:
        yield from _label("alone", campaign.send_again())
        yield from _label("alone", campaign.find_changes())
        yield from _label("alone", campaign.return_to_a_new_installation())
        yield from _label("alone", campaign.send_again())


def _label(label, sentences):
    for sentence in sentences:
        yield f"{label}: {sentence}"
