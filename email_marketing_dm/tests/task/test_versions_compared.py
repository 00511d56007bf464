from datetime import timedelta

from odoo import fields
from odoo.tests import new_test_user, tagged

from ...engine.measuring import RULED_OUT
from ..common import DirectmailCommon
from ..common_versions import VersionsMixin


@tagged("post_install", "-at_install")
class TestVersionsCompared(VersionsMixin, DirectmailCommon):
    """A/B tests on the page of a campaign, and versions as rows of lists and reports."""

    def _decide(self, **vals):
        """Return a test of a campaign that version B has won: 24 clicks of about 30 against 1."""
        task = self._make_test("Summer is here", test_share=100, **vals)
        self._start(task)
        self._get_deliveries(task).sudo().write(
            {"state": "sent", "claimed_at": fields.Datetime.now()}
        )
        self._react(task, A=1, B=20)
        self.env.flush_all()
        task.sudo().verdict_at = fields.Datetime.now() - timedelta(minutes=1)
        task.sudo()._compare_versions()
        self.env.flush_all()
        self.env.invalidate_all()
        return task

    def test_a_campaign_shows_the_verdicts_of_its_tests(self):
        campaign = self.env["utm.campaign"].create({"title": "Summer"})
        decided = self._decide(campaign_id=campaign.id)
        draft = self._make_test("Autumn is here", campaign_id=campaign.id)
        self._make_task(self.audience, self.template, campaign_id=campaign.id)
        self._make_test("Another campaign")
        told = campaign.with_user(self.user)
        self.assertEqual(told.directmail_test_ids, decided + draft)
        self.assertIn("B is better", decided.test_result)
        self.assertRegex(decided.test_rates, r"^A:\s\d+\.\d% · B:\s\d+\.\d%$")
        self.assertEqual((decided.test_state, decided.winner), ("decided", "B"))
        self.assertFalse(draft.test_result)
        self.assertFalse(draft.test_rates)
        self.assertEqual(decided.action_open()["res_id"], decided.id)

    def test_a_campaign_shows_no_tests_that_the_user_may_not_see(self):
        campaign = self.env["utm.campaign"].create({"title": "Summer"})
        self._make_test("Summer is here", campaign_id=campaign.id)
        self.assertTrue(campaign.with_user(self.user).directmail_test_ids)
        self.assertFalse(campaign.with_user(self.other).directmail_test_ids)

    def test_a_user_of_campaigns_without_email_tasks_sees_no_tests(self):
        seller = new_test_user(self.env, "dm_plain", "sales_team.group_sale_salesman")
        campaign = self.env["utm.campaign"].create({"title": "Summer"})
        self._make_test("Summer is here", campaign_id=campaign.id)
        told = campaign.with_user(seller)
        self.assertFalse(told.directmail_uplift_text)
        self.assertNotIn("directmail_test_ids", told.fields_get())
        self.assertNotIn("directmail_test_ids", told.get_view(view_type="form")["arch"])

    def test_a_choice_by_hand_is_told_with_the_name(self):
        campaign = self.env["utm.campaign"].create({"title": "Summer"})
        task = self._make_test("Summer is here", campaign_id=campaign.id)
        self._start(task)
        task.action_choose_version("B")
        self.assertRegex(task.test_result, r"^dm_user.* chose version B\.")
        self.assertIn("The rest gets version B.", task.test_result)
        self.assertFalse(task.test_rates, "nobody was mailed yet")
        task.version_ids.sudo().write({"mailed_count": 100, "clicked_count": 5})
        self.assertIn("A:\N{NO-BREAK SPACE}5.0", task.test_rates)
        self.assertEqual(task.version_ids.mapped("is_winner"), [False, False])

    def test_rates_over_several_versions_are_those_of_their_sums(self):
        versions = self._decide().version_ids + self._decide().version_ids
        versions[:2].sudo().write({"mailed_count": 1000, "click_base": 1000, "clicked_count": 10})
        versions[2:].sudo().write({"mailed_count": 10, "click_base": 10, "clicked_count": 5})
        self.env.flush_all()
        report = self.env["directmail.task.version"].with_user(self.user)
        rows = report._read_group(
            [("id", "in", versions.ids)], ["letter"], ["mailed_count:sum", "click_rate:avg"]
        )
        self.assertEqual([letter for letter, *_figures in rows], ["A", "B"])
        for _letter, mailed, rate in rows:
            self.assertEqual(mailed, 1010)
            self.assertAlmostEqual(rate, 15 / 1010)

    def test_versions_are_grouped_by_what_their_tasks_have(self):
        campaign = self.env["utm.campaign"].create({"title": "Summer"})
        task = self._decide(campaign_id=campaign.id)
        report = self.env["directmail.task.version"].with_user(self.user)
        domain = [("task_id", "=", task.id)]
        for group, value in (
            ("campaign_id", campaign),
            ("user_id", self.user),
            ("criterion", "clicks"),
        ):
            [(found, number)] = report._read_group(domain, [group], ["__count"])
            self.assertEqual((found, number), (value, 2))
        self.assertEqual(len(report._read_group(domain, ["started_at:month"], ["__count"])), 1)

    def test_lists_have_the_figures_of_the_last_results(self):
        task = self._send("One", test_share=100)
        self.assertFalse(any(task.version_ids.mapped("delivered_count")))
        self._react(task, B=3)
        self._import_results(task)
        told = task.get_test_results()["versions"]
        for version, row in zip(task.version_ids, told, strict=True):
            for name in ("assigned", "mailed", "delivered", "clicked"):
                self.assertEqual(version[f"{name}_count"], row[name], name)
        self.assertEqual(sum(task.version_ids.mapped("delivered_count")), task.delivered_count)
        self.assertGreaterEqual(task.version_ids[1].clicked_count, 3)

    def test_rates_in_lists_are_of_people_whose_clicks_are_recorded(self):
        task = self._send("One", test_share=100)
        self._import_results(task)
        rows = self._get_deliveries(task).filtered(lambda row: row.version == "B").sudo()
        rows.clicked_at = False
        rows[0].measuring = RULED_OUT["click"][0]
        self._react(task, B=len(rows))
        rows[0].clicked_at = False
        task.action_choose_version("B")
        version = task.version_ids[1]
        self.assertEqual(version.click_base, len(rows) - 1)
        self.assertEqual(version.click_rate, 1)
        self.assertIn("B:\N{NO-BREAK SPACE}100.0", task.test_rates)
        [group] = version.formatted_read_group([("id", "=", version.id)], [], ["click_rate:avg"])
        self.assertEqual(group["click_rate:avg"], 1)
        # Who clicked before a refusal counts on.
        rows[0].clicked_at = fields.Datetime.now()
        self.env.flush_all()
        task.sudo()._store_figures()
        self.assertEqual((version.clicked_count, version.click_rate), (len(rows), 1))

    def test_figures_are_unknown_before_the_first_results(self):
        task = self._send("One")
        told = task.get_test_results()["versions"]
        self.assertEqual(
            told[0]["unknown"], ["delivered", "opened", "clicked", "converted", "revenue"]
        )
        self.assertEqual({row["rate"] for row in told}, {None})
        self.assertFalse(any(task.version_ids.mapped("has_results")))
        self._import_results(task)
        told = task.get_test_results()["versions"]
        self.assertEqual(told[0]["unknown"], ["converted", "revenue"])
        self.assertNotIn(None, [row["rate"] for row in told])
        self.assertTrue(all(task.version_ids.mapped("has_results")))

    def test_lists_do_not_tell_how_many_were_assigned_where_figures_are_rounded(self):
        task = self._send("One", test_share=100)
        self._import_results(task)
        told = [row["assigned"] for row in task.get_test_results()["versions"]]
        self.assertEqual(task.version_ids.mapped("assigned_text"), [str(one) for one in told])
        task.sudo().in_tens = True
        task.sudo()._store_figures()
        self.assertEqual(set(task.version_ids.mapped("assigned_text")), {"not shown"})
        self.assertFalse(any(task.version_ids.mapped("assigned_count")))
        fields_of = task.version_ids.fields_get(["assigned_count", "assigned_text"])
        self.assertFalse(fields_of["assigned_count"]["exportable"])
