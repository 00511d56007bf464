from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import freeze_time, tagged

from ..common import DirectmailCommon, start_task
from ..common_company import CompanyCommon
from .test_control import ControlMixin, get_share


class GlobalMixin(ControlMixin):
    """A global control group of thirty percent."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.controls = cls.env["directmail.control"].with_user(cls.admin)
        cls.control = cls.controls.create({"share": 30})

    def _get_held(self, task):
        return set(self._deliveries(task, ("reason", "=", "global_control")).partner_id)

    def _get_expected_held(self, control, people=None):
        """Return the contacts in the global control group, by a count in Python."""
        master_key = self.env["directmail.keyring"]._get_master_key()
        salt = f"global/{control.company_id.id}/{control.shuffle}"
        return {
            person
            for person in people or self.people
            if get_share(salt, master_key.address_key(person.email_normalized))
            < control.share / 100
        }

    def _draw_later(self):
        """Draw other people, as an administrator would 31 days from now."""
        with freeze_time(fields.Datetime.now() + timedelta(days=31)):
            self.control.action_shuffle()
        self.env.flush_all()


@tagged("post_install", "-at_install")
class TestGlobalControl(GlobalMixin, DirectmailCommon):
    """People in a company's global control group get no email task, except notifications."""

    def test_nobody_of_the_global_control_group_is_mailed(self):
        held = self._get_expected_held(self.control)
        self.assertTrue(held)
        task = self._make_task(self.audience, self.template)
        fates = {fate.reason: number for fate, number in task.sudo()._estimate_people().items()}
        task.action_send()
        self._run_cron()
        self.assertEqual(self._get_held(task), held)
        self.assertEqual(self._get_mailed(task), set(self.people) - held)
        self.assertEqual(fates, {"global_control": len(held), None: 40 - len(held)})
        second = self._send()
        self.assertEqual(self._get_held(second), held, "the same people for every email task")

    def test_notifications_reach_everybody(self):
        task = self._send(is_notification=True)
        self.assertEqual(self._get_mailed(task), set(self.people))

    def test_the_control_group_of_a_task_is_among_the_others(self):
        task = self._send(control_share=40)
        held = self._get_expected_held(self.control)
        self.assertEqual(self._get_held(task), held)
        self.assertEqual(self._get_control(task), self._get_expected(task, 40) - held)
        rows = self._deliveries(task).grouped("assignment")
        self.assertEqual(set(rows), {"mail", "control", "global"})
        self.assertEqual(set(rows["global"].partner_id), held)

    def test_a_draw_while_a_task_is_sending_holds_the_new_people_back(self):
        task = self._make_task(self.audience, self.template)
        task.action_send()
        self.assertTrue(start_task(task.sudo()))
        before = self._get_held(task)
        self._draw_later()
        after = self._get_expected_held(self.control)
        self.assertTrue(after - before)
        self._run_cron()
        self.assertEqual(task.state, "done")
        self.assertEqual(self._get_mailed(task), set(self.people) - before - after)
        late = self._deliveries(task, ("partner_id", "in", [one.id for one in after - before]))
        self.assertEqual(set(late.mapped("reason")), {"global_control"})
        self.assertEqual(set(late.mapped("assignment")), {"mail"}, "as the plan assigned them")

    def test_a_smaller_share_keeps_its_people_and_a_larger_one_draws_anew(self):
        held = self._get_expected_held(self.control)
        self.control.share = 15
        self.assertEqual(self.control.shuffle, 1)
        self.assertLess(self._get_expected_held(self.control), held)
        refused = self.assertRaisesRegex(UserError, "the share can be increased, from")
        with refused, self.env.cr.savepoint():
            self.control.share = 30
        with freeze_time(fields.Datetime.now() + timedelta(days=31)):
            self.control.share = 30
        self.assertEqual(self.control.shuffle, 2)
        self.assertNotEqual(self._get_expected_held(self.control), held)

    def test_without_a_share_everybody_is_mailed(self):
        self.control.share = 0
        task = self._send()
        self.assertEqual(self._get_mailed(task), set(self.people))
        self.assertEqual(set(self._deliveries(task).mapped("assignment")), {False})

    # === BAD INPUT === #

    def test_a_draw_that_is_too_early(self):
        with self.assertRaisesRegex(UserError, "can be drawn again"):
            self.control.action_shuffle()
        self._draw_later()
        self.assertEqual(self.control.shuffle, 2)

    def test_a_draw_without_a_share(self):
        self.control.share = 0
        with self.assertRaisesRegex(UserError, "its share is 0"):
            self.control.action_shuffle()

    def test_shares_that_are_refused(self):
        for share in (-1, 51):
            refused = self.assertRaisesRegex(ValidationError, "1 to 50 perc")
            with self.subTest(share=share), refused, self.env.cr.savepoint():
                self.control.share = share

    def test_only_administrators_change_it(self):
        self.assertFalse(self.control.with_user(self.user).has_access("write"))
        with self.assertRaises(AccessError):
            self.control.with_user(self.user).action_shuffle()
        with self.assertRaisesRegex(AccessError, "can't be set directly"):
            self.control.shuffle = 7

    def test_it_is_opened_from_the_menu(self):
        action = self.controls.action_open()
        self.assertEqual(action["res_id"], self.control.id)
        self.control.sudo().unlink()
        created = self.controls.browse(self.controls.action_open()["res_id"])
        self.assertEqual((created.share, created.shuffle), (0, 0))


@tagged("post_install", "-at_install")
class TestGlobalControlCompanies(GlobalMixin, CompanyCommon):
    def test_each_company_has_its_own(self):
        there = self._make_there(
            "directmail.control", company_id=self.there.id, user_id=self.admin_there.id, share=30
        )
        people = self.people
        here_held = self._get_expected_held(self.control)
        there_held = self._get_expected_held(there, people)
        self.assertNotEqual(here_held, there_held)
        task = self._send()
        self.assertEqual(self._get_held(task), here_held)
        self.assertFalse(self.control.with_user(self.admin_there).has_access("read"))
        task_there = self._send_there()
        self.assertEqual(self._get_held(task_there), there_held)
        self.control.share = 0
        self.assertEqual(self._get_held(self._send_there()), there_held)

    def _send_there(self):
        audience = self._make_audience(
            None,
            user=self.admin_there,
            company_id=self.there.id,
            lines=[{"domain": "[('ref', '=', 'control')]"}],
        )
        template = (
            self.env["directmail.template"]
            .with_user(self.admin_there)
            .create(
                {
                    "name": "Elsewhere",
                    "account_id": self.account_there.id,
                    "subject": "Hello",
                    "sender_name": "Azure",
                    "body_arch": self.template.body_arch,
                    "body_html": self.template.body_html,
                }
            )
        )
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        task = (
            self.env["directmail.task"]
            .with_user(self.admin_there)
            .create(
                {
                    "name": "There",
                    "account_id": self.account_there.id,
                    "audience_ids": [fields.Command.set(audience.ids)],
                    "template_id": template.id,
                    "sender_id": self.sender_there.id,
                }
            )
        )
        task.action_send()
        self._run_cron(self.account_there)
        return task
