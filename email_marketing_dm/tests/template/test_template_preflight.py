import base64
import re
from io import BytesIO

from PIL import Image

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ...engine.values import find_obstacle
from ..common import BODY, DirectmailCommon

UGLY = """<p style="color:#aaa;font-size:9px">Lorem ipsum</p><a href="/web/login">a</a>
<a href="https://bit.ly/x">a</a><img src="https://a.org/x.png" alt="x.png"/>"""


@tagged("post_install", "-at_install")
class TestTemplatePreflight(DirectmailCommon):
    """Findings beside the editor, repairs by one click, and the same checks at the submission."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.account.sudo().company_id.partner_id.write(
            {"street": "1 Orchard Road", "zip": "238824", "city": "Singapore"}
        )

    def _content(self, **changes):
        return {
            "subject": "Spring, {{ object.name ||| friend }}",
            "sender_name": "Azure",
            "preview_text": "Light cloth for warm days.",
            "account_id": self.account.id,
            "body_html": BODY,
            "body_arch": BODY,
            **changes,
        }

    def _check(self, user=None, **changes):
        model = self.env["directmail.template"].with_user(user or self.user)
        return {
            finding["code"]: finding for finding in model.check_content(self._content(**changes))
        }

    def test_good_content(self):
        self.assertEqual(self._check(), {})

    def test_what_is_being_typed_counts(self):
        """The inlined body is made when the editor loses the focus; nobody waits for that."""
        found = self._check(body="<p>Hello, because you asked: 1 Orchard Road, Singapore</p>")
        self.assertEqual(list(found), ["no_unsubscribe"])
        self.assertEqual(found["no_unsubscribe"]["level"], "error")
        self.assertEqual(found["no_unsubscribe"]["fix_label"], "Insert a footer")

    def test_size_is_that_of_what_is_submitted(self):
        large = BODY + "<p>%s</p>" % ("茶" * 9100)
        self.assertIn("body_large", self._check(body_html=large, body=BODY))
        self.account.with_user(self.admin).template_in_body = True
        self.assertNotIn("body_large", self._check(body_html=large))

    def test_every_rule_is_explained(self):
        """Each finding has a title and an explanation; a missing one would be an error."""
        texts = self.env["directmail.template"]._get_explanations()
        labels = self.env["directmail.template"]._get_fix_labels()
        body = (
            '<t t-if="1">a</t><t t-foreach="1">a</t><t t-out="object.a()"/><t t-out="object.zz"/>'
            '<t t-out="object.city"><b>x</b></t>{{ object.name }} {Name} wechat casino'
            '<form></form><a href="#">a</a><a href="www.a.org">a</a><a href="/b">a</a>'
            '<a href="http://www.example.com">a</a><img src="http://a.org/x"/><img src=""/>'
            '<img src="data:image/png;base64,x"/>*|FNAME|*<a href="https://a.org/{x}">a</a><a href="https://a.org/{email}">a</a>'
        )
        found = self._check(subject="SALE {Word} EVERYTHING!!!", sender_name="x" * 16, body=body)
        found |= self._check(subject="x" * 101, body="<p> </p>", sender_name="")
        found |= self._check(sender_name="{{ x }}", preview_text="", lang="zh_CN")
        found |= self._check(subject="Same", preview_text="Same", body=UGLY)
        self.assertGreater(len(found), 20)
        for code, finding in found.items():
            self.assertIn(code, texts)
            self.assertNotIn("%s", finding["title"] + finding["why"])
            self.assertEqual(finding["fix_label"], labels.get(finding["fix"], ""))

    def test_a_click_mends(self):
        body = '<div class="o_mail_wrapper_td"><p>our spring collection is here at last</p></div>'
        content = self._content(body_arch=body, body_html=body)
        model = self.env["directmail.template"].with_user(self.user)
        for code, fix in (("no_unsubscribe", "add_footer"), ("no_salutation", "add_salutation")):
            self.assertIn(code, [found["code"] for found in model.check_content(content)])
            changes = model.repair_content(content, fix)
            self.assertEqual(list(changes), ["body_arch"])
            content |= {**changes, "body_html": changes["body_arch"]}
        self.assertEqual(model.check_content(content), [])
        self.assertIn("1 Orchard Road", content["body_arch"])

    def test_preview_text_is_mended(self):
        content = self._content(preview_text="")
        model = self.env["directmail.template"].with_user(self.user)
        self.assertEqual([each["fix"] for each in model.check_content(content)],
                         ["write_preview_text"])  # fmt: skip
        changes = model.repair_content(content, "write_preview_text")
        self.assertEqual(changes, {"preview_text": "our spring collection is here."})

    def test_what_is_edited_is_checked_for_its_look(self):
        """Repairs change what the builder edits, so findings are about that, saved or not."""
        pale = BODY + '<p style="color:#bbb">Pale</p>'
        self.assertIn("low_contrast", self._check(body_arch=pale))
        self.assertNotIn("low_contrast", self._check(body_html=pale))
        template = self._make_template(approved=False, body_html=BODY, body_arch=pale)
        codes = [each["code"] for each in template._find(template._compile_content(BODY))]
        self.assertIn("low_contrast", codes)

    def test_mainland_china(self):
        people = self._make_people("ada@example.com", "bo@example.com")
        template = self._make_template(approved=False, lang="zh_CN")
        audience = self._make_audience(people)
        audience.action_refresh()

        def find_codes():
            return [each["code"] for each in template.check_content({"subject": "Spring"})]

        self.assertIn("no_ad_mark", find_codes(), "by the language of the mail")
        self._make_task(audience, template)
        self.assertNotIn("no_ad_mark", find_codes(), "nobody lives there")
        people[0].country_id = self.env.ref("base.cn")
        self.assertIn("no_ad_mark", find_codes())
        fixed = template.repair_content({"subject": "Spring"}, "mark_advertising")
        self.assertEqual(fixed, {"subject": "(AD) Spring"})

    def test_mainland_china_is_told_of_people_whom_the_user_may_see(self):
        """A colleague's audience may hold others; one question would tell where they live."""
        people = self._make_people("ada@example.com", country_id=self.env.ref("base.cn").id)
        template = self._make_template(approved=False)
        audience = self._make_audience(people)
        audience.action_refresh()
        self._make_task(audience, template)
        template = template.with_user(self.user)
        self.assertTrue(template._goes_to_china())
        self.env["ir.rule"].sudo().create(
            {
                "name": "Hidden",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {people.id})]",
            }
        )
        self.assertFalse(template._goes_to_china())

    def test_errors_stand_against_submission_and_warnings_do_not(self):
        template = self._make_template(
            approved=False, body_html=BODY.replace("Dear ", "") + '<img src="https://a.org/b.png"/>'
        )
        levels = {found["level"] for found in template._find(template._compile_content(BODY))}
        self.assertEqual(levels, {"warning"})
        template.action_submit()
        self.assertEqual(template.state, "in_review")
        template = self._make_template(
            approved=False, body_html=BODY + '<a href="www.azure.org">x</a><t t-if="1">x</t>'
        )
        with self.assertRaises(UserError) as raised:
            template.action_submit()
        self.assertIn("www.azure.org", str(raised.exception))
        self.assertIn("some recipients only", str(raised.exception))

    def test_nothing_to_fill_in_reaches_readers(self):
        """Whichever way the editor stores it: the submission is refused, and says why."""
        for written in (
            '<a href="https://shop.org/?n={{ object.name }}">x</a>',
            '<a href="https://shop.org/?n=%7B%7B object.name %7D%7D">x</a>',
            '<a href="mailto:a@b.org?subject={{object.name}}">x</a>',
            '<a href="#{{ object.id }}">x</a>',
            '<a t-attf-href="https://shop.org/?n={{ object.name }}">x</a>',
            '<img src="https://shop.org/{{ object.id }}.png" alt=""/>',
            '<p style="background-image: url(https://shop.org/{Name}.png)">x</p>',
            '<!--[if mso]><a href="https://shop.org/?n={{ object.name }}">x</a><![endif]-->',
            "<p>Hi {{first_name}}</p>",
            "<p>Hi {{ contact.FIRSTNAME }}, ${object.name} *|FNAME|* %name%</p>",
        ):
            with self.subTest(written):
                body = BODY + written
                template = self._make_template(approved=False, body_html=body, body_arch=body)
                with self.assertRaisesRegex(UserError, "placeholder|does not support"):
                    template.action_submit()
                found = template.check_content({"body": template.body_html})
                self.assertIn("error", [finding["level"] for finding in found])
        for vals in ({"sender_name": "{{object.x}}"}, {"preview_text": "Hi *|FNAME|*"},
                     {"subject": "Hi %name%"}):  # fmt: skip
            with self.subTest(vals), self.assertRaisesRegex(UserError, "placeholder"):
                self._make_template(approved=False, **vals).action_submit()

    def test_pictures_must_be_public_where_mails_are_real(self):
        body = BODY + '<img src="http://a.org/b.png" alt=""/>'
        self.assertEqual(self._check(body=body)["picture_not_public"]["level"], "warning")
        self.account.sudo().endpoint = False
        self.assertEqual(self._check(body=body)["picture_not_public"]["level"], "error")

    def test_pictures_that_saving_stores(self):
        """The builder embeds a picture that was cropped or shaped, until it is saved."""
        stream = BytesIO()
        Image.effect_noise((400, 400), 80).save(stream, "PNG")
        data = base64.b64encode(stream.getvalue()).decode()
        picture = '<img src="data:image/png;base64,%s" alt="Snow"/>'
        body = BODY + picture % data
        self.account.sudo().endpoint = False
        self.assertEqual(self._check(body=body, body_arch=body, body_html=body), {})
        template = self._make_template(approved=False, body_arch=body, body_html=body)
        self.assertNotIn("data:", template.body_html)
        found = self._check(body_html=BODY + picture % "x")
        self.assertEqual(found["picture_embedded"]["level"], "error")

    def test_examples_of_odoos_themes(self):
        """In every installed language; they are right once somebody has said so."""
        self.env["res.lang"]._activate_lang("de_DE")
        self.env["ir.module.module"]._load_module_terms(["mass_mailing_themes"], ["de_DE"])
        self.account.sudo().endpoint = False
        body = BODY + "<h1>VIP10</h1><p>Am [Datum] in [city] und [sic] mit MAY20</p>"
        found = self._check(body_arch=body, body_html=body)["demo_text"]
        self.assertEqual((found["level"], found["fix"]), ("error", "keep_texts"))
        self.assertEqual(found["details"], ["VIP10", "[Datum]", "[city]"])
        model = self.env["directmail.template"].with_user(self.user)
        changes = model.repair_content(self._content(body_arch=body), "keep_texts")
        self.assertEqual(self._check(**changes, body=changes["body_arch"]), {})

    def test_another_companys_account(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        foreign = self._make_account_of(company)
        with self.assertRaises(AccessError):
            self._check(account_id=foreign.id)

    def _make_account_of(self, company):
        self.admin.company_ids += company
        return self._make_account(company_id=company.id)

    def test_placeholders_that_may_not_be_read(self):
        field = self.env["res.partner"]._fields["comment"]
        self.patch(field, "groups", "base.group_system")
        found = self._check(body=BODY + '<t t-out="object.comment">x</t>')
        self.assertEqual(found["unreadable"]["title"], "A placeholder can't be filled in:")
        self.assertIn("comment", found["unreadable"]["details"][0])


@tagged("post_install", "-at_install")
class TestTemplatePictures(DirectmailCommon):
    """Heavy pictures are found and replaced by smaller copies; the originals stay."""

    def _make_picture(self, kind, size=(1600, 1200), **options):
        noise = Image.effect_noise(size, 80).convert("RGB")
        if options.pop("transparent", False):
            noise = Image.effect_noise((60, 60), 80).resize(size).convert("RGB")
            noise.putalpha(Image.linear_gradient("L").resize(size))
        stream = BytesIO()
        noise.save(stream, kind, **options)
        return self.env["ir.attachment"].create(
            {"name": f"big.{kind.lower()}", "raw": stream.getvalue(), "public": True}
        )

    def _content(self, *addresses):
        body = BODY + "".join(f'<img src="{address}" alt="Snow"/>' for address in addresses)
        return {"subject": "x", "sender_name": "x", "account_id": self.account.id,
                "body_arch": body, "body_html": body}  # fmt: skip

    def _check(self, content):
        model = self.env["directmail.template"].with_user(self.user)
        return {each["code"]: each for each in model.check_content(content)}

    def _shrink(self, content):
        return self.env["directmail.template"].with_user(self.user).shrink_pictures(content)

    def test_one_click_shrinks(self):
        heavy = self._make_picture("JPEG", quality=95)
        clear = self._make_picture("PNG", (900, 700), transparent=True)
        public = self.account.public_url
        content = self._content(
            f"/web/image/{heavy.id}-abc/big.jpg?a=1&amp;b=2", f"{public}/web/image/{clear.id}"
        )
        found = self._check(content)["picture_heavy"]
        self.assertEqual((found["fix"], found["fix_label"]),
                         ("shrink_pictures", "Shrink the pictures"))  # fmt: skip
        self.assertEqual(len(found["details"]), 2)
        before = heavy.file_size
        [body] = self._shrink(content).values()
        self.assertNotIn("picture_heavy", self._check({**content, "body_arch": body, "body": body}))
        new = self.env["ir.attachment"].browse(map(int, re.findall(r"/web/image/(\d+)-", body)))
        self.assertEqual(new.mapped("mimetype"), ["image/jpeg", "image/png"])
        self.assertEqual(new.mapped("public"), [True, True])
        self.assertIn(f'src="{public}/web/image/{new[1].id}-', body)
        self.assertEqual(body.count("<img"), 2)
        self.assertEqual(heavy.file_size, before)

    def test_many_pictures_share_the_room(self):
        pictures = [self._make_picture("JPEG", (560, 560 + n), quality=75) for n in range(8)]
        self.assertLess(max(each.file_size for each in pictures), 200 * 1024)
        content = self._content(*(f"/web/image/{each.id}" for each in pictures))
        found = self._check(content)
        self.assertIn("pictures_heavy", found)
        self.assertNotIn("picture_heavy", found)
        [body] = self._shrink(content).values()
        self.assertNotIn(
            "pictures_heavy", self._check({**content, "body_arch": body, "body": body})
        )

    def test_who_may_shrink(self):
        content = self._content(f"/web/image/{self._make_picture('JPEG', quality=95).id}")
        employee = new_test_user(self.env, "dm_employee", "base.group_user")
        with self.assertRaises(AccessError):
            self.env["directmail.template"].with_user(employee).shrink_pictures(content)

    def test_what_is_left_alone(self):
        """Pictures of other servers, other files, and what the user may not read."""
        drawing = self.env["ir.attachment"].create(
            {"name": "x.svg", "raw": b"<svg xmlns='http://www.w3.org/2000/svg'>" + b" " * 300000
             + b"</svg>", "mimetype": "image/svg+xml", "public": True}
        )  # fmt: skip
        heavy = self._make_picture("JPEG", quality=95)
        secret = self._make_picture("JPEG", quality=95)
        secret.write({"public": False, "res_model": "ir.config_parameter", "res_id": 1})
        content = self._content(
            "https://a.org/b.png", f"/web/image/{drawing.id}", f"/web/image/{secret.id}",
            "/web/image/999999999", f"/web/image/{secret.id}x",
            f"https://other.example/web/image/{heavy.id}",
        )  # fmt: skip
        self.assertEqual(self._shrink(content), {})
        titles = str(self._check(content).get("picture_heavy"))
        self.assertNotIn(str(secret.id), titles)
        self.assertNotIn("other.example", titles)


@tagged("post_install", "-at_install")
class TestTemplatePreview(DirectmailCommon):
    def test_what_is_not_saved(self):
        partner = self._make_people("ada@example.com")
        partner.name = 'Ada <b> {Token} "A"'
        content = {
            "subject": "Hi {{ object.name ||| you }}",
            "sender_name": "Azure",
            "body_html": (
                '<p>Dear <t t-out="object.name">friend</t> {typed} <a href="/view">v</a></p>'
            ),
            "account_id": self.account.id,
        }
        model = self.env["directmail.template"].with_user(self.user)
        mail = model.preview_content(content, partner.id)
        self.assertEqual(mail["subject"], 'Hi Ada <b> {Token} "A"')
        self.assertIn(
            "<p>Dear Ada &lt;b&gt; &#123;Token&#125; &quot;A&quot; &#123;typed&#125;"
            ' <a href="https://www.example.com/directmail/view/preview">v</a></p>',
            mail["html"],
        )
        nobody = model.preview_content(content, False)
        self.assertEqual(nobody["subject"], "Hi you")
        self.assertIn("Dear friend", nobody["html"])

    def test_first_name(self):
        people = self._make_people("ada@example.com", "shop@example.com")
        people[0].name = "Prof. Dr. Ada King"
        people[1].write({"name": "Great Shop", "is_company": True})
        content = {
            "subject": "Hi {{ object.directmail_first_name ||| you }}",
            "sender_name": "Azure",
            "body_html": '<p>Dear <t t-out="object.directmail_first_name">friend</t></p>',
            "account_id": self.account.id,
        }
        model = self.env["directmail.template"].with_user(self.user)
        self.assertNotIn("unreadable", [each["code"] for each in model.check_content(content)])
        mail = model.preview_content(content, people[0].id)
        self.assertEqual(mail["subject"], "Hi Ada")
        self.assertIn("Dear Ada", mail["html"])
        mail = model.preview_content(content, people[1].id)
        self.assertIn("Dear friend", mail["html"])
        lead = self.env["crm.lead"].create({"name": "Lamps", "contact_name": "KING, EVA"})
        self.assertEqual(lead.directmail_first_name, "Eva")
        contact = self.env["mailing.contact"].create({"name": "王小明先生"})
        self.assertEqual(contact.directmail_first_name, "王小明")

    def test_values_are_those_of_the_company_that_sends(self):
        """A cron runs in the company of its user, whoever sends."""
        partner = self._make_people("ada@example.com")
        partner.with_company(self.account.company_id).barcode = "OURS"
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        partner.with_company(elsewhere).barcode = "THEIRS"
        template = self._make_template(body_html=BODY + '<t t-out="object.barcode">none</t>')
        cron = template.sudo().with_company(elsewhere)
        self.assertIn("OURS", cron.preview_content(False, partner.id)["html"])

    def test_contact_that_may_not_be_read(self):
        partner = self._make_people("ada@example.com", company_id=self.env["res.company"].create(
            {"name": "Elsewhere"}).id)  # fmt: skip
        template = self._make_template()
        with self.assertRaises(AccessError):
            template.preview_content(False, partner.id)

    def test_field_that_the_reader_may_not_read(self):
        """A colleague's template must not tell what its reader could not find out otherwise."""
        partner = self._make_people("ada@example.com", comment="secret")
        template = self._make_template(body_html=BODY + '<t t-out="object.comment">none</t>')
        self.assertIn("secret", template.preview_content(False, partner.id)["html"])
        field = self.env["res.partner"]._fields["comment"]
        self.patch(field, "groups", "base.group_system")
        html = template.with_user(self.other).preview_content(False, partner.id)["html"]
        self.assertNotIn("secret", html)

    def test_preview_is_what_the_inbox_gets(self):
        """Byte for byte, for a hundred people with names of all kinds."""
        self.emulator.change_settings({"rules": {"stored_text": "exact"}})
        self.addCleanup(self.emulator.change_settings, {"rules": {"stored_text": "entities"}})
        names = ['O\'Neil "Bo"', "Zoë 😀", "שלום", "{EAddr}", "50 % <script>a(1)</script>", "a&b"]
        people = self.env["res.partner"].create(
            [
                {
                    "name": f"{names[number % len(names)]} {number}",
                    "email": f"p{number}@example.com",
                    "city": "Łódź {Name}" if number % 3 else False,
                }
                for number in range(100)
            ]
        )
        body = BODY + '<p title="{x}">{typed} <t t-out="object.city">your "town"</t> 100%</p>'
        template = self._make_template(
            body_html=body, subject='"50%" off } {{ object.name }} 😀 שלום <b>',
            preview_text="{typed} & {{ object.city ||| here }}",
        )  # fmt: skip
        task = self._make_task(self._make_audience(people), template)
        task.action_send()
        self._run_cron()
        mails = {
            mail["to"]: self.emulator.mail(mail["env_id"])
            for mail in self.emulator.ledger(task.tag_name)
        }
        self.assertEqual(len(mails), 100)
        for person in people:
            mail = mails[person.email]
            preview = template.preview_content(False, person.id)
            token = mail["headers"]["X-User-Notify-Mid"]
            self.assertEqual(preview["html"].replace('/preview"', f'/{token}"'), mail["html"])
            self.assertEqual(preview["subject"], mail["subject"])
            self.assertNotIn("<script>", mail["html"])
            self.assertIn(person.name, mail["subject"])

    def test_fifty_variables_and_one_more(self):
        """DirectMail's limit, our own tokens of pages and pixel among them."""
        fields = [
            name
            for name, field in self.env["res.partner"]._fields.items()
            if field.type in ("char", "integer", "selection")
            and not find_obstacle(self.env["res.partner"].with_user(self.user), name)
        ][:48]
        places = [f'<t t-out="object.{name}">x</t>' for name in fields]
        body = '<p>x <a href="/unsubscribe_from_list">u</a></p>' + "".join(places)
        template = self._make_template(body_html=body, subject="News", approved=False)
        template.action_submit()
        self.assertEqual(len(template.variables) + 2, 50)
        template.action_edit()
        template.subject = "News for {{ object.name ||| you }}"
        with self.assertRaisesRegex(UserError, "There are 51 placeholders"):
            template.action_submit()

    def test_oversized_body(self):
        template = self._make_template(approved=False, body_html=BODY + "<p>%s</p>" % ("茶" * 9100))
        with self.assertRaisesRegex(UserError, r"too large: 8\d KB"):
            template.action_submit()
        self.assertFalse(template.remote_ref)
