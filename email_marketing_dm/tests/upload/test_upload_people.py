from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ...engine.audience_count import count_reasons
from ...models.people_context import PEOPLE_CONTEXT
from ..common import DirectmailCommon, DirectmailMixin, start_task
from ..common_encrypted import ALICE, X
from ..common_http import PatientHttpCase
from ..common_upload import UploadMixin


@tagged("post_install", "-at_install")
class TestUploadPeople(UploadMixin, DirectmailCommon):
    """What an upload is used for, and by whom."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann, cls.bob = cls.people = cls._make_people("Ann@Example.com", "bob@example.com")

    # === IN AUDIENCES === #

    def _make_upload_audience(self, upload, **vals):
        line = {"kind": "upload", "upload_id": upload.id}
        return (
            self.env["directmail.audience"]
            .with_user(self.user)
            .create({"name": "From the fair", "line_ids": [fields.Command.create(line)], **vals})
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
        self.assertIn("Fair", audience.line_ids.sentence)
        encrypted = self._upload(f"{ALICE}\n{X}\nnonsense\nnonsense too\n", id_kind="encrypted")
        audience.line_ids = [
            fields.Command.create(
                {"operator": "or", "kind": "upload", "upload_id": encrypted.id, "sequence": 20}
            )
        ]
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        self.assertEqual(audience.people_count, 7)
        task = self._make_task(audience)
        task.action_send()
        start_task(task.sudo())
        counts = task.sudo()  # told in tens to users: some of the people are encrypted
        self.assertEqual((counts.waiting_count, counts.suppressed_count), (5, 2))
        self.assertEqual(set(counts.delivery_ids.mapped("reason")), {False, "cannot_decrypt"})
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

    def test_same_address_in_clear_and_encrypted_is_not_recognized(self):
        """People who entered or left would reveal whose address it is."""
        self._enter_key()
        clear = self._upload("alice@example.com\n")
        encrypted = self._upload(f"{ALICE}\n", id_kind="encrypted")
        audience = self._make_upload_audience(clear)
        audience.action_refresh()
        for upload, told in (
            (encrypted, (False, ALICE)),
            (clear, ("alice@example.com", False)),
        ):
            audience.line_ids.upload_id = upload
            audience.action_refresh()
            member = audience.sudo().member_ids
            self.assertEqual((member.email, member.email_encrypted), told)
            self.assertEqual((audience.people_count, audience.usable_count), (1, 1))
            self.assertEqual((audience.entered_count, audience.left_count), (1, 1))

    def test_addresses_that_cannot_be_decrypted_cannot_be_mailed(self):
        self._enter_key()
        upload = self._upload(f"{ALICE}\n{X}\nnonsense\n", id_kind="encrypted")
        audience = self._make_upload_audience(upload)
        audience.action_refresh()
        self.assertEqual((audience.people_count, audience.usable_count), (3, 2))
        rules = audience._get_addressing(True)
        counts = count_reasons(self.env, PEOPLE_CONTEXT, rules, audience._select_members(), 10)
        self.assertEqual(counts, {None: 2, "duplicate": 0, "cannot_decrypt": 1})

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

    def test_nobody_uploads_in_the_name_of_somebody_else(self):
        """It would be matched with other rights than theirs."""
        uploads = self.env["directmail.upload"].with_user(self.other)
        with self.assertRaises(AccessError):
            uploads.create({"name": "x", "user_id": self.user.id})
        with self.assertRaises(AccessError):
            uploads.with_context(default_user_id=self.user.id).create({"name": "x"})
        self.env["ir.default"].set("directmail.upload", "user_id", self.user.id)
        with self.assertRaises(AccessError):
            uploads.create({"name": "x"})

    def test_owner_who_left(self):
        upload = self._upload("ann@example.com\n", start=False)
        upload.action_start()
        self.user.active = False
        self._run_matching()
        self.assertEqual(upload.sudo().state, "failed")
        self.assertIn("no longer has access", upload.sudo().message)


@tagged("post_install", "-at_install")
class TestUploadDownload(UploadMixin, DirectmailMixin, PatientHttpCase):
    def test_unmatched(self):
        upload = self._upload("=cmd|' /C calc'!A0\nplain\n+65\n", id_kind="reference")
        self.authenticate("dm_user", "dm_user")
        response = self.url_open(f"/directmail/upload/{upload.id}/unmatched.csv")
        self.assertEqual(response.status_code, 200)
        self.assertIn("attachment", response.headers["Content-Disposition"])
        lines = response.content.decode("utf-8-sig").splitlines()
        unknown = "No contact has this ID"
        self.assertEqual(
            lines,
            [
                "Row,ID,Reason",
                f"1,'=cmd|' /C calc'!A0,{unknown}",
                f"2,plain,{unknown}",
                f"3,'+65,{unknown}",
            ],
        )
        self.authenticate("dm_other", "dm_other")
        response = self.url_open(f"/directmail/upload/{upload.id}/unmatched.csv")
        self.assertEqual(response.status_code, 404)

    def test_tour(self):
        """Pasting a list, matching it and looking at the result, in a real browser."""
        self._make_people("ada@example.com")
        self.start_tour("/odoo", "directmail_upload", login="dm_user")
        upload = self.env["directmail.upload"].search([("name", "=", "Tour upload")])
        self.assertEqual((upload.state, upload.id_kind), ("running", "email"))
        self._run_matching()
        self.assertEqual((upload.matched_count, upload.bare_count), (1, 1))
        url = f"/odoo/action-email_marketing_dm.directmail_upload_action/{upload.id}"
        self.start_tour(url, "directmail_upload_result", login="dm_user")
