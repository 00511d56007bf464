from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged

from ...models.audience.directmail_audience import PURCHASES
from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestAudience(DirectmailCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people("ann@example.com", "bob@example.com", "no address", False)

    def test_refresh_counts_people(self):
        audience = self._make_audience(self.people)
        audience.action_refresh()
        self.assertEqual(audience.people_count, 4)
        self.assertEqual(audience.usable_count, 2)
        self.assertEqual(audience.member_ids.partner_id, self.people)

    def test_a_new_line_is_for_contacts_or_for_purchases(self):
        """As asked; purchases are offered only where a table of them can be used."""
        lines = self.env["directmail.audience.line"]
        purchases = self.env["directmail.data.table"].search(
            [("preset", "in", PURCHASES), ("usable", "=", True)]
        )
        self.assertEqual(lines.new({}).table_id.preset, "contacts")
        asked = lines.with_context(directmail_presets=[*PURCHASES])
        self.assertIn(asked.new({}).table_id, purchases or lines.table_id)
        self.assertEqual(self.env["directmail.audience"].new({}).offers_purchases, bool(purchases))
        action = self.env.ref("email_marketing_dm.directmail_audience_view_form")
        self.assertIn(repr([*PURCHASES]), action.arch, "the form asks for the same tables")

    def test_refresh_follows_the_contacts(self):
        audience = self._make_audience(self.people)
        audience.action_refresh()
        self.people[0].active = False
        self.people[3].email = "dan@example.com"
        audience.action_refresh()
        self.assertEqual((audience.people_count, audience.usable_count), (3, 2))

    def test_unreadable_filter_is_refused(self):
        for domain in ("[('nothing', '=', 1)]", "[(", "['&']", "__import__('os')"):
            with self.subTest(domain), self.assertRaises(ValidationError):
                self._make_audience(self.people, lines=[{"domain": domain}])

    def test_filter_on_what_cannot_be_searched_is_refused(self):
        """Also behind a relation, where Odoo notices it late."""
        for domain in (
            "[('contact_address', '=', 'x')]",
            "[('parent_id.contact_address', '=', 'x')]",
            "[('child_ids', 'any', [('contact_address', '=', 'x')])]",
            "[('user_ids.im_status', '=', 'x')]",
        ):
            with self.subTest(domain), self.assertRaisesRegex(ValidationError, "can't be used"):
                self._make_audience(self.people, lines=[{"domain": domain}])

    def test_failed_refresh_keeps_the_members(self):
        audience = self._make_audience(self.people)
        audience.action_refresh()
        self.env.cr.execute(
            "UPDATE directmail_audience_line SET domain = %s WHERE audience_id = %s",
            ["[('field_of_a_removed_app', '=', 1)]", audience.id],
        )
        audience.line_ids.invalidate_recordset()
        audience.action_refresh()
        self.assertEqual(audience.people_count, 4)
        self.assertEqual(len(audience.member_ids), 4)
        self.assertIn("field_of_a_removed_app", audience.refresh_error)

    def test_private_audience_of_somebody_else(self):
        audience = self._make_audience(self.people).with_user(self.other)
        self.assertFalse(audience.search([("id", "=", audience.id)]))
        with self.assertRaises(AccessError):
            audience.read(["name"])
        with self.assertRaises(AccessError):
            audience.action_refresh()

    def test_public_audience_of_somebody_else(self):
        mine = self._make_audience(self.people, visibility="public")
        mine.action_refresh()
        audience = mine.with_user(self.other)
        self.assertEqual(audience.people_count, 4)
        with self.assertRaises(AccessError):
            audience.write({"name": "Taken over"})
        with self.assertRaises(AccessError):
            audience.action_refresh()
        self.assertFalse(
            audience.env["directmail.audience.member"].search([("audience_id", "=", audience.id)]),
            "the people behind it stay the owner's",
        )
        copied = audience.copy()
        self.assertEqual(copied.user_id, self.other)
        self.assertEqual(copied.visibility, "private")

    def test_administrator_sees_all(self):
        audience = self._make_audience(self.people).with_user(self.admin)
        audience.action_refresh()
        self.assertEqual(len(audience.member_ids), 4)

    def test_owner_rights_decide(self):
        """Somebody else's refresh finds what the owner may see, no more."""
        hidden = self.env["ir.rule"].create(
            {
                "name": "Bob is hidden from users",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": "[('email', '!=', 'bob@example.com')]",
                "groups": [(4, self.env.ref("base.group_user").id)],
            }
        )
        self.assertTrue(hidden)
        audience = self._make_audience(self.people, visibility="public")
        audience.with_user(self.admin).action_refresh()
        audience.sudo()._refresh()
        self.assertNotIn(self.people[1], audience.sudo().member_ids.partner_id)

    def test_rights_can_not_be_borrowed(self):
        with self.assertRaises(AccessError):
            self._make_audience(self.people, user_id=self.admin.id)
        audience = self._make_audience(self.people)
        with self.assertRaises(AccessError):
            audience.write({"user_id": self.admin.id})

    def test_field_the_owner_may_not_read(self):
        """A count must not tell what a field holds that the owner may not read."""
        audience = self._make_audience(self.people)
        audience.line_ids.domain = "[('comment', 'ilike', 'a')]"
        field = self.env["res.partner"]._fields["comment"]
        self.patch(field, "groups", "base.group_system")
        with self.assertRaises(AccessError):
            audience.line_ids.domain = "[('comment', 'ilike', 'b')]"
        audience.action_refresh()
        self.assertTrue(audience.refresh_error)
        self.assertFalse(audience.refreshed_at)

    def test_owner_who_left(self):
        audience = self._make_audience(self.people)
        audience.action_refresh()
        self.user.active = False
        audience.with_user(self.admin).action_refresh()
        self.assertIn("no longer has access", audience.sudo().refresh_error)
        self.assertEqual(len(audience.sudo().member_ids), 4)
