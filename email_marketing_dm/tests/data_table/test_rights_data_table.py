"""Data tables are read with the rights of people, and tell nobody more than those may know."""

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tests import new_test_user, tagged

from ..common_rights import GROUP_ADMIN, LEADS, RightsCommon


@tagged("post_install", "-at_install")
class TestRightsOfDataTables(RightsCommon):
    # === TECHNICAL MODELS === #

    def test_technical_models_are_never_data_tables(self):
        for model, path in (
            ("ir.config_parameter", "value"),
            ("ir.mail_server", "smtp_user"),
            ("fetchmail.server", "user"),
            ("res.users", "login"),
            ("res.users.apikeys", "name"),
            ("mail.mail", "email_to"),
            ("directmail.delivery", "email"),
            ("directmail.account", "name"),
            ("bus.bus", "channel"),
        ):
            with self.subTest(model), self.assertRaisesRegex(UserError, "technical|records"):
                # with all rights there are: what is refused does not depend on them
                self.tables.create(
                    {
                        "name": "Secrets",
                        "model_id": self.env["ir.model"]._get_id(model),
                        "email_path": path,
                    }
                )
            with self.subTest(model):
                offered = self.tables._fields["model_id"].get_description(self.env)["domain"]
                found = self.env["ir.model"].search(Domain(offered))
                self.assertNotIn(model, found.mapped("model"))
                self.assertIn("crm.lead", found.mapped("model"))

    def test_a_technical_table_of_an_older_database_tells_nothing(self):
        """An administrator of company 2 read a secret through live counts, letter by letter."""
        self.env["ir.config_parameter"].set_param("a.secret", "hunter2")
        table = self._make_table(self.admin_there)
        model = self.env["ir.model"]._get("ir.config_parameter")
        self.env.flush_all()
        self.env.cr.execute(
            """UPDATE directmail_data_table SET model_id = %s, model_name = %s, email_path = 'key'
                WHERE id = %s""",
            [model.id, model.model, table.id],
        )
        self.env.cr.execute(
            """INSERT INTO directmail_data_table_setting (table_id, company_id, is_open,
                                                          opened_by_id)
               VALUES (%s, %s, TRUE, %s)""",
            [table.id, self.there.id, self.env.ref("base.user_admin").id],
        )
        self.env.invalidate_all()
        for user in (self.admin_there, self.marketer_there):
            counted = self._count(table, "[('value', '=like', 'h%')]", user)
            self.assertNotIn("people", counted)
            self.assertIn("technical model", counted["error"])
        with self.assertRaises(UserError):
            table.with_user(self.admin_there).write({"domain": "[('value', '=like', 'h%')]"})

    def test_no_filter_leads_into_accounts_or_technical_records(self):
        contacts = self.tables.search([("preset", "=", "contacts")])
        for domain in (
            "[('user_id.password', '=like', 'a%')]",
            "[('user_id.login', '=', 'admin')]",
            "[('user_ids', 'any', [('login', '=', 'admin')])]",
            "[('create_uid.group_ids.name', 'ilike', 'a')]",
            "[('user_ids.api_key_ids.name', 'ilike', 'a')]",
            "[('message_ids.body', 'ilike', 'signup')]",
            "[('message_ids', 'ilike', 'signup')]",
            "[('message_ids', 'any', [('attachment_ids.name', 'ilike', 'a')])]",
            "['!', ('child_ids.user_id.login', '=', 'admin')]",
            "[('signup_type', '=', 'reset')]",
        ):
            with self.subTest(domain):
                for user in (self.marketer, self.admin):
                    self.assertNotIn("people", self._count(contacts, domain, user))
                with self.assertRaises(UserError):
                    self._make_audience(contacts, domain)
                with self.assertRaises(UserError):
                    self._make_table(self.admin, "res.partner", partner_path="id", domain=domain)
        self.assertIn("people", self._count(contacts, "[('user_id.name', 'ilike', 'admin')]"))

    def test_no_path_leads_into_accounts(self):
        for path in ("user_id.login", "create_uid.password", "user_id.partner_id.email"):
            with self.subTest(path), self.assertRaises(UserError):
                self._make_table(email_path=path)

    # === WRITERS NEED THE RIGHTS, TOO === #

    def test_a_path_to_a_field_that_the_administrator_may_not_read(self):
        """It put what nobody may read into the members' addresses."""
        self.patch(self.env["crm.lead"]._fields["city"], "groups", "base.group_system")
        for vals in (
            {"email_path": "city"},
            {"domain": "[('city', '=like', 'O%')]"},
            {"email_path": "lead_properties.a"},
        ):
            with self.subTest(vals), self.assertRaises(UserError):
                self._make_table(**vals)
        table = self._make_table()
        with self.assertRaises(AccessError):
            table.write({"email_path": "city"})

    def test_a_path_over_a_model_that_the_administrator_may_not_read(self):
        plain = new_test_user(self.env, "dm_plain", GROUP_ADMIN)
        with self.assertRaises(AccessError):
            self._make_table(plain)
        with self.assertRaises(AccessError):
            self._open(self.leads, "city", user=plain)
        with self.assertRaises(AccessError):
            # leads of contacts: contacts are readable, leads are not
            self._make_table(
                plain, "res.partner", partner_path="id",
                domain="[('opportunity_ids.city', '=', 'Oslo')]",
            )  # fmt: skip

    def test_a_path_of_an_older_database_is_checked_when_it_is_used(self):
        table = self._make_table()
        self.marketer.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        audience = self._make_audience(table)
        audience.action_refresh()
        self.assertEqual(audience.member_ids.mapped("email"), ["lead@example.com"])
        self.patch(self.env["crm.lead"]._fields["city"], "groups", "base.group_system")
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_data_table SET email_path = 'city' WHERE id = %s", [table.id]
        )
        table.invalidate_model()
        audience.action_refresh()
        self.assertIn("may not read", audience.refresh_error)
        self.assertEqual(audience.member_ids.mapped("email"), ["lead@example.com"])
        self.assertIn("may not read", self._count(table)["error"])

    def test_a_secret_is_never_ticked(self):
        field = self.env["ir.model.fields"].create(
            {
                "model_id": self.env["ir.model"]._get_id("crm.lead"),
                "name": "x_access_token",
                "field_description": "Token",
                "ttype": "char",
            }
        )
        with self.assertRaisesRegex(ValidationError, "secret"):
            self._open(self.leads, field.name)

    # === OPENED TO MARKETERS === #

    def test_an_open_table_is_read_with_the_rights_of_who_opened_it(self):
        own = new_test_user(self.env, "dm_own", f"{GROUP_ADMIN},sales_team.group_sale_salesman")
        mine = self.env["crm.lead"].create(
            {"name": "Own", "city": "Oslo", "user_id": own.id, "email_from": "own@example.com"}
        )
        self.lead.user_id = self.admin
        domain = f"[('city', '=', 'Oslo'), ('id', 'in', {(mine | self.lead).ids})]"
        self._open(self.leads, "city", "id", user=own)
        self.assertEqual(self.leads.with_user(own).opened_by_id, own)
        self.assertEqual(self._count(self.leads, domain)["people"], 1)
        self._open(self.leads, "city", "id")
        self.assertEqual(self._count(self.leads, domain)["people"], 2)

    def test_nobody_names_who_opened_a_table(self):
        table = self.leads.with_user(self.admin)
        for write in (
            lambda: table.write({"opened_by_id": self.env.ref("base.user_admin").id}),
            lambda: table.write({"setting_ids": [Command.create({"company_id": self.here.id})]}),
            lambda: table.setting_ids.create({"table_id": table.id, "company_id": self.here.id}),
            lambda: table.with_context(default_opened_by_id=1).create({"name": "X"}),
        ):
            with self.assertRaises(AccessError):
                write()
        self._open(self.leads, "city")
        with self.assertRaises(AccessError):
            table.setting_ids.write({"opened_by_id": self.env.ref("base.user_admin").id})
        with self.assertRaises(AccessError):
            self.leads.with_user(self.marketer).open_to_marketers = False

    def test_a_table_is_not_opened_by_the_server(self):
        """Nobody's rights would limit a table that a superuser opened."""
        with self.assertRaisesRegex(AccessError, "No user is set whose access rights"):
            self.leads.write({"open_to_marketers": True})

    def test_an_open_table_closes_with_the_rights_of_who_opened_it(self):
        self._open(self.leads, "city")
        domain = "[('city', '=', 'Oslo')]"
        audience = self._make_audience(self.leads, domain)
        audience.action_refresh()
        self.assertIn("lead@example.com", audience.sudo().member_ids.mapped("email"))
        audience.invalidate_recordset()
        self.assertFalse(audience.member_ids, "who may not read leads does not see whose they are")
        size = audience.people_count
        admins, here = self.env.ref(GROUP_ADMIN), self.here
        leads = self.env.ref(LEADS) + self.env.ref(LEADS).all_implied_ids.filtered(
            lambda group: group.privilege_id == self.env.ref(LEADS).privilege_id
        )
        city = self.env["crm.lead"]._fields["city"]
        for name, lose, regain, reason in (
            (
                "leaves",
                lambda: self.admin.action_archive(),
                lambda: self.admin.action_unarchive(),
                "no longer has access",
            ),
            (
                "group",
                lambda: self.admin.write({"group_ids": [Command.unlink(admins.id)]}),
                lambda: self.admin.write({"group_ids": [Command.link(admins.id)]}),
                "no longer in the group",
            ),
            (
                "company",
                lambda: self.admin.write(
                    {"company_id": self.there.id, "company_ids": [Command.set(self.there.ids)]}
                ),
                lambda: self.admin.write(
                    {"company_ids": [Command.link(here.id)], "company_id": here.id}
                ),
                "no longer has access",
            ),
            (
                "model",
                lambda: self.admin.write({"group_ids": [Command.unlink(g.id) for g in leads]}),
                lambda: self.admin.write({"group_ids": [Command.link(g.id) for g in leads]}),
                "may not read",
            ),
            (
                "field",
                lambda: setattr(city, "groups", "base.group_system"),
                lambda: setattr(city, "groups", None),
                "may not read",
            ),
        ):
            with self.subTest(name):
                lose()
                self.addCleanup(setattr, city, "groups", None)
                self.env.invalidate_all()
                audience.action_refresh()
                self.assertIn(reason, audience.refresh_error)
                self.assertIn("is closed", audience.refresh_error)
                self.assertEqual(audience.people_count, size)
                self.assertIn(reason, self._count(self.leads, domain)["error"])
                self.assertIn(reason, self.leads.with_user(self.marketer).closed_reason)
                regain()
                self.env.invalidate_all()
                audience.action_refresh()
                self.assertFalse(audience.refresh_error)

    def test_a_model_says_that_a_table_is_closed_and_keeps_its_people(self):
        self.lead.partner_id = self.env["res.partner"].create({"name": "Ann"})
        self._open(self.leads, "city", "partner_id")
        plain = new_test_user(self.env, "dm_plain", GROUP_ADMIN)
        condition = {"data_table_id": self.leads.id, "domain": "[('city', '=', 'Oslo')]"}
        model = (
            self.env["directmail.aipl.model"]
            .with_user(plain)
            .create({"name": "A", "condition_ids": [Command.create(condition)]})
        )
        model.action_compute()
        self.assertFalse(model.compute_error)
        people = model.people_count
        self.assertTrue(people)
        self.admin.action_archive()
        model.action_compute()
        self.assertIn("is closed", model.compute_error)
        self.assertEqual(model.people_count, people)

    def test_another_administrator_opens_a_closed_table_again(self):
        self._open(self.leads, "city")
        second = new_test_user(self.env, "dm_second", f"{GROUP_ADMIN},{LEADS}")
        self.admin.action_archive()
        domain = "[('city', '=', 'Oslo')]"
        self.assertIn("is closed", self._count(self.leads, domain)["error"])
        with self.assertRaises(AccessError):
            self.leads.with_user(self.marketer).action_open_again()
        plain = new_test_user(self.env, "dm_plain", GROUP_ADMIN)
        with self.assertRaises(AccessError):
            self.leads.with_user(plain).action_open_again()
        self.leads.with_user(second).action_open_again()
        self.assertEqual(self.leads.with_user(second).opened_by_id, second)
        self.assertIn("people", self._count(self.leads, domain))

    def test_nobody_decides_for_a_company_that_they_do_not_work_in(self):
        table = self.leads.with_user(self.admin_there)
        table = table.with_context(allowed_company_ids=self.here.ids)
        for vals in ({"open_to_marketers": True}, {"active": False}):
            with self.subTest(vals), self.assertRaises(AccessError):
                table.write(vals)
        self.assertFalse(self.leads.setting_ids)

    def test_whoever_changes_an_open_table_lends_their_own_rights(self):
        table = self._make_table()
        self._open(table, "city")
        second = new_test_user(
            self.env, "dm_second", f"{GROUP_ADMIN},sales_team.group_sale_salesman"
        )
        self.lead.user_id = self.admin
        domain = f"[('city', '=', 'Oslo'), ('email_from', '=', '{self.lead.email_from}')]"
        table.with_user(second).domain = domain
        self.assertEqual(table.with_user(self.marketer).opened_by_id, second)
        self.assertEqual(self._count(table)["people"], 0)
        plain = new_test_user(self.env, "dm_plain", GROUP_ADMIN)
        for vals in ({"domain": "[]"}, {"field_ids": [Command.clear()]}):
            with self.assertRaises(AccessError):
                table.with_user(plain).write(vals)

    def test_other_company_is_not_read_through_an_open_table(self):
        self.admin.company_ids += self.there
        self.lead.company_id = self.there
        self._open(self.leads, "city")
        self.assertNotIn(self.lead.id, self._read_ids(self.leads, self.marketer))
        self.assertIn("error", self._count(self.leads, user=self.marketer_there))

    def _read_ids(self, table, user):
        rows = self.env.execute_query(table._select_facts(self.env(user=user, su=False)))
        return [row[2] for row in rows]

    # === PRESETS === #

    def test_presets_are_edited_by_nobody(self):
        for user in (self.admin, self.admin_there, self.env.ref("base.user_admin")):
            for vals in (
                {"domain": "[('id', '=', 0)]"},
                {"email_path": "email_from"},
                {"name": "Theirs"},
                {"model_id": self._field("city").model_id.id},
                {"company_id": self.there.id},
                {"sequence": 1},
            ):
                with self.subTest(vals), self.assertRaises(AccessError):
                    self.leads.with_user(user).write(vals)
            for vals in ({"preset": False}, {"model_name": "res.users"}):
                with self.subTest(vals), self.assertRaises(AccessError):
                    self.leads.with_user(user).write(vals)
            with self.assertRaises(AccessError):
                self.leads.with_user(user).update_field_translations("name", {"en_US": "Theirs"})
            with self.assertRaises(UserError):
                self.leads.with_user(user).unlink()

    def test_what_a_company_decides_about_a_preset_stays_in_the_company(self):
        self._open(self.leads, "city")
        domain = "[('city', '=', 'Oslo')]"
        self.assertIn("people", self._count(self.leads, domain))
        there = self.leads.with_user(self.admin_there)
        self.assertFalse(there.open_to_marketers or there.field_ids or there.opened_by_id)
        self.assertIn("error", self._count(self.leads, domain, self.marketer_there))
        self._open(self.leads, "name", user=self.admin_there)
        there.action_archive()
        self.assertFalse(there.active)
        self.assertIn("people", self._count(self.leads, domain))
        here = self.leads.with_user(self.admin)
        self.assertTrue(here.active)
        self.assertEqual((here.field_ids.name, here.opened_by_id), ("city", self.admin))
        self.assertIn(self.leads, self.tables.with_user(self.admin).search([]))
        self.assertNotIn(self.leads, self.tables.with_user(self.admin_there).search([]))
        archived = self.tables.with_user(self.admin_there).search([("active", "=", False)])
        self.assertIn(self.leads, archived)

    def test_a_copy_belongs_to_the_company_of_who_makes_it(self):
        self._open(self.leads, "city")
        copied = self.leads.with_user(self.admin_there).copy()
        self.assertEqual(copied.company_id, self.there)
        self.assertFalse(copied.preset or copied.open_to_marketers)
        copied.domain = "[('city', '=', 'Rome')]"
        self.assertFalse(self.tables.with_user(self.admin).search([("id", "=", copied.id)]))
        with self.assertRaises(AccessError):
            copied.with_user(self.admin).read(["name"])
        with self.assertRaises(UserError):
            copied.company_id = self.here

    def test_only_presets_are_shared_by_companies(self):
        with self.assertRaises(ValidationError):
            self._make_table(company_id=False)
        with self.assertRaises(AccessError):
            self._make_table(preset="mine")
        with self.assertRaises(AccessError):
            self._make_table(company_id=self.there.id)
