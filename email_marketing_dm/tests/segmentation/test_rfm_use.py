from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import freeze_time, new_test_user, tagged

from ..common_models import ALL_LEADS, GROUP_ADMIN, GROUP_USER, RfmCommon

LOGGER = "odoo.addons.email_marketing_dm.models.mixins.directmail_scheduled"


@tagged("post_install", "-at_install")
class TestRfmUse(RfmCommon):
    """When models are computed, who sees the results, and how contacts and leads show them."""

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

    def test_whatever_is_wrong_with_one_the_others_are_computed(self):
        cron = self.env.ref("email_marketing_dm.ir_cron_directmail_rfm")
        busy, odd, last = (self._make_rfm(name=name) for name in ("Busy", "Odd", "Last"))
        models = type(odd)
        replace = models._replace_results

        def replace_or_not(model, today):
            if model == odd:
                raise KeyError("odd")
            return replace(model, today)

        with (
            patch.object(models, "_replace_results", replace_or_not),
            patch.object(models, "try_lock_for_update", lambda found, **_options: found - busy),
            self.assertLogs(LOGGER, "ERROR") as logs,
        ):
            self._run(cron, self.rfm.next_run_at)
        self.assertEqual(len(logs.records), 1, "somebody else at it is no error")
        self.assertTrue(self.rfm.computed_at and last.computed_at)
        self.assertIn("unexpected error", odd.compute_error)
        self.assertFalse(busy.compute_error or busy.computed_at)
        for model in (busy, odd, last):
            self.assertGreater(model.next_run_at, self.env.cr.now())

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
        self.assertTrue(rfm.segment_ids[0].action_view_people())
        for forbidden in (
            lambda: rfm.write({"name": "Mine"}),
            lambda: rfm.action_compute(),
            lambda: rfm.unlink(),
            lambda: rfm.create({"name": "Mine"}),
            lambda: self._scores(user=self.user).write({"customer_type": "potential"}),
            lambda: rfm.segment_ids.write({"people": 7}),
            lambda: self._as(self.owner, self.rfm).write({"people_count": 7}),
            lambda: self._as(self.owner, self.rfm).write({"computed_on": "2026-01-01"}),
            lambda: self._as(self.owner, rfm.segment_ids).write({"people": 7}),
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
        for name in ("model", "customer", "segment", "history"):
            model = self.env[f"directmail.rfm.{name}"].with_user(stranger)
            self.assertFalse(model.search([]), name)
        with self.assertRaises(AccessError):
            self.rfm.with_user(stranger).read(["name"])
        with self.assertRaises(AccessError):
            self.rfm.segment_ids[0].with_user(stranger).action_view_people()
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
