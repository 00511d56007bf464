"""Records are read with their owner's rights, and only after the owner has agreed."""

from lxml import etree

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from ..common import AudienceCommon

GROUP_USER = "email_marketing_dm.group_user"
GROUP_ADMIN = "email_marketing_dm.group_admin"
UPLOADS = "email_marketing_dm.ir_cron_directmail_upload"
LEADS = "sales_team.group_sale_salesman_all_leads"


@tagged("post_install", "-at_install")
class TestOwners(AudienceCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The marketer may read leads, which the other one may not.
        cls.boss = cls.user
        cls.marketer = cls.other
        cls.template = cls._make_template()
        cls.task = cls._make_task(cls._make_audience(cls.ann), cls.template)

    def _get_values(self, model):
        """Return values for a record of a model that has an owner."""
        return {
            "directmail.audience": {"name": "Mine"},
            "directmail.rfm.model": {"name": "Mine", "data_table_id": False},
            "directmail.aipl.model": {"name": "Mine"},
            "directmail.upload": {
                "name": "Mine",
                "source": "paste",
                "pasted": "a@example.com",
                "consent_source": "signup",
            },
            "directmail.template": {
                "name": "Mine", "account_id": self.account.id, "subject": "S", "sender_name": "N",
            },
            "directmail.task": {"name": "Mine", "account_id": self.account.id},
        }[model]  # fmt: skip

    OWNED = ("directmail.audience", "directmail.upload", "directmail.template", "directmail.task")
    MODELS = ("directmail.rfm.model", "directmail.aipl.model")

    def _create(self, model, user, **vals):
        return self.env[model].with_user(user).create({**self._get_values(model), **vals})

    # === THE FORM === #

    def test_every_form_says_that_a_record_waits_for_its_owner(self):
        """Also one that somebody else has made, in every language and for every such model."""
        owned = self.env.registry["directmail.owned"]
        names = [
            name
            for name, model in self.env.registry.items()
            if issubclass(model, owned) and not model._abstract
        ]
        self.assertLessEqual({*self.OWNED, *self.MODELS}, {*names})
        for name in names:
            own = self.env["ir.ui.view"].create(
                {"name": "Own", "model": name, "arch": "<form><field name='display_name'/></form>"}
            )
            for view_id in (False, own.id):
                with self.subTest(name, view=view_id):
                    model = self.env[name].with_user(self.marketer)
                    arch = etree.fromstring(model.get_view(view_id, "form")["arch"])
                    [button] = arch.xpath("//button[@name='action_take_over']")
                    banner = button.getparent()
                    self.assertEqual(banner.get("invisible"), "not owner_pending")
                    self.assertIsNone(banner.getparent().getparent(), "at the top of the form")
                    for field in ("owner_pending", "is_owner"):
                        self.assertTrue(arch.xpath(f"//field[@name='{field}']"), field)

    # === A MARKETER === #

    def test_a_marketer_owns_what_she_makes(self):
        for model in self.OWNED:
            with self.subTest(model):
                record = self._create(model, self.marketer)
                self.assertEqual(record.user_id, self.marketer)
                self.assertFalse(record.owner_pending)

    def test_a_marketer_makes_nothing_for_somebody_else(self):
        for model in self.OWNED:
            mine = self._create(model, self.marketer)
            with_default = self.env[model].with_context(default_user_id=self.boss.id)
            for name, attempt in (
                ("create", lambda m=model: self._create(m, self.marketer, user_id=self.boss.id)),
                ("write", lambda r=mine: r.write({"user_id": self.boss.id})),
                ("copy", lambda r=mine: r.copy({"user_id": self.boss.id})),
                (
                    "default",
                    lambda w=with_default, m=model: w.with_user(self.marketer).create(
                        self._get_values(m)
                    ),
                ),
                ("agree", lambda r=mine: r.write({"owner_pending": False})),
            ):
                with self.subTest(model, way=name), self.assertRaises(AccessError):
                    attempt()
        audiences = self.env["directmail.audience"].with_user(self.marketer)
        imported = audiences.load(["name", "user_id/.id"], [["Imported", str(self.boss.id)]])
        self.assertFalse(imported["ids"])
        self.assertIn("Audience", imported["messages"][0]["message"])

    def test_a_stored_default_makes_nobody_else_the_owner(self):
        self.env["ir.default"].set("directmail.audience", "user_id", self.boss.id)
        with self.assertRaises(AccessError):
            self._create("directmail.audience", self.marketer)

    def test_a_copy_belongs_to_who_makes_it(self):
        for model in (*self.OWNED, *self.MODELS):
            record = self._create(model, self.admin)
            copied = record.with_user(self.account.create_uid).copy()
            self.assertEqual(copied.user_id, self.account.create_uid)
        aipl = self._create("directmail.aipl.model", self.admin)
        second = new_test_user(self.env, "dm_second_admin", GROUP_ADMIN)
        self.assertEqual(aipl.with_user(second).copy().user_id, second)

    # === AN ADMINISTRATOR === #

    def test_an_appointed_owner_is_asked(self):
        for model in (*self.OWNED, *self.MODELS):
            with self.subTest(model):
                record = self._create(model, self.admin)
                record.user_id = self.marketer
                self.assertTrue(record.owner_pending)
                activity = record.sudo().activity_ids
                self.assertEqual(activity.user_id, self.marketer)
                self.assertIn("Take over", activity.summary)
                with self.assertRaisesRegex(UserError, "has not agreed"):
                    record._get_owner_env()
                for user in (self.admin, self.boss):
                    with self.assertRaises(AccessError):
                        record.with_user(user).action_take_over()
                record.with_user(self.marketer).action_take_over()
                self.assertFalse(record.owner_pending or record.sudo().activity_ids)
                self.assertEqual(record._get_owner_env().user, self.marketer)

    def test_a_name_in_a_request_is_text(self):
        audience = self._create("directmail.audience", self.admin)
        audience.name = "Buyers <b>only</b>"
        audience.user_id = self.marketer
        self.assertIn("Buyers &lt;b&gt;only&lt;/b&gt;", audience.sudo().activity_ids.note)

    def test_who_can_be_appointed(self):
        there = self.env["res.company"].create({"name": "Second company"})
        elsewhere = {"company_id": there.id, "company_ids": [Command.set(there.ids)]}
        gone = new_test_user(self.env, "dm_gone", GROUP_USER)
        gone.action_archive()
        for name, owner in (
            ("no group", new_test_user(self.env, "dm_none", "base.group_user")),
            ("other company", new_test_user(self.env, "dm_there", GROUP_USER, **elsewhere)),
            ("the server", self.env.ref("base.user_root")),
            ("gone", gone),
        ):
            for model in (*self.OWNED, *self.MODELS):
                record = self._create(model, self.admin)
                with self.subTest(name, model=model), self.assertRaises(ValidationError):
                    record.user_id = owner
                with self.subTest(name, model=model), self.assertRaises(ValidationError):
                    self._create(model, self.admin, user_id=owner.id)

    def test_an_administrator_of_another_company_appoints_nobody(self):
        there = self.env["res.company"].create({"name": "Second company"})
        foreign = new_test_user(
            self.env, "dm_admin_2", GROUP_ADMIN, company_id=there.id,
            company_ids=[Command.set(there.ids)],
        )  # fmt: skip
        for model in (*self.OWNED, *self.MODELS):
            record = self._create(model, self.admin)
            with self.subTest(model), self.assertRaises(AccessError):
                record.with_user(foreign).user_id = foreign
        with self.assertRaises(UserError):
            self._create("directmail.audience", foreign, company_id=self.env.company.id)

    def test_taking_it_oneself_needs_no_agreement(self):
        record = self._create("directmail.audience", self.admin, user_id=self.marketer.id)
        self.assertTrue(record.owner_pending)
        record.user_id = self.admin
        self.assertFalse(record.owner_pending or record.sudo().activity_ids)

    # === NOTHING RUNS BEFORE === #

    def test_an_audience_keeps_its_people_until_the_owner_agrees(self):
        audience = self._make_audience(self.ann | self.bob)
        audience.action_refresh()
        audience.with_user(self.admin).user_id = self.marketer
        audience.with_user(self.admin).action_refresh()
        self.assertIn("has not agreed", audience.refresh_error)
        self.assertEqual(audience.people_count, 2)
        counted = audience.with_user(self.admin).count_all({})
        self.assertIn("has not agreed", counted["error"])
        audience.with_user(self.marketer).action_take_over()
        audience.with_user(self.marketer).action_refresh()
        self.assertFalse(audience.refresh_error)

    def test_a_model_is_not_computed_until_the_owner_agrees(self):
        self.admin.group_ids += self.env.ref(LEADS)
        model = self._create(
            "directmail.aipl.model",
            self.admin,
            condition_ids=[Command.create({"data_table_id": self.leads.id})],
        )
        model.user_id = self.boss
        model.action_compute()
        self.assertIn("has not agreed", model.compute_error)
        model.with_user(self.boss).action_take_over()
        model.action_compute()
        self.assertFalse(model.compute_error)

    def test_lines_that_somebody_else_changes_wait_for_the_owner(self):
        """Otherwise an administrator could count any records with the owner's rights."""
        audience = self._create("directmail.audience", self.marketer)
        line = {"domain": "[('name', 'like', 'a')]"}
        audience.write({"line_ids": [Command.create(line)]})
        self.assertFalse(audience.owner_pending, "one's own line")
        by_admin = audience.with_user(self.admin)
        for name, change in (
            ("changed", lambda: by_admin.line_ids.write({"domain": "[('name', 'like', 'b')]"})),
            ("added", lambda: by_admin.write({"line_ids": [Command.create(line)]})),
            ("removed", lambda: by_admin.line_ids[-1:].unlink()),
        ):
            with self.subTest(name):
                change()
                self.assertTrue(audience.owner_pending)
                self.assertIn("changed", audience.sudo().activity_ids.note)
                by_admin.action_refresh()
                self.assertIn("has not agreed", audience.refresh_error)
                audience.action_take_over()
                self.assertFalse(audience.owner_pending)
                self.assertTrue(audience.action_refresh())
        unsaved = {"line_ids": [Command.create(line)]}
        self.assertIn("only be counted for the owner", by_admin.count_all(unsaved)["error"])
        self.assertNotIn("error", by_admin.count_all({}))
        self.assertNotIn("error", audience.count_all(unsaved))

    def test_models_that_somebody_else_changes_wait_for_the_owner(self):
        condition = [Command.create({"stage": "a"})]
        rfm, aipl = models = (
            self._create("directmail.rfm.model", self.admin),
            self._create("directmail.aipl.model", self.admin, condition_ids=condition),
        )
        for model in models:
            self.assertFalse(model.owner_pending, "what is one's own")
            model.user_id = self.boss
            model.with_user(self.boss).action_take_over()
            model.name = "Another name"
            self.assertFalse(model.owner_pending)
        rfm.r_days_3 = 10
        self.assertTrue(rfm.owner_pending)
        aipl.condition_ids.min_count = 2
        self.assertTrue(aipl.owner_pending)

    def test_lines_and_conditions_that_are_moved_away_wait_for_the_owner(self):
        by_admin = self._make_audience(self.bob, self.admin)
        group = by_admin.line_ids.create(
            {"audience_id": by_admin.id, "kind": "group", "child_ids": [Command.create({})]}
        )
        for vals in ({"audience_id": by_admin.id}, {"parent_id": group.id}):
            audience = self._make_audience(None, lines=[{}, self._only(self.ann, sequence=20)])
            with self.subTest(vals):
                audience.line_ids.sorted("sequence")[-1].with_user(self.admin).write(vals)
                self.assertEqual(len(audience.line_ids), 1)
                self.assertTrue(audience.owner_pending)
                self.assertFalse(by_admin.owner_pending)
        condition = {"condition_ids": [Command.create({"stage": "a"})]}
        model, other = (
            self._create("directmail.aipl.model", self.admin, **condition) for _ in range(2)
        )
        model.user_id = self.boss
        model.with_user(self.boss).action_take_over()
        model.condition_ids.aipl_model_id = other
        self.assertTrue(model.owner_pending)

    def test_chosen_records_that_somebody_else_changes_wait_for_the_owner(self):
        audience = self._make_audience(None, lines=[{"kind": "list", "operator": "or"}])

        def add(person, user):
            audience.env["directmail.audience.add"].with_user(user).with_context(
                active_model="res.partner", active_ids=person.ids
            ).create(
                {
                    "table_id": audience.line_ids.table_id.id,
                    "target": "existing",
                    "audience_id": audience.id,
                }
            ).action_add()

        add(self.ann, self.boss)
        self.assertFalse(audience.owner_pending, "what is one's own")
        add(self.bob, self.admin)
        self.assertEqual(len(audience.line_ids.pick_ids), 2)
        self.assertTrue(audience.owner_pending)
        audience.action_take_over()
        audience.line_ids.pick_ids[0].with_user(self.admin).unlink()
        self.assertTrue(audience.owner_pending)

    def _make_own_leads(self):
        """Return a table of an administrator who may read own leads only, not that of the boss."""
        self.admin.group_ids += self.env.ref("sales_team.group_sale_salesman")
        lead = self.env["crm.lead"].create(
            {"name": "Secret 42", "partner_id": self.ann.id, "user_id": self.boss.id}
        )
        self.assertFalse(lead.with_user(self.admin).has_access("read"))
        return self.tables.with_user(self.admin).create(
            {
                "name": "Some leads",
                "model_id": self.env["ir.model"]._get_id("crm.lead"),
                "partner_path": "partner_id",
                "date_field": "create_date",
            }
        )

    def test_what_reads_a_data_table_that_somebody_else_changes_waits_for_the_owner(self):
        """An administrator would find out by its counts what only the owner may read."""
        table = self._make_own_leads()
        audience = self._make_audience(None, lines=[{"table_id": table.id}])
        audience.action_refresh()
        self.assertEqual(audience.people_count, 1)
        self.task.conversion_table_id = table
        model = self._create("directmail.aipl.model", self.admin)
        model.condition_ids = [Command.create({"data_table_id": table.id})]
        model.user_id = self.boss
        model.with_user(self.boss).action_take_over()
        mine = self._make_audience(None, self.admin, lines=[{"table_id": table.id}])
        table.name = "Leads of some"
        self.assertFalse(audience.owner_pending or self.task.owner_pending or model.owner_pending)
        table.domain = "[('name', '=like', 'Secret 1%')]"
        self.assertTrue(audience.owner_pending and self.task.owner_pending and model.owner_pending)
        self.assertFalse(mine.owner_pending)
        audience.with_user(self.admin).action_refresh()
        self.assertIn("has not agreed", audience.refresh_error)
        self.assertEqual(audience.people_count, 1)

    def test_successes_that_somebody_else_counts_otherwise_wait_for_the_owner(self):
        table = self._make_own_leads()
        by_admin = self.task.with_user(self.admin)
        by_admin.conversion_days = 5
        self.assertFalse(self.task.owner_pending, "nothing is read")
        for vals in (
            {"conversion_table_id": table.id},
            {"conversion_days": 9},
            {"conversion_from": "delivery"},
        ):
            with self.subTest(vals):
                by_admin.write(vals)
                self.assertTrue(self.task.owner_pending)
                with self.assertRaisesRegex(UserError, "has not agreed"):
                    self.task._get_owner_env()
                self.task.action_take_over()
        self.task.conversion_days = 8
        self.assertFalse(self.task.owner_pending)

    def test_a_task_is_not_sent_until_the_owner_agrees(self):
        self.task.with_user(self.admin).user_id = self.marketer
        with self.assertRaisesRegex(UserError, "has not agreed"):
            self.task.with_user(self.admin).action_send()

    def test_an_upload_is_not_matched_until_the_owner_agrees(self):
        upload = self._create("directmail.upload", self.admin)
        upload.user_id = self.marketer
        with self.assertRaisesRegex(UserError, "has not agreed"):
            upload._get_owner_env()

    def test_an_upload_that_somebody_else_changes_waits_for_the_owner(self):
        """An administrator would find out by its counts which contacts only the owner may see."""
        self.env["ir.rule"].create(
            {
                "name": "Ann is hidden from the administrator",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": f"[('id', '!=', user.id == {self.admin.id} and {self.ann.id})]",
            }
        )
        self.assertFalse(self.ann.with_user(self.admin).has_access("read"))
        upload = self._create("directmail.upload", self.boss)
        self.assertFalse(upload.owner_pending)
        by_admin = upload.with_user(self.admin)
        by_admin.name = "Of the fair"
        self.assertFalse(upload.owner_pending)
        by_admin.pasted = "ann@example.com"
        by_admin.action_start()
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref(UPLOADS).method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(upload.matched_count, 0)
        self.assertTrue(upload.owner_pending)
        self.assertEqual(upload.state, "failed")
        self.assertIn("has not agreed", upload.message)

    # === WRITERS NEED THE RIGHTS, TOO === #

    def test_an_administrator_does_not_read_with_the_rights_of_a_model_owner(self):
        """The administrator may not read leads; the owner of the models may."""
        model = self._create("directmail.aipl.model", self.admin)
        model.user_id = self.boss
        model.with_user(self.boss).action_take_over()
        with self.assertRaises(AccessError):
            model.write({"condition_ids": [Command.create({"data_table_id": self.leads.id})]})
        rfm = self._create("directmail.rfm.model", self.admin)
        rfm.user_id = self.boss
        rfm.with_user(self.boss).action_take_over()
        with self.assertRaises(AccessError):
            rfm.data_table_id = self.leads

    def test_an_administrator_does_not_count_successes_with_the_rights_of_a_task_owner(self):
        with self.assertRaises(AccessError):
            self.task.with_user(self.admin).conversion_table_id = self.leads
        self.task.conversion_table_id = self.leads
        self.assertEqual(self.task.conversion_table_id, self.leads)

    def test_successes_are_never_counted_with_the_rights_of_the_server(self):
        self.task.conversion_table_id = self.leads
        self.env.cr.execute(
            "UPDATE directmail_task SET user_id = %s WHERE id = %s",
            [self.env.ref("base.user_root").id, self.task.id],
        )
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "with its owner.s rights any more"):
            self.task._get_owner_env()
