from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import SQL

from ..common import DirectmailCommon

COUNT = "odoo.addons.email_marketing_dm.models.audience.directmail_audience_count"
CONNECTION = "odoo.addons.email_marketing_dm.models.account.directmail_account_connection"


@tagged("post_install", "-at_install")
class TestAudienceLife(DirectmailCommon):
    """Counting while building, sharing, copying, finding again."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann, cls.bob, cls.cat, cls.dan = cls.people = cls._make_people(
            "ann@example.com", "bob@example.com", "no address", False
        )

    # === COUNTING WHILE BUILDING === #

    def _rule(self, people, **vals):
        return (0, 0, {"domain": f"[('id', 'in', {people.ids})]", **vals})

    def test_counts_of_unsaved_lines(self):
        changes = {"line_ids": [self._rule(self.people), self._rule(self.ann, operator="except")]}
        audiences = self.env["directmail.audience"].with_user(self.user)
        before = audiences.search_count([])
        self.assertEqual(
            audiences.count_line(changes, 0), {"people": 4, "so_far": 4, "about": False}
        )
        self.assertEqual(
            audiences.count_line(changes, 1), {"people": 1, "so_far": 3, "about": False}
        )
        self.env["mail.blacklist"]._add("bob@example.com")
        whole = audiences.count_all(changes)
        self.assertEqual((whole["people"], whole["mailable"]), (3, 0))
        self.assertEqual(
            dict(whole["reasons"]),
            {"Blacklisted": 1, "Unusable email address": 1, "No email address": 1},
        )
        self.assertEqual(audiences.search_count([]), before)

    def test_counts_of_a_saved_audience(self):
        audience = self._make_audience(self.people)
        self.assertEqual(audience.count_all({})["people"], 4)
        self.assertEqual(audience.count_all({})["mailable"], 2)
        line = audience.line_ids
        changes = {"line_ids": [(1, line.id, {"domain": f"[('id', '=', {self.ann.id})]"})]}
        self.assertEqual(audience.count_all(changes)["people"], 1)
        self.assertEqual(audience.count_all({"line_ids": [(2, line.id)]})["people"], 0)
        self.assertFalse(audience.people_count)

    def test_same_address_counts_once(self):
        self.bob.email = "ann@example.com"
        whole = self._make_audience(self.people).count_all({})
        self.assertEqual(whole["mailable"], 1)
        self.assertEqual(dict(whole["reasons"])["Same address as another person"], 1)

    def test_count_says_what_is_wrong(self):
        audience = self._make_audience(self.ann)
        bad = {"line_ids": [(0, 0, {"domain": "[('nothing', '=', 1)]"})]}
        self.assertIn("nothing", audience.count_line(bad, 1)["error"])
        self.assertEqual(audience.count_line(bad, 0)["people"], 1)
        self.assertIn("nothing", audience.count_all(bad)["error"])

    def test_filters_are_never_evaluated_as_code(self):
        """What would keep the server busy for half a minute is refused at once, wherever it is."""
        audience = self._make_audience(self.ann)
        code = "[('id', '=', 3**60000000 % 7)]"
        unsaved = {"line_ids": [(0, 0, {"domain": code})]}
        self.assertIn("can't contain", audience.count_line(unsaved, 1)["error"])
        with self.assertRaisesRegex(ValidationError, "can't contain"):
            audience.line_ids.domain = code
        nested = "[" + "'!', " * 50_000 + "('id', '=', 1)]"
        with self.assertRaises(ValidationError):
            audience.line_ids.domain = nested

    def test_today_in_a_filter_is_the_owners(self):
        """Of a contact made on the owner's own calendar day, wherever the server is."""
        self.user.tz = "Pacific/Kiritimati"
        self.ann.city = fields.Date.context_today(self.user.with_user(self.user))
        line = {"domain": "[('city', '=', context_today().strftime('%Y-%m-%d'))]"}
        audience = self._make_audience(None, lines=[line])
        audience.action_refresh()
        self.assertEqual(audience.member_ids.partner_id, self.ann)

    def test_a_wrong_parameter_is_passed_over(self):
        """The log has a line about it, and the default is used."""
        audience = self._make_audience(self.people)
        for text in ("5 s", "-1", "nan", "inf", "1e999"):
            self.env["ir.config_parameter"].set_param("email_marketing_dm.count_timeout", text)
            with self.subTest(text), self.assertLogs(CONNECTION, "WARNING") as logs:
                self.assertEqual(audience.count_all({})["people"], 4)
            self.assertIn("count_timeout", logs.output[0])

    def test_too_slow_a_count_is_an_estimate(self):
        """On whatever machine: a limit of a millisecond is passed by sleeping longer."""
        self.env["ir.config_parameter"].set_param("email_marketing_dm.count_timeout", "0.001")
        audience = self._make_audience(self.ann)
        slow = SQL("SELECT pg_sleep(0.05) FROM generate_series(1, 12345)")
        with patch(f"{COUNT}.select_people", return_value=slow):
            whole = audience.count_all({})
        self.assertTrue(whole["about"])
        self.assertEqual(whole["people"], 12000, "it does not look as if somebody had counted")
        self.assertIs(whole["mailable"], False)
        self.env.cr.execute("SHOW statement_timeout")
        self.assertEqual(self.env.cr.fetchone()[0], "0")

    def test_after_a_refresh_its_figures_stand_in_for_slow_counts(self):
        audience = self._make_audience(self.people)
        audience.action_refresh()
        self.patch(type(audience), "_count", lambda *_arguments: (1000, True))
        audience.line_ids.min_count = 1
        self.assertTrue(audience.count_all({})["about"], "a line has changed")
        audience.action_refresh()
        whole = audience.count_all({})
        self.assertEqual((whole["people"], whole["about"], whole["mailable"]), (4, False, 2))
        changes = {"line_ids": [self._rule(self.ann)]}
        self.assertEqual(audience.count_all(changes)["people"], 1000)
        self.patch(type(audience), "_count_mailable", lambda *_arguments: {})
        whole = audience.count_all({})
        self.assertEqual((whole["mailable"], whole["usable"]), (False, 2))
        self.env.cr.execute("UPDATE directmail_audience SET refreshed_at = '2021-01-01'")
        self.env.invalidate_all()
        self.assertNotIn("usable", audience.count_all({}))

    def test_the_form_says_that_figures_are_of_before(self):
        audience = self._make_audience(self.people)
        self.assertFalse(audience.is_changed, "there are no figures yet")
        audience.action_refresh()
        self.assertFalse(audience.is_changed)
        audience.name = "Another name"
        self.assertFalse(audience.is_changed)
        group = {"kind": "group", "operator": "except", "child_ids": [self._rule(self.ann)]}
        changes = {
            "a line": lambda: audience.line_ids.write({"domain": f"[('id', '=', {self.ann.id})]"}),
            "a new line": lambda: audience.write({"line_ids": [(0, 0, group)]}),
            "a line in a group": lambda: audience.line_ids.child_ids.write({"min_count": 2}),
            "a deleted line": lambda: audience.line_ids.child_ids.parent_id.unlink(),
        }
        for what, change in changes.items():
            with self.subTest(what):
                change()
                self.assertTrue(audience.is_changed)
                audience.action_refresh()
                self.assertFalse(audience.is_changed)
        audience.with_user(self.admin).user_id = self.other
        self.assertTrue(audience.sudo().is_changed, "the new owner may see other people")

    def test_records_that_are_selected_later_are_a_change(self):
        table = self.env["directmail.data.table"].search([("preset", "=", "contacts")])
        line = {"kind": "list", "table_id": table.id}
        audience = self._make_audience(None, lines=[line])
        picks = self.env["directmail.audience.pick"].sudo()
        picks._add(audience.line_ids.sudo(), SQL("SELECT %s", self.ann.id))
        audience.action_refresh()
        self.assertFalse(audience.is_changed)
        picks._add(audience.line_ids.sudo(), SQL("SELECT %s", self.ann.id))
        self.assertFalse(audience.is_changed, "the record was selected already")
        picks._add(audience.line_ids.sudo(), SQL("SELECT %s", self.bob.id))
        self.assertTrue(audience.is_changed)

    def test_a_new_definition_of_the_data_table_is_a_change(self):
        table = self.env["directmail.data.table"].search([("preset", "=", "contacts")])
        table = table.copy({"name": "Own contacts"})
        line = {"table_id": table.id}
        audience = self._make_audience(None, lines=[line])
        audience.sudo()._refresh()
        table.name = "Another name"
        self.assertFalse(audience.is_changed)
        table.domain = "[('is_company', '=', True)]"
        self.assertTrue(audience.is_changed)

    def test_a_source_that_was_refreshed_later_is_a_change(self):
        """The people come from the refresh of the source before, however recent the last one is."""
        source = self._make_audience(self.ann)
        audience = self._make_audience(None, lines=[{"kind": "audience", "source_id": source.id}])
        audience.action_refresh()
        self.assertFalse(audience.is_changed)
        source.line_ids.domain = f"[('id', 'in', {(self.ann + self.bob).ids})]"
        self.env.invalidate_all()
        self.assertTrue(audience.is_changed)
        source.action_refresh()
        self.env.cr.execute(
            "UPDATE directmail_audience SET refreshed_at = refreshed_at + interval '1 minute'"
            " WHERE id = %s",
            [source.id],
        )
        self.env.invalidate_all()
        self.assertTrue(audience.is_changed)
        now = fields.Datetime.now()
        audience._refresh(now - timedelta(minutes=15))
        self.assertEqual(audience.people_count, 2)

    def test_counts_are_no_way_round_the_rights(self):
        """Neither somebody else's audience, nor a borrowed owner, nor a hidden field."""
        mine = self._make_audience(self.ann, visibility="public")
        with self.assertRaises(AccessError):
            mine.with_user(self.other).count_all({})
        self.patch(self.env["res.partner"]._fields["comment"], "groups", "base.group_system")
        changes = {"line_ids": [(0, 0, {"domain": "[('comment', 'ilike', 'a')]"})]}
        self.assertIn("error", mine.count_all(changes))
        changes["user_id"] = self.env.ref("base.user_admin").id
        audiences = self.env["directmail.audience"].with_user(self.user)
        self.assertIn("error", audiences.count_all(changes))
        self.assertIn("error", audiences.count_line(changes, 0))
        theirs = self._make_audience(self.bob, self.other)
        lines = [(4, theirs.line_ids.id)]
        for _depth in range(4):  # however deep in groups somebody else's line is put
            with self.assertRaises(AccessError):
                audiences.count_all({"line_ids": lines})
            with self.assertRaises(AccessError):
                mine.count_all({"line_ids": lines})
            lines = [(0, 0, {"kind": "group", "child_ids": lines})]
        # An administrator counts with the owner's rights, but not more than own ones.
        admins = self._make_audience(self.ann, self.env.ref("base.user_admin"))
        self.assertIn("error", admins.with_user(self.admin).count_all(changes))
        self.assertEqual(mine.with_user(self.admin).count_all({})["people"], 1)

    # === SHARING AND COPYING === #

    def test_share_and_take_back(self):
        audience = self._make_audience(self.ann)
        audience.action_share()
        self.assertEqual(audience.visibility, "public")
        with self.assertRaises(AccessError):
            audience.with_user(self.other).action_make_private()
        audience.action_make_private()
        with self.assertRaises(AccessError):
            audience.with_user(self.other).read(["name"])

    def test_copy_has_the_lines(self):
        group = {
            "kind": "group",
            "operator": "except",
            "child_ids": [fields.Command.create({"domain": f"[('id', '=', {self.ann.id})]"})],
        }
        audience = self._make_audience(
            None,
            lines=[{"domain": f"[('id', 'in', {self.people.ids})]"}, group],
            visibility="public",
        )
        audience.action_refresh()
        copied = audience.with_user(self.other).copy()
        self.assertEqual((copied.user_id, copied.visibility), (self.other, "private"))
        self.assertEqual(copied.line_ids.child_ids.audience_id, copied)
        self.assertFalse(copied.people_count)
        copied.action_refresh()
        self.assertEqual(copied.member_ids.partner_id, self.people - self.ann)
        audience.line_ids[1].unlink()
        self.assertEqual(len(copied.line_ids), 2)

    def test_archived(self):
        audience = self._make_audience(self.ann)
        audience.action_archive()
        self.assertFalse(self.env["directmail.audience"].search([("id", "=", audience.id)]))
        audience.unlink()

    # === FINDING AGAIN === #

    def test_found_by_what_it_is_made_from(self):
        audience = self._make_audience(self.ann)
        source = self._make_audience(None, lines=[{"kind": "audience", "source_id": audience.id}])
        audiences = self.env["directmail.audience"].with_user(self.user)
        self.assertIn(audience, audiences.search([("kinds", "ilike", "contacts")]))
        self.assertIn(source, audiences.search([("kinds", "ilike", "another audience")]))
        line = {"kind": "audience", "source_id": audience.id}
        for _depth in range(3):
            line = {"kind": "group", "child_ids": [fields.Command.create(line)]}
        deep = self._make_audience(None, lines=[line])
        self.assertEqual(deep.kinds, "Another audience")
        inner = deep.line_ids._with_inner()[-1]
        inner.write({"kind": "table", "domain": "[]"})
        self.assertEqual(deep.kinds, "Contacts")
        self.assertEqual(deep.sources, "Contacts")
        self.env["res.lang"]._activate_lang("de_DE")
        inner.table_id.sudo().with_context(lang="de_DE").name = "Kontakte"
        self.assertEqual(deep.with_context(lang="de_DE").sources, "Kontakte")

    def test_folders(self):
        folders = self.env["directmail.audience.folder"].with_user(self.user)
        outer = folders.create({"name": "2026"})
        inner = folders.create({"name": "Spring", "parent_id": outer.id})
        self.assertEqual(inner.complete_name, "2026 / Spring")
        audience = self._make_audience(self.ann, folder_id=inner.id)
        found = audience.search([("folder_id", "child_of", outer.id)])
        self.assertEqual(found, audience)
        with self.assertRaises(UserError):
            outer.parent_id = inner

    def test_contacts_and_leads_show_their_audiences(self):
        self.user.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        lead, with_contact = self.env["crm.lead"].create(
            [
                {"name": "A", "email_from": "a@example.com"},
                {"name": "B", "partner_id": self.ann.id},
            ]
        )
        leads = self.env["directmail.data.table"].search([("preset", "=", "leads")])
        ids = (lead + with_contact).ids
        audience = self._make_audience(
            None, lines=[{"table_id": leads.id, "domain": f"[('id', 'in', {ids})]"}]
        )
        audience.action_refresh()
        theirs = self._make_audience(self.ann, self.other, visibility="public")
        theirs.action_refresh()
        for record in (self.ann, lead, with_contact):
            mine = record.with_user(self.user)
            with self.subTest(record):
                self.assertEqual(mine.directmail_audience_count, 1)
                domain = mine.action_view_directmail_audiences()["domain"]
                self.assertEqual(audience.search(domain), audience)
        self.assertEqual(self.bob.with_user(self.user).directmail_audience_count, 0)

    def test_a_leads_button_shows_as_many_audiences_as_it_counts(self):
        """The lead was chosen before it had a contact, and the contact is in another audience."""
        self.user.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        leads = self.env["directmail.data.table"].search([("preset", "=", "leads")])
        of_contact = self._make_audience(self.ann)
        of_contact.action_refresh()
        for contact in (self.bob, self.ann):
            lead = self.env["crm.lead"].create({"name": "A", "email_from": "a@example.com"})
            lines = [{"table_id": leads.id, "domain": f"[('id', '=', {lead.id})]"}]
            own = self._make_audience(None, lines=lines)
            own.action_refresh()
            lead.partner_id = contact
            audiences = own | of_contact if contact == self.ann else own
            mine = lead.with_user(self.user)
            with self.subTest(contact.name):
                domain = mine.action_view_directmail_audiences()["domain"]
                self.assertEqual(own.search(domain), audiences)
                self.assertEqual(mine.directmail_audience_count, len(audiences))
