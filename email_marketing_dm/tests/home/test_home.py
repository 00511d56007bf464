from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user, tagged

from ..common_home import HomeMixin


class HomeCommon(HomeMixin, TransactionCase):
    pass


@tagged("post_install", "-at_install")
class TestHomeSteps(HomeCommon):
    def test_administrator_connects_first(self):
        shown = self.assertSteps("now later later later later", self.admin)
        self.assertEqual(shown["action"]["res_model"], "directmail.account")
        self.assertFalse(shown["action"]["res_id"])

    def test_administrator_opens_an_account_that_is_not_active(self):
        account = self._make_account()
        shown = self.assertSteps("now later later later later", self.admin)
        self.assertEqual(shown["action"]["res_id"], account.id)

    def test_marketer_without_an_account_reads_whom_to_ask(self):
        shown = self.assertSteps("waiting now later later later")
        self.assertEqual(shown["action"]["res_model"], "directmail.audience")
        connect = self._get_home()["steps"][0]
        self.assertIn("dm_admin", connect["text"])
        self.assertIn("New shop", connect["text"])
        self._refreshed_audience()
        self.assertIsNone(self.assertSteps("waiting done later later later"))

    def test_marketer_without_an_administrator_asks_that_of_odoo(self):
        self.admin.group_ids -= self.env.ref("email_marketing_dm.group_admin")
        admins = self.env["res.users"]._get_directmail_admins(self.company)
        admins.group_ids -= self.env.ref("email_marketing_dm.group_admin")
        self.assertIn("administrator of Odoo", self._get_home()["steps"][0]["text"])

    def test_account_without_a_sender_address(self):
        self._connect().sudo().sender_ids.active = False
        shown = self.assertSteps("now later later later later", self.admin)
        self.assertEqual(shown["action"]["res_id"], self.account.id)
        self.assertSteps("waiting now later later later")
        self.assertIn("dm_admin", self._get_home()["steps"][0]["text"])

    def _refreshed_audience(self):
        audience = self._make_audience(self._make_people("ada@example.com"))
        audience.action_refresh()
        return audience

    def test_the_whole_way(self):
        self._connect()
        shown = self.assertSteps("done now later later later")
        self.assertEqual(shown["action"]["res_model"], "directmail.audience")
        audience = self._make_audience(self._make_people("ada@example.com"))
        shown = self.assertSteps("done now later later later")
        self.assertEqual(shown["action"]["res_id"], audience.id)
        audience.action_refresh()
        shown = self.assertSteps("done done now later later")
        self.assertEqual(shown["action"], "email_marketing_dm.directmail_design_action")
        template = self._make_template(approved=False)
        shown = self.assertSteps("done done done now later")
        self.assertEqual(shown["action"]["res_id"], template.id)
        template.action_submit()
        shown = self.assertSteps("done done done waiting now")
        self.assertEqual(
            shown["action"]["context"],
            {
                "default_audience_ids": audience.ids,
                "default_template_id": template.id,
                "default_account_id": self.account.id,
            },
        )
        task = self._make_task(audience, template)
        shown = self.assertSteps("done done done waiting now")
        self.assertEqual(shown["action"]["res_id"], task.id)
        task.action_send()
        shown = self.assertSteps("done done done waiting waiting")
        self.assertEqual(shown["action"]["res_model"], "directmail.template")
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        shown = self.assertSteps("done done done done waiting")
        self.assertEqual(shown["action"]["res_id"], task.id)
        self._run_cron()
        self.assertEqual(task.state, "done")
        self.assertEqual(self._get_home()["steps"], [])

    def test_a_rejected_template_is_next(self):
        self._connect()
        self._refreshed_audience()
        template = self._make_template(approved=False)
        template.action_submit()
        self.emulator.reject(template.remote_ref, "No address.")
        template.action_check_review()
        shown = self.assertSteps("done done done now later")
        self.assertEqual(shown["action"]["res_id"], template.id)

    def test_drafts_of_colleagues_are_not_the_users(self):
        self._connect()
        self._refreshed_audience()
        template = self._make_template(approved=False)
        self.assertSteps("done now later later later", self.other)
        self.assertSteps("done done done now later", self.admin)
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        self.assertSteps("done now done done later", self.other)

    def test_the_new_task_is_filled_in(self):
        account = self._connect()
        audience = self._refreshed_audience()
        template = self._make_template()
        shown = self.assertSteps("done done done done now")
        tasks = self.env["directmail.task"].with_user(self.user)
        defaults = tasks.with_context(**shown["action"]["context"]).default_get(
            ["audience_ids", "template_id", "account_id"]
        )
        task = tasks.new(defaults)
        self.assertEqual(task.audience_ids._origin, audience)
        self.assertEqual(task.template_id._origin, template)
        self.assertEqual(task.account_id._origin, account)


@tagged("post_install", "-at_install")
class TestHomeSections(HomeCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._connect()
        cls.audience = cls._make_audience(cls._make_people("ada@example.com", "bo@example.com"))
        cls.audience.action_refresh()
        cls.template = cls._make_template()

    def _rows(self, section, user=None):
        """Return [(model, id, label), …] of a section."""
        rows = self._get_home(user)[section]["rows"]
        return [(row["model"], row["id"], row["label"]) for row in rows]

    def test_only_users_of_the_app(self):
        stranger = new_test_user(self.env, "stranger", "base.group_user")
        with self.assertRaises(AccessError):
            self._get_home(stranger)

    def test_what_needs_attention(self):
        self.assertEqual(
            self._rows("attention"), [("directmail.template", self.template.id, "Approved")]
        )
        task = self._make_task(self.audience, self.template)
        self.assertEqual(self._rows("attention"), [("directmail.task", task.id, "Ready to send")])
        task.sudo()._pause("too_late", "The time has passed.")
        self.assertEqual(
            self._rows("attention"), [("directmail.task", task.id, "Scheduled time missed")]
        )
        task.sudo()._fail("Nobody is in the audience.")
        [row] = self._get_home()["attention"]["rows"]
        self.assertEqual((row["label"], row["level"]), ("Failed", "danger"))
        self.assertEqual(row["text"], "Nobody is in the audience.")
        self.assertEqual(self._rows("attention", self.other), [])
        self.assertEqual(len(self._rows("attention", self.admin)), 1)

    def test_an_ab_test_needs_attention_when_all_of_its_mails_are_approved(self):
        task = self._make_task(self.audience, self.template, test_share=50)
        action = task.action_add_version()
        versions = self.env["directmail.task.version"].with_user(self.user)
        version = versions.with_context(**action["context"]).create({"subject": "Only this week"})
        self.assertEqual(self._rows("attention"), [])
        template = version.template_id
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        self.assertEqual(self._rows("attention"), [("directmail.task", task.id, "Ready to send")])

    def test_rejected_templates_need_their_owner(self):
        self.template.sudo().write({"state": "rejected", "review_comment": "No address."})
        [row] = self._get_home()["attention"]["rows"]
        self.assertEqual((row["id"], row["text"]), (self.template.id, "No address."))
        self.assertEqual(self._rows("attention", self.other), [])
        self.assertEqual(len(self._rows("attention", self.admin)), 1)

    def test_approved_templates_are_mentioned_for_a_month(self):
        before = fields.Datetime.now() - timedelta(days=31)
        self.template.sudo().reviewed_at = before
        self.assertEqual(self._rows("attention"), [])

    def test_stopped_accounts_need_administrators(self):
        self._make_task(self.audience, self.template)
        self.account.sudo()._stop("DirectMail refused the account.")
        row = self._get_home(self.admin)["attention"]["rows"][0]
        self.assertEqual((row["model"], row["id"]), ("directmail.account", self.account.id))
        self.assertEqual(row["text"], "DirectMail refused the account.")
        self.assertNotIn("Stopped", [label for *_row, label in self._rows("attention")])

    def test_what_is_in_progress(self):
        template = self._make_template(approved=False)
        template.action_submit()
        waiting = self._make_task(self.audience, template)
        waiting.action_send()
        running = self._make_task(self.audience, self.template)
        running.action_send()
        self.assertTrue(running.sudo()._prepare() and running.sudo()._launch())
        rows = self._get_home()["progress"]["rows"]
        self.assertEqual(
            [(row["model"], row["id"], row["label"], row["progress"]) for row in rows],
            [
                ("directmail.task", running.id, "Sending", 0),
                ("directmail.task", waiting.id, "Pending", False),
                ("directmail.template", template.id, "In review", False),
            ],
        )
        self.assertIn("review", rows[1]["text"])
        self.assertEqual(self._rows("progress", self.other), [])

    def test_latest_results(self):
        task = self._make_task(self.audience, self.template)
        task.action_send()
        self._run_cron()
        [row] = self._get_home()["results"]
        self.assertEqual((row["id"], row["sent"], row["state"]), (task.id, 2, "Done"))
        self.assertEqual((row["delivered"], row["open_rate"]), (0, False))
        self._import_results(task)
        counters = self.env["directmail.task.counter"].sudo()
        counters.create({"task_id": task.id, "writer": "test", "name": "opened", "value": 1})
        [row] = self._get_home()["results"]
        self.assertEqual((row["delivered"], row["open_rate"], row["click_rate"]), (2, 0.5, 0))
        task.sudo().track_clicks = False
        self.assertIs(self._get_home()["results"][0]["click_rate"], False)
        self.assertEqual(self._get_home(self.other)["results"], [])

    def test_health_is_for_administrators(self):
        rows = self._get_home(self.admin)["health"]["rows"]
        self.assertEqual([row["name"] for row in rows], ["Shop"])
        self.assertEqual((rows[0]["level"], rows[0]["label"]), ("success", "Active"))
        self.account.sudo().health = "overdue"
        [row] = self._get_home(self.admin)["health"]["rows"]
        self.assertEqual((row["level"], row["text"]), ("warning", "Payment overdue"))
        self.assertEqual(self._get_home()["health"]["rows"], [])

    def test_without_an_account_later(self):
        task = self._make_task(self.audience, self.template)
        task.action_send()
        self._run_cron()
        self.assertEqual(self._get_home()["notice"], "")
        self.account.action_deactivate()
        self.assertIn("dm_admin", self._get_home()["notice"])
        self.assertNotIn("dm_admin", self._get_home(self.admin)["notice"])

    def test_rounded_figures_stay_rounded(self):
        """The progress of such a task says no more than the task's own page."""
        task = self._make_task(self.audience, self.template)
        task.action_send()
        self.assertTrue(task.sudo()._prepare() and task.sudo()._launch())
        task.sudo().write({"in_tens": True, "tens_mark": 7})
        counters = self.env["directmail.task.counter"].sudo()
        counters.search([("task_id", "=", task.id)]).unlink()
        counters.create({"task_id": task.id, "writer": "test", "name": "sent", "value": 40})
        [row] = self._get_home()["progress"]["rows"]
        self.assertEqual(row["progress"], task.progress)
        self.assertEqual(row["progress"], 99)
        [row] = self._get_home(self.admin)["progress"]["rows"]
        self.assertEqual(row["progress"], 100)

    def test_long_lists_are_cut_off_and_linked(self):
        self._make_tasks(7, "failed")
        section = self._get_home()["attention"]
        failed = [row for row in section["rows"] if row["label"] == "Failed"]
        self.assertEqual(len(failed), 5)
        [link] = section["links"]
        found = self.env["directmail.task"].with_user(self.user)
        self.assertEqual(found.search_count(link["action"]["domain"]), 7)

    def _make_tasks(self, number, state):
        """Make tasks with the figures of finished ones, without people."""
        tasks = self.env["directmail.task"].with_user(self.user)
        common = {
            "account_id": self.account.id,
            "audience_ids": self.audience.ids,
            "template_id": self.template.id,
            "sender_id": self.sender.id,
        }
        tasks = tasks.create([{"name": f"Task {i}", **common} for i in range(number)])
        tasks.sudo().write({"state": state, "planned_at": fields.Datetime.now()})
        self.env["directmail.task.counter"].sudo().create(
            [
                {"task_id": task.id, "writer": writer, "name": name, "value": 12_500}
                for task in tasks
                for writer in ("sender", "events")
                for name in ("sent", "delivered", "opened", "clicked")
            ]
        )
        return tasks

    def test_queries_do_not_grow(self):
        """200 tasks with 5,000,000 deliveries cost no more queries than 8 tasks."""
        for state in ("done", "failed", "pending", "sending"):
            self._make_tasks(7, state)
        few = self._count_queries()
        for state in ("done", "failed", "pending", "sending"):
            self._make_tasks(43, state)
        self.assertLessEqual(self._count_queries(), few)
        self.assertLess(few, 120)

    def _count_queries(self):
        self._get_home(self.admin)  # Warms the caches of rights and views.
        self.env.invalidate_all()
        before = self.cr.sql_log_count
        self._get_home(self.admin)
        return self.cr.sql_log_count - before

    def test_no_query_reads_deliveries(self):
        self._make_tasks(7, "done")
        self._get_home()
        self.env.invalidate_all()
        with self.assertLogs("odoo.sql_db", "DEBUG") as logs:
            self._get_home()
        queries = [log for log in logs.output if "FROM" in log]
        self.assertTrue(any("directmail_task_counter" in query for query in queries))
        self.assertFalse([query for query in queries if "directmail_delivery" in query])


@tagged("post_install", "-at_install")
class TestAccountNotice(HomeCommon):
    """The banner on email tasks and templates without an active account."""

    def _get_notice(self, model, user):
        record = self.env[model].with_user(user).new({"name": "New"})
        return record.account_notice

    def test_new_records_say_whom_to_ask(self):
        for model in ("directmail.task", "directmail.template"):
            with self.subTest(model):
                self.assertIn("dm_admin", self._get_notice(model, self.user))
                self.assertIn("Connect and activate", self._get_notice(model, self.admin))
        self._connect()
        for model in ("directmail.task", "directmail.template"):
            with self.subTest(model):
                self.assertFalse(self._get_notice(model, self.user))

    def test_each_form_shows_it(self):
        for model in ("directmail.task", "directmail.template"):
            with self.subTest(model):
                arch = self.env[model].with_user(self.user).get_view(view_type="form")["arch"]
                self.assertIn('name="account_notice"', arch)
                self.assertIn("directmail_home_action", arch)
