from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from ..common_company import ADMIN, CompanyCommon


@tagged("post_install", "-at_install")
class TestCompanyStays(CompanyCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls._make_people("ann@example.com", "bob@example.com")
        cls.audience = cls._make_audience(cls.people, visibility="public")
        cls.template = cls._make_template(approved=False)
        cls.template_there = cls._make_there(
            "directmail.template",
            name="Template there",
            account_id=cls.account_there.id,
            subject="x",
            sender_name="x",
            body_html="x",
        )
        cls.audience_there = cls._make_there(
            "directmail.audience", name="Audience there", visibility="public"
        )
        # Sees both companies at once, as the company switcher allows.
        cls.both = cls.env(
            user=cls.admin, context={"allowed_company_ids": (cls.here + cls.there).ids}
        )

    def _make_all(self):
        """Return a record of each model that has a company of its own or takes one over."""
        env = self.both
        people = [Command.create({"domain": "[]"})]
        aipl = env["directmail.aipl.model"].create(
            {"name": "AIPL", "company_id": self.here.id, "condition_ids": [Command.create({})]}
        )
        fatigue = env["directmail.fatigue"].create(
            {
                "company_id": self.here.id,
                "hours_ids": [Command.create({})],
                "period_ids": [
                    Command.create(
                        {"name": "x", "first_day": "2030-01-01", "last_day": "2030-01-02"}
                    )
                ],
            }
        )
        contact = env["directmail.first.contact"].sudo().create({"account_id": self.account.id})
        return [
            self.account,
            self.template,
            self._make_task(self.audience, self.template),
            env["directmail.audience"].create({"name": "Unused", "line_ids": people}),
            env["directmail.audience.folder"].create({"name": "Empty"}),
            env["directmail.upload"].create({"name": "List", "company_id": self.here.id}),
            env["directmail.rfm.model"].create({"name": "RFM", "company_id": self.here.id}),
            aipl,
            fatigue,
            env["directmail.aes.key"].create({"company_id": self.here.id, "key": "a" * 16}),
            contact.sudo(False).with_env(env),
        ]

    def test_nothing_moves_to_another_company(self):
        for record in self._make_all():
            record = record.with_env(self.both)
            with self.subTest(record._name):
                with self.assertRaises(UserError):
                    record.company_id = self.there
                record.invalidate_recordset()
                self.assertEqual(record.company_id, self.here)
                # The form writes back what it shows.
                record.write({"company_id": self.here.id})

    def test_the_company_is_not_changed_with_all_rights_either(self):
        with self.assertRaisesRegex(UserError, "can't be moved to another company"):
            self.account.sudo().company_id = self.there

    def test_nothing_moves_by_what_it_belongs_to(self):
        self.user.sudo().company_ids += self.there
        *_others, aipl, fatigue, _key, _contact = self._make_all()
        fatigue_there = self.both["directmail.fatigue"].create({"company_id": self.there.id})
        aipl_there = self.both["directmail.aipl.model"].create(
            {"name": "AIPL there", "company_id": self.there.id}
        )
        account = {"account_id": self.account_there.id}
        task = self._make_task(self.audience, self.template)
        for record, vals in (
            (self.template, account),
            (task, {**account, "template_id": False, "sender_id": False, "audience_ids": False}),
            (self.audience.line_ids, {"audience_id": self.audience_there.id}),
            (aipl.condition_ids, {"aipl_model_id": aipl_there.id}),
            (fatigue.rule_ids[0], {"fatigue_id": fatigue_there.id}),
            (fatigue.hours_ids, {"fatigue_id": fatigue_there.id}),
            (fatigue.period_ids, {"fatigue_id": fatigue_there.id}),
        ):
            with self.subTest(record._name):
                with self.assertRaises(UserError) as caught:
                    record.with_env(self.both).write(vals)
                self.assertRegex(
                    str(caught.exception), "can't be moved to another company|can't own"
                )
            with self.subTest(record._name, by="there"), self.assertRaises(AccessError):
                record.with_user(self.admin_there).write(vals)

    def test_nothing_is_made_between_two_companies(self):
        folder = self.both["directmail.audience.folder"].create({"name": "Here"})
        for model, vals in (
            (
                "directmail.audience.folder",
                {"name": "x", "company_id": self.there.id, "parent_id": folder.id},
            ),
            (
                "directmail.audience",
                {"name": "x", "company_id": self.there.id, "folder_id": folder.id},
            ),
            (
                "directmail.fatigue",
                {
                    "company_id": self.there.id,
                    "exempt_audience_ids": [Command.set(self.audience.ids)],
                },
            ),
        ):
            with self.subTest(model), self.assertRaises(ValidationError):
                self.both[model].create(vals)

    def test_a_company_that_comes_by_the_account_is_not_chosen(self):
        template = self.template.with_env(self.both)
        made = template.create(
            {
                "name": "x", "subject": "x", "sender_name": "x",
                "account_id": self.account.id, "company_id": self.there.id,
            }
        )  # fmt: skip
        made += template.copy({"company_id": self.there.id})
        made += template.with_context(default_company_id=self.there.id).copy()
        loaded = template.load(
            ["name", "account_id/.id", "company_id/.id", "subject", "sender_name"],
            [["x", str(self.account.id), str(self.there.id), "x", "x"]],
        )
        made += template.browse(loaded["ids"] or [])
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(made.company_id, self.here)

    def test_what_belongs_to_another_company_is_not_linked_and_not_named(self):
        folder = self._make_there("directmail.audience.folder", name="Folder there")
        upload = self._make_there("directmail.upload", name="List there")
        task_there = self._make_there(
            "directmail.task",
            name="Task there",
            account_id=self.account_there.id,
            audience_ids=[Command.set(self.audience_there.ids)],
        )
        task = self._make_task(self.audience, self.template)
        line = self.audience.line_ids
        self.user.group_ids += self.env.ref("base.group_no_one").sudo()
        for record, vals in (
            (self.template, {"account_id": self.account_there.id}),
            (task, {"account_id": self.account_there.id}),
            (task, {"template_id": self.template_there.id}),
            (task, {"sender_id": self.sender_there.id}),
            (task, {"audience_ids": [Command.link(self.audience_there.id)]}),
            (task, {"exclude_audience_ids": [Command.set(self.audience_there.ids)]}),
            (self.audience, {"folder_id": folder.id}),
            (line, {"audience_id": self.audience_there.id}),
            (line, {"kind": "audience", "source_id": self.audience_there.id}),
            (line, {"kind": "upload", "upload_id": upload.id}),
            (line, {"kind": "task", "task_id": task_there.id}),
        ):
            # By people of this company, and by somebody who works in both.
            for user in (self.user, self.admin):
                with (
                    self.subTest(record._name, user=user.login, **vals),
                    self.assertRaises(UserError) as caught,
                ):
                    record.with_user(user).write(vals)
                self.assertNotIn(" there", str(caught.exception).replace("new one there", ""))
                self.assertIsNone(caught.exception.__cause__)
                record.invalidate_recordset()

    def test_a_colleagues_private_matter_is_not_linked(self):
        """Odoo shows the name of whatever a record refers to."""
        private = self._make_audience(self.people, user=self.other, name="Secret")
        task = self._make_task(self.audience, self.template)
        with self.assertRaises(AccessError):
            task.audience_ids += private.with_user(self.user)
        upload = self.env["directmail.upload"].with_user(self.other).create({"name": "Secret"})
        with self.assertRaises(AccessError):
            self.audience.with_user(self.user).line_ids.write(
                {"kind": "upload", "upload_id": upload.id}
            )

    def test_a_form_tells_nothing_about_what_its_user_may_not_read(self):
        """Odoo would show the name, and related fields, of whatever is entered by its number."""
        template = {"template_id": self.template_there.id}
        hidden = self.env["res.partner"].create({"name": "Hidden", "company_id": self.there.id})
        for model, values, fields in (
            ("directmail.task", template, {"template_id": {"fields": {"display_name": {}}}}),
            ("directmail.task", {"account_id": self.account_there.id}, {"test_mode": {}}),
            ("directmail.task", {"template_id": self.template_there.id}, {"template_state": {}}),
            ("directmail.template", {"account_id": self.account_there.id}, {"account_id": {}}),
            ("directmail.template.link", template, {"sender_name": {}}),
            ("directmail.template.test", {"partner_id": hidden.id}, {"partner_id": {}}),
            ("directmail.audience.add", {"audience_id": self.audience_there.id}, {"name": {}}),
            (
                "directmail.audience",
                {"line_ids": [[0, "virtual_1", {"source_id": self.audience_there.id}]]},
                {"line_ids": {"fields": {"source_id": {"fields": {"display_name": {}}}}}},
            ),
        ):
            form = self.env[model].with_user(self.user)
            with self.subTest(model, **values), self.assertRaises(AccessError):
                form.onchange(values, list(values), fields)
            defaults = {f"default_{name}": value for name, value in values.items()}
            with self.subTest(model, **defaults), self.assertRaises(AccessError):
                form.with_context(**defaults).onchange({}, [], {name: {} for name in values})

    def test_a_dialog_is_not_opened_on_what_its_user_may_not_read(self):
        task_there = self._make_there(
            "directmail.task", name="Task there", account_id=self.account_there.id
        )
        hidden = self.env["res.partner"].create({"name": "Hidden", "company_id": self.there.id})
        admin = new_test_user(self.env, "dm_admin_here", ADMIN)
        for model, values in (
            ("directmail.template.link", {"template_id": self.template_there.id}),
            ("directmail.template.test", {"template_id": self.template_there.id}),
            ("directmail.task.generate", {"task_id": task_there.id}),
            ("directmail.first.contact.offer", {"task_id": task_there.id}),
            ("directmail.key.replace", {"account_id": self.account_there.id, "access_key_id": "x"}),
            ("directmail.ram.policy", {"account_id": self.account_there.id}),
            ("directmail.erasure", {"partner_ids": hidden.ids}),
        ):
            with self.subTest(model), self.assertRaises(AccessError):
                self.env[model].with_user(admin).create(values)

    def test_companies_cannot_be_claimed(self):
        """The company switcher's choice is part of each call, and may name any company."""
        claim = {"allowed_company_ids": (self.here + self.there).ids}
        for model in ("directmail.template", "directmail.audience", "directmail.task"):
            with self.subTest(model), self.assertRaises(AccessError):
                self.env[model].with_user(self.user).with_context(**claim).search_count([])
