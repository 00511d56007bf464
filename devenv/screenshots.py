"""``make screenshots``: the pictures of README and docs, taken from a running campaign.

Runs the demo's campaign on a database of its own and photographs it. Everything is made anew, so
the pictures show the product as it is in this checkout. ``ONLY=series`` takes only the pictures of
one of `PARTS`.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys

from . import (
    packages,
    postgres,
    run,
    screenshots_audience,
    screenshots_consent,
    screenshots_series,
    setup,
    venv,
)
from .common import ADDON, LOGS, ROOT, STATE, SetupError, main, remove, say, step

IMAGES = ROOT / "docs" / "images"
#: what the Apps menu shows; an addon carries its own copy
DESCRIPTION = ROOT / ADDON / "static" / "description"
#: name of a picture -> its name in the description
DESCRIBING = {
    "audience": "audience",
    "template": "template",
    "estimate": "estimate",
    "task-after": "task",
    "effectiveness": "effectiveness",
    "suppressed": "suppressed",
    "series": "series",
    "preferences": "preferences",
}
BANNER = ROOT / "devenv" / "banner.html"
BANNER_SIZE = (1120, 560)
DATABASE = "directmail_screenshots"
#: parts of the documentation whose pictures can be taken alone, each after a campaign
PARTS = {
    "audience": screenshots_audience.take,
    "consent": screenshots_consent.take,
    "series": screenshots_series.take,
}
#: holds the process id of the run that has set everything up: only its own `exec` keeps that
READY = "DEVENV_SCREENSHOTS_READY"
#: package -> a character that the demo's names and letter need a font for
FONTS = {"fonts-wqy-microhei": "茶", "fonts-noto-color-emoji": "🍃"}
BUILDER_READY = """() => {
    const frame = document.querySelector(".o_field_widget[name=body_arch] iframe");
    return !!frame?.contentDocument?.querySelector(".o_mail_wrapper p");
}"""
#: somebody who clicked, by the start of the address, has the most to show in the emulator
SEARCH_CLICKED = """
    const search = document.querySelector("#inbox-search");
    search.value = "click.";
    search.dispatchEvent(new Event("input"));
"""
CLICKED_SHOWN = """() => {
    const mails = [...document.querySelectorAll("#mails button")];
    return mails.length && mails.every((mail) => mail.textContent.startsWith("click."));
}"""


def command():
    """Set everything up, then go on with the Python that was set up."""
    if os.environ.get(READY) != str(os.getpid()):
        check_part(os.environ.get("ONLY"))
        setup.ensure()
        ensure_fonts()
        found = {**run.environment(), READY: str(os.getpid())}
        os.chdir(ROOT)
        os.execve(venv.PYTHON, [str(venv.PYTHON), "-m", "devenv.screenshots"], found)
    signal.signal(signal.SIGTERM, lambda *_details: sys.exit(1))
    postgres.start()
    take_pictures()


def check_part(only):
    """Refuse a part that has no pictures of its own. :raise SetupError: with the parts"""
    if only and only not in PARTS:
        raise SetupError(f"ONLY={only} is none of {', '.join(PARTS)}")


def ensure_fonts():
    """Install the fonts without which Chinese names and emoji would be empty boxes."""
    packages.ensure({"fontconfig": lambda: shutil.which("fc-list")})
    packages.ensure(
        {name: lambda letter=letter: has_font(letter) for name, letter in FONTS.items()}
    )


def has_font(letter):
    """Tell whether some font of this machine has a character."""
    query = ["fc-list", f":charset={ord(letter):x}"]
    return bool(subprocess.run(query, capture_output=True, check=True).stdout.strip())


def take_pictures():
    """Run a campaign and write every picture."""
    from directmail_emulator.testing import Emulator, EmulatorError

    from . import demo_campaign, demo_server
    from .browser import Browser

    # the demo's own database stays as it is, and so does a demo that is running
    demo_server.DATABASE = DATABASE
    demo_server.LOG = LOGS / "screenshots-odoo.log"
    odoo = demo_server.OdooServer(demo_server.choose_port("PORT"))
    with step("making a database"):
        demo_server.make_database()
        demo_server.seed_database(odoo.url)
    data = STATE / "screenshots-emulator"
    remove(data)
    try:
        with Emulator(data=data) as emulator, contextlib.closing(odoo):
            with step("running the campaign"):
                odoo.start()
                campaign = demo_campaign.Campaign(odoo.url, emulator)
                campaign.run()
            with step("taking pictures"), Browser() as browser:
                photographer = Photographer(browser, odoo.url, campaign)
                if only := os.environ.get("ONLY"):
                    IMAGES.mkdir(parents=True, exist_ok=True)
                    PARTS[only](photographer, campaign, emulator)
                else:
                    photographer.take_all(emulator)
    except EmulatorError as error:
        raise SetupError(f"the emulator: {error} (details: {data / 'emulator.log'})") from error


class Photographer:
    """Takes the pictures of a finished campaign.

    :param browser: a `browser.Browser`
    :param str url: of Odoo
    :param campaign: a `demo_campaign.Campaign` that has run
    """

    def __init__(self, browser, url, campaign):
        self.browser = browser
        self.url = url
        self._campaign = campaign

    def take_all(self, emulator):
        from . import demo_data, demo_server

        IMAGES.mkdir(parents=True, exist_ok=True)
        campaign = self._campaign
        user = demo_server.User(self.url, "marketing", demo_data.PASSWORD)
        template = user.call(
            "directmail.template", "copy", [campaign.template], {"name": "Summer letter"}
        )[0]
        draft = user.call(
            "directmail.task",
            "copy",
            [campaign.task],
            {"name": "Spring letter, once more", "template_id": campaign.template},
        )[0]

        self.browser.log_in(self.url, "admin", "admin")
        self.open("directmail_account_action", campaign.account)
        self.save("account")
        self._limit_mails()
        self.browser.open(
            f"{self.url}/odoo/action-{ADDON}.directmail_fatigue_action_open",
            ".o_form_view .o_data_row",
        )
        self.save("fatigue")

        self.browser.log_in(self.url, "marketing", demo_data.PASSWORD)
        counted = ".o_directmail_people"
        self.open("directmail_audience_action", campaign.audience, counted)
        self.save("audience")
        for name in ("rfm", "aipl"):
            [model] = user.call(f"directmail.{name}.model", "search", [], limit=1)
            self.open(f"directmail_{name}_model_action", model, ".o_form_view .o_data_row")
            self.save(name)
        self.browser.open(
            f"{self.url}/odoo/action-{ADDON}.directmail_template_action", ".o_kanban_record"
        )
        self.save("templates")
        self.open("directmail_template_action", template, BUILDER_READY)
        self.save("template")
        self.open("directmail_task_action", draft)
        self.save("task-before")
        self.browser.click("button[name=action_open_estimate]", ".modal-body .o_form_view")
        self.save("estimate")
        test = self._take_test()
        self._take_control(test)
        self.open("directmail_task_action", campaign.task)
        self.save("task-after")
        self.browser.click("button[name=action_view_deliveries]", ".o_group_header")
        self.browser.click(".o_group_header", ".o_data_row")
        self.save("people")
        self.open("directmail_task_action", campaign.task)
        self.browser.click(
            "button[name=action_view_deliveries]:has([name=suppressed_count])",
            ".o_list_view .o_data_row, .o_group_header",
        )
        self.save("suppressed")
        self.open("directmail_task_action", campaign.task)
        self.browser.run("document.querySelector('.o_directmail_effectiveness').scrollIntoView();")
        self.save("effectiveness")
        self.browser.open(
            f"{self.url}/odoo/action-{ADDON}.directmail_overview_action", ".container-xxl table"
        )
        self.save("overview")

        for take in PARTS.values():
            take(self, campaign, emulator)
        self._take_first_contact(emulator)
        self.browser.open(f"{emulator.admin}/", "#mails button")
        self.browser.run(SEARCH_CLICKED)
        self.browser.wait(CLICKED_SHOWN)
        self.browser.click("#mails button", "#mail iframe")
        self.save("emulator")
        self._describe()

    def _take_test(self):
        """An A/B test before it is sent, and with its results. :return: its id"""
        task = self._campaign.make_test()
        for name in ("versions", "versions-results"):
            self.open("directmail_task_action", task, ".o_directmail_version iframe")
            self.browser.run("document.querySelector('.o_directmail_versions').scrollIntoView();")
            self.save(name)
            if name == "versions":
                self._campaign.run_test(task)
        return task

    def _take_control(self, test):
        """A control group before it is sent, and the page of its campaign, as an administrator."""
        from . import demo_data

        task, campaign = self._campaign.make_control(test)
        self.browser.log_in(self.url, "admin", "admin")
        self.open("directmail_task_action", task)
        self.browser.click(".o_notebook .nav-link[name=settings]", "[name=control_share]")
        self.browser.run("document.querySelector('[name=control_share]').scrollIntoView();")
        self.save("control")
        self._campaign.run_control(task, 90, 9)
        self.browser.open(
            f"{self.url}/odoo/action-utm.utm_campaign_action/{campaign}", ".o_form_view"
        )
        self.save("campaign")
        self.browser.log_in(self.url, "marketing", demo_data.PASSWORD)

    def _describe(self):
        """Copy pictures into the addon's description and take its banner, which shows one."""
        for name, copied in DESCRIBING.items():
            shutil.copyfile(IMAGES / f"{name}.png", DESCRIPTION / f"{copied}.png")
        self.browser.resize(*BANNER_SIZE)
        self.browser.open(BANNER.as_uri(), "figure img")
        self.browser.picture(DESCRIPTION / "banner.png")

    def _take_first_contact(self, emulator):
        """First contact on an account whose DirectMail is unlike what is assumed."""
        from . import demo_server, first_contact

        admin = demo_server.User(self.url, "admin", "admin")
        admin.call("res.users", "write", [admin.id], {"email": "administrator@azure.example"})
        account = first_contact.make_account(admin, emulator, "newsletter", first_contact.UNLIKE)
        self.browser.log_in(self.url, "admin", "admin")
        first_contact.Walk(
            self.browser,
            self.url,
            admin,
            emulator,
            account,
            lambda name: self.save(f"first-contact-{name}"),
        ).run()

    def _limit_mails(self):
        """As the administrator: two emails a week, five messages of any kind a month."""
        from . import demo_server

        admin = demo_server.User(self.url, "admin", "admin")
        opened = admin.call("directmail.fatigue", "action_open")
        rules = admin.read("directmail.fatigue", opened["res_id"], "rule_ids")["rule_ids"]
        for rule in rules:
            span = admin.read("directmail.fatigue.rule", rule, "span")["span"]
            if span in ("week", "month"):
                field, number = {"week": ("email_limit", 2), "month": ("global_limit", 5)}[span]
                admin.call("directmail.fatigue.rule", "write", [rule], {field: number})

    def open(self, action, record, wanted=".o_form_view"):
        """Open a record of this addon by an action, and wait for what is wanted."""
        self.browser.open(f"{self.url}/odoo/action-{ADDON}.{action}/{record}", wanted)

    def save(self, name):
        """Write what is seen to the picture with a name."""
        path = IMAGES / f"{name}.png"
        self.browser.picture(path)
        say(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main(command)
