from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from ..common_encrypted import ALICE, BOB, EncryptedMixin
from ..common_seen import SeenMixin
from ..common_series import SeriesCommon


@tagged("post_install", "-at_install")
class TestSeriesEncrypted(EncryptedMixin, SeriesCommon):
    """Series that mail encrypted people: administrators own them, and only they read them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._enter_key()
        cls.secret = cls._make_encrypted(ALICE, BOB, ref="secret")
        cls.lines = [{"domain": "[('ref', '=', 'secret')]"}]
        cls.secrets = cls._make_audience(None, user=cls.admin, lines=cls.lines)
        cls.secrets.action_refresh()

    def _start_secret(self, **vals):
        self._run_reading()
        vals = {"audience_id": self.secrets.id, "address_form": "encrypted", **vals}
        return self._start(owner=self.admin, **vals)

    def test_administrators_mail_encrypted_people(self):
        series = self._start_secret()
        self.assertTrue(series.only_admins)
        self._go_on()
        self._go_on(days=1)
        self.assertEqual(series.finished_count, 2)
        for task in series.step_ids.task_ids:
            self.assertTrue(task.in_tens)
            self.assertEqual(
                sorted(mail["to"] for mail in self.emulator.ledger(tag=task.tag_name)),
                ["alice@example.com", "bob.smith+news@example.com"],
            )
        # Never in clear.
        self.assertFalse(any(series.entry_ids.mapped("email")))
        self.assertFalse(any(series.entry_ids.mail_ids.mapped("email")))
        # Marketing users can neither read it nor own it.
        with self.assertRaisesRegex(ValidationError, "must be an administrator"):
            series.sudo().user_id = self.user
        self.env.cr.execute(
            "UPDATE directmail_series SET user_id = %s WHERE id = %s", [self.user.id, series.id]
        )
        self.env.invalidate_all()
        for records in (series, series.step_ids, series.entry_ids):
            with self.assertRaises(AccessError):
                records.with_user(self.user).check_access("read")

    def test_people_who_have_unsubscribed_are_not_mailed(self):
        self.env["mail.blacklist"]._add("alice@example.com")
        series = self._start_secret()
        self._go_on()
        alice = self._get_entry(series, self.secret[0])
        self.assertEqual((alice.reason, alice.mail_ids.reason), ("not_mailed", "blacklisted"))
        self.assertEqual(self._get_mailed(self.first), self.secret[1])

    def test_marketing_users_can_not_start_it(self):
        with self.assertRaisesRegex(UserError, "let an administrator own the series"):
            self._start()
        series = self._start_secret()
        # The owner is no administrator any more.
        self.admin.sudo().group_ids -= self.env.ref("email_marketing_dm.group_admin")
        self.admin.sudo().group_ids += self.env.ref("email_marketing_dm.group_user")
        self._advance()
        series = series.sudo()
        self.assertEqual(series.state, "paused")
        self.assertIn("must be an administrator", series.state_message)

    def test_without_the_key_the_series_is_paused(self):
        series = self._start_secret()
        key = self.env["directmail.aes.key"].search([])
        self.env.cr.execute("DELETE FROM directmail_aes_key")
        self.env.invalidate_all()
        self._go_on()
        self.assertEqual(series.state, "paused")
        self.assertIn("AES key", series.state_message)
        self.assertEqual(series.called_off_count, 0)
        with self.assertRaisesRegex(UserError, "AES key of .* is missing"):
            series.action_resume()
        self.assertFalse(key.exists())
        self._enter_key()
        with self.assertRaisesRegex(UserError, "still being read"):
            series.action_resume()
        self._run_reading()
        series.action_resume_late()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.secret)

    def test_people_wait_while_addresses_are_read_again(self):
        series = self._start_secret()
        # As if a contact had been saved on a server without the master key.
        self.env["directmail.aes.key"]._read_again()
        self._advance()
        self.assertEqual((series.state, series.inside_count), ("running", 0))
        self._run_reading()
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.secret)

    def test_a_key_that_is_entered_later_closes_the_series_to_others(self):
        self.env.cr.execute("DELETE FROM directmail_aes_key")
        self.env.invalidate_all()
        series = self._start(owner=self.admin, exit_left=True)
        self._advance()
        self.assertFalse(series.only_admins)
        self._enter_key()
        self.audience.action_refresh()
        self._advance()
        self.assertTrue(series.only_admins)
        self.assertTrue(all(series.step_ids.task_ids.mapped("in_tens")))
        self._go_on()
        self.assertEqual(self._get_mailed(self.first), self.people)

    def test_a_key_that_is_entered_later_pauses_the_series_of_marketing_users(self):
        self.env.cr.execute("DELETE FROM directmail_aes_key")
        self.env.invalidate_all()
        series = self._start()
        self._advance()
        self._enter_key()
        self.assertEqual(series.state, "paused")
        self.assertIn("the company has an AES key", series.state_message)
        with self.assertRaisesRegex(UserError, "let an administrator own the series"):
            series.action_resume()


@tagged("post_install", "-at_install")
class TestSeriesLent(SeenMixin, SeriesCommon):
    """Series of administrators with a colleague's audience, in which are people they don't see."""

    def test_people_whom_only_the_owner_of_the_audience_sees_are_mailed(self):
        audience = self._lend()
        series = self._start(owner=self.admin, audience_id=audience.id).sudo()
        self.assertTrue(series.only_admins)
        self._advance()
        for person in (self.vera, self.hilda):
            entry = self._get_entry(series, person)
            self.assertEqual((entry.state, entry.mail_ids.state), ("inside", "waiting"))
        # Nobody who may be mailed by this series sees her any more.
        self._run_cron()
        self.hilda.company_id = self.env["res.company"].create({"name": "Elsewhere"})
        self._advance(minutes=20)
        self._advance(days=1)
        self.assertEqual(self._get_entry(series, self.hilda).reason, "not_seen")
