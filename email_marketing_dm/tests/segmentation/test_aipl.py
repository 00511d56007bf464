from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import freeze_time, new_test_user, tagged

from ..common_models import GROUP_ADMIN, ModelsCommon


@tagged("post_install", "-at_install")
class TestAipl(ModelsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann, cls.bob, cls.cid = cls.people[:3]
        cls._buy(cls.ann, 1, 500)
        cls._buy(cls.ann, 20, 500)
        cls._buy(cls.bob, 200, 20)
        cls._buy(cls.cid, 1, 0, "Purchase (asked only)")
        cls.aipl = cls._make_aipl(
            {"stage": "a", "domain": "[('name', 'ilike', 'asked')]"},
            {"stage": "p", "days": 365},
            {"stage": "l", "min_count": 2, "min_amount": 1000, "days": 30},
        )
        cls.aipl.condition_ids[1].domain = "[('name', '=', 'Purchase')]"

    def _stages(self):
        found = self.env["directmail.aipl.contact"].search([("aipl_model_id", "=", self.aipl.id)])
        return {stage.partner_id: stage.stage for stage in found}

    def test_highest_stage_wins(self):
        self.aipl.action_compute()
        self.assertFalse(self.aipl.compute_error)
        self.assertEqual(self._stages(), {self.ann: "l", self.bob: "p", self.cid: "a"})
        self.assertEqual(self.aipl.segment_ids.mapped("people"), [1, 0, 1, 1])

    def test_what_is_to_come_does_not_count(self):
        """With and without a number of days, by moments and by days, alone and added up."""
        dan, eve, fay = self.people[3:6]
        self._buy(dan, -1, 5000)
        self._buy(dan, -400, 5000)
        self._buy(eve, 3, 10)
        self._buy(eve, -3, 5000)
        self._buy(fay, 0, 10)
        for table in (self.table, self.table_of_days):
            for days in (0, 3650):
                with self.subTest(table.name, days=days):
                    vals = {"data_table_id": table.id, "days": days}
                    self.aipl = self._make_aipl(
                        {"stage": "a", **vals},
                        {"stage": "p", "min_amount": 1000, **vals},
                        {"stage": "l", "min_count": 2, "min_amount": 900, **vals},
                    )
                    self.aipl.action_compute()
                    found = self._stages()
                    self.assertEqual(found.get(dan), None)
                    self.assertEqual(found.get(eve), "a")
                    self.assertEqual(found.get(fay), "a", "this very moment has come")

    def test_a_record_without_a_date_counts(self):
        self._add_purchases([(self.people[4].id, None, 5, "Purchase")])
        aipl = self.aipl = self._make_aipl({"stage": "i"})
        aipl.action_compute()
        self.assertEqual(self._stages().get(self.people[4]), "i")

    def test_thirty_days(self):
        """Every day has its row per stage, and people who come down or drop out are seen."""
        start = fields.Datetime.now()
        for day in range(3):
            with freeze_time(start + timedelta(days=day * 15)):
                self.aipl.action_compute()
        self.assertEqual(self._stages(), {self.ann: "p", self.bob: "p", self.cid: "a"})
        history = self.env["directmail.aipl.history"]
        mine = [("aipl_model_id", "=", self.aipl.id)]
        by_day = history._read_group(
            [*mine, ("stage", "!=", False)], ["date:day", "stage"], ["people:sum"]
        )
        self.assertEqual(len(by_day), 3 + 2 + 2)
        moved = history.search([*mine, ("previous_stage", "=", "l"), ("stage", "=", "p")])
        self.assertEqual(moved.mapped("people"), [1])

    def test_who_left_went(self):
        self.aipl.action_compute()
        with freeze_time(fields.Datetime.now() + timedelta(days=200)):
            self.aipl.action_compute()
        went = {segment.stage: segment.went for segment in self.aipl.segment_ids}
        self.assertEqual(went, {"a": 0, "i": 0, "p": 1, "l": 1}, "Bob left, Ann came down")
        self.assertEqual(self.aipl.left_count, 1)

    def test_wrong_conditions_are_refused(self):
        no_date = self._make_table(False)
        no_amount = self._make_table("date_closed", amount_field=False)
        no_contact = self._make_table("date_closed", partner_path=False, email_path="email_from")
        for vals in (
            {"domain": "[('nothing', '=', 1)]"},
            {"domain": "[("},
            {"domain": "__import__('os')"},
            {"domain": "[('id', '=', 3**60000000 % 7)]"},
            {"data_table_id": no_date.id, "days": 3},
            {"data_table_id": no_amount.id, "min_amount": 3},
            {"data_table_id": no_contact.id},
        ):
            with self.subTest(vals), self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.aipl.condition_ids[0].write(vals)

    def test_failure_keeps_the_results(self):
        self.aipl.action_compute()
        stages = self._stages()
        self.aipl.condition_ids[0].data_table_id = False
        self.aipl.action_compute()
        self.assertIn("data table of a condition was removed", self.aipl.compute_error)
        self.assertEqual(self._stages(), stages)
        self.aipl.condition_ids.unlink()
        self.aipl.action_compute()
        self.assertIn("at least one condition", self.aipl.compute_error)
        self.assertEqual(self._stages(), stages)

    def test_rights(self):
        self.aipl.action_compute()
        aipl = self._as(self.user, self.aipl)
        self.assertEqual(len(aipl.condition_ids), 3)
        for forbidden in (
            lambda: aipl.write({"name": "Mine"}),
            lambda: aipl.condition_ids.write({"days": 1}),
            lambda: aipl.condition_ids.create({"aipl_model_id": aipl.id, "stage": "a"}),
            lambda: aipl.segment_ids.write({"people": 1}),
        ):
            with self.assertRaises(AccessError):
                forbidden()
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "dm_stranger",
            GROUP_ADMIN,
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        for name in ("model", "condition", "contact", "segment", "history"):
            model = self.env[f"directmail.aipl.{name}"].with_user(stranger)
            self.assertFalse(model.search([]), name)

    def test_a_filter_on_a_field_that_the_owner_may_not_read(self):
        self.patch(self.env["crm.lead"]._fields["description"], "groups", "base.group_system")
        self.aipl.condition_ids[0].sudo().domain = "[('description', 'ilike', 'a')]"
        self.aipl.sudo()._compute_results()
        self.assertTrue(self.aipl.compute_error)
        self.assertFalse(self.aipl.computed_at)

    def test_contacts_show_their_stage(self):
        self.aipl.action_compute()
        people = self._as(self.user, self.people)
        self.assertEqual(people[:3].mapped("directmail_aipl_stage"), ["l", "p", "a"])
        groups = people._read_group(
            [("id", "in", people.ids)], ["directmail_aipl_stage"], ["__count"]
        )
        self.assertEqual(dict(groups), {"l": 1, "p": 1, "a": 1, False: 3})

    def test_summary(self):
        self.assertEqual(self.aipl.condition_ids.mapped("summary")[0], "at least once")
        self.assertIn("at least 2 times, at least ", self.aipl.condition_ids[2].summary)
        self.assertIn("1,000.00", self.aipl.condition_ids[2].summary)

    def test_copy(self):
        copied = self.aipl.copy()
        self.assertEqual(len(copied.condition_ids), 3)
        self.assertEqual(len(copied.segment_ids), 4)

    def test_cron(self):
        cron = self.env.ref("email_marketing_dm.ir_cron_directmail_aipl")
        self.env.flush_all()
        with freeze_time(self.aipl.next_run_at), self.enter_registry_test_mode():
            cron.method_direct_trigger()
        self.env.invalidate_all()
        self.assertTrue(self.aipl.computed_at)
