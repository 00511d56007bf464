from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from ..common import AudienceCommon


@tagged("post_install", "-at_install")
class TestAudienceSources(AudienceCommon):
    """Lines over other audiences and over what came of email tasks; other companies."""

    # === OTHER AUDIENCES === #

    def test_another_audience(self):
        source = self._make_audience(self.ann + self.bob)
        lines = [{"kind": "audience", "source_id": source.id}]
        audience = self.assertPeople(lines, self.ann, self.bob)
        source.line_ids.domain = self._only(self.cat)["domain"]
        self.assertEqual(self._refresh(audience).partner_id, self.cat, "own sources come along")

    def test_public_source_is_taken_as_it_is(self):
        source = self._make_audience(self.ann, self.admin, visibility="public")
        source.action_refresh()
        refreshed = source.refreshed_at
        self.assertPeople([{"kind": "audience", "source_id": source.id}], self.ann)
        self.assertEqual(source.refreshed_at, refreshed)

    def test_private_source_is_refused(self):
        source = self._make_audience(self.ann, self.admin)
        source.action_refresh()
        line = {"kind": "audience", "source_id": source.id}
        with self.assertRaises(AccessError):
            self._make_audience(None, lines=[line])
        audience = self._make_audience(self.bob)
        with self.assertRaises(AccessError):
            audience.line_ids.write(line)
        with self.assertRaises(AccessError):
            audience.write({"line_ids": [fields.Command.create(line)]})
        answer = audience.count_line({"line_ids": [(0, 0, line)]}, 1)
        self.assertEqual(set(answer), {"error"})

    def test_administrator_lends_no_rights(self):
        """A line needs the rights of its writer and those of the audience's owner."""
        self.patch(self.env["res.partner"]._fields["comment"], "groups", "base.group_system")
        owner = self.env.ref("base.user_admin")
        audience = self._make_audience(self.ann, owner)
        comment = "[('comment', 'ilike', 'a')]"
        audience.line_ids.domain = comment
        with self.assertRaises(AccessError):
            audience.with_user(self.admin).line_ids.write({"domain": comment})

    def test_source_that_became_private(self):
        source = self._make_audience(self.ann, self.admin, visibility="public")
        source.action_refresh()
        audience = self.assertPeople([{"kind": "audience", "source_id": source.id}], self.ann)
        source.action_make_private()
        audience.action_refresh()
        self.assertIn("private", audience.refresh_error)
        with self.assertRaisesRegex(UserError, "Remove it there first"):
            source.sudo().unlink()
        self.assertEqual(audience.member_ids.partner_id, self.ann)

    def test_circles(self):
        first = self._make_audience(self.ann)
        second = self._make_audience(None, lines=[{"kind": "audience", "source_id": first.id}])
        third = self._make_audience(
            None,
            lines=[
                {
                    "kind": "group",
                    "child_ids": [(0, 0, {"kind": "audience", "source_id": second.id})],
                }
            ],
        )
        for source in (first, second, third):
            with self.subTest(source), self.assertRaises(ValidationError):
                first.line_ids.write({"kind": "audience", "source_id": source.id})
        # Two users may close a circle at the same moment, so the refresh checks it, too.
        self._refresh(first)
        self.env.cr.execute(
            "UPDATE directmail_audience_line SET kind = 'audience', source_id = %s WHERE id = %s",
            [third.id, first.line_ids.id],
        )
        self.env.invalidate_all()
        first.action_refresh()
        self.assertIn("uses itself", first.refresh_error)
        self.assertEqual(first.member_ids.partner_id, self.ann)

    def test_lines_stay_out_of_the_audiences_of_others(self):
        theirs = self._make_audience(self.ann, self.other, visibility="public")
        mine = self._make_audience(self.bob)
        with self.assertRaises(AccessError):
            mine.line_ids.audience_id = theirs.id
        with self.assertRaises(AccessError):
            mine.line_ids.create({"audience_id": theirs.id})
        with self.assertRaises(AccessError):
            theirs.line_ids.with_user(self.user).domain = "[]"
        with self.assertRaises(AccessError):
            theirs.line_ids.with_user(self.user).unlink()
        theirs.visibility = "private"
        self.assertFalse(
            mine.line_ids.search([("audience_id", "=", theirs.id)]), "nor are they read"
        )

    # === TASKS === #

    def test_result_of_a_task(self):
        audience = self._make_audience(self.people)
        audience.action_refresh()
        task = self._make_task(audience)
        values = {
            "task_id": task.id,
            "account_id": self.account.id,
            "company_id": task.company_id.id,
            "state": "sent",
        }
        now = fields.Datetime.now()
        described = (
            (self.ann, {"outcome": "delivered", "opened_at": now, "clicked_at": now}),
            (self.bob, {"outcome": "delivered"}),
            (self.cat, {"outcome": "invalid"}),
            (self.dan, {"state": "suppressed", "reason": "no_address"}),
        )
        self.env["directmail.delivery"].create(
            [{**values, "partner_id": person.id, **vals} for person, vals in described]
        )
        for result, people in (
            ("delivered", (self.ann, self.bob)),
            ("failed", ()),
            ("invalid", (self.cat,)),
            ("spam", ()),
            ("opened", (self.ann,)),
            ("clicked", (self.ann,)),
            ("not_opened", (self.bob,)),
            ("not_clicked", (self.bob,)),
        ):
            line = {"kind": "task", "task_id": task.id, "task_result": result}
            with self.subTest(result):
                self.assertPeople([line], *people)
        with self.assertRaises(AccessError):
            self._make_audience(None, self.other, lines=[line])

    # === COMPANIES === #

    def test_other_company(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "dm_stranger",
            "email_marketing_dm.group_admin",
            company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        audience = self._make_audience(self.ann, visibility="public")
        audience.action_refresh()
        theirs = audience.with_user(stranger)
        self.assertFalse(theirs.search([("id", "=", audience.id)]))
        for method in ("action_refresh", "unlink", "copy"):
            with self.subTest(method), self.assertRaises(AccessError):
                getattr(theirs, method)()
        with self.assertRaises(AccessError):
            self._make_audience(
                None, stranger, lines=[{"kind": "audience", "source_id": audience.id}]
            )
        with self.assertRaises(ValidationError):
            folder = self.env["directmail.audience.folder"].create(
                {"name": "Theirs", "company_id": other.id}
            )
            audience.folder_id = folder
