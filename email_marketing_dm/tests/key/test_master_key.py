import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.http import serialize_exception
from odoo.tests import tagged
from odoo.tools import config, mute_logger

from ...engine import claim
from ...engine.keyed import UNKNOWN
from ...exceptions import MasterKeyProblem
from ...models.key.directmail_keyring import KEY_FILE
from ..common import ACCESS_KEY_SECRET, DirectmailCommon, start_task
from ..common_encrypted import ALICE, EncryptedMixin
from ..common_key import ANOTHER, KeyMixin

KEYRING = "odoo.addons.email_marketing_dm.models.key.directmail_keyring"


@tagged("post_install", "-at_install")
class TestOtherKey(KeyMixin, EncryptedMixin, DirectmailCommon):
    """A server whose master key is not the one that the data belong to."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people("ann@example.com", "bob@example.com")
        cls.task = cls._make_task(cls._make_audience(cls.people))

    def _waiting(self, task):
        return task.delivery_ids.filtered(lambda d: d.state == "waiting")

    def test_the_documented_way_round_is_closed(self):
        with self._on_server_with():
            for action in (
                lambda: self.account.write({"access_key_secret": ACCESS_KEY_SECRET}),
                self.account.action_activate,
                self.account.action_test_connection,
                lambda: self._enter_key(),
                self.task.action_send,
            ):
                with self.assertRaisesRegex(UserError, "master key"):
                    action()
        self.task.action_send()

    def _claim(self):
        return claim.claim(self.env, self.account._make_claim_context(), "t" * 32, 5, 600)

    def test_nothing_is_claimed(self):
        self.task.action_send()
        start_task(self.task.sudo())
        self.env.flush_all()
        with self._on_server_with():
            capacity = self.account._get_capacity()
            self.assertFalse(self._claim())
        self.assertIsNone(capacity.state)
        self.assertEqual(len(self._waiting(self.task)), 2)
        self.assertEqual(len(self._claim()), 2)

    @mute_logger(KEYRING)
    def test_the_cron_is_left_to_the_right_server(self):
        self.task.action_send()
        cron = self.account.sudo().cron_id
        with self._on_server_with():
            with self.assertRaisesRegex(UserError, "master key"):
                cron.method_direct_trigger()
            job = {
                "id": cron.id,
                "user_id": cron.user_id.id,
                "cron_name": cron.name,
                "ir_actions_server_id": cron.ir_actions_server_id.id,
            }
            before = cron.read(["nextcall", "failure_count", "active"])
            self.assertIsNone(self.registry["ir.cron"]._process_job(self.env.cr, job))
            self.assertEqual(cron.read(["nextcall", "failure_count", "active"]), before)
            self.assertEqual(self.task.state, "pending")
            self.assertIn("master key", self.task.waiting_for)
            other = self.env.ref("base.autovacuum_job")
            self.assertFalse(
                other._is_left_to_others({"ir_actions_server_id": other.ir_actions_server_id.id})
            )
        self._run_cron()
        self.assertEqual(self.task.state, "done")

    def test_a_task_that_meets_it_while_it_starts_stays_pending(self):
        self.task.action_send()
        with self._on_server_with(), mute_logger("odoo.addons.email_marketing_dm"):
            self.assertFalse(self.task.sudo()._launch())
        self.assertEqual(self.task.state, "pending")

    def test_resume_says_why(self):
        self.task.action_send()
        start_task(self.task.sudo())
        self.task.action_pause()
        with self._on_server_with(), self.assertRaisesRegex(UserError, "unsubscribed"):
            self.task.action_resume()
        self.assertEqual(self.task.state, "paused")

    def test_forms_show_it(self):
        self.assertFalse(self.account.key_problem)
        with self._on_server_with():
            self.assertIn("Configuration → Master key", self.account.key_problem)
            self.assertTrue(self.task.key_problem)
            self.assertFalse(self.account.push_url)

    def test_every_minute_one_error(self):
        with self._on_server_with(), self.assertLogs(KEYRING, "ERROR") as logs:
            with patch.dict(f"{KEYRING}._reported", clear=True):
                for _attempt in range(3):
                    self.assertTrue(
                        self.env["directmail.keyring"]._leaves_to_others("directmail.account")
                    )
        self.assertEqual(len(logs.records), 1)
        self.assertIn("Nothing is sent", logs.output[0])

    def test_an_error_at_the_start(self):
        keyring = self.env["directmail.keyring"]
        with self._on_server_with(), self.assertLogs(KEYRING, "ERROR"):
            with patch.dict(f"{KEYRING}._reported", clear=True):
                keyring._register_hook()
        with self.assertNoLogs(KEYRING, "ERROR"):
            keyring._register_hook()

    def test_a_database_that_is_not_upgraded_yet_starts(self):
        self.env.cr.execute("ALTER TABLE directmail_data_key RENAME TO not_there_yet")
        self.env["directmail.keyring"]._register_hook()
        self.assertFalse(self.env["directmail.keyring"]._leaves_to_others("directmail.account"))

    def test_no_key_file_is_made_where_data_exist(self):
        with TemporaryDirectory() as folder, patch.dict(config.options, {"data_dir": folder}):
            with self.assertRaisesRegex(MasterKeyProblem, "no usable master key"):
                self.env["directmail.keyring"]._get_master_key()
            self.assertFalse(os.listdir(folder))
            self.assertIn("no usable master key", self.account.key_problem)

    def test_only_administrators_read_where_the_key_file_is(self):
        with TemporaryDirectory() as folder, patch.dict(config.options, {"data_dir": folder}):
            self.env.invalidate_all()
            administrator = self.account.with_user(self.admin)
            self.assertIn(folder, administrator.key_problem)
            self.assertIn(folder, self._open_page().problem)
            for record in (self.account, self.task):
                said = record.with_user(self.user).key_problem
                self.assertIn("Ask an administrator", said)
                self.assertNotIn(folder, said)
            for action in (
                self.task.with_user(self.user).action_send,
                self.account.with_user(self.user).sudo()._get_credentials,
                self.people[0].with_user(self.user).action_view_directmail_fatigue,
            ):
                with self.assertRaises(MasterKeyProblem) as caught:
                    action()
                # What the web client and JSON-RPC get, the traceback included.
                sent = str(serialize_exception(caught.exception))
                self.assertIn("no usable master key", sent)
                self.assertNotIn(folder, sent)
            with self.assertLogs(KEYRING, "ERROR") as logs:
                with patch.dict(f"{KEYRING}._reported", clear=True):
                    self.env["directmail.keyring"]._report_problem()
            self.assertIn(folder, logs.output[0])

    def test_a_key_file_is_made_where_no_data_exist(self):
        self.env.cr.execute(
            """UPDATE directmail_account SET access_key_secret_sealed = NULL;
               TRUNCATE directmail_optout, directmail_delivery, directmail_event,
                        directmail_upload_line, directmail_audience_member CASCADE;
               DELETE FROM directmail_aes_key"""
        )
        listed = self.env["mail.blacklist"].create({"email": "zoe@example.com"})
        with TemporaryDirectory() as folder, patch.dict(config.options, {"data_dir": folder}):
            key = self.env["directmail.keyring"]._get_master_key()
            self.assertEqual(os.listdir(folder), [KEY_FILE])
            listed.invalidate_recordset()
            self.assertEqual(listed.sudo().address_key, key.address_key("zoe@example.com"))
            # A restored key works, and a lost one is refused, without a restart.
            path = Path(folder) / KEY_FILE
            text = path.read_text()
            self._make_account()
            path.write_text(ANOTHER)
            with self.assertRaises(MasterKeyProblem):
                self.env["directmail.keyring"]._get_master_key()
            path.write_text(text)
            again = self.env["directmail.keyring"]._get_master_key()
            self.assertEqual(again.fingerprint, key.fingerprint)

    def test_contacts_and_blacklist_can_be_saved_and_are_completed_later(self):
        self._enter_key()
        with self._on_server_with():
            person = self._make_encrypted(ALICE)
            listed = self.env["mail.blacklist"].create({"email": "Alice@example.com"})
            person.flush_recordset()
            self.assertFalse(person.sudo().email_encrypted_key)
            self.assertFalse(listed.sudo().address_key)
        self._run_reading()
        self.env["mail.blacklist"]._complete_keys()
        self.env.invalidate_all()
        self.assertTrue(person.email_encrypted_valid)
        self.assertEqual(person.sudo().email_encrypted_key, listed.sudo().address_key)

    def test_data_that_were_never_labelled(self):
        """An older version wrote down nothing: the rows themselves tell."""
        self._unsubscribe(self.task)
        keyring, data_key = self.env["directmail.keyring"], self.env["directmail.data.key"]
        right = keyring._get_master_key().fingerprint
        self.env.cr.execute("DELETE FROM directmail_data_key")
        keyring._get_master_key()
        self.assertEqual(data_key._read_key()[0], right)
        self.env.cr.execute("DELETE FROM directmail_data_key")
        with self._on_server_with():
            self.assertEqual(keyring._find_problem().kind, "mismatch")
        self.assertEqual(data_key._read_key()[0], right, "accounts remember it")
        # The way out of older versions: the secret was entered again under another key.
        self.env.cr.execute(
            """DELETE FROM directmail_data_key;
               UPDATE directmail_account SET master_key_fingerprint = %s""",
            ["0123456789abcdef"],
        )
        self.env.cr.execute(
            """INSERT INTO directmail_optout (company_id, address_key, email, origin)
               SELECT company_id, repeat('0', 64), 'cat@example.com', 'page'
                 FROM directmail_account LIMIT 1"""
        )
        self.assertEqual(keyring._find_problem().kind, "mismatch")
        self.assertEqual(data_key._read_key()[0], UNKNOWN)

    def _unsubscribe(self, task):
        task.action_send()
        start_task(task.sudo())
        for delivery in task.delivery_ids.sudo():
            delivery._unsubscribe("page")
