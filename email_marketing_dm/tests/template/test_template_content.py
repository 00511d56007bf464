import base64

from odoo.tests import tagged

from ..common import BODY, DirectmailCommon

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Erk"
    "Jggg=="
)


@tagged("post_install", "-at_install")
class TestTemplateContent(DirectmailCommon):
    """From the builder's HTML to the text that DirectMail gets."""

    def test_what_nobody_sees_is_not_submitted(self):
        body = f'<div style="opacity: 1; color: rgb(1, 2, 3);" data-snippet="s_x">{BODY}</div>'
        template = self._make_template(approved=False, body_html=body)
        template.action_submit()
        self.assertIn("rgb(1, 2, 3)", template.body_html, "what is edited stays as it is")
        self.assertIn('style="color:#010203"', template.submitted_text)
        self.assertNotIn("data-snippet", template.submitted_text)
        self.assertNotIn("opacity", template.submitted_text)

    def test_preview_text_is_the_first_thing_in_the_mail_and_unseen(self):
        template = self._make_template(
            approved=False, preview_text='10 % off & "more", {{ object.name ||| friend }}'
        )
        template.action_submit()
        self.assertRegex(
            template.submitted_text,
            r'<body style="margin:0;padding:0"><div style="display:none;[^"]*mso-hide:all">'
            r'10 % off &amp; "more", {Name}',
        )
        self.assertEqual(
            [v["fallback"] for v in template.variables if v["name"] == "Name"], ["friend"]
        )

    def test_embedded_pictures_become_public_addresses(self):
        data = f"data:image/png;base64,{PIXEL}"
        body = f'{BODY}<img src="{data}" alt="x"/><!--[if mso]><img src="{data}"><![endif]-->'
        template = self._make_template(approved=False, body_html=body, body_arch=body)
        self.assertNotIn("base64", template.body_html + template.body_arch)
        self.assertEqual(template.body_html.count("/web/image/"), 2)
        path = template.body_html.partition('src="')[2].partition('"')[0]
        attachment = self.env["ir.attachment"].browse(int(path.split("/")[3].split("-")[0]))
        self.assertTrue(attachment.public)
        self.assertEqual(attachment.raw, base64.b64decode(PIXEL))
        template.action_submit()
        self.assertIn(f'src="https://www.example.com{path}"', template.submitted_text)
        template.action_edit()
        template.body_html = body
        self.assertIn(path, template.body_html, "the same picture is kept once")

    def test_what_is_no_picture_stays_embedded(self):
        html = base64.b64encode(b"<html><script>alert(1)</script></html>").decode()
        template = self._make_template(
            approved=False, body_html=f'{BODY}<img src="data:image/png;base64,{html}"/>'
        )
        self.assertNotIn("/web/image/", template.body_html)

    def test_large_template_goes_into_the_body_of_the_call(self):
        """The emulator takes as much in an address as DirectMail does."""
        self.emulator.change_settings(
            {"protocol": {"max_query_bytes": 80 * 1024, "parameter_places": "accept"}}
        )
        self.addCleanup(
            self.emulator.change_settings,
            {"protocol": {"max_query_bytes": 0, "parameter_places": "refuse"}},
        )
        body = BODY + "<p>春茶上市</p>" * 2500
        template = self._make_template(approved=False, body_html=body)
        self.account.with_user(self.admin).template_in_body = True
        template.action_submit()
        self.assertEqual(template.state, "in_review")
