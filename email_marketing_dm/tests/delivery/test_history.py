"""A long history behind a task: what PostgreSQL reads for it, not how long it takes."""

from odoo.tests import tagged

from ..common import DirectmailCommon

EARLIER, OWN = 30_000, 3_000


@tagged("post_install", "-at_install")
class TestHistory(DirectmailCommon):
    """An earlier task with many deliveries, and a later one with fewer."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        values = {"name": "T", "account_id": cls.account.id}
        cls.earlier, cls.task = cls.env["directmail.task"].create([values, values])
        cls.env.flush_all()
        for task, number in ((cls.earlier, EARLIER), (cls.task, OWN)):
            cls.env.cr.execute(
                """INSERT INTO directmail_delivery
                          (task_id, account_id, company_id, address_key, state)
                   SELECT t.id, t.account_id, t.company_id, md5(n::text), 'sent'
                     FROM directmail_task t, generate_series(1, %s) n WHERE t.id = %s""",
                [number, task.id],
            )
        cls.env.cr.execute("ANALYZE directmail_delivery")

    def count_sequential_scans(self):
        self.env.cr.execute("SELECT pg_stat_get_xact_numscans('directmail_delivery'::regclass)")
        return self.env.cr.fetchone()[0]

    def count_rows_read(self):
        """Rows that were read by indexes, wanted or not."""
        self.env.cr.execute(
            "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables"
            " WHERE relid = 'directmail_delivery'::regclass"
        )
        return self.env.cr.fetchone()[0]

    def test_retention(self):
        before = self.count_sequential_scans()
        self.env.cr.execute("SELECT count(*) FROM directmail_delivery")
        self.assertEqual(self.count_sequential_scans(), before + 1, "the measure does not count")
        self.task.details_removed_at = "2026-01-01"
        self.assertFalse(self.task._remove_details())
        self.assertEqual(self.count_sequential_scans(), before + 1)
        left = self.env["directmail.delivery"].search_count([("task_id", "=", self.task.id)])
        self.assertFalse(left)

    def test_first_page_of_the_people(self):
        """Of the later task, whose rows are the last ones of the table."""
        deliveries = self.env["directmail.delivery"]
        self.env.flush_all()
        for domain in ([], [("state", "=", "sent")]):
            before = self.count_rows_read()
            page = deliveries.search([("task_id", "=", self.task.id), *domain], limit=80)
            self.assertEqual(len(page), 80)
            self.assertLess(self.count_rows_read() - before, 200, domain)
