from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import tagged

from ..common import start_task
from ..common_company import CompanyCommon

WORD = "Zebra"
#: what Odoo itself shares between all companies -> why something of ours stands there
SHARED = {
    "utm.source": "Visits, leads and orders carry the email task they come from.",
}
TEXTS = ("char", "text", "html", "many2one", "json")


@tagged("post_install", "-at_install")
class TestNothingIsFoundElsewhere(CompanyCommon):
    """Whoever works in one company finds nothing of another one, in any model."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.account.name = f"{WORD} account"
        people = cls._make_people("zebra@example.com", company_id=cls.here.id)
        people.name = f"{WORD} person"
        folder = cls.env["directmail.audience.folder"].with_user(cls.user)
        audience = cls._make_audience(
            people,
            name=f"{WORD} audience",
            visibility="public",
            folder_id=folder.create({"name": f"{WORD} folder"}).id,
        )
        template = cls._make_template(name=f"{WORD} template", subject=f"{WORD} subject")
        task = cls._make_task(audience, template, name=f"{WORD} task")
        task.action_send()
        start_task(task.sudo())
        # pylint: disable-next=translation-required
        audience.message_post(body=f"{WORD} message")
        template.activity_schedule("mail.mail_activity_data_todo", summary=f"{WORD} activity")
        upload = {"name": f"{WORD} list", "source": "paste", "pasted": "zebra@example.com"}
        cls.env["directmail.upload"].with_user(cls.user).create(upload)
        for record in (audience, template, task):
            cls.env["ir.attachment"].create(
                {"name": f"{WORD}.txt", "res_model": record._name, "res_id": record.id, "raw": b"x"}
            )
        admin = cls.env(user=cls.admin)
        for model, vals in (
            ("directmail.design", {}),
            ("directmail.rfm.model", {}),
            ("directmail.aipl.model", {"condition_ids": [Command.create({})]}),
        ):
            admin[model].create({"name": f"{WORD} {model}", "company_id": cls.here.id, **vals})
        erasure = admin["directmail.erasure"].create({"partner_ids": people.ids})
        erasure.action_export()
        cls.env.flush_all()

    def _find(self, user):
        """Return {model: texts with the word} of everything that a user can read."""
        env = self.env(user=user.id, context={"active_test": False})
        found = {}
        for name in sorted(self.registry):
            model = env[name]
            if model._abstract or not model.has_access("read"):
                continue
            fields = [
                field.name
                for field in model._fields.values()
                if field.store and field.type in TEXTS and model._has_field_access(field, "read")
            ]
            try:
                rows = model.search([], limit=500, order="id desc").read(fields)
            except AccessError:
                continue
            texts = [str(row) for row in rows if WORD.lower() in str(row).lower()]
            if texts:
                found[name] = texts
        return found

    def test_nothing_is_found_elsewhere(self):
        self.assertIn("directmail.task", self._find(self.user), "the search finds what is there")
        for user in (self.user_there, self.admin_there):
            with self.subTest(user.login):
                self.env.invalidate_all()
                found = self._find(user)
                self.assertEqual({name: found[name] for name in found if name not in SHARED}, {})
