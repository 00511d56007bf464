import re

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from ..common import start_task
from ..common_encrypted import ALICE, BOB
from ..common_upload import UploadMixin
from ..common_values import ValuesCommon

CODE, NOTE = "object.directmail_upload.coupon_code", "object.directmail_upload.备注"
LIST = (
    "Email;First name;Last name;City;Coupon code;备注\n"
    "ann@example.com;;;;A-1;<script>alert(1)</script>\n"
    "cy@example.com;Cy;Young;Köln;C-3;\n"
    "dan@example.com;;;;;\n"
)


@tagged("post_install", "-at_install")
class TestUploadPlaceholders(UploadMixin, ValuesCommon):
    """Mails show the values of uploaded lists."""

    def _send(self, template, audience, user=None):
        """Send; return {address: the texts of the placeholders}."""
        if template.state == "draft":
            template.action_submit()
            self.emulator.approve(template.remote_ref)
            template.action_check_review()
        task = self._make_task(audience, template)
        task.action_send()
        self._run_cron()
        self.assertEqual(task.state, "done")
        mails = self.emulator.ledger(task.tag_name)
        html = {mail["to"]: self.emulator.mail(mail["env_id"])["html"] for mail in mails}
        return {
            to: re.search("(?:«|&#171;)(.*)(?:»|&#187;)", text)[1].split("|")
            for to, text in html.items()
        }

    def _make_lists_audience(self, *uploads, lines=()):
        of_uploads = [
            {"kind": "upload", "upload_id": upload.id, "operator": "or"} for upload in uploads
        ]
        return self._make_audience(None, lines=[*of_uploads, *lines])

    def test_each_person_gets_the_values_of_their_row(self):
        self.ann.name, self.bob.name = "Ann Lee", "Bob Ray"
        upload = self._upload(LIST)
        bob = {"domain": f"[('id', '=', {self.bob.id})]", "operator": "or"}
        template = self._draft(CODE, NOTE, "object.directmail_first_name", "object.city")
        self.assertEqual(
            self._send(template, self._make_lists_audience(upload, lines=[bob])),
            {
                "ann@example.com": ["A-1", "&lt;script&gt;alert(1)&lt;/script&gt;", "Ann", "-"],
                "bob@example.com": ["-", "-", "Bob", "-"],
                "cy@example.com": ["C-3", "-", "Cy", "Köln"],
                "dan@example.com": ["-", "-", "-", "-"],
            },
        )
        self.assertEqual(
            [variable["name"] for variable in template.variables][1:3], ["CouponCode", "Value"]
        )

    def test_the_newest_list_with_a_value_counts(self):
        first = self._upload("Email;Coupon code\nann@example.com;OLD\ncy@example.com;ONLY\n")
        second = self._upload("Email;Coupon code\nann@example.com;NEW\ncy@example.com;\n")
        sent = self._send(self._draft(CODE), self._make_lists_audience(first, second))
        self.assertEqual(sent, {"ann@example.com": ["NEW"], "cy@example.com": ["ONLY"]})

    def test_only_lists_of_the_audiences_count(self):
        self._upload("Email;Coupon code\nann@example.com;SECRET\nbob@example.com;SECRET\n")
        excluded = self._upload("Email;Coupon code\nbob@example.com;OUT\n")
        people = self.ann | self.bob
        audience = self._make_audience(
            None,
            lines=[
                {"domain": f"[('id', 'in', {people.ids})]"},
                {"kind": "upload", "upload_id": excluded.id, "operator": "except", "sequence": 20},
            ],
        )
        self.assertEqual(self._send(self._draft(CODE), audience), {"ann@example.com": ["-"]})

    def test_lists_of_audiences_within_audiences_count(self):
        inner = self._make_lists_audience(self._upload(LIST))
        outer = self._make_audience(None, lines=[{"kind": "audience", "source_id": inner.id}])
        sent = self._send(self._draft(CODE), outer)
        self.assertEqual(sent["ann@example.com"], ["A-1"])

    def test_an_address_that_became_a_contact_keeps_its_row(self):
        upload = self._upload(LIST)
        audience = self._make_lists_audience(upload)
        audience.action_refresh()
        self._make_people("cy@example.com")
        self.assertEqual(self._send(self._draft(CODE), audience)["cy@example.com"], ["C-3"])

    def test_in_the_subject_a_value_is_one_line_of_text(self):
        upload = self._upload('Email;Coupon code\nann@example.com;"A\nBcc: x@y.z <b>{Name}"\n')
        template = self._make_template(approved=False, subject="Code {{ %s ||| none }}" % CODE)
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        task = self._make_task(self._make_lists_audience(upload), template)
        task.action_send()
        self._run_cron()
        [mail] = self.emulator.ledger(task.tag_name)
        self.assertEqual(
            self.emulator.mail(mail["env_id"])["subject"], "Code A Bcc: x@y.z <b>{Name}"
        )

    def test_encrypted_addresses_get_their_own_values_only(self):
        self._enter_key()
        clear = self._upload("Email;Coupon code\nalice@example.com;CLEAR\n")
        secret = self._upload(f"code;Coupon code\n{ALICE};SECRET\n{BOB};\n")
        self.assertEqual(secret.id_kind, "encrypted")
        template = self._draft(CODE)
        sent = self._send(template, self._make_lists_audience(clear, secret))
        self.assertEqual(sent["alice@example.com"], ["SECRET"])
        self.assertEqual(
            self._send(template, self._make_lists_audience(clear)), {"alice@example.com": ["CLEAR"]}
        )

    def test_a_preview_shows_values_of_lists_that_its_reader_may_see(self):
        self._upload(LIST)
        template = self._draft(CODE)
        self.assertEqual(self._preview(template, self.ann), ["A-1"])
        self.assertEqual(self._preview(template, self.ann, self.other), ["-"])
        self.assertEqual(self._preview(template, self.bob), ["-"])

    def test_the_picker_offers_columns_of_own_lists(self):
        columns = self.env["directmail.upload.column"]
        self._upload(LIST)
        offered = columns.with_user(self.user).get_placeholders()
        self.assertEqual(
            [(each["path"], each["label"]) for each in offered],
            [
                ("directmail_upload.coupon_code", "Coupon code (uploaded list)"),
                ("directmail_upload.备注", "备注 (uploaded list)"),
            ],
        )
        self.assertFalse(columns.with_user(self.other).get_placeholders())

    def test_a_column_that_no_list_has_is_reported(self):
        template = self._draft(CODE)

        def find():
            content = {"subject": "News", "body_html": template.body_html}
            content["account_id"] = template.account_id.id
            found = template.check_content(content)
            return [each["details"] for each in found if each["code"] == "unknown_column"]

        self.assertEqual(find(), [["coupon_code (uploaded list)"]])
        self._upload(LIST)
        self.assertFalse(find())

    def test_a_list_stays_while_its_values_are_needed(self):
        upload = self._upload(LIST)
        audience = self._make_lists_audience(upload)
        template = self._draft(CODE)
        template.action_submit()
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        task = self._make_task(audience, template)
        task.action_send()
        start_task(task.sudo())
        self.assertEqual(task.sudo().upload_ids, upload)
        with self.assertRaisesRegex(UserError, "Spring mailing"):
            upload.action_restart()
        audience.write({"line_ids": [fields.Command.clear()]})
        with self.assertRaisesRegex(UserError, "Spring mailing"):
            upload.unlink()
        self.env.cr.execute("UPDATE directmail_upload SET write_date = '2020-01-01'")
        self.env.invalidate_all()
        upload.sudo()._gc_uploads()
        self.assertTrue(upload.exists())
        self._run_cron()
        self.assertEqual(task.state, "done")
        upload.action_restart()
