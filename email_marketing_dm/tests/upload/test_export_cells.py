import csv
import io
import json

from openpyxl import load_workbook

from odoo import http
from odoo.tests import tagged

from ..common import DirectmailMixin, start_task
from ..common_http import PatientHttpCase

FORMULAS = ("=1+1", "+1", "-1", "@SUM(1)", "\t=1", '=HYPERLINK("http://x.example")', "'=1")


@tagged("post_install", "-at_install")
class TestExportCells(DirectmailMixin, PatientHttpCase):
    """What outsiders write is no formula in the files that Odoo's own *Export* makes of our lists.

    Anybody who got a mail may say on a public page why they unsubscribe.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        people = cls._make_people(*(f"p{i}@example.com" for i, _text in enumerate(FORMULAS)))
        task = cls._make_task(cls._make_audience(people)).sudo()
        task.action_send()
        start_task(task)
        cls.optouts = cls.env["directmail.optout"]
        for delivery, text in zip(task.delivery_ids, FORMULAS, strict=True):
            optout = cls.optouts._record(delivery, "page")
            optout.feedback = text
            cls.optouts += optout
        cls.env.flush_all()

    def _export(self, kind, groupby=()):
        self.authenticate(self.admin.login, self.admin.login)
        self.admin.group_ids += self.env.ref("base.group_allow_export")
        fields = [{"name": name, "label": name, "type": "text"} for name in ("feedback", "email")]
        data = {
            "model": "directmail.optout", "fields": fields, "ids": self.optouts.ids, "domain": [],
            "groupby": groupby, "import_compat": False, "context": {},
        }  # fmt: skip
        token = http.Request.csrf_token(self)
        response = self.url_open(
            f"/web/export/{kind}", {"data": json.dumps(data), "csrf_token": token}
        )
        self.assertEqual(response.status_code, 200, response.text)
        return response.content

    def _read_workbook(self, content):
        sheet = load_workbook(io.BytesIO(content)).active
        return [cell for row in sheet.iter_rows(min_row=2) for cell in row]

    def test_csv(self):
        _head, *rows = csv.reader(io.StringIO(self._export("csv").decode("utf-8-sig")))
        self.assertEqual(len(rows), len(FORMULAS))
        self.assertEqual({row[0] for row in rows}, {f"'{text}" for text in FORMULAS})

    def test_xlsx(self):
        cells = self._read_workbook(self._export("xlsx"))
        self.assertEqual([cell.value for cell in cells if cell.data_type == "f"], [])
        found = {cell.value for cell in cells}
        self.assertLessEqual({"'=1+1", "'@SUM(1)", "p0@example.com"}, found)

    def test_titles_of_groups_in_xlsx(self):
        cells = self._read_workbook(self._export("xlsx", ["origin", "feedback"]))
        self.assertEqual([cell.value for cell in cells if cell.data_type == "f"], [])
        self.assertTrue([cell for cell in cells if "'=1+1 (1)" in str(cell.value)])

    def test_programs_read_what_is_there(self):
        self.assertEqual(set(self.optouts.mapped("feedback")), set(FORMULAS))
        self.assertEqual(
            {row["feedback"] for row in self.optouts.with_user(self.admin).read(["feedback"])},
            set(FORMULAS),
        )
