from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestAudienceAdd(DirectmailCommon):
    """*Add to audience* and *New audience* in lists."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user.group_ids += cls.env.ref("sales_team.group_sale_salesman_all_leads")
        cls.people = cls._make_people(
            "ann@example.com", "bob@example.com", "cat@example.com", ref="add"
        )
        cls.matching = [("ref", "=", "add")]

    def _wizard(self, records, user=None, domain=None, **vals):
        context = {
            "active_model": records._name,
            "active_ids": records.ids,
            "active_domain": self.matching if domain is None else domain,
        }
        wizards = self.env["directmail.audience.add"].with_user(user or self.user)
        return wizards.with_context(**context).create({"name": "New one", **vals})

    def _add(self, *args, **vals):
        action = self._wizard(*args, **vals).action_add()
        audience = self.env["directmail.audience"].with_user(self.user).browse(action["res_id"])
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        return audience

    def test_actions_are_in_the_lists(self):
        tables = self.env["directmail.data.table"].search([])
        for model in tables.model_id:
            bound = self.env["ir.actions.actions"].with_user(self.user).get_bindings(model.model)
            names = [action["name"] for action in bound.get("action", [])]
            with self.subTest(model.model):
                self.assertEqual(names.count("Add to audience"), 1)
                self.assertEqual(names.count("New audience"), 1)
        tables._make_actions(tables.model_id)
        self.assertEqual(
            self.env["ir.actions.act_window"].search_count(
                [("res_model", "=", "directmail.audience.add")]
            ),
            2 * len(tables.model_id),
        )

    def test_selection_becomes_a_list(self):
        audience = self._add(self.people[:2])
        self.assertEqual(audience.name, "New one")
        self.assertEqual(audience.line_ids.kind, "list")
        self.assertEqual(audience.member_ids.partner_id, self.people[:2])
        self.assertEqual(audience.line_ids.sentence, "Selected from Contacts: 2")

    def test_more_of_the_same_go_into_one_line(self):
        audience = self._add(self.people[0])
        again = self._add(self.people[:2], target="existing", audience_id=audience.id)
        self.assertEqual(again, audience)
        self.assertEqual(len(audience.line_ids), 1)
        self.assertEqual(audience.member_ids.partner_id, self.people[:2])

    def test_all_that_match_now(self):
        audience = self._add(self.people[0], whom="matching")
        self.assertEqual(audience.member_ids.partner_id, self.people)
        self._make_people("dan@example.com", ref="add")
        audience.action_refresh()
        self.assertEqual(audience.people_count, 3, "chosen once")

    def test_whoever_matches_always(self):
        audience = self._add(self.people[0], whom="always")
        self.assertEqual(audience.line_ids.kind, "table")
        self._make_people("dan@example.com", ref="add")
        audience.action_refresh()
        self.assertEqual(audience.people_count, 4)

    def test_added_after_what_is_there(self):
        audience = self._make_audience(self.people[:2])
        audience.line_ids.sequence = 99
        audience = self._add(self.people[2], target="existing", audience_id=audience.id)
        self.assertEqual(audience.member_ids.partner_id, self.people)

    def test_leads(self):
        leads = self.env["crm.lead"].create(
            [
                {"name": "A", "partner_id": self.people[0].id},
                {"name": "B", "email_from": "eve@example.com"},
            ]
        )
        audience = self._add(leads, domain=[])
        self.assertEqual(audience.people_count, 2)
        leads[1].partner_id = self.people[1]
        audience.action_refresh()
        self.assertEqual(audience.member_ids.partner_id, self.people[:2], "they follow the lead")

    def test_copy_has_the_chosen_ones(self):
        audience = self._add(self.people[:2])
        copied = audience.copy()
        self._add(self.people[2], target="existing", audience_id=audience.id)
        copied.action_refresh()
        self.assertEqual(copied.member_ids.partner_id, self.people[:2])

    def test_the_copy_of_a_colleague_does_not_tell_whom_they_may_not_see(self):
        self.env["ir.rule"].create(
            {
                "name": "The first is for one user",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {self.people[0].id})]"
                f" if user.id != {self.user.id} else []",
            }
        )
        audience = self._add(self.people[:2])
        audience.action_share()
        copied = audience.with_user(self.other).copy()
        self.assertEqual(copied.line_ids.pick_count, 1)
        self.assertEqual(copied.line_ids.pick_ids.mapped("res_id"), self.people[1].ids)
        self.assertEqual(audience.copy().line_ids.pick_count, 2)
        # A copy that excludes fewer people would mail those who were left out.
        audience.line_ids.sequence = 2
        audience.line_ids = [
            fields.Command.create({"domain": "[('is_company', '=', False)]", "sequence": 1})
        ]
        audience.line_ids.filtered(lambda line: line.kind == "list").operator = "except"
        with self.assertRaisesRegex(UserError, "would exclude fewer people"):
            audience.with_user(self.other).copy()
        self.assertEqual(sum(audience.copy().line_ids.mapped("pick_count")), 2)

    def test_counts(self):
        wizard = self._wizard(self.people[:2])
        self.assertEqual((wizard.selected_count, wizard.matching_count), (2, 3))

    def test_what_is_missing_is_said(self):
        with self.assertRaisesRegex(UserError, "name"):
            self._wizard(self.people, name=False).action_add()
        with self.assertRaisesRegex(UserError, "Choose"):
            self._wizard(self.people, target="existing").action_add()
        with self.assertRaisesRegex(UserError, "no data table"):
            self._wizard(self.env["res.country"].search([], limit=1))

    def test_rights(self):
        theirs = self._make_audience(self.people, self.other, visibility="public")
        wizard = self._wizard(self.people, target="existing", audience_id=theirs.id)
        with self.assertRaises(AccessError):
            wizard.action_add()
        lead = self.env["crm.lead"].create({"name": "A", "email_from": "a@example.com"})
        with self.assertRaisesRegex(UserError, "no data table"):
            self._wizard(lead, self.other)
        self.env["ir.rule"].create(
            {
                "name": "The first is hidden",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {self.people[0].id})]",
            }
        )
        audience = self._add(self.people[:2])
        self.assertEqual(audience.line_ids.pick_count, 1)
        with self.assertRaises(AccessError):
            audience.line_ids.pick_ids.with_user(self.other).read(["res_id"])
