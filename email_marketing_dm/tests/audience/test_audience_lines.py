from collections import Counter
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import SQL

from ...engine import audience_members
from ...engine.audience_count import count_reasons
from ...engine.person import PERSON_COLUMNS
from ...models.people_context import PEOPLE_CONTEXT
from ..common import AudienceCommon


@tagged("post_install", "-at_install")
class TestAudienceLines(AudienceCommon):
    """Lines over data tables, groups of lines, and lines in words."""

    # === READING ORDER === #

    def test_lines_are_read_from_top_to_bottom(self):
        a, b, c, d = self.people
        self.assertPeople([self._only(a, b)], a, b)
        self.assertPeople([self._only(a, b), self._only(c, operator="or")], a, b, c)
        self.assertPeople([self._only(a, b), self._only(b, c, operator="and")], b)
        self.assertPeople([self._only(a, b), self._only(b, operator="except")], a)
        # (a or b) and b, not a or (b and b)
        self.assertPeople(
            [self._only(a), self._only(b, operator="or"), self._only(b, operator="and")], b
        )
        self.assertPeople(
            [self._only(a), self._only(a, operator="except"), self._only(d, operator="or")], d
        )

    def test_first_line_is_where_it_starts(self):
        for operator in ("or", "and", "except"):
            self.assertPeople([self._only(self.ann, operator=operator)], self.ann)

    def test_filters_of_contacts_are_one_condition(self):
        """However many lines ask something of the contact itself, contacts are read once."""
        self.ann.city, self.bob.city = "Ulm", False
        ulm = {"domain": "[('city', '=', 'Ulm')]", "operator": "except"}
        # Whoever has no city is not in Ulm: to PostgreSQL that is neither true nor false.
        audience = self.assertPeople([self._only(self.ann, self.bob), ulm], self.bob)
        self.assertEqual(audience._select_people().code.count("FROM res_partner"), 1)

    def test_people_filled_in_a_moment_ago_are_joined(self):
        """PostgreSQL, which expects one person, would compare each with each: for hours."""
        source = self._make_audience(self.people)
        source.action_refresh()
        line = {"kind": "audience", "source_id": source.id}
        self.env.cr.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        for operator in ("except", "and"):
            audience = self._make_audience(None, lines=[line, {**line, "operator": operator}])
            self.assertIn("Full Join", self._explain(audience._select_people()))

    def test_counting_compares_nobody_with_everybody(self):
        source = self._make_audience(self.people)
        source.action_refresh()
        asked = SQL(
            """SELECT ARRAY[current_setting('enable_nestloop'), current_setting('enable_seqscan'),
                            current_setting('max_parallel_workers_per_gather')]"""
        )
        [before] = self.env.execute_query(asked)
        with patch.object(audience_members, "select_usable", lambda _audience: asked):
            rules = source._get_addressing(False)
            counting = audience_members.count_usable(self.env, PEOPLE_CONTEXT, rules, source.id)
        self.assertEqual(counting, ["off", "off", "0"])
        [after] = self.env.execute_query(asked)
        self.assertEqual(after, before, "but whatever comes then may")

    def _explain(self, select):
        self.env.flush_all()
        self.env.cr.execute(SQL("EXPLAIN %s", select))
        return "\n".join(row[0] for row in self.env.cr.fetchall())

    def test_each_kind_selects_the_columns_of_a_person(self):
        """In the order in which they are inserted; in a UNION, PostgreSQL goes by position."""
        source = self._make_audience(self.people)
        source.action_refresh()
        contacts = {"min_count": 2}
        leads = {"table_id": self.leads.id}
        members = {"kind": "audience", "source_id": source.id}
        audience = self._make_audience(None, lines=[contacts, leads, members])
        selects = [line._as_line(audience._get_owner_env()).select for line in audience.line_ids]
        for select in (*selects, audience._select_people(), audience._select_members()):
            self.env.cr.execute(select)
            self.assertEqual(tuple(c.name for c in self.env.cr.description), PERSON_COLUMNS)
        people = self.env["directmail.person"]
        self.assertLessEqual(set(PERSON_COLUMNS), set(people._fields))

    def test_sequence_decides_the_order(self):
        self.assertPeople(
            [
                self._only(self.bob, operator="except", sequence=2),
                self._only(self.ann, self.bob, sequence=1),
            ],
            self.ann,
        )

    def test_without_lines_the_refresh_asks_for_one(self):
        audience = self._make_audience(None, lines=[])
        audience.action_refresh()
        self.assertFalse(audience.member_ids)
        self.assertIn("no lines", audience.refresh_error)

    def test_groups(self):
        a, b, c, _d = self.people
        group = {
            "kind": "group",
            "operator": "except",
            "child_ids": [
                fields.Command.create(self._only(b, c)),
                fields.Command.create(self._only(c, operator="except")),
            ],
        }
        audience = self.assertPeople([self._only(a, b, c), group], a, c)
        child = audience.line_ids.child_ids[0]
        self.assertEqual(child.audience_id, audience)
        self.assertEqual(len(audience.line_ids), 2)

    def test_empty_group(self):
        audience = self._make_audience(None, lines=[{"kind": "group"}])
        audience.action_refresh()
        self.assertIn("no lines", audience.refresh_error)

    def test_groups_have_an_end(self):
        audience = self._make_audience(None, lines=[{"kind": "group"}])
        outer = audience.line_ids
        inner = audience.line_ids.create({"kind": "group", "parent_id": outer.id})
        with self.assertRaises(UserError):
            outer.parent_id = inner
        with self.assertRaisesRegex(ValidationError, "deep"):
            for _level in range(10):
                inner = inner.create({"kind": "group", "parent_id": inner.id})

    # === DATA TABLES === #

    def _make_leads(self, *described):
        return self.env["crm.lead"].create(
            [{"name": f"Lead {number}", **vals} for number, vals in enumerate(described)]
        )

    def _lead_line(self, leads, **vals):
        return {"table_id": self.leads.id, "domain": f"[('id', 'in', {leads.ids})]", **vals}

    def test_leads_without_contact_are_people(self):
        leads = self._make_leads(
            {"partner_id": self.ann.id},
            {"email_from": "Eve <eve@example.com>"},
            {"email_from": "nonsense"},
            {},
        )
        audience = self._make_audience(None, lines=[self._lead_line(leads)])
        members = self._refresh(audience)
        self.assertEqual(members.partner_id, self.ann)
        records = members.filtered(lambda member: not member.partner_id)
        self.assertEqual(set(records.mapped("res_model")), {"crm.lead"})
        self.assertEqual(set(records.mapped("res_id")), set(leads[1:].ids))
        eve = records.filtered(lambda member: member.res_id == leads[1].id).sudo()
        self.assertEqual(eve.email, "eve@example.com")
        key = self.env["directmail.keyring"]._get_master_key()
        self.assertEqual(eve.address_key, key.address_key("eve@example.com"))
        self.assertEqual(audience.usable_count, 2)

    def test_lead_whose_address_changes(self):
        lead = self._make_leads({"email_from": "old@example.com"})
        audience = self._make_audience(None, lines=[self._lead_line(lead)])
        member = self._refresh(audience)
        lead.email_from = "new@example.com"
        self.assertEqual(self._refresh(audience), member)
        self.assertEqual(member.email, "new@example.com")
        self.assertEqual((audience.entered_count, audience.left_count), (0, 0))
        lead.partner_id = self.bob
        self.assertEqual(member.partner_id, self.bob, "the same person, as a contact now")
        self.assertEqual(self._refresh(audience), member)
        self.assertEqual((audience.entered_count, audience.left_count), (0, 0))
        lead.partner_id = self.ann
        self.assertEqual(self._refresh(audience).partner_id, self.ann, "somebody else")
        self.assertEqual((audience.entered_count, audience.left_count), (1, 1))

    def test_records_and_contacts_combine(self):
        leads = self._make_leads(
            {"partner_id": self.ann.id}, {"email_from": "e@example.com"}, {"email_from": "f@a.co"}
        )
        everybody = self._lead_line(leads)
        audience = self._make_audience(
            None,
            lines=[
                self._only(self.ann, self.bob),
                {**everybody, "operator": "or"},
                self._lead_line(leads[2], operator="except"),
            ],
        )
        members = self._refresh(audience)
        self.assertEqual(members.partner_id, self.ann + self.bob)
        self.assertEqual(set(members.mapped("res_id")), {0, leads[1].id})
        audience = self._make_audience(
            None, lines=[self._only(self.ann, self.bob), {**everybody, "operator": "and"}]
        )
        self.assertEqual(self._refresh(audience).partner_id, self.ann)

    def test_at_least_so_many_times(self):
        leads = self._make_leads(
            *[{"partner_id": self.ann.id, "expected_revenue": 10}] * 3,
            {"partner_id": self.bob.id, "expected_revenue": 40},
        )
        for vals, people in (
            ({"min_count": 1}, (self.ann, self.bob)),
            ({"min_count": 3}, (self.ann,)),
            ({"min_count": 4}, ()),
            ({"min_amount": 30}, (self.ann, self.bob)),
            ({"min_amount": 30.01}, (self.bob,)),
            ({"min_amount": 30, "min_count": 2}, (self.ann,)),
        ):
            with self.subTest(vals):
                self.assertPeople([self._lead_line(leads, **vals)], *people)

    def test_within_the_last_days(self):
        """The days are the owner's: today is the first of them, and what is to come is none."""
        self.user.tz = "Asia/Singapore"
        leads = self._make_leads({"partner_id": self.ann.id}, {"partner_id": self.bob.id})
        now = fields.Datetime.now()
        midnight = (now + timedelta(hours=8)).replace(hour=0, minute=0, second=0)
        today = midnight - timedelta(hours=8)
        for moment, days, found in (
            (today, 1, True),
            (today - timedelta(seconds=1), 1, False),
            (today - timedelta(seconds=1), 2, True),
            (today - timedelta(days=29), 30, True),
            (today - timedelta(days=29, seconds=1), 30, False),
            (now, 1, True),
            (now + timedelta(minutes=10), 1, False),
            (today + timedelta(days=1), 30, False),
        ):
            with self.subTest(moment - today, days=days):
                self.env.cr.execute(
                    "UPDATE crm_lead SET create_date = %s WHERE id = %s", [moment, leads[0].id]
                )
                self.assertPeople(
                    [self._lead_line(leads[0], within_days=days)], *([self.ann] * found)
                )

    def test_count_of_a_list_that_is_not_saved(self):
        """Nothing is chosen before the line is saved, whatever a form says."""
        line = {
            "kind": "list",
            "table_id": self.leads.id,
            "pick_ids": [fields.Command.create({"res_id": 1})],
        }
        audiences = self.env["directmail.audience"].with_user(self.user)
        counted = audiences.count_all({"line_ids": [fields.Command.create(line)]})
        self.assertEqual(counted["people"], 0)

    def test_what_is_to_come(self):
        """A future record adds no one in an "or" line, and removes people in an "except" line."""
        lead = self._make_leads({"partner_id": self.ann.id})
        self.env.flush_all()
        tomorrow = fields.Datetime.now() + timedelta(days=1)
        self.env.cr.execute(
            "UPDATE crm_lead SET create_date = %s WHERE id = %s", [tomorrow, lead.id]
        )
        self.env.invalidate_all()
        both = self._only(*self.people)
        line = self._lead_line(lead)
        for extra in ({}, {"min_count": 1, "within_days": 30}, {"min_amount": 0}):
            with self.subTest(extra):
                self.assertPeople([{**line, **extra}])
                self.assertPeople([both, {**line, **extra, "operator": "and"}])
                self.assertPeople(
                    [both, {**line, **extra, "operator": "except"}], *(self.people - self.ann)
                )
        audience = self._make_audience(None, lines=[{"kind": "list", "table_id": self.leads.id}])
        audience.line_ids.sudo().pick_ids = [fields.Command.create({"res_id": lead.id})]
        self.assertEqual(self._refresh(audience).partner_id, self.ann)
        # An "except" in the first line is of no account.
        self.assertPeople([{**line, "operator": "except"}])

    def test_table_without_date_or_amount(self):
        table = self.tables.create(
            {
                "name": "Plain",
                "model_id": self.env["ir.model"]._get_id("crm.lead"),
                "partner_path": "partner_id",
            }
        )
        for vals, reason in (({"within_days": 3}, "no date"), ({"min_amount": 3}, "no amount")):
            with self.subTest(vals), self.assertRaisesRegex(UserError, reason):
                self._make_audience(None, lines=[{"table_id": table.id, **vals}])

    def test_table_that_is_gone(self):
        table = self.tables.create(
            {
                "name": "Plain",
                "model_id": self.env["ir.model"]._get_id("crm.lead"),
                "partner_path": "partner_id",
            }
        )
        lead = self._make_leads({"partner_id": self.ann.id})
        audience = self.assertPeople([self._lead_line(lead, table_id=table.id)], self.ann)
        table.active = False
        audience.action_refresh()
        self.assertIn("is archived", audience.refresh_error)
        with self.assertRaisesRegex(UserError, "Remove it there first"):
            table.unlink()
        # Uninstalling an app deletes the data tables of its models by foreign key.
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM directmail_data_table WHERE id = %s", [table.id])
        self.env.invalidate_all()
        audience.action_refresh()
        self.assertIn("was removed", audience.refresh_error)
        self.assertEqual(audience.member_ids.partner_id, self.ann)

    def test_table_the_owner_may_not_read(self):
        with self.assertRaisesRegex(AccessError, "may not read"):
            self._make_audience(None, self.other, lines=[{"table_id": self.leads.id}])
        lead = self._make_leads({"partner_id": self.ann.id})
        audience = self.assertPeople([self._lead_line(lead)], self.ann)
        self.user.group_ids -= self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.user.group_ids -= self.env.ref("sales_team.group_sale_salesman")
        audience.action_refresh()
        self.assertIn("may not read", audience.refresh_error)
        self.assertEqual(audience.member_ids.partner_id, self.ann)

    def test_contact_the_owner_may_not_see(self):
        """Whatever the line: leads, a shared audience, an exclusion."""
        leads = self._make_leads({"partner_id": self.ann.id}, {"partner_id": self.bob.id})
        shared = self._make_audience(self.ann + self.bob, self.admin, visibility="public")
        shared.action_refresh()
        self.env["ir.rule"].create(
            {
                "name": "Bob is hidden from users",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": "[('email', '!=', 'bob@example.com')]",
            }
        )
        self.assertPeople([self._lead_line(leads)], self.ann)
        self.assertPeople([{"kind": "audience", "source_id": shared.id}], self.ann)
        self.assertPeople(
            [
                {"kind": "audience", "source_id": shared.id},
                self._only(self.ann, operator="except"),
            ]
        )

    # === WORDS === #

    def test_archived_contacts_are_not_in_an_audience(self):
        """Not even if the filter includes them, as *Include archived* beside it does."""
        self.bob.active = False
        ids = f"('id', 'in', {self.people.ids})"
        for active in ("('active', 'in', [True, False])", "('active', '!=', None)"):
            for limit in (0, 3):
                line = {"domain": f"[{ids}, {active}]", "limit_count": limit}
                with self.subTest(line):
                    audience = self.assertPeople([line], self.ann, self.cat, self.dan)
                    counted = audience.count_all({})
                    self.assertEqual((counted["people"], counted["mailable"]), (3, 2))
        self.assertPeople([{"domain": f"[{ids}, ('active', '=', False)]"}])

    def test_archived_records_count_as_the_plan_judges_them(self):
        """Leads without a contact: one archived, one without an address, one to be mailed."""
        lost, bare, new = leads = self.env["crm.lead"].create(
            [
                {"name": f"Lead {number}", "email_from": email}
                for number, email in enumerate(("lost@example.com", False, "new@example.com"))
            ]
        )
        lost.active = False
        ids = f"('id', 'in', {leads.ids})"
        archived_too = f"[{ids}, ('active', 'in', [True, False])]"
        line = {"table_id": self.leads.id, "domain": archived_too}
        audience = self._make_audience(
            None, lines=[self._only(self.ann, self.cat), {**line, "operator": "or"}]
        )
        counted = audience.count_all({})
        audience.action_refresh()
        task = self._make_task(audience).sudo()
        told = task._count_fates()
        task._plan()
        labels = dict(task.delivery_ids._fields["reason"]._description_selection(self.env))
        planned = [labels.get(delivery.reason) for delivery in task.delivery_ids]
        self.assertEqual(planned.count("No longer a contact"), 1)
        self.assertEqual({labels.get(fate.reason): told[fate] for fate in told}, Counter(planned))
        self.assertEqual(counted["mailable"], planned.count(None))
        self.assertEqual(dict(counted["reasons"]), Counter(filter(None, planned)))
        self.assertEqual((audience.people_count, audience.usable_count), (5, 3))
        # A count that uses the members of the last refresh.
        lost.active, new.active = True, False
        rules = audience._get_addressing(True)
        self.env.flush_all()
        members = audience._select_members()
        counts = count_reasons(self.env, PEOPLE_CONTEXT, rules, members, 10)
        self.assertEqual((counts[None], counts["gone"], counts["no_address"]), (3, 1, 1))

    def test_lines_in_words(self):
        germany = self.env.ref("base.de")
        lines = [
            {"domain": f"[('country_id', '=', {germany.id}), ('is_company', '=', False)]"},
            {"table_id": self.leads.id, "min_count": 2, "within_days": 30},
            {"domain": "['|', ('city', 'ilike', 'Bonn'), ('email', '=', False)]"},
            {"kind": "group", "child_ids": [(0, 0, self._only(self.ann))]},
            {"domain": "[('id', 'not in', [1, 2, 3, 4, 5])]"},
            {"domain": "[('id', '=', 1), ('name', '!=', 'A'), ('ref', '=like', 'B%')]"},
            {
                "table_id": self.leads.id,
                "domain": "[('date_deadline', '>=', datetime.date(2026, 1, 31))]",
                "within_days": 1,
            },
            {
                "kind": "group",
                "child_ids": [(0, 0, self._only(one)) for one in (self.ann, self.bob)],
            },
        ]
        audience = self._make_audience(None, lines=lines)
        self.assertEqual(
            audience.line_ids.mapped("sentence"),
            [
                "Contacts, where Country is Germany and Is a Company is no",
                "Leads and opportunities, at least 2 times, within the last 30 days",
                "Contacts, where (City contains “Bonn” or Email is not set)",
                "(Contacts, where ID is Ann)".replace("Ann", str(self.ann.id)),
                "Contacts, where ID is not 1, 2, 3, or 2 more",
                "Contacts, where ID is 1 and Name is not “A” and Reference matches “B%”",
                "Leads and opportunities, where Expected Closing is at least 01/31/2026, today",
                f"(Contacts, where ID is {self.ann.id} and also Contacts, where ID is"
                f" {self.bob.id})",
            ],
        )
        audience.invalidate_recordset()
        self.env.cr.execute(
            "UPDATE directmail_audience_line SET domain = '[(' WHERE id = %s",
            [audience.line_ids[0].id],
        )
        audience.line_ids.invalidate_recordset()
        self.assertIn("can't be read", audience.line_ids[0].sentence)

    def test_two_hundred_lines(self):
        operators = ["or", *("or", "and") * 99, "except"]
        lines = [self._only(self.ann, self.bob, operator=operator) for operator in operators[:-1]]
        self.assertPeople([*lines, self._only(self.bob, operator="except")], self.ann)
