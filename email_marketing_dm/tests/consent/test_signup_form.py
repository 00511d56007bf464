import re
from html import unescape

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from ...engine.sql import UNMATCHABLE
from ..common_signup import ELSEWHERE, ZOE, SignupCommon


@tagged("post_install", "-at_install")
class TestSignupForm(SignupCommon):
    """The form for sign-ups: its texts and languages, who sees what, and what becomes of it."""

    def test_people_agree_to_the_text_that_they_saw(self):
        version = self.form._get_version()
        self.form.consent_text = "I agree to everything."
        self.env.flush_all()
        answer = self._send(version=version).text
        self.assertIn("The text of this form has changed", answer)
        self.assertIn("I agree to everything.", answer)
        self.assertIn(ZOE, answer, "nothing has to be entered again")
        self.assertFalse(self._get_signups())

    def test_language(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.form.with_context(lang="de_DE").title = "Anmeldung"
        self.offers.with_context(lang="de_DE").name = "Angebote"
        self.env.flush_all()
        german = self.form.with_context(lang="de_DE")
        self.assertNotEqual(german._get_version(), self.form._get_version())
        page = self.url_open(self.path, headers={"Accept-Language": "de-AT"}).text
        self.assertIn('<html lang="de-DE">', page)
        self.assertIn("Anmeldung", page)
        self.assertIn("Angebote", page)
        self._send(version=german._get_version(), lang="de_DE")
        signup = self._get_signups()
        self.assertEqual(signup.lang, "de_DE")
        [shown] = signup.export_data(["lang"])["datas"]
        self.assertEqual(shown, ["German / Deutsch"], "users don't read codes")
        link = self._read_link(self._ask())
        self.assertIn('<html lang="de-DE">', self.url_open(link).text)
        self._confirm(link)
        consent = self._get_new_consents()
        self.assertIn("Angebote", consent.text)
        self.assertEqual((consent.lang, consent.partner_id.lang), ("de_DE", "de_DE"))

    def test_a_language_that_was_switched_off(self):
        german = self.env["res.lang"]._activate_lang("de_DE")
        version = self.form.with_context(lang="de_DE")._get_version()
        self._send(version=version, lang="de_DE")
        link = self._read_link(self._ask())
        self._send("kim@customer.example", version=version, lang="de_DE")
        self._send("lou@customer.example")
        self.assertEqual(self._get_signups().mapped("lang"), ["de_DE", "de_DE", "en_US"])
        german.active = False
        self.assertEqual(len(self._ask()), 2, "others get their mails, too")
        self.assertIn("You are signed up", self._confirm(link).text)
        self.assertEqual(self._get_new_consents().lang, "de_DE")
        self.assertEqual(self._get_new_consents().partner_id.lang, "en_US")

    def test_default_texts_are_in_all_languages(self):
        """Visitors read what they agree to in the language of the page."""
        self.env["res.lang"]._activate_lang("de_DE")
        forms = self.env["directmail.signup.form"].with_user(self.admin)
        values = {"name": "New", "purpose_ids": self.news.ids}
        form, own = forms.create([values, {**values, "title": "Tea letter"}])
        for name in ("title", "consent_text"):
            self.assertNotEqual(form.with_context(lang="de_DE")[name], form[name])
        self.assertIn(self.company.name, form.with_context(lang="de_DE").consent_text)
        self.assertEqual(own.with_context(lang="de_DE").title, "Tea letter")
        german = forms.with_context(lang="de_DE").create(values)
        self.assertEqual(german.with_context(lang="en_US").title, form.title)
        self.assertEqual(german.title, form.with_context(lang="de_DE").title)

    def test_snippet(self):
        """The HTML for other websites is the form itself, and works."""
        snippet = self.form.snippet
        self.assertNotIn("<script", snippet)
        [action] = re.findall(r'action="([^"]+)"', snippet)
        self.assertEqual(action, self.form.page_url)
        self.assertTrue(action.endswith(self.path))
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', snippet))
        self.assertEqual(hidden["lang"], "en_US")
        self.assertIn(self.form.title, snippet, "it is part of the text that is proved")
        self.assertIn("Please check your inbox", self._send(**hidden).text)

    def test_one_topic_is_not_asked_for(self):
        self.form.purpose_ids = self.news
        self.form.redirect_url = "https://www.example.com/thanks"
        self.env.flush_all()
        self.assertNotIn('name="topic"', self.url_open(self.path).text)
        response = self._sign_up(topic="")
        self.assertEqual(response.headers["Location"], "https://www.example.com/thanks")
        self.assertEqual(self._get_new_consents().purpose_id, self.news)
        with self.assertRaises(ValidationError):
            self.form.redirect_url = "javascript:alert(1)"

    def test_a_closed_form(self):
        for close in (self.form.action_archive, (self.offers + self.news).action_archive):
            close()
            self.env.flush_all()
            for response in (self.url_open(self.path), self._send()):
                self.assertEqual(response.status_code, 404)
                self.assertIn("The form does not exist any more", unescape(response.text))
            self.form.action_unarchive()
        self.assertFalse(self._get_signups())

    def test_rights(self):
        self._send()
        self._send("bare@example.com")
        self._ask()
        self._get_signups()[0]._confirm(ELSEWHERE)
        signups = self._get_signups()
        form = self.form.with_user(self.user)
        self.assertEqual(form.read(["title", "confirmed_count"])[0]["confirmed_count"], 1)
        self.assertEqual(self.signups.with_user(self.user).search([]), signups[0])
        self.assertEqual(self.signups.with_user(self.admin).search([]), signups.sorted("id"))
        with self.assertRaises(AccessError):
            form.title = "Mine"
        with self.assertRaises(AccessError):
            signups[0].with_user(self.user).unlink()
        with self.assertRaises(AccessError):
            signups[1].with_user(self.admin).state = "confirmed"

    def test_an_audience_of_confirmed_people(self):
        self._sign_up()
        action = self.form.with_user(self.user).action_new_audience()
        audiences = self.env["directmail.audience"].with_user(self.user)
        audience = audiences.with_context(**action["context"]).create({})
        audience.action_refresh()
        self.assertEqual(audience.name, self.form.name)
        self.assertEqual(audience.member_ids.partner_id, self._get_new_consents().partner_id)
        other = self.env["res.partner.category"].create({"name": "Another"})
        self.form.tag_ids += other
        action = self.form.with_user(self.user).action_new_audience()
        audience = audiences.with_context(**action["context"]).create({})
        audience.action_refresh()
        self.assertFalse(audience.member_ids, "They have one of the tags only.")
        self.assertEqual(action["context"]["default_company_id"], self.form.company_id.id)
        self.form.tag_ids = False
        with self.assertRaises(UserError):
            self.form.with_user(self.user).action_new_audience()

    def test_failed_emails_are_told(self):
        """Otherwise nobody who made the form knows why no one confirms."""
        self._send()
        mail = self._ask()
        self.assertFalse(self.form.has_failed_letters)
        mail.state = "exception"
        self.form.invalidate_recordset()
        self.assertTrue(self.form.with_user(self.user).has_failed_letters)
        other = self.env["res.company"].create({"name": "Other"})
        self.assertFalse(self.env["directmail.letter"]._has_failed(other))

    def test_data_of_a_contact(self):
        """Contained in the export, deleted by the erasure; the consent stays under its key."""
        self._sign_up()
        partner = self._get_new_consents().partner_id
        self._send()
        self._ask()
        self.signups._sign_up(self.form, ZOE, "", self.offers)
        letters = self.env["mail.mail"].search([("email_to", "=", ZOE)])
        self.assertEqual(len(letters), 2)
        letters[0].state = "exception"
        wizard = self.env["directmail.erasure"].with_user(self.admin)
        wizard = wizard.create({"partner_ids": partner.ids})
        states = [row["state"] for row in wizard._export()["sign_ups"]]
        self.assertCountEqual(states, ["new", "asked", "confirmed"])
        self._send("other@example.com")
        other = self._ask()
        wizard.action_erase()
        self.assertEqual(self._get_signups().email, "other@example.com")
        self.assertFalse(letters.exists(), "they name the address, and would reach it")
        self.assertTrue(other.exists())
        consent = self._get_new_consents()
        self.assertFalse(consent.email or consent.ip or consent.confirmation_ip)
        self.assertFalse(consent.address_key.startswith(UNMATCHABLE))
