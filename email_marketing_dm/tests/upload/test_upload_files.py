import base64
import io

from openpyxl import Workbook

from odoo.exceptions import UserError
from odoo.tests import Form, tagged

from ..common import DirectmailCommon
from ..common_list_files import make_cases
from ..common_upload import UploadMixin

CASES = [case for case in make_cases() if case.odoo]


@tagged("post_install", "-at_install")
class TestUploadFiles(UploadMixin, DirectmailCommon):
    """Awkward files, from the upload to the audience."""

    def _upload_case(self, case):
        user = self.user
        user.lang = self._get_lang(case.language)
        return self._upload(case.data, start=False, filename=case.name)

    def _get_lang(self, code):
        lang = self.env["res.lang"].with_context(active_test=False).search([("code", "=", code)])
        lang.active = True
        return lang.code

    def test_lists(self):
        for case in CASES:
            if case.error:
                continue
            with self.subTest(case.name):
                upload = self._upload_case(case)
                if case.encoding:
                    self.assertEqual(upload.encoding, case.encoding)
                if case.text and "\ufffd" not in case.text:
                    self.assertIn(case.text, upload.preview_html)
                if case.sheet:
                    upload.sheet_id = upload.sheet_ids.filtered(lambda s: s.name == case.sheet)  # noqa: B023
                self.assertTrue(upload.column_id)
                self.assertEqual(upload.id_kind, "email")
                upload.action_start()
                self._run_matching()
                self.assertEqual((upload.state, upload.message), ("done", False))
                lines = self._get_lines(upload).sudo()
                people = lines.filtered(lambda line: line.status == "bare").mapped("email")
                self.assertEqual(tuple(people), case.people)
                unmatched = lines.filtered(lambda line: line.status == "unmatched")
                self.assertEqual(tuple(unmatched.mapped("reason")), case.flaws)
                is_broken = "fits nowhere" in case.name or "replacement mark" in case.name
                self.assertEqual(bool(upload.replaced_count), is_broken)
                self.assertAddsUp(upload)
                self._check_audience(upload, len(case.people))

    def _check_audience(self, upload, count):
        audience = (
            self.env["directmail.audience"]
            .with_user(self.user)
            .create(
                {
                    "name": "From a file",
                    "line_ids": [(0, 0, {"kind": "upload", "upload_id": upload.id})],
                }
            )
        )
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        self.assertEqual((audience.people_count, audience.usable_count), (count, count))

    def test_what_is_no_list_is_said(self):
        words = {
            "html": "web page", "xml": "XML document", "old_excel": "old Excel",
            "protected": "password", "opendocument": "OpenDocument",
        }  # fmt: skip
        for case in CASES:
            if case.error:
                with self.subTest(case.name), self.assertRaisesRegex(UserError, words[case.error]):
                    self._upload_case(case)

    def test_settings_chosen_before_saving_are_kept(self):
        """As the form sends them: what was chosen beside the file is not guessed again."""
        data = "Łukasz;alice@list.example\n".encode("cp1250")
        values = {"name": "x", "file": base64.b64encode(data), "filename": "x.csv"}
        uploads = self.env["directmail.upload"].with_user(self.user)
        chosen = uploads.create({**values, "encoding": "iso-8859-15", "separator": ","})
        self.assertEqual((chosen.encoding, chosen.separator), ("iso-8859-15", ","))
        chosen.encoding = "windows-1250"
        self.assertIn("Łukasz", chosen.preview_html)

    def test_first_rows_before_saving(self):
        """The form shows the guess, and reads again when it is changed."""
        data = "name;mail\nŁukasz;alice@list.example\n".encode("cp1250")
        uploads = self.env["directmail.upload"].with_user(self.user)
        names = (
            "file source pasted sheet_id encoding separator has_header head_of file_kind preview"
            " preview_html id_kind company_id"
        )
        spec = {name: {} for name in names.split()}
        values = {
            "source": "file", "file": base64.b64encode(data).decode(), "has_header": False,
        }  # fmt: skip
        found = uploads.onchange(values, ["file"], spec)["value"]
        self.assertEqual(
            (found["encoding"], found["separator"], found["has_header"]),
            ("windows-1250", ";", True),
        )
        self.assertIn("Łukasz", found["preview_html"])
        values |= found | {"encoding": "windows-1252"}
        again = uploads.onchange(values, ["encoding"], spec)["value"]
        self.assertIn("£ukasz", again["preview_html"])
        self.assertNotIn("encoding", again)
        warned = uploads.onchange(
            {"source": "file", "file": base64.b64encode(b"<html><table>").decode()}, ["file"], spec
        )
        self.assertIn("web page", warned["warning"]["message"])

    def test_another_sheet_has_columns_of_its_own(self):
        book, stream = Workbook(), io.BytesIO()
        book.active.append(["Name", "Email"])
        book.active.append(["Ann", "ann@list.example"])
        other = book.create_sheet("Other")
        other.append(["Mail", "Who"])
        other.append(["bob@list.example", "Bob"])
        book.save(stream)
        upload = self._upload(stream.getvalue(), filename="book.xlsx", start=False)
        self.assertEqual(upload.column_id.name, "Email")
        form = Form(upload)
        form.sheet_id = upload.sheet_ids[1]
        self.assertFalse(form.column_id, "columns of the first sheet are none of the second")
        self.assertEqual((form.preview["titles"], form.preview["chosen"]), (["Mail", "Who"], 0))
        form.sheet_id = upload.sheet_ids[0]
        self.assertEqual(form.column_id.name, "Email")
        form.sheet_id = upload.sheet_ids[1]
        form.save()
        self.assertEqual(upload.column_id.name, "Mail")

    def test_a_saved_list_is_read_again_in_another_encoding(self):
        upload = self._upload(
            "name;mail\nŁukasz;alice@list.example\n".encode("cp1250"), start=False
        )
        self.assertEqual(upload.encoding, "windows-1250")
        spec = {name: {} for name in ("encoding", "separator", "preview_html", "preview")}
        found = upload.onchange({"encoding": "windows-1252"}, ["encoding"], spec)["value"]
        self.assertIn("£ukasz", found["preview_html"])
        self.assertNotIn("encoding", found)
        upload.encoding = "windows-1252"
        self.assertIn("£ukasz", upload.preview_html)

    def test_addresses_of_other_columns_are_counted(self):
        upload = self._upload(
            "mail;private\n"
            "a@list.example;b@list.example\n"
            "c@list.example;c@list.example\n"
            "d@list.example;\n",
            start=False,
        )
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.bare_count, upload.beside_count), (3, 1))

    def test_pasted_line_with_everybody(self):
        upload = (
            self.env["directmail.upload"]
            .with_user(self.user)
            .create(
                {
                    "source": "paste",
                    "consent_source": "signup",
                    "pasted": '"Doe, Alice" <alice@list.example>; bob@list.example, nobody',
                }
            )
        )
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.bare_count, upload.unmatched_count), (2, 1))
        self.assertEqual((upload.row_count, upload.extra_count), (1, 2))
        self.assertAddsUp(upload)

    def test_unusual_address_is_taken_where_a_contact_has_it(self):
        [contact] = self._make_people("alice^alice@list.example")
        upload = self._upload("Alice^alice@list.example\nBob^bob@list.example\n")
        lines = self._get_lines(upload)
        self.assertEqual(lines.mapped("status"), ["matched", "unmatched"])
        self.assertEqual(lines[0].partner_id, contact)
        self.assertEqual(lines[1].reason, "doubtful")

    def test_phones_by_the_companys_country(self):
        self.env.company.country_id = self.env.ref("base.de")
        [typed] = self._make_people("a@list.example", phone="030 123456-7")
        [abroad] = self._make_people(
            "b@list.example", phone="06 12 34 56 78", country_id=self.env.ref("base.fr").id
        )
        upload = self._upload(
            "'+49 (0)30 1234567\n0049 30 1234567\n030/1234567\n+33 6 12 34 56 78\n6,59E+11\n",
            id_kind="phone",
            separator="\t",
        )
        lines = self._get_lines(upload)
        self.assertEqual(
            lines.mapped("status"), ["matched", "duplicate", "duplicate", "matched", "unmatched"]
        )
        self.assertEqual(lines.partner_id, typed | abroad)
        self.assertEqual(lines[-1].reason, "shortened")
