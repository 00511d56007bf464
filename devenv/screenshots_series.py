"""The pictures of a series: the ready-made ones, one with figures, and one of its people."""

import contextlib
import random
import time

import psycopg2

from . import demo_data
from .browser import HEIGHT, WIDTH
from .common import ADDON, SetupError

#: how many contacts enter the series
PEOPLE = 160
NEW = "New reader"
#: so many of three people have waited long enough for the second mail
FURTHER = 2
SECONDS = 300
#: height of the picture of a long page
LONG = 1060


def take(photographer, campaign, emulator):
    """Take the pictures; the campaign stays as it is.

    :param photographer: a `screenshots.Photographer`
    :param campaign: a `demo_campaign.Campaign` that has run
    :param emulator: the running emulator
    """
    photographer.browser.log_in(photographer.url, "marketing", demo_data.PASSWORD)
    photographer.browser.open(
        f"{photographer.url}/odoo/action-{ADDON}.directmail_series_action/new",
        "button[name=action_use_ready_made]",
    )
    photographer.save("series-new")
    series = Welcome(photographer.url, campaign, emulator)
    series.run()
    photograph(photographer, series)


def photograph(photographer, series):
    """Take the pictures of a running series and of somebody who waits in it."""
    browser = photographer.browser
    browser.resize(WIDTH, LONG)
    # As the reader's computer would be: Odoo shows some times in its time zone.
    browser.set_zone("Asia/Singapore")
    photographer.open("directmail_series_action", series.number, ".o_data_row")
    photographer.save("series")
    browser.resize(WIDTH, HEIGHT)
    photographer.open("directmail_series_entry_action", series.find_waiting())
    photographer.save("series-person")
    browser.set_zone("")


class Welcome:
    """The ready-made series *Welcome*, which runs for new readers.

    :param url: of Odoo
    :param campaign: a `demo_campaign.Campaign` that has run
    :param emulator: the running emulator
    :ivar int number: id of the series
    """

    def __init__(self, url, campaign, emulator):
        from . import demo_server

        self._database = demo_server.DATABASE
        self._admin = demo_server.User(url, "admin", "admin")
        self._user = demo_server.User(url, "marketing", demo_data.PASSWORD)
        self._campaign, self._emulator = campaign, emulator
        self.number = None

    def run(self):
        """Make it, start it, and let most people get the second mail.

        :raise SetupError: if the mails do not go out
        """
        self._make(self._make_audience())
        self._user.call("directmail.series", "action_start", [self.number])
        first, wait, second = self._find_steps()
        self._wait(lambda: self._count(wait, "inside_count") > PEOPLE * 0.8)
        self._collect(first)
        self._let_days_pass()
        self._wait(lambda: self._count(second, "sent_count") >= PEOPLE * 0.5)
        self._collect(second)
        # Who clicks does so after everything was delivered.
        self._collect(first)
        self._collect(second)

    def find_waiting(self):
        """Return the id of somebody who opened the first mail and waits for the second one."""
        _first, wait, _second = self._find_steps()
        [entry] = self._user.call(
            "directmail.series.entry",
            "search",
            [("step_id", "=", wait), ("partner_id.email", "=like", "click.%")],
            limit=1,
        )
        return entry

    def _make_audience(self):
        """Return the id of an audience of people who are not in the campaign's."""
        tag = self._admin.create("res.partner.category", name=NEW)
        people, _by_fate = demo_data.make_people(random.Random(3))
        usable = [row for row in people if row["email"] and row["email"].count("@") == 1]
        countries = {
            row["code"]: row["id"]
            for row in self._admin.call("res.country", "search_read", [], ["code"])
        }
        self._admin.call(
            "res.partner",
            "create",
            [
                {
                    "name": row["name"],
                    "lang": row["lang"],
                    "city": row["city"],
                    "country_id": countries[row["country"]],
                    "email": row["email"].strip().replace("@", ".new@"),
                    "category_id": [(4, tag)],
                }
                for row in usable[:PEOPLE]
            ],
        )
        audience = self._user.create(
            "directmail.audience",
            name="New readers",
            refresh_every="daily",
            line_ids=[(0, 0, {"domain": f'[("category_id", "in", [{tag}])]'})],
        )
        self._user.call("directmail.audience", "action_refresh", [audience])
        return audience

    def _make(self, audience):
        # The mails' buttons lead to the company's website.
        [company] = self._admin.call("res.company", "search", [], limit=1)
        self._admin.call("res.company", "write", [company], {"website": "https://tea.example.com"})
        [sender] = self._user.read("directmail.task", self._campaign.task, "sender_id")[
            "sender_id"
        ][:1]
        self.number = self._user.create(
            "directmail.series",
            account_id=self._campaign.account,
            audience_id=audience,
            sender_id=sender,
            entry="all",
        )
        self._user.call(
            "directmail.series",
            "action_use_ready_made",
            [self.number],
            context={"ready_made": "welcome"},
        )
        for step in self._find_steps():
            template = self._user.read("directmail.series.step", step, "template_id")
            if template["template_id"]:
                [number, _name] = template["template_id"]
                self._user.call("directmail.template", "action_submit", [number])
                self._campaign.approve(number)

    def _find_steps(self):
        return self._user.read("directmail.series", self.number, "step_ids")["step_ids"]

    def _count(self, step, name):
        return self._user.read("directmail.series.step", step, name)[name]

    def _collect(self, step):
        """Ask for the results of the mails of a step."""
        for task in self._user.call(
            "directmail.task", "search", [("series_step_id", "=", step)], context={"active_test": 0}
        ):
            self._campaign.collect_results(task)

    def _let_days_pass(self):
        """Let the wait be over for so many of three people."""
        with contextlib.closing(psycopg2.connect(dbname=self._database)) as connection:
            with connection, connection.cursor() as cursor:
                cursor.execute(
                    """UPDATE directmail_series_entry
                          SET due_at = due_at - interval '4 days'
                        WHERE series_id = %s AND state = 'inside' AND id %% 3 < %s""",
                    [self.number, FURTHER],
                )
                # It would run after ten minutes.
                cursor.execute(
                    """UPDATE ir_cron SET nextcall = now() AT TIME ZONE 'UTC'
                        WHERE id = (SELECT res_id FROM ir_model_data
                                     WHERE name = 'ir_cron_directmail_series')"""
                )

    def _wait(self, is_done):
        """Wait while Odoo's own crons go on with the series."""
        end = time.monotonic() + SECONDS
        while not is_done():
            if time.monotonic() > end:
                raise SetupError(f"the series does not go on within {SECONDS} s")
            time.sleep(1)
