from datetime import timedelta

from odoo import fields
from odoo.tests import tagged
from odoo.tools import SQL

from ...models.consent.directmail_preference_link import PER_DAY, PER_NETWORK
from ..common_http import PatientHttpCase
from ..common_preferences import PreferencesMixin


@tagged("post_install", "-at_install")
class TestPreferenceLinks(PreferencesMixin, PatientHttpCase):
    """What the link of a forwarded mail may do, and what takes a link that is mailed on request."""

    # === TOPICS THAT NEED A CONFIRMATION === #

    def _make_topic(self, rule="confirmed"):
        topic = self.env["directmail.purpose"].create(
            {"name": "Tea letter", "company_id": self.company.id, "rule": rule}
        )
        self.consents._add_mailing(topic, self.persons[self.cat], "confirmed", "form")
        return topic

    def _read_topic_answers(self):
        rows = self.consents.search([("partner_id", "=", self.ann.id)], order="id")
        return rows.mapped("answer")

    def test_a_tick_in_a_forwarded_mail_is_not_confirmed(self):
        """Only a link that is mailed to the address on request confirms; refusing needs none."""
        page = self._open(self.ann)
        self._run_cron()
        topic = self._make_topic()
        ticked = {"shown": topic.ids, "topic": topic.ids}
        text = self._post(f"{page}/topics", **ticked)
        self.assertIn("Please check your inbox", text)
        self.assertEqual(self._read_topic_answers(), ["yes"])
        self.assertEqual(self._judge(self.ann, purpose_id=topic.id), "not_agreed")
        self._post(f"{page}/topics/confirm", topic=topic.ids)
        self.assertNotIn("/topics/confirm", self.url_open(page).text)
        self.assertEqual(self._read_topic_answers(), ["yes"])
        self._post(f"{page}/topics", **ticked)
        letter = self._write_letters()
        self.assertEqual(letter.mapped("email_to"), ["ann@example.com"], "once in ten minutes")
        self.assertIn("Tea letter", letter.body_html)
        link = self._read_link(letter).replace("/preferences/", "/unsubscribe/")
        self.assertIn(f"{link}/topics/confirm", self.url_open(link).text)
        self.assertEqual(self.url_open(f"{link}/topics/confirm").status_code, 405)
        self._post(f"{link}/topics/confirm", topic=["x", "9" * 5000])
        self.assertEqual(self._read_topic_answers(), ["yes"])
        for _attempt in range(2):
            text = self._post(f"{link}/topics/confirm", topic=topic.ids)
            self.assertIn("Your confirmation is saved", text)
        self.assertEqual(self._read_topic_answers(), ["yes", "confirmed"])
        self.assertEqual(self._judge(self.ann, purpose_id=topic.id), "waiting")
        asked, proof = self.consents.search([("partner_id", "=", self.ann.id)], order="id")
        self.assertEqual((proof.asked_at, proof.text), (asked.recorded_at, asked.text))
        self.assertTrue(proof.ip and proof.confirmation_ip and proof.delivery_id)
        # Withdrawing works with both links, and the confirmation can't be replayed.
        self._post(f"{page}/topics", shown=topic.ids)
        text = self._post(f"{link}/topics/confirm", topic=topic.ids)
        self.assertNotIn("Your confirmation is saved", text)
        self.assertEqual(self._read_topic_answers()[2:], ["withdrawn"])
        self._post(f"{link}/topics", **ticked)
        self.assertEqual(self._read_topic_answers()[3:], ["confirmed"])

    def test_a_forwarded_mail_undoes_only_what_just_happened(self):
        """Later, it takes a link that is mailed to the address on request."""
        page = self._open(self.ann)
        self._run_cron()
        self._post(page, scope="company")
        self.assertIn(f"{page}/undo", self.url_open(page).text)
        optout = self.env["directmail.optout"].search([("partner_id", "=", self.ann.id)])
        optout.occurred_at -= timedelta(days=1, minutes=1)
        self.env.flush_all()
        self.assertNotIn(f"{page}/undo", self.url_open(page).text)
        self.assertIn("To get emails again", self._post(f"{page}/undo"))
        self.assertTrue(optout.exists())
        self._post(f"{page}/data")
        link = self._read_link(self._write_letters()).replace("/preferences/", "/unsubscribe/")
        self.assertIn(f"{link}/undo", self.url_open(link).text)
        self._post(f"{link}/undo")
        self.assertFalse(optout.exists())

    def test_unsubscribing_again_gives_no_new_day_to_undo(self):
        """The link of a forwarded mail must not renew what the person wished long ago."""
        page = self._open(self.ann)
        self._run_cron()
        self._post(page, scope="company")
        optout = self.env["directmail.optout"].search([("partner_id", "=", self.ann.id)])
        for origin in ("directmail", "bounce"):
            with self.subTest(origin):
                since = fields.Datetime.now() - timedelta(days=30)
                optout.write({"origin": origin, "occurred_at": since})
                self.env.flush_all()
                self.assertNotIn(f"{page}/undo", self._post(page, scope="company"))
                self._post(f"{page}/undo")
                self.assertEqual((optout.exists().origin, optout.occurred_at), ("page", since))

    def test_who_gets_no_link_reads_how_to_get_emails_again(self):
        """People with encrypted addresses, after the day in which they can undo it themselves."""
        page = self._open(self.ann)
        self._run_cron()
        self._post(page, scope="company")
        optout = self.env["directmail.optout"].search([("partner_id", "=", self.ann.id)])
        optout.occurred_at -= timedelta(days=2)
        self._encrypt_address(self.ann)
        text = self.url_open(page).text
        self.assertNotIn("/undo", text)
        self.assertNotIn("Send me the link", text)
        self.assertIn("To get emails again", text)
        self.assertIn("mailto:privacy@example.com", text)

    def test_an_old_opt_out_from_a_sender_does_not_keep_a_mistake(self):
        page = self._open(self.ann)
        self._run_cron()
        self._post(page, scope="sender")
        old = self.env["directmail.optout"].search([("partner_id", "=", self.ann.id)])
        old.occurred_at -= timedelta(days=400)
        self.env.flush_all()
        self.assertIn(f"{page}/undo", self._post(page, scope="company"))
        self.assertIn("You get emails again", self._post(f"{page}/undo"))
        left = self.env["directmail.optout"].search([("partner_id", "=", self.ann.id)])
        self.assertEqual(left, old)
        # Nothing recent is left: the link of the mail undoes nothing more.
        self._post(f"{page}/undo")
        self.assertTrue(old.exists())

    def test_a_tick_of_a_lead_follows_the_rule_for_its_country(self):
        """A record without a contact has a country, too: its rule decides what the page asks."""
        page = self._open(self.ann)
        self._run_cron()
        topic = self._make_topic("not_refused")
        germany = self.env.ref("base.de")
        topic.country_rule_ids = [
            (0, 0, {"country_ids": [(6, 0, germany.ids)], "rule": "confirmed"})
        ]
        lead = self.env["crm.lead"].create(
            {"name": "Ann", "email_from": "ann@example.com", "country_id": germany.id}
        )
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """UPDATE directmail_delivery
                      SET partner_id = NULL, res_model = 'crm.lead', res_id = %s
                    WHERE address_key = %s""",
                lead.id,
                self.persons[self.ann]["address_key"],
            )
        )
        self.env.invalidate_all()
        section = self.url_open(page).text.split("Choose your topics")[1].split("</section>")[0]
        self.assertNotIn("checked", section)
        text = self._post(f"{page}/topics", shown=topic.ids, topic=topic.ids)
        self.assertIn("Please check your inbox", text)
        self.assertIn("Tea letter", self._write_letters().body_html)

    def test_no_confirmation_is_asked_for_in_vain(self):
        """Neither without need, nor after a refusal, nor at an encrypted address."""
        topic, other = self._make_topic(), self._make_topic("opt_in")
        page = self._open(self.ann)
        self._run_cron()
        self._post(f"{page}/topics", shown=other.ids, topic=other.ids)
        self.assertFalse(self._write_letters())
        self._post(f"{page}/topics", shown=topic.ids, topic=topic.ids)
        self._post(f"{page}/topics", shown=topic.ids)
        self.assertFalse(self._write_letters())
        self.assertEqual(self._read_topic_answers(), ["yes", "yes", "withdrawn"])
        self.env["directmail.preference.link"].search([]).unlink()
        self._encrypt_address(self.ann)
        text = self._post(f"{page}/topics", shown=topic.ids, topic=topic.ids)
        self.assertIn("privacy@example.com", text)
        self.assertFalse(self.env["directmail.preference.link"].search([]))

    def test_confirming_what_a_user_entered(self):
        """The proof is then that of the confirmation: nothing was shown before."""
        self._plan(self.ann)
        self._run_cron()
        topic = self._make_topic()
        self.user.group_ids += self.env.ref("base.group_partner_manager")
        self.consents.with_user(self.user)._answer_mailing_for(
            self.ann.with_user(self.user), topic.with_user(self.user), "yes", "By telephone"
        )
        link = self._open_link("ann@example.com")
        self._post(f"{link}/topics/confirm", topic=topic.ids)
        proof = self.consents.search([("partner_id", "=", self.ann.id)], limit=1)
        self.assertEqual((proof.answer, proof.origin), ("confirmed", "page"))
        self.assertIn("Tea letter", proof.text)
        self.assertTrue(proof.ip and proof.user_agent and proof.text_version and proof.lang)

    # === A LINK WITHOUT A MAIL === #

    def test_link(self):
        """It opens the same page, and holds for a day."""
        self._plan(self.ann)
        self._run_cron()
        self.ann.lang = "de_DE"
        url = self.env["directmail.preference.link"]._get_company_url(self.company)
        path = url[url.index("/directmail/") :]
        self.assertIn('type="email"', self.url_open(path).text)
        self._ask_for_link(" Ann@Example.com ")
        letter = self._write_letters()
        self.assertEqual(letter.email_to, "ann@example.com")
        path = self._read_link(letter)
        page = path.replace("/preferences/", "/unsubscribe/")
        text = self.url_open(path).text
        self.assertIn('<html lang="de-DE"', text)
        for form in ("/frequency", "/pause", "/language", "/measuring", "/data"):
            self.assertIn(f"{page}{form}", text)
        self._post(f"{page}/frequency", cap="week")
        self.assertEqual(self._judge(self.ann), "less_often")
        self._post(page, scope="company")
        optout = self.env["directmail.optout"].search([("partner_id", "=", self.ann.id)])
        self.assertEqual((optout.origin, optout.email), ("page", "ann@example.com"))
        self.assertEqual(self._judge(self.ann), "opted_out")
        self._post(f"{page}/reason", feedback="Too many")
        self.assertEqual(optout.feedback, "Too many")
        self.assertIn(f"{page}/undo", self.url_open(path).text)
        self._post(f"{page}/undo")
        self.assertFalse(optout.exists())
        self.assertEqual(len(self.url_open(f"{page}/data.json").json()["mails"]), 1)
        link = self.env["directmail.preference.link"].search([])
        link.requested_at -= timedelta(days=1, minutes=1)
        self.env.flush_all()
        for expired in (path, page, f"{page}/data.json"):
            self.assertEqual(self.url_open(expired).status_code, 404)
        self.env["directmail.preference.link"]._gc_links()
        self.assertFalse(link.exists())

    def test_the_answer_does_not_tell_who_is_known(self):
        """Nor what is stored: until the cron has run, all requests look alike."""
        self._plan(self.ann + self.bob)
        self._run_cron()
        self.preferences._set(
            self.company,
            {"address_key": self.persons[self.cat]["address_key"], "email_encrypted": "secret"},
            "cap",
            "week",
        )
        self.assertEqual(
            len(
                {
                    self._ask_for_link(address)
                    for address in (
                        "ann@example.com", "cat@example.com", "nobody@example.com", "nonsense",
                        "ann@example.com", "x@example.com\nBcc: y@example.com", "x" * 300,
                    )
                }
            ),
            1,
        )  # fmt: skip
        self._ask_for_link("bob@example.com", website="https://spam.example")
        links = self.env["directmail.preference.link"].search([])
        self.assertEqual(len(links), 3, "one of each address, none of what is no address")
        self.assertFalse(any(links.mapped("email")))
        letter = self._write_letters()
        self.assertEqual(letter.mapped("email_to"), ["ann@example.com"])
        self.assertEqual(links.mapped("email"), ["ann@example.com", False, False])

    def test_floods(self):
        """Per address, and per network of the request, but not for all visitors behind a proxy."""
        links = self.env["directmail.preference.link"]
        for number in range(PER_NETWORK + 5):
            links._request(self.company, f"x{number}@example.com", "en_US", "9.9.9.9")
        self.assertEqual(links.search_count([]), PER_NETWORK)
        for ip in ("2620:fe::9", "149.112.112.112"):
            links._request(self.company, "ann@example.com", "en_US", ip)
        self.assertEqual(links.search_count([]), PER_NETWORK + 1)
        for number in range(PER_NETWORK + 5):
            links._request(self.company, f"y{number}@example.com", "en_US", "10.0.0.1")
        self.assertEqual(links.search_count([]), 2 * PER_NETWORK + 6)

    def test_an_address_gets_few_letters(self):
        """In a day, and if several requests arrive at the same time, which can't see each other."""
        links = self.env["directmail.preference.link"]
        self._plan(self.ann + self.bob)
        self._run_cron()
        letters = []
        for _hour in range(PER_DAY + 3):
            links._request(self.company, "ann@example.com", "en_US", None)
            letters += self._write_letters()
            for link in links.search([]):
                link.requested_at -= timedelta(hours=1)
            self.env.flush_all()
        self.assertEqual(len(letters), PER_DAY)
        links._request(self.company, "bob@example.com", "en_US", None)
        links.search([("handled", "=", False)]).copy()
        self.assertEqual(len(self._write_letters()), 1)
