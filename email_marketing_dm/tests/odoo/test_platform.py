import threading
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

from freezegun import freeze_time

from odoo.tests import tagged

from ...directmail.outside import Answer
from ...models.delivery import directmail_event
from ..common import DirectmailCommon, DirectmailMixin
from ..common_http import PatientHttpCase

MODULE = "email_marketing_dm"


@tagged("post_install", "-at_install")
class TestPlatform(DirectmailCommon):
    """The addon among other apps."""

    def test_other_apps_never_read_our_columns_with_their_own(self):
        """New code may run on a database that has none of these columns yet."""
        read_along = [
            str(field)
            for name, model in self.registry.items()
            if not name.startswith("directmail.")
            for field in model._fields.values()
            if {*field._modules} == {MODULE} and field.store and field.prefetch is True
        ]
        self.assertFalse(read_along)

    def test_a_deleted_list_action_stays_away(self):
        action = self.env.ref(f"{MODULE}.audience_existing_crm_lead")
        action.unlink()
        tables = self.env["directmail.data.table"]
        tables._register_hook()
        tables.create(
            {
                "name": "Leads once more",
                "model_id": self.env["ir.model"]._get_id("crm.lead"),
                "partner_path": "partner_id",
            }
        )
        self.assertFalse(
            self.env.ref(f"{MODULE}.audience_existing_crm_lead", raise_if_not_found=False)
        )
        self.assertTrue(self.env.ref(f"{MODULE}.audience_new_crm_lead"))

    def test_a_model_gets_its_list_actions_with_its_first_data_table(self):
        self.env["directmail.data.table"].create(
            {
                "name": "Bank accounts",
                "model_id": self.env["ir.model"]._get_id("res.partner.bank"),
                "partner_path": "partner_id",
            }
        )
        self.assertEqual(
            self.env.ref(f"{MODULE}.audience_new_res_partner_bank").binding_model_id.model,
            "res.partner.bank",
        )

    def test_a_copied_database_is_disarmed_when_it_is_opened(self):
        account = self._make_account(name="Copied")
        account.sudo().write({"state": "active", "database_identity": "of the original"})
        self.env["directmail.account"]._register_hook()
        self.assertEqual(account.state, "disarmed")

    def test_a_data_table_needs_a_model(self):
        table = self.env["directmail.data.table"].search([], limit=1)
        with self.assertRaisesRegex(Exception, "Choose the records"):
            table.model_id = False

    def test_facts_wake_their_job_once_a_minute(self):
        cron = self.env.ref(f"{MODULE}.ir_cron_directmail_events")
        self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]).unlink()
        start = datetime(2030, 5, 7, 9, 30, 20)
        with patch.dict(directmail_event._woken):
            for seconds in (0, 15, 45):
                with freeze_time(start + timedelta(seconds=seconds)):
                    self.env["directmail.event"]._wake_cron()
                    self.env.cr.postcommit.run()
        found = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)], order="call_at")
        self.assertEqual(
            found.mapped("call_at"),
            [datetime(2030, 5, 7, 9, minute) + directmail_event.GRACE for minute in (31, 32)],
        )


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write("欢迎".encode())

    def log_message(self, *_args):
        """Say nothing."""


@tagged("post_install", "-at_install")
class TestPublicAddress(DirectmailMixin, PatientHttpCase):
    """Whether the public address leads to this database, as *Test connection* says."""

    def _check(self, url, **vals):
        account = self._make_account(name="Reached", public_url=url, **vals)
        with self.allow_requests(all_requests=True):
            return account._check_public_address()

    def test_it_leads_here(self):
        kind, sentence = self._check(self.base_url())
        self.assertEqual(kind, "ok", sentence)

    def test_something_else_answers(self):
        kind, sentence = self._check(f"{self.base_url()}/web")
        self.assertEqual(kind, "problem")
        self.assertIn("proxy_mode", sentence)

    def test_a_page_in_another_script_answers(self):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        kind, sentence = self._check(f"http://127.0.0.1:{server.server_port}")
        self.assertEqual(kind, "problem")
        self.assertIn("does not lead to this database", sentence)

    def test_nothing_answers(self):
        kind, sentence = self._check("http://127.0.0.1:9")
        self.assertEqual(kind, "problem")
        self.assertIn("Nothing answers", sentence)

    def test_in_test_mode_only_allowed_hosts_are_asked(self):
        self.assertEqual(self._check("https://www.example.com")[0], "unchecked")
        self.configure(directmail_test_endpoints=self.emulator.endpoint)
        self.assertEqual(self._check(self.base_url())[0], "unchecked")

    def test_the_local_network_is_never_asked_for_real_mail(self):
        kind, sentence = self._check(
            self.base_url().replace("http:", "https:"), connection="public", endpoint=False
        )
        self.assertEqual(kind, "unchecked")
        self.assertIn("local network", sentence)

    def test_at_a_port_of_ones_choice_all_hosts_are_told_alike(self):
        account = self._make_account(
            name="Reached", connection="public", endpoint=False,
            public_url="https://www.example.com:8443",
        )  # fmt: skip
        found = {
            account._explain_address(answer, account.public_url, "www.example.com")
            for answer in (Answer("connection"), Answer("certificate"), Answer("", 404))
        }
        self.assertEqual(len(found), 1, found)

    def test_another_number_is_signed_differently(self):
        account = self.env["directmail.account"]
        self.assertNotEqual(account._sign_here("a" * 32), account._sign_here("b" * 32))
        self.assertEqual(self.url_open("/directmail/here/" + "a" * 32).text,
                         account._sign_here("a" * 32))  # fmt: skip
        self.assertEqual(self.url_open("/directmail/here/short").status_code, 404)
