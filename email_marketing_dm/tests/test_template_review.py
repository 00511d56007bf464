from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from odoo.addons.email_marketing_dm.directmail.client import DirectMailClient

from .common import BODY, DirectmailCommon

CRON = "email_marketing_dm.ir_cron_directmail_review"


class ReviewCommon(DirectmailCommon):
    def setUp(self):
        super().setUp()
        # The emulator of a class keeps its templates and faults from test to test.
        self.emulator.clear_faults()
        self.account._call(
            lambda client: [
                client.delete_template(row.template_id) for row in list(client.list_templates())
            ]
        )

    def _submitted(self, **vals):
        template = self._make_template(approved=False, **vals)
        template.action_submit()
        return template

    def _run_review_cron(self):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref(CRON).method_direct_trigger()
        self.env.invalidate_all()

    def _change_remote(self, template, text="<p>Other</p>"):
        """What somebody does in DirectMail's console."""
        self.account._call(
            lambda client: client.modify_template(
                template.remote_ref, template.remote_name, "Hijacked", "Azure", text
            )
        )
        self.emulator.approve(template.remote_ref)

    def _remote_names(self):
        return self.account._call(lambda client: [row.name for row in client.list_templates()])

    def _delete_remote(self, template):
        self.account._call(lambda client: client.delete_template(template.remote_ref))

    def _pending_task(self, template, **vals):
        people = self._make_people("a@example.com")
        task = self._make_task(self._make_audience(people), template, **vals)
        task.action_send()
        return task

    def _checks(self):
        """Return when DirectMail will be asked again, in minutes from now."""
        now = fields.Datetime.now()
        triggers = self.env["ir.cron.trigger"].search(
            [("cron_id", "=", self.env.ref(CRON).id), ("call_at", ">", now)]
        )
        return sorted(round((t.call_at - now).total_seconds() / 60) for t in triggers)


@tagged("post_install", "-at_install")
class TestTemplateReview(ReviewCommon):
    def test_owner_is_told_of_a_rejection(self):
        template = self._submitted()
        self.emulator.reject(template.remote_ref, "Name the sender's address.")
        with self._bus_of(self.user) as told:
            self._run_review_cron()
        self.assertEqual(template.state, "rejected")
        message = self._message(template, "Name the sender's address.")
        self.assertIn(self.user.partner_id, message.notified_partner_ids)
        [activity] = template.activity_ids
        self.assertEqual(activity.user_id, self.user)
        self.assertIn("Name the sender's address.", activity.note)
        self.assertIn("Name the sender's address.", told[0]["message"])

        template.body_html = BODY.replace("Orchard Road", "Orchard Road 12")
        template.action_submit()
        self.assertFalse(template.activity_ids, "what was asked for is done")

    def test_owner_is_told_of_an_approval(self):
        template = self._submitted()
        self.emulator.approve(template.remote_ref)
        with self._bus_of(self.user) as told:
            self._run_review_cron()
        self.assertTrue(self._message(template, "approved"))
        self.assertEqual(template.activity_ids.user_id, self.user)
        self.assertEqual(told[0]["type"], "success")

    def _message(self, template, text):
        return template.message_ids.filtered(lambda message: text in message.body)

    @contextmanager
    def _bus_of(self, user):
        told = []

        def send(record, kind, message, **_kwargs):
            if record == user and kind == "simple_notification":
                told.append(message)

        with patch.object(type(self.env["res.users"]), "_bus_send", send):
            yield told

    def test_who_submitted_and_when(self):
        template = self._submitted()
        self.assertEqual(template.submitted_by_id, self.user)
        self.assertEqual(template.message_ids[0].author_id, self.user.partner_id)
        self.assertIn(template.remote_name, template.message_ids[0].body)

    def test_waiting_tasks_are_counted_for_everybody(self):
        template = self._submitted()
        self._pending_task(template)
        self._pending_task(template)
        self.assertEqual(template.waiting_task_count, 2)
        self.assertEqual(template.with_user(self.other).waiting_task_count, 2)
        self.env.invalidate_all()
        self.assertFalse(template.with_user(self.other).task_ids, "whose they are is private")

    def test_an_answer_to_the_older_text_is_ignored(self):
        template = self._submitted()
        self.emulator.approve(template.remote_ref)
        older = template._ask(self.account)
        template.action_edit()
        template.subject = "Another subject"
        template.action_submit()
        template._take_over(self.account, older)
        self.assertEqual(template.state, "in_review")
        template.action_check_review()
        self.assertEqual(template.state, "in_review", "DirectMail reviews the newer text")
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        self.assertEqual(template.state, "approved")

    def test_unchanged_text_keeps_its_place_in_the_queue(self):
        template = self._submitted()
        calls = self.emulator.calls()
        template.action_edit()
        template.action_submit()
        self.assertEqual(template.state, "in_review")
        modified = self.emulator.calls().get(("ModifyTemplate", "ok"), 0)
        self.assertEqual(modified, calls.get(("ModifyTemplate", "ok"), 0))

    def test_when_directmail_is_asked(self):
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", self.env.ref(CRON).id)])
        triggers.unlink()
        template = self._submitted()
        self.assertEqual(self._checks(), [1], "every minute for the first ten")
        template.action_check_review()
        template.action_check_review()
        self.assertEqual(self._checks(), [1], "asking by hand adds nothing")

        def clear():
            self.env["ir.cron.trigger"].search([("cron_id", "=", self.env.ref(CRON).id)]).unlink()

        clear()
        template.sudo().submitted_at -= timedelta(minutes=11)
        template.action_check_review()
        self.assertEqual(self._checks(), [], "then hourly, which is the cron's own interval")
        self.assertEqual(self.env.ref(CRON).interval_type, "hours")
        at = fields.Datetime.now() + timedelta(minutes=180)
        self._pending_task(template, send_type="scheduled", scheduled_at=at)
        self.assertEqual(self._checks(), [5, 180], "every five while a task waits, and at its time")

    def test_one_call_asks_about_many(self):
        templates = [self._submitted(name=f"Template {number}") for number in range(4)]
        for template in templates:
            self.emulator.approve(template.remote_ref)
        before = sum(self.emulator.calls().values())
        self._run_review_cron()
        self.assertEqual({template.state for template in templates}, {"approved"})
        self.assertEqual(sum(self.emulator.calls().values()) - before, 1)

    def test_unreachable_directmail_is_asked_again(self):
        template = self._submitted()
        self.emulator.set_fault("close", action="QueryTemplateByParam")
        with self.assertLogs("odoo.addons.email_marketing_dm", "WARNING"):
            self._run_review_cron()
        self.assertEqual(template.state, "in_review")
        self.assertTrue(self._checks())
        with self.assertRaisesRegex(UserError, "can't be reached"):
            template.action_check_review()

    def test_a_copied_database_asks_and_changes_nothing(self):
        template = self._submitted()
        self.account.sudo().database_identity = "another database"
        before = sum(self.emulator.calls().values())
        with self.assertRaisesRegex(UserError, "not active"):
            template.action_edit() and template.action_submit()
        with self.assertRaisesRegex(UserError, "not active"):
            template.action_check_review()
        self._run_review_cron()
        template.unlink()
        self.assertEqual(sum(self.emulator.calls().values()), before)
        self.assertEqual(len(self.emulator.templates()), 1, "it belongs to the original")


@tagged("post_install", "-at_install")
class TestTemplateInStep(ReviewCommon):
    """What others do in DirectMail's console, and what happens on the way there."""

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
        with self.assertRaisesRegex(UserError, "press Edit"):
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
        with self.assertRaisesRegex(UserError, "may not do that"):
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


@tagged("post_install", "-at_install")
class TestTemplatePlaces(ReviewCommon):
    """DirectMail keeps a limited number of templates."""

    def test_warned_before_it_bites(self):
        template = self._make_template()
        self.assertEqual(self.account.template_count, 1)
        self.assertFalse(template.template_warning)
        self.account.sudo().template_count = 90
        self.assertIn("90 of DirectMail's 100", template.template_warning)

    def test_a_full_account_makes_room_by_itself(self):
        used, unused = self._make_template(), self._make_template()
        self._pending_task(used)
        self.emulator.change_settings({"limits": {"templates": 2}})
        self.addCleanup(self.emulator.change_settings, {"limits": {"templates": 100}})
        third = self._submitted()
        self.assertEqual(third.state, "in_review")
        self.assertEqual((unused.state, unused.lapse_reason), ("lapsed", "freed"))
        self.assertEqual(used.state, "approved", "a task needs it")
        self.assertIn("its place was freed", unused.message_ids[0].body)
        with self.assertRaisesRegex(UserError, "no place left"):
            self._submitted()

    def test_a_freed_template_can_be_submitted_again(self):
        template = self._make_template()
        text = template.submitted_text
        self.account._call(template.sudo()._free_place)
        self.assertEqual((template.state, template.remote_ref), ("lapsed", False))
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        self.assertEqual((template.state, template.submitted_text), ("approved", text))

    def test_nobody_loses_a_place_while_there_are_many(self):
        template = self._make_template()
        self._run_review_cron()
        self.assertEqual(template.state, "approved")

    def test_few_places_left(self):
        templates = [self._make_template(name=f"Template {number}") for number in range(3)]
        self._pending_task(templates[0])
        templates[1].sudo().reviewed_at -= timedelta(days=2)
        with patch.object(type(self.account), "_get_spare_templates", autospec=True) as spare:
            spare.side_effect = lambda account: [(3, templates[1]), (3, templates[2])]
            self.account.sudo().template_count = 91
            self.account._free_ended_places()
        self.assertEqual([t.state for t in templates], ["approved", "lapsed", "approved"])
        self.assertEqual(self.account.template_count, 90)

    def test_who_goes_first(self):
        names = ("Used by a task", "Unused", "Older version", "Archived", "Unused for long")
        needed, unused, older, archived, long_unused = (
            self._make_template(name=name) for name in names
        )
        self._pending_task(needed)
        archived.action_archive()
        long_unused.sudo().reviewed_at -= timedelta(days=9)
        unused.sudo().reviewed_at -= timedelta(hours=1)
        newer = older.browse(older.action_edit()["res_id"])
        newer.action_submit()
        self.emulator.approve(newer.remote_ref)
        newer.action_check_review()
        spare = [template for _rank, template in self.account._get_spare_templates()]
        self.assertEqual(spare, [archived, older, long_unused, unused, newer])

    def test_archiving_frees_the_place(self):
        template = self._make_template()
        template.action_archive()
        self._run_review_cron()
        self.assertEqual(self._remote_names(), [])
        self.assertEqual((template.state, template.lapse_reason), ("lapsed", "freed"))

    def test_needed_templates_are_kept(self):
        template = self._make_template()
        task = self._pending_task(template)
        for refused in (template.action_archive, template.unlink):
            with self.assertRaisesRegex(UserError, rf"{task.name} \(Pending\)"):
                refused()
        self.assertEqual(self._remote_names(), [template.remote_name])
        task.action_withdraw()
        template.action_archive()

    def test_deleting_frees_the_place(self):
        template = self._make_template()
        with self.assertRaises(AccessError):
            template.with_user(self.other).unlink()
        self.assertEqual(self._remote_names(), [template.remote_name])
        template.unlink()
        self.assertEqual(self._remote_names(), [])

    def test_deleting_what_is_gone_already(self):
        template = self._make_template()
        self._delete_remote(template)
        template.unlink()
        self.assertFalse(template.exists())

    def test_deleting_needs_directmail(self):
        template = self._make_template()
        self.emulator.set_fault("unavailable", action="DeleteTemplate")
        with self.assertRaisesRegex(UserError, "a few minutes"):
            template.unlink()
        self.assertTrue(template.exists())

    def test_copy_to_another_account(self):
        self.emulator.create_account("LTAISECOND", "second-secret")
        second = self._make_account(
            name="Second", access_key_id="LTAISECOND", access_key_secret="second-secret"
        )
        second.action_activate()
        template = self._make_template()
        copy = template.copy()
        copy.account_id = second
        copy.action_submit()
        self.assertEqual((copy.state, copy.account_id), ("in_review", second))
        self.assertEqual(template.state, "approved")
        self.assertNotEqual(copy.remote_name, template.remote_name)
        copy.action_edit()
        with self.assertRaisesRegex(UserError, "Duplicate it"):
            copy.account_id = self.account

    def test_another_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "dm_stranger",
            "email_marketing_dm.email_marketing_dm_group_user",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        template = self._make_template().with_user(stranger)
        for action in ("submit", "edit", "check_review", "archive"):
            with self.subTest(action), self.assertRaises(AccessError):
                getattr(template, f"action_{action}")()

    def test_only_what_directmail_has_is_asked_about(self):
        self._make_template(approved=False)
        with patch.object(DirectMailClient, "list_templates", autospec=True) as listed:
            self._run_review_cron()
        listed.assert_not_called()
