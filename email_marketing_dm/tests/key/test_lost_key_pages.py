from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from ...engine.content import TOKEN_KIND, get_database_uuid
from ...models.consent import directmail_unsubscribe_request as requests_module
from ...privacy.tokens import make_token, read_number
from ..common import DirectmailMixin, start_task
from ..common_http import PatientHttpCase
from ..common_key import KeyMixin

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
KEYRING = "odoo.addons.email_marketing_dm.models.key.directmail_keyring"


@tagged("post_install", "-at_install")
class TestLostKeyPages(KeyMixin, DirectmailMixin, PatientHttpCase):
    """Links that can't be verified: on a server with another key, and after a key was lost."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.company.email = "hello@azure.example"
        cls.task = cls._make_task(cls._make_audience(cls._make_people("zoe@example.com")))
        cls.task.action_send()
        start_task(cls.task.sudo())
        cls.delivery = cls.task.delivery_ids.sudo()
        cls.token = cls._make_token(cls.delivery.id)
        cls.requests = cls.env["directmail.unsubscribe.request"].sudo()
        cls.optouts = cls.env["directmail.optout"].sudo()

    def setUp(self):
        super().setUp()
        self._run_cron()

    @classmethod
    def _make_token(cls, number):
        return make_token(
            cls.env["directmail.keyring"]._get_master_key(),
            get_database_uuid(cls.env),
            TOKEN_KIND,
            number,
        )

    def _apply(self):
        self.env.flush_all()
        self.env.ref(requests_module.CRON)
        with self.enter_registry_test_mode():
            self.env.ref(requests_module.CRON).method_direct_trigger()
        self.env.invalidate_all()

    def test_another_server_is_to_answer(self):
        paths = [
            f"/directmail/unsubscribe/{self.token}",
            f"/directmail/view/{self.token}",
            f"/directmail/open/{self.token}",
            f"/directmail/click/1/1/{self.token}",
        ]
        with self._on_server_with():
            for path in paths:
                response = self.url_open(path, headers={"Accept-Language": "de"})
                self.assertEqual(response.status_code, 503, path)
                self.assertTrue(int(response.headers["Retry-After"]), path)
                self.assertIn("try again in a few minutes", response.text, path)
            pushed = self.url_open(self.account.sudo().push_url or "/directmail/events/x", b"{}")
            self.assertEqual(pushed.status_code, 503)
        self.assertEqual(self.url_open(paths[0]).status_code, 200)
        self.assertFalse(self.requests.search([]))

    def test_one_click_is_kept_for_the_right_key(self):
        with self._on_server_with():
            for _attempt in range(2):
                response = self.url_open(f"/directmail/unsubscribe/{self.token}", ONE_CLICK)
                self.assertEqual(response.status_code, 503)
                self.assertIn("request has been recorded", response.text)
        self.assertEqual(len(self.requests.search([])), 1)
        self.assertFalse(self.optouts.search([]), "nothing happens unverified")
        self._apply()
        self.assertFalse(self.requests.search([]))
        optout = self.optouts.search([])
        self.assertEqual((optout.origin, optout.email), ("one_click", "zoe@example.com"))
        consent = self.env["directmail.consent"].search([("email", "=", "zoe@example.com")])
        self.assertEqual((consent.answer, consent.ip), ("withdrawn", "127.0.0.1"))
        self.assertIn("python", consent.user_agent)

    def test_the_record_is_dated_when_the_person_asked(self):
        with self._on_server_with():
            self.url_open(f"/directmail/unsubscribe/{self.token}", ONE_CLICK)
        self.env.cr.execute(
            "UPDATE directmail_unsubscribe_request"
            " SET received_at = received_at - interval '3 days'"
        )
        self.env.invalidate_all()
        received = self.requests.search([]).received_at
        self._apply()
        consent = self.env["directmail.consent"].search([("email", "=", "zoe@example.com")])
        self.assertEqual(consent.recorded_at, received.replace(microsecond=0))

    def test_erasure_applies_a_request_first(self):
        with self._on_server_with():
            self.url_open(f"/directmail/unsubscribe/{self.token}", ONE_CLICK)
        partner, key = self.delivery.partner_id, self.delivery.address_key
        wizard = self.env["directmail.erasure"].with_user(self.admin)
        wizard.create({"partner_ids": partner.ids}).action_erase()
        self.assertFalse(self.requests.search([]))
        optout = self.optouts.search([])
        self.assertEqual((optout.address_key, optout.email), (key, False))

    def test_the_request_counts_before_the_next_mail(self):
        """With the right key back, the sender may be called before the job that applies it."""
        with self._on_server_with():
            self.url_open(f"/directmail/unsubscribe/{self.token}", ONE_CLICK)
        people = self.delivery.partner_id | self._make_people("yan@example.com")
        again = self._make_task(self._make_audience(people), self.task.template_id)
        again.action_send()
        self._run_cron()
        sent = again.delivery_ids.filtered(lambda delivery: delivery.state == "sent")
        self.assertEqual(sent.email, "yan@example.com")
        self.assertEqual((again.delivery_ids - sent).reason, "opted_out")

    def test_the_page_too_with_what_was_chosen(self):
        with self._on_server_with():
            self.url_open(f"/directmail/unsubscribe/{self.token}", {"scope": "all"})
        self._apply()
        self.assertTrue(self.env["mail.blacklist"].search([("email", "=", "zoe@example.com")]))

    def test_forged_requests_do_nothing(self):
        forged = self.token[:-3] + ("AAA" if self.token[-3:] != "AAA" else "BBB")
        with self._on_server_with():
            self.url_open(f"/directmail/unsubscribe/{forged}", ONE_CLICK)
        self.assertEqual(len(self.requests.search([])), 1)
        self._apply()
        self.assertFalse(self.optouts.search([]))
        kept = self.requests.search([])
        self.assertTrue(kept.tried_fingerprint)
        self._apply()
        self.assertEqual(self.requests.search([]), kept, "it is not tried again and again")

    def test_what_anybody_may_leave_here_is_bounded(self):
        with self._on_server_with():
            for junk in ("", "x", "x" * 500, "%00", self._junk(10**9), self._junk(2**40)):
                self.url_open(f"/directmail/unsubscribe/{junk}", ONE_CLICK)
            self.assertFalse(self.requests.search([]), "no mail of ours has these numbers")
            for number in range(10):
                self.url_open(
                    f"/directmail/unsubscribe/{self._junk(self.delivery.id, number)}", ONE_CLICK
                )
            self.assertEqual(len(self.requests.search([])), requests_module.PER_DELIVERY)
            self.requests.search([]).unlink()
            with patch.object(requests_module, "MOST", 0):
                self.url_open(f"/directmail/unsubscribe/{self.token}", ONE_CLICK)
            with patch.object(requests_module, "PER_MINUTE", 0):
                response = self.url_open(f"/directmail/unsubscribe/{self.token}", ONE_CLICK)
            self.assertEqual(response.status_code, 503)
            self.assertFalse(self.requests.search([]))

    def _junk(self, number, salt=0):
        class Junk:
            fingerprint = salt

            def derive(self, _purpose):
                return bytes([salt]) * 32

        token = make_token(Junk(), "x", TOKEN_KIND, number)
        self.assertIn(read_number(token), (number, None))
        return token

    @mute_logger(KEYRING)
    def test_after_the_key_was_lost_the_page_says_what_to_do(self):
        path = f"/directmail/unsubscribe/{self.token}"
        with self._on_server_with():
            self._rekey()
            response = self.url_open(path)
            self.assertEqual(response.status_code, 404)
            self.assertIn("reply to the email", response.text)
            self.assertIn("hello@azure.example", response.text)
            self.assertNotIn("zoe", response.text)
            self.assertEqual(self.url_open(path, ONE_CLICK).status_code, 404)
            self.assertFalse(self.optouts.search([]), "nobody may unsubscribe others by guessing")
            self.assertEqual(len(self.requests.search([])), 1)
            # Links in new mails work; a truncated link is not taken for one of the lost key.
            new = self._make_token(self.delivery.id)
            self.assertEqual(self.url_open(f"/directmail/unsubscribe/{new}").status_code, 200)
            dead = self.url_open(f"/directmail/unsubscribe/{self.token[:9]}")
            self.assertIn("A part of the link may be missing", dead.text)
            self._apply()
            self.assertTrue(self.requests.search([]), "it waits for the key that it was made with")
        self._rekey()
        self._apply()
        self.assertEqual(self.optouts.search([]).email, "zoe@example.com", "the key came back")

    def test_while_keys_are_recomputed(self):
        with self._on_server_with():
            page = self._open_page()
            page.understood = True
            page.action_start()
            self.env.flush_all()
            response = self.url_open(f"/directmail/unsubscribe/{self.token}", ONE_CLICK)
            self.assertEqual(response.status_code, 503)
            self.assertEqual(len(self.requests.search([])), 1)
            self._run_rekey()
