from datetime import timedelta

from odoo import fields
from odoo.tests import tagged

from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestTaskReport(DirectmailCommon):
    """Email tasks compared: from the tasks' own counters, with rates over sums."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.template = cls._make_template()
        cls.audience = cls._make_audience(cls._make_people("report@customer.example"))

    def _started(self, user=None, days=1, **figures):
        """Make a task that started some days ago and has these figures."""
        task = self._make_task(self.audience, self.template).sudo()
        task.write(
            {
                "planned_at": fields.Datetime.now() - timedelta(days=days),
                "state": "done",
                "user_id": (user or self.user).id,
            }
        )
        self.env["directmail.task.counter"].create(
            [
                {"task_id": task.id, "writer": "events", "name": name, "value": value}
                for name, value in figures.items()
            ]
        )
        self.env.flush_all()
        return task

    def _report(self, user=None):
        return self.env["directmail.task.report"].with_user(user or self.user)

    def test_a_rate_over_several_tasks_is_that_of_their_sums(self):
        self._started(sent=1000, delivered=1000, opened=100)
        self._started(sent=10, delivered=10, opened=10)
        rows = self._report().search([])
        self.assertEqual(sorted(rows.mapped("open_rate")), [0.1, 1.0])
        [(rate, sent)] = self._report()._read_group([], [], ["open_rate:avg", "sent_count:sum"])
        self.assertEqual(sent, 1010)
        self.assertAlmostEqual(rate, 110 / 1010)

    def test_a_task_without_mails_has_rates_of_zero(self):
        self._started(suppressed=3)
        row = self._report().search([])
        self.assertEqual((row.people_count, row.delivery_rate, row.complaint_rate), (3, 0, 0))

    def test_figures_are_those_of_the_task_page(self):
        task = self._make_task(self.audience, self.template)
        task.action_send()
        self._run_cron()
        self._import_results(task)
        row = self._report().search([("task_id", "=", task.id)])
        for name in ("people", "sent", "delivered", "suppressed", "opened", "failed"):
            self.assertEqual(row[f"{name}_count"], task[f"{name}_count"], name)
        self.assertEqual(row.delivered_count, 1)

    def test_tasks_can_be_compared_per_audience(self):
        other = self._make_audience(self._make_people("report-2@customer.example"))
        task = self._started(sent=5)
        task.audience_ids = self.audience | other
        self._started(sent=7)
        groups = dict(self._report()._read_group([], ["audience_ids"], ["sent_count:sum"]))
        self.assertEqual(groups, {self.audience: 12, other: 5})

    def test_marketing_users_see_their_own_tasks_and_administrators_all(self):
        tasks = self._started(sent=1) | self._started(user=self.other, sent=2)
        these = [("task_id", "in", tasks.ids)]
        self.assertEqual(self._report().search(these).mapped("sent_count"), [1])
        self.assertEqual(len(self._report(self.admin).search(these)), 2)
        self.assertEqual(self._report(self.other).get_overview(30)["now"]["sent_count"], 2)

    def test_another_company_sees_nothing(self):
        self._started(sent=1)
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.admin.write({"company_ids": [(4, company.id)]})
        report = self._report(self.admin).with_context(allowed_company_ids=company.ids)
        self.assertFalse(report.search([]))

    def test_the_overview_compares_with_the_period_before(self):
        self._started(days=3, sent=100, delivered=90, clicked=9)
        self._started(days=10, sent=50, delivered=50)
        self._started(days=20, sent=5)
        found = self._report().get_overview(7)
        self.assertEqual((found["now"]["sent_count"], found["now"]["tasks"]), (100, 1))
        self.assertEqual(found["before"]["sent_count"], 50)
        self.assertAlmostEqual(found["now"]["click_rate"], 0.1)
        self.assertEqual([row["sent_count"] for row in found["trend"]], [100])
        self.assertEqual(len(found["tasks"]), 1)

    def test_revenue_of_several_companies_is_in_one_currency(self):
        """Each task's in its own company's, their sum in the company's where one looks."""
        dollar, dong = self.env.ref("base.USD"), self.env.ref("base.VND")
        dong.active = True
        company = self.env["res.company"].create({"name": "Elsewhere", "currency_id": dong.id})
        self.env.company.currency_id = dollar
        self.env["res.currency.rate"].search([("currency_id", "in", (dollar + dong).ids)]).unlink()
        self.env["res.currency.rate"].create(
            {"currency_id": dong.id, "company_id": self.env.company.id, "rate": 25000}
        )
        ours, theirs = self._started(sent=1), self._started(sent=1)
        ours.revenue = 10
        theirs.revenue = 50000
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_task SET company_id = %s WHERE id = %s", [company.id, theirs.id]
        )
        self.env.invalidate_all()
        self.user.company_ids += company
        report = self._report().with_context(allowed_company_ids=[self.env.company.id, company.id])
        found = report.get_overview(7)
        self.assertEqual(found["currency_id"], dollar.id)
        self.assertEqual(found["now"]["revenue"], 12)
        self.assertEqual(
            {(row["revenue"], row["currency_id"][0]) for row in found["tasks"]},
            {(10, dollar.id), (50000, dong.id)},
        )

    def test_an_empty_period_is_no_error(self):
        found = self._report().get_overview(7)
        self.assertEqual((found["now"]["tasks"], found["trend"], found["tasks"]), (0, [], []))

    def _health(self):
        [row] = self._report()._get_health()
        return row["level"], row["advice"]

    def test_complaints_beyond_the_limits_of_mailbox_providers_are_called_out(self):
        self._started(sent=10000, delivered=10000, complained=9)
        self.assertEqual(self._health()[0], "success")
        self._started(sent=1, complained=1)
        self.assertEqual(self._health()[0], "warning")
        self._started(sent=1, complained=20)
        level, advice = self._health()
        self.assertEqual(level, "danger")
        self.assertIn("report these mails as spam", advice)

    def test_many_invalid_addresses_are_called_out(self):
        self._started(sent=1000, delivered=970, invalid=30)
        self.assertEqual(self._health()[0], "warning")
        self._started(sent=1, invalid=30)
        level, advice = self._health()
        self.assertEqual(level, "danger")
        self.assertIn("do not exist", advice)

    def test_a_few_mails_are_not_judged(self):
        self._started(sent=10, delivered=10, complained=5)
        self.assertEqual(self._health()[0], "muted")

    def test_old_mails_say_nothing_about_health_today(self):
        self._started(days=40, sent=1000, delivered=1000, complained=500)
        self.assertEqual(self._report()._get_health(), [])

    def test_mails_sent_without_recording_do_not_spoil_the_rates(self):
        self._started(sent=100, delivered=100, opened=40)
        self._started(sent=900, delivered=900).track_opens = False
        self.env.flush_all()
        [(rate,)] = self._report()._read_group([], [], ["open_rate:avg"])
        self.assertAlmostEqual(rate, 0.4)
