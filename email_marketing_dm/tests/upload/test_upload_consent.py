from odoo.exceptions import AccessError, UserError
from odoo.fields import Datetime
from odoo.tests import Form, freeze_time, tagged

from ..common import DirectmailCommon
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
