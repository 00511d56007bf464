import base64
import itertools
import json

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from directmail_emulator.behaviors import BEHAVIORS as EMULATED

from ...directmail import probe
from ...directmail.behaviors import BEHAVIOR
from ..common import ACCESS_KEY_ID, ACCESS_KEY_SECRET, DirectmailCommon

SETTING = {behavior.name: behavior for behavior in EMULATED}


def see(mail):
    """Return the answers of somebody who looks at a mail as the emulator's inbox shows it."""
    html = mail["html"]
    first = html.partition("Hello ")[2].partition(",</p>")[0]
    shown = {"O&#x27;Brien &amp; Sons": "right", "O'Brien & Sons": "right"}
    subject = mail["subject"]
    return {
        "answer_name": shown.get(first, "codes" if "&amp;#" in first else "other"),
        "answer_subject": {
            probe.SUBJECT_OF_TEMPLATE.replace("{NameSubject}", probe.NAME): "template",
            probe.SUBJECT_OF_CALL.replace("{NameSubject}", probe.NAME): "call",
        }.get(subject, "other"),
        "answer_emoji": "yes",
        "answer_direction": "yes",
        "answer_reply": "skip",
    }


class FirstContactCase(DirectmailCommon):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.emulator.configure_account, ACCESS_KEY_ID, permissions=["dm:*"])
        for behavior in EMULATED:
            changes = behavior.changes(behavior.default)
            self.addCleanup(self.emulator.configure_account, ACCESS_KEY_ID, settings=changes)
        self.emulator.change_settings({"throttle": {"operations": {"DescAccountSummary": "0"}}})
        action = self.account.action_first_contact()
        self.contact = self.env[action["res_model"]].with_user(self.admin).browse(action["res_id"])

    def behave(self, **values):
        for name, value in values.items():
            self.emulator.configure_account(ACCESS_KEY_ID, settings=SETTING[name].changes(value))

    def press(self, action):
        self.env.flush_all()
        with self.enter_registry_test_mode():
            getattr(self.contact, action)()
        self.env.invalidate_all()

    def states(self):
        return {step.name: step.state for step in self.contact.step_ids}

    def message(self, name):
        return self.contact.step_ids.filtered(lambda step: step.name == name).message

    def found(self):
        return {row.name: row.observed for row in self.account.behavior_ids.filtered("observed")}

    def approve(self):
        self.emulator.approve(self.contact.sudo().remote_ref)
        self.press("action_run")

    def mail(self):
        row = self.emulator.ledger(tag=self.contact.sudo().tag_name)[-1]
        return self.emulator.mail(row["env_id"])

    def answer(self):
        self.contact.write(see(self.mail()))
        self.press("action_answer")


@tagged("-at_install", "post_install", "directmail")
class TestFirstContact(FirstContactCase):
    def test_from_the_first_step_to_the_last(self):
        self.press("action_run")
        states = self.states()
        for name in ("clock", "quota", "actions", "domain", "template"):
            self.assertEqual(states[name], "ok", self.message(name))
        self.assertEqual((states["review"], states["mail"]), ("waiting", "todo"))
        self.assertEqual(self.contact.state, "waiting")
        ref = int(self.contact.sudo().remote_ref)
        self.assertIn(ref, [row["id"] for row in self.emulator.templates()])

        self.approve()
        self.assertEqual(self.states()["mail"], "ok", self.message("mail"))
        self.assertEqual(self.contact.state, "asked")
        self.emulator.flush_outcomes()
        self.answer()
        self.assertEqual(self.states()["eyes"], "ok", self.message("eyes"))
        self.assertEqual(self.states()["records"], "ok", self.message("records"))
        self.assertEqual(self.states()["push"], "skipped")
        self.assertEqual(self.contact.state, "done")
        self.assertEqual(self.contact.progress, 100)
        self.assertNotIn(ref, [row["id"] for row in self.emulator.templates()])
        self.assertEqual(len(self.emulator.ledger(tag=self.contact.sudo().tag_name)), 1)
        found = self.found()
        self.assertEqual(found["stored_text"], "entities")
        self.assertEqual(found["returns_nickname"], "no")
        self.assertEqual(found["value_escaping"], "none")
        self.assertEqual(found["subject_source"], "call")
        self.assertEqual(found["template_senders"], "all")
        # What only a reply or a push can tell is left.
        expected = {
            name
            for name, behavior in BEHAVIOR.items()
            if behavior.step not in ("", "push") and name != "reply"
        }
        self.assertEqual(set(found), expected)

    def test_what_the_test_mail_may_look_like(self):
        """Refused attempts record behaviors, and do not count as mails."""
        tried = {
            "alias_limit": SETTING["alias_limit"].values,
            "bad_headers": SETTING["bad_headers"].values,
        }
        self.press("action_run")
        self.approve()
        for number, (alias_limit, bad_headers) in enumerate(itertools.product(*tried.values()), 2):
            with self.subTest(alias_limit=alias_limit, bad_headers=bad_headers):
                self.behave(alias_limit=alias_limit, bad_headers=bad_headers)
                self.press("action_send_again")
                self.assertEqual(self.states()["mail"], "ok", self.message("mail"))
                found = self.found()
                self.assertEqual(found["alias_limit"], str(alias_limit))
                self.assertEqual(found["bad_headers"], bad_headers)
                self.assertEqual(found["template_senders"], "all")
                mails = self.emulator.ledger(tag=self.contact.sudo().tag_name)
                self.assertEqual(len(mails), number)

    def test_a_test_mail_that_is_refused_for_what_no_campaign_has_is_sent_without_it(self):
        """An ambiguous error code records no behavior."""
        self.press("action_run")
        self.addCleanup(self.emulator.clear_faults)
        self.emulator.set_fault(
            "error", action="SingleSendMail", status=400, code="InvalidSendMail.Spam", times=1
        )
        self.approve()
        self.assertEqual(self.states()["mail"], "ok", self.message("mail"))
        self.assertFalse({"alias_limit", "bad_headers"} & set(self.found()))
        self.assertEqual(len(self.emulator.ledger(tag=self.contact.sudo().tag_name)), 1)

    def test_it_goes_on_where_it_stopped(self):
        self.press("action_run")
        ref = self.contact.sudo().remote_ref
        self.press("action_run")
        self.assertEqual(self.contact.sudo().remote_ref, ref)
        named = [row for row in self.emulator.templates() if row["id"] == int(ref)]
        self.assertEqual(len(named), 1)

    def test_the_stored_text_is_recognised(self):
        text = self.contact.sudo()._get_text()
        for value in SETTING["stored_text"].values:
            with self.subTest(value):
                self.behave(stored_text=value)
                self.press("action_run")
                self.assertEqual(self.found()["stored_text"], value)
                self.account._get_client().delete_template(self.contact.sudo().remote_ref)
                self.contact.step_ids.sudo().write({"state": "todo"})
        self.assertEqual(probe.compare_text(text, text.replace("Hello", "Bye")), "changed")

    def test_values_that_directmail_escapes_are_not_escaped_twice(self):
        self.behave(value_escaping="html")
        self.press("action_run")
        self.approve()
        self.assertEqual(see(self.mail())["answer_name"], "codes")
        self.answer()
        self.assertEqual(self.found()["value_escaping"], "html")
        self.assertEqual(self.states()["eyes"], "asked", "it was sent once more")
        self.assertEqual(see(self.mail())["answer_name"], "right")
        self.emulator.flush_outcomes()
        self.answer()
        self.assertEqual(self.states()["eyes"], "ok", self.message("eyes"))
        self.assertEqual(self.found()["value_escaping"], "html")
        self.assertEqual(len(self.emulator.ledger(tag=self.contact.sudo().tag_name)), 2)

    def test_the_mail_can_be_sent_again(self):
        self.press("action_run")
        self.approve()
        self.press("action_send_again")
        self.assertEqual(self.states()["eyes"], "asked")
        self.assertEqual(len(self.emulator.ledger(tag=self.contact.sudo().tag_name)), 2)

    def test_the_subject_of_the_template(self):
        self.behave(subject_source="template")
        self.press("action_run")
        self.approve()
        self.answer()
        self.assertEqual(self.found()["subject_source"], "template")

    def test_senders_for_whom_templates_are_refused(self):
        self.behave(template_senders=("trigger",))
        self.press("action_run")
        self.approve()
        self.assertEqual(self.states()["mail"], "ok", self.message("mail"))
        self.assertEqual(self.found()["template_senders"], "trigger")
        self.assertEqual(self.account.content_mode, "body")
        self.assertEqual(see(self.mail())["answer_name"], "right")
        self.assertNotIn("{", self.mail()["html"].partition("</style>")[2])

    def test_a_key_that_may_not_do_everything(self):
        self.emulator.configure_account(
            ACCESS_KEY_ID,
            permissions=["dm:Desc*", "dm:Query*", "dm:Get*", "dm:*Tag", "dm:SingleSendMail",
                         "dm:SenderStatistics*"],
        )  # fmt: skip
        self.press("action_run")
        message = self.message("actions")
        for action in ("CreateTemplate", "ModifyTemplate", "DeleteTemplate", "ListBlockSending"):
            self.assertIn(f"dm:{action}", message)
        self.assertNotIn("dm:SingleSendMail", message)
        self.assertEqual(self.found()["template_operations"], "denied")
        self.assertEqual(self.account.content_mode, "body")
        self.assertEqual(self.states()["review"], "skipped")
        self.assertEqual(self.states()["mail"], "ok", self.message("mail"))
        self.emulator.flush_outcomes()
        self.answer()
        self.assertNotIn("template is deleted", self.message("cleanup"), "there was none")
        self.emulator.configure_account(ACCESS_KEY_ID, permissions=["dm:*"])
        self.press("action_check_again")
        self.assertEqual(self.states()["template"], "ok", self.message("template"))
        self.assertEqual(self.found()["template_operations"], "available")
        self.assertEqual(self.account.content_mode, "template", "what it had switched")
        ref = int(self.contact.sudo().remote_ref)
        self.approve()
        self.assertEqual(self.states()["cleanup"], "ok", self.message("cleanup"))
        self.assertNotIn(ref, [row["id"] for row in self.emulator.templates()])

    def test_a_wrong_key_stops_it_at_once(self):
        self.account.access_key_secret = "wrong"
        self.press("action_run")
        self.assertEqual(self.states()["quota"], "failed")
        self.assertEqual(self.states()["template"], "todo")
        self.assertEqual(self.contact.state, "failed")
        self.account.access_key_secret = ACCESS_KEY_SECRET
        self.press("action_check_again")
        self.assertEqual(self.states()["template"], "ok")

    def test_a_wrong_clock_is_told(self):
        self.emulator.post("/api/clock", {"skew": 5000})
        self.addCleanup(self.emulator.post, "/api/clock", {"skew": 0})
        self.press("action_run")
        self.assertEqual(self.states()["quota"], "failed")
        self.assertIn("clock", self.message("quota"))

    def test_a_domain_without_its_records(self):
        self.emulator.configure_account(
            ACCESS_KEY_ID, domains=[{"name": "mail.example.com", "dkim": False, "dmarc": False}]
        )
        self.addCleanup(
            self.emulator.configure_account, ACCESS_KEY_ID, domains=[{"name": "mail.example.com"}]
        )
        self.press("action_run")
        self.assertEqual(self.states()["domain"], "warning")
        self.assertIn("DKIM and DMARC", self.message("domain"))
        self.assertEqual(self.states()["review"], "waiting", "it goes on all the same")

    def test_a_rejected_template(self):
        self.press("action_run")
        self.emulator.reject(self.contact.sudo().remote_ref, "Not clear enough.")
        self.press("action_run")
        self.assertIn("Not clear enough.", self.message("review"))
        self.assertEqual(self.states()["mail"], "ok", self.message("mail"))
        self.assertEqual(self.contact.sudo().mail_mode, "body")

    def test_an_interrupted_mail_is_not_sent_twice(self):
        self.press("action_run")
        self.emulator.set_fault("close", action="SingleSendMail", times=1)
        self.addCleanup(self.emulator.clear_faults)
        before = self.emulator.summary()["accepted"]
        self.approve()
        self.assertEqual(self.states()["mail"], "warning")
        self.press("action_run")
        self.assertEqual(self.emulator.summary()["accepted"], before + 1)

    def test_a_step_whose_end_nobody_knows(self):
        self.press("action_run")
        step = self.contact.step_ids.sudo().filtered(lambda step: step.name == "mail")
        step.write({"state": "running", "started_at": "2026-01-01 00:00:00"})
        before = self.emulator.summary()["accepted"]
        self.press("action_run")
        self.assertEqual(step.state, "warning")
        self.assertEqual(self.emulator.summary()["accepted"], before)

    def test_the_mail_counts_against_the_quota(self):
        used = self.account._get_capacity().quota
        self.press("action_run")
        self.approve()
        self.assertEqual(self.account._get_capacity().quota, used - 1)

    def test_what_is_downloaded_has_no_secrets_and_no_addresses(self):
        self.press("action_run")
        self.approve()
        self.answer()
        text = base64.b64decode(self.contact.diagnostics).decode()
        described = json.loads(text)
        self.assertEqual(len(described["behaviors"]), len(BEHAVIOR))
        for secret in (ACCESS_KEY_ID, ACCESS_KEY_SECRET, self.admin.email, self.sender.email, "@"):
            self.assertNotIn(secret, text)
        [row] = [row for row in described["behaviors"] if row["behavior"] == "stored_text"]
        self.assertEqual((row["found"], row["step"]), ("entities", "template"))

    def test_answers_are_wanted_for_every_question(self):
        self.press("action_run")
        with self.assertRaisesRegex(UserError, "not been sent"):
            self.contact.action_answer()
        self.approve()
        with self.assertRaisesRegex(UserError, "all questions"):
            self.contact.action_answer()

    def test_only_administrators(self):
        with self.assertRaises(AccessError):
            self.account.with_user(self.user).action_first_contact()
        with self.assertRaises(AccessError):
            self.contact.with_user(self.user).read(["state"])
        with self.assertRaises(AccessError):
            self.contact.write({"remote_ref": "1"})
        behavior = self.account.behavior_ids[0]
        self.assertTrue(behavior.with_user(self.user).name)
        with self.assertRaises(AccessError):
            behavior.with_user(self.user).action_forget()
        with self.assertRaises(AccessError):
            behavior.write({"observed": "x"})

    def test_of_other_companies_nothing_is_seen(self):
        company = self.env["res.company"].create({"name": "Another"})
        admin = self.admin.copy({"login": "other_admin", "company_id": company.id,
                                 "company_ids": [(6, 0, company.ids)]})  # fmt: skip
        seen = self.env["directmail.behavior"].with_user(admin).search([])
        self.assertFalse(seen)
        self.assertFalse(self.env["directmail.first.contact"].with_user(admin).search([]))


@tagged("-at_install", "post_install", "directmail")
class TestBehavior(DirectmailCommon):
    def test_what_is_assumed_until_something_was_found(self):
        self.assertEqual(
            self.account._get_behaviors(),
            {name: behavior.assumed for name, behavior in BEHAVIOR.items()},
        )
        self.account._observe("eyes", subject_source="template")
        self.assertEqual(self.account._get_behavior("subject_source"), "template")
        row = self.account.behavior_ids.filtered("observed")
        self.assertEqual(row.observed_option, "subject_source.template")
        self.assertEqual(row.assumed_option, "subject_source.call")
        row.action_forget()
        self.assertEqual(self.account._get_behavior("subject_source"), "call")

    def test_a_campaign_is_made_as_directmail_wants_it(self):
        [person] = self._make_people("p@customer.example")
        person.name = "O'Brien & Sons"
        for value in ("none", "html"):
            with self.subTest(value):
                self.emulator.configure_account(
                    ACCESS_KEY_ID, settings=SETTING["value_escaping"].changes(value)
                )
                self.account._observe("eyes", value_escaping=value)
                task = self._make_task(self._make_audience(person), name=f"With {value}")
                task.action_send()
                self._run_cron()
                [row] = self.emulator.ledger(tag=task.tag_name)
                html = self.emulator.mail(row["env_id"])["html"]
                self.assertIn("O&#x27;Brien &amp; Sons", html)
                self.assertNotIn("&amp;#", html)
                self.assertEqual(row["subject"], "Spring is here, O'Brien & Sons")

    def test_a_refused_template_names_the_open_question(self):
        self.emulator.configure_account(
            ACCESS_KEY_ID, settings=SETTING["template_senders"].changes(("trigger",))
        )
        self.addCleanup(
            self.emulator.configure_account,
            ACCESS_KEY_ID,
            settings=SETTING["template_senders"].changes(("batch", "trigger")),
        )
        task = self._make_task(self._make_audience(self._make_people("a@customer.example")))
        task.action_send()
        self._run_cron()
        self.assertEqual((task.state, task.sent_count), ("paused", 0))
        self.assertIn("Can marketing senders send approved templates", task.state_message)
        self.account.content_mode = "body"
        task.action_resume()
        self._run_cron()
        self.assertEqual(task.sent_count, 1)

    def test_send_recommends_first_contact_once(self):
        audience = self._make_audience(self._make_people("a@customer.example"))
        task = self._make_task(audience)
        in_test_mode = task.action_open_send()
        self.assertEqual(in_test_mode["res_model"], "directmail.task.estimate")
        # Only says that the mail is real; nothing is called in what follows.
        self.account.sudo().write({"connection": "public", "endpoint": False})
        self.account.sudo().state = "active"
        action = task.action_open_send()
        self.assertEqual(action["res_model"], "directmail.first.contact.offer")
        offer = self.env[action["res_model"]].with_user(self.user).browse(action["res_id"])
        self.assertFalse(offer.is_admin)
        self.assertTrue(offer.with_user(self.admin).sudo().account_id)
        self.assertEqual(offer.action_go_on()["res_model"], "directmail.task.estimate")
        self.assertEqual(task.action_open_send()["res_model"], "directmail.task.estimate")

    def test_who_has_run_it_is_not_asked(self):
        task = self._make_task(self._make_audience(self._make_people("a@customer.example")))
        self.account.action_first_contact()
        self.account.sudo().write({"connection": "public", "endpoint": False})
        self.account.sudo().state = "active"
        self.assertEqual(task.action_open_send()["res_model"], "directmail.task.estimate")
