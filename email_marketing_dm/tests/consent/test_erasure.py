import base64
import json

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..common import DirectmailCommon, start_task


@tagged("post_install", "-at_install")
class TestErasure(DirectmailCommon):
    """A contact's data can be handed over and forgotten; figures and opt-outs stay right."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people("anna@customer.example", "ben@customer.example")
        cls.template = cls._make_template()

    def _send(self):
        task = self._make_task(self._make_audience(self.people), self.template)
        task.action_send()
        self._run_cron()
        self._import_results(task)
        return task

    def _open(self, partners, user=None):
        return (
            self.env["directmail.erasure"]
            .with_user(user or self.admin)
            .with_context(active_model="res.partner", active_ids=partners.ids)
            .create({})
        )

    def test_the_export_tells_what_was_sent_and_what_happened(self):
        task = self._send()
        anna = self.people[0]
        delivery = task.delivery_ids.filtered(lambda d: d.partner_id == anna)
        delivery.sudo()._unsubscribe("page")
        wizard = self._open(anna)
        wizard.action_export()
        found = json.loads(base64.b64decode(wizard.file))
        [mail] = found["mails"]
        self.assertEqual((mail["email_task"], mail["outcome"]), (task.name, "delivered"))
        self.assertEqual(len(found["opt_outs"]), 1)
        self.assertEqual(found["audiences"], task.audience_ids.mapped("name"))
        self.assertNotIn("ben@customer.example", json.dumps(found))

    def test_after_erasing_nothing_names_the_contact_and_the_figures_stay(self):
        task = self._send()
        anna, ben = self.people
        delivery = task.delivery_ids.filtered(lambda d: d.partner_id == anna)
        delivery.sudo()._unsubscribe("page")
        counts = [task.people_count, task.sent_count, task.delivered_count]
        wizard = self._open(anna)
        self.assertEqual((wizard.mail_count, wizard.optout_count), (1, 1))
        wizard.action_erase()
        self.env.invalidate_all()
        self.assertEqual((wizard.mail_count, wizard.list_count), (0, 0))
        self.assertFalse(delivery.partner_id or delivery.email or delivery.sudo().address_key)
        self.assertEqual([task.people_count, task.sent_count, task.delivered_count], counts)
        self.assertSumRule(task)
        self.assertEqual(task.audience_ids.sudo().member_ids.partner_id, ben)

    def test_an_erased_contact_who_had_unsubscribed_is_not_mailed_again(self):
        first = self._send()
        anna = self.people[0]
        first.delivery_ids.filtered(lambda d: d.partner_id == anna).sudo()._unsubscribe("page")
        self._open(anna).action_erase()
        second = self._send()
        delivery = second.delivery_ids.filtered(lambda d: d.partner_id == anna)
        self.assertEqual((delivery.state, delivery.reason), ("suppressed", "opted_out"))

    def test_nobody_is_erased_while_a_mail_to_them_is_waiting(self):
        task = self._make_task(self._make_audience(self.people), self.template)
        task.action_send()
        start_task(task.sudo())
        with self.assertRaisesRegex(UserError, "waiting in these email tasks: Spring mailing"):
            self._open(self.people[0]).action_erase()
        task.action_cancel()
        self._run_cron()
        self._open(self.people[0]).action_erase()

    def test_only_administrators_may_do_it(self):
        with self.assertRaises(AccessError):
            self._open(self.people, self.user)

    def test_merging_contacts_keeps_history_and_sums(self):
        task = self._send()
        anna, ben = self.people
        counts = [task.people_count, task.sent_count, task.delivered_count]
        merge = self.env["base.partner.merge.automatic.wizard"].create({})
        merge._merge((anna | ben).ids, ben)
        self.env.invalidate_all()
        self.assertEqual(len(task.delivery_ids.filtered(lambda d: d.partner_id == ben)), 2)
        self.assertEqual([task.people_count, task.sent_count, task.delivered_count], counts)
        self.assertSumRule(task)

    def test_another_companys_lists_are_its_own_affair(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        anna = self.people[0]
        theirs = self.env["directmail.audience"].create(
            {"name": "Theirs", "company_id": elsewhere.id, "user_id": self.env.uid}
        )
        member = self.env["directmail.audience.member"].create(
            {"audience_id": theirs.id, "partner_id": anna.id}
        )
        ours = self._make_audience(anna)
        ours.action_refresh()
        wizard = self._open(anna)
        self.assertEqual(wizard.list_count, 1)
        self.assertEqual(wizard.company_names, self.env.company.name)
        self.assertTrue(wizard.has_other_companies, "the form says that others have their own")
        wizard.action_export()
        self.assertNotIn("Theirs", base64.b64decode(wizard.file).decode())
        wizard.action_erase()
        self.assertTrue(member.exists())
        self.assertFalse(ours.member_ids)
