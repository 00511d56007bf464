from collections import Counter
from random import Random, SystemRandom

from psycopg2.errors import ForeignKeyViolation

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from ...engine import plan
from ...engine.sql import UNMATCHABLE
from ..common import make_user, run_migration, start_task
from ..common_mailing_consent import MailingConsentCommon, MailingConsentOracle
from ..common_series import SeriesMixin

ROUNDS = 30
#: Each round makes and sends a series; there are more only until each case of CASES was drawn.
SERIES_ROUNDS, SERIES_ROUNDS_MAX = 3, 20
REASONS = ("topic_refused", "not_agreed")
CASES = {("plan", None), *((moment, reason) for moment in ("plan", "claim") for reason in REASONS)}


@tagged("post_install", "-at_install")
class TestMailingConsent(SeriesMixin, MailingConsentOracle, MailingConsentCommon):
    """Who may be mailed for a topic."""

    # === ORACLE === #

    def test_oracle(self):
        """The SQL judges as a plain reading of the rules, in estimate, plan and claim."""
        random = Random(21)
        task = self._make_task(
            self._make_audience(self.people), self.template, purpose_id=self.offers.id
        )
        task.audience_ids.action_refresh()
        seen = Counter()
        for number in range(ROUNDS):
            drawn = self._draw(random)
            found = dict(
                self.env.execute_query(
                    SQL(
                        "WITH %s SELECT partner_id, reason FROM judged",
                        plan.select_judged(self.env, task.sudo()._get_task_plan()),
                    )
                )
            )
            wanted = {partner.id: reason for partner, reason in self._judge_all(drawn).items()}
            self.assertEqual(found, wanted, f"round {number}")
            seen.update(wanted.values())
        self.assertEqual(set(seen), {None, "topic_refused", "not_agreed"})
        fates = {fate.reason: count for fate, count in task._count_fates().items()}
        self.assertEqual(fates, dict(Counter(wanted.values())))
        # Everybody is planned; then the answers change before the claim.
        self.offers.write({"rule": "not_refused", "country_rule_ids": [(5, 0)]})
        self.env.cr.execute(SQL("DELETE FROM directmail_consent"))
        self.env.invalidate_all()
        task.action_send()
        start_task(task.sudo())
        self.assertEqual(set(self._get_fates(task).values()), {"waiting"})
        while len(set(wanted.values())) < 3 or self.offers.rule == "not_refused":
            judged = self._judge_all(self._draw(random))
            wanted = {partner: reason or "sent" for partner, reason in judged.items()}
        self._run_cron()
        self.assertEqual(self._get_fates(task), wanted)
        self.assertSumRule(task)

    def _start_series(self):
        """Start a series of one mail about the topic, and let its email task begin."""
        series = (
            self.env["directmail.series"]
            .with_user(self.user)
            .create(
                {
                    "name": "Offers",
                    "account_id": self.account.id,
                    "audience_id": self.audience.id,
                    "sender_id": self.sender.id,
                    "purpose_id": self.offers.id,
                    "entry": "all",
                    "step_ids": [Command.create({"template_id": self.template.id})],
                }
            )
        )
        series.action_start()
        self._run_cron()
        return series

    def test_oracle_of_a_series(self):
        """The mail step of a series judges as a plain reading of the rules, in plan and claim."""
        self.audience = self._make_audience(self.people)
        self.audience.action_refresh()
        seed = SystemRandom().getrandbits(32)
        random, seen = Random(seed), set()
        for number in range(SERIES_ROUNDS_MAX):
            if number >= SERIES_ROUNDS and seen >= CASES:
                break
            with self.subTest(seed=seed, number=number):
                series = self._start_series()
                planned = self._judge_all(self._draw(random))
                self._advance()
                task = series.step_ids.task_ids
                fates = self._get_fates(task)
                self.assertEqual(
                    fates, {one: reason or "waiting" for one, reason in planned.items()}
                )
                # The answers and rules change after the plan; the claim asks again.
                claimed = self._judge_all(self._draw(random))
                self._run_cron()
                wanted = {one: planned[one] or claimed[one] or "sent" for one in self.people}
                self.assertEqual(self._get_fates(task), wanted)
                self.assertSumRule(task)
                seen.update(("plan", reason) for reason in planned.values())
                waiting = (one for one in self.people if planned[one] is None)
                seen.update(("claim", claimed[one]) for one in waiting)
                series.action_stop()
        self.assertLessEqual(CASES, seen, f"seed {seed}")

    def test_the_strictest_rule_for_a_country_counts(self):
        """A group of countries has those that are in it now."""
        ann = self.people[0]
        ann.country_id = self.countries[1]
        self._answer(ann, "yes")
        group = self.groups[0]
        self.offers.country_rule_ids = [
            (0, 0, {"country_ids": [(6, 0, self.countries.ids)], "rule": "not_refused"}),
            (0, 0, {"country_group_ids": [(6, 0, group.ids)], "rule": "confirmed"}),
            (0, 0, {"country_ids": [(6, 0, self.countries.ids)], "rule": "opt_in"}),
        ]
        self.assertEqual(self.offers._get_rule(self.countries[1]), "confirmed")
        everybody = ann + self.people[1]
        self.assertEqual(self._get_fates(self._plan(everybody))[ann], "not_agreed")
        group.country_ids -= self.countries[1]
        self.assertEqual(self.offers._get_rule(self.countries[1]), "opt_in")
        self.assertEqual(self._get_fates(self._plan(everybody))[ann], "waiting")
        copied = self.offers.copy().country_rule_ids
        self.assertEqual(copied.mapped("rule"), ["not_refused", "confirmed", "opt_in"])

    def test_a_rule_without_countries(self):
        with self.assertRaises(ValidationError):
            self.offers.country_rule_ids = [(0, 0, {"rule": "opt_in"})]
        other = self.env["res.company"].create({"name": "Other"})
        foreign = self.env["directmail.purpose"].create({"name": "X", "company_id": other.id})
        values = {"country_ids": [(6, 0, self.countries.ids)]}
        rule = self.env["directmail.purpose.rule"].create({**values, "purpose_id": foreign.id})
        for user in (self.user, self.admin):
            rules = rule.with_user(user)
            with self.assertRaises(AccessError):
                rules.read(["rule"])
            with self.assertRaises(AccessError):
                rules.create({**values, "purpose_id": foreign.id})
        own = rule.with_user(self.admin).create({**values, "purpose_id": self.offers.id})
        with self.assertRaises(AccessError):
            own.with_user(self.user).rule = "opt_in"

    def test_a_country_group_with_a_rule_stays(self):
        """Without it, people would be mailed by the topic's own, less strict rule."""
        group = self.groups[0]
        command = (0, 0, {"country_group_ids": [(6, 0, group.ids)], "rule": "confirmed"})
        self.offers.write({"rule": "not_refused", "country_rule_ids": [(5, 0), command]})
        self.env.flush_all()
        with (
            self.assertRaises(ForeignKeyViolation),
            mute_logger("odoo.sql_db"),
            self.env.cr.savepoint(),
        ):
            group.unlink()
        self.env.invalidate_all()
        self.assertEqual(self.offers._get_rule(self.countries[1]), "confirmed")

    def test_countries_of_earlier_versions(self):
        """Until 19.0.1.11.0 a topic had one rule for some countries."""
        self.env.flush_all()
        self.env.cr.execute(
            """DROP TABLE IF EXISTS directmail_purpose_res_country_rel;
               CREATE TABLE directmail_purpose_res_country_rel
                      (directmail_purpose_id integer, res_country_id integer);
               ALTER TABLE directmail_purpose ADD COLUMN strict_rule varchar;
               UPDATE directmail_purpose SET strict_rule = 'opt_in'"""
        )
        for country in self.countries[:2]:
            self.env.cr.execute(
                "INSERT INTO directmail_purpose_res_country_rel VALUES (%s, %s)",
                [self.offers.id, country.id],
            )
        run_migration(self.env.cr, "19.0.1.13.0/post-purpose_rules.py")
        self.env.invalidate_all()
        self.assertEqual(self.offers.country_rule_ids.country_ids, self.countries[:2])
        self.assertEqual(self.offers.country_rule_ids.rule, "opt_in")
        self.assertFalse(self.news.country_rule_ids)

    # === WHAT COUNTS === #

    def test_notices_and_tasks_without_a_topic_are_as_before(self):
        self.offers.rule = "confirmed"
        ann, bob = self.people[:2]
        self._answer(ann, "no")
        self.consents._add_mailing(self.offers, self.persons[bob], "confirmed", "form")
        for values in ({"purpose_id": False}, {"is_notification": True}):
            with self.subTest(values):
                self.assertEqual(self._get_fates(self._plan(ann, **values)), {ann: "waiting"})
        fates = self._get_fates(self._plan(ann + bob))
        self.assertEqual(fates, {ann: "topic_refused", bob: "waiting"})

    def test_a_refusal_that_cannot_be_matched(self):
        """It may be anybody's: nobody without an answer is mailed."""
        ann, bob, cat = self.people[:3]
        self._answer(ann, "yes")
        refusal = self._answer(cat, "no").sudo()
        self.env.cr.execute(
            SQL(
                """UPDATE directmail_consent SET address_key = %s, email = NULL, partner_id = NULL
                    WHERE id = %s""",
                UNMATCHABLE + "1",
                refusal.id,
            )
        )
        self.env.invalidate_all()
        fates = self._get_fates(self._plan(ann + bob))
        self.assertEqual(fates, {ann: "waiting", bob: "unverifiable"})

    def test_a_plain_yes_does_not_take_back_a_confirmation(self):
        ann = self.people[0]
        self.consents._add_mailing(self.offers, self.persons[ann], "confirmed", "form")
        self.assertFalse(self._answer(ann, "yes"))
        self.assertEqual(self._answer(ann, "no").answer, "withdrawn")
        self.assertEqual(self._answer(ann, "yes").answer, "yes")

    def test_rights(self):
        """Who may change the contact may answer for it; topics are the administrators'."""
        ann = self.people[0]
        for groups in ("base.group_user", "base.group_portal"):
            outsider = make_user(self.env, f"outsider {groups}", groups)
            with self.assertRaises(AccessError):
                self.consents.with_user(outsider)._answer_mailing_for(
                    ann.with_user(outsider), self.offers.with_user(outsider), "yes", ""
                )
            with self.assertRaises(AccessError):
                self.offers.with_user(outsider).read(["name"])
        reader = make_user(self.env, "reader", "base.group_user,email_marketing_dm.group_user")
        with self.assertRaises(AccessError):
            self.consents.with_user(reader)._answer_mailing_for(
                ann.with_user(reader), self.offers.with_user(reader), "yes", ""
            )
        with self.assertRaises(AccessError):
            self.offers.with_user(self.user).write({"rule": "confirmed"})
        other = self.env["res.company"].create({"name": "Other"})
        foreign = self.env["directmail.purpose"].create({"name": "X", "company_id": other.id})
        with self.assertRaises(AccessError):
            self._answer(ann, "yes", foreign)
        dialog = {
            "partner_id": ann.id,
            "purpose_id": self.offers.id,
            "answer": "no",
            "note": "Fair",
        }
        dialogs = self.env["directmail.consent.answer"]
        dialogs.with_user(self.user).create(dialog).action_record()
        found = self.consents.search([("partner_id", "=", ann.id)])
        self.assertEqual((found.answer, found.note, found.user_id), ("no", "Fair", self.user))
        with self.assertRaises(AccessError):
            dialogs.with_user(reader).create(dialog).action_record()
        with self.assertRaises(AccessError):
            self.consents.with_user(self.user).create(
                {"answer": "yes", "purpose": "mailing", "purpose_id": self.offers.id}
            )

    def test_proof(self):
        """As PDF and JSON, with the rights to the contact."""
        ann = self.people[0]
        self._answer(ann, "yes")
        html, _kind = (
            self.env["ir.actions.report"]
            .with_user(self.user)
            ._render_qweb_html("email_marketing_dm.consent_proof", ann.ids)
        )
        for text in (b"Offers", b"Yes", b"By telephone", self.user.name.encode()):
            self.assertIn(text, html)
        self.user.password = "proof-of-consent"
        self.authenticate(self.user.login, "proof-of-consent")
        url = ann.with_user(self.user).action_export_directmail_consents()["url"]
        [answer] = self.url_open(url).json()["answers"]
        told = [answer[name] for name in ("topic", "answer", "origin", "note", "entered_by")]
        self.assertEqual(told, ["Offers", "yes", "contact", "By telephone", self.user.name])
        make_user(self.env, "stranger", "base.group_user").password = "proof-of-consent"
        self.authenticate("stranger", "proof-of-consent")
        self.assertEqual(self.url_open(url).status_code, 404)

    def test_answers_from_before_an_address_was_a_contact(self):
        new, theirs = self._make_people("new@example.com", "theirs@example.com")
        other = self.env["res.company"].create({"name": "Other"})
        theirs.company_id = other
        people = {partner: self.consents._find_person(partner)[0] for partner in new + theirs}
        bare = [{**person, "partner_id": False} for person in people.values()]
        for person in bare:
            self.consents._add_mailing(self.offers, person, "yes", "import")
        erased = self.consents._add_mailing(self.news, bare[0], "no", "page")
        erased.email = False
        proofs = {}
        for user in (self.user, self.admin):
            new.with_user(user).action_export_directmail_consents()
            proofs[user] = self.consents.with_user(user)._find_proofs(new.with_user(user))
        self.assertFalse(proofs[self.user], "anybody can make a contact of an address they guess")
        found = proofs[self.admin]
        self.assertEqual((found.purpose_id, found.partner_id), (self.offers, new))
        self.assertEqual(self.consents.with_user(self.user)._find_proofs(new), found)
        new.with_user(self.admin).action_view_directmail_consents()
        self.assertFalse(erased.partner_id, "an erasure is not undone")
        theirs.action_view_directmail_consents()
        rows = self.consents.search([("email", "=", "theirs@example.com")])
        self.assertFalse(rows.partner_id, "the answer to this company is not that one's")

    def test_who_guesses_an_encrypted_address_does_not_get_its_answers(self):
        guessed = self._make_people("guessed@example.com")
        [person] = self.consents._find_person(guessed)
        encrypted = {"address_key": person["address_key"], "email_encrypted": "secret"}
        row = self.consents._add_mailing(self.offers, encrypted, "yes", "import")
        for user in (self.user, self.admin):
            mine = guessed.with_user(user)
            mine.action_export_directmail_consents()
            mine.action_view_directmail_consents()
            self.assertFalse(row.partner_id)
            self.assertFalse(self.consents.with_user(user)._find_proofs(mine))

    def test_other_programs_record_answers(self):
        ann, bob = self.people[:2].with_user(self.user)
        record, topic = (ann + bob).directmail_record_answer, self.offers.id
        proof = {"text": "I want offers", "text_version": "7", "ip": "198.51.100.7"}
        self.assertEqual(record(topic, "yes", "Order\nSO1", "order", proof), 2)
        self.assertEqual(record(topic, "confirmed", "Shop, link of May 2"), 2)
        self.assertEqual(record(topic, "yes", "Order SO2", "order"), 0, "they have confirmed")
        self.assertEqual(ann.directmail_record_answer(topic, "no", "Shop"), 1)
        rows = self.consents.search([("partner_id", "=", ann.id)], order="id")
        self.assertEqual(
            [(row.answer, row.origin, row.user_id) for row in rows],
            [
                ("yes", "order", self.user),
                ("confirmed", "api", self.user),
                ("withdrawn", "api", self.user),
            ],
        )
        self.assertEqual((rows[0].note, rows[0].text_version), ("Order SO1", "7"))
        for wrong in (
            (topic, "withdrawn", "x"),
            (topic, "yes", " "),
            (topic, "yes", None),
            (topic, "yes", "x", "page"),
            (topic, "yes", "x", "api", {"answer": "no"}),
            (topic, "yes", "x", "api", {"ip": 7}),
            (topic, "yes", "x", "api", "junk"),
            (0, "yes", "x"),
            ("x", "yes", "x"),
            ([topic], "yes", "x"),
        ):
            with self.subTest(wrong), self.assertRaises(UserError):
                record(*wrong)
        with self.assertRaises(UserError):
            self._make_people(False).with_user(self.user).directmail_record_answer(
                topic, "yes", "x"
            )
        outsider = make_user(self.env, "outsider", "base.group_partner_manager")
        with self.assertRaises(AccessError):
            ann.with_user(outsider).directmail_record_answer(topic, "yes", "x")
        with self.assertRaises(AccessError):
            ann.with_user(outsider).action_export_directmail_consents()
        # As an automation rule does when a salesperson without the app confirms an order.
        of_rule = ann.with_user(outsider).sudo()
        self.assertEqual(of_rule.directmail_record_answer(topic, "yes", "Order SO3", "order"), 1)

    def test_erasure_keeps_the_answer_under_the_key(self):
        ann, bob = self.people[:2]
        self._answer(ann, "no")
        self._answer(bob, "yes")
        dialogs = self.env["directmail.erasure"].with_user(self.admin)
        dialogs.create({"partner_ids": [(6, 0, ann.ids)]}).action_erase()
        self.env.invalidate_all()
        kept = self.consents.search([("answer", "=", "no"), ("purpose", "=", "mailing")])
        self.assertEqual(kept.address_key, self.persons[ann]["address_key"])
        self.assertFalse(kept.partner_id or kept.email or kept.note)
        self.assertEqual(
            self._get_fates(self._plan(ann + bob)), {ann: "topic_refused", bob: "waiting"}
        )

    # === MERGING === #

    def test_merging_contacts_keeps_the_answers_about_each_topic(self):
        """A confirmation is that of one mailbox; at another it counts as an agreement."""
        gone, kept = self.people[:2]
        self.consents._add_mailing(self.offers, self.persons[gone], "confirmed", "page")
        self._answer(gone, "no", self.news)
        self._answer(kept, "yes", self.news)
        self.env.cr.execute(
            """UPDATE directmail_consent SET recorded_at = recorded_at - interval '1 day'
                WHERE partner_id = %s""",
            [kept.id],
        )
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((gone + kept).ids, kept)
        self.env.invalidate_all()
        keys = [self.persons[partner]["address_key"] for partner in (gone, kept)]
        self.assertEqual(
            [self.consents._get_mailing_answer(self.offers, key) for key in keys],
            ["confirmed", "yes"],
        )
        self.assertEqual(
            [self.consents._get_mailing_answer(self.news, key) for key in keys], ["no", "no"]
        )
        notes = self.consents.search([("partner_id", "=", kept.id)]).mapped("note")
        self.assertIn("By telephone", notes)
