import re

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL

from ...engine.content import ANONYMOUS_KIND, get_database_uuid
from ...engine.events import Fact
from ...privacy.tokens import make_token
from ..common import make_user, start_task
from ..common_measuring import PERSON, MeasuringCommon


@tagged("post_install", "-at_install")
class TestMeasuring(MeasuringCommon):
    def test_who_is_measured(self):
        """Not asked: no in France, yes elsewhere; an answer counts before the country."""
        self._answer(self.bob, "yes")
        self._answer(self.cat, "no")
        task = self._make_task(self._make_audience(self.people), self.template)
        fates = task.sudo()._estimate_people()
        self.assertEqual((sum(fates.values()), fates.unmeasured, fates.unclicked), (4, 2, 2))
        estimate = self.env["directmail.task.estimate"].with_user(self.user)._make(task, True)
        self.assertEqual(
            estimate.unmeasured,
            "Opens and clicks of 2 people are not recorded, because they have not consented to"
            " being measured.",
        )
        task.action_send()
        start_task(task.sudo())
        rows = self._by_person(task)
        self.assertEqual(
            [rows[person].measuring for person in self.people], ["no", False, "no", False]
        )

    def test_clicks_may_be_recorded(self):
        """The setting is about people who were not asked: a refusal covers clicks, too."""
        self.company.directmail_unasked_clicks = "recorded"
        self._answer(self.bob, "no")
        task = self._send()
        rows = self._by_person(task)
        self.assertEqual((rows[self.ann].measuring, rows[self.bob].measuring), ("clicks", "no"))
        for person in self.people:
            self._hit(task, person)
        self._import_results(task)
        self._apply()
        rows = self._by_person(task)
        self.assertFalse(rows[self.ann].opened_at)
        self.assertTrue(rows[self.ann].clicked_at)
        self.assertFalse(rows[self.bob].clicked_at)
        self.assertEqual((task.opened_count, task.clicked_count), (2, 3))
        self.assertEqual((task.anonymous_open_count, task.anonymous_click_count), (2, 1))
        self.assertEqual((task.open_rate, task.click_rate), (1, 1))

    def test_same_token_for_all_without_consent(self):
        self._answer(self.cat, "no")
        task = self._send()
        ann, bob, cat, dan = (self._read_mail(task, person) for person in self.people)
        self.assertEqual(ann[:2], bob[:2])
        self.assertEqual(ann[:2], cat[:2])
        self.assertNotEqual(ann[0], dan[0])
        self.assertEqual(dan[0], f"/directmail/open/{dan[2]}")
        self.assertEqual(len({mail[2] for mail in (ann, bob, cat, dan)}), 4)
        shared = ann[0].rpartition("/")[2]
        key = self.env["directmail.keyring"]._get_master_key()
        self.assertEqual(
            shared, make_token(key, get_database_uuid(self.env), ANONYMOUS_KIND, task.id)
        )
        # It opens no page of a recipient, and another task has another one.
        self.assertEqual(self.url_open(f"/directmail/unsubscribe/{shared}").status_code, 404)
        self.assertEqual(self.url_open(f"/directmail/view/{shared}").status_code, 404)
        for position in range(len(shared)):
            other = "A" if shared[position] != "A" else "B"
            guessed = shared[:position] + other + shared[position + 1 :]
            self.assertEqual(self.url_open(f"/directmail/open/{guessed}").status_code, 404)

    def test_a_mail_without_measuring_can_be_viewed_online(self):
        task = self._send()
        for person in self.people:
            with self.subTest(person.email):
                pixel, link, token = self._read_mail(task, person)
                page = self.url_open(f"/directmail/view/{token}")
                self.assertEqual(page.status_code, 200)
                self.assertIn(f'{pixel}"', page.text)
                self.assertIn(f'{link}"', page.text)

    def test_nothing_is_recorded_of_people_without_consent(self):
        task = self._send()
        for person in self.people:
            self._hit(task, person)
        self._import_results(task)
        self._apply()
        self.assertEqual(
            self._get_facts(task).delivery_id.partner_id, self.cat + self.dan, "no fact of others"
        )
        rows = self._by_person(task)
        for person in self.ann + self.bob:
            row = rows[person]
            self.assertFalse(row.opened_at or row.clicked_at)
            self.assertFalse(row.open_count or row.click_count or row.machine_open_count)
        self.assertEqual((task.opened_count, task.clicked_count), (2, 2))
        self.assertEqual((task.anonymous_open_count, task.anonymous_click_count), (2, 2))
        self.assertEqual((task.unmeasured_open_count, task.delivered_count), (2, 4))
        self.assertEqual((task.open_rate, task.click_rate), (1, 1))
        self.assertFalse(self.env["directmail.anonymous.hit"].search_count([]))
        shown = task.get_effectiveness()
        opened = next(step for step in shown["funnel"] if step["name"] == "opened")
        self.assertEqual((opened["count"], opened["base"]), (2, 2))
        self.assertEqual(len(shown["measuring"]), 1, "the count of two people is not told")
        self.assertIn("2 people", shown["measuring"][0])
        report = self.env["directmail.task.report"].browse(task.id)
        self.assertEqual((report.open_base, report.open_rate), (2, 1))

    def test_machines_are_told_apart(self):
        task = self._send()
        pixel, _link, _token = self._read_mail(task, self.ann)
        self.url_open(pixel, headers={"User-Agent": "MailSecurityScanner/1.0"})
        self.url_open(pixel, headers=PERSON)
        self._apply()
        self.assertEqual(task.anonymous_open_count, 1)

    def test_withdrawal_holds_for_mails_already_sent(self):
        task = self._send(self.dan)
        _pixel, _link, token = self._read_mail(task, self.dan)
        self._hit(task, self.dan)
        self._import_results(task)
        self._apply()
        response = self.url_open(
            f"/directmail/unsubscribe/{token}/measuring", {"answer": "no"}, headers=PERSON
        )
        self.assertEqual(response.status_code, 200)
        self.assertIn("Your opens and clicks are no longer recorded", response.text)
        self._hit(task, self.dan)
        self._apply()
        row = self._by_person(task)[self.dan]
        self.assertEqual((row.measuring, row.open_count, row.click_count), ("withdrawn", 1, 1))
        self.assertEqual(len(self._get_facts(task)), 2)
        self.assertEqual((task.anonymous_open_count, task.anonymous_click_count), (1, 1))
        self.assertEqual((task.opened_count, task.open_rate), (1, 1), "what was is not undone")
        # The answer has its proof.
        consent = self.env["directmail.consent"].search([("partner_id", "=", self.dan.id)])
        self.assertEqual((consent.answer, consent.origin), ("no", "page"))
        self.assertEqual((consent.email, consent.delivery_id), ("m3@example.com", row))
        self.assertIn("would like to record whether you open its emails", consent.text)
        self.assertEqual(consent.user_agent, PERSON["User-Agent"])
        self.assertTrue(consent.ip and consent.lang and consent.text_version)
        # They change their mind.
        self.url_open(f"/directmail/unsubscribe/{token}/measuring", {"answer": "yes"})
        self._hit(task, self.dan)
        self._apply()
        row = self._by_person(task)[self.dan]
        self.assertEqual((row.measuring, row.open_count), (False, 2))
        self.assertEqual(self.dan.directmail_measuring, "yes")

    def test_contacts_open_without_the_master_key(self):
        self._answer(self.dan, "no")
        with self._on_server_with():
            contact = self.dan.with_user(self.user)
            [values] = contact.web_read({"name": {}, "directmail_measuring": {}})
            self.assertFalse(values["directmail_measuring"])
        self.assertEqual(self.dan.directmail_measuring, "no")

    def test_what_was_recorded_can_be_erased(self):
        task = self._send(self.cat + self.dan)
        for person in self.cat + self.dan:
            self._hit(task, person)
        self._import_results(task)
        self._apply()
        _pixel, _link, token = self._read_mail(task, self.dan)
        self._hit(task, self.dan)  # not applied yet
        response = self.url_open(
            f"/directmail/unsubscribe/{token}/measuring", {"answer": "erase"}, headers=PERSON
        )
        self.assertIn("What was recorded before has been deleted.", response.text)
        self._apply()
        row = self._by_person(task)[self.dan]
        self.assertEqual(row.measuring, "no")
        self.assertFalse(row.opened_at or row.clicked_at or row.open_count or row.click_count)
        self.assertEqual(self._get_facts(task).delivery_id.partner_id, self.cat)
        self.assertEqual(
            self.env["link.tracker.click"].search_count(
                [("link_id", "in", task.sudo().link_ids.tracker_id.ids)]
            ),
            1,
        )
        self.assertEqual((task.opened_count, task.clicked_count), (1, 1))
        self.assertEqual((task.anonymous_open_count, task.anonymous_click_count), (1, 1))
        self.assertEqual((task.open_rate, task.click_rate), (1, 1))
        # Again, nothing is left to delete.
        self.url_open(f"/directmail/unsubscribe/{token}/measuring", {"answer": "erase"})
        self.env.invalidate_all()
        self.assertEqual((task.opened_count, task.anonymous_open_count), (1, 1))
        self.assertEqual(
            self.env["directmail.consent"].search_count([("partner_id", "=", self.dan.id)]), 1
        )

    def test_pushed_opens_are_not_kept(self):
        task = self._send(self.ann + self.dan)
        rows = self._by_person(task)
        self._answer(self.dan, "no")
        key = rows[self.ann].address_key
        events = self.env["directmail.event"]
        fact = {
            "source": "push",
            "occurred_at": rows[self.ann].claimed_at,
            "company_id": self.company.id,
            "account_id": self.account.id,
        }
        events._receive(
            [
                Fact(kind="open", delivery_id=rows[self.ann].id, fingerprint="m1", **fact),
                Fact(kind="click", delivery_id=rows[self.dan].id, fingerprint="m2", **fact),
                Fact(kind="open", task_id=task.id, address_key=key, fingerprint="m3", **fact),
                Fact(kind="open", address_key=key, fingerprint="m4", **fact),
                Fact(kind="delivered", delivery_id=rows[self.ann].id, fingerprint="m5", **fact),
            ]
        )
        self._apply()
        self.assertFalse(self._get_facts(task))
        kept = events.search([("fingerprint", "in", ["m1", "m2", "m3", "m4", "m5"])]).sorted(
            "fingerprint"
        )
        self.assertEqual(kept.mapped("kind"), ["open", "delivered"])
        self.assertFalse(kept[0].address_key or kept[0].delivery_id, "it names nobody")
        self.assertEqual(task.anonymous_open_count, 0, "our own pixel counts")

    def test_who_did_not_open_leaves_them_out(self):
        self._answer(self.cat, "yes")
        task = self._send()
        self._hit(task, self.cat)
        self._import_results(task)
        self._apply()
        for result, people in (
            ("opened", self.cat),
            ("not_opened", self.dan),
            ("not_clicked", self.dan),
            ("delivered", self.people),
        ):
            audience = self._make_audience(
                None, lines=[{"kind": "task", "task_id": task.id, "task_result": result}]
            )
            audience.action_refresh()
            self.assertEqual(audience.member_ids.partner_id, people, result)
        wizard = self.env["directmail.task.follow.up"].with_user(self.user)
        told = wizard.count_people(task.id, "not_opened")
        self.assertEqual(told["people"], 1)
        self.assertTrue(told["note"].endswith("measured: 2"), told["note"])
        self.assertFalse(wizard.count_people(task.id, "opened").get("note"))
        self.assertIn("Opens not recorded: 2", task._describe_results())
        self._answer(self.dan, "no")
        self.assertEqual(wizard.count_people(task.id, "not_opened")["people"], 0)

    def test_a_click_is_no_touch_of_an_opening(self):
        self.company.directmail_unasked_clicks = "recorded"
        task = self._send(self.ann)
        self._hit(task, self.ann)
        self._apply()
        [(touched,)] = self.env.execute_query(
            SQL(
                "SELECT %s FROM directmail_delivery d WHERE task_id = %s",
                task._touch_to_sql(SQL.identifier("d"), SQL("'open'")),
                task.id,
            )
        )
        self.assertFalse(touched)

    def test_answers_are_only_added(self):
        self._answer(self.dan, "yes")
        self._answer(self.dan, "no")
        consents = self.env["directmail.consent"].search([("partner_id", "=", self.dan.id)])
        self.assertEqual(consents.mapped("answer"), ["no", "yes"])
        self.assertEqual(consents.user_id, self.user)
        for user in (self.user, self.admin):
            with self.assertRaises(AccessError):
                consents[0].with_user(user).answer = "yes"
            with self.assertRaises(AccessError):
                consents[0].with_user(user).unlink()
            with self.assertRaises(AccessError):
                consents.with_user(user).create(
                    {
                        "company_id": self.company.id,
                        "address_key": "x",
                        "purpose": "measuring",
                        "answer": "yes",
                        "origin": "api",
                        "recorded_at": "2026-01-01",
                    }
                )
        stranger = make_user(self.env, "dm_reader", "base.group_user,base.group_partner_manager")
        with self.assertRaises(AccessError):
            self.dan.with_user(stranger).action_directmail_measuring_yes()

    def test_erasure_keeps_the_answer(self):
        self._answer(self.dan, "no")
        consent = self.env["directmail.consent"].search([("partner_id", "=", self.dan.id)])
        wizard = (
            self.env["directmail.erasure"]
            .with_user(self.admin)
            .create({"partner_ids": [(6, 0, self.dan.ids)]})
        )
        [told] = wizard._export()["consents"]
        self.assertEqual((told["answer"], told["origin"]), ("no", "contact"))
        wizard.action_erase()
        self.assertFalse(consent.partner_id or consent.email)
        self.assertEqual(consent.answer, "no")
        task = self._make_task(self._make_audience(self.dan), self.template)
        self.assertEqual(task.sudo()._estimate_people().unmeasured, 1)

    def test_other_companies_have_answers_of_their_own(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.assertEqual(company.directmail_measuring_default, "yes")
        self.assertIn("GP", company.directmail_unmeasured_countries)
        person = self.env["directmail.consent"]._find_person(self.dan)[0]
        self.env["directmail.consent"]._add(company, person, "no", "import")
        self.assertEqual(self.dan.directmail_measuring, "not_asked")
        self.assertEqual(self.dan.with_company(company).directmail_measuring, "no")

    # === TEMPLATES APPROVED BEFORE === #

    def _make_old(self, template):
        """Make a template as versions before 19.0.1.9.0 compiled it."""
        old = re.sub(r"\{(Open|Click)Token\}", "{Token}", template.submitted_text)
        template.sudo().write({"submitted_text": old, "stored_text": old})
        self.account.sudo().content_mode = "body"
        self.assertTrue(template.needs_new_review)
        return template

    def test_old_template(self):
        template = self._make_old(self.template)
        task = self._make_task(self._make_audience(self.people), template)
        estimate = self.env["directmail.task.estimate"].with_user(self.user)._make(task, True)
        self.assertIn("Until it is submitted again", estimate.unmeasured)
        task.action_send()
        self._run_cron()
        for person in self.people:
            self._hit(task, person)
        self._import_results(task)
        self._apply()
        self.assertFalse(self._get_facts(task), "of nobody")
        self.assertEqual((task.anonymous_open_count, task.anonymous_click_count), (4, 4))
        shown = task.get_effectiveness()
        self.assertIn("Opens and clicks of nobody are recorded", shown["measuring"][0])
        self.assertFalse(
            next(step for step in shown["funnel"] if step["name"] == "opened")["recorded"]
        )
        line = [{"kind": "task", "task_id": task.id, "task_result": "not_opened"}]
        with self.assertRaisesRegex(UserError, "are not recorded"):
            self._make_audience(None, lines=line).action_refresh()

        submission = template.submission
        template.action_submit_again()
        self.assertEqual((template.state, template.submission), ("in_review", submission + 1))
        self.assertFalse(template.needs_new_review)
        self.emulator.approve(template.remote_ref)
        template.action_check_review()
        self.assertEqual(template.state, "approved")
        # Mails with the old text are out: nothing of them is recorded later either.
        self._hit(task, self.dan)
        self._apply()
        self.assertFalse(self._get_facts(task))
        self.assertEqual(task.anonymous_open_count, 5)

    def test_home_lists_templates_to_submit_again(self):
        template = self._make_old(self.template)
        draft = self._make_task(self._make_audience(self.people), template)
        home = self.env["directmail.home"]
        self.assertFalse(home.with_user(self.other).get_home()["reviews"], "of another user")
        for user in (self.user, self.admin):
            reviews = home.with_user(user).get_home()["reviews"]
            self.assertEqual(reviews["ids"], template.ids)
            self.assertEqual([task["id"] for task in reviews["tasks"]], draft.ids)
        self.assertEqual(template.open_task_ids, draft)
        self.assertFalse(template.with_user(self.other).open_task_ids, "they may not read it")
        # What the page calls.
        template.browse(reviews["ids"]).with_user(self.user).action_submit_again()
        self.assertFalse(home.with_user(self.user).get_home()["reviews"])
        self.assertFalse(template.open_task_ids)

    def test_old_template_without_such_people(self):
        task = self._send(self.cat + self.dan, self._make_old(self.template))
        self._hit(task, self.dan)
        self._apply()
        self.assertEqual(self._get_facts(task).delivery_id.partner_id, self.dan)

    def test_a_template_in_use_is_not_submitted_again(self):
        template = self._make_old(self.template)
        task = self._make_task(self._make_audience(self.people), template)
        task.action_send()
        start_task(task.sudo())
        with self.assertRaisesRegex(UserError, "when they have ended"):
            template.action_submit_again()


@tagged("post_install", "-at_install")
class TestMeasuringPages(MeasuringCommon):
    def test_the_page_asks_without_javascript(self):
        task = self._send(self.ann)
        _pixel, _link, token = self._read_mail(task, self.ann)
        for path in ("", "/undo"):
            page = self.url_open(
                f"/directmail/unsubscribe/{token}{path}", **({"data": {"x": 1}} if path else {})
            )
            self.assertIn("Measuring opens and clicks", page.text, path)
            self.assertNotIn("<script", page.text)
        self.assertFalse(self.env["directmail.consent"].search_count([]), "a visit is no answer")

    def test_bad_answers_change_nothing(self):
        task = self._send(self.ann)
        _pixel, _link, token = self._read_mail(task, self.ann)
        for answer in ("", "maybe", "yes;no"):
            page = self.url_open(f"/directmail/unsubscribe/{token}/measuring", {"answer": answer})
            self.assertEqual(page.status_code, 200)
        page = self.url_open("/directmail/unsubscribe/forged/measuring", {"answer": "no"})
        self.assertEqual(page.status_code, 404)
        self.assertFalse(self.env["directmail.consent"].search_count([]))

    def test_contact(self):
        dan = self.dan.with_user(self.user)
        self.assertEqual(dan.directmail_measuring, "not_asked")
        dan.action_directmail_measuring_no()
        self.assertEqual(dan.directmail_measuring, "no")
        action = dan.action_view_directmail_consents()
        found = self.env["directmail.consent"].with_user(self.user).search(action["domain"])
        self.assertEqual((found.answer, found.origin, found.user_id), ("no", "contact", self.user))

    def test_settings(self):
        settings = self.env["res.config.settings"].create({})
        self.assertIn(self.france, settings.directmail_unmeasured_country_ids)
        settings.directmail_unmeasured_country_ids = self.env.ref("base.de")
        settings.set_values()
        settings.flush_recordset()
        self.assertEqual(self.company.directmail_unmeasured_countries, "DE")
