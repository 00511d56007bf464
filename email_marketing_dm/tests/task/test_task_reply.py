from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..common import DirectmailCommon

SENDER = "news@mail.example.com"


@tagged("post_install", "-at_install")
class TestTaskReply(DirectmailCommon):
    """Replies arrive, or the form says that they would not."""

    def _set_sender(self, **vals):
        """Change the sender in DirectMail's console, and synchronise."""
        senders = [{"address": SENDER, "type": "batch", **vals}]
        self.emulator.configure_account(senders=senders)
        self.account.action_synchronise()

    def _make(self, **vals):
        people = self._make_people("a@example.com")
        return self._make_task(self._make_audience(people), sender_id=self.sender.id, **vals)

    def _send(self, task):
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "done", task.state_message)
        return self.emulator.ledger(task.sudo().tag_name)[0]

    def test_the_senders_verified_address_is_the_default(self):
        self._set_sender(reply_address="desk@example.com")
        task = self._make()
        self.assertEqual(task.reply_default, "desk@example.com")
        self.assertFalse(task.reply_warning)
        self.assertEqual(self._send(task)["reply_to"], "desk@example.com")

    def test_an_address_that_is_not_verified_is_not_used(self):
        self._set_sender(reply_address="desk@example.com", reply_verified=False)
        task = self._make()
        self.assertFalse(task.reply_default)
        self.assertIn("random address at mail.example.com", task.reply_warning)
        self.assertEqual(self._send(task)["reply_to"], "")

    def test_without_one_the_accounts_is_used(self):
        self._set_sender()
        self.account.reply_to = "Office@example.com"
        task = self._make()
        self.assertFalse(task.reply_warning)
        self.assertEqual(self._send(task)["reply_to"], "Office@example.com")

    def test_the_tasks_own_goes_first(self):
        self._set_sender(reply_address="desk@example.com")
        self.account.reply_to = "office@example.com"
        self.assertEqual(self._send(self._make(reply_to="me@example.com"))["reply_to"],
                         "me@example.com")  # fmt: skip

    def test_the_form_says_where_replies_would_go(self):
        self._set_sender()
        task = self._make(address_type="sender")
        self.assertIn(f"Replies would go to {SENDER}", task.reply_warning)
        task.address_type = "random"
        self.assertIn("that nobody reads", task.reply_warning)
        task.reply_to = "me@example.com"
        self.assertFalse(task.reply_warning)

    def test_only_addresses(self):
        task = self._make()
        for text in ("Desk <desk@example.com>", "desk", "a@example.com,b@example.com"):
            with self.assertRaisesRegex(ValidationError, "not an email address"):
                task.reply_to = text
            with self.assertRaisesRegex(ValidationError, "not an email address"):
                self.account.reply_to = text

    def test_a_random_address_is_what_recipients_see(self):
        task = self._make()
        self.assertRegex(self._send(task)["from"], r"^news-[0-9a-f]{8}@mail\.example\.com$")
        self.assertEqual(self._send(self._make(address_type="sender"))["from"], SENDER)
