from datetime import timedelta

from odoo import fields
from odoo.tests import Form, freeze_time, tagged

from ..common import DirectmailCommon
from .test_uplift import UpliftMixin


@tagged("post_install", "-at_install")
class TestControlPower(UpliftMixin, DirectmailCommon):
    """What a control group can show and what it costs, before anybody is mailed."""

    def _make_draft(self, people, **vals):
        """Make a task whose audience has so many people who can be mailed."""
        counts = {"usable_count": people, "people_count": people}
        self.audience.sudo().write({**counts, "visibility": "public"})
        self.env.flush_all()
        vals = {"control_share": 10, "conversion_table_id": self.table.id, **vals}
        task = self._make_task(self.audience, self.template).sudo()
        task.write({"user_id": self.seller.id, **vals})
        return task.with_user(self.seller)

    def test_a_large_control_group_says_what_would_be_noticed_and_its_cost(self):
        task = self._make_draft(100_000)
        self.assertEqual(
            task.control_power,
            "People in the control group: 10,000; people who are mailed: 90,000. A difference in"
            " conversions of 0.50% to 0.74% would be noticed 8 times in 10; smaller ones will"
            " look like no difference.",
        )
        self.assertEqual(
            task.control_cost,
            "People who could be mailed but get nothing because of it: about 10,000.",
        )
        self.assertTrue(task.control_is_large)

    def test_a_small_one_recommends_a_share_that_is_large_enough(self):
        task = self._make_draft(20_000, control_share=5)
        self.assertIn("People in the control group: 1,000;", task.control_power)
        self.assertIn("Only a large difference", task.control_power)
        self.assertIn(
            "With a control group of 15%, twice as many conversions would be noticed.",
            task.control_power,
        )
        self.assertFalse(task.control_is_large)
        task.control_share = 15
        self.assertTrue(task.control_is_large)
        self.assertIn("8 times in 10", task.control_power)

    def test_with_too_few_people_it_recommends_more_days_or_people(self):
        task = self._make_draft(40)
        self.assertIn("Count conversions for more days", task.control_power)
        self.assertNotIn("With a control group of", task.control_power)
        task = self._make_draft(2)
        self.assertIn("No difference in conversions would be noticed", task.control_power)

    def test_it_follows_the_form_before_it_is_saved(self):
        task = self._make_draft(40, control_share=0)
        self.assertFalse(task.control_power)
        with Form(task) as form:
            form.control_share = 50
            self.assertIn("People in the control group: 20;", form.control_power)
            self.assertIn(": about 20.", form.control_cost)

    def test_without_a_conversion_only_the_cost_is_told(self):
        task = self._make_draft(40, conversion_table_id=False)
        self.assertFalse(task.control_power)
        self.assertIn(": about 4.", task.control_cost)

    def test_an_audience_that_was_never_refreshed_leads_to_the_estimate(self):
        task = self._make_draft(0)
        self.assertIn("Press Estimate", task.control_power)
        self.assertFalse(task.control_cost)
        self.audience.action_refresh()
        self.assertIn("People in the control group: 4;", task.control_power)

    def test_a_task_that_has_started_promises_nothing(self):
        task = self._send_as_seller()
        self.assertFalse(task.control_power)
        self.assertFalse(task.control_cost)

    def test_the_estimate_says_it_of_the_people_who_would_be_mailed(self):
        task = self._make_draft(40, control_share=25)
        action = task.action_open_estimate()
        estimate = self.env[action["res_model"]].browse(action["res_id"]).with_user(self.seller)
        [line] = estimate.line_ids.filtered(lambda line: line.name == "Control group")
        self.assertIn(
            f"People in the control group: {line.people}; people who are mailed:"
            f" {estimate.mail_count}.",
            estimate.control_power,
        )
        self.assertIn("People who could be mailed but get nothing", estimate.control_cost)
        self.assertIn(f": about {line.people}.", estimate.control_cost)

    def test_percentages_are_written_as_in_the_users_language(self):
        for code, text in (("en_US", "3.8%"), ("de_DE", "3,8\u00a0%"), ("zh_CN", "3.8%")):
            self.env["res.lang"]._activate_lang(code)
            uplift = self.env["directmail.uplift"].with_context(lang=code)
            self.assertEqual(uplift._say_percent(0.038), text)

    def test_the_usual_rate_is_that_of_earlier_control_groups(self):
        earlier = self._send_as_seller()
        mailed = [20_000, 900, 0.0, 0.0, 0.0]
        earlier.uplift_groups = {"mail": mailed, "control": [2000, 60, 0.0, 0.0, 0.0]}
        task = self._make_draft(100_000)
        self.assertIn("conversions of 3.0% to", task.control_power)
        earlier.uplift_groups = {"mail": mailed, "control": [900, 60, 0.0, 0.0, 0.0]}
        task.invalidate_recordset()
        self.assertIn("conversions of 0.50% to", task.control_power, "too few people")
        earlier.uplift_groups = {"mail": mailed, "control": [2000, 60, 0.0, 0.0, 0.0]}
        earlier.in_tens = True
        task.invalidate_recordset()
        self.assertIn("conversions of 0.50% to", task.control_power, "its figures are rounded")
        earlier.in_tens = False
        other = self.table.copy({"name": "Others"})
        earlier.uplift_groups = {"mail": mailed, "control": [2000, 60, 0.0, 0.0, 0.0]}
        earlier.conversion_table_id = other
        task.invalidate_recordset()
        self.assertIn("conversions of 0.50% to", task.control_power, "another conversion")

    def test_an_ab_test_reckons_without_the_control_group(self):
        task = self._make_draft(1000, control_share=0)
        version = self.env["directmail.task.version"].sudo()
        version.create([{"task_id": task.id, "letter": letter} for letter in "AB"])
        task.test_share = 100
        self.assertIn("500 people per version", task.test_power)
        task.control_share = 20
        self.assertIn("400 people per version", task.test_power)


@tagged("post_install", "-at_install")
class TestGlobalControlPower(UpliftMixin, DirectmailCommon):
    """The same for the global control group, by quarter."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin.group_ids += cls.env.ref("sales_team.group_sale_salesman_all_leads")
        controls = cls.env["directmail.control"].with_user(cls.admin)
        cls.control = controls.create({"share": 50, "conversion_table_id": cls.table.id})

    def test_it_counts_the_contacts_of_the_company(self):
        people = (
            self.env["res.partner"]
            .with_user(self.admin)
            .search_count(
                [
                    ("email_normalized", "!=", False),
                    ("company_id", "in", (False, self.control.company_id.id)),
                ]
            )
        )
        self.assertIn(f"Contacts in the control group: {people // 2};", self.control.power)
        self.assertIn(f"get no email task because of it: about {people // 2}.", self.control.cost)
        self.assertIn("The company has too few contacts", self.control.power)
        self.assertFalse(self.control.is_large)
        self._make_people("foreign@example.com", company_id=self._make_company().id)
        self.control.invalidate_recordset()
        self.assertIn(f"Contacts in the control group: {people // 2};", self.control.power)

    def _make_company(self):
        return self.env["res.company"].create({"name": "Another company"})

    def test_the_usual_rate_is_that_of_quarters_that_are_over(self):
        quarters = self.env["directmail.control.quarter"].sudo()
        groups = {"1": {"mail": [9000, 900, 0, 0, 0], "control": [1000, 70, 0, 0, 0]}}
        begin = fields.Date.from_string("2026-04-01")
        quarters.create({"control_id": self.control.id, "begin": begin, "groups": groups})
        with freeze_time("2026-05-01"):
            self.assertEqual(self.control._get_usual_rate(), 0.02)
        with freeze_time("2026-07-01"):
            self.assertEqual(self.control._get_usual_rate(), 0.07)

    def test_nothing_is_said_of_a_group_that_does_not_exist(self):
        self.control.share = 0
        self.assertFalse(self.control.power)
        self.assertFalse(self.control.cost)


@tagged("post_install", "-at_install")
class TestUpliftInReports(UpliftMixin, DirectmailCommon):
    """The uplift as a column where email tasks are compared."""

    def test_the_report_has_the_difference_with_its_range(self):
        task = self._send_as_seller()
        for person in set(self.people) - self._get_control(task):
            self._win(person, 10, task.planned_at + timedelta(hours=1))
        self._count(task)
        report = self.env["directmail.task.report"].with_user(self.seller)
        [row] = report.search([("task_id", "=", task.id)])
        self.assertRegex(row.uplift_range, r"^100\.0 \(\d+\.\d to 100\.0\)$")
        self.assertEqual(row.uplift_range, task.uplift_range)
        [plain] = report.search([("task_id", "=", self._send_as_seller(control_share=0).id)])
        self.assertFalse(plain.uplift_range)
        task.sudo().in_tens = True
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertFalse(row.uplift_range, "the owner may not see exact figures")

    def test_an_export_of_people_tells_the_group(self):
        task = self._send_as_seller()
        rows = self._deliveries(task).with_user(self.env.ref("base.user_admin"))
        exported = rows.export_data(["assignment", "version", "is_rest"])["datas"]
        groups = [group for group, _version, _rest in exported]
        self.assertEqual(groups.count("Control group"), len(self._get_control(task)))
        self.assertEqual(groups.count("Gets the mail"), len(self._get_mailed(task)))
