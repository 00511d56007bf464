import random
from contextlib import nullcontext
from datetime import datetime, timedelta

from odoo import SUPERUSER_ID, fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from ...directmail.endpoints import TRIAL
from ..common import make_user
from ..common_engagement import EngagementCommon
from ..common_quick import HIDDEN

ROUNDS = 12
DAYS, QUIET_DAYS = 10, 25


@tagged("post_install", "-at_install")
class TestAudienceEngagement(EngagementCommon):
    """How people react to mails, against plain Python on random data."""

    def _expect(self, said, engagement, mails, days=DAYS, quiet_days=QUIET_DAYS):
        midnight = fields.Datetime.now().replace(hour=0, minute=0, second=0)
        warm = midnight - timedelta(days=days - 1)
        cool = midnight - timedelta(days=quiet_days - 1)
        reacted, sign = said["reacted"], said["sign"]
        if engagement in ("received", "opened", "clicked"):
            return sum(moment >= warm for moment in said[engagement]) >= mails
        if engagement == "unanswered":
            return said["unanswered"] >= mails
        is_engaged = bool(reacted and reacted >= warm)
        if engagement in ("reacted", "engaged") or is_engaged or not sign:
            return is_engaged and engagement in ("reacted", "engaged")
        if sign >= cool:
            return engagement == "cooling"
        return engagement == ("asleep" if said["unanswered"] else "resting")

    def test_engagement_by_random_mails(self):
        """Of each line, the people are those whom plain Python finds; the figures agree."""
        rng, met = (
            random.Random(22),
            dict.fromkeys(
                (
                    "unanswered",
                    "reacted",
                    "received",
                    "opened",
                    "clicked",
                    "engaged",
                    "cooling",
                    "asleep",
                    "resting",
                ),
                0,
            ),
        )
        for count in range(ROUNDS):
            if count == ROUNDS // 2:
                self._forget_answers()
            mails = self._send(rng)
            number = rng.randint(1, 3)
            said = self._sum_up(mails, {0, 1})
            for engagement in met:
                line = {
                    "kind": "engagement",
                    "engagement": engagement,
                    "engagement_mails": number,
                    "engagement_days": DAYS,
                    "engagement_quiet_days": QUIET_DAYS,
                }
                expected = {
                    person
                    for person in said.keys() & self.seen
                    if self._expect(said[person], engagement, number)
                }
                self.assertEqual(self._find(line), expected, engagement)
                met[engagement] += len(expected)
            wizard = self.env["directmail.engagement"].with_user(self.user).new(
                {"days": DAYS, "quiet_days": QUIET_DAYS, "mails": number}
            )  # fmt: skip
            self.assertTrue(wizard.is_counted)
            for name in ("engaged", "cooling", "asleep", "resting", "unanswered"):
                expected = sum(
                    self._expect(said[person], name, number) for person in said.keys() & self.seen
                )
                self.assertEqual(wizard[f"{name}_count"], expected, name)
            unmeasured = sum(not said[person]["sign"] for person in said.keys() & self.seen)
            self.assertEqual(wizard.unmeasured_count, unmeasured)
        self.assertTrue(all(met.values()), met)

    def test_number_of_mails_without_days(self):
        """With 0 days all mails count, and the line says so."""
        rng, met = random.Random(3), set()
        for _round in range(12):
            said = self._sum_up(self._send(rng, 150), {0, 1})
            for done in ("received", "opened", "clicked"):
                line = {
                    "kind": "engagement", "engagement": done, "engagement_mails": 2,
                    "engagement_days": 0,
                }  # fmt: skip
                expected = {
                    person for person in said.keys() & self.seen if len(said[person][done]) > 1
                }
                self.assertEqual(self._find(line), expected, done)
                met |= expected and {done}
        self.assertEqual(met, {"received", "opened", "clicked"})
        sentence = self._make_audience(None, lines=[line]).line_ids.sentence
        self.assertEqual(sentence, "Clicked at least 2 emails")

    def test_engagement_by_the_owner_s_tasks(self):
        """A colleague's mails count for the colleague and administrators only."""
        mails = self._send(random.Random(5))
        line = {
            "kind": "engagement", "engagement": "received", "engagement_mails": 1,
            "engagement_days": 0,
        }  # fmt: skip
        for user, tasks in ((self.user, {0, 1}), (self.other, {2}), (self.admin, {0, 1, 2})):
            with self.subTest(user.login):
                expected = set(self._sum_up(mails, tasks)) & self.seen
                self.assertEqual(self._find(line, user), expected)

    def test_engagement_of_a_contact(self):
        """A contact shows what plain Python says of the mails that the reader may see."""
        rng, met = random.Random(9), set()
        groups = ("engaged", "cooling", "asleep", "resting")
        for _round in range(6):
            mails = self._send(rng, 150)
            for user, tasks in ((self.user, {0, 1}), (self.other, {2}), (self.admin, {0, 1, 2})):
                said = self._sum_up(mails, tasks)
                self.env.invalidate_all()
                for number, person in enumerate(self.people.with_user(user).sudo(False)):
                    if number == HIDDEN:
                        continue
                    seen = said.get(number)
                    engagement = False
                    if seen:
                        found = [
                            group for group in groups if self._expect(seen, group, 1, 30, 90)
                        ] or ["unknown"]
                        [engagement] = found
                    self.assertEqual(
                        (
                            person.directmail_received_count,
                            person.directmail_opened_count,
                            person.directmail_clicked_count,
                            person.directmail_last_activity,
                            person.directmail_engagement,
                        ),
                        (
                            len(seen["received"]),
                            len(seen["opened"]),
                            len(seen["clicked"]),
                            seen["reacted"] or False,
                            engagement,
                        )
                        if seen
                        else (0, 0, 0, False, False),
                        (user.login, number),
                    )
                    met.add(engagement)
        self.assertEqual(met, {*groups, "unknown", False})

    def test_engagement_of_a_contact_reads_its_answers_only(self):
        """Opening a contact does not read the answers of everybody about being measured."""
        lines = self.env["directmail.audience.line"].with_user(self.user)
        self.assertIn("DISTINCT ON", lines._select_mails(lines.env).code)
        self.assertNotIn("DISTINCT ON", lines._select_mails(lines.env, self.people[0].ids).code)

    # === ENGAGEMENT AS A DATA TABLE === #

    def _read_engagement(self, user):
        """Return {person: the row that a user reads of them}."""
        self.env.invalidate_all()
        rows = self.env["directmail.contact.engagement"].with_user(user).sudo(False)
        numbers = {person.id: number for number, person in enumerate(self.people)}
        return {
            numbers[row.pop("partner_id")[0]]: row
            for row in rows.search_read([("partner_id", "in", self.people.ids)])
        }

    def test_data_table_of_engagement(self):
        """Each row, and the people of each filter, are what plain Python says.

        People of whom nothing may be known have no row; the page Engagement counts them.
        """
        rng, met = random.Random(31), dict.fromkeys(("few", "lazy", "lately", "joined"), 0)
        [table] = self.env["directmail.data.table"].search([("preset", "=", "engagement")])
        contacts = self.env["directmail.data.table"].search([("preset", "=", "contacts")])
        users = ((self.user, {0, 1}), (self.other, {2}), (self.admin, {0, 1, 2}))
        for number in range(9):
            if number == 5:
                self._forget_answers()
            mails = self._send(rng)
            user, tasks = users[number % 3]
            said = self._sum_up(mails, tasks)
            known = {person: of for person, of in said.items() if of["sign"]}
            expected = {
                person: {
                    "id": self.people[person].id,
                    "display_name": self.people[person].display_name,
                    "company_id": (self.company.id, self.company.display_name),
                    "received_count": len(of["received"]),
                    "measured_count": of["measured"],
                    "opened_count": len(of["opened"]),
                    "clicked_count": len(of["clicked"]),
                    "last_received": max(of["received"]),
                    "last_activity": of["reacted"] or False,
                }
                for person, of in known.items()
                if person != HIDDEN
            }
            self.assertEqual(self._read_engagement(user), expected)
            self.assertFalse(self.unmeasured & expected.keys())
            wizard = self.env["directmail.engagement"].with_user(user).new({})
            left_out = said.keys() & self.seen - known.keys()
            self.assertEqual(wizard.unmeasured_count, len(left_out))

            midnight = fields.Datetime.now().replace(hour=0, minute=0, second=0)
            since = midnight - timedelta(days=DAYS - 1)
            for name, line, wanted in (
                (
                    "few",
                    {"domain": "[('opened_count', '=', 1)]"},
                    lambda of: len(of["opened"]) == 1,
                ),
                (
                    "lazy",
                    {"domain": "[('measured_count', '>=', 2), ('last_activity', '=', False)]"},
                    lambda of: of["measured"] > 1 and not of["reacted"],
                ),
                (
                    "lately",
                    {"within_days": DAYS},
                    lambda of, since=since: (of["reacted"] or datetime.min) >= since,
                ),
                (
                    "joined",
                    {
                        "table_id": contacts.id,
                        "domain": "[('directmail_engagement_ids.received_count', '>', 3)]",
                    },
                    lambda of: len(of["received"]) > 3,
                ),
            ):
                wanted = {person for person in known.keys() & self.seen if wanted(known[person])}
                self.assertEqual(self._find({"table_id": table.id, **line}, user), wanted, name)
                met[name] += len(wanted)
        self.assertTrue(all(met.values()), met)

    def test_data_table_of_engagement_hides_contacts(self):
        """A row says nothing of a contact whom the reader may not see, asked in any way."""
        self._send(random.Random(5))
        hidden = self.people[HIDDEN].id
        rows = self.env["directmail.contact.engagement"].with_user(self.user).sudo(False)
        self.assertTrue(rows.sudo().search([("id", "=", hidden)]))
        self.assertFalse(rows.search_count([("id", "=", hidden)]))
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            rows.browse(hidden).read(["opened_count"])
        employee = make_user(self.env, "dm_employee_2", "base.group_user")
        with self.assertRaises(AccessError):
            rows.with_user(employee).search([])
        self.assertNotIn("directmail_engagement_ids", self.people.with_user(employee).fields_get())

    def test_a_mailing_of_odoo_does_not_tell_who_clicked(self):
        """Its queue searches the recipients with all rights, for users who may see less."""
        self._send(random.Random(5))
        mailing = self.env["mailing.mailing"].with_user(self.other).create(
            {
                "subject": "Hello",
                "email_from": "me@example.com",
                "body_html": "<p>{{ object.directmail_received_count }}</p>",
                "mailing_model_id": self.env["ir.model"]._get_id("res.partner"),
                "mailing_domain": "[('directmail_engagement_ids.received_count', '>', 0)]",
            }
        )  # fmt: skip
        person = self.people[HIDDEN]
        as_queue = mailing.with_user(SUPERUSER_ID)
        self.assertFalse(as_queue._get_recipients())
        self.assertEqual(person.with_user(SUPERUSER_ID).directmail_received_count, 0)
        rows = self.env["directmail.contact.engagement"].with_user(self.other)
        own = rows.search([]).partner_id
        self.env.invalidate_all()
        self.assertEqual(rows.sudo().search([]).partner_id - person, own, "of own email tasks only")
        self.env.invalidate_all()
        self.assertLess(own, rows.with_user(self.admin).search([]).partner_id)

    def test_engagement_read_by_other_code(self):
        """A portal page, say, may read all fields of a contact with all rights."""
        self._send(random.Random(5))
        employee = make_user(self.env, "dm_employee_3", "base.group_user")
        [values] = self.people[0].with_user(employee).sudo().read()
        self.assertEqual(values["directmail_received_count"], 0)
        self.assertFalse(values["directmail_engagement"])

    def test_data_table_of_engagement_starts_no_series(self):
        """Rows are made for their reader, so there is no moment at which one is new."""
        [table] = self.env["directmail.data.table"].search([("preset", "=", "engagement")])
        env = self.env(user=self.user, su=False)
        with self.assertRaisesRegex(UserError, "Engagement with emails"):
            table.with_env(env)._check_date_path(env, "last_activity")
        models = {found["model"] for found in table.with_env(env).get_record_placeholders()}
        self.assertNotIn("directmail.contact.engagement", models)

    def test_engagement_of_a_contact_needs_rights(self):
        employee = make_user(self.env, "dm_employee", "base.group_user")
        person = self.people[0].with_user(employee)
        with self.assertRaises(AccessError):
            person.read(["directmail_received_count"])
        self.assertNotIn("directmail_engagement", person.fields_get())

    def test_engagement_leaves_trials_out(self):
        """A trial mails nobody, so it says nothing about people."""
        self._send(random.Random(5))
        line = {"kind": "engagement", "engagement": "received", "engagement_mails": 1}
        self.assertTrue(self._find(line))
        self.env.cr.execute(
            "UPDATE directmail_account SET connection = %s WHERE id = %s", [TRIAL, self.account.id]
        )
        self.assertFalse(self._find(line))

    def test_sunset(self):
        """People who react to nothing become an audience, which drafts leave out."""
        now = fields.Datetime.now()
        self.env.cr.execute(
            "DELETE FROM directmail_delivery WHERE account_id = %s", [self.account.id]
        )
        for person in (0, 0, 1):
            self.env.cr.execute(
                """INSERT INTO directmail_delivery
                          (task_id, account_id, company_id, partner_id, address_key, claimed_at,
                           state)
                   VALUES (%s, %s, %s, %s, 'k' || nextval('directmail_delivery_id_seq'), %s,
                           'sent')""",
                [
                    self.tasks[0].id, self.account.id, self.company.id, self.people[person].id,
                    now - timedelta(days=2),
                ],
            )  # fmt: skip
        form = Form(self.env["directmail.engagement"].with_user(self.user))
        form.mails = 2
        self.assertEqual((form.unanswered_count, form.cooling_count), (1, 2))
        form.task_ids.add(self.tasks[0])
        action = form.save().action_make_audience()
        audience = self.env["directmail.audience"].browse(action["res_id"]).with_user(self.user)
        self.assertEqual(audience.member_ids.partner_id, self.people[0])
        self.assertIn("none of their last 2 emails", audience.line_ids.sentence)
        self.assertEqual(self.tasks[0].exclude_audience_ids, audience)
        self.assertFalse(self.tasks[1].exclude_audience_ids)

    def test_days_of_which_details_are_deleted(self):
        """Of an account, even an archived one: the line would find nobody, and exclude nobody."""
        line = {
            "kind": "engagement", "engagement": "asleep", "engagement_days": 30,
            "engagement_quiet_days": 90,
        }  # fmt: skip
        person = {"domain": f"[('id', '=', {self.people[0].id})]"}
        audience = self._make_audience(None, lines=[person, {**line, "operator": "except"}])
        audience.action_refresh()
        self.assertEqual(audience.member_ids.partner_id, self.people[0])
        second = self._make_account(name="Second", active=False)
        second.retention_days = 60
        audience.line_ids[0].domain = f"[('id', 'in', {self.people[:2].ids})]"
        audience.action_refresh()
        self.assertIn("deleted after 60 days", audience.refresh_error)
        self.assertEqual(audience.member_ids.partner_id, self.people[0], "the last members stay")
        for engagement, days, quiet_days, is_refused in (
            ("asleep", 30, 60, False),
            ("engaged", 30, 90, False),
            ("engaged", 61, 90, True),
            ("cooling", 30, 90, True),
            ("reacted", 60, 90, False),
            ("reacted", 61, 90, True),
            ("opened", 61, 90, True),
            ("opened", 0, 90, False),
            ("unanswered", 90, 90, False),
        ):
            values = {
                "engagement": engagement, "engagement_days": days,
                "engagement_quiet_days": quiet_days,
            }  # fmt: skip
            refused = self.assertRaisesRegex(UserError, "deleted after 60 days")
            with self.subTest(values), refused if is_refused else nullcontext():
                audience.line_ids[1].write(values)
        audience.action_refresh()
        self.assertFalse(audience.refresh_error)
        page = self.env["directmail.engagement"].with_user(self.user).create({"quiet_days": 61})
        self.assertFalse(page.is_counted)
        self.assertIn("deleted after 60 days", page.count_error)
        page.quiet_days = 60
        self.assertTrue(page.is_counted)
        self.assertFalse(page.count_error)

    def test_wrong_numbers_of_engagement(self):
        line = {"kind": "engagement", "engagement": "asleep"}
        for values, message in (
            ({"engagement_days": 0}, "days"),
            ({"engagement_quiet_days": 29}, "fall asleep"),
            ({"engagement": "unanswered", "engagement_mails": 0}, "emails"),
            ({"engagement": "received", "engagement_days": -1}, "negative"),
            ({"engagement": False}, "Choose"),
        ):
            with self.subTest(values), self.assertRaisesRegex(UserError, message):
                self._make_audience(None, lines=[{**line, **values}])
