import re

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import SQL, mute_logger

from ...content.placeholders import OWN_VARIABLES
from ..common import BODY
from ..common_review import ReviewCommon


@tagged("post_install", "-at_install")
class TestTemplateTest(ReviewCommon):
    """Send a test, at any state, to colleagues, with a chosen contact's values."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user.email = "dm_user@example.com"
        cls.other.email = "dm_other@example.com"
        cls.contact = cls.env["res.partner"].create({"name": 'Zoë "O\'Neil" <b>'})

    def _make_form(self, template, users=None, user=None, **vals):
        return (
            self.env["directmail.template.test"]
            .with_user(user or self.user)
            .create(
                {
                    "template_id": template.id,
                    "user_ids": [(6, 0, (users or self.user).ids)],
                    "partner_id": self.contact.id,
                    **vals,
                }
            )
        )

    def _test(self, template, users=None, user=None, form=None, **vals):
        wizard = form or self._make_form(template, users, user, **vals)
        self.env.flush_all()
        before = len(self.emulator.ledger())
        with self.enter_registry_test_mode():
            answer = wizard.action_send()
        self.env.invalidate_all()
        return answer, self.emulator.ledger()[before:]

    def _used(self):
        [(used,)] = self.env.execute_query(
            SQL(
                "SELECT COALESCE(sum(used), 0) FROM directmail_usage WHERE account_id = %s",
                self.account.id,
            )
        )
        return used

    def test_at_any_state(self):
        template = self._make_template(approved=False)
        states = []
        for step in ("draft", "in_review", "rejected", "approved", "lapsed"):
            if step in ("in_review", "approved"):
                template.action_submit()
            if step == "rejected":
                self.emulator.reject(template.remote_ref, "No.")
            if step == "approved":
                self.emulator.approve(template.remote_ref)
            if step == "lapsed":
                self._delete_remote(template)
            if step in ("rejected", "approved", "lapsed"):
                template.action_check_review()
            states.append(template.state)
            _answer, [mail] = self._test(template)
            self.assertEqual(mail["subject"], "[Test] Spring is here, " + self.contact.name)
        self.assertEqual(states, ["draft", "in_review", "rejected", "approved", "lapsed"])

    def test_choices_are_in_the_language_of_the_user(self):
        self.env["res.lang"]._activate_lang("de_DE")
        label = self.env["ir.model.fields.selection"].search(
            [
                ("field_id.model", "=", "directmail.task"),
                ("field_id.name", "=", "address_type"),
                ("value", "=", "random"),
            ]
        )
        label.with_context(lang="de_DE").name = "Zufällige Adresse"
        wizard = self.env["directmail.template.test"].with_context(lang="de_DE")
        choices = wizard.fields_get(["address_type"])["address_type"]["selection"]
        self.assertIn(("random", "Zufällige Adresse"), choices)

    def test_what_arrives(self):
        template = self._make_template()
        used = self._used()
        answer, rows = self._test(template, self.user + self.other)
        self.assertEqual(
            {row["to"] for row in rows}, {"dm_user@example.com", "dm_other@example.com"}
        )
        mail = self.emulator.mail(rows[0]["env_id"], to=rows[0]["to"])
        self.assertIn("&lt;b&gt;", mail["html"])
        self.assertNotIn("<b>", mail["html"])
        self.assertRegex(rows[0]["tag"], "_test$", "so it is in no task's results")
        self.assertEqual(self._used() - used, 2, "counted against the quota")
        self.assertFalse(self.env["directmail.delivery"].search([]))
        note = template.message_ids[0]
        self.assertIn("dm_other@example.com", note.body)
        self.assertIn("O'Neil", note.body.unescape())
        self.assertEqual(note.author_id, self.user.partner_id)
        self.assertEqual(answer["params"]["type"], "success")

    def test_approved_it_goes_the_way_of_a_task(self):
        template = self._make_template()
        people = self._make_people("a@example.com", name=self.contact.name)
        task = self._make_task(self._make_audience(people), template)
        task.action_send()
        self._run_cron()
        [mail] = self.emulator.ledger(task.sudo().tag_name)
        form = self._make_form(template, self.user)
        self.assertEqual(form.way, "template")
        _answer, [test] = self._test(template, form=form)
        self.assertEqual(test["template_id"], mail["template_id"])
        self.assertTrue(test["template_id"])
        self.assertEqual(test["headers"].keys(), mail["headers"].keys())
        self.assertEqual(test["variables"].keys(), mail["variables"].keys())
        blank = dict.fromkeys(set(OWN_VARIABLES) & mail["variables"].keys(), "")
        self.assertEqual({**test["variables"], **blank}, {**mail["variables"], **blank})
        self.assertRegex(test["from"], "^news-", "a random address, as the task's default")
        self.assertEqual(test["subject"], f"[Test] {mail['subject']}")
        self.assertNotEqual(test["tag"], mail["tag"])
        self.assertNotEqual(test["message_id"], mail["message_id"])

    def test_before_the_approval_it_goes_as_text(self):
        template = self._make_template(approved=False)
        form = self._make_form(template, address_type="sender")
        self.assertEqual(form.way, "unreviewed")
        _answer, [test] = self._test(template, form=form)
        self.assertFalse(test["template_id"])
        self.assertEqual(test["from"], test["sender"])
        self.assertRegex(test["tag"], "_test$")

    def test_an_account_that_sends_texts(self):
        template = self._make_template()
        self.account.content_mode = "body"
        form = self._make_form(template)
        self.assertEqual(form.way, "filled")
        _answer, [test] = self._test(template, form=form)
        self.assertFalse(test["template_id"])
        self.assertIn("spring collection", self.emulator.mail(test["env_id"])["html"])

    def test_no_room_for_another_tag(self):
        template = self._make_template()
        client = self.account._get_client()
        for tag in list(client.list_tags()):
            client.delete_tag(tag.tag_id)
        self.emulator.configure_account("LTAIEMULATOR", settings={"limits": {"tags": 0}})
        self.addCleanup(
            self.emulator.configure_account, "LTAIEMULATOR", settings={"limits": {"tags": 100}}
        )
        _answer, [test] = self._test(template)
        self.assertEqual(test["tag"], "")

    def test_replies_to_a_test_arrive_too(self):
        self.account.reply_to = "desk@example.com"
        _answer, [test] = self._test(self._make_template())
        self.assertEqual(test["reply_to"], "desk@example.com")

    def test_whose_unsubscribe_link_it_has(self):
        """As the mails of a task: ours stands in the headers, so DirectMail adds none by itself."""
        _answer, [mail] = self._test(self._make_template(approved=False))
        self.assertEqual(mail["unsubscribe_link"], "own")

    def test_what_was_approved_is_what_is_sent(self):
        template = self._make_template()
        template.sudo().body_html = BODY.replace("spring", "summer")
        _answer, [row] = self._test(template)
        self.assertIn("spring collection", self.emulator.mail(row["env_id"])["html"])

    def test_only_colleagues(self):
        template = self._make_template(approved=False)
        portal = new_test_user(self.env, "dm_portal", "base.group_portal", email="p@example.com")
        nowhere = new_test_user(self.env, "dm_nowhere", "base.group_user")
        nowhere.partner_id.email = False
        many = self.env["res.users"]
        for number in range(6):
            many += new_test_user(
                self.env, f"dm_many{number}", "base.group_user", email=f"m{number}@example.com"
            )
        for users, reason in (
            (portal, "is not an internal user"),
            (nowhere, "no usable email address"),
            (many, "1 to 5 recipients"),
        ):
            with self.assertRaisesRegex(UserError, reason):
                self._test(template, users)
        self.assertFalse(self.env["directmail.test.mail"].search([("email", "=like", "m%")]))
        _answer, rows = self._test(template, many[:5])
        self.assertEqual(len(rows), 5)

    # === WHERE TESTS MAY GO === #

    def _make_seed(self, email="design.azure@gmail.example", **vals):
        return (
            self.env["directmail.seed.address"]
            .with_user(self.admin)
            .create({"name": "Gmail", "email": email, **vals})
        )

    def test_an_address_outside(self):
        """A marketer who changes her own address gets nothing that nobody has reviewed."""
        template = self._make_template(approved=False)
        self.user.with_user(self.user).email = "private@gmail.example"
        form = self._make_form(template)
        for text in ("gmail.example", "dm_admin", "seed address"):
            self.assertIn(text, form.problem)
        with self.assertRaisesRegex(UserError, "private@gmail.example.*gmail.example.*dm_admin"):
            self._test(template, form=form)
        with self.assertRaisesRegex(UserError, "gmail.example"):
            self._test(template, self.user + self.other)
        with self.assertRaises(AccessError):
            self.account.with_user(self.user).test_domains = "gmail.example"
        self.account.with_user(self.admin).test_domains = "example.com, gmail.example"
        self.assertFalse(form.problem)
        _answer, [mail] = self._test(template, form=form)
        self.assertEqual(mail["to"], "private@gmail.example")

    def test_the_dialog_says_at_once_where_no_test_can_go(self):
        template = self._make_template(approved=False)
        seed = self._make_seed()
        wizards = self.env["directmail.template.test"].with_user(self.user)
        with Form(wizards.with_context(default_template_id=template.id)) as form:
            self.assertEqual(form.user_ids[:], self.user)
            self.assertFalse(form.problem)
            form.user_ids.clear()
            self.assertIn("1 to 5 recipients", form.problem)
            form.seed_ids.add(seed)
            self.assertFalse(form.problem)
            self.other.email = "private@gmail.example"
            form.user_ids.add(self.other)
            self.assertIn("gmail.example", form.problem)

    def test_a_domain_is_meant_exactly(self):
        template = self._make_template(approved=False)
        for email in ("a@evil.example.com", "a@notexample.com", "a@example.com.evil.example"):
            with self.subTest(email):
                self.user.email = email
                with self.assertRaisesRegex(UserError, "not allowed"):
                    self._test(template)
        self.user.email = "A@EXAMPLE.COM"
        _answer, [mail] = self._test(template)
        self.assertEqual(mail["to"], "a@example.com")

    def test_how_domains_are_entered(self):
        account = self.account.with_user(self.admin)
        account.test_domains = " Example.COM;@azure.example\n münchen.example, example.com "
        self.assertEqual(account.test_domains, "example.com, azure.example, xn--mnchen-3ya.example")
        for wrong in ("localhost", "a@example.com", "*.example.com", "http://example.com"):
            with self.subTest(wrong), self.assertRaisesRegex(ValidationError, re.escape(wrong)):
                account.test_domains = wrong
        account.test_domains = False
        with self.assertRaisesRegex(UserError, "not allowed"):
            self._test(self._make_template(approved=False))

    def test_which_domains_are_allowed_at_first(self):
        self.env.company.write({"email": "Azure <info@azure.example>"})
        self.env.company.alias_domain_id = self.env["mail.alias.domain"].create(
            {"name": "mail.azure.example"}
        )
        account = self.env["directmail.account"].with_user(self.admin).create({"name": "New"})
        self.assertEqual(account.test_domains, "azure.example, mail.azure.example")
        self.env.company.write({"email": "azure@gmail.com", "alias_domain_id": False})
        account = self.env["directmail.account"].with_user(self.admin).create({"name": "Newer"})
        self.assertFalse(account.test_domains, "anybody can have an address there")
        # an upgrade asks the accounts that are there, and these know their sender addresses
        self.env.add_to_compute(self.account._fields["test_domains"], self.account)
        self.assertEqual(self.account.test_domains, "mail.example.com")

    def test_colleagues_of_another_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "dm_elsewhere",
            "base.group_user",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
            email="e@example.com",
        )
        with self.assertRaisesRegex(UserError, "dm_elsewhere.*is not a user of"):
            self._test(self._make_template(approved=False), stranger)

    def test_seed_addresses(self):
        """Mailboxes that an administrator keeps get tests wherever they are."""
        template = self._make_template(approved=False)
        seeds = self._make_seed() + self._make_seed("azure@outlook.example", name="Outlook")
        _answer, rows = self._test(template, self.user, seed_ids=[(6, 0, seeds.ids)])
        self.assertEqual(
            {row["to"] for row in rows},
            {"dm_user@example.com", "design.azure@gmail.example", "azure@outlook.example"},
        )
        log = self.env["directmail.test.mail"].search([], limit=3)
        self.assertEqual(set(log.mapped("email")), {row["to"] for row in rows})
        self.assertEqual(log.user_id, self.user)
        self.assertEqual(set(log.filtered("seed_id").mapped("email")), set(seeds.mapped("email")))
        form = self._make_form(template, seed_ids=[(6, 0, seeds.ids)], user_ids=[(5,)])
        _answer, rows = self._test(template, form=form)
        self.assertEqual(len(rows), 2, "without a colleague")
        many = self.env["directmail.seed.address"]
        for number in range(5):
            many += self._make_seed(f"seed{number}@gmail.example")
        with self.assertRaisesRegex(UserError, "1 to 5 recipients"):
            self._test(template, self.user, seed_ids=[(6, 0, many.ids)])

    def test_who_keeps_seed_addresses(self):
        seed = self._make_seed()
        mine = seed.with_user(self.user)
        self.assertEqual(mine.email, "design.azure@gmail.example")
        for change in (
            lambda: mine.write({"email": "private@gmail.example"}),
            lambda: mine.unlink(),
            lambda: mine.create({"name": "Mine", "email": "private@gmail.example"}),
        ):
            with self.assertRaises(AccessError):
                change()
        with self.assertRaisesRegex(ValidationError, "not an email address"):
            self._make_seed("nothing")
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            self._make_seed("Design.Azure@GMAIL.example")

    def test_seed_addresses_of_another_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        boss = new_test_user(
            self.env,
            "dm_boss",
            "email_marketing_dm.group_admin",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        theirs = (
            self.env["directmail.seed.address"]
            .with_user(boss)
            .create({"name": "Theirs", "email": "theirs@gmail.example"})
        )
        self.assertEqual(theirs.company_id, company)
        self.assertFalse(theirs.with_user(self.user).search([]))
        with self.assertRaises(AccessError):
            theirs.with_user(self.admin).email = "x@gmail.example"
        template = self._make_template(approved=False)
        with self.assertRaises(AccessError):
            self._test(template, seed_ids=[(6, 0, theirs.ids)])
        # nor where somebody works in both companies
        self.user.company_ids += company
        with self.assertRaisesRegex(UserError, "Theirs.*another company"):
            self._test(template, seed_ids=[(6, 0, theirs.ids)])

    def test_an_archived_seed_address(self):
        seed = self._make_seed()
        form = self._make_form(self._make_template(approved=False), seed_ids=[(6, 0, seed.ids)])
        seed.active = False
        with self.assertRaisesRegex(UserError, "Gmail.*archived"):
            self._test(form.template_id, form=form)

    def test_the_log_is_for_administrators(self):
        self._test(self._make_template(approved=False))
        log = self.env["directmail.test.mail"]
        self.assertTrue(log.with_user(self.admin).search([]))
        with self.assertRaises(AccessError):
            log.with_user(self.user).search([])
        with self.assertRaises(AccessError):
            log.with_user(self.admin).search([]).unlink()

    def test_fifty_a_day(self):
        template = self._make_template(approved=False)
        log = self.env["directmail.test.mail"].sudo()
        vals = {"account_id": self.account.id, "user_id": self.user.id, "email": "x@example.com"}
        log.create([{**vals, "state": "sent"}] * 49 + [{**vals, "state": "refused"}])
        _answer, rows = self._test(template)
        self.assertEqual(len(rows), 1, "the fiftieth; what was refused does not count")
        with self.assertRaisesRegex(UserError, "sent 50 test mails in the last 24 hours"):
            self._test(template)
        _answer, rows = self._test(template, user=self.other)
        self.assertEqual(len(rows), 1, "each user has fifty")
        self.env.cr.execute("UPDATE directmail_test_mail SET create_date = now() - interval '25 h'")
        _answer, rows = self._test(template)
        self.assertEqual(len(rows), 1)

    def test_quota_is_kept(self):
        template = self._make_template(approved=False)
        self.account.sudo().daily_quota = self._used() + 1
        with self.assertRaisesRegex(UserError, "quota of the DirectMail account is used up"):
            self._test(template, self.user + self.other)
        _answer, rows = self._test(template)
        self.assertEqual(len(rows), 1)

    def test_refused_by_directmail(self):
        template = self._make_template(approved=False)
        used = self._used()
        self.emulator.set_fault(
            "error", action="SingleSendMail", status=400, code="InvalidSendMail.Spam"
        )
        with self.assertRaisesRegex(UserError, "InvalidSendMail.Spam"):
            self._test(template)
        self.assertEqual(self._used(), used, "given back")
        self.assertEqual(self.env["directmail.test.mail"].search([], limit=1).state, "refused")

    def test_lost_answer(self):
        template = self._make_template(approved=False)
        used = self._used()
        self.emulator.set_fault("close", action="SingleSendMail")
        answer, rows = self._test(template)
        self.assertIn(
            "did not confirm the test mail to dm_user@example.com.", answer["params"]["message"]
        )
        self.assertEqual(answer["params"]["type"], "warning")
        self.assertEqual((len(rows), self._used() - used), (1, 1), "it may have been sent")

    def test_one_form_sends_once(self):
        """As Odoo asks again after a collision, or a user who clicks twice."""
        template = self._make_template(approved=False)
        form = self._make_form(template, self.user + self.other)
        answer, rows = self._test(template, form=form)
        again, nothing = self._test(template, form=form)
        self.assertEqual((len(rows), len(nothing)), (2, 0))
        self.assertEqual(again["params"]["type"], answer["params"]["type"])
        _answer, rows = self._test(template, self.user + self.other)
        self.assertEqual(len(rows), 2, "another form")

    def test_what_was_refused_can_be_tried_again(self):
        template = self._make_template(approved=False)
        form = self._make_form(template, self.user + self.other)
        self.emulator.set_fault(
            "error", action="SingleSendMail", status=400, code="X.Y", to="dm_other*"
        )
        answer, rows = self._test(template, form=form)
        self.assertIn("refused the test mail to dm_other@example.com.", answer["params"]["message"])
        self.emulator.clear_faults()
        answer, more = self._test(template, form=form)
        self.assertEqual(
            [row["to"] for row in rows + more], ["dm_user@example.com", "dm_other@example.com"]
        )
        self.assertEqual(answer["params"]["type"], "success")

    def test_rights(self):
        template = self._make_template(approved=False)
        _answer, rows = self._test(template, user=self.other)
        self.assertEqual(len(rows), 1, "whoever may read a template may look at it in a mailbox")
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.contact.company_id = company
        with self.assertRaises(AccessError):
            self._test(template)
        with self.assertRaises(AccessError):
            self.env["directmail.test.mail"].with_user(self.user).search([]).unlink()
        stranger = new_test_user(
            self.env,
            "dm_stranger_test",
            "email_marketing_dm.group_user",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
            email="s@example.com",
        )
        with self.assertRaises(AccessError):
            self._test(template, user=stranger)

    def test_a_copied_database_sends_no_test(self):
        template = self._make_template(approved=False)
        self.account.sudo().database_identity = "another database"
        with self.assertRaisesRegex(UserError, "not active"):
            self._test(template)
