import time

from odoo.exceptions import UserError
from odoo.tests import tagged

from ...models.upload import directmail_upload_run
from ..common import DirectmailCommon
from ..common_upload import UploadMixin


@tagged("post_install", "-at_install")
class TestUploadLife(UploadMixin, DirectmailCommon):
    """Lists that can't be read, and what happens to an upload before, while and after."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann, cls.bob = cls._make_people("Ann@Example.com", "bob@example.com")

    @staticmethod
    def _collide(upload):
        upload.env.cr.execute(
            "DO $$ BEGIN RAISE serialization_failure; END $$", log_exceptions=False
        )

    # === BAD INPUT === #

    def test_what_can_not_be_read_is_said_at_once(self):
        for data, words in (
            (b"", "Choose a file"),
            (b"\n\n", "list is empty"),
            (b"x" * 10_000_000, "more than 1,000,000 characters"),
            (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old Excel"),
            (b"PK\x03\x04 what", "not an Excel workbook"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not a list"),
        ):
            with self.subTest(words), self.assertRaisesRegex(UserError, words):
                self._upload(data)

    def test_what_breaks_later_fails_with_the_reason(self):
        good = b"ann@example.com\n" * 20_000
        for data, words in (
            (good + b"x" * 2_000_000, "Line 20001 has more than"),
            (good + b'"' + good * 10, "has no end"),
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

    def test_one_that_breaks_does_not_hold_up_the_others(self):
        broken = self._upload("a@example.com\n", start=False)
        whole = self._upload("b@example.com\n", start=False)
        (broken | whole).action_start()
        read_chunk = type(self.env["directmail.upload"])._read_chunk

        def read(upload, reader, progress):
            if upload == broken:
                raise ZeroDivisionError("a defect")
            return read_chunk(upload, reader, progress)

        self.patch(type(self.env["directmail.upload"]), "_read_chunk", read)
        with self.assertLogs("odoo.addons.email_marketing_dm", "ERROR") as logs:
            self._run_matching()
        self.assertIn("a defect", logs.output[0])
        self.assertEqual((broken.state, whole.state), ("failed", "done"))
        self.assertIn("unexpected error", broken.message)
        self.assertNotIn("a defect", broken.message)
        self.assertFalse(self._get_lines(broken))
        self.patch(type(self.env["directmail.upload"]), "_read_chunk", read_chunk)
        broken.action_restart()
        broken.action_start()
        self._run_matching()
        self.assertEqual(broken.state, "done")

    def test_a_collision_is_tried_again(self):
        upload = self._upload("a@example.com\nb@example.com\n", start=False)
        upload.action_start()
        read_chunk = type(self.env["directmail.upload"])._read_chunk
        tries = []

        def read(upload, reader, progress):
            read_chunk(upload, reader, progress)
            tries.append(1)
            if len(tries) == 1:
                self._collide(upload)

        self.patch(type(self.env["directmail.upload"]), "_read_chunk", read)
        self.patch(time, "sleep", lambda _seconds: None)
        self._run_matching()
        self.assertEqual((len(tries), upload.state, upload.bare_count), (2, "done", 2))

    def test_what_collides_for_ever_waits_for_its_next_turn(self):
        stuck = self._upload("a@example.com\n", start=False)
        whole = self._upload("b@example.com\n", start=False)
        (stuck | whole).action_start()
        read_chunk = type(self.env["directmail.upload"])._read_chunk

        def read(upload, reader, progress):
            if upload == stuck:
                self._collide(upload)
            return read_chunk(upload, reader, progress)

        self.patch(type(self.env["directmail.upload"]), "_read_chunk", read)
        self.patch(time, "sleep", lambda _seconds: None)
        self._run_matching()
        self.assertEqual((stuck.state, whole.state), ("running", "done"))
        self.patch(type(self.env["directmail.upload"]), "_read_chunk", read_chunk)
        self._run_matching()
        self.assertEqual(stuck.state, "done")

    # === LIFE === #

    def test_cancel(self):
        self.patch(directmail_upload_run, "CHUNK", 2)
        upload = self._upload("a@example.com\nb@example.com\nc@example.com\n", start=False)
        upload.action_start()
        self._read_chunk(upload)
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
        with self.assertRaisesRegex(UserError, "has been deleted"):
            other.action_restart()
