"""First contact and a small campaign, on a DirectMail that behaves in one way or another."""

import copy
import html

from directmail_emulator.behaviors import BEHAVIORS
from tests.server.common.odoo_server import PATIENCE, RpcError, wait_until

PEOPLE = 30
#: what people are called; each has signs that HTML, URLs, JSON or templates give a meaning to
NAMES = (
    "O'Brien & Sons", 'Zoë "Zo" <b>', "100 % + {Name}", "李小龍 😀", "שלום עולם", "Ann;Bob\\n",
)  # fmt: skip
SEEN = {"O&#x27;Brien &amp; Sons": "right", "O'Brien & Sons": "right"}


def all_others():
    """Return [(behavior, value)] of every value that is not the emulator's default."""
    return [
        (behavior, value)
        for behavior in BEHAVIORS
        for value in behavior.values
        if value != behavior.default
    ]


def open_branch(shop, number, changes, push=False):
    """Return the company with an account of its own, whose DirectMail behaves as ``changes`` say.

    :param dict changes: settings of the emulator
    :param bool push: have its events pushed to the server
    """
    key, secret, domain = f"LTAIWAY{number}", f"secret-{number}", f"way{number}.example"
    details = {
        "daily_quota": 10**6,
        "senders": [{"address": f"news@{domain}", "type": "batch"}],
        "domains": [{"name": domain}],
        "settings": changes,
        "enable_eventbridge": push,
    }
    shop.emulator.create_account(key, secret, **details)
    branch = copy.copy(shop)
    branch.key = key
    branch.account = shop._make_account(f"Way {number}", key, secret)
    branch.sender = branch.template = None
    if push:
        told = shop.admin.read("directmail.account", branch.account, "push_url", "push_token")
        url = told["push_url"].replace("https://www.example.com", shop.server.url)
        shop.emulator.configure_account(
            key, webhook={"url": url, "token": told["push_token"]}, settings=changes
        )
    branch.refusal = ""
    try:
        branch.activate()
    except RpcError as error:  # its template can't be submitted
        branch.refusal = str(error)
    return branch


class FirstContact:
    """An administrator who walks through the page, and looks into the mailbox."""

    def __init__(self, shop):
        self.shop = shop
        action = shop.admin.call("directmail.account", "action_first_contact", [[shop.account]])
        self.number = action["res_id"]

    def press(self, name):
        self.shop.admin.call("directmail.first.contact", f"action_{name}", [[self.number]])

    def read(self, *names):
        return self.shop.root.read("directmail.first.contact", self.number, *names)

    def steps(self):
        """Return {step: (state, message)}."""
        numbers = self.read("step_ids")["step_ids"]
        rows = self.shop.root.call(
            "directmail.first.contact.step", "read", [numbers, ["name", "state", "message"]]
        )
        return {row["name"]: (row["state"], row["message"]) for row in rows}

    def found(self):
        """Return {behavior: value} of what was found."""
        rows = self.shop.admin.call(
            "directmail.behavior",
            "search_read",
            [[("account_id", "=", self.shop.account)], ["name", "observed"]],
        )
        return {row["name"]: row["observed"] for row in rows if row["observed"]}

    def walk(self):
        """Go through all of it: reviewers approve, the mail is looked at, its delivery comes."""
        emulator = self.shop.emulator
        self.press("run")
        ref = self.read("remote_ref")["remote_ref"]
        if ref:
            emulator.approve(ref)
            self.press("run")
        for _mail in range(2):  # a second one if an answer has changed how mails are made
            if self.wait_for("eyes") == "asked":
                emulator.flush_outcomes()
                self.answer()
        self.wait()
        return self.steps()

    def wait_for(self, name, seconds=PATIENCE):
        """Return a step's state once it has begun: the cron may be carrying out those before it."""

        def find_state():
            state = self.steps()[name][0]
            return state not in ("todo", "running") and state

        return wait_until(
            find_state,
            lambda: f"{name} does not begin: {self.steps()}",
            lambda: self.press("run"),
            seconds,
        )

    def wait(self, seconds=PATIENCE):
        """Press *Check now* until all that DirectMail has to say has come."""

        def check_now():
            self.shop.emulator.flush_outcomes()
            self.shop.server.wake_crons()  # one of them reads the events
            self.press("run")

        wait_until(
            lambda: self.read("state")["state"] != "waiting",
            lambda: (
                f"still waiting: {self.steps()}, events: {self.shop.emulator.get('/api/events')}"
            ),
            check_now,
            seconds,
        )

    def answer(self):
        """Answer as somebody does who looks at the newest mail."""
        tag = self.read("tag_name")["tag_name"]
        mail = self.shop.emulator.mail(self.shop.emulator.ledger(tag=tag)[-1]["env_id"])
        first = mail["html"].partition("Hello ")[2].partition(",</p>")[0]
        subject = {"A": "template", "B": "call"}.get(mail["subject"][23:24], "other")
        self.shop.admin.call(
            "directmail.first.contact",
            "write",
            [
                [self.number],
                {
                    "answer_name": SEEN.get(first, "codes" if "&amp;#" in first else "other"),
                    "answer_subject": subject,
                    "answer_emoji": "yes",
                    "answer_direction": "yes",
                    "answer_reply": "skip",
                },
            ],
        )
        self.press("answer")


def send_campaign(shop, group):
    """Send a task to 30 people with delicate names.

    :return: (`Books`, the task's state, what it says, what is wrong with what people read)
    """
    shop.add_people(group, PEOPLE)
    rows = shop.server.query("SELECT id, email FROM res_partner WHERE ref = %s", group)
    people = {}
    for number, (partner, email) in enumerate(rows):
        people[email] = name = f"{NAMES[number % len(NAMES)]} {number}"
        shop.server.query(
            "UPDATE res_partner SET name = %s, complete_name = %s WHERE id = %s",
            name,
            name,
            partner,
        )
    task = shop.make_task(group)
    shop.act(task, "send")
    state = shop.wait(task, "done", "paused", "failed")
    books = shop.check(task, PEOPLE)
    if state != "done":
        told = shop.read(task, "state_message")["state_message"]
        return books, state, told, []
    wrong = [] if books.states == {"sent": PEOPLE} else [f"{books.states}"]
    for row in shop.emulator.ledger(tag=shop.tag(task)):
        wrong += _find_faults(shop.emulator.mail(row["env_id"]), people[row["to"]])
    return books, state, "", wrong


def _find_faults(mail, name):
    """Return what somebody of this name reads that is not as it was written."""
    first = mail["html"].partition("Dear ")[2].partition(",</p>")[0]
    faults = []
    if html.unescape(first) != name:
        faults.append(f"{name!r} reads {html.unescape(first)!r}")
    if mail["subject"] != f"News for {name}":
        faults.append(f"{name!r} has the subject {mail['subject']!r}")
    return faults
