import base64
import hashlib
import io

from openpyxl import Workbook

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, new_test_user, tagged

from ..directmail.identifiers import KINDS
from ..models import directmail_upload_run
from .common import DirectmailCommon, DirectmailMixin
from .test_encrypted import ALICE, BOB, EncryptedMixin, X


class UploadMixin(EncryptedMixin):
    def _upload(self, text, user=None, start=True, filename="list.csv", **vals):
        """Upload a list and let the cron match it."""
        data = text.encode() if isinstance(text, str) else text
        upload = (
            self.env["directmail.upload"]
            .with_user(user or self.user)
            .create(
                {
                    "name": "Fair",
                    "file": base64.b64encode(data),
                    "filename": filename,
                }
            )
        )
        if vals:
            upload.write(vals)
        if start:
            upload.action_start()
            self._run_matching()
        return upload

    def _run_matching(self):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_upload").method_direct_trigger()
        self.env.invalidate_all()

    def _get_lines(self, upload):
        return self.env["directmail.upload.line"].search([("upload_id", "=", upload.id)])

    def _get_statuses(self, upload):
        return [(line.value, line.status) for line in self._get_lines(upload)]

    def assertAddsUp(self, upload):
        """Every row became exactly one thing."""
        self.assertEqual(
            upload.row_count,
            upload.people_count
            + upload.duplicate_count
            + upload.unmatched_count
            + upload.empty_count,
        )


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
        self.assertEqual(set(values) | {"email", "encrypted"}, set(KINDS))

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
        with self.assertRaisesRegex(UserError, "may not make contacts"):
            self._upload("cy@example.com\n", unknown_action="create")

    def test_workbook_and_pasted_lines(self):
        book, stream = Workbook(), io.BytesIO()
        book.active.append(["Customer", "ID"])
        book.active.append(["Ann", self.ann.id])
        book.active.append(["Bob", self.bob.id])
        book.save(stream)
        upload = self._upload(stream.getvalue(), start=False, filename="list.xlsx")
        self.assertEqual(upload.file_kind, "xlsx")
        upload.id_kind = "contact"
        upload.column_id = upload.column_ids[1]
        upload.action_start()
        self._run_matching()
        self.assertEqual(self._get_lines(upload).partner_id, self.people)
        pasted = (
            self.env["directmail.upload"]
            .with_user(self.user)
            .create({"source": "paste", "pasted": "ann@example.com\nbob@example.com"})
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
        """Whatever is cut into pieces, everybody is read once."""
        self.patch(directmail_upload_run, "CHUNK", 3)
        text = "mail\n" + "".join(f'"p{n}@example.com",ü\n' for n in range(10))
        for encoding in ("utf-8", "utf-16", "gb18030"):
            upload = self._upload(text.encode(encoding), start=False)
            upload.action_start()
            progress = self.env["directmail.upload.progress"].search(
                [("upload_id", "=", upload.id)]
            )
            self.assertTrue(upload.sudo()._process_chunk())
            self.assertEqual((progress.rows, progress.step), (3, "read"))
            self.assertEqual(upload.get_progress()["rows"], 3)
            self._run_matching()
            self.assertEqual((upload.state, upload.row_count, upload.bare_count), ("done", 10, 10))

    # === BAD INPUT === #

    def test_what_can_not_be_read_is_said_at_once(self):
        for data, words in (
            (b"", "Choose a file"),
            (b"\n\n", "nothing in it"),
            (b"x" * 10_000_000, "more than 1,000,000 characters"),
            (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old Excel"),
            (b"PK\x03\x04 what", "no Excel workbook"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "This is no list"),
        ):
            with self.subTest(words), self.assertRaisesRegex(UserError, words):
                self._upload(data)

    def test_what_breaks_later_fails_with_the_reason(self):
        good = b"ann@example.com\n" * 20_000
        for data, words in (
            (good + "é@example.com\n".encode("latin-1"), "Choose another encoding"),
            (good + b"x" * 2_000_000, "Line 20001 has more than"),
            (good + b'"' + good * 10, "does not end"),
        ):
            with self.subTest(words):
                upload = self._upload(data)
                self.assertEqual(upload.state, "failed")
                self.assertIn(words, upload.message)
                self.assertFalse(self._get_lines(upload))
        upload.action_restart()
        self.assertEqual(upload.state, "draft")

    def test_wrong_column(self):
        upload = self._upload("name,email\nAnn,ann@example.com\n", start=False)
        upload.column_id = upload.column_ids[0]
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.state, upload.unmatched_count), ("done", 1))
        self.assertIn("right column", upload.message)
        with self.assertRaisesRegex(UserError, "Start over"):
            upload.column_id = upload.column_ids[1]
        upload.action_restart()
        upload.column_id = upload.column_ids[1]
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.matched_count, upload.unmatched_count), (1, 0))

    def test_no_column(self):
        upload = self._upload("Ann;Bob\nCy;Dan\n", start=False)
        with self.assertRaisesRegex(UserError, "Choose the column"):
            upload.action_start()
        other = self._upload("a;b\nc;d\n", start=False)
        upload.column_id = other.column_ids[0]
        with self.assertRaisesRegex(UserError, "Choose the column"):
            upload.action_start()

    # === LIFE === #

    def test_cancel(self):
        self.patch(directmail_upload_run, "CHUNK", 2)
        upload = self._upload("a@example.com\nb@example.com\nc@example.com\n", start=False)
        upload.action_start()
        upload.sudo()._process_chunk()
        self.assertEqual(len(self._get_lines(upload)), 2)
        with self.assertRaisesRegex(UserError, "Cancel the upload first"):
            upload.unlink()
        upload.action_cancel()
        self._run_matching()
        self.assertEqual(upload.state, "cancelled")
        self.assertFalse(self._get_lines(upload))
        upload.action_restart()
        upload.action_start()
        self._run_matching()
        self.assertEqual((upload.state, upload.bare_count), ("done", 3))

    def test_old_uploads_are_cleaned_up(self):
        upload = self._upload("a@example.com\n")
        other = self._upload("b@example.com\n")
        self.env.cr.execute(
            "UPDATE directmail_upload SET write_date = now() - interval '40 days' WHERE id = %s",
            [upload.id],
        )
        self.env.cr.execute(
            "UPDATE directmail_upload SET finished_at = now() - interval '9 days' WHERE id = %s",
            [other.id],
        )
        self.env.invalidate_all()
        self.env["directmail.upload"].sudo()._gc_uploads()
        self.assertFalse(upload.exists())
        self.assertFalse(other.with_context(bin_size=True).file)
        self.assertEqual(len(self._get_lines(other)), 1)
        with self.assertRaisesRegex(UserError, "no longer kept"):
            other.action_restart()

    # === IN AUDIENCES === #

    def _make_upload_audience(self, upload, **vals):
        rule = {"kind": "upload", "upload_id": upload.id}
        return (
            self.env["directmail.audience"]
            .with_user(self.user)
            .create({"name": "From the fair", "rule_ids": [fields.Command.create(rule)], **vals})
        )

    def test_audience_of_an_upload(self):
        self._enter_key()
        clear = self._upload(
            "ann@example.com\nbob@example.com\ncy@example.com\nbob@example.com\nx\n"
        )
        audience = self._make_upload_audience(clear)
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        self.assertEqual(audience.people_count, 3)
        self.assertIn("Fair", audience.rule_ids.sentence)
        encrypted = self._upload(f"{ALICE}\n{X}\nnonsense\nnonsense too\n", id_kind="encrypted")
        audience.rule_ids = [
            fields.Command.create(
                {"operator": "or", "kind": "upload", "upload_id": encrypted.id, "sequence": 20}
            )
        ]
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        self.assertEqual(audience.people_count, 7)
        task = self._make_task(audience)
        task.action_send()
        task.sudo()._start()
        self.assertEqual((task.waiting_count, task.suppressed_count), (5, 2))
        self.assertEqual(set(task.delivery_ids.mapped("reason")), {False, "cannot_decrypt"})
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("done", 5))
        self.assertEqual(
            sorted(row["to"] for row in self.emulator.ledger(tag=task.tag_name)),
            sorted(
                [
                    "alice@example.com", "ann@example.com", "bob@example.com", "cy@example.com",
                    "x@y.cn",
                ]
            ),
        )  # fmt: skip
        with self.assertRaisesRegex(UserError, "From the fair"):
            clear.unlink()
        self.env.cr.execute("UPDATE directmail_upload SET write_date = '2020-01-01'")
        self.env.invalidate_all()
        self.env["directmail.upload"].sudo()._gc_uploads()
        self.assertTrue(clear.exists() and encrypted.exists())

    def test_person_whose_address_comes_encrypted_stays(self):
        """And the other way round: the same person, at the address as it was uploaded last."""
        self._enter_key()
        clear = self._upload("alice@example.com\n")
        encrypted = self._upload(f"{ALICE}\n", id_kind="encrypted")
        audience = self._make_upload_audience(clear)
        audience.action_refresh()
        member = audience.sudo().member_ids
        for upload, told in (
            (encrypted, (False, ALICE)),
            (clear, ("alice@example.com", False)),
        ):
            audience.rule_ids.upload_id = upload
            audience.action_refresh()
            self.assertEqual(audience.sudo().member_ids, member)
            self.assertEqual((member.email, member.email_encrypted), told)
            self.assertEqual((audience.people_count, audience.usable_count), (1, 1))

    def test_audience_of_what_is_not_mine(self):
        upload = self._upload("ann@example.com\n", user=self.other)
        with self.assertRaises(AccessError):
            self._make_upload_audience(upload)
        draft = self._upload("ann@example.com\n", start=False)
        with self.assertRaisesRegex(UserError, "has not been matched"):
            self._make_upload_audience(draft)

    def test_contact_that_went_out_of_sight(self):
        upload = self._upload("ann@example.com\nbob@example.com\n")
        audience = self._make_upload_audience(upload)
        self.bob.company_id = self.env["res.company"].create({"name": "Elsewhere"})
        self.ann.active = False
        audience.action_refresh()
        self.assertEqual(audience.people_count, 0)

    # === RIGHTS === #

    def test_matched_with_the_owners_rights(self):
        self.env["ir.rule"].create(
            {
                "name": "Bob is hidden from users",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": "[('email', '!=', 'bob@example.com')]",
                "groups": [(4, self.env.ref("base.group_user").id)],
            }
        )
        upload = self._upload(f"{self.ann.id}\n{self.bob.id}\n", id_kind="contact")
        self.assertEqual((upload.matched_count, upload.unmatched_count), (1, 1))
        self.patch(self.env["res.partner"]._fields["ref"], "groups", "base.group_system")
        upload = self._upload("C-1\n", id_kind="reference")
        self.assertEqual(upload.state, "failed")
        self.assertTrue(upload.message)

    def test_contacts_of_another_company(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.user.company_ids += other
        self.bob.company_id = other
        upload = self._upload("bob@example.com\nann@example.com\n")
        self.assertEqual((upload.matched_count, upload.bare_count), (1, 1))

    def test_private(self):
        upload = self._upload("ann@example.com\n")
        theirs = upload.with_user(self.other)
        for operation in (
            lambda: theirs.read(["name"]),
            lambda: theirs.write({"name": "Taken over"}),
            lambda: theirs.action_restart(),
            lambda: theirs.get_progress(),
            lambda: self._get_lines(upload).with_user(self.other).read(["value"]),
            lambda: upload.write({"state": "done"}),
            lambda: upload.write({"matched_count": 7}),
            lambda: self._upload("a@example.com\n", start=False).write({"user_id": self.admin.id}),
            lambda: self._get_lines(upload).with_user(self.user).write({"value": "x"}),
            lambda: self._get_lines(upload).with_user(self.user).read(["match_key"]),
            lambda: self.env["directmail.upload.progress"].with_user(self.admin).search([]),
        ):
            with self.assertRaises(AccessError):
                operation()
        self.assertFalse(
            self.env["directmail.upload"].with_user(self.other).search([("id", "=", upload.id)])
        )
        self.assertEqual(upload.with_user(self.admin).matched_count, 1)
        outsider = new_test_user(self.env, "outsider", "base.group_user")
        with self.assertRaises(AccessError):
            upload.with_user(outsider).read(["name"])

    def test_owner_who_left(self):
        upload = self._upload("ann@example.com\n", start=False)
        upload.action_start()
        self.user.active = False
        self._run_matching()
        self.assertEqual(upload.sudo().state, "failed")
        self.assertIn("no longer works", upload.sudo().message)


@tagged("post_install", "-at_install")
class TestUploadDownload(UploadMixin, DirectmailMixin, HttpCase):
    def test_unmatched(self):
        upload = self._upload("=cmd|' /C calc'!A0\nplain\n+65\n", id_kind="reference")
        self.authenticate("dm_user", "dm_user")
        response = self.url_open(f"/directmail/upload/{upload.id}/unmatched.csv")
        self.assertEqual(response.status_code, 200)
        self.assertIn("attachment", response.headers["Content-Disposition"])
        lines = response.content.decode("utf-8-sig").splitlines()
        self.assertEqual(lines, ["Row,ID", "1,'=cmd|' /C calc'!A0", "2,plain", "3,'+65"])
        self.authenticate("dm_other", "dm_other")
        response = self.url_open(f"/directmail/upload/{upload.id}/unmatched.csv")
        self.assertEqual(response.status_code, 404)

    def test_tour(self):
        """Pasting a list, matching it and looking at the result, in a real browser."""
        self._make_people("ada@example.com")
        self.start_tour("/odoo", "directmail_upload", login="dm_user", timeout=120)
        upload = self.env["directmail.upload"].search([("name", "=", "Tour upload")])
        self.assertEqual((upload.state, upload.id_kind), ("running", "email"))
        self._run_matching()
        self.assertEqual((upload.matched_count, upload.bare_count), (1, 1))
        url = f"/odoo/action-email_marketing_dm.directmail_upload_action/{upload.id}"
        self.start_tour(url, "directmail_upload_result", login="dm_user", timeout=120)
