from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from ...engine.content import Person
from ..common import BODY, DirectmailCommon


@tagged("post_install", "-at_install")
class TestTemplate(DirectmailCommon):
    def test_approval(self):
        template = self._make_template(approved=False)
        template.action_submit()
        self.assertEqual(template.state, "in_review")
        template.action_check_review()
        self.assertEqual(template.state, "in_review", "nobody has decided yet")
        self.emulator.approve(template.remote_ref, "Fine.")
        template.action_check_review()
        self.assertEqual(template.state, "approved")
        self.assertIn("approved", template.message_ids[0].body)

    def test_rejection_shows_the_comment_and_can_be_mended(self):
        template = self._make_template(approved=False)
        template.action_submit()
        self.emulator.reject(template.remote_ref, "Name the sender's address.")
        template.action_check_review()
        self.assertEqual(template.state, "rejected")
        self.assertEqual(template.review_comment, "Name the sender's address.")
        remote_ref = template.remote_ref
        template.body_html = BODY.replace("Orchard Road", "Orchard Road 12")
        template.action_submit()
        self.assertEqual(template.state, "in_review")
        self.assertEqual(template.remote_ref, remote_ref, "the same template, reviewed again")

    def test_cron_asks_about_templates(self):
        template = self._make_template(approved=False)
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_review").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(template.state, "approved")

    def test_content_is_locked_while_directmail_has_it(self):
        template = self._make_template()
        with self.assertRaises(UserError):
            template.subject = "Another subject"
        action = template.action_edit()
        revision = template.browse(action["res_id"])
        self.assertEqual(revision.origin_id, template)
        self.assertEqual((revision.state, template.state), ("draft", "approved"))
        revision.subject = "Another subject"

    def test_editing_stops_the_review(self):
        template = self._make_template(approved=False)
        template.action_submit()
        template.action_edit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        self.assertEqual(template.state, "draft", "the answer was about the older text")

    def test_unsubscribe_link_is_demanded(self):
        template = self._make_template(approved=False, body_html="<p>Hello</p>")
        with self.assertRaisesRegex(UserError, "no unsubscribe link"):
            template.action_submit()
        self.assertEqual(template.state, "draft")
        self.assertFalse(template.remote_ref)

    def test_empty_body_is_refused(self):
        template = self._make_template(approved=False, body_html=False, body_arch=False)
        with self.assertRaisesRegex(UserError, "body is empty"):
            template.action_submit()

    def test_what_directmail_cannot_express(self):
        for body, reason in (
            (BODY + '<t t-if="object.name">x</t>', "some recipients only"),
            (BODY + '<t t-out="object.no_such_field"/>', "can't be filled in: .*no_such_field"),
            (BODY + '<t t-out="object.name.upper()"/>', "does not support"),
        ):
            with self.subTest(reason):
                template = self._make_template(approved=False)
                self.env.cr.execute(
                    "UPDATE directmail_template SET body_html = %s WHERE id = %s",
                    [body, template.id],
                )
                template.invalidate_recordset()
                with self.assertRaisesRegex(UserError, reason):
                    template.action_submit()

    def test_field_the_owner_may_not_read(self):
        field = self.env["res.partner"]._fields["comment"]
        self.patch(field, "groups", "base.group_system")
        template = self._make_template(
            approved=False, body_html=BODY + '<t t-out="object.comment"/>'
        )
        with self.assertRaisesRegex(UserError, "can't be filled in: .*comment"):
            template.action_submit()

    def test_model_the_owner_may_not_read(self):
        """A placeholder must not carry leads into mails of somebody who may not see leads."""
        self.assertFalse(self.env["crm.lead"].with_user(self.user).has_access("read"))
        template = self._make_template(
            approved=False, body_html=BODY + '<t t-out="object.opportunity_ids"/>'
        )
        with self.assertRaisesRegex(UserError, r"can't be filled in: .*\(opportunity_ids\)"):
            template.action_submit()

    def test_links_become_absolute(self):
        template = self._make_template()
        text = template.submitted_text
        self.assertIn("https://www.example.com/directmail/unsubscribe/{Token}", text)
        self.assertIn("https://www.example.com/directmail/view/{Token}", text)

    def test_values_are_escaped_for_where_they_stand(self):
        template = self._make_template()
        name = 'Zoë 😀 "O\'Neil" <script>alert(1)</script> {EAddr} 100%'
        partner = self.env["res.partner"].create({"name": name})
        nameless = self.env["res.partner"].create({"type": "other", "parent_id": partner.id})
        people = [Person(record.id, record.id, None, None) for record in partner + nameless]
        values = template._get_values(people)
        body = [v for k, v in values[partner.id].items() if "Subject" not in k]
        subject = [v for k, v in values[partner.id].items() if "Subject" in k]
        self.assertEqual(len(body), 1)
        self.assertNotIn("<script>", body[0])
        self.assertNotIn("{", body[0])
        self.assertEqual(subject, [name])
        self.assertIn("friend", values[nameless.id].values())

    def test_rights(self):
        template = self._make_template(approved=False)
        theirs = template.with_user(self.other)
        self.assertEqual(theirs.name, "Spring")
        with self.assertRaises(AccessError):
            theirs.write({"name": "Taken over"})
        with self.assertRaises(AccessError):
            theirs.action_submit()

    def test_deleted_in_the_console(self):
        template = self._make_template(approved=False)
        template.action_submit()
        self.account._call(lambda client: client.delete_template(template.remote_ref))
        template.action_check_review()
        self.assertEqual(template.state, "draft")
        self.assertEqual(template.lapse_reason, "deleted")
        self.assertIn("deleted in DirectMail's console", template.message_ids[0].body)

    def test_used_template_is_not_deleted(self):
        template = self._make_template()
        task = self._make_task(self._make_audience(self._make_people("a@example.com")), template)
        with self.assertRaisesRegex(UserError, task.name):
            template.unlink()

    def test_approval_can_not_be_forged(self):
        """By RPC a readonly field is as writable as any other."""
        template = self._make_template(approved=False)
        for vals in ({"state": "approved"}, {"submitted_text": "<p>x</p>"}, {"remote_ref": "1"}):
            with self.subTest(vals), self.assertRaises(AccessError):
                template.write(vals)
        with self.assertRaises(AccessError):
            self._make_template(approved=False, state="approved")
        with self.assertRaises(AccessError):
            template.with_context(default_state="approved").copy()
        self.assertEqual(template.copy().state, "draft")

    def test_subject_and_sender_name_are_one_line_each(self):
        """With a line break, a header of the mail would go on as another header."""
        template = self._make_template(approved=False)
        for name in ("subject", "sender_name"):
            for text in ("A\nBcc: b@x.example", "A\r\nB", "A\n", "A\u2028B", "A\x85B"):
                with self.subTest(name=name, text=text), self.assertRaises(ValidationError):
                    template[name] = text[:14]
