from odoo.tests import tagged

from ..common_mailing_consent import MailingConsentCommon


@tagged("post_install", "-at_install")
class TestTopicsPage(MailingConsentCommon):
    """The page on which recipients choose their topics."""

    def _open(self, partner):
        """Plan a task for a person, and return the address of their page."""
        task = self._plan(partner, purpose_id=False)
        return f"/directmail/unsubscribe/{self._get_token(task.sudo().delivery_ids)}"

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
            self._read_answers(ann), [("News", "yes", "page"), ("Offers", "no", "page")]
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
        again = self.url_open(f"{page}/undo", {"sure": "yes"}).text
        self.assertIn("You get emails again", again)
        self.assertNotIn("Nothing has changed", again)
        self.env.invalidate_all()
        self.assertEqual(self._read_answers(ann), [*answers, ("all", "yes", "page")])
        self.assertEqual(self.consents._get_mailing_answer(self.offers, key), "yes")
        self.assertEqual(self._get_fates(self._plan(ann)), {ann: "waiting"})
        _agreed, left, undone = self.consents.search([("partner_id", "=", ann.id)], order="id")
        for consent in left + undone:
            self.assertTrue(consent.ip and consent.user_agent and consent.text_version)
            self.assertEqual(consent.lang, "en_US")
        self.assertIn("Which emails should we stop sending you?", left.text)
        self.assertIn(f"Marketing emails from {self.company.name}", left.text)
        self.assertNotIn("All mailings", left.text, "only what was chosen")
        self.assertIn("Get emails again", undone.text)

    def test_leaving_by_one_click_and_undoing_a_mistake(self):
        ann = self.people[0]
        page = self._open(ann)
        self.url_open(page, {"List-Unsubscribe": "One-Click"})
        self.assertNotIn('name="mistake"', self.url_open(page).text)
        done = self.url_open(page, {"scope": "company"}).text
        self.assertIn('name="mistake"', done)
        self.assertIn("Keep my subscription", done)
        self.url_open(f"{page}/undo", {"mistake": "yes"})
        self.env.invalidate_all()
        left, undone = self.consents.search([("partner_id", "=", ann.id)], order="id")
        self.assertEqual((left.origin, undone.origin), ("one_click", "page"))
        self.assertTrue(left.ip and left.user_agent)
        self.assertFalse(left.text, "a mail program shows its own text")
        self.assertIn("Was it a mistake?", undone.text)

    def test_leaving_again_after_signing_up_again_is_recorded(self):
        ann = self.people[0]
        page = self._open(ann)
        for _attempt in range(2):
            self.url_open(page, {"sure": "yes"})
        # As a confirmed sign-up does.
        self.env["directmail.optout"].search([("partner_id", "=", ann.id)]).unlink()
        self.consents._add_mailing(self.offers, self.persons[ann], "confirmed", "form")
        for _attempt in range(2):
            self.url_open(page, {"sure": "yes"})
        self.env.invalidate_all()
        self.assertEqual(
            self._read_answers(ann),
            [
                ("all", "withdrawn", "page"),
                ("Offers", "confirmed", "form"),
                ("all", "withdrawn", "page"),
            ],
        )
        key = self.persons[ann]["address_key"]
        self.assertFalse(self.consents._get_mailing_answer(self.offers, key))
