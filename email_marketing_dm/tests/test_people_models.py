from datetime import datetime, timedelta

from psycopg2.errors import CheckViolation

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, freeze_time, new_test_user, tagged
from odoo.tools import mute_logger

from .common_models import ALL_LEADS, GROUP_ADMIN, GROUP_USER, ModelsCommon


@tagged("post_install", "-at_install")
class TestRfm(ModelsCommon):
    def setUp(self):
        super().setUp()
        self.ann, self.bob, self.cid = self.people[:3]
        for days_ago in (1, 10, 20, 40, 50):
            self._buy(self.ann, days_ago, 500)
        self._buy(self.bob, 200, 20)
        self.rfm = self._make_rfm()

    def _scores(self, rfm=None, user=None):
        scores = self.env["directmail.rfm.score"].with_user(user or self.owner)
        return scores.search([("rfm_model_id", "=", (rfm or self.rfm).id)])

    def test_compute(self):
        self.assertFalse(self.rfm.computed_at)
        self.rfm.action_compute()
        self.assertFalse(self.rfm.compute_error)
        self.assertEqual(self.rfm.people_count, 2)
        ann, bob = self._scores()
        self.assertRecordValues(
            ann + bob,
            [
                {
                    "partner_id": self.ann.id, "recency": 1, "frequency": 5, "monetary": 2500,
                    "r_score": 3, "f_score": 3, "m_score": 3, "customer_type": "high_value",
                },
                {
                    "partner_id": self.bob.id, "recency": 200, "frequency": 1, "monetary": 20,
                    "r_score": 1, "f_score": 1, "m_score": 1, "customer_type": "potential",
                },
            ],
        )  # fmt: skip
        self.assertEqual((self.rfm.r_average, self.rfm.f_average, self.rfm.m_average), (2, 2, 2))

    def test_figures_open_their_people(self):
        self.rfm.action_compute()
        for figure in self.rfm.figure_ids:
            action = figure.action_view_people()
            found = self.env[action["res_model"]].search(action["domain"])
            self.assertEqual(len(found), figure.people, figure.customer_type)
            self.assertEqual(sum(found.mapped("monetary")), figure.amount)
        high = self.rfm.figure_ids[0]
        self.assertRecordValues(
            high,
            [{"people": 1, "share": 0.5, "amount_per_person": 2500, "purchases_per_person": 5}],
        )
        self.assertEqual(len(self.rfm.figure_ids), 8)
        self.assertEqual(high.display_name, "High-value")

    def test_empty_table(self):
        self.table.domain = "[('name', '=', 'nobody bought this')]"
        self.rfm.action_compute()
        self.assertFalse(self.rfm.compute_error)
        self.assertEqual(self.rfm.people_count, 0)
        self.assertFalse(self._scores())
        self.assertEqual(self.rfm.figure_ids.mapped("share"), [0.0] * 8)

    def test_edges_of_the_scores(self):
        for days_ago, amount, r_score, m_score in (
            (30, 1000, 3, 2),
            (31, 1000.01, 2, 3),
            (90, 100, 2, 2),
            (91, 99.99, 1, 1),
            (364, 0, 1, 1),
        ):
            with self.subTest(days_ago=days_ago, amount=amount):
                person = self.env["res.partner"].create({"name": "At the edge"})
                self._buy(person, days_ago, amount)
                self.rfm.action_compute()
                score = self._scores().filtered(lambda score, p=person: score.partner_id == p)
                self.assertEqual((score.r_score, score.m_score), (r_score, m_score))
        too_old = self.env["res.partner"].create({"name": "Beyond the edge"})
        self._buy(too_old, 365)
        self.rfm.action_compute()
        self.assertNotIn(too_old, self._scores().partner_id)

    def test_refunds(self):
        """A refund lowers the amount; it is neither a purchase nor recent."""
        self._buy(self.bob, 0, -15)
        self._buy(self.cid, 3, -100)
        self.rfm.action_compute()
        bob = self._scores().filtered(lambda score: score.partner_id == self.bob)
        self.assertEqual((bob.recency, bob.frequency, bob.monetary), (200, 1, 5))
        self.assertNotIn(self.cid, self._scores().partner_id)

    def test_amounts_in_other_currencies(self):
        """With the rate of the order a purchase counts in the company's currency."""
        self.env.cr.execute("UPDATE crm_lead SET probability = 4 WHERE name = 'Purchase'")
        self.table.rate_field = "probability"
        self.rfm.action_compute()
        self.assertEqual(self._scores().mapped("monetary"), [625, 5])

    def test_only_rows_that_changed_are_written(self):
        self.rfm.action_compute()
        self.env.cr.execute("SELECT id, xmin FROM directmail_rfm_score ORDER BY id")
        before = self.env.cr.fetchall()
        self._buy(self.cid, 5)
        with freeze_time(fields.Datetime.now() + timedelta(days=1)):
            self.rfm.action_compute()
            self.assertEqual(sorted(self._scores().mapped("recency")), [2, 6, 201])
        self.env.cr.execute("SELECT id, xmin FROM directmail_rfm_score ORDER BY id")
        self.assertEqual(self.env.cr.fetchall()[:2], before)

    def test_movement(self):
        self.rfm.action_compute()
        day = fields.Datetime.now() + timedelta(days=1)
        with freeze_time(day):
            self._buy(self.bob, -1, 5000)
            self._buy(self.cid, -1, 5000)
            self.rfm.action_compute()
            self.rfm.action_compute()  # a second time on the same day changes nothing
        bob = self._scores().filtered(lambda score: score.partner_id == self.bob)
        cid = self._scores().filtered(lambda score: score.partner_id == self.cid)
        self.assertEqual(bob.previous_customer_type, "potential")
        self.assertNotEqual(bob.customer_type, "potential")
        self.assertFalse(cid.previous_customer_type)
        history = self.env["directmail.rfm.history"].search(
            [("rfm_model_id", "=", self.rfm.id), ("date", "=", day.date())]
        )
        self.assertEqual(sum(history.mapped("people")), 3)
        came = self.rfm.figure_ids.filtered(lambda f: f.customer_type == bob.customer_type)
        self.assertGreaterEqual(came.came, 1)
        potential = self.rfm.figure_ids.filtered(lambda f: f.customer_type == "potential")
        self.assertEqual((potential.people, potential.went), (0, 1))
        with freeze_time(day + timedelta(days=1)):
            self.rfm.action_compute()
        for score in bob + cid:
            self.assertEqual(score.previous_customer_type, score.customer_type)

    def test_who_left_is_in_the_history(self):
        self.rfm.action_compute()
        day = fields.Datetime.now() + timedelta(days=200)
        with freeze_time(day):
            self.rfm.action_compute()
        self.assertEqual(self._scores().partner_id, self.ann)
        left = self.env["directmail.rfm.history"].search(
            [("rfm_model_id", "=", self.rfm.id), ("customer_type", "=", False)]
        )
        self.assertEqual((left.date, left.people), (day.date(), 1))
        self.assertEqual(left.previous_customer_type, "potential")

    def test_failure_keeps_the_results(self):
        self.rfm.action_compute()
        results = self._scores()
        for break_it, said in (
            (
                lambda: self.env.cr.execute(
                    "UPDATE directmail_data_table SET domain = %s WHERE id = %s",
                    ["[('field_of_a_removed_app', '=', 1)]", self.table.id],
                ),
                "field_of_a_removed_app",
            ),
            (lambda: self.table.write({"active": False}), "no longer in use"),
            (lambda: self.rfm.sudo().write({"data_table_id": False}), "Choose the data table"),
            (lambda: self.owner.write({"group_ids": [(3, self._group(ALL_LEADS))]}), "may not"),
            (lambda: self.owner.sudo().write({"active": False}), "no longer works"),
        ):
            with self.subTest(said), self.env.cr.savepoint() as savepoint:
                break_it()
                self.env.flush_all()
                self.env.invalidate_all()
                self.assertFalse(self.rfm.sudo()._compute_results())
                self.assertIn(said, self.rfm.sudo().compute_error)
                self.assertEqual(self.rfm.sudo().people_count, 2)
                self.assertEqual(self._scores(user=self.env.user), results)
                savepoint.rollback()
                self.env.invalidate_all()
        self.rfm.action_compute()
        self.assertFalse(self.rfm.compute_error)

    def _group(self, xmlid):
        return self.env.ref(xmlid).id

    def test_what_the_database_refuses(self):
        """Said on the model, not thrown at whoever pressed the button."""
        self.rfm.action_compute()
        self._buy(self.cid, 1, 4000)
        self.env.cr.execute("ALTER TABLE directmail_rfm_score ADD CHECK (monetary < 4000)")
        with mute_logger(
            "odoo.addons.email_marketing_dm.models.directmail_people_model", "odoo.sql_db"
        ):
            self.rfm.action_compute()
        self.assertIn("could not work it out", self.rfm.compute_error)
        self.assertEqual(self.rfm.people_count, 2)
        self.assertEqual(self._scores().partner_id, self.ann + self.bob)

    def test_wrong_settings_are_refused(self):
        for vals in (
            {"r_days_3": 90, "r_days_2": 90},
            {"r_days_3": -1},
            {"f_count_3": 2},
            {"f_count_2": 1},
            {"m_amount_3": 100},
            {"hour": 24},
            {"hour": -1},
            {"data_table_id": self._make_table(False).id},
            {"data_table_id": self._make_table("date_closed", amount_field=False).id},
        ):
            with self.subTest(vals), self.assertRaises(ValidationError):
                self.rfm.write(vals)
        with self.assertRaises(UserError):
            self.rfm.company_id = self.env["res.company"].create({"name": "Elsewhere"})
        with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"):
            self.rfm.period_days = 0
            self.env.flush_all()

    def test_archived_contacts(self):
        self.bob.active = False
        self.rfm.action_compute()
        self.assertEqual(self._scores().partner_id, self.ann)

    def test_merged_contacts(self):
        self.rfm.action_compute()
        self.env["base.partner.merge.automatic.wizard"]._merge((self.ann + self.bob).ids, self.ann)
        self.assertEqual(self._scores().partner_id, self.ann)
        self.rfm.action_compute()
        self.assertEqual(self._scores().frequency, 6)

    def test_copy(self):
        self.rfm.action_compute()
        copied = self.rfm.copy()
        self.assertFalse(copied.people_count or copied.computed_at or copied.score_ids)
        self.assertEqual(len(copied.figure_ids), 8)
        self.assertNotEqual(copied.name, self.rfm.name)

    def test_form(self):
        form = Form(self.env["directmail.rfm.model"].with_user(self.owner))
        form.name = "Another"
        form.data_table_id = self.table
        form.hour = 4.5
        form.tz = "Asia/Tokyo"
        rfm = form.save()
        company = self.env.company
        self.assertEqual(company.directmail_models_hour, 4.5)
        self.assertEqual(company.directmail_models_tz, "Asia/Tokyo")
        self.assertEqual(self.rfm.next_run_at, rfm.next_run_at)
        self.assertEqual(rfm.next_run_at.strftime("%H:%M"), "19:30")
        rfm.hour = 5
        self.assertEqual((company.directmail_models_hour, rfm.tz), (5, "Asia/Tokyo"))
        rfm.tz = "UTC"
        self.assertEqual((company.directmail_models_tz, rfm.hour), ("UTC", 5))
        self.assertEqual(rfm.next_run_at.strftime("%H:%M"), "05:00")

    # === WHEN === #

    def test_cron_computes_what_is_due(self):
        cron = self.env.ref("email_marketing_dm.ir_cron_directmail_rfm")
        self.env.company.write({"directmail_models_hour": 3, "directmail_models_tz": "Asia/Tokyo"})
        archived = self._make_rfm(name="Archived", active=False)
        broken = self._make_rfm(name="Broken")
        broken.sudo().data_table_id = False
        self.assertFalse(archived.next_run_at)
        due = self.rfm.next_run_at
        self.assertEqual(due.strftime("%H:%M"), "18:00")
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        self.assertIn(due, triggers.mapped("call_at"))
        self._run(cron, due - timedelta(seconds=1))
        self.assertFalse(self.rfm.computed_at)
        self._run(cron, due)
        self.assertEqual(self.rfm.computed_at, due)
        self.assertEqual(self.rfm.next_run_at, due + timedelta(days=1))
        self.assertFalse(archived.computed_at)
        self.assertTrue(broken.compute_error)
        self.assertEqual(broken.next_run_at, due + timedelta(days=1))

    def _run(self, cron, moment):
        self.env.flush_all()
        with freeze_time(moment), self.enter_registry_test_mode():
            cron.method_direct_trigger()
        self.env.invalidate_all()

    def test_missed_days_are_made_up_once(self):
        cron = self.env.ref("email_marketing_dm.ir_cron_directmail_rfm")
        later = self.rfm.next_run_at + timedelta(days=5, hours=7)
        self._run(cron, later)
        self.assertEqual(self.rfm.computed_at, later)
        self.assertGreater(self.rfm.next_run_at, later)
        self.assertLess(self.rfm.next_run_at, later + timedelta(days=1))

    def test_days_are_those_of_the_time_zone(self):
        """Bought at 23:30, it is one day ago half an hour later, and in Tokyo it is not."""
        self._add_purchases([(self.cid.id, datetime(2026, 5, 1, 23, 30), 10, "Purchase")])
        with freeze_time("2026-05-02 00:00:00"):
            for tz, days in (("UTC", 1), ("Asia/Tokyo", 0)):
                self.env.company.directmail_models_tz = tz
                self.rfm.action_compute()
                [cid] = self._scores().filtered(lambda score: score.partner_id == self.cid)
                self.assertEqual(cid.recency, days, tz)

    # === WHO === #

    def test_users_read_and_administrators_write(self):
        self.rfm.action_compute()
        rfm = self._as(self.user, self.rfm)
        self.assertEqual(rfm.people_count, 2)
        self.assertEqual(len(self._scores(user=self.user)), 2)
        self.assertTrue(rfm.figure_ids[0].action_view_people())
        for forbidden in (
            lambda: rfm.write({"name": "Mine"}),
            lambda: rfm.action_compute(),
            lambda: rfm.unlink(),
            lambda: rfm.create({"name": "Mine"}),
            lambda: self._scores(user=self.user).write({"customer_type": "potential"}),
            lambda: rfm.figure_ids.write({"people": 7}),
            lambda: self._as(self.owner, self.rfm).write({"people_count": 7}),
            lambda: self._as(self.owner, self.rfm).write({"computed_on": "2026-01-01"}),
            lambda: self._as(self.owner, rfm.figure_ids).write({"people": 7}),
        ):
            with self.assertRaises(AccessError):
                forbidden()

    def test_contacts_that_the_reader_may_not_see(self):
        self.rfm.action_compute()
        scores = self._scores(user=self.env.user)
        hidden = scores.filtered(lambda score: score.partner_id == self.ann)
        self.env["ir.rule"].create(
            {
                "name": "Ann is hidden",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {self.ann.id})]",
                "groups": [(4, self.env.ref("base.group_user").id)],
            }
        )
        reader = self._as(self.user, scores)
        self.assertEqual(self._scores(user=self.user).partner_id, self.bob)
        mine = [("rfm_model_id", "=", self.rfm.id)]
        self.assertEqual(reader.search_count(mine), 1)
        self.assertEqual(reader._read_group(mine, [], ["__count", "monetary:sum"]), [(1, 20)])
        self.assertFalse(reader.search([*mine, ("customer_type", "=", "high_value")]))
        for read in (
            lambda: self._as(self.user, hidden).read(["customer_type"]),
            lambda: self._as(self.user, hidden).read(["display_name"]),
            lambda: self._as(self.user, hidden).check_access("read"),
        ):
            self.env.invalidate_all()
            with self.assertRaises(AccessError):
                read()
        self.assertEqual(
            self._as(self.user, scores)._filtered_access("read").sudo().partner_id, self.bob
        )

    def test_owner_rights_decide(self):
        self.env["ir.rule"].create(
            {
                "name": "Ann's purchases are hidden",
                "model_id": self.env["ir.model"]._get_id("crm.lead"),
                "domain_force": f"[('partner_id', '!=', {self.ann.id})]",
            }
        )
        self.rfm.sudo()._compute_results()
        self.assertEqual(self._scores(user=self.env.user).partner_id, self.bob)

    def test_other_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "dm_stranger",
            GROUP_ADMIN,
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        self.rfm.action_compute()
        for name in ("model", "score", "figure", "history"):
            model = self.env[f"directmail.rfm.{name}"].with_user(stranger)
            self.assertFalse(model.search([]), name)
        with self.assertRaises(AccessError):
            self.rfm.with_user(stranger).read(["name"])
        with self.assertRaises(AccessError):
            self.rfm.figure_ids[0].with_user(stranger).action_view_people()
        with self.assertRaises(ValidationError):
            self._make_rfm(user_id=stranger.id)

    # === CONTACTS === #

    def test_contacts_show_their_type(self):
        self.rfm.action_compute()
        people = self._as(self.user, self.people)
        self.assertEqual(
            people.mapped("directmail_rfm_type"), ["high_value", "potential"] + [False] * 4
        )
        search = people.search
        mine = [("id", "in", people.ids)]
        self.assertEqual(search([*mine, ("directmail_rfm_type", "=", "high_value")]), people[0])
        self.assertEqual(search([*mine, ("directmail_rfm_type", "=", False)]), people[2:])
        self.assertEqual(search([*mine, ("directmail_rfm_type", "!=", False)]), people[:2])
        self.assertEqual(
            search([*mine, ("directmail_rfm_type", "!=", "potential")]), people - people[1]
        )
        self.assertEqual(
            search([*mine, ("directmail_rfm_type", "in", ["potential", False])]), people[1:]
        )
        groups = people._read_group(mine, ["directmail_rfm_type"], ["__count"])
        self.assertEqual(dict(groups), {"high_value": 1, "potential": 1, False: 4})
        grouped = people.formatted_read_group(mine, ["directmail_rfm_type"], ["__count"])
        for group in grouped:
            self.assertEqual(len(search([*mine, *group["__extra_domain"]])), group["__count"])

    def test_contacts_follow_the_first_model_of_the_company(self):
        self.rfm.action_compute()
        self.table_of_days.domain = f"[('partner_id', '=', {self.bob.id})]"
        first = self._make_rfm(sequence=1, data_table_id=self.table_of_days.id)
        people = self._as(self.user, self.people)
        self.assertFalse(any(people.mapped("directmail_rfm_type")))
        first.action_compute()
        people.invalidate_recordset()
        self.assertTrue(people[1].directmail_rfm_type)
        self.assertFalse(people[0].directmail_rfm_type)
        company = self.env["res.company"].create({"name": "Elsewhere"})
        people.invalidate_recordset()
        self.assertFalse(people[1].sudo().with_company(company).directmail_rfm_type)

    def test_no_query_per_contact(self):
        self.rfm.action_compute()
        self.env.flush_all()
        people = self._as(self.user, self.people)
        people.mapped("directmail_rfm_type")
        people.invalidate_recordset(["directmail_rfm_type"])
        with self.assertQueryCount(2):
            people.mapped("directmail_rfm_type")

    def test_leads_show_the_type_of_their_contact(self):
        self.rfm.action_compute()
        seller = new_test_user(self.env, "dm_seller", f"{GROUP_USER},{ALL_LEADS}")
        lead = (
            self.env["crm.lead"]
            .with_user(seller)
            .create({"name": "Again", "partner_id": self.ann.id})
        )
        self.assertEqual(lead.directmail_rfm_type, "high_value")
        found = lead.search([("directmail_rfm_type", "=", "high_value"), ("name", "=", "Again")])
        self.assertEqual(found, lead)


@tagged("post_install", "-at_install")
class TestAipl(ModelsCommon):
    def setUp(self):
        super().setUp()
        self.ann, self.bob, self.cid = self.people[:3]
        self._buy(self.ann, 1, 500)
        self._buy(self.ann, 20, 500)
        self._buy(self.bob, 200, 20)
        self._buy(self.cid, 1, 0, "Purchase (asked only)")
        self.aipl = self._make_aipl(
            {"stage": "a", "domain": "[('name', 'ilike', 'asked')]"},
            {"stage": "p", "days": 365},
            {"stage": "l", "min_count": 2, "min_amount": 1000, "days": 30},
        )
        self.aipl.condition_ids[1].domain = "[('name', '=', 'Purchase')]"

    def _stages(self):
        found = self.env["directmail.aipl.stage"].search([("aipl_model_id", "=", self.aipl.id)])
        return {stage.partner_id: stage.stage for stage in found}

    def test_highest_stage_wins(self):
        self.aipl.action_compute()
        self.assertFalse(self.aipl.compute_error)
        self.assertEqual(self._stages(), {self.ann: "l", self.bob: "p", self.cid: "a"})
        self.assertEqual(self.aipl.figure_ids.mapped("people"), [1, 0, 1, 1])

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

    def test_wrong_conditions_are_refused(self):
        no_date = self._make_table(False)
        no_amount = self._make_table("date_closed", amount_field=False)
        no_contact = self._make_table("date_closed", partner_path=False, email_path="email_from")
        for vals in (
            {"domain": "[('nothing', '=', 1)]"},
            {"domain": "[("},
            {"domain": "__import__('os')"},
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
        self.assertIn("lost its data table", self.aipl.compute_error)
        self.assertEqual(self._stages(), stages)
        self.aipl.condition_ids.unlink()
        self.aipl.action_compute()
        self.assertIn("add a condition", self.aipl.compute_error)
        self.assertEqual(self._stages(), stages)

    def test_rights(self):
        self.aipl.action_compute()
        aipl = self._as(self.user, self.aipl)
        self.assertEqual(len(aipl.condition_ids), 3)
        for forbidden in (
            lambda: aipl.write({"name": "Mine"}),
            lambda: aipl.condition_ids.write({"days": 1}),
            lambda: aipl.condition_ids.create({"aipl_model_id": aipl.id, "stage": "a"}),
            lambda: aipl.figure_ids.write({"people": 1}),
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
        for name in ("model", "condition", "stage", "figure", "history"):
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
        self.assertIn("at least 2 times, for ", self.aipl.condition_ids[2].summary)
        self.assertIn("1,000.00", self.aipl.condition_ids[2].summary)

    def test_copy(self):
        copied = self.aipl.copy()
        self.assertEqual(len(copied.condition_ids), 3)
        self.assertEqual(len(copied.figure_ids), 4)

    def test_cron(self):
        cron = self.env.ref("email_marketing_dm.ir_cron_directmail_aipl")
        self.env.flush_all()
        with freeze_time(self.aipl.next_run_at), self.enter_registry_test_mode():
            cron.method_direct_trigger()
        self.env.invalidate_all()
        self.assertTrue(self.aipl.computed_at)
