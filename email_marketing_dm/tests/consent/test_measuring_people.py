from odoo.exceptions import UserError
from odoo.tests import tagged

from ...engine.plan import insert_deliveries
from ..common import start_task
from ..common_measuring import PERSON, MeasuringCommon
from ..common_upload import UploadMixin


@tagged("post_install", "-at_install")
class TestMeasuringPeople(UploadMixin, MeasuringCommon):
    """Answers of people at the moment of a claim, merged, re-keyed, erased and uploaded."""

    def _refuse_unseen(self, task, person):
        """Let a person refuse as a transaction does that the claim did not see."""
        self._answer(person, "no")
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE directmail_delivery SET measuring = NULL WHERE id = %s",
            [self._by_person(task)[person].id],
        )
        self.env.invalidate_all()

    def test_refusal_at_the_claim(self):
        """The mail names the person; facts and lists go by the answer as it is now."""
        task = self._send(self.cat + self.dan)
        self._refuse_unseen(task, self.dan)
        for result in ("not_opened", "not_clicked"):
            audience = self._make_audience(
                None, lines=[{"kind": "task", "task_id": task.id, "task_result": result}]
            )
            audience.action_refresh()
            self.assertEqual(audience.member_ids.partner_id, self.cat, result)
        wizard = self.env["directmail.task.follow.up"].with_user(self.user)
        told = wizard.count_people(task.id, "not_opened")
        self.assertEqual(told["people"], 1)
        self.assertTrue(told["note"].endswith("measured: 1"), told["note"])
        self._hit(task, self.dan)
        self._apply()
        self.assertFalse(self._get_facts(task))
        self.assertEqual((task.anonymous_open_count, task.anonymous_click_count), (1, 1))

    def test_refusal_while_the_mail_waits(self):
        task = self._make_task(self._make_audience(self.cat + self.dan), self.template)
        task.action_send()
        start_task(task.sudo())
        self._answer(self.dan, "no")
        rows = self._by_person(task)
        self.assertEqual((rows[self.cat].measuring, rows[self.dan].measuring), (False, "no"))
        self._run_cron()
        self.assertEqual(self._by_person(task)[self.dan].measuring, "no")
        pixel, _link, token = self._read_mail(task, self.dan)
        self.assertNotIn(token, pixel)

    def test_a_fact_that_came_during_the_erasure_is_not_kept(self):
        task = self._send(self.dan)
        row = self._by_person(task)[self.dan]
        self._answer(self.dan, "no")
        row._erase_reactions()
        # As the transaction inserted it that had not seen the refusal yet.
        self.env.cr.execute(
            """WITH fact AS (
                   INSERT INTO directmail_event (kind, source, occurred_at, company_id,
                                                 account_id, delivery_id)
                   SELECT kind, 'own', now(), company_id, account_id, id
                     FROM directmail_delivery, (VALUES ('open'), ('click')) AS kinds (kind)
                    WHERE id = %s RETURNING id, company_id)
               INSERT INTO directmail_event_pending (id, company_id) SELECT * FROM fact""",
            [row.id],
        )
        self._apply()
        self.assertFalse(self._get_facts(task))
        row = self._by_person(task)[self.dan]
        self.assertFalse(row.opened_at or row.clicked_at or row.open_count or row.click_count)
        self.assertEqual((task.anonymous_open_count, task.anonymous_click_count), (1, 1))
        self.assertEqual((task.opened_count, task.clicked_count), (0, 0))

    # === MERGING === #

    def _merge(self, merged, kept):
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((merged + kept).ids, kept)
        self.env.invalidate_all()

    def _expect_measured(self, person, measured):
        task = self._make_task(self._make_audience(person), self.template)
        self.assertEqual(task.sudo()._estimate_people().unmeasured, 0 if measured else 1)

    def test_merging_keeps_a_refusal(self):
        """The answer of the contact that goes counts at the address that stays."""
        earlier = self._send(self.dan)
        self._answer(self.cat, "no")
        proof = self.env["directmail.consent"].search([("partner_id", "=", self.cat.id)])
        self._merge(self.cat, self.dan)
        self.assertEqual(self.dan.directmail_measuring, "no")
        self._expect_measured(self.dan, False)
        self.assertEqual(self._by_person(earlier)[self.dan].measuring, "withdrawn")
        consents = self.env["directmail.consent"].search([("partner_id", "=", self.dan.id)])
        self.assertEqual(set(consents.mapped("email")), {"m2@example.com", "m3@example.com"})
        self.assertEqual(consents.mapped("answer"), ["no", "no"])
        self.assertEqual(set(consents.mapped("recorded_at")), {proof.recorded_at})
        self.assertEqual(consents.user_id, self.user)
        # Their answer from now on.
        self._answer(self.dan, "yes")
        self._expect_measured(self.dan, True)

    def test_merging_two_answers_the_latest_counts(self):
        for first, second in (("no", "yes"), ("yes", "no")):
            with self.subTest(latest=second):
                gone, kept = self._make_people(
                    f"gone-{second}@example.com", f"{second}@example.com"
                )
                self._answer(kept, first)
                self.env.cr.execute(
                    """UPDATE directmail_consent SET recorded_at = recorded_at - interval '1 day'
                        WHERE partner_id = %s""",
                    [kept.id],
                )
                self._answer(gone, second)
                self._merge(gone, kept)
                self._expect_measured(kept, second == "yes")
                bare = self._make_people(f"gone-{second}@example.com")
                self._expect_measured(bare, second == "yes")
                answers = self.env["directmail.consent"].search([("partner_id", "=", kept.id)])
                self.assertEqual(sorted(answers.mapped("answer")), sorted([first, second, second]))

    def test_merging_answers_of_other_companies(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        person = self.env["directmail.consent"]._find_person(self.cat)[0]
        self.env["directmail.consent"]._add(company, person, "no", "api")
        self._merge(self.cat, self.dan)
        self.assertEqual(self.dan.directmail_measuring, "not_asked")
        self.assertEqual(self.dan.with_company(company).directmail_measuring, "no")

    def test_merging_without_the_master_key(self):
        self._answer(self.cat, "no")
        self._answer(self.dan, "yes")
        self.env.cr.execute(
            """UPDATE directmail_consent SET recorded_at = recorded_at - interval '1 day'
                WHERE partner_id = %s""",
            [self.dan.id],
        )
        with self._on_server_with():
            self._merge(self.cat, self.dan)
        self.assertEqual(self.dan.directmail_measuring, "no")

    # === ANOTHER MASTER KEY === #

    def _count_unmeasured(self, people):
        """Plan a task on this server, whose account may not send. :return: people by name"""
        task = self._make_task(self._make_audience(people), self.template)
        task.sudo()._refresh_audiences()
        self.env.flush_all()
        insert_deliveries(self.env, task.sudo()._get_task_plan())
        self.env.invalidate_all()
        return {d.partner_id.email: d.measuring for d in task.sudo().delivery_ids}

    def test_answers_are_rekeyed(self):
        self._answer(self.ann, "yes")
        self._answer(self.dan, "no")
        self._answer(self.cat, "no")
        self._answer(self.cat, "yes")
        with self._on_server_with():
            self._rekey()
            self.assertEqual(
                self._count_unmeasured(self.people),
                {
                    "m0@example.com": False,  # France, but asked
                    "m1@example.com": "no",
                    "m2@example.com": False,  # the latest answer
                    "m3@example.com": "no",
                },
            )

    def test_an_unmatched_refusal_may_be_anybodys(self):
        """Erased: nothing tells whose the refusal was, once the master key is lost."""
        self._answer(self.ann, "yes")
        self._answer(self.dan, "no")
        self.env["directmail.erasure"].with_user(self.admin).create(
            {"partner_ids": [(6, 0, self.dan.ids)]}
        ).action_erase()
        with self._on_server_with():
            self._rekey()
            consent = self.env["directmail.consent"].sudo().search([("answer", "=", "no")])
            self.assertTrue(consent.address_key.startswith("!"))
            self.assertEqual(
                self._count_unmeasured(self.people),
                {
                    "m0@example.com": False,
                    "m1@example.com": "no",
                    "m2@example.com": "no",
                    "m3@example.com": "no",
                },
            )
            # The person is asked again: their own answer counts.
            self._answer(self.cat, "yes")
            self.assertFalse(self._count_unmeasured(self.people)["m2@example.com"])

    # === UPLOADS === #

    def _import(self, text, answer, user=None, **vals):
        return self._upload(text, user, consent_measuring=answer, **vals)

    def _get_answers(self, **conditions):
        return self.env["directmail.consent"].search(
            [(name, "=", value) for name, value in conditions.items()], order="email, id"
        )

    def test_an_upload_records_refusals(self):
        """Of contacts and bare addresses, once each, with the uploader's answer as proof."""
        earlier = self._send(self.dan)
        text = "m3@example.com\nM3@example.com\nbare@example.com\nm2@example.com\n"
        upload = self._import(text, "no")
        self.assertEqual((upload.state, upload.consent_recorded_count), ("done", 3))
        answers = self._get_answers(origin="import")
        self.assertEqual(
            [(row.email, row.partner_id, row.answer) for row in answers],
            [
                ("bare@example.com", self.env["res.partner"], "no"),
                ("m2@example.com", self.cat, "no"),
                ("m3@example.com", self.dan, "no"),
            ],
        )
        self.assertEqual(answers.user_id, self.user)
        self.assertEqual(
            set(answers.mapped("text")),
            {"Did they agree to their opens and clicks being recorded? No, all of them refused"},
        )
        self.assertEqual(self._by_person(earlier)[self.dan].measuring, "withdrawn")
        self._expect_measured(self.dan, False)
        self._import(text, "no")
        self.assertEqual(len(self._get_answers(origin="import")), 3, "nothing new")

    def test_an_upload_does_not_undo_a_refusal(self):
        self._answer(self.dan, "no")
        self._answer(self.cat, "yes")
        upload = self._import("m0@example.com\nm2@example.com\nm3@example.com\n", "yes")
        self.assertEqual((upload.consent_recorded_count, upload.consent_refused_count), (1, 1))
        self.assertEqual(self._get_answers(origin="import").partner_id, self.ann)
        self._expect_measured(self.ann, True)
        self._expect_measured(self.dan, False)

    def test_an_upload_of_people_who_were_not_asked(self):
        upload = self._upload("m3@example.com\nbare@example.com\n")
        self.assertEqual((upload.consent_measuring, upload.state), ("unasked", "done"))
        self.assertFalse(self._get_answers())

    def test_an_upload_answers_for_contacts_that_its_owner_may_change(self):
        """They may be read by everybody here, but written by none except those of France."""
        self.env["ir.rule"].create(
            {
                "name": "Only France",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": "[('country_id.code', '=', 'FR')]",
                "perm_read": False,
            }
        )
        self._import("m0@example.com\nm3@example.com\n", "no")
        self.assertEqual(self._get_answers(origin="import").partner_id, self.ann)
        with self.assertRaisesRegex(UserError, "You may not change contacts"):
            self._import("m3@example.com\n", "yes", self.other)

    # === ERASURE === #

    def test_erasing_keeps_the_latest_answer_only_under_the_key(self):
        task = self._send(self.dan)
        _pixel, _link, token = self._read_mail(task, self.dan)
        self.url_open(
            f"/directmail/unsubscribe/{token}/measuring", {"answer": "no"}, headers=PERSON
        )
        self._answer(self.dan, "yes")
        self._answer(self.dan, "no")
        consents = self.env["directmail.consent"].search([("partner_id", "=", self.dan.id)])
        self.assertEqual(len(consents), 3)
        self._import_results(task)
        self.env["directmail.erasure"].with_user(self.admin).create(
            {"partner_ids": [(6, 0, self.dan.ids)]}
        ).action_erase()
        self.env.cr.execute(
            """SELECT string_agg(to_jsonb(c)::text, ' ') FROM directmail_consent c
                WHERE id = ANY(%s)""",
            [consents.ids],
        )
        [stored] = self.env.cr.fetchone()
        for word in ("m3@", "Mozilla", "127.0.0.1"):
            self.assertNotIn(word, stored)
        self.assertFalse(consents.partner_id or consents.delivery_id)
        self._expect_measured(self.dan, False)
