import csv
import io
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..common import DirectmailMixin
from ..common_http import PatientHttpCase


@tagged("post_install", "-at_install")
class TestAudienceDownload(DirectmailMixin, PatientHttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.right = cls.env.ref("email_marketing_dm.group_download")
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

    def test_leads_that_the_reader_may_not_see(self):
        """A public audience grants no rights on the records that it is made from."""
        self.user.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.other.group_ids += self.right
        leads = self.env["crm.lead"].create(
            [
                {"name": f"Lead {n}", "email_from": f"lead{n}@example.com", "user_id": user.id}
                for n, user in enumerate((self.user, self.other))
            ]
        )
        table = self.env["directmail.data.table"].search([("preset", "=", "leads")])
        self.audience.line_ids = [
            fields.Command.create(
                {
                    "operator": "or",
                    "table_id": table.id,
                    "domain": f"[('id', 'in', {leads.ids})]",
                    "sequence": 20,
                }
            )
        ]
        self.audience.action_refresh()
        self.assertEqual(self.audience.people_count, 4)
        self.audience.action_share()
        contacts = {"ann@example.com", "bob@example.com"}
        self.assertEqual(self._emails(), contacts, "no access to leads at all")
        self.other.group_ids += self.env.ref("sales_team.group_sale_salesman")
        self.assertEqual(self._emails(), contacts | {"lead1@example.com"}, "own leads only")
        self.other.group_ids += self.env.ref("sales_team.group_sale_salesman_all_leads")
        self.assertEqual(len(self._emails()), 4)

    def test_addresses_that_a_colleague_uploaded(self):
        """They are in the files of the audience's owner and of administrators only."""
        self.env["directmail.audience.member"].create(
            {"audience_id": self.audience.id, "email": "private@example.com", "address_key": "x"}
        )
        self.audience.action_share()
        for user in (self.other, self.user, self.admin):
            user.group_ids += self.right
            with self.subTest(user.login):
                emails = {row[1] for row in self._rows(user)[1:]}
                self.assertEqual("private@example.com" in emails, user != self.other)

    def test_pages_of_people_who_may_not_be_seen(self):
        """The file does not end where a whole page of people is left out."""
        self.other.group_ids += self.right
        self.audience.action_share()
        self.env["ir.rule"].create(
            {
                "name": "Ann is hidden",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {self.people[0].id})]",
            }
        )
        with patch("odoo.addons.email_marketing_dm.controllers.directmail_audience.PAGE", 1):
            self.assertEqual(self._emails(), {"bob@example.com"})

    def _emails(self):
        return {row[1] for row in self._rows(self.other)[1:]}

    def test_other_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.other.group_ids += self.right
        self.audience.action_share()
        self.other.write({"company_ids": [(6, 0, company.ids)], "company_id": company.id})
        self.assertEqual(self._download(self.other).status_code, 404)
