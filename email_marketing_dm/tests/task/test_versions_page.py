from datetime import timedelta

from odoo import fields
from odoo.tests import Form, tagged
from odoo.tools.safe_eval import safe_eval

from ..common import BODY, DirectmailCommon
from ..common_http import PatientHttpCase
from ..common_versions import VersionsMixin


@tagged("post_install", "-at_install")
class TestVersionsPage(VersionsMixin, DirectmailCommon):
    """What the pages say about an A/B test, and where they lead."""

    def _happen(self, task, **values):
        """Write facts to the first delivery of version B that was sent."""
        delivery = self._get_deliveries(task).filtered(lambda row: row.version == "B")[:1]
        delivery.sudo().write({"state": "sent", "sent_at": fields.Datetime.now(), **values})
        self.env.flush_all()
        return delivery

    # === BEFORE SENDING === #

    def test_the_settings_are_summed_up_before_they_are_saved(self):
        task = self._make_test("Summer is here")
        with Form(task) as form:
            self.assertEqual(
                form.test_summary,
                "50% of the people get one of the 2 versions, equally many each. 24 hours after"
                " the last of these mails, all others get the version that more people click. If"
                " no difference is visible, they get version A.",
            )
            form.test_criterion = "opens"
            form.test_undecided = "ask"
            form.test_people = 1200
            self.assertEqual(
                form.test_summary,
                "1,200 people get one of the 2 versions, equally many each. 24 hours after the last"
                " of these mails, all others get the version that more people open. If no"
                " difference is visible, you are asked.",
            )
            form.test_people = 0
            form.test_share = 100
            self.assertEqual(
                form.test_summary,
                "Everybody gets one of the 2 versions, equally many each. 24 hours after the last"
                " mail, the versions are compared by: Opens.",
            )
            form.test_hours = 1
            self.assertIn("1 hour after the last mail", form.test_summary)

    def test_what_the_test_can_see_follows_the_settings(self):
        task = self._make_test("Summer is here")
        self.audience.action_refresh()
        with Form(task) as form:
            self.assertIn("15 people per version", form.test_power)
            form.test_share = 100
            self.assertIn("30 people per version", form.test_power)

    def test_people_of_control_groups_are_in_no_version(self):
        self.audience.action_refresh()
        task = self._make_test("Summer is here", test_share=100)
        self.assertIn("30 people per version", task.test_power)
        task.control_share = 50
        self.assertIn("15 people per version", task.test_power)
        control = self.env["directmail.control"].create({"share": 20})
        self.assertEqual(control.company_id, task.company_id)
        self.env.invalidate_all()
        self.assertIn("12 people per version", task.test_power)
        task.write({"control_share": 0, "is_notification": True})
        self.assertIn("30 people per version", task.test_power)

    def test_a_task_without_versions_says_nothing_of_a_test(self):
        task = self._make_task(self.audience, self.template)
        self.assertFalse(task.test_summary)
        self.assertFalse(task.test_power)
        self.assertFalse(task.test_state)

    def test_the_dialogs_before_sending_name_the_test(self):
        task = self._make_test("Summer is here")
        action = task.action_open_estimate()
        estimate = self.env[action["res_model"]].browse(action["res_id"])
        self.assertIn("one of the 2 versions", estimate.test_summary)
        self.assertIn("people per version", estimate.test_power)

    def test_the_estimate_does_not_ask_to_press_estimate(self):
        task = self._make_test("Summer is here")
        task.test_share = 1
        action = task.action_open_estimate()
        estimate = self.env[action["res_model"]].browse(action["res_id"])
        self.assertIn("With 0 people per version", estimate.test_power)
        self.audience.line_ids.domain = "[('id', '=', 0)]"
        action = task.action_open_estimate()
        estimate = self.env[action["res_model"]].browse(action["res_id"])
        self.assertFalse(estimate.mail_count)
        self.assertFalse(estimate.test_power)

    def test_the_design_of_a_version_is_that_of_its_own_template(self):
        task = self._make_test("Summer is here")
        chosen = self._make_template(subject="Chosen")
        version = task.version_ids[1]
        version.template_id = chosen
        action = version.action_open_template()
        own = self.env[action["res_model"]].browse(action["res_id"])
        self.assertEqual(own, version.template_id)
        self.assertNotEqual(own, chosen)
        self.assertEqual((own.subject, own.state), ("Chosen", "draft"))
        self.assertEqual(version.action_open_template()["res_id"], own.id)

    def test_a_new_version_begins_with_the_design_of_the_mail(self):
        task = self._make_test()
        version = self._add(task)
        action = version.action_open_template()
        self.assertEqual(version.template_id.id, action["res_id"])
        self.assertEqual(version.template_id.body_html, self.template.body_html)

    # === AFTERWARDS === #

    def test_the_list_tells_where_a_test_stands(self):
        task = self._make_test("Summer is here")
        self.assertEqual(task.test_state, "draft")
        self._start(task)
        self.assertEqual(task.test_state, "running")
        task.sudo().verdict_at = fields.Datetime.now() + timedelta(hours=1)
        self.assertEqual(task.test_state, "waiting")
        task.action_choose_version("B")
        self.assertEqual(task.test_state, "decided")

    def test_the_report_has_the_figures_of_the_decision(self):
        task = self._make_test("Summer is here")
        self._start(task)
        action = self.env.ref("email_marketing_dm.directmail_task_version_action")
        domain = [*safe_eval(action.domain), ("task_id", "=", task.id)]
        versions = self.env["directmail.task.version"].with_user(self.user)
        self.assertFalse(versions.search(domain))
        self._happen(task, clicked_at=fields.Datetime.now())
        task.action_choose_version("B")
        found = versions.search(domain)
        self.assertEqual(found.mapped("letter"), ["A", "B"])
        self.assertEqual(found.mapped("clicked_count"), [0, 1])
        self.assertEqual(found.mapped("click_rate"), [0, 1])
        self.assertEqual(found[1].action_open_task()["res_id"], task.id)

    def test_an_undecided_test_asks_its_owner_only_where_the_setting_says_so(self):
        for undecided, state in (("ask", "asked"), ("a", "decided")):
            with self.subTest(undecided):
                task = self._make_test(f"Summer is here: {undecided}", test_undecided=undecided)
                self._start(task)
                task.sudo().compared_at = fields.Datetime.now()
                self.assertEqual(task.test_state, state)

    def test_a_version_that_was_chosen_is_no_winner(self):
        task = self._make_test("Summer is here")
        self._start(task)
        self.assertTrue(task.get_progress()["rest_waits"])
        task.action_choose_version("B")
        told = task.get_test_results()["versions"]
        self.assertEqual([row["is_winner"] for row in told], [False, False])
        self.assertEqual([row["is_chosen"] for row in told], [False, True])
        self.assertFalse(task.get_progress()["rest_waits"])

    def test_the_people_of_a_version(self):
        task = self._make_test("Summer is here")
        self._start(task)
        action = task.with_context(figure="version", version="B").action_view_deliveries()
        found = self.env["directmail.delivery"].search(action["domain"])
        self.assertEqual(set(found.mapped("version")), {"B"})
        told = task.get_test_results()["versions"][1]
        self.assertEqual(len(found), told["assigned"])
        self.assertEqual(action["display_name"], "Version B")

    def test_an_audience_of_a_version(self):
        task = self._make_test("Summer is here")
        self._start(task)
        delivery = self._happen(task, clicked_at=fields.Datetime.now())
        wizard = self.env["directmail.task.generate"].with_user(self.user)
        members = {}
        for letter in ("A", "B"):
            dialog = wizard.create(
                {"task_id": task.id, "task_result": "clicked", "task_version": letter}
            )
            self.assertEqual(dialog.name, f"{task.name}, version {letter}: Clicked")
            audience = self.env["directmail.audience"].browse(dialog.action_generate()["res_id"])
            members[letter] = audience.member_ids.partner_id
            self.assertIn(f"(version {letter})", audience.line_ids.sentence)
        self.assertEqual(members, {"A": self.people.browse(), "B": delivery.partner_id})

    def test_everybody_of_a_version(self):
        task = self._make_test("Summer is here")
        self._start(task)
        dialog = (
            self.env["directmail.task.generate"]
            .with_user(self.user)
            .create({"task_id": task.id, "task_result": "planned", "task_version": "A"})
        )
        audience = self.env["directmail.audience"].browse(dialog.action_generate()["res_id"])
        rows = self._get_deliveries(task).filtered(lambda row: row.version == "A")
        self.assertEqual(audience.member_ids.partner_id, rows.partner_id)

    def test_links_say_which_version_has_them(self):
        body = BODY.replace("is here.", '<a href="https://shop.example/new">is here</a>.')
        self.template = self._make_template(body_arch=body, body_html=body)
        task = self._make_test("Summer is here")
        self._start(task)
        task.sudo()._make_links()
        labels = [row["label"] for row in task.get_effectiveness()["links"]]
        self.assertEqual(labels, ["is here (version A)", "is here (version B)"])


@tagged("post_install", "-at_install")
class TestVersionsTour(VersionsMixin, PatientHttpCase):
    """The way of a marketing user through an A/B test, in a real browser."""

    def _make_draft(self):
        self.template = self._make_template(subject="News for you")
        self.audience.action_refresh()
        return self._make_task(self.audience, self.template)

    def _tour(self, task, name):
        self.env.flush_all()
        url = f"/odoo/directmail.task/{task.id}"
        self.start_tour(url, f"directmail_versions_{name}", login="dm_user")
        self.env.invalidate_all()

    def test_from_the_first_version_to_the_verdict(self):
        task = self._make_draft()
        self._tour(task, "send")
        self.assertEqual(task.state, "pending")
        self.assertEqual(
            task.version_ids.mapped("subject"), ["News for you", "Only this week: news for you"]
        )
        self._approve(task)
        self._run_cron()
        self.assertEqual(task.state, "sending")
        self.assertEqual(task.test_state, "waiting")
        mailed = self._get_deliveries(task).filtered("claimed_at").sudo()
        mailed.claimed_at = fields.Datetime.now() - timedelta(hours=25)
        task.sudo().verdict_at = False
        self._run_cron()
        self.assertEqual((task.winner, task.winner_by), ("A", "policy"))
        self._tour(task, "verdict")

    def test_a_version_is_chosen_by_hand(self):
        task = self._make_draft()
        self._add(task, subject="Only this week: news for you")
        task.test_share = 50
        self._approve(task)
        task.action_send()
        self._run_cron()
        self._tour(task, "choose")
        self.assertEqual((task.winner, task.winner_by), ("B", "hand"))
