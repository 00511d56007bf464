import base64

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged

from ...privacy.address import normalise
from ..common import DirectmailCommon, run_migration, start_task
from ..common_encrypted import ALICE, ALICE_GCM, KEY
from ..common_upload import UploadMixin

# Made with openssl: see tests/unit/test_aes.py.
ALICE_CBC = "AAECAwQFBgcICQoLDA0ODzdMyXjZR7eHA8sXOyoQMTU8uSk9xYRqvW9EzAYSw/Yx"
# AESGCM(KEY.encode()).encrypt(nonce, b"bob@example.com", None) of cryptography, nonce in front.
BOB_GCM = "CwoJCAcGBQQDAgEA6+PBnycRsgeYfiud9RS+dymUzHyiLquSo/mgt+U02A=="
SCRIPT = "19.0.1.4.0/post-aes_known.py"
PLACE = 2  # of the sign that the attacker looks for: alice@example.com
SIGNS = [chr(code) for code in range(0x21, 0x7F)]


class CbcCommon(UploadMixin, DirectmailCommon):
    """A database of 19.0.1.3.0 with a CBC key, one contact that has a CBC value, then upgraded."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = cls._enter_key(mode="gcm")
        cls.env.flush_all()
        cls.env.cr.execute("UPDATE directmail_aes_key SET mode = 'cbc'")
        cls.env.invalidate_all()
        cls.contact = cls._make_encrypted(ALICE_CBC)
        cls.env.flush_all()
        run_migration(cls.env.cr, SCRIPT)
        cls.key.write({"key": KEY})

    def setUp(self):
        super().setUp()
        self._run_reading()

    def _change(self, mask):
        """Return the value whose decrypted sign at PLACE is changed by a mask."""
        data = bytearray(base64.b64decode(ALICE_CBC))
        data[PLACE] ^= mask
        return base64.b64encode(data).decode()

    def assertTellsNothing(self, answers):
        """What a user learned of each mask: every sign, or none, would explain it."""
        told = {mask for mask, readable in answers.items() if readable and mask}
        allowed = {sign for sign in map(chr, range(128)) if normalise(f"al{sign}ce@example.com")}
        explained = [
            sign
            for sign in SIGNS
            if told == {mask for mask in answers if mask and chr(ord(sign) ^ mask) in allowed}
        ]
        self.assertFalse(explained, f"the attacker knows that it is one of {explained}")
        self.assertFalse(told)


@tagged("post_install", "-at_install")
class TestCbcOracle(CbcCommon):
    """A marketing user changes the IV of a value that they may see."""

    def test_uploads(self):
        values = {mask: self._change(mask) for mask in range(128)}
        upload = self._upload("\n".join(["code", *values.values()]), id_kind="encrypted")
        statuses = dict(self._get_statuses(upload))
        self.assertTellsNothing(
            {mask: statuses[value] != "unreadable" for mask, value in values.items()}
        )
        self.assertEqual(statuses[ALICE_CBC], "matched", "the value itself is found")

    def test_the_guess_of_what_a_column_holds(self):
        upload = self._upload(f"{self._change(1)}\n{self._change(2)}\n", start=False)
        self.assertNotEqual(upload.id_kind, "encrypted")

    def test_contacts(self):
        marketer = new_test_user(
            self.env,
            "writer",
            "base.group_partner_manager,email_marketing_dm.group_user",
        )
        partners = self.env["res.partner"].with_user(marketer)
        masks = range(1, 128)
        people = partners.create(
            [{"name": f"{mask}", "email_encrypted": self._change(mask)} for mask in masks]
        )
        for _again in range(2):
            readable = partners.search(
                [("email_encrypted_valid", "=", True), ("id", "in", people.ids)]
            )
            self.assertFalse(readable)
            self.assertTellsNothing(
                dict(zip(masks, people.mapped("email_encrypted_valid"), strict=True))
            )
            # The cron reads them in nobody's name, after the key was entered again.
            self.key.write({"key": KEY})
            self._run_reading()
        people[0].company_id = self.env.company
        self.assertFalse(people[0].email_encrypted_valid)
        self.contact.with_user(self.env.user).email_encrypted = self._change(1)
        self.assertFalse(self.contact.email_encrypted_valid)

    def test_tasks(self):
        people = self._make_encrypted(*(self._change(mask) for mask in range(1, 128)))
        audience = self._make_audience(people + self.contact)
        task = self._make_task(audience, address_form="encrypted")
        task.action_send()
        start_task(task.sudo())
        rows = task.sudo().delivery_ids
        reasons = {row.partner_id: row.reason for row in rows}
        self.assertEqual(reasons.pop(self.contact), False)
        self.assertEqual(set(reasons.values()), {"cannot_decrypt"})
        self._run_cron()
        self.assertEqual(
            [row["to"] for row in self.emulator.ledger(tag=task.tag_name)], ["alice@example.com"]
        )


@tagged("post_install", "-at_install")
class TestFromCbcToGcm(CbcCommon):
    """A company leaves CBC."""

    def test_cbc_is_not_offered(self):
        self.key.write({"key": KEY, "mode": "cbc"})  # the same key after a lost master key
        self.key.write({"key": KEY, "mode": "ecb"})
        with self.assertRaisesRegex(UserError, "no longer offered"):
            self.key.write({"key": KEY, "mode": "cbc"})
        self.env.cr.execute("DELETE FROM directmail_aes_key")
        self.env.invalidate_all()
        keys = self.env["directmail.aes.key"].with_user(self.admin)
        with self.assertRaisesRegex(UserError, "no longer offered"), self.env.cr.savepoint():
            keys.create({"key": KEY, "mode": "cbc"})
        with self.assertRaisesRegex(UserError, "no longer offered"), self.env.cr.savepoint():
            keys.with_context(default_mode="cbc").create({"key": KEY})

    def test_old_values_stay_readable_beside_new_ones(self):
        with Form(self.key) as form:
            form.mode = "gcm"
            form.key = KEY
        self._run_reading()
        self.assertTrue(self.contact.email_encrypted_valid)
        bob, broken = self._make_encrypted(BOB_GCM, BOB_GCM[:-8] + "AAAAAAA=")
        self.assertEqual((bob + broken).mapped("email_encrypted_valid"), [True, False])
        values = [ALICE_GCM, ALICE_CBC, BOB_GCM, self._change(1), ALICE]
        upload = self._upload("\n".join(["code", *values]), id_kind="encrypted")
        self.assertEqual(
            [status for _value, status in self._get_statuses(upload)],
            ["matched", "duplicate", "matched", "unreadable", "unreadable"],
        )
        audience = self._make_audience(self.contact + bob + broken)
        task = self._make_task(audience, address_form="encrypted")
        task.action_send()
        start_task(task.sudo())
        self._run_cron()
        self.assertEqual(
            sorted(row["to"] for row in self.emulator.ledger(tag=task.tag_name)),
            ["alice@example.com", "bob@example.com"],
        )

    def test_exchanging_a_contacts_value_keeps_the_optout(self):
        key = self.contact.sudo().email_encrypted_key
        self.key.write({"key": KEY, "mode": "gcm"})
        self._run_reading()
        self.contact.email_encrypted = ALICE_GCM
        self.assertEqual(self.contact.sudo().email_encrypted_key, key)

    def test_nobody_reads_or_adds_known_values(self):
        known = self.env["directmail.aes.known"]
        for user in (self.user, self.admin):
            with self.assertRaises(AccessError):
                known.with_user(user).search([])
            with self.assertRaises(AccessError):
                known.with_user(user).create({"digest": "0" * 64})

    def test_databases_without_a_cbc_key_record_nothing(self):
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM directmail_aes_known")
        self.env.cr.execute("UPDATE directmail_aes_key SET mode = 'ecb'")
        run_migration(self.env.cr, SCRIPT)
        self.assertFalse(self.env["directmail.aes.known"].search([]))
