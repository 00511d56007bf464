"""Records for a look at every page of the addon: of each model some, in the states that matter."""

import base64
import re

import requests

from tests.server.common.odoo_server import PATIENCE, wait_until

#: matched, created, a duplicate, one without a contact
LIST = "Email,Name\np-guests-1@customer.example,Ada\nP-guests-1@customer.example,Ada\nnobody,Bob\n"
OPTOUTS = (
    "email,address_key,master_key,encrypted_email,company,sender,origin,reason,feedback,since\n"
    "somebody@customer.example,,,,{company},,page,,Too many mails,2026-01-02 03:04:05\n"
)
FORMS = {
    "directmail.aes.key": {"key": "0123456789abcDEF"},
    "directmail.audience.folder": {"name": "Newsletters"},
    "directmail.seed.address": {"name": "Gmail", "email": "azure.interior.tests@gmail.com"},
}
AMOUNTS = (40, 250, 1200)


class World:
    """What there is to look at.

    :param shop: a `Shop` with an active account
    :ivar dict records: {model: id} of what a form shows
    """

    def __init__(self, shop):
        self._shop, self.records = shop, {}
        [self.module] = shop.root.call(
            "ir.module.module", "search", [[("name", "=", "email_marketing_dm")]]
        )
        shop.add_people("guests", 12)
        [self.partner] = shop.root.call(
            "res.partner", "search", [[("ref", "=", "guests")]], {"limit": 1, "order": "id"}
        )
        for model, values in FORMS.items():
            self._create(shop.admin, model, values)
        self._sort_customers()
        self._match_list()
        self._run_tasks()
        self._run_test()
        self._compare_groups()
        self._follow_series()
        self._unsubscribe()
        self._test_template()
        self._write_badly()
        self._set_limits()
        self._refuse_measuring()
        self._sign_up()

    def _create(self, user, model, values):
        self.records[model] = number = user.call(model, "create", [values])
        return number

    def _sort_customers(self):
        """An RFM and an AIPL model over orders and contacts, computed."""
        shop = self._shop
        people = shop.root.call("res.partner", "search", [[("ref", "=", "guests")]])
        product = shop.root.call("product.product", "create", [{"name": "Tea", "list_price": 10}])
        for partner, amount in zip(people, AMOUNTS, strict=False):
            line = (0, 0, {"product_id": product, "product_uom_qty": 1, "price_unit": amount})
            order = shop.root.call(
                "sale.order", "create", [{"partner_id": partner, "order_line": [line]}]
            )
            shop.root.call("sale.order", "action_confirm", [[order]])
        tables = {
            preset: shop.admin.call("directmail.data.table", "search", [[("preset", "=", preset)]])[
                0
            ]
            for preset in ("sale_orders", "contacts")
        }
        self.records["directmail.data.table"] = tables["sale_orders"]
        condition = {"stage": "p", "data_table_id": tables["sale_orders"], "days": 365}
        for model, values in (
            ("rfm", {"data_table_id": tables["sale_orders"]}),
            ("aipl", {"condition_ids": [(0, 0, condition)]}),
        ):
            name = f"directmail.{model}.model"
            number = self._create(shop.root, name, {"name": "Customers of the shop", **values})
            shop.root.call(name, "action_compute", [[number]])

    def upload_list(self):
        """Make an upload that is ready to be matched; return its id."""
        values = {
            "name": "Visitors of the spring fair",
            "file": encode(LIST),
            "filename": "visitors.csv",
            "consent_source": "event",
        }
        return self._shop.user.call("directmail.upload", "create", [values])

    def _match_list(self):
        shop = self._shop
        self.records["directmail.upload"] = upload = self.upload_list()
        shop.user.call("directmail.upload", "action_start", [[upload]])
        wait_until(
            lambda: shop.user.read("directmail.upload", upload, "state")["state"] == "done",
            "the list is not matched",
            shop.server.wake_crons,
        )

    def _run_tasks(self):
        """A task in every state: draft, scheduled, done with results, paused and failed."""
        shop = self._shop
        self.draft = shop.make_task("guests", name="Spring newsletter for all guests")
        self.incomplete = shop.user.call(
            "directmail.task", "create", [{"name": "Not ready yet", "account_id": shop.account}]
        )
        self.scheduled = shop.make_task(
            "guests",
            name="Summer sale: everything must go",
            send_type="scheduled",
            scheduled_at=self.get_time("12 days"),
        )
        shop.act(self.scheduled, "send")
        self.recurring = shop.make_task(
            "guests", name="Every Monday: news for our guests", send_type="repeat"
        )
        self._repeat()
        self.done = shop.make_task("guests", name="Winter letter")
        shop.act(self.done, "send")
        shop.wait(self.done, "done")
        shop.import_results(self.done)
        self.records["directmail.task"] = self.done
        [self.audience] = shop.user.read("directmail.task", self.done, "audience_ids")[
            "audience_ids"
        ]
        self.records["directmail.audience"] = self.audience
        [self.records["directmail.delivery"], *_others] = shop.user.call(
            "directmail.delivery", "search", [[("task_id", "=", self.done)]]
        )

    def _repeat(self):
        """A run that was made, and one that was skipped."""
        shop = self._shop
        shop.act(self.recurring, "send")
        shop.act(self.recurring, "run_now")
        shop.server.query(
            """INSERT INTO directmail_task_run (recurring_id, moment, is_made, note)
               VALUES (%s, now() AT TIME ZONE 'UTC' - interval '7 days', FALSE,
                       'Skipped, because the server was not running in time.')""",
            self.recurring,
        )
        [(run,)] = shop.server.query(
            "SELECT id FROM directmail_task WHERE recurring_id = %s", self.recurring
        )
        shop.wait(run, "done")

    def _run_test(self):
        """An A/B test before it is sent, and one whose test group has been mailed."""
        shop = self._shop
        self.test, self.tested = (
            shop.make_task("guests", name=f"A/B test of {what}", test_share=50)
            for what in ("subjects", "offers")
        )
        for task in (self.test, self.tested):
            values = {"task_id": task, "letter": "B", "subject": "Only this week: news for you"}
            [version] = shop.user.call("directmail.task.version", "create", [[values]])
        self.records["directmail.task.version"] = version
        template = shop.user.read("directmail.task.version", version, "template_id")
        shop.act(self.tested, "send")
        shop.review(template["template_id"][0])
        results = "directmail.task", "get_test_results", [[self.tested]]
        wait_until(
            lambda: shop.user.call(*results)["state"] == "waiting",
            "the test group is not mailed",
            shop.server.wake_crons,
        )

    def _compare_groups(self):
        """A control group before it is sent, one with figures, and a campaign of tests."""
        shop = self._shop
        self.campaign = shop.root.call("utm.campaign", "create", [{"title": "Spring and summer"}])
        self.control = shop.make_task("guests", name="Spring letter with a control group")
        table = self.records["directmail.data.table"]
        shop.server.query(
            "UPDATE directmail_task SET control_share = 10, conversion_table_id = %s WHERE id = %s",
            table,
            self.control,
        )
        shop.server.query(
            """UPDATE directmail_task SET control_share = 10, conversion_table_id = %s,
                      uplift_groups = '{"mail": [9000, 340, 10000, 500000, 30000000],
                                        "control": [1000, 21, 700, 40000, 3000000]}'
                WHERE id = %s""",
            table,
            self.done,
        )
        tasks = [self.done, self.test, self.tested]
        shop.server.query(
            "UPDATE directmail_task SET campaign_id = %s WHERE id = ANY(%s)", self.campaign, tasks
        )

    def _follow_series(self):
        """A series with three steps, and a person who waits at the second one."""
        shop = self._shop
        steps = [{"template_id": shop.template}, {"kind": "wait"}, {"template_id": shop.template}]
        values = {
            "name": "Welcome to our new guests",
            "account_id": shop.account,
            "sender_id": shop.sender,
            "audience_id": self.audience,
            "hours_on": True,
            "step_ids": [(0, 0, {"sequence": n, **step}) for n, step in enumerate(steps)],
        }
        series = self._create(shop.user, "directmail.series", values)
        [(step,)] = shop.server.query(
            "SELECT id FROM directmail_series_step WHERE series_id = %s AND kind = 'wait'", series
        )
        self.records["directmail.series.step"] = step
        # Companies with an AES key, as this one, can't start a series.
        shop.server.query("UPDATE directmail_series SET state = 'running' WHERE id = %s", series)
        [(entry,)] = shop.server.query(
            """INSERT INTO directmail_series_entry (series_id, company_id, run, contact_number,
                      partner_id, state, step_id, entered_at, due_at)
               SELECT id, company_id, 1, %s, %s, 'inside', %s, now() AT TIME ZONE 'UTC',
                      now() AT TIME ZONE 'UTC' + interval '1 day'
                 FROM directmail_series WHERE id = %s RETURNING id""",
            self.partner,
            self.partner,
            step,
            series,
        )
        self.records["directmail.series.entry"] = entry

    def get_time(self, later):
        """Return the time from now, in UTC as fields have it."""
        [(found,)] = self._shop.server.query(
            "SELECT to_char(now() AT TIME ZONE 'UTC' + %s::interval, 'YYYY-MM-DD HH24:MI:00')",
            later,
        )
        return found

    def _unsubscribe(self):
        """As an administrator, who imports the opt-outs of another program."""
        [company] = self._shop.root.call("res.company", "search_read", [[], ["name"]], {"limit": 1})
        wizard = self._shop.admin.call(
            "directmail.optout.import",
            "create",
            [{"file": encode(OPTOUTS.format(company=company["name"])), "file_name": "optouts.csv"}],
        )
        self._shop.admin.call("directmail.optout.import", "action_import", [[wizard]])

    def _test_template(self):
        shop = self._shop
        self.records["directmail.template"] = shop.template
        self.records["directmail.account"] = shop.account
        self.records["directmail.sender"] = shop.sender
        shop.admin.call("directmail.sender", "action_check_domain", [[shop.sender]])
        shop.admin.call("directmail.account", "action_first_contact", [[shop.account]])
        [self.records["directmail.first.contact"]] = shop.admin.call(
            "directmail.first.contact", "search", [[("account_id", "=", shop.account)]]
        )
        [self.records["directmail.design"], *_others] = shop.user.call(
            "directmail.design", "search", [[]]
        )

    def _write_badly(self):
        """A template with findings, one of which has a long button."""
        body = "<p>Hello</p>"
        self.findings = self._shop.user.call(
            "directmail.template",
            "create",
            [
                {
                    "name": "Sale",
                    "account_id": self._shop.account,
                    "subject": "FREE!!! BUY NOW!!!",
                    "sender_name": "Azure",
                    "body_arch": body,
                    "body_html": body,
                }
            ],
        )

    def _set_limits(self):
        admin = self._shop.admin
        self.records["directmail.fatigue"] = number = admin.call(
            "directmail.fatigue", "action_open"
        )["res_id"]
        holidays = {"name": "Spring Festival", "first_day": "2030-02-03", "last_day": "2030-02-09"}
        admin.call(
            "directmail.fatigue",
            "write",
            [[number], {"hours_ids": [(0, 0, {})], "period_ids": [(0, 0, holidays)]}],
        )
        self.records["directmail.control"] = admin.call("directmail.control", "action_open")[
            "res_id"
        ]
        values = {"share": 10}
        admin.call("directmail.control", "write", [[self.records["directmail.control"]], values])

    def _refuse_measuring(self):
        """Make a contact who does not want opens and clicks to be recorded."""
        root = self._shop.root
        person = {"name": "Pia", "email": "pia@example.com"}
        [partner] = root.call("res.partner", "create", [[person]])
        root.call("res.partner", "action_directmail_measuring_no", [[partner]])
        [self.records["directmail.purpose"]] = root.call(
            "directmail.purpose", "create", [[{"name": "Offers"}]]
        )
        [self.records["directmail.consent"]] = root.call(
            "directmail.consent", "search", [[("partner_id", "=", partner)]]
        )

    def _sign_up(self):
        """As a visitor, with a form on another website."""
        root = self._shop.root
        values = {"name": "Newsletter", "purpose_ids": [self.records["directmail.purpose"]]}
        [form] = root.call("directmail.signup.form", "create", [[values]])
        self.records["directmail.signup.form"] = form
        [read] = root.call("directmail.signup.form", "read", [[form], ["token", "snippet"]])
        [version] = re.findall(r'name="version" value="(\w+)"', read["snippet"])
        requests.post(
            f"{self._shop.server.url}/directmail/signup/{read['token']}",
            {"email": "zoe@customer.example", "lang": "en_US", "version": version},
            timeout=PATIENCE,
        ).raise_for_status()
        [self.records["directmail.signup"]] = root.call("directmail.signup", "search", [[]])


def encode(text):
    """Return a file's content as a binary field takes it."""
    return base64.b64encode(text.encode()).decode()
