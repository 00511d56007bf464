from datetime import timedelta

from psycopg2.errors import CheckViolation

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..common import DirectmailCommon
from ..common_versions import VersionsMixin


@tagged("post_install", "-at_install")
class TestVersions(VersionsMixin, DirectmailCommon):
    def test_the_first_version_added_makes_two(self):
        task = self._make_test("Summer is here")
        self.assertEqual(task.version_ids.mapped("letter"), ["A", "B"])
        first, second = task.version_ids
        self.assertFalse(first.template_id)
        self.assertEqual(first.subject, self.template.subject)
        self.assertEqual(second.subject, "Summer is here")
        self.assertEqual(second.template_id.name, "Spring mailing, version B")
        self.assertEqual(second.template_id.task_id, task)
        self.assertEqual(self.template.subject, "Spring is here, {{ object.name }}")

    def test_nothing_is_left_of_a_version_that_was_not_saved(self):
        task = self._make_task(self.audience, self.template)
        for letter in "BC":
            action = task.action_add_version()
            self.assertEqual(action["name"], f"Version {letter}")
            versions = self.env[action["res_model"]].with_user(self.user)
            form = Form(versions.with_context(**action["context"]))
            self.assertEqual(form.subject, self.template.subject)
            self.assertEqual(form.sender_name, self.template.sender_name)
            form.subject = f"Summer {letter}"
            saved = task.version_ids
            self.assertEqual(len(saved), 0 if letter == "B" else 2)
            form.save()
        self.assertEqual(task.version_ids.mapped("letter"), ["A", "B", "C"])
        self.assertEqual(task.version_ids.mapped("subject")[1:], ["Summer B", "Summer C"])
        with self.assertRaisesRegex(AccessError, "write"):
            task.with_user(self.other).action_add_version()

    def test_the_mail_of_version_a_is_that_of_the_task(self):
        task = self._make_test("Summer is here")
        task.version_ids[0].subject = "Another spring"
        self.assertEqual(task.subject, "Another spring")
        self.assertEqual(task.template_id.name, "Spring mailing")

    def test_a_change_of_one_version_changes_no_other(self):
        task = self._make_test("One", "Two")
        second, third = task.version_ids[1:]
        third.template_id = second.template_id
        third.subject = "Three"
        self.assertEqual(task.version_ids.mapped("subject")[1:], ["One", "Three"])
        third.template_id = second.template_id
        third.action_open_template()
        self.assertNotEqual(third.template_id, second.template_id)
        task.version_ids[0].subject = "Mine"
        third.template_id = task.template_id
        task.subject = "Ours"
        self.assertEqual(task.version_ids.mapped("subject"), ["Ours", "One", "Mine"])

    def test_an_own_template_follows_the_name_of_the_task(self):
        task = self._make_test("Summer is here")
        task.name = "June"
        self.assertEqual(task.version_ids.template_id.name, "June, version B")

    def test_a_draft_says_what_its_test_can_see(self):
        task = self._make_test("Summer is here")
        self.audience.action_refresh()
        told = task.get_test_results()
        self.assertEqual(told["state"], "draft")
        self.assertEqual([row["letter"] for row in told["versions"]], ["A", "B"])
        self.assertEqual(told["versions"][1]["subject"], "Summer is here")
        self.assertIn("2 versions", told["sentence"])
        self.assertIn("15 people per version", told["power"]["sentence"])
        self.assertFalse(told["power"]["enough"])
        self.assertEqual(self._make_task(self.audience).get_test_results()["versions"], [])

    def test_a_sixth_version_is_refused(self):
        task = self._make_test("One", "Two", "Three", "Four")
        self.assertEqual(task.version_ids.mapped("letter"), list("ABCDE"))
        with self.assertRaisesRegex(UserError, "at most 5"):
            task.action_add_version()

    def test_without_the_last_but_one_there_is_no_test(self):
        task = self._make_test("One", "Two")
        task.version_ids[1].action_remove()
        self.assertEqual(task.version_ids.mapped("letter"), ["A", "C"])
        task.version_ids[1].action_remove()
        self.assertFalse(task.version_ids)
        self.assertEqual(task.template_id, self.template)

    def test_without_version_a_the_next_becomes_the_mail(self):
        task = self._make_test("One", "Two")
        task.version_ids[0].action_remove()
        self.assertEqual(task.version_ids.mapped("letter"), ["A", "C"])
        self.assertEqual(task.subject, "One")
        self.assertEqual(task.template_id.name, "Spring mailing")

    def test_templates_of_another_account_are_refused(self):
        account = self._make_account(name="Other")
        account.action_activate()
        other = self._make_template(approved=False, account_id=account.id)
        task = self._make_test("One")
        with self.assertRaisesRegex(ValidationError, "another DirectMail account"):
            task.version_ids[1].template_id = other

    def test_shares_out_of_range_are_refused(self):
        task = self._make_test("One")
        for share in (0, 101):
            with (
                mute_logger("odoo.sql_db"),
                self.assertRaisesRegex(CheckViolation, "test_share_range"),
                self.cr.savepoint(),
            ):
                task.test_share = share
                task.flush_recordset()

    def test_a_version_without_a_mail_is_not_sent(self):
        task = self._make_test("One")
        self._add(task)
        with self.assertRaisesRegex(UserError, "Version C has no mail of its own yet"):
            task.action_send()

    def test_a_single_version_is_no_test(self):
        task = self._make_test("One")
        task.version_ids[1].unlink()
        with self.assertRaisesRegex(UserError, "needs two versions"):
            task.action_send()
        task.version_ids.action_remove()
        self.assertFalse(task.version_ids)
        self.assertEqual(task.template_id, self.template)

    def test_a_draft_is_deleted_with_its_versions(self):
        task = self._make_test("One")
        versions, template = task.version_ids, task.version_ids.template_id
        task.unlink()
        self.assertFalse(versions.exists())
        self.assertFalse(template.task_id)

    def test_versions_with_the_same_content_are_not_sent(self):
        task = self._make_test("One", "Two")
        task.version_ids[2].subject = "One"
        with self.assertRaisesRegex(UserError, "Versions B and C have the same content"):
            task.action_send()

    def test_an_archived_template_is_not_sent(self):
        task = self._make_test("One")
        task.version_ids[1].template_id = self._make_template(subject="Mine")
        task.version_ids[1].template_id.active = False
        with self.assertRaisesRegex(UserError, "version B is archived"):
            task.action_send()

    def test_the_template_of_a_version_can_not_be_archived_or_deleted_in_the_middle(self):
        task = self._make_test("One")
        self._start(task)
        with self.assertRaisesRegex(UserError, "can't be archived"):
            task.version_ids.template_id.active = False
        with self.assertRaisesRegex(UserError, "can't be deleted"):
            task.version_ids.template_id.unlink()

    def test_what_is_not_recorded_does_not_decide(self):
        for criterion, name in (("clicks", "track_clicks"), ("opens", "track_opens")):
            task = self._make_test("One", test_criterion=criterion, **{name: False})
            with self.assertRaisesRegex(UserError, f"{criterion} are not recorded"):
                task.action_send()
        task = self._make_test("One", test_criterion="revenue")
        with self.assertRaisesRegex(UserError, "nothing counts as conversion"):
            task.action_send()

    def test_a_started_test_is_not_changed(self):
        task = self._make_test("One")
        self._start(task)
        with self.assertRaisesRegex(UserError, "can't be changed"):
            task.action_add_version()
        with self.assertRaisesRegex(UserError, "can't be changed"):
            task.version_ids[1].action_remove()
        with self.assertRaisesRegex(UserError, "can't be changed"):
            task.test_share = 30
        with self.assertRaisesRegex(UserError, "can't be changed"):
            task.version_ids[1].subject = "Later"

    def test_a_version_stays_where_it_is(self):
        running, draft = self._make_test("One"), self._make_test("Two", "Three")
        self._start(running)
        second, third = draft.version_ids[1:]
        with self.assertRaisesRegex(UserError, "can't be moved"):
            third.write({"task_id": running.id})
        with self.assertRaisesRegex(UserError, "can't be moved"):
            draft.version_ids[0].letter = "E"
        second.write({"task_id": draft.id, "letter": "B", "subject": "Four"})
        self.assertEqual(running.version_ids.mapped("letter"), ["A", "B"])
        self.assertEqual(draft.version_ids.mapped("letter"), ["A", "B", "C"])

    def test_version_a_is_removed_by_its_button_only(self):
        task = self._make_test("One", "Two")
        with self.assertRaisesRegex(UserError, "Press Remove"):
            task.version_ids[0].unlink()
        task.version_ids[0].sudo().unlink()
        with self.assertRaisesRegex(UserError, "has no version A"):
            task.action_send()

    def test_a_rest_that_would_get_no_mail_is_refused(self):
        soon = fields.Datetime.now() + timedelta(hours=2)
        task = self._make_test("One", not_after=soon)
        with self.assertRaisesRegex(UserError, "would get no mail"):
            task.action_send()
        task.test_share = 100
        self.assertFalse(task._find_test_problem())
        task.write({"test_share": 50, "test_hours": 1})
        self.assertFalse(task._find_test_problem())
        task.write(
            {
                "send_type": "scheduled",
                "scheduled_at": soon - timedelta(minutes=30),
            }
        )
        self.assertIn("would get no mail", task._find_test_problem())

    def test_a_copy_has_the_versions_but_no_decision(self):
        task = self._make_test("One", test_hours=5)
        self._start(task)
        task.action_choose_version("B")
        copy = task.copy()
        self.assertEqual(copy.version_ids.mapped("subject"), task.version_ids.mapped("subject"))
        self.assertEqual(copy.test_hours, 5)
        self.assertFalse(copy.winner or copy.winner_by or copy.compared_at)
        self.assertNotEqual(copy.version_ids, task.version_ids)

    def test_a_colleague_neither_sees_nor_changes_versions(self):
        version = self._make_test("One").version_ids[1].with_user(self.other)
        self.assertFalse(version.search([("id", "=", version.id)]))
        for act in (version.action_remove, lambda: version.write({"subject": "Mine"})):
            with self.assertRaises(AccessError):
                act()
