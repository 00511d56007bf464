from datetime import timedelta

from psycopg2.errors import CheckViolation

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ...clock.spans import LONGEST
from ...engine.events import Fact
from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestEffectiveness(DirectmailCommon):
    """The figures on a task's page, and the people that each figure opens."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people(
            "one@customer.example",
            "two@customer.example",
            "three@customer.example",
            "bounce1@customer.example",
            "not an address",
        )
        cls.template = cls._make_template()

    def _send(self):
        task = self._make_task(self._make_audience(self.people), self.template)
        task.action_send()
        self._run_cron()
        self._import_results(task)
        return task

    def _delivery(self, task, number):
        return self.env["directmail.delivery"].search(
            [("task_id", "=", task.id), ("partner_id", "=", self.people[number].id)]
        )

    def _happen(self, task, number, kind, minutes=0, **values):
        delivery = self._delivery(task, number)
        self.env["directmail.event"]._receive(
            [
                Fact(
                    kind=kind,
                    source="own",
                    occurred_at=delivery.sent_at + timedelta(minutes=minutes),
                    company_id=task.company_id.id,
                    account_id=task.account_id.id,
                    delivery_id=delivery.id,
                    **values,
                )
            ]
        )
        self.env["directmail.event"]._apply_all(task.company_id)
        self.env.invalidate_all()

    def _funnel(self, task):
        return {step["name"]: step["count"] for step in task.get_effectiveness()["funnel"]}

    def test_the_funnel_goes_from_people_to_clicks(self):
        task = self._send()
        self._happen(task, 0, "open")
        self._happen(task, 1, "click", 5)
        found = task.get_effectiveness()
        self.assertEqual(
            [(step["name"], step["count"], step["base"]) for step in found["funnel"]],
            [
                ("people", 5, 5),
                ("sent", 4, 5),
                ("delivered", 3, 4),
                ("opened", 2, 3),
                ("clicked", 1, 3),
            ],
        )

    def test_machines_are_counted_apart(self):
        task = self._send()
        self._happen(task, 0, "open")
        self._happen(task, 1, "open", machine=True)
        self._happen(task, 2, "click", machine=True)
        found = task.get_effectiveness()
        steps = {step["name"]: step for step in found["funnel"]}
        self.assertEqual((steps["opened"]["count"], steps["opened"]["any"]), (1, 3))
        self.assertEqual((steps["clicked"]["count"], steps["clicked"]["any"]), (0, 1))
        self.assertEqual(found["totals"]["machine_opens"], 1)
        self.assertEqual(found["totals"]["opens"], 1)

    def test_why_mails_were_suppressed_and_failed_opens_the_people(self):
        task = self._send()
        found = task.get_effectiveness()
        [reason] = found["reasons"]
        self.assertEqual((reason["value"], reason["count"]), ("invalid_address", 1))
        action = task.action_view_part("reasons", "invalid_address")
        people = self.env["directmail.delivery"].search(action["domain"])
        self.assertEqual(people.partner_id, self.people[4])
        [failure] = found["failures"]
        self.assertEqual(failure["count"], 1)
        action = task.action_view_part("failures", failure["value"])
        people = self.env["directmail.delivery"].search(action["domain"])
        self.assertEqual(people.partner_id, self.people[3])

    def test_bounces_are_no_unsubscriptions(self):
        task = self._send()
        reason = self.env["mailing.subscription.optout"].search([], limit=1)
        delivery = self._delivery(task, 0).sudo()
        delivery._unsubscribe("page")
        delivery._explain_unsubscription("company", reason, "")
        optouts = self.env["directmail.optout"].search([("task_id", "=", task.id)])
        self.assertEqual(sorted(optouts.mapped("origin")), ["bounce", "page"])
        [row] = task.get_effectiveness()["unsubscribes"]
        self.assertEqual((row["label"], row["count"]), (reason.name, 1))
        action = task.action_view_part("unsubscribes", row["value"])
        self.assertEqual(self.env["directmail.optout"].search(action["domain"]).origin, "page")

    def test_clicks_are_told_per_link_and_open_their_people(self):
        task = self._send()
        link = self.env["directmail.link"].create(
            {
                "task_id": task.id,
                "template_id": self.template.id,
                "number": 900,
                "title": "Shop",
                "tracker_id": self.env["link.tracker"]
                .create({"url": "https://shop.example/", "title": "Shop"})
                .id,
            }
        )
        self._happen(task, 0, "click", link_id=link.id)
        self._happen(task, 0, "click", 1, link_id=link.id)
        self._happen(task, 1, "click", machine=True, link_id=link.id)
        rows = {row["value"]: row for row in task.get_effectiveness()["links"]}
        self.assertEqual((rows[link.id]["count"], rows[link.id]["clicks"]), (1, 2))
        action = task.action_view_part("links", link.id)
        people = self.env["directmail.delivery"].with_user(self.user).search(action["domain"])
        self.assertEqual(people.partner_id, self.people[0])

    def test_people_react_by_the_hour(self):
        task = self._send()
        self._happen(task, 0, "open", -61)
        self._happen(task, 1, "click")
        hours = task.get_effectiveness()["hours"]
        self.assertEqual([(h["opened"], h["clicked"]) for h in hours], [(1, 0), (1, 1)])

    def test_somebody_elses_task_stays_closed(self):
        task = self._send()
        with self.assertRaises(AccessError):
            task.with_user(self.other).get_effectiveness()

    # === RETENTION === #

    def _age(self, task, days):
        task.sudo().finished_at = fields.Datetime.now() - timedelta(days=days)

    def _run_retention(self):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_retention").method_direct_trigger()
        self.env.invalidate_all()

    def test_after_the_set_time_the_people_are_forgotten_and_the_figures_stay(self):
        self.account.retention_days = 90
        task, younger = self._send(), self._send()
        self._happen(task, 0, "click", 3)
        before = task.get_effectiveness()
        counts = [task.people_count, task.sent_count, task.clicked_count, task.suppressed_count]
        self._age(task, 91)
        self._age(younger, 89)
        self._run_retention()
        self.assertFalse(task.delivery_ids)
        self.assertFalse(
            self.env["directmail.event"].search([("delivery_id.task_id", "=", task.id)])
        )
        self.assertEqual(len(younger.delivery_ids), 5)
        after = task.get_effectiveness()
        self.assertTrue(after.pop("removed"))
        before.pop("removed")
        self.assertEqual(after, before)
        self.assertEqual(
            [task.people_count, task.sent_count, task.clicked_count, task.suppressed_count], counts
        )

    def test_running_tasks_and_accounts_without_a_limit_keep_everything(self):
        task = self._send()
        self._age(task, 5000)
        self.account.retention_days = 0
        self._run_retention()
        self.assertEqual(len(task.delivery_ids), 5)
        self.account.retention_days = 90
        task.sudo().state = "paused"
        self._run_retention()
        self.assertEqual(len(task.delivery_ids), 5)

    def test_details_cannot_be_forgotten_while_fatigue_needs_them(self):
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation):
            self.account.retention_days = LONGEST.days
            self.env.flush_all()

    # === GENERATE AUDIENCE === #

    def _generate(self, task, result, **vals):
        wizard = (
            self.env["directmail.task.generate"]
            .with_user(self.user)
            .create({"task_id": task.id, "task_result": result, **vals})
        )
        action = wizard.action_generate()
        return self.env["directmail.audience"].with_user(self.user).browse(action["res_id"])

    def test_results_stand_beside_the_choice_of_a_result(self):
        """In the dialog that makes an audience of them, and in a line for such people."""
        draft = self._make_task(self._make_audience(self.people), self.template)
        self.assertFalse(draft._describe_results())
        task = self._send()
        self._happen(task, 0, "open")
        wizard = self.env["directmail.task.generate"].create({"task_id": task.id})
        self.assertEqual(wizard.task_figures, "Delivered: 3, Failed: 0, Opened: 1, and Clicked: 0")
        # Babel has no pattern of every style for lists in every language.
        for lang in ("de_DE", "es_ES"):
            self.env["res.lang"]._activate_lang(lang)
            self.assertIn(": 3, ", task.with_context(lang=lang)._describe_results())
        audience = self._generate(task, "opened")
        self.assertEqual(audience.line_ids.task_figures, wizard.task_figures)
        self.assertEqual(audience.people_count, 1, "the new audience is fresh")

    def test_readers_of_a_public_audience_see_no_results_of_a_task_of_somebody_else(self):
        task = self._send()
        audience = self._generate(task, "delivered")
        audience.visibility = "public"
        self.assertTrue(audience.line_ids.task_figures)
        line = audience.line_ids.with_user(self.other)
        self.env.invalidate_all()
        self.assertFalse(task.with_user(self.other).has_access("read"))
        [values] = line.read(["task_id", "task_figures"])
        self.assertFalse(values["task_figures"])

    def test_an_audience_of_those_who_opened_stays_live(self):
        task = self._send()
        self._happen(task, 0, "open")
        audience = self._generate(task, "opened")
        self.assertEqual(audience.user_id, self.user)
        self.assertEqual(audience.member_ids.partner_id, self.people[0])
        self._happen(task, 1, "open")
        audience.action_refresh()
        self.assertEqual(audience.member_ids.partner_id, self.people[:2])
        self.assertEqual(self._generate(task, "not_opened").member_ids.partner_id, self.people[2])

    def test_an_audience_of_those_who_clicked_on_one_link(self):
        task = self._send()
        links = self.env["directmail.link"].create(
            [
                {
                    "task_id": task.id,
                    "template_id": self.template.id,
                    "number": 900 + number,
                    "tracker_id": self.env["link.tracker"]
                    .create({"url": f"https://shop.example/{number}", "title": "Shop"})
                    .id,
                }
                for number in range(2)
            ]
        )
        self._happen(task, 0, "click", link_id=links[0].id)
        self._happen(task, 1, "click", link_id=links[1].id)
        self.assertEqual(
            self._generate(task, "clicked", link_id=links[1].id).member_ids.partner_id,
            self.people[1],
        )
        self.assertEqual(self._generate(task, "clicked").member_ids.partner_id, self.people[:2])

    def test_when_the_details_are_gone_the_audience_keeps_its_people_and_says_why(self):
        self.account.retention_days = 90
        task = self._send()
        audience = self._generate(task, "delivered")
        self.assertEqual(audience.people_count, 3)
        self._age(task, 91)
        self._run_retention()
        audience.action_refresh()
        self.assertEqual((audience.people_count, len(audience.member_ids)), (3, 3))
        self.assertIn("no longer stored", audience.refresh_error)
