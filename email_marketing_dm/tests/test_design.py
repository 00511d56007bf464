from odoo.exceptions import AccessError
from odoo.tests import HttpCase, tagged

from .common import BODY, DirectmailCommon, DirectmailMixin


@tagged("post_install", "-at_install")
class TestDesign(DirectmailCommon):
    def _use_all(self):
        """Use each design as the form does; check that nothing speaks against what it makes.

        :return: {design's name: the template}
        """
        self.env.company.partner_id.write(
            {"street": "1 Orchard Road", "zip": "238824", "city": "Singapore",
             "website": "https://azure.org"}
        )  # fmt: skip
        self.account.sudo().public_url = "https://news.azure.org"
        made = {}
        for design in self.env["directmail.design"].with_user(self.user).search([]):
            values = {
                name.removeprefix("default_"): value
                for name, value in design.action_use()["context"].items()
            }
            template = self.env["directmail.template"].with_user(self.user).create(
                {**values, "account_id": self.account.id, "body_html": values["body_arch"]}
            )  # fmt: skip
            with self.subTest(design=design.name):
                self.assertEqual(template._find(template._compile_content(template.body_html)), [])
                self.assertNotIn("__", template.body_html)
            made[design.name] = template
        self.assertEqual(len(made), 3)
        return made

    def test_ours_pass_the_checks(self):
        for template in self._use_all().values():
            template.action_submit()
            self.assertEqual(template.state, "in_review")

    def test_ours_speak_the_users_language(self):
        for code, sale, words in (
            ("de_DE", "Saisonschlussverkauf", "Der Winter geht und nimmt seine Preise mit."),
            ("zh_CN", "季末特卖", "冬天离去，也带走了冬天的价格。"),
        ):
            self.env["res.lang"]._activate_lang(code)
            self.env["ir.module.module"]._load_module_terms(["email_marketing_dm"], [code])
            self.user.lang = code
            self.env = self.env(context={**self.env.context, "lang": code})
            body = self._use_all()[sale].body_html
            self.assertIn(words, body)
            self.assertNotIn("Winter leaves", body)
            self.assertNotIn("Unsubscribe", body)

    def test_company_names_are_text(self):
        self.env.company.name = "A & B <Tea>"
        design = self.env.ref("email_marketing_dm.directmail_design_sale").with_user(self.user)
        self.assertIn("A &amp; B &lt;Tea&gt;", design._get_body())

    def test_rights(self):
        design = self.env.ref("email_marketing_dm.directmail_design_sale")
        with self.assertRaises(AccessError):
            design.with_user(self.user).name = "Mine"
        design.with_user(self.admin).name = "Sale"


@tagged("post_install", "-at_install")
class TestThumbnail(DirectmailMixin, HttpCase):
    def test_thumbnail(self):
        template = self._make_template(approved=False)
        design = self.env.ref("email_marketing_dm.directmail_design_sale")
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.admin.company_ids += company
        foreign = self.env["directmail.template"].create(
            {
                "name": "Theirs",
                "subject": "x",
                "sender_name": "x",
                "account_id": self._make_account(company_id=company.id).id,
                "body_html": BODY,
            }
        )
        self.authenticate("dm_user", "dm_user")
        page = self.url_open(f"/directmail/thumbnail/template/{template.id}")
        self.assertIn("our spring collection", page.text)
        self.assertIn("sandbox", page.headers["Content-Security-Policy"])
        self.assertIn("up to 40 %", self.url_open(f"/directmail/thumbnail/design/{design.id}").text)
        for path in (f"template/{foreign.id}", "template/999999", "task/1", "account/1"):
            with self.subTest(path):
                answer = self.url_open(f"/directmail/thumbnail/{path}")
                self.assertEqual(answer.status_code, 404)
