"""Followers get the messages of a record only as long as they may read it."""

# Messages of tests are in English.
# pylint: disable=translation-required
from odoo.tests import new_test_user, tagged

from ..common import AudienceCommon

GROUP_USER = "email_marketing_dm.group_user"


@tagged("post_install", "-at_install")
class TestFollowers(AudienceCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.template = cls._make_template()
        cls.notes = cls.env.ref("mail.mt_note") + cls.env.ref("mail.mt_comment")

    def _get_told(self, record):
        """Return who was told by the last message in a record's chatter."""
        return record.sudo().message_ids.sorted("id")[-1].notified_partner_ids

    def _follow(self, record, user):
        record.with_user(user).message_subscribe(user.partner_id.ids, self.notes.ids)
        self.assertIn(user.partner_id, record.sudo().message_partner_ids)

    def test_a_former_owner_is_told_nothing_more(self):
        """A former owner is still a follower, but gets neither figures nor reasons."""
        records = (
            self._make_task(self._make_audience(self.ann), self.template),
            self._make_audience(self.ann),
        )
        for record in records:
            with self.subTest(record._name):
                self._follow(record, self.user)
                record.with_user(self.admin).user_id = self.other
                self.assertFalse(record.with_user(self.user).has_access("read"))
                record.with_user(self.other).message_post(
                    body="20 people were suppressed.", subtype_xmlid="mail.mt_note"
                )
                self.assertNotIn(self.user.partner_id, self._get_told(record))
                record.with_user(self.other).message_post(
                    body="20 people were suppressed.", subtype_xmlid="mail.mt_comment"
                )
                self.assertNotIn(self.user.partner_id, self._get_told(record))

    def test_a_task_tells_its_new_owner_only(self):
        task = self._make_task(self._make_audience(self.ann), self.template)
        self._follow(task, self.user)
        task.with_user(self.admin).user_id = self.other
        task.with_env(self.env)._pause("quota", "About 10 mails wait.")
        told = task.sudo().message_ids.filtered(lambda message: "About 10" in message.body)
        self.assertEqual(told.notified_partner_ids, self.other.partner_id)

    def test_who_may_read_a_record_is_told(self):
        audience = self._make_audience(self.ann, visibility="public")
        self._follow(audience, self.other)
        audience.message_post(body="Have a look.", subtype_xmlid="mail.mt_comment")
        self.assertIn(self.other.partner_id, self._get_told(audience))
        audience.visibility = "private"
        audience.message_post(body="Have a look.", subtype_xmlid="mail.mt_comment")
        self.assertNotIn(self.other.partner_id, self._get_told(audience))

    def test_who_has_left_the_group_or_the_company_is_told_nothing(self):
        audience = self._make_audience(self.ann, visibility="public")
        second = self.env["res.company"].create({"name": "Second"})
        for way in ("group", "company"):
            with self.subTest(way):
                user = new_test_user(self.env, f"dm_{way}", GROUP_USER)
                self._follow(audience, user)
                if way == "group":
                    user.group_ids -= self.env.ref(GROUP_USER)
                else:
                    user.write({"company_ids": [(6, 0, second.ids)], "company_id": second.id})
                audience.message_post(body="Have a look.", subtype_xmlid="mail.mt_comment")
                self.assertNotIn(user.partner_id, self._get_told(audience))

    def test_a_contact_who_was_made_a_follower_is_told_nothing(self):
        task = self._make_task(self._make_audience(self.ann), self.template)
        task.message_subscribe(self.bob.ids, self.notes.ids)
        task.message_post(body="It is on its way.", subtype_xmlid="mail.mt_comment")
        self.assertNotIn(self.bob, self._get_told(task))

    def test_who_is_named_in_a_message_is_told(self):
        """Whoever writes a message decides on its recipients, as everywhere in Odoo."""
        task = self._make_task(self._make_audience(self.ann), self.template)
        task.message_post(body="Look.", partner_ids=self.bob.ids, subtype_xmlid="mail.mt_comment")
        self.assertIn(self.bob, self._get_told(task))
