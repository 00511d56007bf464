from odoo.tests import TransactionCase, new_test_user, tagged

from ..common_home import HomeMixin


@tagged("post_install", "-at_install")
class TestSettings(HomeMixin, TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._connect()
        cls.admin.group_ids += cls.env.ref("base.group_system")
        cls.settings = cls.env["res.config.settings"].with_user(cls.admin).create({})

    def test_accounts_and_rights_of_the_company(self):
        other = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env,
            "elsewhere",
            "email_marketing_dm.group_user",
            company_id=other.id,
            company_ids=other.ids,
        )
        self.user.group_ids += self.env.ref("email_marketing_dm.group_download")
        settings = self.settings
        self.assertEqual(settings.directmail_account_ids, self.account)
        self.assertIn(self.admin, settings.directmail_admin_ids)
        self.assertEqual(settings.directmail_user_ids, self.user + self.other)
        self.assertEqual(settings.directmail_download_ids, self.user)
        self.assertNotIn(stranger, settings.directmail_user_ids)

    def test_time_of_the_models_is_set(self):
        self.settings.write({"directmail_models_hour": 5.5, "directmail_models_tz": "Asia/Tokyo"})
        self.settings.execute()
        self.assertEqual(self.company.directmail_models_hour, 5.5)
        self.assertEqual(self.company.directmail_models_tz, "Asia/Tokyo")

    def test_only_administrators_of_directmail_see_the_app(self):
        views = self.env["res.config.settings"]
        self.assertIn("DirectMail", views.with_user(self.admin).get_view(view_type="form")["arch"])
        system = new_test_user(self.env, "system", "base.group_system")
        arch = views.with_user(system).get_view(view_type="form")["arch"]
        self.assertNotIn("directmail_account_ids", arch)
