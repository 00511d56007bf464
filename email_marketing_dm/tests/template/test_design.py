import re

from odoo.exceptions import AccessError, UserError
from odoo.modules.module import load_script
from odoo.tests import new_test_user, tagged
from odoo.tools import convert_file

from ..common import BODY, DirectmailCommon, DirectmailMixin, run_migration
from ..common_http import PatientHttpCase


@tagged("post_install", "-at_install")
class TestDesign(DirectmailCommon):
    def _use_all(self):
        """Use each design as the form does; check that only its examples must be filled in.

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
                self.assertEqual(self._find(template), [("demo_text", "warning")])
                kept = template.repair_content({"body_arch": template.body_arch}, "keep_texts")
                template.body_arch = template.body_html = kept["body_arch"]
                self.assertEqual(self._find(template), [])
                self.assertNotIn("__", template.body_html)
            made[design.name] = template
        self.assertEqual(len(made), 11)
        return made

    def _find(self, template):
        found = template._find(template._compile_content(template.body_html))
        return [(each["code"], each["level"]) for each in found]

    def test_examples_are_not_sent(self):
        """Products, codes and links of a design stop the review until somebody fills them in."""
        self.account.sudo().write({"endpoint": False, "public_url": "https://news.azure.org"})
        design = self.env.ref("email_marketing_dm.directmail_design_sale").with_user(self.user)
        body, preview = design._get_body(), design.preview_text
        template = self._make_template(
            approved=False, body_arch=body, body_html=body, preview_text=preview
        )
        found = template.check_content({})
        errors = {each["code"]: each for each in found if each["level"] == "error"}
        self.assertIn("up to 40% off", errors["demo_text"]["details"])
        self.assertIn("https://www.example.com/", errors["link_example"]["details"])
        with self.assertRaisesRegex(UserError, "still an example text"):
            template.action_submit()

        body = body.replace("https://www.example.com/", "https://azure.org/sale")
        body = re.sub("SPRING10|Wool coat|Rain boots|Long scarf", "Ours", body)
        template.write({"body_arch": body, "body_html": body})
        codes = self._find(template)
        self.assertNotIn(("link_example", "error"), codes)
        self.assertIn(("demo_text", "error"), codes, "other examples are left")
        body = template.repair_content({"body_arch": body}, "keep_texts")["body_arch"]
        template.write({"body_arch": body, "body_html": body})
        [left] = [
            each
            for each in template._find(template._compile_content(body))
            if each["code"] == "demo_text"
        ]
        self.assertEqual(left["details"], ["SPRING10"], "of the preview text")
        template.preview_text = "Ours is the code."
        self.assertNotIn(("demo_text", "error"), self._find(template))

    def test_examples_of_every_language(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.env["ir.module.module"]._load_module_terms(["email_marketing_dm"], ["de_DE"])
        design = self.env.ref("email_marketing_dm.directmail_design_sale").with_user(self.user)
        body = design.with_context(lang="de_DE")._get_body()
        found = self._make_template(approved=False, body_arch=body).check_content({})
        [found] = [each for each in found if each["code"] == "demo_text"]
        self.assertIn("bis zu 40 % Rabatt", found["details"])

    def test_an_address_that_is_missing(self):
        self.env.company.partner_id.write(
            {"street": False, "street2": False, "city": False, "zip": False, "state_id": False,
             "country_id": False}
        )  # fmt: skip
        design = self.env.ref("email_marketing_dm.directmail_design_survey").with_user(self.user)
        body = design._get_body()
        self.assertIn("your street, your city", body)
        body = design.env["directmail.template"].repair_content(
            {"body_arch": body, "account_id": self.account.id}, "keep_texts"
        )["body_arch"]
        template = self._make_template(approved=False, body_arch=body, body_html=body)
        found = template._find(template._compile_content(body))
        [found] = [each for each in found if each["code"] == "demo_text"]
        self.assertEqual(found["details"], ["your street, your city"])

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
        system = new_test_user(self.env, "dm_system", "base.group_system", name="Settings")
        system.group_ids += self.admin.group_ids
        for user in (self.user, self.admin, system):
            design = design.with_user(user)
            for change in (
                lambda record: record.write({"name": "Mine"}),
                lambda record: record.write({"company_id": self.env.company.id}),
                lambda record: record.action_archive(),
                lambda record: record.unlink(),
            ):
                with self.subTest(user.login), self.assertRaises(AccessError):
                    change(design)
        own = design.with_user(self.user).copy()
        self.assertEqual((own.user_id, own.company_id), (self.user, self.env.company))
        own.name = "Mine"
        for change in (
            lambda record: record.write({"name": "Not mine"}),
            lambda record: record.unlink(),
        ):
            with self.assertRaises(AccessError):
                change(own.with_user(self.other))
        self.assertEqual(own.with_user(self.other).name, "Mine", "colleagues use it")
        with self.assertRaises(AccessError):
            own.user_id = self.other
        with self.assertRaises(AccessError):
            own.create({"name": "Mine", "user_id": self.other.id})
        own.with_user(self.admin).name = "Ours"
        own.unlink()

    def test_a_template_becomes_a_design(self):
        template = self._make_template(
            approved=False, name="Autumn", subject="Leaves", preview_text="Fall", body_arch=BODY
        )
        answer = template.action_save_as_design()
        self.assertIn("Autumn is now a design", answer["params"]["message"])
        design = self.env["directmail.design"].with_user(self.other).search(
            [("name", "=", "Autumn")]
        )  # fmt: skip
        self.assertEqual((design.user_id, design.company_id), (self.user, template.company_id))
        content = design.get_content()
        self.assertEqual((content["subject"], content["preview_text"]), ("Leaves", "Fall"))
        self.assertIn("our spring collection", content["body_arch"])
        with self.assertRaises(AccessError):
            template.with_user(self.other).action_save_as_design()

    def test_a_copy_belongs_to_the_company(self):
        there = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "dm_stranger",
            "email_marketing_dm.group_admin",
            company_id=there.id,
            company_ids=there.ids,
        )
        design = self.env.ref("email_marketing_dm.directmail_design_sale")
        copy = design.with_user(self.admin).copy()
        self.assertEqual(
            (copy.name, copy.company_id), ("End-of-season sale (copy)", self.env.company)
        )
        copy.name = "Sale"
        self.assertIn(copy, self.env["directmail.design"].with_user(self.user).search([]))
        designs = self.env["directmail.design"].with_user(stranger)
        self.assertNotIn(copy, designs.search([]))
        self.assertIn(design, designs.search([]))
        with self.assertRaises(AccessError):
            copy.with_user(stranger).read(["name"])
        with self.assertRaises(AccessError):
            designs.create({"name": "For everybody", "company_id": False})

    def test_an_older_database(self):
        """What was edited in all companies' designs is kept for each, and ours come back."""
        self.env["res.lang"]._activate_lang("de_DE")
        there = self.env["res.company"].create({"name": "Elsewhere"})
        self.admin.company_ids += there
        self._make_account(company_id=there.id)
        edited = self.env.ref("email_marketing_dm.directmail_design_sale")
        untouched = self.env.ref("email_marketing_dm.directmail_design_newsletter")
        made = self.env["directmail.design"].with_user(self.admin).create({"name": "Invitation"})
        self.env.flush_all()
        self.env.cr.execute(
            """UPDATE directmail_design SET write_uid = %s, active = FALSE, body_arch =
                      '{"en_US": "<p>Ours</p>", "de_DE": "<p>Unsers</p>"}' WHERE id = %s""",
            [self.admin.id, edited.id],
        )
        self.env.cr.execute("ALTER TABLE directmail_design DROP COLUMN company_id CASCADE")
        path = "email_marketing_dm/migrations/19.0.1.3.0/pre-designs.py"
        load_script(path, "pre_designs").migrate(self.env.cr, "19.0.1.2.0")
        self.env.invalidate_all()
        convert_file(
            self.env(su=True),
            "email_marketing_dm",
            "data/directmail_design_data.xml",
            {},
            mode="update",
        )
        designs = self.env["directmail.design"]
        self.assertTrue(edited.active)
        self.assertIn("end-of-season", edited.subject)
        self.assertIn("SPRING10", edited.body_arch)
        self.assertNotIn("Unsers", str(edited.with_context(lang="de_DE").body_arch))
        self.assertFalse((edited + untouched).company_id)
        for company in (self.env.company, there):
            with self.subTest(company.name):
                own = designs.with_context(active_test=False).search(
                    [("company_id", "=", company.id)]
                )
                self.assertEqual(
                    own.sorted("name").mapped("name"), ["End-of-season sale", "Invitation"]
                )
                self.assertIn("Ours", own.sorted("name")[0].body_arch)
        self.assertTrue(made.exists())

    def test_owners_of_an_older_database(self):
        """Designs made before they had owners belong to the users who created them."""
        made = self.env["directmail.design"].with_user(self.other).create({"name": "Invitation"})
        shipped = self.env.ref("email_marketing_dm.directmail_design_sale")
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE directmail_design DROP COLUMN user_id CASCADE")
        run_migration(self.env.cr, "19.0.1.6.0/pre-designs.py")
        self.env.invalidate_all()
        self.assertEqual(made.user_id, self.other)
        self.assertFalse(shipped.user_id)


@tagged("post_install", "-at_install")
class TestThumbnail(DirectmailMixin, PatientHttpCase):
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
        self.assertIn("up to 40%", self.url_open(f"/directmail/thumbnail/design/{design.id}").text)
        for path in (f"template/{foreign.id}", "template/999999", "task/1", "account/1"):
            with self.subTest(path):
                answer = self.url_open(f"/directmail/thumbnail/{path}")
                self.assertEqual(answer.status_code, 404)
