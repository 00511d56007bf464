from odoo.tests import HttpCase, tagged

from ..directmail.tokens import make_token
from ..engine.content import TOKEN_KIND, get_database_uuid
from .common import DirectmailMixin

UNKNOWN_METHODS = ("OPTIONS", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND")


@tagged("post_install", "-at_install")
class TestPublicPages(DirectmailMixin, HttpCase):
    """What anybody on the internet may call: no method but POST changes an opt-out."""

    def setUp(self):
        super().setUp()
        task = self._make_task(self._make_audience(self._make_people("zoe@example.com")))
        task.action_send()
        task.sudo()._start()
        self.token = make_token(
            self.env["directmail.keyring"]._get_master_key(),
            get_database_uuid(self.env),
            TOKEN_KIND,
            task.sudo().delivery_ids.id,
        )
        self.page = f"/directmail/unsubscribe/{self.token}"
        self.pages = (
            self.page,
            f"{self.page}/reason",
            f"{self.page}/undo",
            f"/directmail/view/{self.token}",
            f"/directmail/open/{self.token}",
            f"/directmail/click/1/1/{self.token}",
            "/directmail/unsubscribe/nonsense",
            "/directmail/events/nonsense",
        )

    def _read_optouts(self):
        self.env.invalidate_all()
        return self.env["directmail.optout"].search([]).mapped("origin")

    def _call(self, method, path, **options):
        return self.opener.request(
            method, f"{self.base_url()}{path}", timeout=30, allow_redirects=False, **options
        )

    def test_only_post_changes_anything(self):
        before = self._read_optouts()
        for method in UNKNOWN_METHODS:
            response = self._call(method, self.page, data={"List-Unsubscribe": "One-Click"})
            self.assertLess(response.status_code, 500, method)
        self.assertEqual(self._read_optouts(), before)
        self._call("POST", self.page, data={"List-Unsubscribe": "One-Click"})
        after = self._read_optouts()
        self.assertEqual(len(after), len(before) + 1)
        for method in UNKNOWN_METHODS:
            for path in (f"{self.page}/undo", f"{self.page}/reason"):
                self.assertLess(self._call(method, path).status_code, 500, method)
        self.assertEqual(self._read_optouts(), after)

    def test_options_names_the_methods(self):
        response = self._call("OPTIONS", f"{self.page}/undo")
        self.assertEqual(response.status_code, 204)
        self.assertEqual(response.headers["Allow"], "OPTIONS, POST")

    def test_whatever_is_sent_breaks_no_page(self):
        forms = (
            {"data": {"scope": "\0", "reason": "\0", "feedback": "a\0b", "self": "1", "env": "2"}},
            {"files": {name: ("a.txt", b"\0") for name in ("scope", "feedback", "token")}},
            {"data": {"reason": "9" * 40, "scope": "company", "feedback": "x" * 100_000}},
            {"data": {"reason": "²"}},
            {"json": {"jsonrpc": "2.0", "params": {"scope": "all"}}},
            {"data": b"\xff\xfe=%00&&&=", "headers": {"Content-Type": "text/plain"}},
        )
        queries = ("", "?self=1&token=x&context=y&request=z", "?scope=%00&unknown[]=1")
        for path in self.pages:
            for query in queries:
                for method in ("GET", "POST"):
                    for form in forms if method == "POST" else ({},):
                        with self.subTest(path=path, query=query, form=form):
                            response = self._call(method, path + query, **form)
                            self.assertLess(response.status_code, 500)

    def test_addresses_that_no_mail_has(self):
        for path in (
            "/directmail/unsubscribe/%00",
            f"/directmail/unsubscribe/{self.token}%00",
            "/directmail/view/%F0%9F%98%80",
            f"/directmail/click/{10**30}/1/{self.token}",
            f"/directmail/click/1/{10**30}/{self.token}",
            f"/directmail/events/{'x' * 5000}",
            "/directmail/events/%00",
        ):
            for method in ("GET", "POST"):
                with self.subTest(method=method, path=path):
                    self.assertLess(self._call(method, path).status_code, 500)

    def test_every_answer_guards_its_reader(self):
        """No cache, no frame, no referrer, no search engine, no session."""
        for path in self.pages:
            for method in ("GET", "POST"):
                with self.subTest(method=method, path=path):
                    response = self._call(method, path)
                    if response.status_code == 405:
                        continue
                    self.assertIn("no-store", response.headers["Cache-Control"])
                    self.assertEqual(response.headers["Referrer-Policy"], "no-referrer")
                    self.assertEqual(response.headers["X-Frame-Options"], "DENY")
                    self.assertIn("noindex", response.headers["X-Robots-Tag"])
                    self.assertTrue(response.headers["Content-Security-Policy"])
                    self.assertNotIn("session_id", response.headers.get("Set-Cookie", ""))
