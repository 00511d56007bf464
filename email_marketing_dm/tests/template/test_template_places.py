from datetime import timedelta
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ...directmail.client import DirectMailClient
from ..common_review import ReviewCommon


@tagged("post_install", "-at_install")
class TestTemplatePlaces(ReviewCommon):
    """DirectMail keeps a limited number of templates."""

    def test_warned_before_it_bites(self):
        template = self._make_template()
        self.assertEqual(self.account.template_count, 1)
        self.assertFalse(template.template_warning)
        self.account.sudo().template_count = 90
        self.assertIn("in use at DirectMail: 90 of 100", template.template_warning)

    def test_a_full_account_makes_room_by_itself(self):
        used, unused = self._make_template(), self._make_template()
        self._pending_task(used)
        self.emulator.change_settings({"limits": {"templates": 2}})
        self.addCleanup(self.emulator.change_settings, {"limits": {"templates": 100}})
        with self.enter_registry_test_mode():
            third = self._submitted()
        self.assertEqual(third.state, "in_review")
        self.assertEqual((unused.state, unused.lapse_reason), ("lapsed", "freed"))
        self.assertEqual(used.state, "approved", "a task needs it")
        self.assertIn("removed to make room", "".join(unused.message_ids.mapped("body")))
        with self.assertRaisesRegex(UserError, "All template slots"):
            self._submitted()

    def test_what_somebody_is_changing_keeps_its_place(self):
        template = self._make_template()
        with (
            self.enter_registry_test_mode(),
            patch.object(type(template), "try_lock_for_update", lambda records: records.browse()),
        ):
            self.assertFalse(self.account._call(template.sudo()._free_slot))
        self.assertEqual(self._remote_names(), [template.remote_name])
        self.assertEqual(template.state, "approved")

    def test_a_freed_template_can_be_submitted_again(self):
        template = self._make_template()
        text = template.submitted_text
        with self.enter_registry_test_mode():
            self.account._call(template.sudo()._free_slot)
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
            with self.enter_registry_test_mode():
                self.account._free_ended_slots()
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

    def test_email_tasks_of_colleagues_are_not_named(self):
        template = self._make_template()
        task = self.env["directmail.task"].with_user(self.other)
        task = task.create(
            {
                "name": "Secret plan",
                "account_id": self.account.id,
                "sender_id": self.sender.id,
                "template_id": template.id,
            }
        )
        task.sudo().state = "pending"
        for refused in (template.action_archive, template.unlink):
            with self.assertRaisesRegex(UserError, "1 email task that you can't see") as caught:
                refused()
            self.assertNotIn(task.name, str(caught.exception))

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
        with self.assertRaisesRegex(UserError, "duplicate the template"):
            copy.account_id = self.account

    def test_another_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "dm_stranger",
            "email_marketing_dm.group_user",
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
