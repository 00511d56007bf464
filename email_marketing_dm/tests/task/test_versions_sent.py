from collections import Counter
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import SQL

from ...engine import claim, versions
from ...engine.versions import HELD, TestGroup, assign_versions
from ..common import BODY, DirectmailCommon
from ..common_http import PatientHttpCase
from ..common_versions import VersionsMixin


@tagged("post_install", "-at_install")
class TestVersionsSent(VersionsMixin, DirectmailCommon):
    """A/B tests from the plan to the decision."""

    def _assign(self, task_id, group, people):
        """Return Counter {(version, is_rest): people} of so many imagined people."""
        parts = assign_versions(task_id, group)
        rows = self.env.execute_query(
            SQL(
                """WITH judged AS (
                        SELECT sha256(n::text::bytea)::text AS address_key, NULL::text AS reason
                          FROM generate_series(1, %s) AS n)
                   SELECT %s FROM judged %s""",
                people,
                SQL("address_key %s", parts["values"]),
                parts["assigned"],
            )
        )
        return rows

    # === PLAN === #

    def test_everybody_has_one_version_or_waits(self):
        task = self._make_test("One", "Two", test_share=60)
        self._start(task)
        deliveries = self._get_deliveries(task)
        self.assertEqual(len(deliveries), len(self.people))
        for delivery in deliveries:
            self.assertNotEqual(bool(delivery.version), delivery.is_rest)
            self.assertEqual(delivery.not_before, HELD if delivery.is_rest else False)
        self.assertEqual(set(deliveries.mapped("version")), {"A", "B", "C", False})

    def test_assignment_is_stable_and_balanced(self):
        group = TestGroup("ABC", 0.3)
        rows = self._assign(7, group, 20_000)
        self.assertEqual(sorted(rows), sorted(self._assign(7, group, 20_000)))
        counts = Counter(version for _key, version, _rest in rows)
        for letter in "ABC":
            # 2,000 are expected; five standard deviations are 210.
            self.assertLess(abs(counts[letter] - 2000), 210)
        self.assertEqual(sum(bool(rest) for *_others, rest in rows), counts[None])
        other = dict((key, version) for key, version, _rest in self._assign(8, group, 20_000))
        same = sum(other[key] == version for key, version, _rest in rows if version)
        self.assertLess(same, 1000, "another task assigns the same people alike")

    def test_a_number_of_people_is_about_kept(self):
        rows = self._assign(7, TestGroup("AB", 0.2, 5000), 20_000)
        self.assertLess(abs(sum(bool(version) for _key, version, _rest in rows) - 5000), 310)

    def test_everybody_may_be_in_the_test(self):
        rows = self._assign(7, TestGroup("ABCDE", 1.0), 5000)
        self.assertEqual({version for _key, version, _rest in rows}, set("ABCDE"))

    def test_suppressed_people_keep_their_version_and_duplicates_have_none(self):
        self._make_people("person0@example.com")
        everybody = self.env["res.partner"].search([("email", "=like", "person%@example.com")])
        self.env["mail.blacklist"]._add("person1@example.com")
        nobody = self._make_people("not an address", False)
        task = self._make_task(
            self._make_audience(everybody + nobody), self.template, test_share=100
        )
        self._add(task, subject="One")
        self._start(task)
        by_reason = self._get_deliveries(task).grouped("reason")
        self.assertTrue(by_reason["blacklisted"].version)
        for reason in ("duplicate", "no_address", "invalid_address"):
            self.assertFalse(by_reason[reason].version or by_reason[reason].is_rest, reason)

    def test_a_test_group_that_is_too_small_is_not_sent(self):
        task = self._make_test("One", test_share=1)
        self._approve(task)
        task.action_send()
        task.sudo()._prepare()
        self.env.flush_all()
        nobody = patch.object(versions, "count_waiting", lambda env, task_id: {"A": 1})
        with nobody:
            self.assertFalse(task.sudo()._launch())
        self.assertEqual(task.state, "failed")
        self.assertIn("nobody would get version B", task.state_message)
        self.assertFalse(self._get_deliveries(task), "the plan is undone")

    def test_a_test_group_of_fewer_people_than_versions_is_refused(self):
        task = self._make_test("One", "Two", test_people=2)
        with self.assertRaisesRegex(UserError, "at least one person for each version"):
            task.action_send()

    def test_an_audience_that_shrinks_to_nobody_is_not_sent(self):
        task = self._make_test("One")
        self._approve(task)
        task.action_send()
        self.people.unlink()
        self._run_cron()
        self.assertEqual(task.state, "failed")
        self.assertIn("nobody in it", task.state_message)

    def test_a_task_without_a_test_is_planned_by_the_same_statement(self):
        parts = assign_versions(1, None)
        self.assertFalse(parts["assigned"].code or parts["columns"].code or parts["values"].code)

    # === MAILS === #

    def test_each_version_has_its_own_mail_and_the_rest_waits(self):
        task = self._send("One", "Two", test_share=60)
        subjects = self._get_subjects(task)
        deliveries = self._get_deliveries(task)
        expected = {"A": "Spring is here, ", "B": "One", "C": "Two"}
        for delivery in deliveries.filtered("version"):
            self.assertEqual(delivery.state, "sent")
            self.assertTrue(subjects[delivery.email].startswith(expected[delivery.version]))
        rest = deliveries.filtered("is_rest")
        self.assertEqual(set(rest.mapped("state")), {"waiting"})
        self.assertFalse(set(rest.mapped("email")) & set(subjects))
        self.assertEqual(task.state, "sending")
        self.assertSumRule(task)

    def test_the_cron_comes_back_for_the_decision_only(self):
        task = self._send("One")
        triggers = self.env["ir.cron.trigger"].search(
            [("cron_id", "=", self.account.sudo().cron_id.id)]
        )
        self.assertIn(task.verdict_at, triggers.mapped("call_at"))
        self.assertLess(max(triggers.mapped("call_at")), HELD)
        self.assertIn("waits for the decision", task.waiting_for)
        self.assertIn("decision", self._get_deliveries(task).filtered("is_rest")[0].explanation)

    def test_the_page_of_a_mail_shows_its_version(self):
        task = self._send("One", test_share=100)
        delivery = self._get_deliveries(task).filtered(lambda d: d.version == "B")[0]
        self.assertEqual(
            task.sudo()._get_version_template(delivery.version).submitted_subject, "One"
        )
        self.assertEqual(
            task.link_ids.template_id & task._get_templates(),
            task._get_templates().filtered("submitted_links"),
        )

    def test_own_links_of_each_version_lead_on(self):
        links = self._make_links_test().link_ids
        self.assertEqual(len(links.template_id), 2)
        self.assertEqual(
            {link.url for link in links}, {"https://shop.example/a", "https://shop.example/b"}
        )

    def _make_links_test(self):
        body = BODY.replace("spring collection", '<a href="https://shop.example/a">spring</a>')
        task = self._make_test("One", test_share=100)
        task.template_id = self._make_template(body_arch=body, body_html=body)
        body = body.replace("example/a", "example/b")
        task.version_ids[1].template_id = self._make_template(body_arch=body, body_html=body)
        task.action_send()
        self._run_cron()
        return task

    # === DECISION === #

    def test_a_better_version_goes_to_the_rest(self):
        task = self._send("One", test_share=60)
        self._react(task, B=15)
        self._make_out(task)
        self._run_cron()
        self.assertEqual((task.winner, task.winner_by), ("B", "test"))
        self._run_cron()
        rest = self._get_deliveries(task).filtered("is_rest")
        self.assertEqual(set(rest.mapped("version")), {"B"})
        subjects = self._get_subjects(task)
        self.assertEqual({subjects[email] for email in rest.mapped("email")}, {"One"})
        self.assertEqual(task.state, "done")
        self.assertEqual(task.sent_count, len(self.people))
        self.assertEqual(self.emulator.summary(task.tag_name)["duplicates"], 0)
        told = task.get_test_results()
        self.assertEqual(told["state"], "decided")
        self.assertRegex(told["sentence"], r"^B is better: .* clicked against 0\.0%")
        self.assertEqual([row["is_winner"] for row in told["versions"]], [False, True])
        self.assertEqual(told["rest"]["sent"], len(rest))
        self.assertEqual(told["versions"][1]["clicked"], task.version_ids[1].clicked_count)
        self.assertAlmostEqual(told["curve"][-1]["B"], told["versions"][1]["rate"])

    def test_nothing_is_decided_before_its_time(self):
        task = self._send("One")
        self._react(task, B=15)
        self._run_cron()
        self.assertFalse(task.winner or task.compared_at)
        self.assertEqual(task.get_test_results()["state"], "waiting")

    def test_nothing_is_decided_before_the_last_mail_of_the_test_group(self):
        self.account.sudo().quota_reserve = self.account.daily_quota - 20
        task = self._send("One", test_share=100)
        self.assertEqual(task.sent_count, 20)
        self._make_out(task)
        self._run_cron()
        self.assertFalse(task.verdict_at or task.compared_at)
        self.assertEqual(task.get_test_results()["state"], "running")

    def test_without_a_difference_version_a_goes_to_the_rest(self):
        task = self._send("One")
        self._make_out(task)
        self._run_cron()
        self.assertEqual((task.winner, task.winner_by), ("A", "policy"))
        self._run_cron()
        self.assertEqual(task.state, "done")
        self.assertIn("no visible difference", task.get_test_results()["sentence"])

    def test_without_a_difference_the_rest_is_split(self):
        task = self._send("One", test_undecided="split", test_share=40)
        rest = self._get_deliveries(task).filtered("is_rest")
        self._make_out(task)
        self._run_cron()
        self._run_cron()
        self.assertEqual((task.winner, task.winner_by), (False, "policy"))
        self.assertEqual(set(rest.mapped("version")), {"A", "B"})
        self.assertFalse(any(rest.mapped("is_rest")))
        self.assertEqual(task.sent_count, len(self.people))

    def test_a_version_that_is_visibly_worse_is_not_sent(self):
        for undecided, letters in (("a", {"B"}), ("split", {"B", "C"})):
            task = self._send(
                f"One {undecided}", f"Two {undecided}", test_share=80, test_undecided=undecided
            )
            self._react(task, B=60, C=60)  # everybody
            rest = self._get_deliveries(task).filtered("is_rest")
            self._make_out(task)
            self._run_cron()
            rest.invalidate_recordset()
            self.assertEqual(task.winner_by, "policy")
            self.assertEqual(task.verdict["worse"], ["A"])
            self.assertIn("Visibly worse: A.", task._say_verdict())
            self.assertTrue(rest)
            self.assertLessEqual(set(rest.mapped("version")), letters)
            self.assertEqual(task.winner, "B" if undecided == "a" else False)
            self.assertFalse(any(task.version_ids.mapped("is_winner")))

    def test_without_a_difference_the_owner_is_asked(self):
        task = self._send("One", test_undecided="ask")
        self._make_out(task)
        self._run_cron()
        self.assertFalse(task.winner)
        self.assertTrue(task.activity_ids)
        self.assertEqual(task.get_test_results()["state"], "asked")
        self.assertIn("Choose the version", task.waiting_for)
        self._run_cron()
        self.assertEqual(task.state, "sending", "the rest waits")
        task.action_choose_version("B")
        self.assertFalse(task.activity_ids)
        self._run_cron()
        self.assertEqual((task.state, task.winner_by), ("done", "hand"))

    def test_a_test_with_everybody_only_says_what_it_found(self):
        task = self._send("One", test_share=100)
        self.assertEqual(task.state, "done")
        self._react(task, B=20)
        self._make_out(task)
        self._run_cron()
        self.assertEqual((task.state, task.winner), ("done", "B"))
        compared_at = task.compared_at
        self._run_cron()
        self.assertEqual(task.compared_at, compared_at)

    def test_a_test_of_revenue(self):
        table = self.env["directmail.data.table"].search([("preset", "=", "leads")])
        self.user.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        task = self._send("One", test_criterion="revenue", conversion_table_id=table.id)
        self.assertEqual(task.test_hours, 24 * 7)
        self._make_out(task)
        self._run_cron()
        self.assertEqual((task.winner, task.winner_by), ("A", "policy"))
        self.assertIn("brought any revenue", task.get_test_results()["sentence"])

    def test_conversions_that_can_not_be_counted_decide_nothing(self):
        table = self.env["directmail.data.table"].search([("preset", "=", "leads")])
        seller = self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.user.group_ids += seller
        task = self._send("One", test_criterion="conversions", conversion_table_id=table.id)
        self.user.group_ids -= seller
        self._make_out(task)
        self._run_cron()
        self.assertTrue(task.conversion_error)
        self.assertEqual((task.test_state, task.winner_by), ("asked", False))
        self.assertIn("could not be counted", task.get_test_results()["sentence"])
        self.assertIn("could not be counted", task.waiting_for)
        self.assertEqual(len(task.activity_ids), 1)
        rest = self._get_deliveries(task).filtered("is_rest")
        self.assertTrue(rest)
        self.assertFalse(any(rest.mapped("version")))
        task.action_choose_version("B")
        self._run_cron()
        self.assertEqual((task.state, task.winner), ("done", "B"))

    def test_the_verdict_says_why_nothing_can_be_compared(self):
        task = self._send("One")
        common = {
            "criterion": "revenue", "winner": None, "best": "A", "rival": "B", "low": None,
            "high": None, "chance": 1.0,
        }  # fmt: skip
        for values, said in (
            ({"A": 0.0, "B": 0.0}, "brought any revenue"),
            ({"A": 1.5, "B": -2.0}, "Refunds exceed the sales of version B"),
            ({"A": 1.5, "B": None}, "Too few people"),
        ):
            task.sudo().verdict = {**common, "values": values}
            self.assertIn(said, task._say_verdict())

    def test_rates_that_differ_do_not_look_equal(self):
        task = self._send("One")
        task.sudo().verdict = {
            "criterion": "clicks", "values": {"A": 0.0312, "B": 0.0308}, "winner": "A",
            "best": "A", "rival": "B", "low": 0.0001, "high": 0.0007, "chance": 0.01,
        }  # fmt: skip
        self.assertIn("3.12% clicked against 3.08%", task._say_verdict())

    def test_a_paused_test_is_decided_when_it_goes_on(self):
        task = self._send("One")
        task.action_pause()
        self._make_out(task)
        self._run_cron()
        self.assertFalse(task.compared_at)
        self.assertIn("paused", task.get_test_results()["advice"])
        with self.assertRaisesRegex(UserError, "before the A/B test of .* is decided"):
            task.with_user(task.user_id).track_clicks = False
        task.action_resume()
        self._run_cron()
        self.assertEqual(task.winner_by, "policy")

    def test_a_cancelled_test_is_not_decided(self):
        task = self._send("One")
        task.action_cancel()
        self._run_cron()
        self.assertEqual(task.waiting_count, 0)
        self._make_out(task)
        self._run_cron()
        self.assertFalse(task.compared_at)
        found = task.get_test_results()
        self.assertEqual((found["state"], found["advice"]), ("stopped", ""))
        self.assertIn("was cancelled before", found["sentence"])
        with self.assertRaisesRegex(UserError, "was cancelled before"):
            task.action_choose_version("B")

    def test_a_test_that_was_chosen_and_cancelled_promises_nothing(self):
        task = self._send("One")
        task.action_pause()
        task.action_choose_version("B")
        self.assertIn("Press Resume", task.get_test_results()["advice"])
        self.assertNotIn("nothing is decided", task.get_test_results()["advice"])
        task.action_cancel()
        self.assertIn("waiting mails are not sent", task.get_test_results()["advice"])

    def test_a_test_on_its_way_is_not_archived(self):
        task = self._send("One")
        with self.assertRaisesRegex(UserError, "has not ended"):
            task.action_archive()
        task.sudo().active = False  # as under an earlier version
        self._make_out(task)
        self._run_cron()
        self.assertTrue(task.compared_at)

    # === BY HAND === #

    def test_a_version_is_chosen_once(self):
        task = self._send("One")
        with self.assertRaisesRegex(UserError, "no such version"):
            task.action_choose_version("C")
        task.action_choose_version("B")
        with self.assertRaisesRegex(UserError, "has already chosen version B"):
            task.with_user(self.admin).action_choose_version("A")
        self._run_cron()
        self.assertEqual((task.winner, task.winner_by), ("B", "hand"))
        self.assertEqual(task.winner_user_id, self.user)
        self.assertEqual(task.state, "done")
        self.assertIn("chose version B", task.get_test_results()["sentence"])

    def test_a_version_can_be_chosen_while_the_test_group_is_mailed(self):
        task = self._make_test("One")
        self._start(task)
        task.action_choose_version("B")
        self._run_cron()
        deliveries = self._get_deliveries(task)
        self.assertEqual(set(deliveries.mapped("state")), {"sent"})
        self.assertEqual(set(deliveries.filtered("is_rest").mapped("version")), {"B"})
        self.assertIn("A", deliveries.mapped("version"))

    def test_a_number_of_people_decides_whether_there_is_a_rest(self):
        """The share does not count then."""
        task = self._make_test("One", test_share=100, test_people=20)
        self._start(task)
        task.action_choose_version("B")
        self.assertEqual(task.get_test_results()["advice"], "The rest gets version B.")

    def test_a_draft_has_nothing_to_choose(self):
        with self.assertRaisesRegex(UserError, "after the A/B test has started"):
            self._make_test("One").action_choose_version("B")

    # === LATER === #

    def test_changed_addresses_keep_version_and_place(self):
        task = self._make_test("One", test_share=60)
        self._start(task)
        deliveries = self._get_deliveries(task)
        tested = deliveries.filtered(lambda d: d.version == "B")[0]
        rest = deliveries.filtered("is_rest")[0]
        tested.partner_id.email, rest.partner_id.email = "new1@example.com", "new2@example.com"
        self._run_cron()
        self.assertEqual((tested.email, tested.version), ("new1@example.com", "B"))
        self.assertEqual((rest.state, rest.version), ("waiting", False))
        task.action_choose_version("A")
        self._run_cron()
        self.assertEqual((rest.state, rest.email, rest.version), ("sent", "new2@example.com", "A"))
        subjects = self._get_subjects(task)
        self.assertEqual(subjects["new1@example.com"], "One")
        self.assertTrue(subjects["new2@example.com"].startswith("Spring"))

    def test_the_rest_is_not_told_to_wait_for_quota(self):
        task = self._send("One")
        account = self.account.sudo()
        account.quota_reserve = account.daily_quota
        self._run_cron()
        self.assertFalse(task.quota_told_on)
        self.assertIn("quota", task.waiting_for)

    def test_results_outlive_the_details(self):
        task = self._send("One", test_share=100)
        self._react(task, B=20)
        self._make_out(task)
        self._run_cron()
        before = task.get_test_results()
        while task.sudo()._remove_details():
            pass
        self.assertFalse(self._get_deliveries(task))
        self.assertEqual(task.get_test_results(), before)

    def test_erased_people_are_counted_on(self):
        task = self._send("One", test_share=100)
        before = [row["mailed"] for row in task.get_test_results()["versions"]]
        self._get_deliveries(task)[0].sudo().write({"address_key": False, "email": False})
        self.env.flush_all()
        self.assertEqual([row["mailed"] for row in task.get_test_results()["versions"]], before)

    def test_a_claim_gives_the_version_to_the_mail(self):
        task = self._make_test("One", test_share=100)
        self._start(task)
        self.env.flush_all()
        context = self.account.sudo()._make_claim_context()
        rows = claim.claim(self.env, context, "run", 10, 600)
        self.env.invalidate_all()
        expected = {row.id: row.version for row in self._get_deliveries(task)}
        self.assertEqual(
            {row.id: row.version for row in rows}, {r.id: expected[r.id] for r in rows}
        )

    def test_what_a_killed_server_had_under_way_keeps_its_version(self):
        task = self._make_test("One", test_share=60)
        self._start(task)
        before = {row.id: row.version for row in self._get_deliveries(task)}
        context = self.account.sudo()._make_claim_context()
        rows = claim.claim(self.env, context, "dead", 5, -1)
        self.assertEqual(len(rows), 5)
        self._run_cron()
        deliveries = self._get_deliveries(task)
        self.assertEqual({row.id: row.version for row in deliveries}, before)
        self.assertEqual((task.unknown_count, task.sending_count), (5, 0))
        self.assertEqual(set(deliveries.filtered("is_rest").mapped("state")), {"waiting"})
        self.assertEqual(len(self._get_subjects(task)), task.sent_count)
        self.assertTrue(task.verdict_at)


@tagged("post_install", "-at_install")
class TestVersionsOnline(VersionsMixin, PatientHttpCase):
    def test_the_online_view_shows_the_version_of_the_person(self):
        task = self._make_test("One", test_share=100)
        body = BODY.replace("spring collection", "summer collection")
        task.version_ids[1].write({"body_arch": body, "body_html": body})
        self._approve(task)
        task.action_send()
        self._run_cron()
        for letter, text in (("A", "spring"), ("B", "summer")):
            delivery = self._get_deliveries(task).filtered(lambda d, v=letter: d.version == v)[0]
            token = self._get_token(delivery)
            self.assertIn(f"{text} collection", self.url_open(f"/directmail/view/{token}").text)
