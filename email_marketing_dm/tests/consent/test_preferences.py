import re
from datetime import datetime, timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import SQL

from ...engine import plan
from ...engine.content import TOKEN_KIND, get_database_uuid
from ...models.consent.directmail_preference_link import CRON, PER_NETWORK
from ...privacy.tokens import make_token
from ..common import DirectmailMixin, make_user, start_task
from ..common_http import PatientHttpCase


@tagged("post_install", "-at_install")
class TestPreferences(DirectmailMixin, PatientHttpCase):
    """What recipients choose on their page, and who gets mail by it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.account.company_id
        cls.preferences = cls.env["directmail.preference"]
        cls.consents = cls.env["directmail.consent"]
        cls.env["res.lang"]._activate_lang("de_DE")
        cls.template = cls._make_template()
        cls.ann, cls.bob, cls.cat = cls._make_people(
            "ann@example.com", "bob@example.com", "cat@example.com"
        )
        cls.persons = {
            partner: cls.consents._find_person(partner)[0]
            for partner in cls.ann + cls.bob + cls.cat
        }

    def _plan(self, people, **vals):
        task = self._make_task(self._make_audience(people), self.template)
        task.with_user(self.admin).write(vals)
        task.action_send()
        start_task(task.sudo())
        return task

    def _get_fates(self, task):
        self.env.invalidate_all()
        return {row.partner_id: row.reason or row.state for row in task.sudo().delivery_ids}

    def _judge(self, partner, **vals):
        """Return what a new task plans for a person; a task that would mail nobody fails."""
        return self._get_fates(self._plan(partner + self.cat, **vals))[partner]

    def _get_page(self, delivery):
        key = self.env["directmail.keyring"]._get_master_key()
        token = make_token(key, get_database_uuid(self.env), TOKEN_KIND, delivery.sudo().id)
        return f"/directmail/unsubscribe/{token}"

    def _open(self, partner):
        """Send a task to a person, and return the address of their page."""
        return self._get_page(self._plan(partner).sudo().delivery_ids)

    def _post(self, url, **data):
        response = self.url_open(url, {"sure": "yes", **data})
        self.assertEqual(response.status_code, 200)
        self.env.invalidate_all()
        return response.text

    def _find(self, partner):
        return self.preferences._find(self.company, self.persons[partner]["address_key"])

    def _read_answers(self, partner):
        rows = self.consents.search([("partner_id", "=", partner.id)], order="id")
        return [(row.purpose, row.answer, row.value) for row in rows]

    # === FEWER MAILS === #

    def test_fewer_emails(self):
        """In estimate, plan and claim; not for notifications; undone on the page."""
        page = self._open(self.ann)
        waiting = self._plan(self.ann + self.bob)
        self.assertIn("Get fewer emails", self.url_open(page).text)
        self.assertFalse(self._find(self.ann), "following links changes nothing")
        text = self._post(f"{page}/frequency", cap="week")
        self.assertIn("At most one email a week", text)
        self.assertIn("Undo", text)
        self.assertEqual(self._find(self.ann).cap, "week")
        self.assertEqual(self._read_answers(self.ann), [("frequency", "yes", "week")])
        proof = self.consents.search([("partner_id", "=", self.ann.id)])
        self.assertTrue(proof.ip and proof.user_agent and proof.text_version and proof.delivery_id)
        self.assertIn("How many emails", proof.text)
        self.assertEqual(proof.choice, "At most one email a week")
        # The mail that led to the page is sent first, and uses up the week.
        self._run_cron()
        self.assertEqual(self._get_fates(waiting), {self.ann: "less_often", self.bob: "sent"})
        self.assertSumRule(waiting)
        draft = self._make_task(self._make_audience(self.ann + self.bob), self.template)
        draft.audience_ids.action_refresh()
        fates = {fate.reason: count for fate, count in draft._count_fates().items()}
        self.assertEqual(fates, {"less_often": 1, None: 1})
        for vals, fate in (
            ({"ignore_fatigue": True}, "less_often"),
            ({"is_notification": True}, "waiting"),
        ):
            with self.subTest(vals):
                self.assertEqual(self._judge(self.ann, **vals), fate)
        self._post(f"{page}/frequency", cap="")
        self.assertEqual(self._judge(self.ann), "waiting")
        self.assertEqual(self._read_answers(self.ann)[-1], ("frequency", "withdrawn", False))

    def test_a_weekly_newsletter_reaches_who_wants_one_email_a_week(self):
        """Days are counted, not hours: last week's mail may have been sent later in the day."""
        self.preferences._set(self.company, self.persons[self.ann], "cap", "week")
        self.account.sudo().tz = "Asia/Singapore"
        self._plan(self.ann)
        self._run_cron()
        task = self._make_task(self._make_audience(self.ann), self.template).sudo()
        task.audience_ids.action_refresh()
        got = datetime(2026, 3, 3, 2, 5)
        self.env.cr.execute(SQL("UPDATE directmail_delivery SET claimed_at = %s", got))
        for at, reason in (
            (got + timedelta(days=7, minutes=-5), None),
            (datetime(2026, 3, 9, 16, 0), None),
            (datetime(2026, 3, 9, 15, 59), "less_often"),
        ):
            judged = plan.select_judged(self.env, task._get_task_plan(), at)
            found = self.env.execute_query(SQL("WITH %s SELECT reason FROM judged", judged))
            self.assertEqual(found, [(reason,)], at)

    # === PAUSE === #

    def test_pause(self):
        page = self._open(self.ann)
        waiting = self._plan(self.ann + self.bob)
        text = self._post(f"{page}/pause", weeks="4")
        self.assertIn("End the break now", text)
        until = self._find(self.ann).paused_until
        self.assertAlmostEqual(
            until, fields.Datetime.now() + timedelta(weeks=4), delta=timedelta(hours=1)
        )
        self._run_cron()
        self.assertEqual(self._get_fates(waiting), {self.ann: "paused", self.bob: "sent"})
        self.assertEqual(self._judge(self.ann), "paused")
        self.assertEqual(self._judge(self.ann, is_notification=True), "waiting")
        status = self.env["directmail.fatigue.status"].with_user(self.user)._make(self.ann)
        self.assertEqual(status.paused_until, until)
        # Ended earlier, undone, and ended by itself.
        text = self._post(f"{page}/pause", until="")
        self.assertIn(f'value="{until}"', text)
        self.assertEqual(self._judge(self.ann), "waiting")
        self._post(f"{page}/pause", until=str(until))
        self.assertEqual(self._find(self.ann).paused_until, until)
        self._find(self.ann).sudo().paused_until = fields.Datetime.now() - timedelta(days=2)
        self.assertEqual(self._judge(self.ann), "waiting")
        self.assertNotIn("End the break now", self.url_open(page).text)
        self.preferences.sudo()._gc_ended()
        self.assertFalse(self._find(self.ann).paused_until)
        self.assertEqual(
            [answer for purpose, answer, _value in self._read_answers(self.ann)],
            ["yes", "withdrawn", "yes"],
        )

    def test_nonsense_changes_nothing(self):
        page = self._open(self.ann)
        self._post(f"{page}/pause", weeks="2")
        before = self._find(self.ann).paused_until
        for path, data in (
            ("pause", {}),
            ("pause", {"weeks": "3"}),
            ("pause", {"weeks": "9" * 5000}),
            ("pause", {"until": "tomorrow, at ten in "}),
            ("frequency", {}),
            ("frequency", {"cap": "hour"}),
            ("language", {"lang": "xx_XX"}),
            ("language", {}),
        ):
            with self.subTest(path, **data):
                self._post(f"{page}/{path}", **data)
        self._post(f"{page}/pause", until="9999-12-31 23:59:59")
        preference = self._find(self.ann)
        self.assertLess(preference.paused_until, before + timedelta(weeks=10, hours=1))
        self.assertFalse(preference.cap or preference.lang)
        forged = page[:-1] + ("A" if page[-1] != "A" else "B")
        for path in ("frequency", "pause", "language"):
            self.assertEqual(self.url_open(f"{forged}/{path}", {"cap": "week"}).status_code, 404)
            self.assertEqual(self.url_open(f"{page}/{path}").status_code, 405)

    def test_who_left_is_not_asked(self):
        page = self._open(self.ann)
        self._post(page, scope="company")
        text = self.url_open(page).text
        self.assertNotIn("Get fewer emails", text)
        self.assertNotIn("Take a break", text)

    # === LANGUAGE === #

    def test_language(self):
        """Of the page and of the contact, who still has the address."""
        page = self._open(self.ann)
        text = self._post(f"{page}/language", lang="de_DE")
        self.assertIn('<html lang="de-DE"', text)
        self.assertEqual((self.ann.lang, self._find(self.ann).lang), ("de_DE", "de_DE"))
        self.assertIn('<html lang="de-DE"', self.url_open(page).text)
        self._post(f"{page}/language", lang="en_US")
        self.ann.email = "new@example.com"
        self.env.flush_all()
        text = self._post(f"{page}/language", lang="de_DE")
        self.assertIn('<html lang="de-DE"', text)
        self.assertEqual(self.ann.lang, "en_US", "the link is of another address")

    # === WHAT IS KNOWN === #

    def test_what_is_known(self):
        """Of this address in this company, and nothing internal."""
        page = self._open(self.ann)
        task = self._plan(self.ann + self.bob)
        task.name = "Internal name"
        self._run_cron()
        self._import_results(task)
        self._post(f"{page}/frequency", cap="week")
        other = self.env["res.company"].create({"name": "Other"})
        self.preferences._set(other, self.persons[self.ann], "cap", "month")
        known = self.url_open(f"{page}/data.json").json()
        self.assertEqual(known["address"], "ann@example.com")
        self.assertEqual(len(known["mails"]), 2)
        self.assertEqual([mail["subject"] for mail in known["mails"]], ["Spring is here, …"] * 2)
        self.assertTrue(known["mails"][0]["delivered"] and known["mails"][0]["sent_on"])
        self.assertEqual([answer["choice"] for answer in known["answers"]], ["week"])
        self.assertEqual([row["number_of_emails"] for row in known["preferences"]], ["week"])
        text = self.url_open(f"{page}/data").text
        self.assertIn("At most one email a week", text)
        self.assertIn("Emails that you got", text)
        for told in (text, str(known)):
            for hidden in ("bob@example.com", "Internal name", self.user.name):
                self.assertNotIn(hidden, told)

    # === A LINK WITHOUT A MAIL === #

    def _ask_for_link(self, email, **data):
        url = self.env["directmail.preference.link"]._get_company_url(self.company)
        path = url[url.index("/directmail/") :]
        return self._post(path, email=email, **data)

    def _write_letters(self):
        """Run the cron, and return the mails in Odoo's queue that it made."""
        before = self.env["mail.mail"].search([])
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref(CRON).method_direct_trigger()
        self.env.invalidate_all()
        return self.env["mail.mail"].search([]) - before

    def _read_link(self, letter):
        return re.search(r'href="[^"]*(/directmail/preferences/[^"]+)"', letter.body_html)[1]

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

    # === WHO, AND WHAT BECOMES OF IT === #

    def test_rights(self):
        self.preferences._set(self.company, self.persons[self.ann], "cap", "week")
        self.preferences._set(
            self.company, {"address_key": "k" * 64, "email": "x@example.com"}, "cap", "month"
        )
        mine = self.preferences.with_user(self.user).search([])
        self.assertEqual(mine.partner_id, self.ann)
        self.assertEqual(len(self.preferences.with_user(self.admin).search([])), 2)
        for values in ({"cap": "month"}, {"paused_until": False}):
            with self.assertRaises(AccessError):
                mine.write(values)
        outsider = make_user(self.env, "outsider", "base.group_user")
        with self.assertRaises(AccessError):
            self.preferences.with_user(outsider).search([])

    def test_a_changed_address_loses_them_and_merging_keeps_them(self):
        self.preferences._set(self.company, self.persons[self.ann], "cap", "month")
        self._plan(self.ann + self.bob)
        self._run_cron()
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((self.ann + self.bob).ids, self.bob)
        self.env.invalidate_all()
        self.assertEqual(self._find(self.bob).cap, "month")
        self.assertEqual(self._find(self.ann).cap, "month")
        self.assertEqual(self._judge(self.bob), "less_often")
        self.bob.email = "new@example.com"
        self.assertEqual(self._judge(self.bob), "waiting")

    def test_export_and_erasure(self):
        self.preferences._set(self.company, self.persons[self.ann], "cap", "month")
        self.preferences._set(self.company, self.persons[self.bob], "cap", "week")
        dialogs = self.env["directmail.erasure"].with_user(self.admin)
        dialog = dialogs.create({"partner_ids": [(6, 0, self.ann.ids)]})
        exported = dialog._export()
        self.assertEqual(
            exported["preferences"],
            [{"number_of_emails": "month", "paused_until": "", "language": ""}],
        )
        self.assertEqual(exported["consents"][0]["choice"], "month")
        dialog.action_erase()
        self.env.invalidate_all()
        self.assertEqual(self.preferences.search([]).partner_id, self.bob)
        self.assertEqual(self.consents.search([]).partner_id, self.bob)
