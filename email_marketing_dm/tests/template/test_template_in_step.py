from datetime import timedelta

from odoo.exceptions import RedirectWarning, UserError
from odoo.tests import tagged

from ..common_review import ReviewCommon


@tagged("post_install", "-at_install")
class TestTemplateInStep(ReviewCommon):
    """Changes in DirectMail's console, and texts that DirectMail stores differently."""

    def _set_rules(self, **rules):
        """Have DirectMail behave in another way until the end of the test."""
        self.emulator.configure_account(settings={"rules": rules})
        usual = {"stored_text": "exact", "returns_nickname": True}
        self.addCleanup(self.emulator.configure_account, settings={"rules": usual})

    def test_deleted_after_approval(self):
        template = self._make_template()
        task = self._pending_task(template)
        self._delete_remote(template)
        self._run_review_cron()
        self.assertEqual((template.state, template.lapse_reason), ("lapsed", "deleted"))
        self.assertEqual(task.state, "paused")
        self.assertIn("deleted in DirectMail's console", task.state_message)
        self.assertFalse(self.emulator.templates(), "never made again without being asked")
        with self.assertRaisesRegex(UserError, "deleted in DirectMail's console"):
            task.action_resume() if task.state == "paused" else task._check_template()

        template.action_submit()
        self.assertEqual((template.state, template.lapse_reason), ("in_review", False))
        self.assertEqual(len(self.emulator.templates()), 1)

    def test_changed_after_approval(self):
        template = self._make_template()
        task = self._pending_task(template)
        self._change_remote(template)
        template.sudo().checked_at -= timedelta(hours=1)
        self._run_review_cron()
        self.assertEqual((template.state, template.lapse_reason), ("lapsed", "changed"))
        self.assertEqual(task.state, "paused")
        text = template.submitted_text
        template.action_submit()
        [remote] = self.emulator.templates()
        self.assertEqual((remote["text"], template.submitted_text), (text, text))

    def test_changed_while_a_task_is_sent(self):
        template = self._make_template()
        task = self._pending_task(template)
        task.sudo().write({"state": "sending"})
        self._change_remote(template)
        template.action_check_review()
        self.assertEqual(task.state, "paused")
        self.assertIn("changed in DirectMail's console", task.state_message)
        with self.assertRaisesRegex(UserError, "changed in DirectMail's console"):
            task.action_resume()

    def test_withdrawn_approval_shows_in_the_list(self):
        """A change in the console that is still being reviewed there."""
        template = self._make_template()
        self.account._call(
            lambda client: client.modify_template(
                template.remote_ref, template.remote_name, "Other", "Azure", "<p>Other</p>"
            )
        )
        self._run_review_cron()
        self.assertEqual((template.state, template.lapse_reason), ("lapsed", "changed"))

    def test_the_owner_reads_what_was_changed(self):
        template = self._make_template()
        self._change_remote(template, template.submitted_text.replace("Dear", "Buy now"))
        template.action_check_review()
        message = template.message_ids[0]
        self.assertIn("changed in DirectMail's console", message.body)
        self.assertRegex(message.body, r"Now:</b> Hijacked")
        self.assertRegex(message.body, r"Now:</b> Buy now")
        self.assertRegex(message.body, r"Before:</b> Dear")
        self.assertIn(template.user_id.partner_id, message.partner_ids)

    def test_a_change_that_is_being_reviewed_is_shown_too(self):
        template = self._make_template()
        self.account._call(
            lambda client: client.modify_template(
                template.remote_ref, template.remote_name, "Other", "", "<p>Other</p>"
            )
        )
        self._run_review_cron()
        [body] = [m.body for m in template.message_ids if "changed in DirectMail" in m.body]
        self.assertRegex(body, r"Now:</b> Other")

    def test_text_that_directmail_writes_in_its_own_way(self):
        """Line ends and entities of its own, no nickname: an approved template stays one."""
        for form in ("exact", "crlf", "entities"):
            with self.subTest(form):
                self._set_rules(stored_text=form, returns_nickname=False)
                self.emulator.clear_faults()
                template = self._make_template(
                    name=form,
                    subject="It's for you, é",
                    body_html='<div><p>Hello <t t-out="object.name">friend</t>, it\'s “for” you:'
                    ' 你好 &amp; é {Word}</p><table><tr><td title="é">x</td></tr></table>'
                    '<a href="/unsubscribe_from_list">Unsubscribe</a></div>',
                )
                task = self._pending_task(template)
                rows = self.emulator.templates()
                [remote] = [row for row in rows if row["name"].startswith(form)]
                self.assertEqual(remote["text"] == template.submitted_text, form == "exact")
                self.assertEqual(template.stored_text, remote["text"])
                template.sudo().checked_at -= timedelta(hours=1)
                self._run_review_cron()
                self.assertEqual(template.state, "approved")
                self._run_cron()
                self.assertEqual((task.state, task.sent_count), ("done", 1))
                self.assertFalse([m for m in template.message_ids if "another text" in m.body])

    def test_a_real_change_of_a_text_that_was_stored_in_another_form(self):
        self._set_rules(stored_text="entities", returns_nickname=False)
        template = self._make_template()
        task = self._pending_task(template)
        self._change_remote(template, template.submitted_text.replace("Dear", "Liebe"))
        self._run_cron()
        self.assertEqual((task.state, template.lapse_reason), ("paused", "changed"))

    def test_the_reference_is_taken_later_where_reading_back_fails(self):
        self._set_rules(stored_text="crlf")
        self.emulator.set_fault("close", action="DescTemplate", times=1)
        template = self._submitted()
        self.assertEqual((template.state, template.stored_text), ("in_review", False))
        self._run_review_cron()
        self.assertTrue(template.stored_text.endswith("\r\n"))
        self.emulator.approve(template.remote_ref)
        self._run_review_cron()
        template.action_check_review()
        self.assertEqual(template.state, "approved")

    def test_a_text_that_was_approved_before_it_could_be_read_back(self):
        """Also what was submitted by a version of this app that kept no reference."""
        for text, state in ((None, "approved"), ("<p>Other</p>", "lapsed")):
            with self.subTest(state):
                template = self._make_template(name=state)
                template.sudo().write({"stored_text": False, "stored_subject": False})
                if text:
                    self._change_remote(template, text)
                template.action_check_review()
                self.assertEqual(template.state, state)

    def test_nothing_is_compared_where_mails_carry_their_text(self):
        self.account.content_mode = "body"
        template = self._make_template()
        task = self._pending_task(template)
        self._change_remote(template)
        template.sudo().checked_at -= timedelta(hours=1)
        self._run_review_cron()
        self._run_cron()
        self.assertEqual((template.state, task.state, task.sent_count), ("approved", "done", 1))

    def test_another_sender_name_reaches_directmail(self):
        self._set_rules(returns_nickname=False)
        template = self._submitted()
        template.action_edit()
        template.sender_name = "Azure news"
        template.action_submit()
        [remote] = self.emulator.templates()
        self.assertEqual(remote["nickname"], "Azure news")

    def test_compared_before_the_first_call(self):
        template = self._make_template()
        task = self._pending_task(template)
        self._change_remote(template)
        self._run_cron()
        self.assertEqual((task.state, task.people_count), ("paused", 0))
        self.assertEqual(template.lapse_reason, "changed")
        self.assertFalse(self.emulator.ledger())

    def test_lapsed_content_stays_as_it_was_approved(self):
        template = self._make_template()
        self._delete_remote(template)
        template.action_check_review()
        with self.assertRaisesRegex(UserError, "Press Edit"):
            template.subject = "Another subject"
        self.assertNotEqual(template.action_edit()["res_id"], template.id)

    def test_lost_answer_to_the_creation(self):
        self.emulator.set_fault("close", action="CreateTemplate", times=1)
        template = self._submitted()
        self.assertEqual(template.state, "in_review")
        [remote] = self.emulator.templates()
        self.assertEqual(str(remote["id"]), template.remote_ref)

    def test_lost_answer_and_nobody_to_ask(self):
        """The user tries again, later and under another name: it is still the same template."""
        self.emulator.set_fault("close", action="CreateTemplate", times=1)
        self.emulator.set_fault("close", action="QueryTemplateByParam", after=1, times=1)
        template = self._make_template(approved=False)
        with self.assertRaises(UserError), self.env.cr.savepoint():
            template.action_submit()
        self.assertEqual(template.state, "draft")
        template.name = "Renamed"
        template.action_submit()
        [remote] = self.emulator.templates()
        self.assertEqual(str(remote["id"]), template.remote_ref)

    def test_lost_answer_to_a_change(self):
        template = self._submitted()
        template.action_edit()
        template.subject = "Another subject"
        self.emulator.set_fault("reset", action="ModifyTemplate", times=1)
        template.action_submit()
        [remote] = self.emulator.templates()
        self.assertEqual(remote["subject"], "Another subject")
        modified = [n for (action, _a), n in self.emulator.calls().items() if "Modify" in action]
        self.assertEqual(sum(modified), sum(modified[:1]), "one call was enough")

    def test_a_refused_change_is_no_lost_answer(self):
        self.emulator.set_fault("error", action="CreateTemplate", status=400, code="Forbidden.RAM")
        with self.assertRaisesRegex((RedirectWarning, UserError), "may not"):
            self._submitted()
        self.assertFalse(self.emulator.templates())

    def test_names(self):
        first, second = (self._submitted(name="The spring newsletter of our house") for _ in "12")
        names = {first.remote_name, second.remote_name}
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertLessEqual(len(name), 30)
            self.assertTrue(name.startswith("The spring"))
        odd = self._submitted(name="Frühling 春\U0001f338\n!")
        self.assertTrue(odd.remote_name.startswith("Frühling 春!-"), odd.remote_name)
