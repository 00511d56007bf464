from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ...privacy.keys import MasterKey
from ..common import ACCESS_KEY_SECRET, DirectmailCommon


@tagged("post_install", "-at_install")
class TestAccount(DirectmailCommon):
    def test_activation_copies_quota_and_senders(self):
        self.assertEqual(self.account.state, "active")
        self.assertEqual(self.account.health, "ok")
        self.assertGreater(self.account.daily_quota, 0)
        ready = self.account.sender_ids.filtered("ready")
        self.assertTrue(ready)
        self.assertEqual(set(ready.mapped("send_type")), {"batch"})
        self.assertTrue(self.account.sender_ids - ready, "trigger and frozen senders are known too")

    def test_synchronising_twice_changes_nothing(self):
        before = self.account.sender_ids
        self.account.action_synchronise()
        self.assertEqual(self.account.sender_ids, before)

    def test_secret_is_write_only(self):
        self.assertFalse(self.account.read(["access_key_secret"])[0]["access_key_secret"])
        self.assertTrue(self.account.has_secret)
        self.assertNotIn(ACCESS_KEY_SECRET, self.account.sudo().access_key_secret_sealed)
        with self.assertRaises(AccessError):
            self.account.read(["access_key_secret_sealed"])

    def test_marketing_user_sees_no_key(self):
        account = self.account.with_user(self.user)
        self.assertTrue(account.name)
        with self.assertRaises(AccessError):
            account.read(["access_key_id"])
        with self.assertRaises(AccessError):
            account.write({"name": "Mine"})
        for action in ("action_test_connection", "action_synchronise", "action_deactivate"):
            with self.subTest(action), self.assertRaises(AccessError):
                getattr(account, action)()

    def test_wrong_secret_says_what_to_do(self):
        self.account.access_key_secret = "wrong"
        with self.assertRaisesRegex(UserError, "does not accept this AccessKey"):
            self.account.action_test_connection()

    def test_unreachable_endpoint_says_what_to_do(self):
        account = self._make_account(name="Nobody", endpoint="127.0.0.1:9")
        with self.assertRaisesRegex(UserError, "can't be reached at 127.0.0.1:9"):
            account.action_test_connection()

    def test_html_instead_of_directmail(self):
        # The emulator's page for people speaks HTML.
        account = self._make_account(name="Page", endpoint=self.emulator.admin)
        with self.assertRaisesRegex(UserError, "not DirectMail"):
            account.action_test_connection()

    def test_other_master_key_refuses(self):
        other = MasterKey(b"another host's key, 32 bytes long")
        self.account.sudo().access_key_secret_sealed = other.encrypt("secret")
        with self.assertRaisesRegex(UserError, "another master key"):
            self.account.action_test_connection()

    def test_copied_database_disarms(self):
        self.env["ir.config_parameter"].set_param("database.uuid", "a copy has another one")
        self._run_cron()
        self.assertEqual(self.account.state, "disarmed")
        self.assertTrue(self.account.state_message)
        self.account.action_activate()
        self.assertEqual(self.account.state, "active")

    def test_changed_connection_needs_activation(self):
        self.account.region = "eu-central-1"
        self.assertEqual(self.account.state, "draft")

    def test_frozen_account_is_not_activated(self):
        account = self._make_account(name="Frozen")
        self.emulator.configure_account("LTAIEMULATOR", user_status=1)
        self.addCleanup(self.emulator.configure_account, "LTAIEMULATOR", user_status=0)
        with self.assertRaisesRegex(UserError, "reports a problem"):
            account.action_activate()

    def test_sending_cron_comes_and_goes_with_the_account(self):
        account = self._make_account(name="Short-lived")
        cron = account.sudo().cron_id
        self.assertIn("Short-lived", cron.name)
        account.unlink()
        self.assertFalse(cron.exists())

    def test_other_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        account = self.env["directmail.account"].create(
            {"name": "Theirs", "company_id": company.id, "tz": "UTC"}
        )
        accounts = self.env["directmail.account"].with_user(self.admin).search([])
        self.assertIn(self.account, accounts)
        self.assertNotIn(account, accounts)
