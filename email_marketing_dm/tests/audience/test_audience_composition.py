"""What an audience is made of, what sets it apart, and its overlap with another one."""

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import Form, tagged
from odoo.tools import SQL

from ...engine.people_models import Today
from ..common import AudienceCommon

DAY = timedelta(days=1)


@tagged("post_install", "-at_install")
class TestAudienceComposition(AudienceCommon):
    """Forty contacts with known properties, and an audience of the first half."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.lang"]._activate_lang("de_DE")
        cls.countries = cls.env["res.country"].search([], limit=3)
        cls.tags = cls.env["res.partner.category"].create([{"name": "Gold"}, {"name": "Silver"}])
        cls.crowd = cls.env["res.partner"].create(
            [
                {
                    "name": f"Member {n:02}",
                    "ref": "crowd",
                    "email": f"member{n}@example.com",
                    "country_id": cls.countries[n % 3].id if n % 4 else False,
                    "lang": "de_DE" if n % 5 == 0 else "en_US",
                    "is_company": n % 7 == 0,
                    "user_id": cls.user.id if n % 6 == 0 else False,
                    "category_id": [
                        Command.set([tag.id for i, tag in enumerate(cls.tags) if n % (i + 2) == 0])
                    ],
                }
                for n in range(40)
            ]
        )
        cls.env.flush_all()
        # Contacts of different age, past the ORM, which does not write `create_date`.
        cls.env.cr.execute(
            """UPDATE res_partner SET create_date = now() AT TIME ZONE 'UTC'
                      - (id % 5) * interval '80 days' WHERE ref = 'crowd'"""
        )
        cls.env["crm.lead"].create(
            [
                {
                    "name": f"Purchase {n}",
                    "partner_id": partner.id,
                    "date_closed": fields.Datetime.now() - (n % 4) * 70 * DAY - DAY,
                }
                for n, partner in enumerate(cls.crowd[:30])
            ]
        )
        # Leads stand for sales orders, whose app may be missing.
        cls.env.cr.execute(
            "UPDATE directmail_data_table SET preset = 'real_orders' WHERE preset = 'sale_orders'"
        )
        cls.tables.create(
            {
                "name": "Purchases",
                "preset": "sale_orders",
                "company_id": False,
                "model_id": cls.env["ir.model"]._get_id("crm.lead"),
                "partner_path": "partner_id",
                "date_field": "date_closed",
                "domain": "[('name', '=like', 'Purchase%')]",
            }
        )
        cls.env.invalidate_all()
        cls.audience = cls._make_audience(cls.crowd[:20], name="First half")
        cls.audience.action_refresh()
        cls.second = cls._make_audience(cls.crowd[10:30], name="Second half")
        cls.second.action_refresh()
        cls._mail(cls.crowd[:8])

    @classmethod
    def _mail(cls, people):
        """Write deliveries of these days: clicked, opened, not recorded, withdrawn, quiet, …"""
        task = cls._make_task(cls.audience, cls._make_template(approved=False))
        now = fields.Datetime.now() - DAY
        kinds = [
            {"clicked_at": now, "opened_at": now},
            {"opened_at": now},
            {"measuring": "no"},
            {"measuring": "withdrawn", "opened_at": now},
            {},
            {"measuring": "clicks", "clicked_at": now},
            {"measuring": "clicks"},
            {"machine_open_count": 1},
        ]
        cls.env["directmail.delivery"].create(
            [
                {
                    "task_id": task.id,
                    "account_id": cls.account.id,
                    "company_id": cls.env.company.id,
                    "partner_id": partner.id,
                    "state": "sent",
                    "claimed_at": now,
                    "sent_at": now,
                    **kind,
                }
                for partner, kind in zip(people, kinds, strict=True)
            ]
        )
        cls.env.flush_all()

    def test_a_refund_is_no_purchase(self):
        """A customer who bought long ago and got money back yesterday is not a recent one."""
        purchases = self.tables.search([("name", "=", "Purchases")])
        purchases.amount_field = "expected_revenue"
        buyer, refunded = self._make_people("buyer@example.com", "refunded@example.com")
        self.env["crm.lead"].create(
            [
                {
                    "name": "Purchase",
                    "partner_id": partner.id,
                    "date_closed": fields.Datetime.now() - days * DAY,
                    "expected_revenue": amount,
                }
                for partner, days, amount in (
                    (buyer, 100, 10), (buyer, 1, -10), (refunded, 1, -10),
                )
            ]
        )  # fmt: skip
        audience = self._make_audience(buyer + refunded)
        audience.action_refresh()
        self.assertEqual(
            self._counts("purchase", audience=audience), {"90 to 365 days ago": 1, "No purchase": 1}
        )
        for value, person in ((2, buyer), (None, refunded)):
            action = audience.action_new_audience_of_trait("purchase", value)
            made = self._make_of(action)
            self.assertEqual(made.member_ids.partner_id, person)

    def _read(self, audience=None, user=None):
        found = (audience or self.audience).with_user(user or self.user).get_composition()
        self.assertNotIn("error", found)
        return found

    def _counts(self, name, **options):
        [trait] = [one for one in self._read(**options)["traits"] if one["name"] == name]
        return {row["label"]: row["count"] for row in trait["rows"]}

    def test_counts_are_those_of_plain_python(self):
        people = self.audience.member_ids.partner_id
        self.assertEqual(self._read()["shown"], 20)
        self.assertEqual(self._read()["hidden"], 0)
        expected = {}
        for country in people.mapped("country_id"):
            expected[country.name] = len(people.filtered(lambda p, c=country: p.country_id == c))
        expected["Not set"] = len(people.filtered(lambda p: not p.country_id))
        self.assertEqual(self._counts("country"), expected)
        self.assertEqual(self._counts("company_type"), {"Company": 3, "Person": 17})
        self.assertEqual(self._counts("tags"), {"Gold": 10, "Silver": 7, "No tag": 7})
        self.assertEqual(self._counts("salesperson"), {self.user.name: 4, "Not set": 16})
        self.assertEqual(
            self._counts("engagement"),
            {
                "Clicked": 2,
                "Opened, not clicked": 1,
                "Neither opened nor clicked": 2,
                "Not recorded": 3,
                "No email": 12,
            },
        )
        self.assertEqual(sum(self._counts("age").values()), 20)
        self.assertEqual(
            self._counts("purchase"),
            {"The last 30 days": 5, "30 to 90 days ago": 5, "90 to 365 days ago": 10},
        )

    def test_days_of_age_begin_at_midnight_of_the_reader(self):
        """As those of the line that a bar becomes."""
        self.user.sudo().tz = "Asia/Singapore"
        midnight = Today(fields.Datetime.now(), self.user.tz).begin(30, False)
        for moment, people in ((midnight - DAY, self.crowd[:20]), (midnight, self.crowd[0])):
            self.env.cr.execute(
                "UPDATE res_partner SET create_date = %s WHERE id = ANY(%s)", [moment, people.ids]
            )
        self.env.invalidate_all()
        self.assertEqual(self._counts("age"), {"The last 30 days": 1, "30 to 90 days ago": 19})
        made = self._make_of(self.audience.action_new_audience_of_trait("age", 0))
        self.assertEqual(made.member_ids.partner_id, self.crowd[0])

    def test_only_received_mails_that_could_be_measured_tell_of_silence(self):
        """As in lines about engagement: bounces are no emails, trials say nothing."""
        deliveries = self.env["directmail.delivery"].sudo()
        deliveries = deliveries.search([("partner_id", "in", self.crowd[:8].ids)], order="id")
        quiet, bounced, refused = deliveries[4], deliveries[7], deliveries[1]
        self.assertEqual(self._counts("engagement")["Neither opened nor clicked"], 2)
        bounced.outcome = "failed"
        refused.state = "refused"
        counts = self._counts("engagement")
        self.assertEqual((counts["Neither opened nor clicked"], counts["No email"]), (1, 14))
        quiet.task_id.track_opens = False
        counts = self._counts("engagement")
        self.assertNotIn("Neither opened nor clicked", counts)
        self.assertEqual((counts["Clicked"], counts["Not recorded"]), (2, 4))
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_account SET connection = 'trial' WHERE id = %s", [self.account.id]
        )
        self.assertEqual(self._counts("engagement"), {"No email": 20})

    def test_each_bar_opens_its_people_and_becomes_a_line(self):
        """The list behind a bar, and the audience made of it, have as many people as the bar."""
        lines = 0
        for trait in self._read()["traits"]:
            for row in trait["rows"]:
                name = f"{trait['label']}: {row['label']}"
                action = self.audience.action_view_trait(trait["name"], row["value"])
                self.assertEqual(action["name"], name)
                members = self.env["directmail.audience.member"].with_user(self.user)
                listed = members.search(action["domain"]).partner_id
                self.assertEqual(len(listed), row["count"], name)
                if not row["makes_line"]:
                    self.assertEqual(trait["name"], "engagement")
                    continue
                action = self.audience.action_new_audience_of_trait(trait["name"], row["value"])
                made = self._make_of(action)
                self.assertEqual(made.member_ids.partner_id, listed, name)
                lines += 1
        self.assertGreater(lines, 15)

    def test_contacts_without_a_tag_are_found_by_a_join(self):
        """A plan that reads all links for every contact would never end in a large database."""
        self.env.flush_all()
        found = self.audience._select_with_trait(False, "tags", False)
        self.env.cr.execute(SQL("EXPLAIN %s", found))
        self.assertNotRegex(str(self.env.cr.fetchall()), r"NOT \(.*SubPlan")

    def _make_of(self, action):
        """Save the form that an action opens, and refresh the audience."""
        audiences = self.env["directmail.audience"].with_user(self.user)
        with Form(audiences.with_context(**action["context"])) as form:
            self.assertTrue(form.name)
        made = form.record
        made.action_refresh()
        self.assertFalse(made.refresh_error)
        return made

    def test_what_is_hidden_is_not_counted(self):
        """A contact that the reader may not see, and a bare address."""
        self.env["ir.rule"].create(
            {
                "name": "Hidden",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', 'not in', {self.crowd[:5].ids})]",
            }
        )
        self.audience.sudo().member_ids[5].write({"partner_id": False, "email": "x@example.com"})
        self.env.flush_all()
        found = self._read()
        self.assertEqual((found["people"], found["shown"], found["hidden"]), (20, 14, 6))
        for trait in found["traits"]:
            if trait["name"] != "tags":
                self.assertEqual(sum(row["count"] for row in trait["rows"]), 14, trait["name"])
        overlap = self.audience.get_overlap(self.second.id)
        self.assertEqual((overlap["only_a"], overlap["both"], overlap["hidden_a"]), (5, 10, 5))

    def test_a_field_that_the_reader_may_not_read_is_left_out(self):
        """And nothing else: the page and the comparison go on with the other properties."""
        fields_of = {
            "country": "country_id",
            "lang": "lang",
            "company_type": "is_company",
            "tags": "category_id",
            "salesperson": "user_id",
            "age": "create_date",
        }
        names = [trait["name"] for trait in self._read()["traits"]]
        for name, field in fields_of.items():
            with self.subTest(name):
                value = {"company_type": "person", "age": 0, "lang": "en_US"}.get(name, False)
                wanted = self.audience.action_view_trait(name, value)["domain"]
                found = self.env["res.partner"]._fields[field]
                with patch.object(found, "groups", "base.group_system"):
                    self.env.invalidate_all()
                    shown = self._read()
                    self.assertEqual(
                        [trait["name"] for trait in shown["traits"]],
                        [other for other in names if other != name],
                    )
                    self.assertEqual(shown["shown"], 20)
                    compared = self.audience.get_differences(self.second.id)
                    self.assertEqual((compared["people"], compared["others"]), (20, 20))
                    with self.assertRaises(AccessError):
                        self.env["directmail.audience.member"].with_user(self.user).search(wanted)

    def test_a_colleague_sees_what_a_line_of_theirs_could_count(self):
        with self.assertRaises(AccessError):
            self._read(user=self.other)
        self.audience.action_share()
        found = self._read(user=self.other)
        self.assertFalse(found["can_open"])
        self.assertEqual(found["shown"], 20)
        # Purchases and emails are the owner's: the colleague may read neither leads nor the task.
        self.assertNotIn("purchase", [trait["name"] for trait in found["traits"]])
        self.assertEqual(self._counts("engagement", user=self.other), {"No email": 20})
        for method, args in (
            ("get_differences", (self.second.id,)),
            ("get_overlap", (self.second.id,)),
            ("action_new_audience_of_part", (self.second.id, "both")),
        ):
            with self.assertRaises(AccessError):
                getattr(self.audience.with_user(self.other), method)(*args)
        wanted = self.second.action_view_trait("company_type", "person")["domain"]
        with self.assertRaises(AccessError):
            self.env["directmail.audience.member"].with_user(self.other).search(wanted)

    def test_what_sets_it_apart(self):
        """That some were mailed, and nothing else; then a tag that all of it have."""
        labels = [row["label"] for row in self.audience.get_differences()["differences"]]
        self.assertEqual(labels, ["No email"])
        special = self.env["res.partner.category"].create({"name": "Special"})
        self.crowd[:20].category_id += special
        self.env.flush_all()
        found = self.audience.get_differences()
        self.assertEqual(found["people"], 20)
        self.assertGreater(found["others"], 40)
        [first] = [row for row in found["differences"] if row["label"] == "Special"]
        self.assertEqual(first["share"], 1)
        self.assertLess(first["low"], first["share"] - first["other"])
        self.assertGreater(first["low"], 0.3)
        compared = self.audience.get_differences(self.second.id)
        self.assertEqual((compared["people"], compared["others"]), (20, 20))

    def test_overlap(self):
        overlap = self.audience.get_overlap(self.second.id)
        self.assertEqual(
            overlap, {"only_a": 10, "both": 10, "only_b": 10, "hidden_a": 0, "hidden_b": 0}
        )
        for part, people in (
            ("only_a", self.crowd[:10]),
            ("both", self.crowd[10:20]),
            ("only_b", self.crowd[20:30]),
        ):
            action = self.audience.action_new_audience_of_part(self.second.id, part)
            self.assertEqual(self._make_of(action).member_ids.partner_id, people, part)

    def test_other_companies_and_other_values_are_refused(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        self.user.company_ids += elsewhere
        there = self.env["directmail.audience"].with_user(self.user).create(
            {"name": "There", "company_id": elsewhere.id}
        )  # fmt: skip
        both = self.audience.with_context(allowed_company_ids=[self.env.company.id, elsewhere.id])
        with self.assertRaises(UserError):
            both.get_overlap(there.id)
        for trait, value in (
            ("nothing", 1), ("country", 0), ("country", [1]), ("age", 9),
            ("tags", "abc"), ("tags", 2**31), ("country", "abc"), ("lang", 1),
        ):  # fmt: skip
            with self.assertRaises(UserError):
                self.audience.action_view_trait(trait, value)
        members = self.env["directmail.audience.member"].with_user(self.user)
        texts = ["", "{}", "[1]", '["x", 0, "age", 1]', '[1, 0, "nothing", 1]']
        for wanted in (*texts, f'[{self.audience.id}, 0, "tags", "abc"]'):
            with self.assertRaises(UserError):
                members.search([("trait", "=", wanted)])

    def test_the_page_keeps_what_was_chosen(self):
        action = self.audience.action_view_composition()
        page = self.env[action["res_model"]].with_user(self.user).browse(action["res_id"])
        with Form(page) as form:
            form.other_id = self.second
        self.assertEqual(page.other_id, self.second)
        private = self._make_audience(self.crowd[:1], user=self.other)
        with self.assertRaises(AccessError):
            page.other_id = private.with_user(self.user)
