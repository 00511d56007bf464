import re
from random import Random

from odoo.tests import tagged
from odoo.tools import SQL

from ..common_engagement import ABROAD, REFUSED, EngagementCommon

LINE = {"kind": "engagement", "engagement": "asleep"}


@tagged("post_install", "-at_install")
class TestAudienceLeftOut(EngagementCommon):
    """An audience by engagement says how many people it leaves out, of whom nothing is known."""

    def _count_left_out(self, *lines, user=None):
        """Return the number that the form of an unsaved audience tells; 0 if it tells none."""
        changes = {"line_ids": [(0, 0, line) for line in lines]}
        whole = self.env["directmail.audience"].with_user(user or self.user).count_all(changes)
        self.assertNotIn("error", whole)
        found = re.search("may not be recorded: ([0-9]+)", whole["left_out"])
        self.assertEqual(bool(found), bool(whole["left_out"]))
        return int(found[1]) if found else 0

    def _expect_left_out(self, mails, tasks):
        known = self._sum_up(mails, tasks)
        return sum(
            not (known[person]["measured"] or known[person]["reacted"])
            for person in known.keys() & self.seen
        )

    def test_random_people(self):
        """With the rights of the owner, who may not read a colleague's email tasks."""
        rng, met = Random(17), set()
        for number in range(12):
            if number == 6:
                self._forget_answers()
            mails = self._send(rng)
            for user, tasks in ((self.user, (0, 1)), (self.admin, (0, 1, 2))):
                with self.subTest(number, user=user.login):
                    wanted = self._expect_left_out(mails, tasks)
                    self.assertEqual(self._count_left_out(LINE, user=user), wanted)
                    met.add(wanted)
        self.assertGreater(len(met), 2)

    def test_lines_that_ask_about_engagement(self):
        mails = self._send(Random(5))
        wanted = self._expect_left_out(mails, (0, 1))
        self.assertTrue(wanted)
        tables = {
            table.preset: table.id
            for table in self.env["directmail.data.table"].search(
                [("preset", "in", ("engagement", "contacts"))]
            )
        }
        everybody = {"table_id": tables["contacts"], "domain": "[]"}
        received = {**LINE, "engagement": "received"}
        few = "[('directmail_engagement_ids.opened_count', '<', 2)]"
        for lines, number in (
            ([everybody], 0),
            ([received], 0),
            ([everybody, {**LINE, "operator": "except"}], wanted),
            ([{"kind": "group", "child_ids": [(0, 0, LINE)]}], wanted),
            ([{"table_id": tables["engagement"], "domain": "[]"}], wanted),
            ([{"table_id": tables["contacts"], "domain": few}], wanted),
        ):
            with self.subTest(lines):
                self.assertEqual(self._count_left_out(*lines), number)

    def test_a_line_that_excludes_does_not_exclude_them(self):
        """An audience that excludes sleeping people keeps those whose opens are not recorded."""
        self._send(Random(5))
        table = self.env["directmail.data.table"].search([("preset", "=", "contacts")])
        everybody = {"table_id": table.id, "domain": "[]"}
        group = {"kind": "group", "child_ids": [(0, 0, LINE)]}
        audiences = self.env["directmail.audience"].with_user(self.user)
        for line, is_kept in (
            ({**LINE, "operator": "except"}, True),
            ({**group, "operator": "except"}, True),
            ({**LINE, "operator": "and"}, False),
            ({**group, "operator": "or"}, False),
        ):
            with self.subTest(line):
                lines = [(0, 0, everybody), (0, 0, line)]
                told = audiences.count_all({"line_ids": lines})["left_out"]
                self.assertEqual("does not exclude them" in told, is_kept)
                self.assertEqual("leave them out" in told, not is_kept)

    def test_an_audience_without_anybody_left_out_says_nothing(self):
        self._send(Random(5))
        self.env.cr.execute(
            "DELETE FROM directmail_delivery WHERE partner_id = ANY(%s) OR task_id != %s",
            [self.people[REFUSED].ids + self.people[ABROAD].ids, self.tasks[0].id],
        )
        self.env.cr.execute("UPDATE directmail_delivery SET measuring = NULL")
        self.assertEqual(self._count_left_out(LINE), 0)

    def test_a_count_that_takes_too_long(self):
        """On whatever machine: a limit of a millisecond is passed by sleeping longer."""
        self._send(Random(5))
        self.env["ir.config_parameter"].set_param("email_marketing_dm.count_timeout", "0.001")
        line = self._make_audience(None, lines=[LINE]).line_ids
        slow = SQL("SELECT id FROM res_partner, pg_sleep(0.05)")
        told = line._explain_left_out(line.env, slow)
        self.assertIn("shows how many there are", told)
        self.env.cr.execute("SHOW statement_timeout")
        self.assertEqual(self.env.cr.fetchone()[0], "0")
