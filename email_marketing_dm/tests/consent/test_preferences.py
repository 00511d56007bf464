import logging
from datetime import datetime, timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import SQL

from ...engine import plan
from ...engine.content import get_database_uuid
from ...logs import WithoutTokens
from ...privacy.tokens import make_token
from ..common import make_user
from ..common_http import PatientHttpCase
from ..common_preferences import PreferencesMixin


@tagged("post_install", "-at_install")
class TestPreferences(PreferencesMixin, PatientHttpCase):
    """What recipients choose on their page, and who gets mail by it."""

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

    def test_the_proof_has_the_text_as_it_is_read(self):
        self._post(f"{self._open(self.ann)}/frequency", cap="week")
        proof = self.consents.search([("partner_id", "=", self.ann.id)])
        self.assertTrue(proof.text.startswith("Get fewer emails\n"), proof.text)

    def test_who_left_is_not_asked(self):
        page = self._open(self.ann)
        self._post(page, scope="company")
        text = self.url_open(page).text
        self.assertNotIn("Get fewer emails", text)
        self.assertNotIn("Take a break", text)
        # From a page that was open before.
        for path, data in (("frequency", {"cap": "week"}), ("pause", {"weeks": "2"})):
            text = self._post(f"{page}/{path}", **data)
            self.assertIn("You are unsubscribed", text)
            self.assertNotIn("by themselves", text)
        self.assertFalse(self._find(self.ann))

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
        link = self._open_link("ann@example.com")
        known = self.url_open(f"{link}/data.json").json()
        self.assertEqual(known["address"], "ann@example.com")
        self.assertEqual(len(known["mails"]), 2)
        self.assertEqual([mail["subject"] for mail in known["mails"]], ["Spring is here, …"] * 2)
        self.assertTrue(known["mails"][0]["delivered"] and known["mails"][0]["sent_on"])
        self.assertEqual([answer["choice"] for answer in known["answers"]], ["week"])
        self.assertEqual([row["number_of_emails"] for row in known["preferences"]], ["week"])
        text = self.url_open(f"{link}/data").text
        self.assertIn("At most one email a week", text)
        self.assertIn("Emails that you got", text)
        for told in (text, str(known)):
            for hidden in ("bob@example.com", "Internal name", self.user.name):
                self.assertNotIn(hidden, told)

    def test_a_forwarded_mail_shows_nothing_that_is_stored(self):
        """Only a link that is mailed to the address on request does, for a day."""
        page = self._open(self.ann)
        self._run_cron()
        self._post(f"{page}/frequency", cap="week")
        self.assertIn(f"{page}/data", self.url_open(page).text)
        for path, status in ((f"{page}/data", 200), (f"{page}/data.json", 403)):
            response = self.url_open(path)
            self.assertEqual(response.status_code, status)
            self.assertIn("Emails are often forwarded", response.text)
            self.assertIn("Send me the link", response.text)
            for stored in ("ann@example.com", "At most one email", "Spring is here", "127.0.0.1"):
                self.assertNotIn(stored, response.text)
        answers = {self._post(f"{page}/data") for _attempt in range(3)}
        self.assertEqual(len(answers), 1)
        self.assertIn("Check your inbox", answers.pop())
        letter = self._write_letters()
        self.assertEqual(letter.mapped("email_to"), ["ann@example.com"], "once in ten minutes")
        link = self._read_link(letter).replace("/preferences/", "/unsubscribe/")
        self.assertIn("Emails that you got", self.url_open(f"{link}/data").text)
        self.assertIn("Emails that you got", self.url_open(f"{link}/data").text, "until it ends")
        # The token of a mail is no token of a link, nor is one of another number or kind.
        number = self.env["directmail.preference.link"].search([]).id
        key, uuid = self.env["directmail.keyring"]._get_master_key(), get_database_uuid(self.env)
        for forged in (
            link[:-1] + ("A" if link[-1] != "A" else "B"),
            "/directmail/unsubscribe/" + make_token(key, uuid, "p", number + 1),
            "/directmail/unsubscribe/" + make_token(key, uuid, "c", number),
        ):
            with self.subTest(forged):
                response = self.url_open(f"{forged}/data.json")
                self.assertEqual(response.status_code, 404)
                self.assertNotIn("ann@example.com", response.text)
        self.env["directmail.preference.link"].search([]).requested_at -= timedelta(days=1)
        self.env.flush_all()
        for path in (f"{link}/data", f"{link}/data.json"):
            self.assertEqual(self.url_open(path).status_code, 404)

    def test_an_encrypted_address_gets_no_link(self):
        """It must not stand in Odoo's outgoing mail: people ask the company."""
        page = self._open(self.ann)
        self._run_cron()
        self._encrypt_address(self.ann)
        for text in (self.url_open(f"{page}/data").text, self._post(f"{page}/data")):
            self.assertIn("privacy@example.com", text)
            self.assertNotIn("Send me the link", text)
        self.assertFalse(self.env["directmail.preference.link"].search([]))

    def test_the_log_has_no_tokens(self):
        for path in ("preferences", "unsubscribe", "view", "open", "signup/confirm"):
            line = f"GET /directmail/{path}/AbC-_9/data HTTP/1.1"
            record = logging.LogRecord("x", logging.INFO, "", 1, "%s %s", (line, 200), None)
            self.assertTrue(WithoutTokens().filter(record))
            self.assertNotIn("AbC-_9", record.getMessage())

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

    def test_merging_carries_each_preference(self):
        """The address of the kept contact has one of them, two merged contacts the others."""
        until = fields.Datetime.now().replace(microsecond=0) + timedelta(weeks=2)
        dan = self._make_people("dan@example.com")
        [person] = self.consents._find_person(dan)
        for whose, name, value in (
            (self.persons[self.ann], "cap", "month"),
            (self.persons[self.ann], "lang", "de_DE"),
            # Chosen on a page before the address became a contact.
            ({**person, "partner_id": False}, "paused_until", until),
            (self.persons[self.bob], "lang", "en_US"),
        ):
            self.preferences._set(self.company, whose, name, value)
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((self.ann + self.bob + dan).ids, self.bob)
        self.env.invalidate_all()
        kept = self._find(self.bob)
        self.assertEqual((kept.cap, kept.paused_until, kept.lang), ("month", until, "en_US"))

    def test_merging_carries_opt_outs(self):
        """Who left gets no mail at the other address, unless they agreed there since."""
        for partner in self.ann + self.bob:
            self._post(self._open(partner), scope="company")
        self.env.cr.execute(
            "UPDATE directmail_optout SET occurred_at = occurred_at - interval '1 day'"
        )
        self.env.invalidate_all()
        dan, eve, fay = self._make_people("dan@example.com", "eve@example.com", "fay@example.com")
        [person] = self.consents._find_person(eve)
        topic = self.env["directmail.purpose"].create(
            {"name": "News", "company_id": self.company.id}
        )
        self.consents._add_mailing(topic, person, "confirmed", "form")
        [person] = self.consents._find_person(fay)
        self.env["directmail.optout"].create(
            {**person, "company_id": self.company.id, "origin": "bounce"}
        )
        wizard = self.env["base.partner.merge.automatic.wizard"]
        wizard.create({})._merge((self.ann + dan + fay).ids, dan)
        wizard.create({})._merge((self.bob + eve).ids, eve)
        self.env.invalidate_all()
        optouts = self.env["directmail.optout"].search([])
        told = {(optout.email, optout.origin, optout.partner_id) for optout in optouts}
        self.assertEqual(
            told,
            {
                ("ann@example.com", "page", dan),
                ("dan@example.com", "page", dan),
                ("fay@example.com", "page", dan),
                ("bob@example.com", "page", eve),
            },
        )
        self.assertEqual([self._judge(dan), self._judge(eve)], ["opted_out", "waiting"])

    def test_merging_carries_an_opt_out_that_an_agreement_did_not_lift(self):
        """An agreement after the opt-out, as of an order, counts at its own address only."""
        self._post(self._open(self.ann), scope="company")
        self.env.cr.execute(
            "UPDATE directmail_optout SET occurred_at = occurred_at - interval '1 day'"
        )
        self.env.invalidate_all()
        topic = self.env["directmail.purpose"].create(
            {"name": "News", "company_id": self.company.id}
        )
        self.consents._add_mailing(topic, self.persons[self.ann], "yes", "order")
        dan = self._make_people("dan@example.com")
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((self.ann + dan).ids, dan)
        self.env.invalidate_all()
        optouts = self.env["directmail.optout"].search([])
        self.assertEqual(
            {(optout.email, optout.partner_id) for optout in optouts},
            {("ann@example.com", dan), ("dan@example.com", dan)},
        )
        self.assertEqual(self._judge(dan), "opted_out")

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
