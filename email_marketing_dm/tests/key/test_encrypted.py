from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ...models.key import directmail_aes_key
from ...privacy.keys import MasterKey
from ..common import DirectmailCommon, start_task
from ..common_encrypted import ALICE, ALICE_GCM, ALICE_HEX, BOB, KEY, NO_ADDRESS, EncryptedMixin, X


@tagged("post_install", "-at_install")
class TestAesKey(EncryptedMixin, DirectmailCommon):
    def test_never_shown_never_stored_in_clear(self):
        record = self._enter_key()
        self.env.flush_all()
        self.assertFalse(record.key)
        self.assertTrue(record.is_usable)
        self.env.cr.execute("SELECT row_to_json(k)::text FROM directmail_aes_key k")
        [(stored,)] = self.env.cr.fetchall()
        self.assertNotIn(KEY, stored)
        for name in ("key_sealed", "fingerprint", "reference"):
            with self.subTest(name), self.assertRaises(AccessError):
                record.read([name])

    def test_administrators_only(self):
        record = self._enter_key()
        for operation in (
            lambda user: record.with_user(user).read(["mode"]),
            lambda user: record.with_user(user).write({"key": KEY}),
            lambda user: record.search([]).with_user(user).unlink(),
        ):
            with self.assertRaises(AccessError):
                operation(self.user)
        with self.assertRaises(AccessError):
            record.unlink()
        with self.assertRaises(AccessError):
            record.write({"reference": "x"})
        with self.assertRaises(AccessError):
            self._enter_key(user=self.user)

    def test_other_company(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        boss = new_test_user(
            self.env,
            "dm_boss",
            "email_marketing_dm.group_admin",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        theirs = self._enter_key(user=boss, company_id=other.id)
        with self.assertRaises(AccessError):
            theirs.with_user(self.admin).write({"key": KEY})
        third = self.env["res.company"].create({"name": "Nowhere"})
        with self.assertRaises(AccessError):
            self._enter_key(company_id=third.id)

    def test_write_once(self):
        record = self._enter_key()
        with self.assertRaisesRegex(UserError, "not the key that was entered"):
            record.write({"key": KEY.lower()})
        with self.assertRaisesRegex(UserError, "enter the same AES key again"):
            record.write({"mode": "gcm"})
        record.write({"key": f" {KEY} "})
        self.assertTrue(record.is_usable)

    def test_no_key(self):
        for text in ("0123456789abcde", "0123456789abcdeg", "0123456789abcdef0"):
            with self.subTest(text):
                with self.assertRaises(UserError) as caught:
                    self._enter_key(text)
                self.assertIn("16 characters", str(caught.exception))
                self.assertNotIn(text, str(caught.exception))
        with self.assertRaisesRegex(UserError, "Enter the AES key"):
            self.env["directmail.aes.key"].with_user(self.admin).create({})

    def test_check_a_sample_before_saving(self):
        form = Form(self.env["directmail.aes.key"].with_user(self.admin))
        self.assertFalse(form.sample_result)
        form.sample = f"{ALICE}\n\n{ALICE_HEX}\n{BOB}\nnonsense"
        self.assertIn("Enter the AES key first", form.sample_result)
        form.key = "0123"
        self.assertIn("16 characters", form.sample_result)
        form.key = KEY
        lines = form.sample_result.splitlines()
        self.assertEqual(lines[:3], ["a***@example.com", "a***@example.com", "b***@example.com"])
        self.assertIn("can't be decrypted", lines[3])
        form.mode = "gcm"
        self.assertIn("Try another mode", form.sample_result)
        form.sample = ALICE_GCM
        self.assertEqual(form.sample_result, "a***@example.com")
        self.assertFalse(self.env["directmail.aes.key"].search([]))
        record = form.save()
        self.assertTrue(record.is_usable)
        with Form(record) as form:
            form.sample = ALICE_GCM
            self.assertEqual(form.sample_result, "a***@example.com")

    @mute_logger("odoo.addons.email_marketing_dm.models.key.directmail_aes_key")
    def test_same_key_after_the_master_key_was_lost(self):
        record = self._enter_key()
        another = MasterKey(b"another master key " * 2)
        self.patch(self.registry["directmail.keyring"], "_get_master_key", lambda _self: another)
        self.env.invalidate_all()
        self.assertFalse(record.is_usable)
        self.assertFalse(self._make_encrypted(ALICE).email_encrypted_valid)
        with self.assertRaisesRegex(UserError, "not the key"):
            record.write({"key": "f" * 16})
        record.write({"key": KEY})
        self.assertTrue(record.is_usable)


@tagged("post_install", "-at_install")
class TestEncryptedContacts(EncryptedMixin, DirectmailCommon):
    def _get_keys(self, partners):
        partners.flush_recordset()
        return partners.sudo().mapped("email_encrypted_key")

    def test_key_and_validity_are_worked_out_when_written(self):
        self._enter_key()
        people = self._make_encrypted(ALICE, ALICE_HEX, NO_ADDRESS, "nonsense", False)
        self.assertEqual(people.mapped("email_encrypted_valid"), [True, True, False, False, False])
        key = self.env["directmail.keyring"]._get_master_key().address_key("alice@example.com")
        self.assertEqual(self._get_keys(people), [key, key, False, False, False])
        people[0].email_encrypted = NO_ADDRESS
        people[3].email_encrypted = X
        self.assertEqual(people.mapped("email_encrypted_valid"), [False, True, False, True, False])
        with self.assertRaises(AccessError):
            people.with_user(self.user).read(["email_encrypted_key"])

    def test_import(self):
        self._enter_key()
        importer = new_test_user(
            self.env,
            "importer",
            "base.group_partner_manager,email_marketing_dm.group_user",
        )
        result = (
            self.env["res.partner"]
            .with_user(importer)
            .load(["name", "email_encrypted"], [["Ann", ALICE], ["Bob", "nonsense"]])
        )
        people = self.env["res.partner"].browse(result["ids"])
        self.assertEqual(people.mapped("email_encrypted_valid"), [True, False])

    def test_key_entered_later(self):
        people = self._make_encrypted(ALICE, "nonsense", BOB)
        self.assertFalse(any(people.mapped("email_encrypted_valid")))
        record = self._enter_key()
        self.patch(directmail_aes_key, "BATCH", 2)
        self.assertTrue(record.reading)
        self._run_reading()
        self.assertFalse(record.reading)
        self.assertEqual(people.mapped("email_encrypted_valid"), [True, False, True])
        record.write({"key": KEY, "mode": "gcm"})
        self._run_reading()
        self.assertEqual(people.mapped("email_encrypted_valid"), [False, False, False])

    def test_each_company_has_its_own_key(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self._enter_key()
        self._enter_key("f" * 16, user=self.env.user, company_id=other.id)
        mine, theirs, shared = (
            self._make_encrypted(ALICE, company_id=company)
            for company in (self.env.company.id, other.id, False)
        )
        self.assertTrue(mine.email_encrypted_valid)
        self.assertFalse(theirs.email_encrypted_valid)
        self.assertTrue(shared.email_encrypted_valid)
        theirs.company_id = self.env.company
        self.assertTrue(theirs.email_encrypted_valid)


@tagged("post_install", "-at_install")
class TestEncryptedTask(EncryptedMixin, DirectmailCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = cls._enter_key()
        cls.people = cls._make_encrypted(ALICE, BOB, ALICE_HEX, "nonsense", False)
        cls.people[4].email = "dan@example.com"

    def _start(self, people=None, **vals):
        self._run_reading()
        audience = self._make_audience(self.people if people is None else people)
        task = self._make_task(audience, **{"address_form": "encrypted", **vals})
        task.action_send()
        start_task(task.sudo())
        self.assertEqual(task.state, "sending", task.state_message)
        self.env.flush_all()
        return task.sudo()

    def test_send(self):
        task = self._start()
        self.assertEqual(
            {row.partner_id: row.reason for row in task.delivery_ids},
            dict(
                zip(
                    self.people,
                    (False, False, "duplicate", "cannot_decrypt", "no_encrypted_address"),
                    strict=True,
                )
            ),
        )
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 2))
        self.assertEqual(
            sorted(row["to"] for row in self.emulator.ledger(tag=task.tag_name)),
            ["alice@example.com", "bob.smith+news@example.com"],
        )
        self._import_results(task)
        self.assertEqual(task.delivered_count, 2)
        self.assertFalse(any(task.delivery_ids.mapped("email")))
        self.assertSumRule(task)

    def test_original_addresses_are_the_default(self):
        task = self._start(address_form="original")
        self.assertEqual(task.waiting_count, 1)
        self.assertEqual(set(task.delivery_ids.mapped("reason")), {False, "no_address"})

    def test_same_person_in_clear_and_encrypted_gets_one_mail(self):
        audience = self._make_audience(self.people[:1])
        audience.action_refresh()
        members = self.env["directmail.audience.member"].sudo()
        members.create({"audience_id": audience.id, "email": "alice@example.com"})
        task = self._make_task(audience, use_as_is=True, address_form="encrypted")
        self._run_reading()
        task.action_send()
        start_task(task.sudo())
        task = task.sudo()
        self.assertEqual((task.waiting_count, task.suppressed_count), (1, 1))

    def test_blacklist_and_optout_hold_for_encrypted_people(self):
        self.env["mail.blacklist"]._add("alice@example.com")
        task = self._start()
        self.assertEqual(
            task.delivery_ids.filtered(lambda d: d.partner_id == self.people[0]).reason,
            "blacklisted",
        )
        bob = task.delivery_ids.filtered(lambda d: d.partner_id == self.people[1])
        self.env["directmail.optout"]._record(bob, "page")
        optout = self.env["directmail.optout"].search([("task_id", "=", task.id)])
        self.assertEqual((len(optout), optout.email), (1, False))
        self._run_cron()
        self.assertEqual(bob.reason, "opted_out")
        self._run_cron(at=task.sudo()._get_latest_end())
        self.assertEqual((task.state, task.sent_count), ("done", 0))

    def test_directmails_words_hold_no_address(self):
        self.emulator.set_fault(
            "error",
            action="SingleSendMail",
            status=400,
            code="InvalidToAddress",
            message="No such user alice: Alice@Example.com is unknown",
            to="alice@example.com",
        )
        self.addCleanup(self.emulator.clear_faults)
        task = self._start()
        self._run_cron()
        refused = task.delivery_ids.filtered(lambda d: d.state == "refused")
        self.assertEqual(refused.partner_id, self.people[0])
        self.assertIn("No such user ***", refused.message)
        self.assertNotIn("alice", refused.message.lower())

    def test_value_that_was_tampered_with(self):
        task = self._start()
        row = task.delivery_ids.filtered(lambda d: d.partner_id == self.people[0])
        self.env.cr.execute(
            "UPDATE directmail_delivery SET address_key = 'another' WHERE id = %s", [row.id]
        )
        row.invalidate_recordset()
        self._run_cron()
        self.assertEqual((row.state, row.code), ("refused", "CannotDecrypt"))
        self.assertEqual(row.explanation, "Encrypted address can't be decrypted")
        self.assertEqual((task.state, task.sent_count), ("done", 1))

    def test_what_is_missing_is_said(self):
        audience = self._make_audience(self.people)
        task = self._make_task(audience, address_form="encrypted")
        with self.assertRaisesRegex(UserError, "still being read"):
            task.action_send()
        self._run_reading()
        nobody = self._make_task(self._make_audience(self.people[3:]), address_form="encrypted")
        with self.assertRaisesRegex(UserError, "Nobody in the audience has an encrypted"):
            nobody.action_send()
        self.env.cr.execute("DELETE FROM directmail_aes_key")
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "AES key of .* is missing"):
            task.action_send()
