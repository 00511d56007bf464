import html5lib
from lxml import html

from odoo.tests import new_test_user, tagged

from ..common import BODY, DirectmailCommon

OUTLOOK = (
    "<!--[if gte mso 9]><xml><o:OfficeDocumentSettings><o:AllowPNG/><o:PixelsPerInch>96"
    "</o:PixelsPerInch></o:OfficeDocumentSettings></xml><![endif]-->"
    '<!--[if mso]><table><tr><td><![endif]--><!--[if !mso]><!--><a href="https://shop.example">'
    "Shop</a><!--<![endif]--><!--[if mso]></td></tr></table><![endif]-->"
)


def find_errors(text):
    """Return what an HTML checker objects to."""
    parser = html5lib.HTMLParser(strict=False)
    parser.parse(text)
    return [(code, position, data) for position, code, data in parser.errors]


@tagged("post_install", "-at_install")
class TestMailHtml(DirectmailCommon):
    """What leaves is a whole, valid page that says its language and title, and has a text part."""

    def _submit(self, user=None, **vals):
        template = self._make_template(approved=False, **vals)
        if user:
            template.sudo().user_id = user
            template = template.with_user(user)
        template.action_submit()
        return template, html.document_fromstring(template.submitted_text)

    def test_a_page_with_language_and_title(self):
        self.user.lang = "en_US"
        template, page = self._submit(subject="Tea & more, {{ object.name ||| friend }}!")
        self.assertEqual((page.get("lang"), page.get("dir")), ("en-US", "ltr"))
        self.assertEqual(page.findtext(".//title"), "Tea & more, friend!")
        self.assertEqual(find_errors(template.submitted_text), [])

    def test_the_checker_finds_what_is_wrong(self):
        page = "<!DOCTYPE html><html><head><title>T</title></head><body>%s</body></html>"
        self.assertEqual(find_errors(page % "<p>x</p>"), [])
        for wrong in ("<p><div>x</div></p>", "<b><p>x</b></p>", "<td>x</td>", "<!-- a -- b -->"):
            self.assertTrue(find_errors(page % wrong), wrong)

    def test_right_to_left(self):
        """By the language that was chosen, by the letters, and never by the owner's alone."""
        rtl = BODY.replace("our spring collection is here", "مجموعتنا الربيعية وصلت الآن إليكم")
        rtl = rtl.replace("Azure Interior, 1 Orchard Road", "شارع البستان الداخلي الأزرق سنغافورة")
        rtl = rtl.replace("You get this mail because you are our customer.", "أنت عميل لدينا.")
        hebrew = "<p>שלום לכולם, האוסף החדש שלנו כבר כאן והוא יפה מאוד באמת וגם זול</p>"
        self.env["res.lang"]._activate_lang("ar_001")
        arab = new_test_user(self.env, "dm_arab", "email_marketing_dm.group_user", lang="ar_001")
        self.user.lang = "en_US"
        for vals, user, lang, direction in (
            ({"lang": "fa_IR"}, None, "fa-IR", "rtl"),
            ({"lang": "ar_001", "body_html": rtl}, None, "ar", "rtl"),
            ({"body_html": rtl}, None, "ar", "rtl"),
            ({"body_html": rtl}, arab, "ar", "rtl"),
            ({}, arab, None, None),
            ({"lang": "de_DE"}, arab, "de-DE", "ltr"),
            ({"lang": "sr@latin"}, None, "sr-Latn", "ltr"),
            ({"body_html": hebrew + '<a href="/unsubscribe_from_list">x</a>'}, None, "he", "rtl"),
        ):
            with self.subTest(vals.get("lang"), user=user and user.login):
                template, page = self._submit(user, **vals)
                self.assertEqual((page.get("lang"), page.get("dir")), (lang, direction))
                self.assertEqual(page.body.get("dir"), "rtl" if direction == "rtl" else None)
                self.assertEqual(find_errors(template.submitted_text), [])

    def test_what_outlook_reads_is_valid_too(self):
        template, page = self._submit(body_html=OUTLOOK + BODY, preview_text="Hi <there> & you")
        self.assertEqual(find_errors(template.submitted_text), [])
        head = html.tostring(page.head, encoding="unicode")
        self.assertIn("<o:PixelsPerInch>96</o:PixelsPerInch>", head)
        self.assertIn("<!--[if !mso]><!--><a href=", template.submitted_text)

    def test_every_design_is_valid(self):
        designs = self.env["directmail.design"].search([])
        self.assertTrue(designs)
        for design in designs:
            with self.subTest(design.name):
                values = design.action_use()["context"]
                body = values["default_body_arch"]
                template, _page = self._submit(
                    subject=values["default_subject"], body_html=body, body_arch=body
                )
                self.assertEqual(find_errors(template.submitted_text), [])

    def test_a_title_with_braces_and_marks(self):
        template, page = self._submit(subject="<b>50% & {off today} {{ object.name }}")
        self.assertEqual(page.findtext(".//title"), "<b>50% & {off today}")
        self.assertEqual(find_errors(template.submitted_text), [])

    def test_the_language_is_content(self):
        """It is fixed while DirectMail has the template, and copied with it."""
        template, _page = self._submit(lang="de_DE")
        with self.assertRaisesRegex(Exception, "Press Edit"):
            template.lang = "fr_FR"
        self.assertEqual(template.copy().lang, "de_DE")

    def test_a_text_part_in_body_mode(self):
        self.account.content_mode = "body"
        people = self._make_people("a@example.com", name="Zoë <b> & {Co}")
        task = self._make_task(self._make_audience(people))
        task.action_send()
        self._run_cron()
        [row] = self.emulator.ledger(tag=task.sudo().tag_name)
        mail = self.emulator.mail(row["env_id"])
        self.assertTrue(mail["text"].startswith("Dear Zoë <b> & {Co},\n\nour spring collection"))
        self.assertRegex(mail["text"], r"Unsubscribe \(https://www\.example\.com/directmail/unsub")
        self.assertNotIn("{Token}", mail["text"])
        self.assertEqual(find_errors(mail["html"]), [])
