from base64 import b64encode

from odoo.sql_db import Savepoint
from odoo.tests import tagged

from ..common import DirectmailCommon


@tagged("post_install", "-at_install")
class TestReadonly(DirectmailCommon):
    """What the pages ask for is only read, so Odoo may read it from a replica of the database."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ann = cls._make_people("ann@example.com")
        cls.audience = cls._make_audience(cls.ann)
        cls.task = cls._make_task(cls.audience)

    def _ask(self, records, name, *arguments):
        """Call a method as a marketer in a transaction that can't write; return what it returns."""
        self.assertTrue(getattr(getattr(type(records), name), "_readonly", False), name)
        self.env.flush_all()
        self.env.invalidate_all()
        savepoint = Savepoint(self.env.cr)
        try:
            self.env.cr.execute("SET TRANSACTION READ ONLY")
            return getattr(records.with_user(self.user), name)(*arguments)
        finally:
            # the transaction may write again
            savepoint.close(rollback=True)

    def test_a_task(self):
        self.task.action_send()
        self._run_cron()
        self.assertEqual(self._ask(self.task, "get_progress")["people"], 1)
        self.assertTrue(self._ask(self.task, "get_effectiveness")["funnel"])

    def test_the_overview(self):
        self.task.action_send()
        self._run_cron()
        overview = self._ask(self.env["directmail.task.report"], "get_overview")
        self.assertEqual(overview["now"]["tasks"], 1)

    def test_content(self):
        values = {
            "subject": "Spring " * 20,
            "body_html": "<p>Hello</p>",
            "account_id": self.account.id,
        }
        template = self.task.template_id
        codes = [found["code"] for found in self._ask(template, "check_content", values)]
        self.assertIn("subject_long", codes)
        repaired = self._ask(template, "repair_content", values, "shorten_subject")
        self.assertLess(len(repaired["subject"]), len(values["subject"]))
        shown = self._ask(template, "preview_content", values, self.ann.id)
        self.assertIn("Hello", shown["html"])

    def test_live_counts(self):
        self.assertEqual(self._ask(self.audience, "count_line", {}, 0)["people"], 1)
        self.assertEqual(self._ask(self.audience, "count_all", {})["mailable"], 1)

    def test_an_upload(self):
        upload = self.env["directmail.upload"].with_user(self.user).create(
            {"name": "Fair", "file": b64encode(b"ann@example.com"), "filename": "list.csv"}
        )  # fmt: skip
        self.assertEqual(self._ask(upload, "get_progress")["state"], "draft")
