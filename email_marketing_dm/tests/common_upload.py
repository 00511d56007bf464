import base64
import io
from contextlib import closing

from openpyxl import Workbook

from ..models.upload import directmail_upload_run
from .common_encrypted import EncryptedMixin


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
                    "consent_source": "signup",
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
        """Let the cron match all lists. On a slow machine it needs several runs."""
        self.env.flush_all()
        cron = self.env.ref("email_marketing_dm.ir_cron_directmail_upload")
        for _run in range(5):
            with self.enter_registry_test_mode():
                cron.method_direct_trigger()
            self.env.invalidate_all()
            if not self.env["directmail.upload"].search_count([("state", "=", "running")]):
                break

    @staticmethod
    def _read_chunk(upload):
        """Read the next piece, as a process would that is killed after it."""
        upload = upload.sudo()
        with closing(directmail_upload_run._Reader(upload)) as reader:
            upload._process_chunk(reader)

    @staticmethod
    def _make_workbook(*rows):
        book, stream = Workbook(), io.BytesIO()
        for row in rows:
            book.active.append(row)
        book.save(stream)
        return stream.getvalue()

    def _get_lines(self, upload):
        return self.env["directmail.upload.line"].search([("upload_id", "=", upload.id)])

    def _get_statuses(self, upload):
        return [(line.value, line.status) for line in self._get_lines(upload)]

    def assertAddsUp(self, upload):
        """Every row became exactly one thing."""
        self.assertEqual(
            upload.row_count + upload.extra_count,
            upload.people_count
            + upload.duplicate_count
            + upload.unmatched_count
            + upload.empty_count,
        )
