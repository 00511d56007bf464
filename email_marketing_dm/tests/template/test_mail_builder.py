from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import tagged

from ...engine import claim, content
from ..common import DirectmailCommon, start_task


@tagged("post_install", "-at_install")
class TestMailBuilder(DirectmailCommon):
    """Mails are made a few at a time; what they say is read for many people at once."""

    def _start(self, number):
        people = self._make_people(*[f"p{i}@example.com" for i in range(number)])
        task = self._make_task(self._make_audience(people))
        task.action_send()
        start_task(task.sudo())
        self.env.flush_all()
        return task.sudo(), people

    def _claim(self, limit):
        return claim.claim(self.env, self.account.sudo()._make_claim_context(), "run", limit, 600)

    def _get_subjects(self, builder, task, rows):
        mails = builder.build(self.env, task.id, rows)
        return [mails[row.id].subject for row in rows]

    def test_everybody_gets_their_own_values(self):
        task, people = self._start(7)
        builder, subjects = self.account.sudo()._make_mail_builder(), []
        with patch.object(content, "AHEAD", 2):
            while rows := self._claim(3):
                subjects += self._get_subjects(builder, task, rows)
        self.assertEqual(
            sorted(subjects), [f"Spring is here, {name}" for name in people.mapped("name")]
        )

    def test_those_who_come_next_are_read_too(self):
        task, _people = self._start(6)
        builder = self.account.sudo()._make_mail_builder()
        first, second = self._claim(2), self._claim(2)
        self._get_subjects(builder, task, first)
        self.env.invalidate_all()
        # both batches were claimed by then, so the second is read now, and the last two with it
        self._get_subjects(builder, task, second)
        last = self._claim(2)
        self.env.invalidate_all()
        with self.assertQueryCount(0):
            self._get_subjects(builder, task, last)

    def test_a_change_reaches_the_mails_that_come_later(self):
        task, people = self._start(2)
        builder = self.account.sudo()._make_mail_builder()
        self._get_subjects(builder, task, self._claim(1))
        people.name = "Ana 🎈"
        last = self._claim(1)
        self.assertNotEqual(self._get_subjects(builder, task, last), ["Spring is here, Ana 🎈"])
        with patch.object(content, "AHEAD_SECONDS", -1):
            self.assertEqual(self._get_subjects(builder, task, last), ["Spring is here, Ana 🎈"])

    def test_an_account_that_was_sent_from_stays(self):
        """Deliveries have no foreign key to it, so their task's must refuse."""
        self.env.cr.execute(
            """SELECT confdeltype FROM pg_constraint
                WHERE conrelid = 'directmail_task'::regclass AND contype = 'f'
                  AND confrelid = 'directmail_account'::regclass"""
        )
        self.assertEqual(self.env.cr.fetchall(), [("r",)])
        task, _people = self._start(1)
        other = self.account.sudo().copy({"name": "Another"})
        with self.assertRaises(UserError):
            task.with_user(self.user).account_id = other
