"""First contact, walked through in the browser by its buttons, as an administrator does."""

from directmail_emulator.behaviors import BEHAVIORS

#: what is unlike the default on the account of the pictures
UNLIKE = {"value_escaping": "html", "subject_source": "template", "stored_text": "crlf"}


def make_account(user, emulator, name, behaviors):
    """Make an account whose DirectMail behaves in some ways, and return its id.

    :param user: an administrator's `demo_server.User`
    :param behaviors: {name: value of the emulator's setting}
    """
    key, domain = f"LTAI{name.upper()}", f"{name}.example.com"
    settings = {}
    for behavior in BEHAVIORS:
        if behavior.name in behaviors:
            [(section, values)] = behavior.changes(behaviors[behavior.name]).items()
            settings.setdefault(section, {}).update(values)
    emulator.create_account(
        key,
        "its-secret",
        daily_quota=2000,
        senders=[
            {"address": f"news@{domain}", "type": "batch", "reply_address": f"office@{domain}"}
        ],
        domains=[{"name": domain, "dmarc": False}],
        settings=settings,
    )
    account = user.create(
        "directmail.account",
        name=name.capitalize(),
        connection="test",
        endpoint=emulator.endpoint,
        access_key_id=key,
        access_key_secret="its-secret",
        public_url="https://www.example.com",
    )
    user.call("directmail.account", "action_activate", [account])
    return account


class Walk:
    """The page of one account.

    :param browser: a `browser.Browser`, logged in as an administrator
    :param user: that administrator's `demo_server.User`
    :param save: function that takes a picture by its name
    """

    def __init__(self, browser, url, user, emulator, account, save):
        self.browser, self.user, self.emulator, self.save = browser, user, emulator, save
        browser.open(
            f"{url}/odoo/action-email_marketing_dm.directmail_account_action/{account}",
            "button[name=action_first_contact]",
        )
        browser.click("button[name=action_first_contact]", "button[name=action_run]")
        [self.number] = user.call(
            "directmail.first.contact", "search", [("account_id", "=", account)]
        )

    def read(self, name):
        return self.user.read("directmail.first.contact", self.number, name)[name]

    def press(self, name, wanted):
        self.browser.click(f".o_form_view button[name={name}]", wanted)

    def run(self):
        """Press every button that it takes, and answer what is seen in the emulator's inbox."""
        self.press("action_run", ".badge")
        self.save("steps")
        templates = [
            row for row in self.emulator.templates() if row["name"].startswith("First contact")
        ]
        for row in templates:
            self.emulator.approve(row["id"])
        if templates:
            self.press("action_run", "div[name=answer_name]")
        self.save("questions")
        for _time in range(2):
            self.emulator.flush_outcomes()
            self._answer()
            if self.read("state") != "asked":
                break
        self.emulator.flush_outcomes()
        if self.read("state") == "waiting":
            self.press("action_run", ".badge")
        self.browser.click("a[name=behaviors]", "[name=behavior_ids] .o_data_row")
        self.save("behaviors")
        return self.read("state")

    def _answer(self):
        mail = self.emulator.mail(self._newest()["env_id"])
        first = mail["html"].partition("Hello ")[2].partition(",</p>")[0]
        shown = "codes" if "&amp;#" in first else "right"
        subject = "template" if "subject A" in mail["subject"] else "call"
        for field, value in (
            ("answer_name", shown),
            ("answer_subject", subject),
            ("answer_emoji", "yes"),
            ("answer_direction", "yes"),
            ("answer_reply", "yes"),
        ):
            self.browser.click(
                f"div[name={field}] input[data-value={value}]",
                f"div[name={field}] input[data-value={value}]:checked",
            )
        self.press("action_answer", ".o_form_view .badge")

    def _newest(self):
        _number, sender = self.read("sender_id")
        return self.emulator.ledger(sender=sender)[-1]
