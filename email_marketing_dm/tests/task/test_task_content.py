from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from ..common import BODY
from ..common_review import ReviewCommon

OTHER_BODY = BODY.replace("spring collection", "summer collection")


@tagged("post_install", "-at_install")
class TestTaskContent(ReviewCommon):
    """If I modify a template's content after selecting it, does the new content need review?"""

    def setUp(self):
        super().setUp()
        self.template = self._make_template()

    def _task(self, template=None, **vals):
        people = self._make_people("a@example.com")
        return self._make_task(
            self._make_audience(people), template or self.template, name="May mailing", **vals
        )

    def _decide(self, template, comment=None):
        if comment:
            self.emulator.reject(template.remote_ref, comment)
        else:
            self.emulator.approve(template.remote_ref)
        self._run_review_cron()

    def test_modified_content_is_a_new_template_named_after_the_task(self):
        task = self._task()
        text = self.template.submitted_text
        task.write({"subject": "Summer is here", "body_arch": OTHER_BODY, "body_html": OTHER_BODY})
        own = task.template_id
        self.assertNotEqual(own, self.template)
        self.assertEqual(own.name, "May mailing", "exactly the task's name")
        self.assertEqual((own.origin_id, own.task_id), (self.template, task))
        self.assertEqual((own.state, own.user_id), ("draft", self.user))
        self.assertIn("summer collection", own.body_html)
        self.assertEqual(own.sender_name, "Azure Interior", "what was not changed is kept")
        self.assertEqual((self.template.state, self.template.submitted_text), ("approved", text))
        self.assertIn("Spring is here", self.template.subject)
        listed = self.env["directmail.template"].with_user(self.other).search([])
        self.assertIn(own, listed, "it can be managed from the template list")

    def test_the_new_template_must_be_approved_before_it_is_used(self):
        task = self._task()
        task.subject = "Summer is here"
        task.action_send()
        own = task.template_id
        self.assertEqual((task.state, own.state), ("pending", "in_review"))
        self._run_cron()
        self.assertFalse(self.emulator.ledger(tag=task.tag_name or "none"))
        self._decide(own)
        self._run_cron()
        self.assertEqual(task.state, "done")
        [mail] = self.emulator.ledger(tag=task.tag_name)
        self.assertEqual(mail["subject"], "Summer is here")

    def test_a_template_in_any_state_may_be_modified(self):
        review = self._submitted(name="In review")
        rejected = self._submitted(name="Rejected")
        self._decide(rejected, "No.")
        lapsed = self._make_template(name="Lapsed")
        self._delete_remote(lapsed)
        lapsed.action_check_review()
        draft = self._make_template(approved=False, name="Draft")
        states = []
        for template in (draft, review, rejected, lapsed):
            task = self._task(template)
            states.append(template.state)
            task.subject = "Another subject"
            self.assertEqual(task.template_id.origin_id, template)
            self.assertEqual(template.state, states[-1])
            self.assertIn("Spring is here", template.subject)
            task.action_send()
            self.assertEqual(task.state, "pending")
        self.assertEqual(states, ["draft", "in_review", "rejected", "lapsed"])

    def test_somebody_elses_template(self):
        task = self._task()
        theirs = self._make_template(approved=False)
        theirs.sudo().user_id = self.other
        task.template_id = theirs
        with self.assertRaisesRegex(UserError, "Submit the template"):
            task.action_send()
        task.subject = "Mine now"
        self.assertEqual(task.template_id.user_id, self.user)
        self.assertIn("Spring is here", theirs.subject)
        task.action_send()
        self.assertEqual(task.template_id.state, "in_review")

    def test_own_template_is_changed_in_place_until_it_is_approved(self):
        task = self._task()
        task.subject = "First"
        own = task.template_id
        task.subject = "Second"
        self.assertEqual((task.template_id, own.subject), (own, "Second"))
        task.action_send()
        self._decide(own, "No prices in subjects.")
        self.assertEqual(task.state, "failed")
        self.assertIn("No prices in subjects.", task.state_message)
        task.subject = "Third"
        self.assertEqual(task.template_id, own)
        task.action_send()
        self._decide(own)
        self.assertEqual((own.state, own.submitted_subject), ("approved", "Third"))
        task.action_withdraw()
        task.subject = "Fourth"
        self.assertNotEqual(task.template_id, own, "an approved template stays as it is")
        self.assertEqual((own.subject, task.template_id.origin_id), ("Third", own))

    def test_own_template_that_another_task_uses_is_left_alone(self):
        task = self._task()
        task.subject = "First"
        own = task.template_id
        self._task(own)
        task.subject = "Second"
        self.assertNotEqual(task.template_id, own)
        self.assertEqual(own.subject, "First")

    def test_modifying_a_scheduled_task_that_waits(self):
        """Use or modify a template that is still under review; it goes out at its time."""
        at = fields.Datetime.now() + timedelta(hours=2)
        task = self._task(self._submitted(), send_type="scheduled", scheduled_at=at)
        task.action_send()
        task.write({"body_arch": OTHER_BODY, "body_html": OTHER_BODY})
        own = task.template_id
        self.assertEqual((task.state, own.state), ("pending", "in_review"))
        task.subject = "Changed once more"
        self.assertEqual((task.template_id, own.state), (own, "in_review"))
        [remote] = [row for row in self.emulator.templates() if row["name"] == own.remote_name]
        self.assertEqual(remote["subject"], "Changed once more")
        self._decide(own)
        self._run_cron()
        self.assertEqual(task.state, "pending", "its time has not come")
        task.sudo().scheduled_at = fields.Datetime.now() - timedelta(seconds=1)
        self._run_cron()
        self.assertEqual(task.state, "done")

    def test_too_late_to_modify(self):
        at = fields.Datetime.now() + timedelta(minutes=5)
        task = self._task(send_type="scheduled", scheduled_at=at)
        task.action_send()
        self.assertEqual(task.editable, "none")
        with self.assertRaisesRegex(UserError, "within ten minutes"):
            task.subject = "Too late"
        self.assertEqual(task.template_id, self.template)

    def test_a_change_that_can_not_be_reviewed_is_not_made(self):
        at = fields.Datetime.now() + timedelta(hours=2)
        task = self._task(send_type="scheduled", scheduled_at=at)
        task.action_send()
        with self.assertRaisesRegex(UserError, "no unsubscribe link"), self.env.cr.savepoint():
            task.write({"body_arch": "<p>Hello</p>", "body_html": "<p>Hello</p>"})
        self.env.invalidate_all()
        self.assertEqual(task.template_id, self.template)

    def test_writing_the_body_in_the_task_without_a_template(self):
        people = self._make_people("a@example.com")
        vals = {"subject": "Hello", "body_arch": BODY, "body_html": BODY, "template_id": False}
        task = self._make_task(self._make_audience(people), self.template, **vals)
        own = task.template_id
        self.assertEqual((own.name, own.origin_id.id, own.task_id), (task.name, False, task))
        self.assertEqual(own.sender_name, self.env.company.name[:15].strip())
        task.action_send()
        self._decide(own)
        self._run_cron()
        self.assertEqual(task.state, "done")

    def test_a_body_needs_a_subject(self):
        task = self._task()
        task.template_id = False
        with self.assertRaisesRegex(UserError, "Enter the subject"):
            task.write({"body_arch": BODY, "body_html": BODY})

    def test_choosing_a_template_makes_none(self):
        other = self._make_template(name="Other", subject="Other subject", body_arch=OTHER_BODY)
        task = self._task()
        count = self.env["directmail.template"].search_count([])
        with Form(task) as form:
            form.template_id = other
            self.assertEqual(form.subject, "Other subject")
            self.assertFalse(form.own_content)
        self.assertEqual(task.template_id, other)
        # What a browser sends when it saves the whole form.
        task.write({name: other[name] for name in ("subject", "sender_name", "body_arch")})
        task.write({"body_arch": other.body_arch, "body_html": other.body_html + "<br/>"})
        self.assertEqual(task.template_id, other)
        self.assertEqual(self.env["directmail.template"].search_count([]), count)

    def test_form(self):
        task = self._task()
        with Form(task) as form:
            with self.assertRaises(AssertionError):
                form.subject = "Read only until it is switched on"
            form.own_content = True
            form.subject = "Changed"
        own = task.template_id
        self.assertEqual((own.subject, own.task_id), ("Changed", task))
        self.assertTrue(task.own_content, "it goes on with its own template")

    def test_renaming_the_task_renames_its_template(self):
        task = self._task()
        task.write({"name": "June mailing", "subject": "Changed"})
        self.assertEqual(task.template_id.name, "June mailing")
        task.name = "July mailing"
        self.assertEqual(task.template_id.name, "July mailing")
        copy = task.copy({"name": "Copy"})
        copy.name = "Copied"
        self.assertEqual(task.template_id.name, "July mailing", "the copy only uses it")

    def test_only_who_may_change_the_task(self):
        task = self._task()
        with self.assertRaises(AccessError):
            task.with_user(self.other).write({"subject": "Theirs"})
        with self.assertRaises(AccessError):
            self.template.with_user(self.user).write({"task_id": task.id})
        by_admin = task.with_user(self.admin)
        by_admin.subject = "Corrected"
        self.assertEqual(
            by_admin.template_id.user_id, self.user, "the task's owner goes on with it"
        )


@tagged("post_install", "-at_install")
class TestReviewAndTime(ReviewCommon):
    """Does the template review affect send times for email marketing tasks?"""

    def _approve(self, template):
        self.emulator.approve(template.remote_ref)
        self._run_review_cron()

    def test_instant_tasks_go_out_immediately_after_the_template_is_approved(self):
        template = self._submitted()
        task = self._pending_task(template)
        self._run_cron()
        self.assertEqual(task.state, "pending")
        triggers = [("cron_id", "=", self.account.sudo().cron_id.id)]
        self.env["ir.cron.trigger"].search(triggers).unlink()
        self._approve(template)
        [woken] = self.env["ir.cron.trigger"].search(triggers)
        self.assertLessEqual(woken.call_at, fields.Datetime.now(), "the sender is woken at once")
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 1))

    def test_scheduled_tasks_use_a_template_that_is_under_review(self):
        template = self._submitted()
        at = fields.Datetime.now() + timedelta(hours=1)
        task = self._pending_task(template, send_type="scheduled", scheduled_at=at)
        self._approve(template)
        self._run_cron()
        self.assertEqual(task.state, "pending", "approved early: at the scheduled time")
        task.sudo().scheduled_at = fields.Datetime.now()
        self._run_cron()
        self.assertEqual(task.state, "done")

    def test_approval_exactly_at_the_time(self):
        template = self._submitted()
        at = fields.Datetime.now() + timedelta(hours=1)
        task = self._pending_task(template, send_type="scheduled", scheduled_at=at)
        [trigger] = (
            self.env["ir.cron.trigger"]
            .search(
                [("cron_id", "=", self.env.ref("email_marketing_dm.ir_cron_directmail_review").id)]
            )
            .filtered(lambda trigger: trigger.call_at == at)
        )
        self.assertTrue(trigger, "DirectMail is asked once more at that very time")
        task.sudo().scheduled_at = fields.Datetime.now()
        self._approve(template)
        self._run_cron()
        self.assertEqual(task.state, "done")

    def test_late_approval_sends_at_once(self):
        template = self._submitted()
        at = fields.Datetime.now() + timedelta(minutes=30)
        task = self._pending_task(template, send_type="scheduled", scheduled_at=at)
        task.sudo().scheduled_at -= timedelta(days=2)
        self._approve(template)
        self._run_cron()
        self.assertEqual(task.state, "done")

    def test_rejection_fails_the_tasks_that_wait(self):
        template = self._submitted()
        waiting, draft = self._pending_task(template), self._pending_task(template)
        draft.action_withdraw()
        self.emulator.reject(template.remote_ref, "Spam words.")
        self._run_review_cron()
        self.assertEqual((waiting.state, draft.state), ("failed", "draft"))
        self.assertIn("Spam words.", waiting.state_message)
        with self.assertRaisesRegex(UserError, "Spam words."):
            waiting.action_send()
        template.subject = "Milder words"
        template.action_submit()
        waiting.action_send()
        self._approve(template)
        self._run_cron()
        self.assertEqual(waiting.state, "done")

    def test_editing_while_tasks_wait(self):
        template = self._submitted()
        task = self._pending_task(template)
        template.action_edit()
        self.emulator.approve(template.remote_ref)
        self._run_review_cron()
        self._run_cron()
        self.assertEqual(task.state, "pending", "the older text is not sent")
        self.assertIn("Submit the template", task.waiting_for)
        template.subject = "Better"
        template.action_submit()
        self._approve(template)
        self._run_cron()
        self.assertEqual(task.state, "done")
        self.assertEqual(self.emulator.ledger(tag=task.tag_name)[0]["subject"], "Better")
