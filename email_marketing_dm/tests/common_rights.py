from odoo import Command
from odoo.tests import TransactionCase, new_test_user

GROUP_USER = "email_marketing_dm.group_user"
GROUP_ADMIN = "email_marketing_dm.group_admin"
LEADS = "sales_team.group_sale_manager"


class RightsCommon(TransactionCase):
    """Two companies, each with an administrator and a marketer; Ada also works in the first one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tables = cls.env["directmail.data.table"]
        cls.here = cls.env.company
        cls.there = cls.env["res.company"].create({"name": "Second company"})
        cls.admin = new_test_user(cls.env, "dm_admin", f"{GROUP_ADMIN},{LEADS}")
        cls.marketer = new_test_user(cls.env, "dm_marketer", GROUP_USER)
        there = {"company_id": cls.there.id, "company_ids": [Command.set(cls.there.ids)]}
        cls.admin_there = new_test_user(cls.env, "dm_admin_2", f"{GROUP_ADMIN},{LEADS}", **there)
        cls.marketer_there = new_test_user(cls.env, "dm_marketer_2", GROUP_USER, **there)
        cls.leads = cls.tables.search([("preset", "=", "leads")])
        cls.lead = cls.env["crm.lead"].create(
            {"name": "Big", "email_from": "lead@example.com", "city": "Oslo"}
        )

    def _make_table(self, user=None, model="crm.lead", **vals):
        if model == "crm.lead":
            vals.setdefault("email_path", "email_from")
        return self.tables.with_user(user or self.admin).create(
            {"name": "Mine", "model_id": self.env["ir.model"]._get_id(model), **vals}
        )

    def _field(self, name, model="crm.lead"):
        return self.env["ir.model.fields"]._get(model, name)

    def _open(self, table, *names, user=None):
        table.with_user(user or self.admin).write(
            {
                "open_to_marketers": True,
                "field_ids": [Command.set([self._field(name).id for name in names])],
            }
        )

    def _make_audience(self, table, domain="[]", user=None):
        line = {"table_id": table.id, "domain": domain}
        return (
            self.env["directmail.audience"]
            .with_user(user or self.marketer)
            .create({"name": "Some", "line_ids": [Command.create(line)]})
        )

    def _count(self, table, domain="[]", user=None):
        """Return the live count of one line, as the form of a new audience asks for it."""
        line = Command.create({"table_id": table.id, "kind": "table", "domain": domain})
        audience = self.env["directmail.audience"].with_user(user or self.marketer)
        return audience.count_line({"line_ids": [line]}, 0)
