from odoo.modules.module import load_script
from odoo.tests import TransactionCase, tagged

from ...models.data_table.directmail_data_table_presets import PRESETS

SCRIPT = "email_marketing_dm/migrations/19.0.1.5.0/post-presets.py"


@tagged("post_install", "-at_install")
class TestMigrationOfPresets(TransactionCase):
    """A database of 19.0.1.4.0, whose presets read cancelled repairs and invitations to courses."""

    def test_filters_are_those_of_new_databases(self):
        tables = self.env["directmail.data.table"]
        [contacts] = tables.search([("preset", "=", "contacts")])
        for preset in ("courses", "repairs"):
            with self.subTest(preset):
                # The app need not be installed: only the row matters.
                self.env.cr.execute("DELETE FROM directmail_data_table WHERE preset = %s", [preset])
                self.env.cr.execute(
                    "UPDATE directmail_data_table SET preset = %s WHERE id = %s",
                    [preset, contacts.id],
                )
                load_script(SCRIPT, "post_presets").migrate(self.env.cr, "19.0.1.4.0")
                self.env.invalidate_all()
                self.assertEqual(contacts.domain, PRESETS[preset]["domain"])
