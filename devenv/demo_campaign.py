"""The demo's campaign, done as its users would do it, through Odoo's own routes."""

import time
from pathlib import Path

from directmail_emulator import testing

from . import demo_data, demo_server
from .common import SetupError, say

NEWSLETTER = Path(__file__).with_name("demo_newsletter.html")
COMMENT = "Looks good: real sender, postal address, unsubscribe link. Have a nice campaign!"
#: seconds that sending and results may take on a busy machine
SEND_SECONDS = 300
RESULT_SECONDS = 60


class Campaign:
    """One campaign, from the account to the last result.

    :param url: of Odoo
    :param emulator: a running `directmail_emulator.testing.Emulator`
    """

    def __init__(self, url, emulator):
        self._url = url
        self._emulator = emulator
        self._user = None  # the marketing user, logged in
        self.account = self.audience = self.template = self.task = None  # record ids
        self.review_comment = None

    def run(self):
        """Do it all. :raise SetupError: with the sentence that the user would have seen"""
        self.connect_account()
        self._user = demo_server.User(self._url, "marketing", demo_data.PASSWORD)
        self.make_audience()
        self.make_template()
        self.have_it_approved()
        self.send()
        self.wait_until_sent()
        self.collect_results()

    def connect_account(self):
        """As the administrator: enter the keys, test, activate."""
        admin = demo_server.User(self._url, "admin", "admin")
        self.account = admin.create(
            "directmail.account",
            name="Northlight Tea",
            region=testing.REGION,
            connection="test",
            endpoint=self._emulator.endpoint,
            access_key_id=testing.ACCESS_KEY_ID,
            access_key_secret=testing.ACCESS_KEY_SECRET,
            public_url=self._url,
            tz="Asia/Singapore",
        )
        admin.call("directmail.account", "action_test_connection", [self.account])
        admin.call("directmail.account", "action_activate", [self.account])

    def make_audience(self):
        """As the marketing user: everybody who asked for the newsletter."""
        [category] = self._user.call(
            "res.partner.category", "search", [("name", "=", demo_data.NEWSLETTER)]
        )
        self.audience = self._user.create(
            "directmail.audience",
            name="Newsletter readers",
            line_ids=[(0, 0, {"domain": f'[("category_id", "in", [{category}])]'})],
            visibility="public",
        )
        self._user.call("directmail.audience", "action_refresh", [self.audience])

    def make_template(self):
        body = NEWSLETTER.read_text(encoding="utf-8")
        self.template = self._user.create(
            "directmail.template",
            name="Spring letter",
            account_id=self.account,
            subject="{{ object.name ||| Tea friend }}, the first spring tea is here 🍃",
            sender_name="Northlight Tea",
            body_arch=body,
            body_html=body,
        )
        self._user.call("directmail.template", "action_submit", [self.template])

    def have_it_approved(self):
        """Have the campaign's template approved and keep the reviewer's comment."""
        self.review_comment = self.approve(self.template)

    def approve(self, template):
        """As somebody at Alibaba Cloud: approve a template. Then ask for the decision in Odoo.

        :return: the reviewer's comment, as the user sees it
        """
        name = self._user.read("directmail.template", template, "remote_name")["remote_name"]
        waiting = [row for row in self._emulator.templates() if row["name"] == name]
        if len(waiting) != 1:
            raise SetupError(f"the emulator has {len(waiting)} templates named {name}, not 1")
        self._emulator.approve(waiting[0]["id"], COMMENT)
        self._user.call("directmail.template", "action_check_review", [template])
        found = self._user.read("directmail.template", template, "state", "review_comment")
        if found["state"] != "approved":
            raise SetupError(f"the template is {found['state']} after its approval")
        return found["review_comment"]

    def send(self):
        [sender] = self._user.call(
            "directmail.sender",
            "search",
            [("account_id", "=", self.account), ("ready", "=", True)],
            limit=1,
        )
        self.task = self._user.create(
            "directmail.task",
            name="Spring letter to our readers",
            account_id=self.account,
            audience_ids=[(6, 0, [self.audience])],
            template_id=self.template,
            sender_id=sender,
        )
        self._user.call("directmail.task", "action_send", [self.task])

    def make_test(self):
        """Make an A/B test of the campaign's mail with another subject. :return: the task's id"""
        task = self._user.call(
            "directmail.task",
            "copy",
            [self.task],
            {"name": "Spring letter: two subjects", "test_share": 50},
        )[0]
        self._user.create(
            "directmail.task.version",
            task_id=task,
            letter="B",
            subject="Only this week: spring tea 🍃",
        )
        return task

    def run_test(self, task):
        """Send an A/B test and wait until the mails of the test group are out and have results."""
        self._user.call("directmail.task", "action_send", [task])
        versions = self._user.call(
            "directmail.task.version",
            "search_read",
            [("task_id", "=", task), ("template_id", "!=", False)],
            ["template_id"],
        )
        for version in versions:
            self.approve(version["template_id"][0])
        end = time.monotonic() + SEND_SECONDS
        while self._user.call("directmail.task", "get_test_results", [task])["state"] != "waiting":
            if time.monotonic() > end:
                raise SetupError(f"the test group is not mailed after {SEND_SECONDS} s")
            time.sleep(0.5)
        self.collect_results(task)

    def make_control(self, test):
        """As the administrator: a task with a control group, in a campaign with an A/B test.

        :return: ids of the task and of the campaign
        """
        admin = demo_server.User(self._url, "admin", "admin")
        [orders] = admin.call(
            "directmail.data.table", "search", [("preset", "=", "sale_orders")], limit=1
        )
        campaign = admin.create("utm.campaign", title="The first harvest")
        self._user.call("directmail.task", "write", [test], {"campaign_id": campaign})
        task = admin.call(
            "directmail.task",
            "copy",
            [self.task],
            {
                "name": "Spring letter, with a control group",
                "campaign_id": campaign,
                "control_share": 20,
                "conversion_table_id": orders,
                "user_id": admin.id,
            },
        )[0]
        return task, campaign

    def run_control(self, task, mailed, control):
        """Send a task with a control group, and let so many people of each group buy something."""
        admin = demo_server.User(self._url, "admin", "admin")
        # The frequency limits of the pictures leave nobody for a third mail in a week.
        admin.call("directmail.task", "write", [task], {"ignore_fatigue": True})
        admin.call("directmail.task", "action_send", [task])
        self.wait_until_sent(task, admin)
        self.collect_results(task, admin)
        [product] = admin.call("product.product", "search", [("sale_ok", "=", True)], limit=1)
        for group, number in (("mail", mailed), ("control", control)):
            people = admin.call(
                "directmail.delivery",
                "search_read",
                [
                    ("task_id", "=", task),
                    ("assignment", "=", group),
                    ("partner_id", "!=", False),
                ],
                ["partner_id"],
                limit=number,
            )
            line = (0, 0, {"product_id": product, "product_uom_qty": 2})
            bought = admin.call(
                "sale.order",
                "create",
                [
                    {"partner_id": person["partner_id"][0], "order_line": [line]}
                    for person in people
                ],
            )
            admin.call("sale.order", "action_confirm", bought)
        admin.call("directmail.task", "action_count_conversions", [task])

    def wait_until_sent(self, task=None, user=None):
        """Wait while Odoo's own cron sends a task, by default the campaign's, that a user reads."""
        task, user = task or self.task, user or self._user
        end = time.monotonic() + SEND_SECONDS
        told = time.monotonic()
        while time.monotonic() < end:
            found = user.read(
                "directmail.task",
                task,
                "state",
                "state_message",
                "sent_count",
                "waiting_count",
            )
            if found["state"] == "done":
                return
            if found["state"] not in ("pending", "sending"):
                raise SetupError(f"the email task is {found['state']}: {found['state_message']}")
            if time.monotonic() - told > 10:
                told = time.monotonic()
                say(f"{found['sent_count']:,} mails sent, {found['waiting_count']:,} are waiting")
            time.sleep(0.5)
        raise SetupError(f"the email task is not done after {SEND_SECONDS} s")

    def collect_results(self, task=None, user=None):
        """Ask for results until every mail that was sent has one, or the time is up."""
        task, user = task or self.task, user or self._user
        end = time.monotonic() + RESULT_SECONDS
        while time.monotonic() < end:
            user.call("directmail.task", "action_import_results", [task])
            left = user.call(
                "directmail.delivery",
                "search_count",
                [("task_id", "=", task), ("state", "=", "sent"), ("outcome", "=", False)],
            )
            if not left:
                break
            time.sleep(1)
        # those who read to the end and unsubscribe are the last to act
        self._emulator.flush_outcomes()

    def shown(self):
        """Return the figures that the marketing user sees on the task: {field: number}."""
        fields = [f"{name}_count" for name in SHOWN]
        found = self._user.read("directmail.task", self.task, *fields)
        return {name: found[f"{name}_count"] for name in SHOWN}


SHOWN = (
    "people",
    "suppressed",
    "waiting",
    "sending",
    "unknown",
    "sent",
    "refused",
    "not_sent",
    "cancelled",
    "delivered",
    "failed",
    "invalid",
    "spam",
)
