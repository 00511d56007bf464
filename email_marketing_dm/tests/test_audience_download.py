import csv
import io

from odoo.exceptions import AccessError
from odoo.tests import HttpCase, tagged

from .common import DirectmailMixin


@tagged("post_install", "-at_install")
class TestAudienceDownload(DirectmailMixin, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.right = cls.env.ref("email_marketing_dm.email_marketing_dm_group_download")
        cls.people = cls.env["res.partner"].create(
            [
                {"name": "Ann", "email": "ann@example.com"},
                {"name": "=cmd|'/C calc'!A1", "email": "bob@example.com"},
            ]
        )
        cls.audience = cls._make_audience(cls.people, name="Spring")
        cls.audience.action_refresh()

    def _download(self, user):
        self.authenticate(user.login, user.login)
        return self.url_open(f"/directmail/audience/{self.audience.id}/people.csv")

    def _rows(self, user):
        response = self._download(user)
        self.assertEqual(response.status_code, 200)
        return list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))

    def test_own_people(self):
        self.user.group_ids += self.right
        self.assertIn("people.csv", self.audience.action_download()["url"])
        head, *rows = self._rows(self.user)
        self.assertEqual(head[:2], ["Name", "Email"])
        self.assertEqual(rows[0][:2], ["Ann", "ann@example.com"])
        self.assertEqual(rows[1][0], "'=cmd|'/C calc'!A1", "no formula for a spreadsheet")

    def test_without_the_right(self):
        with self.assertRaises(AccessError):
            self.audience.action_download()
        self.assertEqual(self._download(self.user).status_code, 404)

    def test_private_and_public_ones_of_others(self):
        self.other.group_ids += self.right
        self.assertEqual(self._download(self.other).status_code, 404)
        self.audience.action_share()
        self.assertEqual(len(self._rows(self.other)), 3)
        self.env["ir.rule"].create(
            {
                "name": "Ann is hidden",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {self.people[0].id})]",
            }
        )
        names = [row[0] for row in self._rows(self.other)]
        self.assertEqual(len(names), 2)
        self.assertNotIn("Ann", names)

    def test_other_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.other.group_ids += self.right
        self.audience.action_share()
        self.other.write({"company_ids": [(6, 0, company.ids)], "company_id": company.id})
        self.assertEqual(self._download(self.other).status_code, 404)
