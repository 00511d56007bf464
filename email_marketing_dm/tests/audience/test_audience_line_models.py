from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ..common_models import ALL_LEADS, GROUP_ADMIN, GROUP_USER, ModelsCommon


@tagged("post_install", "-at_install")
class TestAudienceLineModels(ModelsCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann, cls.bob, cls.cid = cls.people[:3]
        for days_ago in (1, 10, 20, 40, 50):
            cls._buy(cls.ann, days_ago, 500)
        cls._buy(cls.bob, 200, 20)
        cls._buy(cls.cid, 40, 150)
        cls.rfm = cls._make_rfm()
        cls.rfm.action_compute()
        cls.aipl = cls._make_aipl(
            {"stage": "i"}, {"stage": "p", "days": 90}, {"stage": "l", "min_count": 3}
        )
        cls.aipl.action_compute()

    def _make_audience(self, *lines, user=None):
        audience = self.env["directmail.audience"].with_user(user or self.user)
        return audience.create({"name": "Some", "line_ids": [(0, 0, line) for line in lines]})

    def _people(self, audience):
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        return audience.sudo().member_ids.partner_id

    def _types(self, *names):
        figures = self.rfm.segment_ids.filtered(lambda figure: figure.customer_type in names)
        return {
            "kind": "rfm", "rfm_model_id": self.rfm.id, "rfm_segment_ids": [(6, 0, figures.ids)]
        }  # fmt: skip

    def _scores(self, *names):
        grades = [self.env.ref(f"email_marketing_dm.directmail_rfm_score_{n}").id for n in names]
        return {
            "kind": "rfm", "rfm_model_id": self.rfm.id, "rfm_by": "score",
            "rfm_score_ids": [(6, 0, grades)],
        }  # fmt: skip

    def _stages(self, *names):
        figures = self.aipl.segment_ids.filtered(lambda figure: figure.stage in names)
        return {
            "kind": "aipl", "aipl_model_id": self.aipl.id, "aipl_segment_ids": [(6, 0, figures.ids)]
        }  # fmt: skip

    def test_by_type(self):
        self.assertEqual(self._people(self._make_audience(self._types("high_value"))), self.ann)
        everybody = self.rfm.segment_ids.mapped("customer_type")
        self.assertEqual(
            self._people(self._make_audience(self._types(*everybody))), self.people[:3]
        )

    def test_by_score(self):
        """Whoever has one of the scores is in: that is how score conditions join."""
        self.assertEqual(self._people(self._make_audience(self._scores("r3"))), self.ann)
        self.assertEqual(
            self._people(self._make_audience(self._scores("r3", "r1"))), self.ann + self.bob
        )
        self.assertEqual(
            self._people(self._make_audience(self._scores("f3", "m2"))), self.ann + self.cid
        )

    def test_by_stage(self):
        for names, people in (
            ("l", self.ann),
            ("p", self.cid),
            ("pl", self.ann + self.cid),
            ("i", self.bob),
            ("a", self.env["res.partner"]),
        ):
            audience = self._make_audience(self._stages(*names))
            self.assertEqual(self._people(audience), people, names)

    def test_mixed(self):
        audience = self._make_audience(
            self._stages("p", "l"), {"operator": "except", **self._types("high_value")}
        )
        self.assertEqual(self._people(audience), self.cid)

    def test_sentences(self):
        audience = self._make_audience(
            self._types("high_value", "potential"), self._scores("r3", "m2"), self._stages("l")
        )
        self.assertEqual(
            audience.line_ids.mapped("sentence"),
            [
                "In Customers: High-value or Potential",
                "In Customers: Recency 3 or Amount 2",
                "In Stages: Loyalty",
            ],
        )

    def test_counted_before_it_is_saved(self):
        audience = self.env["directmail.audience"].with_user(self.user)
        changes = {"line_ids": [(0, "virtual_1", self._types("high_value"))]}
        self.assertEqual(audience.count_line(changes, 0)["people"], 1)
        changes = {"line_ids": [(0, "virtual_1", self._scores("r3", "r1"))]}
        self.assertEqual(audience.count_line(changes, 0)["people"], 2)
        changes = {"line_ids": [(0, "virtual_1", self._stages("p", "l"))]}
        self.assertEqual(audience.count_all(changes)["people"], 2)

    def test_contacts_that_the_owner_may_not_see(self):
        self.env["ir.rule"].create(
            {
                "name": "Ann is hidden",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {self.ann.id})]",
            }
        )
        audience = self._make_audience(self._types("high_value", "potential"))
        self.assertEqual(self._people(audience), self.bob)
        audience = self._make_audience(self._stages("l", "p"))
        self.assertEqual(self._people(audience), self.cid)

    def test_archived_since(self):
        self.ann.active = False
        self.assertFalse(self._people(self._make_audience(self._types("high_value"))))

    def test_nothing_chosen(self):
        for line in (
            self._types(),
            self._scores(),
            self._stages(),
            {"kind": "rfm"},
            {"kind": "aipl"},
        ):
            with self.assertRaises(UserError):
                self._make_audience(line)

    def test_groups_of_another_model(self):
        other = self._make_rfm(name="Other")
        with self.assertRaises(UserError):
            self._make_audience({**self._types("high_value"), "rfm_model_id": other.id})

    def test_removed_model_keeps_the_people(self):
        audience = self._make_audience(self._types("high_value"))
        self.assertEqual(self._people(audience), self.ann)
        with self.assertRaisesRegex(UserError, "Remove it there first"):
            self.rfm.unlink()
        # Versions before 19.0.1.2.0 let the model go.
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_audience_line SET rfm_model_id = NULL WHERE id = %s",
            [audience.line_ids.id],
        )
        self.env.invalidate_all()
        audience.action_refresh()
        self.assertIn("was removed", audience.refresh_error)
        self.assertEqual(audience.sudo().member_ids.partner_id, self.ann)
        self.assertEqual(audience.line_ids.sentence, "Deleted RFM model")

    def test_model_of_another_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env, "dm_stranger", GROUP_ADMIN, company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )  # fmt: skip
        for line in (self._types("high_value"), self._stages("l")):
            with self.assertRaises(AccessError):
                self._make_audience(line, user=stranger)

    def test_copied_line(self):
        copied = self._make_audience(self._types("high_value"), self._stages("l")).copy()
        self.assertEqual(self._people(copied), self.ann)

    def test_new_audience_of_a_group(self):
        user = new_test_user(self.env, "dm_fresh", f"{GROUP_USER},{ALL_LEADS}")
        for figure, people in (
            (self.rfm.segment_ids[0], self.ann),
            (self.aipl.segment_ids[2], self.cid),
        ):
            action = self._as(user, figure).action_new_audience()
            audience = (
                self.env["directmail.audience"]
                .with_user(user)
                .with_context(**action["context"])
                .create({})
            )
            self.assertEqual(audience.name, figure.display_name)
            self.assertEqual(self._people(audience), people)

    def test_grid_of_scores(self):
        """Each cell opens its customers, and an audience of them."""
        user = new_test_user(self.env, "dm_fresh", f"{GROUP_USER},{ALL_LEADS}")
        rfm = self._as(user, self.rfm)
        cells = {(c["r"], c["f"], c["m"]): c for c in rfm.get_grid()["cells"]}
        self.assertEqual(sum(cell["people"] for cell in cells.values()), 3)
        self.assertEqual(cells[3, 3, 3]["amount"], 2500)
        for scores, person in (((3, 3, 3), self.ann), ((1, 1, 1), self.bob), ((2, 1, 2), self.cid)):
            self.assertEqual(cells[scores]["people"], 1)
            shown = rfm.action_view_cell(*scores)
            found = self.env[shown["res_model"]].with_user(user).search(shown["domain"])
            self.assertEqual(found.partner_id, person)
            action = rfm.action_new_audience_of_cell(*scores)
            audience = self.env["directmail.audience"].with_user(user)
            audience = audience.with_context(**action["context"]).create({})
            self.assertEqual(self._people(audience), person)

    def test_open_table_that_does_not_tell_the_amount(self):
        fields = self.env["ir.model.fields"].search(
            [("model", "=", "crm.lead"), ("name", "in", ("date_closed", "partner_id"))]
        )
        self.table.with_user(self.owner).write(
            {"open_to_marketers": True, "field_ids": [(6, 0, fields.ids)]}
        )
        self.rfm.action_compute()
        self.assertIn("expected_revenue", self.rfm.compute_error)
        self.assertEqual(self.rfm.people_count, 3)
