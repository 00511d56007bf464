from datetime import timedelta

from psycopg2.errors import CheckViolation

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, freeze_time, tagged
from odoo.tools import mute_logger

from ..common_models import ALL_LEADS, RfmCommon

LOGGER = "odoo.addons.email_marketing_dm.models.mixins.directmail_scheduled"


@tagged("post_install", "-at_install")
class TestRfm(RfmCommon):
    """Results, history and checks of RFM models."""

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
        for segment in self.rfm.segment_ids:
            action = segment.action_view_people()
            found = self.env[action["res_model"]].search(action["domain"])
            self.assertEqual(len(found), segment.people, segment.customer_type)
            self.assertEqual(sum(found.mapped("monetary")), segment.amount)
        high = self.rfm.segment_ids[0]
        self.assertRecordValues(
            high,
            [{"people": 1, "share": 0.5, "amount_per_person": 2500, "purchases_per_person": 5}],
        )
        self.assertEqual(len(self.rfm.segment_ids), 8)
        self.assertEqual(high.display_name, "High-value")

    def test_empty_table(self):
        self.table.domain = "[('name', '=', 'nobody bought this')]"
        self.rfm.action_compute()
        self.assertFalse(self.rfm.compute_error)
        self.assertEqual(self.rfm.people_count, 0)
        self.assertFalse(self._scores())
        self.assertEqual(self.rfm.segment_ids.mapped("share"), [0.0] * 8)

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
        self.env.cr.execute("SELECT id, xmin FROM directmail_rfm_customer ORDER BY id")
        before = self.env.cr.fetchall()
        self._buy(self.cid, 5)
        with freeze_time(fields.Datetime.now() + timedelta(days=1)):
            self.rfm.action_compute()
            self.assertEqual(sorted(self._scores().mapped("recency")), [2, 6, 201])
        self.env.cr.execute("SELECT id, xmin FROM directmail_rfm_customer ORDER BY id")
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
        came = self.rfm.segment_ids.filtered(lambda f: f.customer_type == bob.customer_type)
        self.assertGreaterEqual(came.came, 1)
        potential = self.rfm.segment_ids.filtered(lambda f: f.customer_type == "potential")
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

    def test_who_left_went(self):
        """Out of the model altogether, also when it is computed again on the same day."""
        self.rfm.action_compute()
        self.assertFalse(self.rfm.left_count)
        day = fields.Datetime.now() + timedelta(days=200)
        potential = self.rfm.segment_ids.filtered(lambda f: f.customer_type == "potential")
        for _time in range(2):
            with freeze_time(day):
                self.rfm.action_compute()
            self.assertEqual((potential.people, potential.went), (0, 1))
            self.assertEqual(self.rfm.left_count, 1)
        action = self.rfm.action_view_left()
        rows = self.env[action["res_model"]].search(action["domain"])
        self.assertEqual(rows.mapped("previous_customer_type"), ["potential"])
        with freeze_time(day + timedelta(days=1)):
            self.rfm.action_compute()
        self.assertEqual((potential.went, self.rfm.left_count), (0, 0))

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
            (lambda: self.table.write({"active": False}), "is archived"),
            (lambda: self.rfm.sudo().write({"data_table_id": False}), "Choose the data table"),
            (lambda: self.owner.write({"group_ids": [(3, self._group(ALL_LEADS))]}), "may not"),
            (lambda: self.owner.sudo().write({"active": False}), "no longer has access"),
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
        """The error is stored on the model instead of being raised."""
        self.rfm.action_compute()
        self._buy(self.cid, 1, 4000)
        self.env.cr.execute("ALTER TABLE directmail_rfm_customer ADD CHECK (monetary < 4000)")
        with mute_logger(LOGGER, "odoo.sql_db"):
            self.rfm.action_compute()
        self.assertIn("reported an error", self.rfm.compute_error)
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
        self.assertFalse(copied.people_count or copied.computed_at or copied.customer_ids)
        self.assertEqual(len(copied.segment_ids), 8)
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
