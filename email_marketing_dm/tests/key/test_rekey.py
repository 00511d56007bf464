from datetime import timedelta
from unittest.mock import patch

from psycopg2 import DatabaseError, DataError

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from ...engine import claim, rekey
from ...engine.keyed import UNKNOWN
from ...engine.plan import insert_deliveries
from ...engine.sql import address_key, set_pads
from ...exceptions import MasterKeyProblem
from ...privacy.keys import MasterKey
from ..common import ACCESS_KEY_SECRET, DirectmailCommon, start_task
from ..common_encrypted import ALICE, BOB, KEY, EncryptedMixin
from ..common_key import THIRD, KeyMixin

KEYRING = "odoo.addons.email_marketing_dm.models.key.directmail_keyring"


@tagged("post_install", "-at_install")
class TestRekey(KeyMixin, EncryptedMixin, DirectmailCommon):
    """The master key is lost, and an administrator has the address keys recomputed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann, cls.bob, cls.cat, cls.dan = cls.people = cls._make_people(
            "ann@example.com", "bob@example.com", "cat@example.com", "dan@example.com"
        )
        cls.template = cls._make_template()
        cls.optouts = cls.env["directmail.optout"].sudo()

    def setUp(self):
        super().setUp()
        self.keyring = self.env["directmail.keyring"]

    def _mail(self, people, **vals):
        """Send people a mail. :return: the deliveries"""
        task = self._make_task(self._make_audience(people), self.template, **vals)
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "done", task.state_message)
        return task.delivery_ids.sudo()

    def _fates(self, people, **vals):
        """Plan a task on this server. :return: {email or number: reason or None}"""
        task = self._make_task(self._make_audience(people), self.template, **vals)
        task.sudo()._refresh_audiences()
        self.env.flush_all()
        insert_deliveries(self.env, task.sudo()._get_task_plan())
        self.env.invalidate_all()
        return {d.partner_id.name: d.reason or None for d in task.delivery_ids.sudo()}

    def _names(self, fates, reason):
        return sorted(name for name, found in fates.items() if found == reason)

    def test_whoever_opted_out_stays_opted_out(self):
        mails = self._mail(self.people)
        by_contact = mails.grouped("partner_id")
        by_contact[self.ann]._unsubscribe("one_click")
        by_contact[self.bob]._unsubscribe("page", "sender")
        self.optouts._insert_bounces(
            SQL(
                "SELECT *, now() AS since FROM directmail_delivery WHERE id = %s",
                by_contact[self.cat].id,
            )
        )
        with self._on_server_with() as key:
            with self.assertRaisesRegex(UserError, "First look for the old master key"):
                self._open_page().action_start()
            page = self._rekey()
            self.assertEqual(page.unmatched_count, 0)
            self.assertEqual(self.keyring._get_master_key(), key)
            self.assertEqual(
                self._fates(self.people),
                {
                    self.ann.name: "opted_out",
                    self.bob.name: "opted_out",
                    self.cat.name: "bounced",
                    self.dan.name: None,
                },
            )
            self.assertEqual((self.account.state, self.account.has_secret), ("draft", False))
            self.account.access_key_secret = ACCESS_KEY_SECRET
            self.account.action_activate()
            self.assertEqual(self._mail(self.dan).state, "sent")
        with self.assertRaisesRegex(UserError, "master key"):
            self.keyring._get_master_key()

    def test_only_an_administrator_of_all_companies_recomputes_their_keys(self):
        there = self.env["res.company"].create({"name": "Elsewhere"})
        self.env["directmail.account"].create({"name": "Account there", "company_id": there.id})
        with self._on_server_with():
            page = self._open_page()
            self.assertIn("do not have access to all of them", page.problem)
            self.assertFalse(page.may_start or page.count_ids or page.account_names)
            page.understood = True
            with self.assertRaises(AccessError):
                page.action_start()
            self.admin.company_ids += there
            self.assertTrue(self._open_page().may_start)

    def test_rows_of_every_table(self):
        """The keys of deliveries, members, rows of uploads and the blacklist are recomputed."""
        self._mail(self.people)
        self.env["mail.blacklist"].create({"email": "eve@example.com"})
        upload = (
            self.env["directmail.upload"]
            .with_user(self.user)
            .create({"name": "List", "source": "paste", "pasted": "fay@example.com"})
        )
        self.env.cr.execute(
            """INSERT INTO directmail_upload_line (upload_id, number, value, status, email,
                      address_key)
               VALUES (%s, 1, 'fay@example.com', 'bare', 'fay@example.com', %s)""",
            [upload.id, self.keyring._get_master_key().address_key("fay@example.com")],
        )
        self.env.cr.execute(
            """INSERT INTO directmail_audience_member (audience_id, email, address_key)
               SELECT id, 'fay@example.com', %s FROM directmail_audience LIMIT 1""",
            [self.keyring._get_master_key().address_key("fay@example.com")],
        )
        with self._on_server_with() as key, patch.object(rekey, "CHUNK", 2):
            self._rekey()
            for table in (
                "directmail_delivery",
                "directmail_audience_member",
                "directmail_upload_line",
                "mail_blacklist",
            ):
                self.env.cr.execute(
                    f"SELECT email, address_key FROM {table} WHERE address_key IS NOT NULL"
                )
                rows = self.env.cr.fetchall()
                self.assertTrue(rows, table)
                for email, found in rows:
                    self.assertEqual(found, key.address_key(email), table)

    def test_while_keys_are_recomputed_nothing_is_sent_and_none_is_written(self):
        task = self._make_task(self._make_audience(self.people), self.template)
        task.action_send()
        start_task(task.sudo())
        with self._on_server_with(), patch.object(rekey, "CHUNK", 1):
            page = self._open_page()
            page.understood = True
            page.action_start()
            run = self.env["directmail.rekey"].search([("state", "=", "running")])
            for _piece in range(3):
                self.assertTrue(run._run_chunk())
                self.assertFalse(
                    claim.claim(self.env, self.account._make_claim_context(), "t" * 32, 5, 600)
                )
                with self.assertRaisesRegex(MasterKeyProblem, "being recomputed"):
                    self.keyring._get_master_key()
                self.assertTrue(self.keyring._leaves_to_others("directmail.account"))
                self.assertFalse(self.keyring._leaves_to_others("directmail.rekey"))
            with self.assertRaisesRegex(UserError, "being recomputed"):
                page.action_start()
            with self.assertRaisesRegex(UserError, "already"):
                run._start(self.keyring._get_host_key())
        # The server with the old key does not go on with it either.
        self.assertTrue(self.keyring._leaves_to_others("directmail.rekey"))
        with self._on_server_with():
            self._run_rekey()
            self.assertTrue(self.keyring._get_master_key())

    def test_older_transactions_are_waited_for(self):
        self._mail(self.ann)
        with self._on_server_with():
            page = self._open_page()
            page.understood = True
            page.action_start()
            run = self.env["directmail.rekey"].search([("state", "=", "running")])
            with self.registry.cursor() as other:
                other.execute("SELECT 1")
                self.assertFalse(run._is_alone())
                self.assertFalse(run._is_alone())
                self.assertIn("Waiting", run.progress)

    def _opt_out_encrypted(self):
        """Mail two encrypted people, of whom the first unsubscribes."""
        self._enter_key()
        self._run_reading()
        people = self._make_encrypted(ALICE, BOB)
        mails = self._mail(people, address_form="encrypted")
        mails.filtered(lambda d: d.partner_id == people[0])._unsubscribe("page")
        return people

    def test_encrypted_people_with_their_aes_key(self):
        people = self._opt_out_encrypted()
        with self._on_server_with():
            self._rekey(key=KEY)
            fates = self._fates(people, address_form="encrypted")
            self.assertEqual(self._names(fates, "opted_out"), [people[0].name])
            self.assertEqual(self._names(fates, None), [people[1].name])
            self.assertFalse(self.optouts.search([("unmatched", "=", True)]))

    def test_encrypted_people_without_their_aes_key_wait_for_it(self):
        people = self._opt_out_encrypted()
        self.env.cr.execute("UPDATE directmail_optout SET email_encrypted = NULL")
        with self._on_server_with():
            self._rekey()
            fates = self._fates(people, address_form="encrypted")
            self.assertEqual(set(fates.values()), {"cannot_decrypt"})
            self.assertEqual(self._fates(self.ann), {self.ann.name: None}, "hers is in clear")
            # Somebody new with an encrypted address may be the one who has unsubscribed.
            with self.assertRaisesRegex(UserError, "not the key"):
                self.env["directmail.aes.key"].search([]).write({"key": "f" * 16})
            self.env["directmail.aes.key"].search([]).write({"key": KEY})
            with self.assertRaises(MasterKeyProblem):
                self.keyring._get_master_key()
            self._run_rekey()
            self._run_reading()
            fates = self._fates(people, address_form="encrypted")
            self.assertEqual(self._names(fates, "opted_out"), [people[0].name])
            self.assertEqual(self._names(fates, None), [people[1].name])

    def test_a_wrong_aes_key_starts_nothing(self):
        self._opt_out_encrypted()
        with self._on_server_with():
            with self.assertRaisesRegex(UserError, "not the key"):
                self._rekey(key="f" * 16)
            with self.assertRaisesRegex(MasterKeyProblem, "Nothing is sent"):
                self.keyring._get_master_key()

    def test_an_optout_whose_person_is_not_known_holds_back_everybody_who_could_be_meant(self):
        mails = self._mail(self.ann + self.bob)
        mails.filtered(lambda d: d.partner_id == self.ann)._unsubscribe("page")
        wizard = self.env["directmail.erasure"].with_user(self.admin)
        wizard.create({"partner_ids": [fields.Command.set(self.ann.ids)]}).action_erase()
        self.env.cr.execute(
            "UPDATE directmail_delivery SET claimed_at = claimed_at - interval '1 hour'"
        )
        self.assertEqual(self._names(self._fates(self.people), "opted_out"), [self.ann.name])
        with self._on_server_with():
            self.assertEqual(self._rekey().unmatched_count, 1)
            fates = self._fates(self.people)
            # Bob was known by another key than hers. Cat and Dan never were.
            self.assertEqual(self._names(fates, None), [self.bob.name])
            self.assertEqual(
                self._names(fates, "unverifiable"),
                sorted([self.ann.name, self.cat.name, self.dan.name]),
            )
            left = self.optouts.search([("unmatched", "=", True)])
            self.assertEqual(len(left), 1)
            left.with_user(self.admin).unlink()
            self.assertEqual(set(self._fates(self.people).values()), {None})

    def test_the_same_person_elsewhere_tells_the_address(self):
        """The opt-out lost its address; a mail of another company still has it."""
        mails = self._mail(self.ann)
        mails._unsubscribe("page")
        self.env.cr.execute("UPDATE directmail_optout SET email = NULL")
        with self._on_server_with():
            self.assertEqual(self._rekey().unmatched_count, 0)
            self.assertEqual(self._fates(self.ann), {self.ann.name: "opted_out"})
            self.assertFalse(self.optouts.search([]).mapped("email")[0])

    def test_optouts_under_two_keys_become_one(self):
        """The way out of older versions left rows of two keys."""
        mails = self._mail(self.ann + self.bob)
        for delivery in mails:
            delivery._unsubscribe("page")
        self.env.cr.execute(
            """INSERT INTO directmail_optout (company_id, address_key, email, origin)
               SELECT company_id, repeat('0', 64), 'ann@example.com', 'bounce'
                 FROM directmail_account LIMIT 1"""
        )
        self.env["directmail.data.key"]._write_key(UNKNOWN)
        self._rekey()
        found = self.optouts.search([]).sorted("email")
        self.assertEqual(found.mapped("email"), ["ann@example.com", "bob@example.com"])
        self.assertEqual(found.mapped("origin"), ["page", "page"], "a wish is the stronger")
        self.assertEqual(
            self._fates(self.people)[self.ann.name], "opted_out", "this server's key is right"
        )

    def test_the_old_key_comes_back(self):
        """All keys are as before the loss, also those that could not be recomputed."""
        mails = self._mail(self.ann + self.bob)
        mails.filtered(lambda d: d.partner_id == self.ann)._unsubscribe("page")
        self.env.cr.execute(
            """UPDATE directmail_optout SET email = NULL;
               UPDATE directmail_delivery SET email = NULL, address_key = NULL
                WHERE partner_id = %s""",
            [self.ann.id],
        )
        self.env.cr.execute("SELECT address_key FROM directmail_optout")
        before = self.env.cr.fetchall()
        with self._on_server_with():
            self._rekey()
        with self._on_server_with(THIRD):
            self._rekey()
            self.env.cr.execute("SELECT address_key FROM directmail_optout")
            self.assertNotEqual(self.env.cr.fetchall(), before)
        self._rekey()
        self.env.cr.execute("SELECT address_key FROM directmail_optout")
        self.assertEqual(self.env.cr.fetchall(), before)
        self.assertEqual(self._names(self._fates(self.people), "opted_out"), [self.ann.name])

    def test_a_waiting_task_goes_on_without_those_who_opted_out(self):
        mails = self._mail(self.ann)
        mails._unsubscribe("page")
        task = self._make_task(self._make_audience(self.bob + self.cat), self.template)
        task.action_send()
        start_task(task.sudo())
        task.delivery_ids.sudo().filtered(lambda d: d.partner_id == self.cat)._unsubscribe("page")
        with self._on_server_with():
            self._rekey()
            self.account.access_key_secret = ACCESS_KEY_SECRET
            self.account.action_activate()
            self._run_cron()
            by_name = {d.partner_id: d.state for d in task.delivery_ids.sudo()}
            self.assertEqual(by_name, {self.bob: "sent", self.cat: "suppressed"})
            self.assertSumRule(task)

    def test_users_may_not(self):
        with self.assertRaises(UserError):
            self.env["directmail.rekey.start"].with_user(self.user).action_open()

    def test_old_moment_is_kept(self):
        """With opt-outs left from a first loss, mails of after it say nothing of these."""
        self._mail(self.ann)._unsubscribe("page")
        self.env.cr.execute(
            "UPDATE directmail_optout SET email = NULL;"
            "UPDATE directmail_delivery SET email = NULL, address_key = NULL"
        )
        with self._on_server_with():
            self._rekey()
            self.env.cr.execute("SELECT known_until FROM directmail_data_key")
            [(first,)] = self.env.cr.fetchall()
        with self._on_server_with(THIRD):
            self.env["directmail.rekey"].search([]).started_at -= timedelta(days=1)
            self._rekey()
            self.env.cr.execute("SELECT known_until FROM directmail_data_key")
            self.assertEqual(self.env.cr.fetchall(), [(first,)])

    def test_the_pads_are_in_no_statement_that_can_fail(self):
        key = self.keyring._get_master_key()
        statement = SQL("SELECT (%s)::int", address_key(key, SQL("'ann@example.com'::text")))
        with self.assertLogs("odoo.sql_db", "ERROR") as logs, self.assertRaises(DataError):
            with self.env.cr.savepoint():
                self.env.cr.execute(statement)
        for pad in key.address_pads():
            self.assertNotIn(pad.hex()[:16], "\n".join(logs.output).lower())
            self.assertNotIn(pad[:8].decode("latin-1"), "\n".join(logs.output))
        [(found,)] = self.env.execute_query(
            SQL("SELECT %s", address_key(key, SQL("'ann@example.com'::text")))
        )
        self.assertEqual(found, key.address_key("ann@example.com"))

    @mute_logger("odoo.sql_db")
    def test_without_its_pads_a_statement_fails(self):
        """It never computes keys that match nobody."""
        other = MasterKey(THIRD.encode())
        statement = SQL("SELECT %s", address_key(other, SQL("'ann@example.com'::text")))
        for _attempt in ("never set", "set and undone"):
            with self.assertRaises(DatabaseError), self.env.cr.savepoint():
                self.env.cr.execute(statement)
            with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
                set_pads(self.env, other)
                raise ZeroDivisionError
