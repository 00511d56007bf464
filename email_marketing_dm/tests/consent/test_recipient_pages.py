import re
from html import unescape
from uuid import uuid4

from odoo.tests import tagged

from ...engine.content import TOKEN_KIND, get_database_uuid
from ...models.account.directmail_account_events import ADDRESS_KIND
from ...privacy.tokens import make_token
from ..common import DirectmailMixin, start_task
from ..common_http import PatientHttpCase

# a picture of one transparent pixel
PIXEL = (
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5Er"
    b"kJggg=="
)


@tagged("post_install", "-at_install")
class TestRecipientPages(DirectmailMixin, PatientHttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        people = cls._make_people("zoe@example.com", name="Zoë <script>")
        cls.task = cls._make_task(cls._make_audience(people))
        cls.task.action_send()
        start_task(cls.task.sudo())
        cls.delivery = cls.task.delivery_ids.sudo()
        cls.token = cls._get_token(cls.delivery)
        cls.optouts = cls.env["directmail.optout"].search([])
        cls.env.flush_all()

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

    def test_who_has_unsubscribed_is_not_asked_again(self):
        page = self.url_open(f"/directmail/unsubscribe/{self.token}").text
        self.assertIn("Unsubscribe?", page)
        self.url_open(f"/directmail/unsubscribe/{self.token}", {"sure": "yes"})
        page = self.url_open(f"/directmail/unsubscribe/{self.token}").text
        self.assertNotIn("Unsubscribe?", page)
        self.assertIn("You are unsubscribed", page)
        self.assertIn("Get emails again", page)

    def test_view_online(self):
        response = self.url_open(f"/directmail/view/{self.token}")
        self.assertIn("Zoë &lt;script&gt;", response.text)
        self.assertIn("sandbox", response.headers["Content-Security-Policy"])

    def _describe_company(self, logo):
        """Give the company a name and an address, and a logo of its own if asked."""
        company = self.account.company_id.sudo()
        values = {"name": "Müller & Söhne", "street": "Rue du Bac 7", "city": "Paris"}
        company.write({**values, "logo": PIXEL if logo else False})
        self.env.flush_all()
        return company

    def test_pages_show_who_sent_the_mail(self):
        """By logo where the company has one, else by name; with the postal address."""
        for logo in (False, True):
            company = self._describe_company(logo)
            for path in ("unsubscribe", "view"):
                with self.subTest(path=path, logo=logo):
                    page = self.url_open(f"/directmail/{path}/{self.token}").text
                    self.assertIn("Müller &amp; Söhne", page)
                    self.assertIn("Rue du Bac 7", page)
                    self.assertIn("Paris", page)
                    self.assertEqual(f"/logo.png?company={company.id}" in page, logo)
        self.assertIn(" – Müller &amp; Söhne</title>", self._post(scope="company"))
        self.assertEqual(self.url_open(f"/logo.png?company={company.id}").status_code, 200)

    def test_the_sender_follows_a_mail_viewed_online(self):
        self._describe_company(logo=False)
        page = self.url_open(f"/directmail/view/{self.token}").text
        mail, end = page.split("Rue du Bac 7")
        self.assertIn("Zoë &lt;script&gt;", mail)
        self.assertNotIn("</body>", mail)
        self.assertIn("</body>", end)

    def test_a_mail_with_the_address_says_it_once(self):
        company = self._describe_company(logo=False)
        company.write({"street": "1 Orchard Road", "city": "Singapore"})  # as in BODY
        self.env.flush_all()
        page = self.url_open(f"/directmail/view/{self.token}").text
        self.assertEqual(page.count("1 Orchard Road"), 1)

    def test_a_dead_link_names_no_company(self):
        self._describe_company(logo=True)
        page = self.url_open("/directmail/unsubscribe/cut-off").text
        self.assertNotIn("Müller", page)
        self.assertNotIn("/logo.png", page)

    def _post(self, path="", **data):
        response = self.url_open(f"/directmail/unsubscribe/{self.token}{path}", data)
        self.assertEqual(response.status_code, 200)
        return response.text

    def test_who_was_erased_reads_that_there_is_nothing_to_unsubscribe(self):
        self._run_cron()
        wizard = self.env["directmail.erasure"].with_user(self.admin)
        ids = self.delivery.partner_id.ids
        wizard.with_context(active_model="res.partner", active_ids=ids).create({}).action_erase()
        self.env.flush_all()
        page = self.url_open(f"/directmail/unsubscribe/{self.token}").text
        self.assertIn("no longer on record", page)
        self.assertNotIn("<form", page)
        self.assertIn("no longer on record", self._post(sure="yes"))
        self.assertFalse(self._get_new_optouts())
        self.assertFalse(self.delivery.unsubscribed_at)

    def test_who_unsubscribes_is_counted(self):
        self._run_cron()
        self._post(scope="company")
        self._post(scope="company")
        self.env["directmail.event"]._apply_all(self.account.company_id)
        self.env.invalidate_all()
        self.assertTrue(self.delivery.unsubscribed_at)
        self.assertEqual(self.task.unsubscribed_count, 1)
        self.assertSumRule(self.task)

    def test_reason(self):
        reason = self.env["mailing.subscription.optout"].search([], limit=1)
        self.assertIn(reason.name, self._post(scope="company"))
        self._post("/reason", reason=reason.id, feedback="  Too loud <b> ")
        optout = self._get_new_optouts()
        self.assertEqual((optout.reason_id, optout.feedback), (reason, "Too loud <b>"))
        for nonsense in ("", "-1", "x", "99999999"):
            self._post("/reason", reason=nonsense, scope=nonsense)

    def test_only_this_sender(self):
        self._post(scope="sender")
        optout = self._get_new_optouts()
        self.assertEqual(optout.sender_id, self.sender)
        self.assertFalse(self.env["mail.blacklist"].search([("email", "=", "zoe@example.com")]))

    def test_mailings_of_every_kind(self):
        self._post(scope="all")
        self.assertFalse(self._get_new_optouts().sender_id)
        self.assertTrue(self.env["mail.blacklist"].search([("email", "=", "zoe@example.com")]))

    def test_by_mistake(self):
        self._post(scope="company")
        self._post("/undo", sure="yes")
        self.assertFalse(self._get_new_optouts())
        self.env["directmail.optout"]._record(self.delivery, "complaint")
        self._post("/undo", sure="yes")
        self.assertEqual(self._get_new_optouts().origin, "complaint")

    def test_undoing_is_offered_only_where_it_brings_mail_back(self):
        """A blacklist entry or a complaint is not undone, so the person would still get no mail."""
        undo = f"/directmail/unsubscribe/{self.token}/undo"
        self.assertIn(undo, self._post(scope="company"))
        self.assertNotIn(undo, self._post(scope="all"))
        self.assertNotIn(undo, self._post(scope="company"), "the address is on the blacklist now")
        page = self._post("/undo", sure="yes")
        self.assertIn("still unsubscribed", page)
        self.assertNotIn("You are still subscribed", page)
        self.assertTrue(self._get_new_optouts())
        entry = self.env["mail.blacklist"].search([("email", "=", "zoe@example.com")])
        self.assertTrue(entry.active)
        entry.action_archive()
        self.env.flush_all()
        self.assertIn("You get emails again", self._post("/undo", sure="yes"))
        self.assertFalse(self._get_new_optouts())

    def test_a_blacklisting_by_others_is_never_undone(self):
        self.env["mail.blacklist"]._add("zoe@example.com")
        self.env.flush_all()
        self.assertNotIn("/undo", self._post(scope="company"))
        self.assertIn("still unsubscribed", self._post("/undo", sure="yes"))
        self.assertTrue(self.env["mail.blacklist"].search([("email", "=", "zoe@example.com")]))

    def test_after_a_complaint_nothing_is_undone(self):
        self.env["directmail.optout"]._record(self.delivery, "complaint")
        self.env.flush_all()
        self.assertNotIn("/undo", self._post(scope="sender"))
        self.assertIn("still unsubscribed", self._post("/undo", sure="yes"))
        self.assertEqual(set(self._get_new_optouts().mapped("origin")), {"complaint", "page"})

    def _speak(self, *codes):
        """Install languages. A test's page must not wait for translations of all of Odoo."""
        view = self.env.ref("email_marketing_dm.unsubscribe_page")
        for code in codes:
            self.env["res.lang"]._activate_lang(code)
            words = {word: f"{word} {code}" for word in ("Unsubscribe?", "This link does not work")}
            view.update_field_translations("arch_db", {code: words})

    def _get_page_language(self, token=None, **headers):
        """Open the page; return the language that it says it is in and is in."""
        path = f"/directmail/unsubscribe/{token or self.token}"
        page = self.url_open(path, headers={key.replace("_", "-"): headers[key] for key in headers})
        said = re.search('<html lang="([^"]*)"', page.text)[1].replace("-", "_")
        title = "This link does not work" if token else "Unsubscribe?"
        self.assertIn(f"<h1>{title}{'' if said == 'en_US' else f' {said}'}</h1>", page.text)
        return said

    def test_in_the_contacts_language(self):
        self._speak("de_DE", "zh_CN")
        for code in ("de_DE", "zh_CN", "en_US"):
            self.delivery.partner_id.lang = code
            self.assertEqual(self._get_page_language(Accept_Language="fr, zh-CN;q=0.5"), code)

    def test_in_the_browsers_language(self):
        self._speak("de_DE", "zh_CN", "zh_TW")
        self.delivery.partner_id.lang = False
        for asked, code in (
            ("de-AT,de;q=0.9,en;q=0.5", "de_DE"),
            ("en;q=0.3, zh-HK", "zh_TW"),
            ("zh", "zh_CN"),
            ("xx, nonsense-, *", "en_US"),
        ):
            self.assertEqual(self._get_page_language(Accept_Language=asked), code, asked)

    def test_in_the_companys_language(self):
        self._speak("de_DE")
        self.delivery.partner_id.lang = False
        self.account.company_id.partner_id.sudo().lang = "de_DE"
        self.assertEqual(self._get_page_language(Accept_Language="fr"), "de_DE")

    def test_in_the_leads_language(self):
        self._speak("de_DE", "zh_CN")
        lang = self.env["res.lang"]._lang_get("de_DE")
        lead = self.env["crm.lead"].create(
            {"name": "Lamps", "email_from": "lea@example.com", "lang_id": lang.id}
        )
        self.delivery.write({"partner_id": False, "res_model": "crm.lead", "res_id": lead.id})
        self.assertEqual(self._get_page_language(Accept_Language="zh"), "de_DE")
        self.env.flush_all()
        lead.unlink()
        self.env.flush_all()
        self.assertEqual(self._get_page_language(Accept_Language="zh"), "zh_CN")

    def test_reasons_and_answers_in_the_persons_language(self):
        self._speak("de_DE")
        self.delivery.partner_id.lang = "de_DE"
        reason = self.env["mailing.subscription.optout"].search([], limit=1)
        reason.with_context(lang="de_DE").name = "Zu viel"
        for page in (self._post(scope="company"), self._post(**{"List-Unsubscribe": "One-Click"})):
            self.assertIn("Zu viel", page)
            self.assertIn('<html lang="de-DE"', page)

    def test_a_dead_link_says_so(self):
        """In the browser's language, whichever link it is; nothing else is known of who clicks."""
        self._speak("de_DE")
        self.assertEqual(self._get_page_language("cut-off", Accept_Language="de"), "de_DE")
        for path in ("view/x", "click/1/1/x", f"click/999999/1/{self.token}"):
            response = self.url_open(f"/directmail/{path}", headers={"Accept-Language": "de"})
            self.assertEqual(response.status_code, 404)
            self.assertIn("This link does not work de_DE", response.text)

    def test_guessed_tokens_lead_nowhere(self):
        for position in range(len(self.token)):
            other = "A" if self.token[position] != "A" else "B"
            token = self.token[:position] + other + self.token[position + 1 :]
            response = self.url_open(
                f"/directmail/unsubscribe/{token}", {"List-Unsubscribe": "One-Click"}
            )
            self.assertEqual(response.status_code, 404, position)
        self.assertFalse(self._get_new_optouts())

    def test_tokens_of_other_databases_and_records_lead_nowhere(self):
        """The same master key may serve several databases, and copies of them."""
        key = self.env["directmail.keyring"]._get_master_key()
        here, number = get_database_uuid(self.env), self.delivery.id
        for uuid, kind in ((str(uuid4()), TOKEN_KIND), (here, ADDRESS_KIND), (here, "")):
            token = make_token(key, uuid, kind, number)
            for path in ("view", "open", "click/1/1", "unsubscribe"):
                self.assertEqual(self.url_open(f"/directmail/{path}/{token}").status_code, 404)
            for path in ("", "/undo", "/reason"):
                answer = self.url_open(f"/directmail/unsubscribe/{token}{path}", {"scope": "all"})
                self.assertEqual(answer.status_code, 404)
        for uuid, kind in ((str(uuid4()), ADDRESS_KIND), (here, TOKEN_KIND)):
            token = make_token(key, uuid, kind, self.account.id)
            answer = self.url_open(f"/directmail/events/{token}", {"any": "thing"})
            self.assertEqual(answer.status_code, 404)
        self.assertFalse(self._get_new_optouts())

    def test_names_are_texts_wherever_they_stand(self):
        """No template, placeholder, tag or header line, in the mail, its subject and the pages."""
        name = '<t t-out="1+1"/>{{ 7*7 }}{Token}${7*7}\r\nBcc: eve@example.com<script>'
        people = self._make_people("yan@example.com", name=name)
        self.account.company_id.sudo().name = name
        task = self._make_task(self._make_audience(people), self.task.template_id)
        task.action_send()
        start_task(task.sudo())
        self._run_cron()
        [row] = self.emulator.ledger(tag=task.tag_name)
        mail = self.emulator.mail(row["env_id"])
        delivery = task.sudo().delivery_ids
        token = self._get_token(delivery)
        pages = {
            "mail": mail["html"],
            "view": self.url_open(f"/directmail/view/{token}").text,
            "page": self.url_open(f"/directmail/unsubscribe/{token}").text,
        }
        for where, text in pages.items():
            with self.subTest(where):
                self.assertIn("&lt;script&gt;", text)
                self.assertNotIn("<script>", text)
                self.assertNotIn("<t t-out", text)
                self.assertIn("{{ 7*7 }}{Token}${7*7}", unescape(text))
        self.assertNotIn("\n", mail["subject"])
        self.assertNotIn("\r", mail["subject"])
        self.assertIn("{{ 7*7 }}", mail["subject"])
        self.assertEqual(
            [header for header in mail["headers"] if header.lower() == "bcc"], [], mail["headers"]
        )
