from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import SQL

from ..common import DirectmailCommon

FLOWER = "\U0001f338"


@tagged("post_install", "-at_install")
class TestLengths(DirectmailCommon):
    """DirectMail counts UTF-16 units: what is too long by its count never leaves."""

    def _send(self, template, *people):
        task = self._make_task(self._make_audience(self._make_people(*people)), template)
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "done", task.state_message)
        return self.emulator.ledger(tag=task.sudo().tag_name)

    def test_a_sender_name(self):
        for name in ("x" * 14, FLOWER * 7, "Café 春の花 " + FLOWER):
            template = self._make_template(name=name, sender_name=name)
            self.assertEqual(self._send(template, "a@example.com")[0]["sender_name"], name.strip())
        for name in (FLOWER * 8, "Azure " + FLOWER * 5):
            with self.assertRaisesRegex(ValidationError, "emoji"), self.env.cr.savepoint():
                self._make_template(approved=False, sender_name=name)

    def test_a_sender_name_of_an_older_version(self):
        """15 characters were allowed; such an approved template can still be sent and edited."""
        template = self._make_template()
        self.env.cr.execute("ALTER TABLE directmail_template ALTER sender_name TYPE varchar(15)")
        self.env.flush_all()
        self.env.execute_query(
            SQL(
                "UPDATE directmail_template SET sender_name = 'Azure Interiors' WHERE id = %s"
                " RETURNING id",
                template.id,
            )
        )
        self.env.invalidate_all()
        self.assertEqual(self._send(template, "a@example.com")[0]["sender_name"], "Azure Interior")
        revision = template.browse(template.action_edit()["res_id"])
        self.assertEqual(revision.sender_name, "Azure Interior")

    def test_a_subject_that_gets_too_long_with_somebodys_name(self):
        template = self._make_template(subject="Spring, {{ object.name }}")
        audience = self._make_people("a@example.com", name=FLOWER * 60)
        task = self._make_task(self._make_audience(audience), template)
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "done")
        [mail] = self.emulator.ledger(tag=task.sudo().tag_name)
        self.assertEqual(mail["subject"], "Spring, " + FLOWER * 46)

    def test_a_company_with_a_long_name(self):
        self.account.sudo().company_id.name = "Blumen " + FLOWER * 9
        task = self.env["directmail.task"].with_user(self.user).new({"account_id": self.account.id})
        self.assertEqual(task.sender_name, "Blumen " + FLOWER * 3)
