from odoo.exceptions import AccessError, UserError
from odoo.fields import Datetime
from odoo.tests import Form, freeze_time, tagged

from ..common import DirectmailCommon
from ..common_encrypted import ALICE
from ..common_upload import UploadMixin


@tagged("post_install", "-at_install")
class TestUploadConsent(UploadMixin, DirectmailCommon):
    """The question where the people of a list come from."""

    def _start(self, **answer):
        upload = self._upload("ann@example.com\n", start=False)
        upload.write({"consent_source": False, **answer})
        upload.action_start()
        return upload

    def test_a_list_is_not_matched_without_an_answer(self):
        with self.assertRaisesRegex(UserError, "Where do you have these people from"):
            self._start()
        with self.assertRaisesRegex(UserError, "Details"):
            self._start(consent_source="other", consent_note=" ")
        upload = self._start(consent_source="other", consent_note="Winners of our raffle")
        self.assertEqual(upload.state, "running")

    def test_continue_asks_as_match_does(self):
        upload = self._upload("ann@example.com\n", start=False)
        for answer, message in (
            ({"consent_source": False}, "Where do you have these people from"),
            ({"consent_source": "bought"}, "bought"),
            ({"consent_source": "other"}, "Details"),
        ):
            upload.write(answer)
            for press in (upload.action_preview, upload.action_start):
                with self.assertRaisesRegex(UserError, message):
                    press()
        upload.consent_source = "event"
        self.assertTrue(upload.action_preview())

    def test_the_form_is_not_saved_without_an_answer(self):
        """Both buttons save first."""
        form = Form(self.env["directmail.upload"].with_user(self.user))
        form.name = "Spring fair"
        form.source = "paste"
        form.pasted = "ann@example.com"
        with self.assertRaisesRegex(AssertionError, "consent_source is a required field"):
            form.save()
        form.consent_source = "event"
        self.assertEqual(form.save().consent_source, "event")

    def test_bought_lists_are_refused(self):
        with self.assertRaisesRegex(UserError, "bought"):
            self._start(consent_source="bought", consent_note="They are fine with it")

    def test_the_answer_is_kept_with_user_and_date(self):
        upload = self._upload("ann@example.com\n", start=False)
        with freeze_time("2026-05-04 10:00:00"):
            upload.write({"consent_source": "event", "consent_note": "Spring fair"})
        self.assertEqual(upload.consent_user_id, self.user)
        self.assertEqual(upload.consent_at, Datetime.to_datetime("2026-05-04 10:00:00"))
        self.assertIn("Where do you have", upload.consent_text)
        self.assertIn("at an event", upload.consent_text)
        for word in ("at an event", "Spring fair", self.user.name, "05/04/2026"):
            self.assertIn(word, upload.consent_summary)
        upload.action_start()
        self._run_matching()
        with self.assertRaisesRegex(UserError, "Start over"):
            upload.consent_source = "signup"
        upload.action_restart()
        self.assertEqual(upload.consent_source, "event", "it is asked once")
        upload.with_user(self.admin).consent_source = "customer"
        self.assertEqual(upload.consent_user_id, self.admin, "who changes the answer gave it")
        self.assertFalse(upload.copy().consent_source, "another list is another question")

    def test_the_date_of_the_answer_can_not_be_chosen(self):
        upload = self._upload("ann@example.com\n", start=False)
        for vals in (
            {"consent_at": "2020-01-01 00:00:00"},
            {"consent_user_id": self.other.id},
            {"consent_text": "They begged us"},
        ):
            with self.assertRaises(AccessError):
                upload.write(vals)

    def test_lists_of_earlier_versions_were_not_asked(self):
        upload = self._upload("ann@example.com\n")
        upload.sudo().write({"consent_source": False})
        self.assertEqual(upload.consent_summary, "Not asked")
        self.assertFalse(upload.consent_user_id or upload.consent_at or upload.consent_text)
        audience = self._make_audience(None, lines=[{"kind": "upload", "upload_id": upload.id}])
        self.assertFalse(audience.refresh_error, "it can be used as before")

    def test_the_estimate_shows_the_answer_to_the_owner_only(self):
        upload = self._upload("ann@example.com\n")
        audience = self._make_audience(None, lines=[{"kind": "upload", "upload_id": upload.id}])
        action = self._make_task(audience).action_open_send()
        estimate = self.env[action["res_model"]].browse(action["res_id"])
        self.assertIn(upload.name, estimate.with_user(self.user).sources)
        self.assertIn("They signed up for our emails", estimate.with_user(self.user).sources)
        self.assertFalse(estimate.with_user(self.other).sources)

    def test_the_line_of_an_audience_shows_the_answer_to_the_owner_only(self):
        upload = self._upload("ann@example.com\n")
        audience = self._make_audience(None, lines=[{"kind": "upload", "upload_id": upload.id}])
        self.assertIn("signed up", audience.line_ids.upload_consent)
        audience.action_share()
        theirs = audience.with_user(self.other)
        self.assertFalse(theirs.line_ids.upload_consent)

    # === TOPICS === #

    def _make_topic(self, name="Offers", **vals):
        self.user.group_ids += self.env.ref("base.group_partner_manager")
        return self.env["directmail.purpose"].create(
            {"name": name, "company_id": self.account.company_id.id, "rule": "opt_in", **vals}
        )

    def _answer(self, email, topic):
        key = self.env["directmail.keyring"]._get_master_key().address_key(email)
        return self.env["directmail.consent"]._get_mailing_answer(topic, key)

    @staticmethod
    def _agree(answer, *topics, **vals):
        ids = [topic.id for topic in topics]
        return {"consent_mailing": answer, "consent_purpose_ids": [(6, 0, ids)], **vals}

    def test_agreements_of_a_list_count_for_its_topics(self):
        offers, news = self._make_topic(), self._make_topic("News")
        self._make_people("ann@example.com")
        upload = self._start(
            **self._agree("yes", offers), consent_source="event", consent_note="Spring fair"
        )
        self._run_matching()
        self.assertEqual((upload.consent_agreed_count, upload.consent_kept_count), (1, 0))
        self.assertEqual(self._answer("ann@example.com", offers), "yes")
        self.assertFalse(self._answer("ann@example.com", news))
        consent = self.env["directmail.consent"].search([("purpose_id", "=", offers.id)])
        self.assertEqual((consent.origin, consent.user_id), ("import", self.user))
        for word in ("agree to get emails", "Yes, all of them agreed", "Offers"):
            self.assertIn(word, consent.text)
        self.assertIn("Spring fair", consent.note)

    def test_confirmed_agreements_need_their_proof(self):
        offers = self._make_topic()
        with self.assertRaisesRegex(UserError, "where the proof is"):
            self._start(**self._agree("confirmed", offers), consent_source="signup")
        self._make_people("ann@example.com")
        for answer in ("yes", "confirmed", "yes"):
            self._start(
                **self._agree(answer, offers),
                consent_source="signup",
                consent_note="Confirmed at our old newsletter tool, which keeps the proof",
            )
            self._run_matching()
        self.assertEqual(self._answer("ann@example.com", offers), "confirmed")
        self.assertEqual(
            self.env["directmail.consent"].search_count([("purpose_id", "=", offers.id)]), 2
        )

    def test_a_list_does_not_undo_what_a_person_said(self):
        offers, news = self._make_topic(), self._make_topic("News")
        people = self._make_people("ann@example.com", "bob@example.com", "cy@example.com")
        consents = self.env["directmail.consent"]
        [ann] = consents._find_person(people[0])
        consents._add_mailing(offers, ann, "no", "page")
        [bob] = consents._find_person(people[1])
        self.env["directmail.optout"].create(
            {"company_id": self.account.company_id.id, "origin": "page", **bob}
        )
        upload = self._upload(
            "ann@example.com\nbob@example.com\ncy@example.com\n",
            **self._agree("yes", offers, news),
        )
        self.assertEqual((upload.consent_agreed_count, upload.consent_kept_count), (3, 3))
        self.assertEqual(self._answer("ann@example.com", offers), "no")
        self.assertEqual(self._answer("ann@example.com", news), "yes")
        self.assertFalse(self._answer("bob@example.com", offers))
        self.assertEqual(self._answer("cy@example.com", offers), "yes")

    def test_encrypted_people_of_a_list_agree_too(self):
        offers = self._make_topic()
        self._enter_key()
        upload = self._upload(f"{ALICE}\n", id_kind="encrypted", **self._agree("yes", offers))
        self.assertEqual(upload.consent_agreed_count, 1)
        consent = self.env["directmail.consent"].search([("purpose_id", "=", offers.id)])
        self.assertFalse(consent.email)
        self.assertTrue(consent.sudo().email_encrypted)

    def test_topics_must_be_chosen(self):
        with self.assertRaisesRegex(UserError, "Choose the topics"):
            self._start(consent_mailing="yes", consent_source="signup")
