import hashlib
import random
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import SQL

from ..common_quick import HIDDEN, PEOPLE, QuickCommon

SIMILAR = "odoo.addons.email_marketing_dm.models.audience.directmail_audience_line_similar"
CUSTOMER_TYPES = ("potential", "key_winback", "high_value")


def get_rank(salt, identity):
    """Return the whole number by which a person is in random order, made without PostgreSQL."""
    number = int(hashlib.md5(f"{salt}/{identity}".encode()).hexdigest()[:16], 16)
    return number - 2**64 if number >= 2**63 else number


@tagged("post_install", "-at_install")
class TestAudienceQuick(QuickCommon):
    """Limits and similar people, against plain Python; audiences refreshed every hour."""

    # === LIMITS === #

    def test_some_at_random(self):
        """The same people at each refresh; somebody takes the place of a person who leaves."""
        line = {"domain": f"[('id', 'in', {self.people.ids})]", "limit_count": 5}
        audience = self._make_audience(None, lines=[line])
        line = audience.line_ids
        rest = sorted(
            self.seen, key=lambda n: get_rank(f"line/{line.id}", f"contact,{self.people[n].id}")
        )
        for _refresh in range(2):
            audience.action_refresh()
            self.assertFalse(audience.refresh_error)
            found = audience.member_ids.partner_id
            self.assertEqual(set(found.ids), {self.people[n].id for n in rest[:5]})
        self.assertEqual(audience.count_all({})["people"], 5)
        self.people[rest[0]].active = False
        audience.action_refresh()
        found = audience.member_ids.partner_id
        self.assertEqual(set(found.ids), {self.people[n].id for n in rest[1:6]})
        self.assertIn("5 at random", line.sentence)
        line.limit_count = 100
        audience.action_refresh()
        self.assertEqual(audience.people_count, len(rest) - 1)
        with self.assertRaisesRegex(ValidationError, "negative"):
            line.limit_count = -1

    def test_some_of_everybody(self):
        """Leads without a contact count like contacts, at random and by amount."""
        table = self.env["directmail.data.table"].search([("preset", "=", "leads")])
        rng = random.Random(3)
        leads = self.env["crm.lead"].create(
            [
                {
                    "name": "quick",
                    "expected_revenue": rng.randint(1, 6),
                    "partner_id": self.people[n].id if n < PEOPLE else False,
                    "email_from": False if n < PEOPLE else f"lead{n}@example.com",
                }
                for n in [rng.randrange(PEOPLE + 6) for _lead in range(30)]
            ]
        )
        sums = {}
        visible = self.people.filtered("active") - self.people[HIDDEN]
        for lead in leads:
            if not lead.partner_id:
                sums[f"crm.lead,{lead.id}"] = lead.expected_revenue
            elif lead.partner_id in visible:
                key = f"contact,{lead.partner_id.id}"
                sums[key] = sums.get(key, 0) + lead.expected_revenue
        values = {"table_id": table.id, "domain": "[('name', '=', 'quick')]", "limit_count": 7}
        for limit_by in ("random", "amount"):
            audience = self._make_audience(None, lines=[{**values, "limit_by": limit_by}])
            salt = f"line/{audience.line_ids.id}"
            expected = sorted(
                sums,
                key=lambda key: (-sums[key] if limit_by == "amount" else 0, get_rank(salt, key)),  # noqa: B023
            )[:7]
            audience.action_refresh()
            self.assertFalse(audience.refresh_error)
            found = {
                f"contact,{member.partner_id.id}"
                if member.partner_id
                else f"{member.res_model},{member.res_id}"
                for member in audience.sudo().member_ids
            }
            self.assertEqual(found, set(expected), limit_by)
        contacts = {"domain": "[]", "limit_count": 7, "limit_by": "amount"}
        with self.assertRaisesRegex(UserError, "has no amount"):
            self._make_audience(None, lines=[contacts])
        source = {"kind": "audience", "source_id": audience.id, "limit_count": 3}
        part = self._make_audience(None, lines=[source])
        part.action_refresh()
        self.assertEqual(part.people_count, 3)
        with self.assertRaisesRegex(UserError, "by their total amount"):
            part.line_ids.limit_by = "amount"

    # === SIMILAR === #

    def test_similar_people(self):
        """Ranked by how many people of the audience have the same country, type and tag."""
        rng = random.Random(11)
        countries = self.env["res.country"].search([], limit=3)
        tags = self.env["res.partner.category"].create([{"name": f"Quick {n}"} for n in range(3)])
        people = self.env["res.partner"].create(
            [
                {
                    "name": f"Similar {n}",
                    "country_id": rng.choice([False, *countries.ids]),
                    "category_id": rng.sample(tags.ids, rng.randint(0, 2)),
                }
                for n in range(30)
            ]
        )
        leads = self.env["directmail.data.table"].search([("preset", "=", "leads")])
        rfm = self.env["directmail.rfm.model"].with_user(self.admin).sudo().create(
            {"name": "Quick", "data_table_id": leads.id}
        )  # fmt: skip
        rfm.computed_at = "2026-01-01"
        types = {person: rng.choice([None, *CUSTOMER_TYPES]) for person in people}
        self.env.flush_all()
        self.env.cr.executemany(
            """INSERT INTO directmail_rfm_customer (rfm_model_id, partner_id, customer_type)
               VALUES (%s, %s, %s)""",
            [[rfm.id, person.id, name] for person, name in types.items() if name],
        )
        source = self._make_audience(people[:8])
        source.action_refresh()
        inside = people[:8]

        def score(person, with_types):
            same = [
                inside.filtered(lambda p, tag=tag: tag in p.category_id)
                for tag in person.category_id
            ]
            points = max(map(len, same), default=0)
            if person.country_id:
                points += len(inside.filtered(lambda p: p.country_id == person.country_id))
            if with_types and types[person]:
                points += sum(types[one] == types[person] for one in inside)
            return points

        visible = self.env["res.partner"].with_user(self.user).search([]) - inside
        others = [
            person
            for person in visible
            if person in people or person.country_id or person.category_id
        ]
        for with_types in (False, True):
            line = {
                "kind": "similar", "source_id": source.id, "limit_count": 9,
                "rfm_model_id": with_types and rfm.id,
            }  # fmt: skip
            audience = self._make_audience(None, lines=[line])
            salt = f"line/{audience.line_ids.id}"
            types.update(dict.fromkeys(set(others) - set(types)))
            points = {person: score(person, with_types) for person in others}
            expected = sorted(
                (person for person in others if points[person]),
                key=lambda p: (-points[p], get_rank(salt, f"contact,{p.id}")),  # noqa: B023
            )[:9]
            audience.action_refresh()
            self.assertFalse(audience.refresh_error)
            self.assertEqual(set(audience.member_ids.partner_id.ids), {p.id for p in expected})
            self.assertIn("9 contacts most similar", audience.line_ids.sentence)
            self.assertIn("(", audience.line_ids.similar_traits)

    def test_common_traits_are_not_counted_for_long(self):
        """A user who opens the line waits no longer than for its number of people."""
        source = self._make_audience(self.people[:2])
        line = {"kind": "similar", "source_id": source.id, "limit_count": 2}
        audience = self._make_audience(None, lines=[line])
        self.env["ir.config_parameter"].set_param("email_marketing_dm.count_timeout", "0.001")
        slow = SQL("SELECT 'tag', 0, pg_sleep(0.05)::text, 1 FROM generate_series(1, 40)")
        with patch(f"{SIMILAR}.select_traits", return_value=slow):
            self.assertEqual(audience.line_ids.similar_traits, "Counting took too long.")
        self.env.cr.execute("SHOW statement_timeout")
        self.assertEqual(self.env.cr.fetchone()[0], "0")

    def test_similar_follows_its_source(self):
        """It refreshes its source, must not be its own source, and needs a number of people."""
        source = self._make_audience(self.people[:2])
        line = {"kind": "similar", "source_id": source.id, "limit_count": 2}
        audience = self._make_audience(None, lines=[line])
        audience.action_refresh()
        self.assertTrue(source.refreshed_at)
        with self.assertRaisesRegex(UserError, "how many people"):
            audience.line_ids.limit_count = 0
        private = self._make_audience(self.people[:2], self.other)
        with self.assertRaises(AccessError):
            self._make_audience(None, lines=[{**line, "source_id": private.id}])
        with self.assertRaisesRegex(ValidationError, "can't use itself"):
            source.line_ids = [Command.create({**line, "source_id": audience.id})]

    # === EVERY HOUR === #

    def test_refresh_every_hour(self):
        """One that takes long is refreshed less often, with its sources, and says so."""
        source = self._make_audience(self.people[:2])
        line = {"kind": "audience", "source_id": source.id}
        audience = self._make_audience(None, lines=[line], refresh_every="hourly")
        now = fields.Datetime.now()
        for of_source, own, hours in ((0, 59, 1), (0, 61, 2), (120, 61, 4), (0, 90000, 24)):
            source.sudo().refresh_seconds, audience.sudo().refresh_seconds = of_source, own
            self.assertEqual(audience._get_next_refresh(now), now + timedelta(hours=hours))
            self.assertEqual(bool(audience.refresh_pace), hours > 1)
        self.assertIn("every 24 hours", audience.refresh_pace)
        audience.action_refresh()
        self.assertLess(audience.refresh_seconds, 60)
        self.assertFalse(audience.refresh_pace)
        audience.sudo().next_refresh_at = "2020-01-01"
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref("email_marketing_dm.ir_cron_directmail_audience").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual((audience.refresh_error, audience.people_count), (False, 2))
        self.assertGreater(audience.next_refresh_at, fields.Datetime.now())
        self.assertLess(audience.next_refresh_at, fields.Datetime.now() + timedelta(hours=2))
