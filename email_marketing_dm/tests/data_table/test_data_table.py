from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import SQL

from ...engine.sql import usable_ascii_address
from ...models.data_table.directmail_data_table_presets import PRESETS


@tagged("post_install", "-at_install")
class TestDataTable(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tables = cls.env["directmail.data.table"]
        cls.user = new_test_user(cls.env, "dm_user", "email_marketing_dm.group_user")
        cls.seller = new_test_user(
            cls.env,
            "dm_seller",
            "email_marketing_dm.group_user,sales_team.group_sale_salesman_all_leads",
        )
        cls.admin = new_test_user(
            cls.env,
            "dm_admin",
            "email_marketing_dm.group_admin,sales_team.group_sale_manager",
        )
        cls.contacts = cls.tables.search([("preset", "=", "contacts")])
        cls.leads = cls.tables.search([("preset", "=", "leads")])
        cls.ann, cls.bob = cls.env["res.partner"].create(
            [{"name": "Ann", "email": "ann@example.com"}, {"name": "Bob"}]
        )

    @classmethod
    def _make_table(cls, model, **vals):
        return cls.tables.create(
            {"name": "Mine", "model_id": cls.env["ir.model"]._get_id(model), **vals}
        )

    def _read_facts(self, table, user=None, domain=Domain.TRUE, **kw):
        env = self.env(user=user or self.user, su=False)
        facts = table._select_facts(env, domain, **kw)
        self.env.flush_all()
        self.env.cr.execute(SQL("SELECT * FROM (%s) facts ORDER BY 1, 3", facts))
        return self.env.cr.dictfetchall()

    def test_presets_of_the_installed_apps(self):
        found = self.tables.with_context(active_test=False).search([("preset", "!=", False)])
        expected = {key for key, described in PRESETS.items() if described["model"] in self.env}
        self.assertEqual(set(found.mapped("preset")), expected)
        self.assertLessEqual({"contacts", "leads", "mailing_contacts"}, expected)
        self.tables._make_presets()
        self.assertEqual(self.tables.search_count([("preset", "!=", False)]), len(expected))

    def test_presets_in_a_language_that_comes_later(self):
        self.leads.name = "My leads"
        self.env["res.lang"]._activate_lang("de_DE")
        self.env["ir.module.module"]._load_module_terms(["email_marketing_dm"], ["de_DE"])
        self.assertEqual(self.contacts.with_context(lang="de_DE").name, "Kontakte")
        self.assertEqual(self.contacts.with_context(lang="en_US").name, "Contacts")
        self.assertEqual(self.leads.with_context(lang="de_DE").name, "My leads")
        action = self.env.ref("email_marketing_dm.audience_new_res_partner")
        self.assertEqual(action.with_context(lang="de_DE").name, "Neue Zielgruppe")

    def test_presets_of_a_database_without_english(self):
        """Odoo keeps the first language as the source of all others there."""
        self.env["res.lang"]._activate_lang("de_DE")
        self.env["res.lang"]._activate_lang("zh_CN")
        self.contacts.with_context(lang="en_US").name = "Kontakte"
        self.env["ir.module.module"]._load_module_terms(["email_marketing_dm"], ["zh_CN"])
        self.assertEqual(self.contacts.with_context(lang="zh_CN").name, "联系人")

    def test_every_preset_can_be_read(self):
        admin = self.env.ref("base.user_admin")
        for table in self.tables.search([("preset", "!=", False)]):
            with self.subTest(table.preset):
                self._read_facts(table, admin)

    def test_who_has_left_every_mailing_list_is_left_out(self):
        news, offers = self.env["mailing.list"].create([{"name": "News"}, {"name": "Offers"}])
        subscribed, left, left_one, alone = self.env["mailing.contact"].create(
            [{"email": f"m{number}@example.com"} for number in range(4)]
        )
        self.env["mailing.subscription"].create(
            [
                {"contact_id": subscribed.id, "list_id": news.id},
                {"contact_id": left.id, "list_id": news.id, "opt_out": True},
                {"contact_id": left_one.id, "list_id": news.id, "opt_out": True},
                {"contact_id": left_one.id, "list_id": offers.id},
            ]
        )
        preset = PRESETS["mailing_contacts"]
        table = self._make_table(
            preset["model"], email_path=preset["email_path"], domain=preset["domain"]
        )
        people = subscribed | left | left_one | alone
        facts = self._read_facts(table, domain=Domain("id", "in", people.ids))
        self.assertEqual([fact["res_id"] for fact in facts], [subscribed.id, left_one.id, alone.id])

    def test_a_lost_preset_comes_again(self):
        self.env.cr.execute("DELETE FROM directmail_data_table WHERE preset = 'leads'")
        self.tables.invalidate_model()
        self.tables._register_hook()
        self.assertEqual(self.tables.search_count([("preset", "=", "leads")]), 1)

    def test_preset_is_archived_not_deleted(self):
        with self.assertRaises(UserError):
            self.contacts.unlink()
        self.contacts.active = False
        self.tables._make_presets()
        self.assertFalse(self.contacts.active)

    def test_contacts(self):
        self.bob.active = False
        rows = self._read_facts(self.contacts, domain=Domain("id", "in", (self.ann + self.bob).ids))
        self.assertEqual([row["partner_id"] for row in rows], [self.ann.id])
        self.assertEqual(rows[0]["date"], self.ann.create_date)
        self.assertFalse(rows[0]["res_id"] or rows[0]["email"])

    def test_lead_without_contact_is_a_person(self):
        lonely, with_contact = self.env["crm.lead"].create(
            [
                {"name": "A", "email_from": '"Eve" <Eve@Example.com>', "expected_revenue": 10},
                {"name": "B", "partner_id": self.ann.id, "expected_revenue": 20},
            ]
        )
        rows = self._read_facts(
            self.leads, self.seller, Domain("id", "in", (lonely + with_contact).ids)
        )
        self.assertEqual(
            [(r["partner_id"], r["res_model"], r["res_id"], r["email"], r["amount"]) for r in rows],
            [
                (self.ann.id, None, None, None, 20),
                (None, "crm.lead", lonely.id, "eve@example.com", 10),
            ],
        )

    def test_addresses_are_normalised(self):
        table = self._make_table("crm.lead", email_path="email_from")
        leads = self.env["crm.lead"].create(
            [
                {"name": "A", "email_from": '"Eve" <Eve@Example.com>'},
                {"name": "B", "email_from": " Plain@Example.com "},
                {"name": "C"},
            ]
        )
        rows = self._read_facts(table, self.seller, Domain("id", "in", leads.ids))
        self.assertEqual(
            [row["email"] for row in rows], ["eve@example.com", "plain@example.com", None]
        )

    def test_archived_and_invisible_contacts_are_left_out(self):
        leads = self.env["crm.lead"].create(
            [
                {"name": "A", "partner_id": self.ann.id},
                {"name": "B", "partner_id": self.bob.id},
                {"name": "C", "email_from": "c@example.com"},
            ]
        )
        self.bob.active = False
        domain = Domain("id", "in", leads.ids)
        rows = self._read_facts(self.leads, self.seller, domain)
        self.assertEqual([row["partner_id"] for row in rows], [self.ann.id, None])
        rows = self._read_facts(self.leads, self.seller, domain, visible_only=False)
        self.assertEqual(len(rows), 3)

    def test_rights_to_the_model(self):
        with self.assertRaisesRegex(AccessError, "may not read"):
            self._read_facts(self.leads, self.user)
        usable = self.tables.with_user(self.user).search([("usable", "=", True)])
        self.assertIn(self.contacts, usable)
        self.assertNotIn(self.leads, usable)
        self.assertIn(
            self.leads, self.tables.with_user(self.seller).search([("usable", "=", True)])
        )

    def test_record_rules_of_the_reader(self):
        own = new_test_user(
            self.env,
            "dm_own",
            "email_marketing_dm.group_user,sales_team.group_sale_salesman",
        )
        lead = self.env["crm.lead"].create(
            {"name": "A", "user_id": self.seller.id, "email_from": "a@example.com"}
        )
        domain = Domain("id", "=", lead.id)
        self.assertEqual(len(self._read_facts(self.leads, self.seller, domain)), 1)
        self.assertFalse(self._read_facts(self.leads, own, domain))

    def test_field_that_the_reader_may_not_read(self):
        self.patch(self.env["res.partner"]._fields["comment"], "groups", "base.group_system")
        with self.assertRaises(AccessError):
            self._read_facts(self.contacts, domain=Domain("comment", "ilike", "a"))
        with self.assertRaises(AccessError):
            self._read_facts(self.contacts, domain=Domain("parent_id.comment", "ilike", "a"))
        nested = Domain("child_ids", "any", Domain("comment", "ilike", "a"))
        with self.assertRaises(AccessError):
            self._read_facts(self.contacts, domain=nested)

    def test_other_company(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        lead = self.env["crm.lead"].create(
            {"name": "A", "email_from": "a@example.com", "company_id": other.id}
        )
        self.seller.company_ids += other
        domain = Domain("id", "=", lead.id)
        env = self.env(
            user=self.seller, su=False, context={"allowed_company_ids": self.env.company.ids}
        )
        self.assertFalse(env.execute_query(self.leads._select_facts(env, domain)))
        env = self.env(user=self.seller, su=False, context={"allowed_company_ids": other.ids})
        self.assertTrue(env.execute_query(self.leads._select_facts(env, domain)))
        table = self._make_table("crm.lead", email_path="email_from", company_id=other.id)
        with self.assertRaisesRegex(AccessError, "another company"):
            self._read_facts(table, self.user)
        self.assertFalse(self.tables.with_user(self.user).search([("id", "=", table.id)]))

    def test_only_administrators_write(self):
        with self.assertRaises(AccessError):
            self.contacts.with_user(self.user).write({"open_to_marketers": True})
        with self.assertRaises(AccessError):
            self.tables.with_user(self.user).create({"name": "Mine"})

    def test_paths_that_can_not_be_used(self):
        for path, reason in (
            ("nothing", "no field"),
            ("name", "does not lead to exactly one"),
            ("user_id", "not to a contact"),
            ("tag_ids", "does not lead to exactly one"),
            ("company_id.partner_id", "leads to the company itself"),
            ("id", "does not lead"),
        ):
            with self.subTest(path), self.assertRaisesRegex(ValidationError, reason):
                self._make_table("crm.lead", partner_path=path)
        with self.assertRaisesRegex(ValidationError, "field that leads"):
            self._make_table("crm.lead")

    def test_path_into_another_company(self):
        field = self.env["crm.lead"]._fields["partner_id"]
        lead_id = self.env["mailing.trace"]._fields.get("lead_id")
        self.assertFalse(lead_id)
        self.assertTrue(field.check_company)
        table = self._make_table("crm.lead", partner_path="partner_id")
        hop = self.env["crm.lead"]._fields["team_id"]
        self.patch(hop, "check_company", False)
        self.assertIn("another company", table._get_hop_problem(hop))

    def test_facts_that_can_not_be_used(self):
        for name, path in (
            ("date_field", "name"),
            ("amount_field", "name"),
            ("amount_field", "nothing"),
            ("email_path", "partner_id"),
            ("rate_field", "date_open"),
        ):
            values = {"partner_path": "partner_id", name: path}
            with self.subTest(path), self.assertRaises(ValidationError):
                self._make_table("crm.lead", **values)
        code = "[('id', '=', 3**60000000 % 7)]"  # half a minute, if it were evaluated
        for domain in ("[('nothing', '=', 1)]", "[(", "__import__('os')", code):
            with self.subTest(domain), self.assertRaises(ValidationError):
                self._make_table("crm.lead", partner_path="partner_id", domain=domain)

    def test_open_table(self):
        """Who may not read leads may filter on the ticked fields, and on nothing else."""
        field = self.env["ir.model.fields"]._get
        self.patch(self.env["crm.lost.reason"]._fields["name"], "groups", "base.group_system")
        reason = self.env["crm.lost.reason"].create({"name": "Hot"})
        lead = self.env["crm.lead"].create(
            {"name": "Secret", "email_from": "a@example.com", "lost_reason_id": reason.id}
        )
        self.leads.with_user(self.admin).write(
            {
                "open_to_marketers": True,
                "field_ids": [
                    (4, field("crm.lead", name).id)
                    for name in ("type", "lost_reason_id", "user_id")
                ],
            }
        )
        rows = {row["res_id"]: row for row in self._read_facts(self.leads)}
        self.assertIn(lead.id, rows)
        self.assertEqual((rows[lead.id]["date"], rows[lead.id]["amount"]), (None, None))
        found = self._read_facts(self.leads, domain=Domain("lost_reason_id", "=", reason.id))
        self.assertEqual([row["res_id"] for row in found], lead.ids)
        for forbidden in (
            Domain("create_date", ">", "2000-01-01"),
            Domain("name", "=", "Secret"),
            Domain("type", "=", "lead") | Domain("name", "=", "Secret"),
            ~Domain("name", "=", "Secret"),
            Domain("partner_id.name", "=", "Ann"),
            Domain("lost_reason_id", "child_of", reason.id),
            # ticked, but the user may not read the names of reasons
            Domain("lost_reason_id.name", "=", "Hot"),
            Domain("lost_reason_id", "ilike", "Hot"),
            Domain("lost_reason_id", "any", [("name", "=", "Hot")]),
        ):
            with self.subTest(forbidden), self.assertRaises(AccessError):
                self._read_facts(self.leads, domain=forbidden)
        lead.user_id = self.user
        found = self._read_facts(self.leads, domain=Domain("user_id.name", "=", self.user.name))
        self.assertEqual([row["res_id"] for row in found], lead.ids)
        found = self._read_facts(self.leads, domain=Domain("user_id", "not ilike", "dm_user"))
        self.assertNotIn(lead.id, [row["res_id"] for row in found])

    def test_open_table_keeps_to_the_company(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        lead = self.env["crm.lead"].create(
            {"name": "A", "email_from": "a@example.com", "company_id": other.id}
        )
        self.leads.with_user(self.admin).open_to_marketers = True
        self.assertNotIn(lead.id, [row["res_id"] for row in self._read_facts(self.leads)])

    def test_hidden_field_is_not_opened(self):
        self.patch(self.env["crm.lead"]._fields["description"], "groups", "base.group_system")
        field = self.env["ir.model.fields"]._get("crm.lead", "description")
        with self.assertRaisesRegex(ValidationError, "restricted"):
            self.leads.with_user(self.admin).write(
                {"open_to_marketers": True, "field_ids": [(4, field.id)]}
            )

    # === SPEED === #

    def _explain(self, select):
        self.env.flush_all()
        self.env.cr.execute(SQL("EXPLAIN %s", select))
        return "\n".join(row[0] for row in self.env.cr.fetchall())

    def test_contacts_of_rows_are_looked_up(self):
        """Not gone through for every row, even where they do not fit into memory."""
        self.env.cr.execute(
            """INSERT INTO res_partner (name, active, type, autopost_bills)
               SELECT 'Many', true, 'contact', 'ask' FROM generate_series(1, 20000);
               ANALYZE res_partner; SET LOCAL work_mem = '64kB'"""
        )
        env = self.env(user=self.seller, su=False)
        plan = self._explain(self.leads._select_facts(env))
        self.assertIn("(id = crm_lead.partner_id)", plan)

    def test_readable_records_are_joined(self):
        """PostgreSQL can't join by a condition that is one of several."""
        (self.tables.search([]) - self.leads).active = False
        env = self.env(user=self.seller, su=False)
        people = SQL(
            """SELECT partner_id, res_model, res_id FROM directmail_audience_member
                WHERE audience_id = 1"""
        )
        plan = self._explain(self.tables._select_readable(env, people))
        self.assertIn("crm_lead", plan)
        self.assertNotIn("SubPlan", plan)

    def test_usable_ascii_addresses_are_counted_by_index(self):
        """Reading a million addresses by their pattern would take longer than all else."""
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        usable = usable_ascii_address(SQL("p.email_normalized"))
        plan = self._explain(SQL("SELECT count(*) FROM res_partner p WHERE %s", usable))
        self.assertIn("res_partner_directmail_usable_index", plan)
        self.assertNotIn("~", plan)
