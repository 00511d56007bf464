from werkzeug.routing import Map, Rule

from odoo.tests import tagged

from ...directmail.push import BODY_MAX as EVENT_MAX
from ...models.odoo.ir_http import BODY_MAX
from ..common import DirectmailMixin, start_task
from ..common_http import PatientHttpCase

UNKNOWN_METHODS = ("OPTIONS", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND")


@tagged("post_install", "-at_install")
class TestPublicPages(DirectmailMixin, PatientHttpCase):
    """What anybody on the internet may call: no method but POST changes an opt-out."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        task = cls._make_task(cls._make_audience(cls._make_people("zoe@example.com")))
        task.action_send()
        start_task(task.sudo())
        cls.token = cls._get_token(task.sudo().delivery_ids)
        cls.page = f"/directmail/unsubscribe/{cls.token}"
        cls.pages = (
            cls.page,
            f"{cls.page}/reason",
            f"{cls.page}/undo",
            f"/directmail/view/{cls.token}",
            f"/directmail/open/{cls.token}",
            f"/directmail/click/1/1/{cls.token}",
            "/directmail/unsubscribe/nonsense",
            "/directmail/events/nonsense",
        )
        cls.events = f"/directmail/events/{cls.account.push_url.rpartition('/')[2]}"
        cls.env.flush_all()

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
        calls = [("GET", {}), *(("POST", form) for form in forms)]
        # Each two of path, query and call meet: all three would in three times as many requests.
        for first, path in enumerate(sorted({*self.pages, *self._get_public_paths()})):
            for number, (method, form) in enumerate(calls):
                query = queries[(first + number) % len(queries)]
                with self.subTest(path=path, query=query, form=form):
                    response = self._call(method, path + query, **form)
                    self.assertLess(response.status_code, 500)

    def test_a_reason_of_thousands_of_digits(self):
        response = self._call("POST", f"{self.page}/reason", data={"reason": "9" * 5000})
        self.assertEqual(response.status_code, 200)

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

    def test_a_long_body_is_not_read(self):
        limits = {self.page: BODY_MAX, f"{self.page}/undo": BODY_MAX, self.events: 2 * EVENT_MAX}
        before = self._read_optouts()
        for path, limit in limits.items():
            for kind in ("application/x-www-form-urlencoded", "application/json"):
                with self.subTest(path=path, kind=kind):
                    headers = {"Content-Type": kind}
                    response = self._call("POST", path, data=b"x" * (limit + 1), headers=headers)
                    self.assertEqual(response.status_code, 413)
                    self._assert_guarded(response)
        self.assertEqual(self._read_optouts(), before)

    def test_every_answer_guards_its_reader(self):
        """No cache, no frame, no referrer, no search engine, no session."""
        for path in self._get_public_paths():
            for method in ("GET", "POST", "OPTIONS"):
                with self.subTest(method=method, path=path):
                    response = self._call(method, path)
                    if response.status_code != 405:  # Odoo's own, in which nothing of ours stands
                        self._assert_guarded(response)

    def _assert_guarded(self, response):
        headers = response.headers
        self.assertIn("no-store", headers["Cache-Control"])
        self.assertEqual(headers["Referrer-Policy"], "no-referrer")
        self.assertEqual(headers["X-Frame-Options"], "DENY")
        self.assertIn("frame-ancestors 'none'", headers["Content-Security-Policy"])
        self.assertIn("noindex", headers["X-Robots-Tag"])
        self.assertNotIn("session_id", headers.get("Set-Cookie", ""))

    def _get_rules(self):
        """Return the rules of all routes of this addon, made as Odoo makes its routing map."""
        http = self.env["ir.http"]
        converters = http._get_converters()
        routes = http._generate_routing_rules(["email_marketing_dm"], converters=converters)
        rules = [Rule(url, endpoint=endpoint) for url, endpoint in routes]
        return list(Map(rules, converters=converters).iter_rules())

    def _get_public_paths(self):
        """Return addresses of all public routes: one that exists, and one that no mail has."""
        known = {"token": self.token, "address": self.events.rpartition("/")[2]}
        known |= {"template": 1, "number": 1, "nonce": "a" * 32}
        paths = set()
        for rule in self._get_rules():
            if rule.endpoint.routing["auth"] != "user":
                paths.add(rule.build({name: known[name] for name in rule.arguments})[1])
                nobody = {name: 2**31 - 1 if name in ("template", "number") else "nobody"
                          for name in rule.arguments}  # fmt: skip
                paths.add(rule.build(nobody)[1])
        return sorted(paths)

    def test_every_public_route_is_one_of_the_guarded_ones(self):
        """So that a new one can't miss it."""
        rules = self._get_rules()
        self.assertGreater(len(rules), 10)
        for rule in rules:
            routing = rule.endpoint.routing
            with self.subTest(rule.rule):
                self.assertTrue(rule.rule.startswith("/directmail/"))
                self.assertTrue(routing["methods"])
                self.assertFalse(routing.get("cors"))
                if routing["auth"] == "user":
                    self.assertEqual(routing["methods"], ["GET"])
                    self.assertTrue(routing["readonly"])
                    continue
                self.assertLessEqual(set(rule.arguments), set(routing["recipient_parameters"]))
                self.assertFalse(routing["save_session"])
                self.assertFalse(routing["sitemap"])
                self.assertNotEqual({"GET", "POST"}, set(routing["methods"]))
