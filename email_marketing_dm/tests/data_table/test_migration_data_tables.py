from odoo import Command
from odoo.modules.module import load_script
from odoo.tests import new_test_user, tagged

from ..common_rights import GROUP_ADMIN, LEADS, RightsCommon

SCRIPT = "email_marketing_dm/migrations/19.0.1.3.0/post-data_tables.py"


@tagged("post_install", "-at_install")
class TestMigrationOfDataTables(RightsCommon):
    """A database of 19.0.1.2.0, in which all companies shared what anybody had changed."""

    def setUp(self):
        super().setUp()
        self.env.flush_all()
        self.env.cr.execute(
            """DELETE FROM directmail_data_table_setting;
               ALTER TABLE directmail_data_table ADD COLUMN active boolean DEFAULT TRUE,
                                                 ADD COLUMN open_to_marketers boolean;
               CREATE TABLE directmail_data_table_ir_model_fields_rel (
                   directmail_data_table_id int, ir_model_fields_id int)"""
        )
        self.contacts = self.tables.search([("preset", "=", "contacts")])
        self.marketer.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.marketer_there.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")

    def _edit(self, table, user, ticked=(), **vals):
        """Write as the version before did: straight into the table that all companies share."""
        self.env.flush_all()
        for name, value in {**vals, "write_uid": user.id}.items():
            self.env.cr.execute(
                f"UPDATE directmail_data_table SET {name} = %s WHERE id = %s", [value, table.id]
            )
        for name in ticked:
            self.env.cr.execute(
                "INSERT INTO directmail_data_table_ir_model_fields_rel VALUES (%s, %s)",
                [table.id, self._field(name).id],
            )
        self.env.invalidate_all()

    def _migrate(self):
        self.env.flush_all()
        load_script(SCRIPT, "post_data_tables").migrate(self.env.cr, "19.0.1.2.0")
        self.env.invalidate_all()

    def test_an_open_table_is_opened_by_who_wrote_it_last(self):
        self._edit(self.leads, self.admin, ["city"], open_to_marketers=True)
        self._migrate()
        table = self.leads.with_user(self.marketer)
        self.assertEqual((table.opened_by_id, table.sudo().field_ids.name), (self.admin, "city"))
        self.assertFalse(table.closed_reason)
        self.assertIn("people", self._count(self.leads, "[('city', '=', 'Oslo')]"))
        # who opened it for everybody does not work in the second company
        there = self.leads.with_user(self.marketer_there)
        self.assertIn("no longer has access", there.closed_reason)
        self.assertIn("error", self._count(self.leads, user=self.marketer_there))

    def test_an_open_table_of_somebody_without_rights_is_closed(self):
        plain = new_test_user(self.env, "dm_plain", GROUP_ADMIN)
        self._edit(self.leads, plain, ["city"], open_to_marketers=True)
        for user in (plain, self.env.ref("base.user_root")):
            self._edit(self.leads, user)
            self.env.cr.execute("SAVEPOINT before")
            self._migrate()
            table = self.leads.with_user(self.marketer)
            self.assertTrue(table.open_to_marketers and table.closed_reason)
            self.assertIn("is closed", self._count(self.leads)["error"])
            self.env.cr.execute("ROLLBACK TO SAVEPOINT before")
            self.env.invalidate_all()

    def test_an_archived_table_stays_archived(self):
        self._edit(self.leads, self.admin, active=False)
        self._migrate()
        for user in (self.admin, self.admin_there):
            self.assertFalse(self.leads.with_user(user).active)

    def test_an_edited_preset_stays_for_what_uses_it(self):
        audience = self._make_audience(self.leads)
        unedited = self._make_audience(self.contacts)
        domain = "[('city', '=', 'Oslo')]"
        self._edit(self.leads, self.admin, domain=domain, email_path="email_from")
        self._migrate()
        copied = audience.sudo().line_ids.table_id
        self.assertNotEqual(copied, self.leads)
        self.assertEqual((copied.domain, copied.email_path), (domain, "email_from"))
        self.assertEqual(copied.company_id, self.here)
        self.assertIn(copied.name, audience.sudo().kinds)
        self.assertEqual((self.leads.domain, self.leads.email_path), ("[]", "email_normalized"))
        self.assertEqual(unedited.sudo().line_ids.table_id, self.contacts)
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)

    def test_a_table_of_every_company_becomes_one_of_each_that_uses_it(self):
        table = self._make_table()
        self._edit(table, self.admin, ["city"], company_id=None, open_to_marketers=True)
        self.admin_there.company_ids += self.here
        audiences = [
            self._make_audience(table, user=user) for user in (self.marketer, self.marketer_there)
        ]
        self._migrate()
        first, second = (audience.sudo().line_ids.table_id for audience in audiences)
        self.assertEqual((first, first.company_id), (table, self.here))
        self.assertEqual((second.company_id, second.domain), (self.there, table.domain))
        self.assertEqual(second.setting_ids.company_id, self.there)
        self.assertEqual(first.setting_ids.company_id, self.here)

    def test_a_table_of_every_company_that_nobody_uses(self):
        table = self._make_table()
        self._edit(table, self.admin_there, company_id=None)
        self._migrate()
        self.assertEqual(table.sudo().company_id, self.there)

    def test_conversion_and_models_follow(self):
        owner = new_test_user(self.env, "dm_owner", f"{GROUP_ADMIN},{LEADS}")
        aipl = (
            self.env["directmail.aipl.model"]
            .with_user(owner)
            .create(
                {"name": "A", "condition_ids": [Command.create({"data_table_id": self.leads.id})]}
            )
        )
        self._edit(self.leads, self.admin, domain="[('city', '=', 'Oslo')]")
        self._migrate()
        self.assertEqual(aipl.condition_ids.data_table_id.company_id, self.here)
        self.assertFalse(aipl.condition_ids.data_table_id.preset)
