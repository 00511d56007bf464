import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, tagged

from ..common_trial import TrialMixin


class TrialCommon(TrialMixin, TransactionCase):
    def _stop_emulator(self):
        """Let nobody listen on the port."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.configure(directmail_trial_port=str(free.getsockname()[1]))


@tagged("post_install", "-at_install")
class TestTrial(TrialCommon):
    def test_two_clicks_make_an_active_account_with_a_sender(self):
        wizard = self.env["directmail.trial"].with_user(self.admin).new({})
        self.assertTrue(wizard.is_found)
        trial = self._start_trial()
        self.assertEqual((trial.state, trial.health), ("active", "ok"))
        self.assertEqual(trial.sender_ids.mapped("ready"), [True])
        self.assertTrue(trial.is_trial)
        self.assertTrue(trial.test_mode)
        self.assertFalse(trial.sudo().access_key_secret_sealed)
        self.assertEqual(self._start_trial(), trial, "one trial for each company")

    def test_only_administrators_start_one(self):
        with self.assertRaises(AccessError):
            self.env["directmail.trial"].with_user(self.user).create({})
        with self.assertRaises(AccessError):
            self.env["directmail.account"].with_user(self.user)._start_trial()

    def test_without_an_emulator(self):
        self._stop_emulator()
        wizard = self.env["directmail.trial"].with_user(self.admin).create({})
        self.assertFalse(wizard.is_found)
        port = self.env["directmail.account"]._get_trial_port()
        command = f"python -m directmail_emulator --trial --port {port}"
        self.assertEqual(wizard.command, command)
        self.assertEqual(wizard.action_look_again()["res_model"], "directmail.trial")
        with self.assertRaisesRegex(UserError, command):
            wizard.action_start()
        self.configure(directmail_trial_port="")
        wizard.invalidate_recordset()
        self.assertEqual(wizard.command, "python -m directmail_emulator")
        self.configure(directmail_trial_port=str(self.port))
        wizard.invalidate_recordset()
        self.assertTrue(wizard.is_found)

    def test_another_service_gets_nothing(self):
        """Whatever listens on the port instead of the emulator is asked once, and not called."""

        class Handler(BaseHTTPRequestHandler):
            asked = []

            def do_POST(self):
                self.asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_arguments):
                pass

        trial = self._start_trial()
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
            threading.Thread(target=other.serve_forever, daemon=True).start()
            self.configure(directmail_trial_port=str(other.server_port))
            self.assertFalse(self.env["directmail.trial"].with_user(self.admin).new({}).is_found)
            for action in ("action_test_connection", "action_synchronise", "action_activate"):
                with self.assertRaisesRegex(UserError, "is not running"):
                    getattr(trial, action)()
            other.shutdown()
        self.assertEqual(set(Handler.asked), {"/.well-known/directmail-emulator"})

    # === NO DOOR === #

    def test_a_trial_stays_a_trial(self):
        trial = self._start_trial()
        for vals in (
            {"connection": "public"},
            {"connection": "vpc"},
            {"connection": "test", "endpoint": "127.0.0.1:1"},
            {"endpoint": "127.0.0.1:1"},
            {"endpoint": "dm.ap-southeast-1.aliyuncs.com"},
            {"endpoint": "http://192.0.2.1"},
        ):
            for account in (trial, trial.sudo()):
                with self.subTest(vals=vals), self.assertRaisesRegex(UserError, "can't become"):
                    account.write(vals)
        trial.write({"endpoint": False, "connection": "trial"})
        self.assertEqual((trial.connection, trial.endpoint), ("trial", False))

    def test_a_real_account_does_not_become_a_trial(self):
        for vals in ({"connection": "public"}, {"connection": "vpc"}, {}):
            account = self._make_account(**{"endpoint": False, **vals} if vals else vals)
            with self.subTest(vals=vals), self.assertRaisesRegex(UserError, "can't become"):
                account.connection = "trial"

    def test_only_the_port_of_the_configuration_is_called(self):
        trial = self.accounts.create(
            {
                "name": "By hand",
                "connection": "trial",
                "endpoint": "192.0.2.1:80",
                "region": "cn-hangzhou",
                "access_key_id": "LTAIREAL",
                "access_key_secret": "real",
            }
        )
        self.assertFalse(trial.endpoint)
        self.env.cr.execute(
            "UPDATE directmail_account SET endpoint = '192.0.2.1:80' WHERE id = %s", [trial.id]
        )
        trial.invalidate_recordset()
        self.assertEqual(trial._get_endpoint(), (f"127.0.0.1:{self.port}", "http"))
        self.assertEqual(trial._get_client()._sdk._endpoint, f"127.0.0.1:{self.port}")
        self.assertNotIn("real", trial._get_credentials().values())
        for credentials in ("ecs", "chain"):
            self.env.cr.execute(
                "UPDATE directmail_account SET credentials = %s WHERE id = %s",
                [credentials, trial.id],
            )
            trial.invalidate_recordset()
            self.assertEqual(set(trial._get_credentials()), {"access_key_id", "access_key_secret"})

    def test_the_usual_port(self):
        for setting in (False, "", "8825", "http://192.0.2.1"):
            self.configure(directmail_trial_port=setting)
            self.assertEqual(self.accounts._get_trial_endpoint(), "127.0.0.1:8825", setting)

    # === SENDING === #

    def _make_trial_task(self, *emails, **vals):
        people = self._make_people(*(emails or ["ada@example.com"]))
        return self._make_task(self._make_audience(people), self._approve(), **vals)

    def _approve(self):
        template = self._make_template(approved=False)
        template.action_submit()
        template.action_check_review()
        self.assertEqual(template.state, "approved")
        return template

    def test_the_decision_is_asked_for_at_once(self):
        self._start_trial()
        cron = self.env.ref("email_marketing_dm.ir_cron_directmail_review")
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        template = self._make_template(approved=False)
        template.action_submit()
        new = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]) - triggers
        self.assertLessEqual(min(new.mapped("call_at")), fields.Datetime.now())
        self.emulator.change_settings({"review": {"mode": "manual"}})
        self.addCleanup(self.emulator.change_settings, {"review": {"mode": "approve"}})
        slow = self._make_template(approved=False, name="Slow")
        slow.action_submit()
        slow.action_check_review()
        # Once it was asked about, the usual times hold: no cron runs in a circle.
        new = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        new.unlink()
        slow.sudo()._schedule_review_check()
        [trigger] = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        self.assertGreater(trigger.call_at, fields.Datetime.now())

    def test_a_task_is_sent_to_the_emulator(self):
        self._start_trial()
        task = self._make_trial_task("ada@example.com", "bo@example.com")
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 2))
        self.assertTrue(task.is_trial)
        self._import_results(task)
        self.assertEqual(task.delivered_count, 2)

    def test_a_task_waits_for_the_emulator(self):
        trial = self._start_trial()
        task = self._make_trial_task()
        self._stop_emulator()
        task.action_send()
        with self.assertNoLogs("odoo", "ERROR"):
            self._run_cron()
        self.assertEqual(task.state, "pending")
        self.assertIn("python -m directmail_emulator", task.waiting_for)
        self.assertIn("python -m directmail_emulator", trial.state_message)
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", trial.sudo().cron_id.id)])
        self.assertTrue(triggers.filtered(lambda one: one.call_at > fields.Datetime.now()))
        self.configure(directmail_trial_port=str(self.port))
        self._run_cron()
        self.assertEqual((task.state, trial.state_message), ("done", False))

    def test_results_without_an_emulator_are_a_message(self):
        self._start_trial()
        task = self._make_trial_task()
        task.action_send()
        self._run_cron()
        self._stop_emulator()
        with self.assertRaisesRegex(UserError, "is not running"):
            task.action_import_results()

    def test_nobody_is_notified_by_email(self):
        self._start_trial()
        self.user.notification_type = "email"
        task = self._make_trial_task()
        before = self.env["mail.mail"].search([])
        task.action_send()
        self._run_cron()
        self.assertTrue(task.message_ids.filtered(lambda message: "done" in message.body))
        self.assertFalse(self.env["mail.mail"].search([]) - before)
        self._use(self._make_account(name="Other"))
        self.account.action_activate()
        self._use(self.account)
        task = self._make_task(task.audience_ids)
        task.action_send()
        self._run_cron()
        self.assertTrue(self.env["mail.mail"].search([]) - before, "others are notified")

    # === NEXT TO A REAL ACCOUNT === #

    def test_new_records_prefer_the_real_account(self):
        trial = self._start_trial()
        templates = self.env["directmail.template"].with_user(self.user)
        self.assertEqual(templates._default_account(), trial)
        real = self._make_account(name="Zebra")
        self.assertEqual(templates._default_account(), trial)
        real.action_activate()
        self.assertEqual(templates._default_account(), real)

    def test_its_figures_are_not_compared_with_real_ones(self):
        self._start_trial()
        task = self._make_trial_task()
        task.action_send()
        self._run_cron()
        report = self.env["directmail.task.report"].with_user(self.user)
        self.env.flush_all()
        self.assertEqual(report.search([]).task_id, task)
        self._make_account(name="Real")
        self.env.flush_all()
        self.assertFalse(report.search([]))
        self.assertEqual(report.get_overview()["now"]["tasks"], 0)

    # === THE END === #

    def test_the_end_archives_everything(self):
        trial = self._start_trial()
        done, waiting, draft = (self._make_trial_task() for _number in range(3))
        for task in (done, waiting):
            task.action_send()
            if task == done:
                self._run_cron()
        action = trial.action_end_trial()
        self.assertEqual(action["tag"], "directmail_home")
        self.assertEqual((trial.active, trial.state), (False, "draft"))
        tasks = done + waiting + draft
        self.assertEqual(tasks.mapped("state"), ["done", "cancelled", "draft"])
        self.assertFalse(any(tasks.mapped("active")))
        self.assertFalse(any(tasks.template_id.mapped("active")))
        self._run_cron(trial)
        self.assertEqual(waiting.state, "cancelled")

    def test_the_end_is_for_administrators_and_trials(self):
        trial = self._start_trial()
        with self.assertRaises(AccessError):
            trial.with_user(self.user).action_end_trial()
        with self.assertRaisesRegex(UserError, "is not a trial"):
            self._make_account(name="Real").action_end_trial()
