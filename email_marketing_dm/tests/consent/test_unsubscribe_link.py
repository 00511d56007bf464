from odoo.tests import tagged

from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestUnsubscribeLink(DirectmailCommon):
    """Whose unsubscribe link stands in a mail's headers, and whom DirectMail holds back."""

    def _send(self):
        people = self._make_people("a@example.com")
        task = self._make_task(self._make_audience(people))
        task.action_send()
        self._run_cron()
        [mail] = self.emulator.ledger(tag=task.sudo().tag_name)
        return mail

    def test_ours_in_the_mails_of_a_task_and_directmails_where_there_is_none(self):
        mail = self._send()
        self.assertIn("directmail/unsubscribe", mail["headers"]["List-Unsubscribe"])
        self.assertEqual(mail["unsubscribe_link"], "own")
        self.assertEqual(mail["unsubscribe_filter"], "mailfrom_domain")

    def test_what_the_account_says_counts(self):
        self.account.write({"unsubscribe_link": "disabled", "unsubscribe_filter": "edm_id"})
        self.assertEqual(self._send()["unsubscribe_filter"], "edm_id")
