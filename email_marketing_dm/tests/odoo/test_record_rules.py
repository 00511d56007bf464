from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user, tagged

from ..common_company import ADMIN, CompanyCommon

MODULE = "email_marketing_dm"
OPERATIONS = ("read", "write", "create", "unlink")
#: model -> why its records are the same for every company
SHARED = {
    "directmail.rekey": "All companies share the master key. It holds figures only.",
    "directmail.rfm.score": "The numbers 1 to 3 as labels, which nobody changes.",
}
#: model that somebody may write -> why it does not need `directmail.of.company`
UNBOUND = {
    "directmail.data.table": "Shared ones have no company.",
}


@tagged("post_install", "-at_install")
class TestEveryModel(TransactionCase):
    """Checks over all models, so that a new one can't lack its rules."""

    def _get_models(self, transient):
        names = [
            name
            for name, model in self.registry.items()
            if model._original_module == MODULE
            and not model._abstract
            and model._transient == transient
        ]
        self.assertGreater(len(names), 10)
        return sorted(names)

    def _get_rules(self, name, operation):
        """Return the domains, as they are written, of the rules for everybody."""
        rules = self.env["ir.rule"].search(
            [
                ("model_id.model", "=", name),
                ("global", "=", True),
                (f"perm_{operation}", "=", True),
            ]
        )
        return rules.mapped("domain_force")

    def _may_anybody(self, name, *operations):
        accesses = self.env["ir.model.access"].search([("model_id.model", "=", name)])
        return any(access[f"perm_{operation}"] for access in accesses for operation in operations)

    def test_every_dialog_belongs_to_who_opened_it(self):
        for name in self._get_models(transient=True):
            for operation in OPERATIONS:
                with self.subTest(name, operation=operation):
                    self.assertIn(
                        "[('create_uid', '=', user.id)]", self._get_rules(name, operation)
                    )

    def test_every_record_belongs_to_a_company(self):
        for name in self._get_models(transient=False):
            if name in SHARED or not self._may_anybody(name, *OPERATIONS):
                continue
            for operation in OPERATIONS:
                with self.subTest(name, operation=operation):
                    rules = self._get_rules(name, operation)
                    self.assertTrue(any("company_id', 'in', company_ids" in rule for rule in rules))

    def test_everything_that_can_be_written_stays_in_its_company(self):
        bound = self.registry.descendants(["directmail.of.company"], "_inherit")
        for name in self._get_models(transient=False):
            if name not in UNBOUND and self._may_anybody(name, "write", "create"):
                with self.subTest(name):
                    self.assertIn(name, bound)

    def test_everything_that_can_be_written_refers_to_what_its_writer_may_read(self):
        bound = self.registry.descendants(["directmail.links"], "_inherit")
        for name in self._get_models(transient=True) + self._get_models(transient=False):
            fields = [
                field
                for field in self.registry[name]._fields.values()
                if field.type in ("many2one", "many2many")
                and field.store
                and field.comodel_name.startswith(("directmail.", "res.partner"))
            ]
            if fields and name not in UNBOUND and self._may_anybody(name, "write", "create"):
                with self.subTest(name):
                    self.assertIn(name, bound)

    def test_who_may_read_a_record_may_read_where_its_fields_lead(self):
        """Else reading it without naming fields is refused, and so is a page that shows them."""
        users = [
            new_test_user(self.env, f"reads_{group}", f"{MODULE}.group_{group}")
            for group in ("user", "download", "admin")
        ]
        found = []
        for name in self._get_models(transient=False) + self._get_models(transient=True):
            for user in users:
                model = self.env[name].with_user(user)
                if not model.has_access("read"):
                    continue
                found += [
                    (user.login, name, field.name)
                    for field in model._fields.values()
                    if field.relational
                    and model._has_field_access(field, "read")
                    and not self.env[field.comodel_name].with_user(user).has_access("read")
                ]
        self.assertEqual(found, [])

    def test_shared_records_are_only_read(self):
        for name in SHARED:
            with self.subTest(name):
                self.assertFalse(self._may_anybody(name, "write", "create", "unlink"))


@tagged("post_install", "-at_install")
class TestDialogs(CompanyCommon):
    def test_an_export_is_read_by_who_made_it(self):
        (ann,) = self._make_people("ann@example.com")
        erasure = self.env["directmail.erasure"].with_user(self.admin)
        erasure = erasure.create({"partner_ids": ann.ids})
        erasure.action_export()
        colleague = new_test_user(self.env, "dm_colleague", ADMIN)
        for user in (colleague, self.admin_there):
            theirs = erasure.with_user(user)
            self.assertFalse(theirs.search([("id", "=", erasure.id)]))
            for operation in (
                lambda record: record.read(["file"]),
                lambda record: record.action_export(),
                lambda record: record.action_erase(),
                lambda record: record.write({"partner_ids": ann.ids}),
            ):
                with self.subTest(user.login), self.assertRaises(AccessError):
                    operation(theirs)
        self.assertTrue(erasure.with_user(self.admin).read(["file"])[0]["file"])


@tagged("post_install", "-at_install")
class TestFolders(CompanyCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = (
            cls.env["directmail.audience.folder"].with_user(cls.user).create({"name": "Mine"})
        )
        cls.colleague = cls.folder.with_user(cls.other)

    def test_colleagues_use_a_folder_and_do_not_change_it(self):
        audience = self._make_audience(self._make_people("ann@example.com"), user=self.other)
        audience.folder_id = self.colleague
        self.assertEqual(self.colleague.name, "Mine")
        mine = self.colleague.create({"name": "A colleague's"})
        for change in (
            lambda: self.colleague.write({"name": "Theirs"}),
            lambda: self.colleague.unlink(),
            lambda: self.colleague.write({"parent_id": mine.id}),
        ):
            with self.assertRaises(AccessError):
                change()
        self.folder.name = "Renamed"
        self.folder.with_user(self.admin).name = "By an administrator"

    def test_audiences_of_a_deleted_folder_stay(self):
        audience = self._make_audience(self._make_people("ann@example.com"), user=self.other)
        audience.folder_id = self.colleague
        self.folder.unlink()
        self.assertTrue(audience.exists())
        self.assertFalse(audience.folder_id)
