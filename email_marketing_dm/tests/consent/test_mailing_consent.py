from collections import Counter
from datetime import datetime, timedelta
from random import Random

from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import SQL

from ...engine import plan
from ...engine.content import TOKEN_KIND, get_database_uuid
from ...engine.sql import UNMATCHABLE
from ...models.consent.directmail_purpose import RULES
from ...privacy.tokens import make_token
from ..common import DirectmailMixin, make_user, start_task
from ..common_http import PatientHttpCase

ROUNDS, PEOPLE = 30, 40
START = datetime(2026, 3, 1)


@tagged("post_install", "-at_install")
class TestMailingConsent(DirectmailMixin, PatientHttpCase):
    """Who may be mailed for a topic, and the page on which recipients choose theirs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.consents = cls.env["directmail.consent"]
        cls.company = cls.account.company_id
        cls.user.group_ids += cls.env.ref("base.group_partner_manager")
        cls.offers, cls.news = cls.env["directmail.purpose"].create(
            [{"name": "Offers", "company_id": cls.company.id} for _number in range(2)]
        )
        cls.news.name = "News"
        cls.template = cls._make_template()
        cls.people = cls._make_people(*(f"c{number}@example.com" for number in range(PEOPLE)))
        cls.countries = cls.env.ref("base.de") + cls.env.ref("base.ca") + cls.env.ref("base.sg")
        cls.persons = {partner: cls.consents._find_person(partner)[0] for partner in cls.people}

    def _plan(self, people=None, **vals):
        task = self._make_task(
            self._make_audience(self.people if people is None else people),
            self.template,
            **{"purpose_id": self.offers.id, **vals},
        )
        task.action_send()
        start_task(task.sudo())
        return task

    def _get_fates(self, task):
        self.env.invalidate_all()
        return {row.partner_id: row.reason or row.state for row in task.sudo().delivery_ids}

    def _answer(self, partner, answer, purpose=None):
        return self.consents.with_user(self.user)._answer_mailing_for(
            partner.with_user(self.user),
            (purpose or self.offers).with_user(self.user),
            answer,
            "By telephone",
        )

    # === ORACLE === #

    def _draw(self, random):
        """Draw rules, countries and answers; return {partner: [(time, purpose, answer)]}."""
        rules = [rule for rule, _label in RULES]
        self.offers.write(
            {
                "rule": random.choice(rules),
                "strict_rule": random.choice(rules),
                "strict_country_ids": [
                    (6, 0, random.sample(self.countries.ids, random.randrange(3)))
                ],
            }
        )
        self.env.cr.execute(SQL("DELETE FROM directmail_consent"))
        self.env.invalidate_all()
        drawn, rows = {}, []
        for partner in self.people:
            partner.country_id = random.choice([*self.countries, self.env["res.country"]])
            times = sorted(random.randrange(6) for _answer in range(random.randrange(5)))
            drawn[partner] = [
                (
                    START + timedelta(hours=time),
                    random.choice((self.offers, self.offers, self.news, None)),
                    random.choice(("yes", "no", "withdrawn", "confirmed")),
                )
                for time in times
            ]
            rows += [
                {
                    **self.persons[partner],
                    "company_id": self.company.id,
                    "purpose": "mailing",
                    "purpose_id": purpose and purpose.id,
                    "answer": answer,
                    "origin": "api",
                    "recorded_at": time,
                }
                for time, purpose, answer in drawn[partner]
            ]
        self.consents.create(rows)
        self.env.flush_all()
        return drawn

    def _judge_plainly(self, partner, answers):
        """Return the reason why the person gets no mail, by the words of the guide."""
        answer, agreed = None, None
        for _time, purpose, said in answers:
            if purpose == self.offers:
                answer = agreed = said
            elif purpose is None and answer in ("yes", "confirmed", None):
                # Leaving all mail ends an agreement; undoing that brings it back.
                answer = None if said in ("no", "withdrawn") else agreed
        if answer in ("no", "withdrawn"):
            return "topic_refused"
        strict = partner.country_id and partner.country_id in self.offers.strict_country_ids
        rule = self.offers.strict_rule if strict else self.offers.rule
        enough = {
            "not_refused": (None, "yes", "confirmed"),
            "opt_in": ("yes", "confirmed"),
            "confirmed": ("confirmed",),
        }
        return None if answer in enough[rule] else "not_agreed"

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
            wanted = {
                partner.id: self._judge_plainly(partner, answers)
                for partner, answers in drawn.items()
            }
            self.assertEqual(found, wanted, f"round {number}")
            seen.update(wanted.values())
        self.assertEqual(set(seen), {None, "topic_refused", "not_agreed"})
        fates = {fate.reason: count for fate, count in task._count_fates().items()}
        self.assertEqual(fates, dict(Counter(wanted.values())))
        # Everybody is planned; then the answers change before the claim.
        self.offers.write({"rule": "not_refused", "strict_country_ids": [(5, 0)]})
        self.env.cr.execute(SQL("DELETE FROM directmail_consent"))
        self.env.invalidate_all()
        task.action_send()
        start_task(task.sudo())
        self.assertEqual(set(self._get_fates(task).values()), {"waiting"})
        while len(set(wanted.values())) < 3 or self.offers.rule == "not_refused":
            drawn = self._draw(random)
            wanted = {
                partner: self._judge_plainly(partner, answers) or "sent"
                for partner, answers in drawn.items()
            }
        self._run_cron()
        self.assertEqual(self._get_fates(task), wanted)
        self.assertSumRule(task)

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

    # === PAGE === #

    def _open(self, partner):
        """Plan a task for a person, and return the address of their page."""
        task = self._plan(partner, purpose_id=False)
        key = self.env["directmail.keyring"]._get_master_key()
        uuid = get_database_uuid(self.env)
        token = make_token(key, uuid, TOKEN_KIND, task.sudo().delivery_ids.id)
        return f"/directmail/unsubscribe/{token}"

    def _choose(self, page, *ticked, shown=None):
        shown = self.offers + self.news if shown is None else shown
        response = self.url_open(
            f"{page}/topics", {"shown": shown.ids, "topic": [topic.id for topic in ticked]}
        )
        self.assertEqual(response.status_code, 200)
        self.env.invalidate_all()
        return response

    def _read_answers(self, partner):
        rows = self.consents.search([("partner_id", "=", partner.id)], order="id")
        return [(row.purpose_id.name or "all", row.answer, row.origin) for row in rows]

    def test_topics_on_the_page(self):
        ann = self.people[0]
        self.news.write({"rule": "opt_in", "description": "Once <b>a</b> month"})
        other = self.env["res.company"].create({"name": "Other"})
        self.env["directmail.purpose"].create(
            [
                {"name": "Of another company", "company_id": other.id},
                {"name": "Internal", "company_id": self.company.id, "is_public": False},
                {"name": "Archived", "company_id": self.company.id, "active": False},
            ]
        )
        page = self._open(ann)
        text = self.url_open(page).text
        self.assertIn("Once &lt;b&gt;a&lt;/b&gt; month", text)
        for hidden in ("Of another company", "Internal", "Archived"):
            self.assertNotIn(hidden, text)
        # Following links changes nothing, nor does saving what the page showed.
        self.assertEqual(self.url_open(f"{page}/topics").status_code, 405)
        self._choose(page, self.offers)
        self.assertEqual(self._read_answers(ann), [])
        self._choose(page, self.news)
        self._choose(page, self.news)
        self.assertEqual(
            self._read_answers(ann), [("News", "confirmed", "page"), ("Offers", "no", "page")]
        )
        proof = self.consents.search([("partner_id", "=", ann.id)], limit=1)
        self.assertIn("Once <b>a</b> month", proof.text)
        self.assertTrue(proof.ip and proof.user_agent and proof.text_version and proof.delivery_id)
        self._choose(page)
        self.assertEqual(self._read_answers(ann)[-1], ("News", "withdrawn", "page"))

    def test_only_own_and_shown_topics_are_answered(self):
        ann = self.people[0]
        other = self.env["res.company"].create({"name": "Other"})
        foreign, hidden = self.env["directmail.purpose"].create(
            [
                {"name": "Foreign", "company_id": other.id},
                {"name": "Hidden", "company_id": self.company.id, "is_public": False},
            ]
        )
        page = self._open(ann)
        self._choose(page, shown=foreign + hidden)
        self._choose(page, shown=self.news.browse())
        response = self.url_open(f"{page}/topics", {"shown": ["x", "9" * 5000, "²"]})
        self.assertEqual(response.status_code, 200)
        forged = page[:-1] + ("A" if page[-1] != "A" else "B")
        self.assertEqual(
            self.url_open(f"{forged}/topics", {"shown": self.offers.ids}).status_code, 404
        )
        self.assertEqual(self._read_answers(ann), [])

    def test_leaving_all_mail_is_recorded_and_undone(self):
        ann = self.people[0]
        self.offers.rule = "opt_in"
        self._answer(ann, "yes")
        page = self._open(ann)
        for _attempt in range(2):
            self.url_open(page, {"sure": "yes"})
        self._choose(page, self.news)
        self.assertNotIn("Choose your topics", self.url_open(page).text)
        answers = [("Offers", "yes", "contact"), ("all", "withdrawn", "page")]
        self.env.invalidate_all()
        self.assertEqual(self._read_answers(ann), answers)
        key = self.persons[ann]["address_key"]
        self.assertFalse(self.consents._get_mailing_answer(self.offers, key))
        self.url_open(f"{page}/undo", {"sure": "yes"})
        self.env.invalidate_all()
        self.assertEqual(self._read_answers(ann), [*answers, ("all", "yes", "page")])
        self.assertEqual(self.consents._get_mailing_answer(self.offers, key), "yes")
        self.assertEqual(self._get_fates(self._plan(ann)), {ann: "waiting"})

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
