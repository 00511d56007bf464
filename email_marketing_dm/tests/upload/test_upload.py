import hashlib

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ...lists import listfile
from ...lists.identifiers import KINDS
from ...models.upload import directmail_upload_run
from ..common import DirectmailCommon
from ..common_encrypted import ALICE, BOB, X
from ..common_upload import UploadMixin


@tagged("post_install", "-at_install")
class TestUpload(UploadMixin, DirectmailCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann, cls.bob = cls.people = cls._make_people("Ann@Example.com", "bob@example.com")

    def test_emails(self):
        upload = self._upload(
            "name;email\n"
            "Ann;ann@example.com\n"
            "Bo;Bob <BOB@example.com>\n"
            "Cy;cy@example.com\n"
            "Ann again;ANN@example.com\n"
            "Cy again;cy@example.com\n"
            "Dan;dan at example.com\n"
            "Eve;\n"
            ";\n"
            "\n"
        )
        self.assertEqual((upload.state, upload.message), ("done", False))
        self.assertEqual(upload.column_id.name, "email")
        self.assertEqual(
            self._get_statuses(upload),
            [
                ("ann@example.com", "matched"),
                ("Bob <BOB@example.com>", "matched"),
                ("cy@example.com", "bare"),
                ("ANN@example.com", "duplicate"),
                ("cy@example.com", "duplicate"),
                ("dan at example.com", "unmatched"),
            ],
        )
        self.assertEqual(
            (upload.row_count, upload.people_count, upload.matched_count, upload.empty_count),
            (7, 3, 2, 1),
        )
        self.assertAddsUp(upload)
        for figure, count in ((None, 3), ("people", 3), ("duplicate", 2), ("unmatched", 1)):
            context = {"figure": figure} if figure else {}
            action = upload.with_context(**context).action_view_lines()
            self.assertEqual(self._get_lines(upload).search_count(action["domain"]), count)
        lines = self._get_lines(upload).sudo()
        self.assertEqual(lines[:2].partner_id, self.people)
        self.assertFalse(any(lines[:2].mapped("email")) or any(lines[:2].mapped("address_key")))
        key = self.env["directmail.keyring"]._get_master_key().address_key("cy@example.com")
        self.assertEqual((lines[2].email, lines[2].address_key), ("cy@example.com", key))

    def test_every_other_kind_of_id(self):
        self.ann.write({"ref": "C-1", "phone": "+65 9123 4567"})
        self.env["ir.model.data"].create(
            {"module": "__import__", "name": "ann", "model": "res.partner", "res_id": self.ann.id}
        )
        digest = {
            "md5": hashlib.md5(b"ann@example.com").hexdigest(),
            "sha256": hashlib.sha256(b"ann@example.com").hexdigest().upper(),
        }
        values = {
            "contact": f"{self.ann.id}",
            "reference": "C-1",
            "external": "__import__.ann",
            "phone": "0065-91234567",
            **digest,
        }
        for kind, value in values.items():
            with self.subTest(kind):
                unknown = {"contact": "987654321", "phone": "+65 9999 9999"}.get(
                    kind, hashlib.sha256(b"nobody").hexdigest()[: len(value)]
                )
                upload = self._upload(f"{value}\n{value}\n{unknown}\n", id_kind=kind)
                self.assertEqual(
                    [status for _value, status in self._get_statuses(upload)],
                    ["matched", "duplicate", "unmatched"],
                )
                self.assertEqual(self._get_lines(upload)[0].partner_id, self.ann)
                self.assertAddsUp(upload)
        self.assertEqual(set(values) | {"email", "encrypted", "field"}, set(KINDS))

    def test_ids_in_any_field_of_contacts(self):
        """A value that several contacts have identifies none of them."""
        cat = self._make_people("cat@example.com", "dan@example.com")
        self.ann.vat, self.bob.vat = " M-1 ", "M-2"
        cat.vat = "M-3"
        upload = self._upload("M-1\nM-2\nM-1\nM-3\nM-4\nm-1\n", id_kind="field", match_field="vat")
        self.assertEqual((upload.state, upload.message), ("done", False))
        lines = self._get_lines(upload)
        self.assertEqual(
            [(line.value, line.status, line.reason) for line in lines],
            [
                ("M-1", "matched", False),
                ("M-2", "matched", False),
                ("M-1", "duplicate", False),
                ("M-3", "unmatched", "several"),
                ("M-4", "unmatched", "unknown"),
                ("m-1", "unmatched", "unknown"),
            ],
        )
        self.assertEqual(lines[:2].partner_id, self.people)
        self.assertAddsUp(upload)

    def test_only_fields_that_the_owner_may_read(self):
        """Neither the uploader's list nor matching as another owner tells of a restricted field."""
        self.ann.vat = "M-1"
        self.patch(self.env["res.partner"]._fields["vat"], "groups", "base.group_system")
        uploads = self.env["directmail.upload"]
        offered = dict(uploads.with_user(self.user)._selection_match_field())
        self.assertNotIn("vat", offered)
        self.assertIn("vat", dict(uploads._selection_match_field()))
        self.assertIn("website", offered)
        for name in ("email", "barcode", "email_encrypted", "email_encrypted_key"):
            self.assertNotIn(name, dict(uploads._selection_match_field()), name)
        with self.assertRaisesRegex(UserError, "Choose the field"):
            self._upload("M-1\n", id_kind="field")
        with self.assertRaisesRegex(AccessError, "may not read the field"):
            self._upload("M-1\n", id_kind="field", match_field="vat")
        upload = self._upload("M-1\n", id_kind="field", match_field="website", start=False)
        upload.sudo().match_field = "vat"
        upload.sudo().action_start()
        self._run_matching()
        self.assertEqual(upload.state, "failed")
        self.assertIn("may not read the field", upload.message)
        self.assertFalse(self._get_lines(upload))

    def test_encrypted(self):
        with self.assertRaisesRegex(UserError, "AES key of .* is missing"):
            self._upload(f"{ALICE}\n", id_kind="encrypted")
        self._enter_key()
        [clear] = self._make_people("alice@example.com")
        [encrypted] = self._make_encrypted(BOB)
        upload = self._upload(f"code\n{ALICE}\n{BOB}\n{X}\nnonsense\n{ALICE}\n")
        self.assertEqual(upload.id_kind, "encrypted", "found out by itself")
        self.assertEqual(
            [status for _value, status in self._get_statuses(upload)],
            ["bare", "matched", "bare", "unreadable", "duplicate"],
        )
        lines = self._get_lines(upload).sudo()
        self.assertEqual(lines.partner_id, encrypted)
        self.assertNotIn(clear, lines.partner_id, "that would tell whose address it is")
        self.assertEqual(lines[0].email_encrypted, ALICE)
        self.assertFalse(any(lines.mapped("email")))
        self.assertTrue(lines[3].address_key.startswith("!"))
        self.assertAddsUp(upload)

    def test_addresses_become_contacts(self):
        self.user.group_ids += self.env.ref("base.group_partner_manager")
        self.patch(directmail_upload_run, "CONTACTS", 2)
        upload = self._upload(
            "ann@example.com\ncy@example.com\ndan@example.com\neve@example.com\n",
            unknown_action="create",
        )
        self.assertEqual((upload.matched_count, upload.created_count), (1, 3))
        made = self._get_lines(upload).partner_id - self.people
        self.assertEqual(
            sorted(made.mapped("email_normalized")),
            ["cy@example.com", "dan@example.com", "eve@example.com"],
        )
        self.assertEqual(made.create_uid, self.user)
        self.assertFalse(any(self._get_lines(upload).sudo().mapped("address_key")))
        self.assertAddsUp(upload)

    def test_contacts_can_not_be_made_without_the_right(self):
        self.assertFalse(self.env["res.partner"].with_user(self.user).has_access("create"))
        with self.assertRaisesRegex(UserError, "may not create contacts"):
            self._upload("cy@example.com\n", unknown_action="create")

    def test_workbook_and_pasted_lines(self):
        upload = self._upload(
            self._make_workbook(["Customer", "ID"], ["Ann", self.ann.id], ["Bob", self.bob.id]),
            start=False,
            filename="list.xlsx",
        )
        self.assertEqual(upload.file_kind, "xlsx")
        upload.id_kind = "contact"
        upload.column_id = upload.column_ids[1]
        upload.action_start()
        self._run_matching()
        self.assertEqual(self._get_lines(upload).partner_id, self.people)
        pasted = (
            self.env["directmail.upload"]
            .with_user(self.user)
            .create(
                {
                    "source": "paste",
                    "pasted": "ann@example.com\nbob@example.com",
                    "consent_source": "customer",
                }
            )
        )
        pasted.action_start()
        self._run_matching()
        self.assertEqual(pasted.matched_count, 2)

    def test_preview(self):
        upload = self._upload(
            "Nom;Courriel\nZoë <b>;zoe@example.com\n".encode("latin-1"), start=False
        )
        self.assertIn("Zoë &lt;b&gt;", upload.preview_html)
        self.assertEqual(upload.column_ids.mapped("name"), ["Nom", "Courriel"])
        upload.has_header = False
        self.assertEqual(upload.column_ids.mapped("name"), ["Column 1", "Column 2"])
        self.assertEqual(upload.column_id.name, "Column 2")
        upload.separator = ","
        self.assertEqual(len(upload.column_ids), 1)

    def test_chunks_and_going_on(self):
        """Each row is read once, however the file is cut into chunks."""
        self.patch(directmail_upload_run, "CHUNK", 3)
        text = "mail\n" + "".join(f'"p{n}@example.com",ü\n' for n in range(10))
        for encoding in ("utf-8", "utf-16", "gb18030"):
            upload = self._upload(text.encode(encoding), start=False)
            upload.action_start()
            progress = self.env["directmail.upload.progress"].search(
                [("upload_id", "=", upload.id)]
            )
            self._read_chunk(upload)
            self.assertEqual((progress.rows, progress.step), (3, "read"))
            self.assertEqual(upload.get_progress()["rows"], 3)
            self._run_matching()
            self.assertEqual((upload.state, upload.row_count, upload.bare_count), ("done", 10, 10))

    def test_a_workbook_is_opened_once_for_all_its_chunks(self):
        """Opening it for each chunk would read its beginning again and again."""
        self.patch(directmail_upload_run, "CHUNK", 3)
        rows = [[f"p{n}@example.com"] for n in range(20)]
        upload = self._upload(
            self._make_workbook(["mail"], *rows), start=False, filename="list.xlsx"
        )
        opened = []
        read_rows = listfile.read_rows
        self.patch(
            directmail_upload_run.listfile,
            "read_rows",
            lambda stream, form, position: (
                opened.append(position) or read_rows(stream, form, position)
            ),
        )
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.row_count, upload.bare_count), (20, 20))
        self.assertEqual(opened, [None])

    def test_a_workbook_goes_on_where_a_killed_process_left_it(self):
        self.patch(directmail_upload_run, "CHUNK", 3)
        rows = [[f"p{n}@example.com"] if n % 4 else [None] for n in range(20)]
        upload = self._upload(
            self._make_workbook(["mail"], *rows), start=False, filename="list.xlsx"
        )
        upload.action_start()
        for _time in range(3):
            self._read_chunk(upload)
        self.assertGreater(upload.get_progress()["percent"], 0)
        self._run_matching()
        self.assertEqual((upload.row_count, upload.bare_count), (15, 15))
        self.assertEqual(len(set(self._get_lines(upload).mapped("value"))), 15)
