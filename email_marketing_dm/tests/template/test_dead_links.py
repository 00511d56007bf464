import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, tagged

from ...models.template import directmail_template_page
from ..common import BODY, DirectmailMixin

PAGES = {"/here": 200, "/gone": 404, "/broken": 500, "/members": 403}
REFUSALS = {"/login": 401, "/bots": 403, "/method": 405, "/often": 429}


class Site(BaseHTTPRequestHandler):
    """A website that keeps a list of what it was asked for."""

    asked = []

    def do_HEAD(self):
        self.asked.append((self.command, self.path))
        self.send_response((PAGES | REFUSALS).get(self.path, 404))
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_args):
        pass


@tagged("post_install", "-at_install")
class TestDeadLinks(DirectmailMixin, TransactionCase):
    """*Check the links* opens the pages that a mail links to."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.site = f"http://127.0.0.1:{server.server_port}"

    def setUp(self):
        super().setUp()
        Site.asked.clear()
        self.configure(directmail_test_endpoints=f"{self.emulator.endpoint},{self.site[7:]}")

    def _make_mail(self, *links):
        body = BODY + "".join(
            f'<p><a href="{link}">Link {n}</a></p>' for n, link in enumerate(links)
        )
        template = self._make_template(approved=False, body_arch=body, body_html=body)
        return template.with_user(self.user)

    def _visit(self):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref(directmail_template_page.CRON).method_direct_trigger()
        self.env.invalidate_all()

    def _find(self, template):
        found = template.check_content({"subject": "News", "body_html": template.body_html})
        return {each["code"]: each["details"] for each in found if each["code"].startswith("link_")}

    def test_dead_links_are_found(self):
        template = self._make_mail(*(self.site + path for path in PAGES))
        progress = template.check_links()
        self.assertEqual((progress["links"], progress["pages"], progress["done"]), (4, 4, 0))
        self.assertEqual(self._find(template), {})
        self._visit()
        progress = template.get_link_progress()
        self.assertEqual((progress["pages"], progress["done"]), (4, 4))
        self.assertEqual([page["url"] for page in progress["gone"]], [f"{self.site}/gone"])
        self.assertEqual(
            self._find(template), {"link_missing": ["Link 1"], "link_broken": ["Link 2"]}
        )

    def test_a_corrected_link_is_no_finding(self):
        template = self._make_mail(f"{self.site}/gone")
        template.check_links()
        self._visit()
        self.assertTrue(self._find(template))
        body = template.body_html.replace("/gone", "/here")
        template.write({"body_arch": body, "body_html": body})
        self.assertFalse(self._find(template))
        self.assertEqual(template.check_links()["pages"], 1)

    def test_a_page_is_not_opened_again_at_once(self):
        template = self._make_mail(f"{self.site}/here", f"{self.site}/here#part")
        for _press in range(3):
            template.check_links()
            self._visit()
        self.assertEqual(Site.asked, [("HEAD", "/here")])

    def test_allowed_hosts_are_for_test_mode(self):
        """A marketing user can't have internal hosts called by a link of a real mail."""
        self.configure(directmail_test_endpoints=f"{self.emulator.endpoint},127.0.0.1")
        template = self._make_mail(f"{self.site}/here", "http://127.0.0.1/here")
        self.account.sudo().write({"connection": "public", "endpoint": False})
        self.assertFalse(self.account.test_mode)
        template.check_links()
        self._visit()
        self.assertEqual(Site.asked, [], "an unusual port")
        self.assertEqual(self._find(template), {"link_unknown_host": ["Link 1"]})

    def test_pages_inside_the_network_are_not_opened(self):
        """Unless the server's configuration names the host."""
        self.configure(directmail_test_endpoints=self.emulator.endpoint)
        template = self._make_mail(f"{self.site}/here", "http://10.0.0.1/here", "http://[::1]/")
        template.check_links()
        self._visit()
        self.assertEqual(Site.asked, [])
        # Private and unknown names get the same answer; unusual ports are not opened.
        self.assertEqual(self._find(template), {"link_unknown_host": ["Link 1", "Link 2"]})

    def test_pages_of_recipients_are_not_opened(self):
        base = self.account.public_url
        template = self._make_mail(
            "/unsubscribe_from_list", f"{base}/directmail/unsubscribe/abc", f"{self.site}/optout",
            "mailto:a@example.com", f"{self.site}/{{{{ object.name }}}}",
        )  # fmt: skip
        template.check_links()
        self._visit()
        self.assertEqual(Site.asked, [])
        unclear = template.get_link_progress()["unclear"]
        self.assertEqual([page["title"] for page in unclear], ["Link 2", "Link 4"])
        self.assertTrue(all(page["reason"].startswith("Not opened") for page in unclear))

    def test_a_short_link_counts_no_click(self):
        link = self.env["link.tracker"].create({"url": f"{self.site}/gone", "title": "Gone"})
        template = self._make_mail(link.short_url)
        template.check_links()
        self._visit()
        self.assertEqual(link.count, 0)
        self.assertEqual(self._find(template), {"link_missing": ["Link 0"]})

    def test_pages_that_refuse_programs_are_named(self):
        """They are no findings, because they may be right: the user opens them."""
        template = self._make_mail(*(self.site + path for path in REFUSALS))
        template.check_links()
        self._visit()
        self.assertEqual(self._find(template), {})
        unclear = template.get_link_progress()["unclear"]
        self.assertEqual([page["url"] for page in unclear], [self.site + path for path in REFUSALS])
        reasons = {page["reason"] for page in unclear}
        self.assertEqual(reasons, {"The site asks for a log-in or refuses programs."})

    def test_pressed_twice_in_a_run(self):
        """What waits is not asked for again, however long the run takes."""
        template = self._make_mail(f"{self.site}/here", f"{self.site}/gone")
        template.check_links()
        waiting = template.sudo().page_ids
        earlier = timedelta(minutes=directmail_template_page.FRESH + 1)
        waiting.write({"asked_at": waiting[0].asked_at - earlier})
        template.check_links()
        self.assertEqual(template.sudo().page_ids, waiting)

    def test_a_corrected_page_is_opened_again_at_once(self):
        template = self._make_mail(f"{self.site}/gone", f"{self.site}/here")
        template.check_links()
        self._visit()
        self.assertTrue(self._find(template))
        with patch.dict(PAGES, {"/gone": 200}):
            template.check_links()
            self._visit()
        self.assertFalse(self._find(template))
        self.assertEqual([path for _method, path in Site.asked].count("/here"), 1)

    def test_a_missing_page_is_confirmed(self):
        template = self._make_mail(f"{self.site}/gone", f"{self.site}/broken")
        template.check_links()
        self._visit()
        dialog = template.action_submit()
        self.assertEqual(dialog["tag"], "directmail_gone_links")
        self.assertEqual([page["title"] for page in dialog["params"]["progress"]["gone"]],
                         ["Link 0"])  # fmt: skip
        self.assertEqual(template.state, "draft")
        template.action_submit(confirmed=True)
        self.assertEqual(template.state, "in_review")

    def test_other_answers_are_not_confirmed(self):
        """A site that does not answer now may answer tomorrow."""
        template = self._make_mail(f"{self.site}/broken", f"{self.site}/members")
        template.check_links()
        self._visit()
        self.assertIs(template.action_submit(), True)
        self.assertEqual(template.state, "in_review")

    def test_sending_says_which_pages_are_missing(self):
        template = self._make_mail(f"{self.site}/gone", f"{self.site}/here")
        task = self._make_task(self._make_audience(self._make_people("ada@example.com")), template)
        action = task.action_open_send()
        while action["res_model"] != "directmail.task.estimate":
            action = self.env[action["res_model"]].browse(action["res_id"]).action_go_on()
        estimate = self.env["directmail.task.estimate"].browse(action["res_id"])
        estimate = estimate.with_user(self.user)
        self.assertFalse(estimate.gone_links)
        template.check_links()
        self._visit()
        self.assertEqual(estimate.gone_links, f"Link 0: {self.site}/gone")

    def test_only_who_may_write_the_template(self):
        template = self._make_mail(f"{self.site}/here")
        with self.assertRaises(AccessError):
            template.with_user(self.other).check_links()
        with self.assertRaises(AccessError):
            self.env["directmail.template.page"].with_user(self.user).search([])

    def test_a_company_opens_so_many_pages_in_an_hour(self):
        template = self._make_mail(f"{self.site}/here", f"{self.site}/gone")
        with (
            patch.object(directmail_template_page, "PAGES_PER_HOUR", 1),
            self.assertRaisesRegex(UserError, "Too many links"),
        ):
            template.check_links()

    def test_pages_count_after_their_template_is_deleted(self):
        template = self._make_mail(f"{self.site}/here", f"{self.site}/gone")
        template.check_links()
        template.unlink()
        self._visit()
        self.assertEqual(Site.asked, [])
        other = self._make_mail(f"{self.site}/broken")
        with (
            patch.object(directmail_template_page, "PAGES_PER_HOUR", 2),
            self.assertRaisesRegex(UserError, "Too many links"),
        ):
            other.check_links()

    def test_pages_that_are_opened_again_count_again(self):
        template = self._make_mail(f"{self.site}/here")
        template.check_links()
        self._visit()
        pages = self.env["directmail.template.page"].search([])
        pages.asked_at -= timedelta(minutes=30)
        template.check_links()
        self._visit()
        progress = template.get_link_progress()
        self.assertEqual((progress["pages"], progress["done"]), (1, 1))
        other = self._make_mail(f"{self.site}/broken")
        with (
            patch.object(directmail_template_page, "PAGES_PER_HOUR", 2),
            self.assertRaisesRegex(UserError, "Too many links"),
        ):
            other.check_links()
        pages.asked_at -= timedelta(minutes=30)
        pages._gc_pages()
        self.assertFalse(pages.exists())
        with patch.object(directmail_template_page, "PAGES_PER_HOUR", 2):
            other.check_links()

    def test_an_interrupted_check_goes_on(self):
        template = self._make_mail(*(self.site + path for path in PAGES))
        template.check_links()
        with patch.object(directmail_template_page, "BATCH", 1):
            self._visit()
        self.assertEqual(template.get_link_progress()["done"], 4)
