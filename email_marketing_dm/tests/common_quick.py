from odoo.tools import SQL

from .common import DirectmailCommon

PEOPLE = 14
ARCHIVED, HIDDEN = 4, 5


class QuickCommon(DirectmailCommon):
    """People of whom one is archived and one hidden, and what one line of an audience finds."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user.tz = cls.other.tz = cls.admin.tz = "Etc/UTC"
        cls.user.group_ids += cls.env.ref("sales_team.group_sale_salesman_all_leads")
        cls.people = cls._make_people(*(f"quick{n}@example.com" for n in range(PEOPLE)))
        cls.people[ARCHIVED].active = False
        cls.env["ir.rule"].create(
            {
                "name": "One is hidden",
                "model_id": cls.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', {cls.people[HIDDEN].id})]",
            }
        )
        cls.seen = set(range(PEOPLE)) - {ARCHIVED, HIDDEN}

    def _find(self, line, user=None):
        """Return the numbers of the people whom an audience of one line selects."""
        audience = self._make_audience(None, user, lines=[line])
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL("SELECT partner_id FROM (%s) AS people", audience._select_people())
        )
        numbers = {person.id: number for number, person in enumerate(self.people)}
        found = [numbers[partner] for (partner,) in rows]
        self.assertEqual(len(found), len(set(found)), "nobody is in it twice")
        return set(found)
