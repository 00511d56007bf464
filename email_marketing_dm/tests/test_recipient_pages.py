from odoo.tests import HttpCase, tagged

from ..directmail.tokens import make_token
from ..engine.content import TOKEN_KIND, get_database_uuid
from .common import DirectmailMixin


@tagged("post_install", "-at_install")
class TestRecipientPages(DirectmailMixin, HttpCase):
    def setUp(self):
        super().setUp()
        people = self._make_people("zoe@example.com", name="Zoë <script>")
        self.task = self._make_task(self._make_audience(people))
        self.task.action_send()
        self.task.sudo()._start()
        self.delivery = self.task.delivery_ids.sudo()
        self.token = make_token(
            self.env["directmail.keyring"]._get_master_key(),
            get_database_uuid(self.env),
            TOKEN_KIND,
            self.delivery.id,
        )
        self.optouts = self.env["directmail.optout"].search([])

    def _get_new_optouts(self):
        self.env.invalidate_all()
        return self.env["directmail.optout"].search([]) - self.optouts

    def test_following_the_link_changes_nothing(self):
        response = self.url_open(f"/directmail/unsubscribe/{self.token}")
        self.assertEqual(response.status_code, 200)
        self.assertIn("<form", response.text)
        self.assertFalse(self._get_new_optouts())

    def test_one_click(self):
        for _attempt in range(2):
            response = self.url_open(
                f"/directmail/unsubscribe/{self.token}", {"List-Unsubscribe": "One-Click"}
            )
            self.assertEqual(response.status_code, 200)
        optout = self._get_new_optouts()
        self.assertEqual(len(optout), 1, "asking twice changes nothing")
        self.assertEqual((optout.origin, optout.email), ("one_click", "zoe@example.com"))

    def test_page(self):
        self.url_open(f"/directmail/unsubscribe/{self.token}", {"sure": "yes"})
        self.assertEqual(self._get_new_optouts().origin, "page")

    def test_view_online(self):
        response = self.url_open(f"/directmail/view/{self.token}")
        self.assertIn("Zoë &lt;script&gt;", response.text)
        self.assertIn("sandbox", response.headers["Content-Security-Policy"])

    def test_guessed_tokens_lead_nowhere(self):
        for position in range(len(self.token)):
            other = "A" if self.token[position] != "A" else "B"
            token = self.token[:position] + other + self.token[position + 1 :]
            response = self.url_open(
                f"/directmail/unsubscribe/{token}", {"List-Unsubscribe": "One-Click"}
            )
            self.assertEqual(response.status_code, 404, position)
        self.assertFalse(self._get_new_optouts())
