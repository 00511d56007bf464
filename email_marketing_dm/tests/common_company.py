from odoo.fields import Command
from odoo.tests import new_test_user

from .common import DirectmailCommon

USER = "email_marketing_dm.group_user"
ADMIN = "email_marketing_dm.group_admin"


class CompanyCommon(DirectmailCommon):
    """Two companies: people of each, and an administrator who works in both."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.here = cls.env.company
        cls.there = cls.env["res.company"].create({"name": "Elsewhere"})
        both = {"company_ids": [Command.set((cls.here + cls.there).ids)]}
        cls.admin.write(both)
        only = {"company_id": cls.there.id, "company_ids": [Command.set(cls.there.ids)]}
        cls.admin_there = new_test_user(cls.env, "dm_admin_there", ADMIN, **only)
        cls.user_there = new_test_user(cls.env, "dm_user_there", USER, **only)
        cls.account_there = cls._make_account(company_id=cls.there.id, name="Account there")
        cls.account_there.action_activate()
        cls.sender_there = cls.account_there.sender_ids.filtered("ready")[0]

    @classmethod
    def _make_there(cls, model, **vals):
        """Make a record of the other company, as its administrator would."""
        return cls.env[model].with_user(cls.admin_there).create(vals)
