from odoo.exceptions import AccessError, RedirectWarning, UserError
from odoo.tests import tagged

from ..common_review import ReviewCommon

KEY = "LTAIEMULATOR"


@tagged("post_install", "-at_install")
class TestTemplateLink(ReviewCommon):
    """Accounts that may not create templates through the API link one from the console."""

    def setUp(self):
        super().setUp()
        self.addCleanup(self._set_operations, "available")

    def _set_operations(self, state, permissions=("dm:*",)):
        self.emulator.configure_account(
            KEY, settings={"rules": {"template_operations": state}}, permissions=list(permissions)
        )

    def _make_link(self, template, user=None, **vals):
        return (
            self.env["directmail.template.link"]
            .with_user(user or self.user)
            .create({"template_id": template.id, **vals})
        )

    def _create_in_console(self, link, name="Spring", subject=None, text=None, approve=True):
        """What somebody does in DirectMail's console with what the page shows."""
        number = self.account._call(
            lambda client: client.create_template(
                name, subject or link.subject, link.sender_name, text or link.text
            )
        )
        if approve:
            self.emulator.approve(number)
        return number

    def test_submitting_says_what_to_do(self):
        template = self._make_template(approved=False)
        for state, words in (
            ("missing", "does not let this account create"),
            ("all_missing", "does not let this account create"),
            ("denied", "may not create or change templates"),
        ):
            self._set_operations(state)
            with self.subTest(state), self.assertRaisesRegex(RedirectWarning, words) as caught:
                template.action_submit()
            _message, action, button = caught.exception.args[:3]
            self.assertEqual(button, "Link to a template in the console")
            self.assertEqual(action["res_model"], "directmail.template.link")
            self.assertEqual(action["context"]["default_template_id"], template.id)
            self.assertEqual(template.state, "draft")

    def test_a_task_says_so_too(self):
        template = self._make_template(approved=False)
        task = self._make_task(self._make_audience(self._make_people("a@example.com")), template)
        self._set_operations("missing")
        with self.assertRaises(RedirectWarning):
            task.action_send()
        self.assertEqual(task.state, "draft")

    def test_other_refusals_stay_what_they_are(self):
        template = self._make_template(approved=False)
        self.emulator.configure_account(KEY, allow_ips=["192.0.2.1"])
        self.addCleanup(self.emulator.configure_account, KEY, allow_ips=[])
        with self.assertRaisesRegex(UserError, "InvalidIP"):
            template.action_submit()

    def test_by_number_and_by_name(self):
        for by in ("number", "name"):
            with self.subTest(by):
                template = self._make_template(approved=False)
                link = self._make_link(template)
                number = self._create_in_console(link, name=f"Spring by {by}")
                self._set_operations("missing")
                link.reference = number if by == "number" else " Spring by name "
                link.action_link()
                self.assertEqual(template.state, "approved")
                self.assertEqual(template.remote_ref, number)
                task = self._make_task(
                    self._make_audience(self._make_people(f"{by}@example.com")), template
                )
                task.action_send()
                self._run_cron()
                self.assertEqual((task.state, task.sent_count), ("done", 1))
                [mail] = self.emulator.ledger(task.sudo().tag_name)
                self.assertEqual(str(mail["template_id"]), number)
                self._set_operations("available")

    def test_one_in_review_is_followed(self):
        template = self._make_template(approved=False)
        link = self._make_link(template)
        number = self._create_in_console(link, approve=False)
        self._set_operations("missing")
        link.reference = number
        link.action_link()
        self.assertEqual(template.state, "in_review")
        self.emulator.approve(number)
        self._run_review_cron()
        self.assertEqual(template.state, "approved")

    def test_another_mail_is_refused_with_the_difference(self):
        template = self._make_template(approved=False)
        link = self._make_link(template)
        number = self._create_in_console(link, text=link.text.replace("spring", "summer"))
        link.reference = number
        with self.assertRaisesRegex(UserError, "(?s)differs from this mail.*spring.*summer"):
            link.action_link()
        number = self._create_in_console(link, name="Second", subject="Another")
        link.reference = number
        with self.assertRaisesRegex(UserError, "(?s)differs from this mail.*Another"):
            link.action_link()
        self.assertEqual(template.state, "draft")

    def test_what_can_not_be_linked(self):
        template = self._make_template(approved=False)
        link = self._make_link(template)
        for reference in ("999999", "Nobody", "²"):
            link.reference = reference
            with self.assertRaisesRegex(UserError, "no template with the name or number"):
                link.action_link()
        number = self._create_in_console(link)
        self.emulator.reject(number, "No.")
        link.reference = number
        with self.assertRaisesRegex(UserError, "rejected"):
            link.action_link()
        other = self._submitted(name="Other")
        link.reference = other.remote_ref
        with self.assertRaisesRegex(UserError, "linked to Other"):
            link.action_link()
        with self.assertRaisesRegex(UserError, "already been submitted"):
            self._make_link(other, reference="1").action_link()

    def test_rights(self):
        template = self._make_template(approved=False)
        link = self._make_link(template, self.other, reference="1")
        with self.assertRaises(AccessError):
            link.action_link()

    def test_what_can_not_be_read_is_not_sent_as_a_template(self):
        template = self._make_template(approved=False)
        link = self._make_link(template, reference="1", confirmed=True)
        for operations, permissions in (
            ("all_missing", ["dm:*"]),
            ("available", ["dm:Query[!T]*", "dm:DescAccountSummary", "dm:Single*"]),
        ):
            self._set_operations(operations, permissions)
            with self.assertRaisesRegex(UserError, "can't be compared"):
                link.action_link()
        self.assertEqual(template.state, "draft")

    def _make_unreadable(self):
        self.account.content_mode = "body"
        self._set_operations("all_missing")
        return self._make_template(approved=False)

    def test_where_mails_carry_their_text_an_administrator_confirms(self):
        template = self._make_unreadable()
        link = self._make_link(template, self.admin, reference="123456")
        self.assertEqual(link.action_link()["res_id"], link.id)
        self.assertIn("spring collection", link.shown)
        self.assertEqual(template.state, "draft")
        link.confirmed = True
        link.action_link()
        self.assertEqual(template.state, "approved")
        self.assertIn("confirmed", template.message_ids[0].body)
        task = self._make_task(self._make_audience(self._make_people("a@example.com")), template)
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 1), task.state_message)

    def test_a_marketer_confirms_nothing_and_administrators_are_asked(self):
        template = self._make_unreadable()
        for vals in ({}, {"confirmed": True}, {"confirmed": True, "shown": "anything"}):
            link = self._make_link(template, reference="123456", **vals)
            message = link.action_link()["params"]["message"]
            self.assertIn("Only an administrator", message)
            self.assertIn(self.admin.name, message)
            self.assertEqual(template.state, "draft")
        asked = template.activity_ids.filtered(lambda activity: activity.user_id == self.admin)
        self.assertEqual(len(asked), 1)
        self.assertIn("123456", asked.note)
        link = self._make_link(template, self.admin, reference="123456")
        link.action_link()
        link.confirmed = True
        link.action_link()
        self.assertEqual(template.state, "approved")
        self.assertFalse(template.sudo().activity_ids)

    def test_an_administrator_confirms_only_what_was_shown(self):
        template = self._make_unreadable()
        for name, value in (("subject", "Another subject"), ("sender_name", "Another shop")):
            with self.subTest(name):
                link = self._make_link(template, self.admin, reference="123456", confirmed=True)
                link.action_link()
                self.assertFalse(link.confirmed, "nothing had been shown")
                template[name] = value
                link.confirmed = True
                with self.assertRaisesRegex(UserError, "was changed while this page was open"):
                    link.action_link()
                self.assertEqual(template.state, "draft")

    def test_a_name_that_is_not_found_makes_no_template_unreadable(self):
        """Where the AccessKey may read templates, it is read, whatever was entered."""
        template = self._make_unreadable()
        self._set_operations("available", ["dm:DescTemplate", "dm:DescAccount*", "dm:Single*"])
        for user in (self.user, self.admin):
            link = self._make_link(template, user, reference="Spring", confirmed=True)
            with self.assertRaisesRegex(UserError, "Enter the number"):
                link.action_link()
        self.assertEqual(template.state, "draft")

    def test_a_template_can_be_deleted_here_all_the_same(self):
        template = self._submitted()
        self._set_operations("missing")
        template.unlink()
        self.assertFalse(template.exists())
