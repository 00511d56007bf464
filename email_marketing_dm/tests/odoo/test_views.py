from lxml import etree

from odoo.fields import Domain
from odoo.tests import TransactionCase, tagged
from odoo.tools.safe_eval import safe_eval

MODULE = "email_marketing_dm"


@tagged("post_install", "-at_install")
class TestViews(TransactionCase):
    """What all of the addon's views have."""

    def _read_views(self, view_type):
        """Yield (XML id, parsed arch) of the addon's own views of a type."""
        views = self.env["ir.ui.view"].search([("type", "=", view_type)])
        for view_id, xml_id in views.get_external_id().items():
            if xml_id.startswith(f"{MODULE}."):
                yield xml_id, etree.fromstring(self.env["ir.ui.view"].browse(view_id).arch)

    def test_groups_in_forms_have_names(self):
        """Other addons find a group by its name, and a name stands once in a form."""
        names = {
            xml_id: [group.get("name") for group in arch.iter("group")]
            for xml_id, arch in self._read_views("form")
        }
        self.assertIn(f"{MODULE}.directmail_task_view_form", names)
        for xml_id, found in names.items():
            with self.subTest(view=xml_id):
                self.assertNotIn(None, found)
                self.assertCountEqual(found, set(found))

    def test_views_have_readable_colors(self):
        """The class `o_directmail` gives them colors with enough contrast (`colors.scss`)."""
        for view_type in ("form", "list", "kanban"):
            for xml_id, arch in self._read_views(view_type):
                if arch.tag == view_type and not arch.get("position"):
                    with self.subTest(view=xml_id):
                        self.assertIn("o_directmail", arch.get("class", "").split())

    def test_archived_records_are_found(self):
        """Every model whose records can be archived has the filter *Archived*."""
        models = [
            model
            for name, model in self.env.items()
            if name.startswith("directmail.") and "active" in model._fields and model._auto
        ]
        self.assertIn("directmail.audience", [model._name for model in models])
        for model in models:
            with self.subTest(model=model._name):
                arch = etree.fromstring(model.get_view(view_type="search")["arch"])
                filters = arch.xpath("//filter[@string='Archived']/@domain")
                self.assertEqual(len(filters), 1)
                domain = Domain(safe_eval(filters[0]))
                self.assertEqual(list(domain), [("active", "=", False)])
