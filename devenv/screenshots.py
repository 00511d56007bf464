"""``make screenshots``: the pictures of README and docs, taken from a running campaign.

Runs the demo's campaign on a database of its own and photographs it. Everything is made anew, so
the pictures show the product as it is in this checkout.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys

from . import packages, postgres, run, setup, venv
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
}
BANNER = ROOT / "devenv" / "banner.html"
BANNER_SIZE = (1120, 560)
DATABASE = "directmail_screenshots"
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
        setup.ensure()
        ensure_fonts()
        found = {**run.environment(), READY: str(os.getpid())}
        os.chdir(ROOT)
        os.execve(venv.PYTHON, [str(venv.PYTHON), "-m", "devenv.screenshots"], found)
    signal.signal(signal.SIGTERM, lambda *_details: sys.exit(1))
    postgres.start()
    take_pictures()


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
                Photographer(browser, odoo.url, campaign).take_all(emulator)
    except EmulatorError as error:
        raise SetupError(f"the emulator: {error} (details: {data / 'emulator.log'})") from error


class Photographer:
    """Takes the pictures of a finished campaign.

    :param browser: a `browser.Browser`
    :param str url: of Odoo
    :param campaign: a `demo_campaign.Campaign` that has run
    """

    def __init__(self, browser, url, campaign):
        self._browser = browser
        self._url = url
        self._campaign = campaign

    def take_all(self, emulator):
        from . import demo_data, demo_server

        IMAGES.mkdir(parents=True, exist_ok=True)
        campaign = self._campaign
        user = demo_server.User(self._url, "marketing", demo_data.PASSWORD)
        template = user.call(
            "directmail.template", "copy", [campaign.template], {"name": "Summer letter"}
        )[0]
        draft = user.call(
            "directmail.task",
            "copy",
            [campaign.task],
            {"name": "Spring letter, once more", "template_id": campaign.template},
        )[0]

        self._browser.log_in(self._url, "admin", "admin")
        self._open("directmail_account_action", campaign.account)
        self._save("account")
        self._limit_mails()
        self._browser.open(
            f"{self._url}/odoo/action-{ADDON}.directmail_fatigue_action_open",
            ".o_form_view .o_data_row",
        )
        self._save("fatigue")

        self._browser.log_in(self._url, "marketing", demo_data.PASSWORD)
        counted = ".o_directmail_people"
        self._open("directmail_audience_action", campaign.audience, counted)
        self._save("audience")
        for name in ("rfm", "aipl"):
            [model] = user.call(f"directmail.{name}.model", "search", [], limit=1)
            self._open(f"directmail_{name}_model_action", model, ".o_form_view .o_data_row")
            self._save(name)
        self._browser.open(
            f"{self._url}/odoo/action-{ADDON}.directmail_template_action", ".o_kanban_record"
        )
        self._save("templates")
        self._open("directmail_template_action", template, BUILDER_READY)
        self._save("template")
        self._open("directmail_task_action", draft)
        self._save("task-before")
        self._browser.click("button[name=action_open_estimate]", ".modal-body .o_form_view")
        self._save("estimate")
        test = self._take_test()
        self._take_control(test)
        self._open("directmail_task_action", campaign.task)
        self._save("task-after")
        self._browser.click("button[name=action_view_deliveries]", ".o_group_header")
        self._browser.click(".o_group_header", ".o_data_row")
        self._save("people")
        self._open("directmail_task_action", campaign.task)
        self._browser.click(
            "button[name=action_view_deliveries]:has([name=suppressed_count])",
            ".o_list_view .o_data_row, .o_group_header",
        )
        self._save("suppressed")
        self._open("directmail_task_action", campaign.task)
        self._browser.run("document.querySelector('.o_directmail_effectiveness').scrollIntoView();")
        self._save("effectiveness")
        self._browser.open(
            f"{self._url}/odoo/action-{ADDON}.directmail_overview_action", ".container-xxl table"
        )
        self._save("overview")

        self._take_first_contact(emulator)
        self._browser.open(f"{emulator.admin}/", "#mails button")
        self._browser.run(SEARCH_CLICKED)
        self._browser.wait(CLICKED_SHOWN)
        self._browser.click("#mails button", "#mail iframe")
        self._save("emulator")
        self._describe()

    def _take_test(self):
        """An A/B test before it is sent, and with its results. :return: its id"""
        task = self._campaign.make_test()
        for name in ("versions", "versions-results"):
            self._open("directmail_task_action", task, ".o_directmail_version iframe")
            self._browser.run("document.querySelector('.o_directmail_versions').scrollIntoView();")
            self._save(name)
            if name == "versions":
                self._campaign.run_test(task)
        return task

    def _take_control(self, test):
        """A control group before it is sent, and the page of its campaign, as an administrator."""
        from . import demo_data

        task, campaign = self._campaign.make_control(test)
        self._browser.log_in(self._url, "admin", "admin")
        self._open("directmail_task_action", task)
        self._browser.click(".o_notebook .nav-link[name=settings]", "[name=control_share]")
        self._browser.run("document.querySelector('[name=control_share]').scrollIntoView();")
        self._save("control")
        self._campaign.run_control(task, 90, 9)
        self._browser.open(
            f"{self._url}/odoo/action-utm.utm_campaign_action/{campaign}", ".o_form_view"
        )
        self._save("campaign")
        self._browser.log_in(self._url, "marketing", demo_data.PASSWORD)

    def _describe(self):
        """Copy pictures into the addon's description and take its banner, which shows one."""
        for name, copied in DESCRIBING.items():
            shutil.copyfile(IMAGES / f"{name}.png", DESCRIPTION / f"{copied}.png")
        self._browser.resize(*BANNER_SIZE)
        self._browser.open(BANNER.as_uri(), "figure img")
        self._browser.picture(DESCRIPTION / "banner.png")

    def _take_first_contact(self, emulator):
        """First contact on an account whose DirectMail is unlike what is assumed."""
        from . import demo_server, first_contact

        admin = demo_server.User(self._url, "admin", "admin")
        admin.call("res.users", "write", [admin.id], {"email": "administrator@azure.example"})
        account = first_contact.make_account(admin, emulator, "newsletter", first_contact.UNLIKE)
        self._browser.log_in(self._url, "admin", "admin")
        first_contact.Walk(
            self._browser,
            self._url,
            admin,
            emulator,
            account,
            lambda name: self._save(f"first-contact-{name}"),
        ).run()

    def _limit_mails(self):
        """As the administrator: two emails a week, five messages of any kind a month."""
        from . import demo_server

        admin = demo_server.User(self._url, "admin", "admin")
        opened = admin.call("directmail.fatigue", "action_open")
        rules = admin.read("directmail.fatigue", opened["res_id"], "rule_ids")["rule_ids"]
        for rule in rules:
            span = admin.read("directmail.fatigue.rule", rule, "span")["span"]
            if span in ("week", "month"):
                field, number = {"week": ("email_limit", 2), "month": ("global_limit", 5)}[span]
                admin.call("directmail.fatigue.rule", "write", [rule], {field: number})

    def _open(self, action, record, wanted=".o_form_view"):
        self._browser.open(f"{self._url}/odoo/action-{ADDON}.{action}/{record}", wanted)

    def _save(self, name):
        path = IMAGES / f"{name}.png"
        self._browser.picture(path)
        say(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main(command)
