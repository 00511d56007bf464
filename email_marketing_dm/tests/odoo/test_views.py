import ast
from itertools import combinations, product

from lxml import etree

from odoo.fields import Domain
from odoo.tests import TransactionCase, tagged
from odoo.tools.safe_eval import safe_eval

MODULE = "email_marketing_dm"
#: what Odoo's own forms do with Alt and these keys: save, discard, new, back, home menu, actions,
#: previous and next record, message, states, owner, priority; the mail builder's choice of screens
KEYS_OF_ODOO = set("sjcbhupnmxirdf123456789")


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

    def test_each_field_has_a_label_of_its_own(self):
        """Labels with the same name belong to the first such field; further ones need an id."""
        for xml_id, arch in self._read_views("form"):
            with self.subTest(view=xml_id):
                labelled = [label.get("for") for label in arch.iter("label")]
                self.assertCountEqual(labelled, set(labelled))

    def test_views_have_readable_colors(self):
        """The class `o_directmail` gives them colors with enough contrast (`colors.scss`)."""
        for view_type in ("form", "list", "kanban"):
            for xml_id, arch in self._read_views(view_type):
                if arch.tag == view_type and not arch.get("position"):
                    with self.subTest(view=xml_id):
                        self.assertIn("o_directmail", arch.get("class", "").split())

    def test_empty_lists_say_what_to_do(self):
        """Odoo's own text asks to add records, but most of our lists are filled by other pages."""
        actions = self.env["ir.actions.act_window"].search([("target", "!=", "new")])
        ours = {
            xml_id: self.env["ir.actions.act_window"].browse(action_id)
            for action_id, xml_id in actions.get_external_id().items()
            if xml_id.startswith(f"{MODULE}.")
        }
        self.assertIn(f"{MODULE}.directmail_task_action", ours)
        for xml_id, action in ours.items():
            if {"list", "kanban"} & set(action.view_mode.split(",")):
                with self.subTest(action=xml_id):
                    self.assertTrue(action.help)

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

    def test_labels_are_no_names_of_fields(self):
        """A label that Odoo makes of a field's name is in capitals, unlike our own ones."""
        paths = {
            "form": "//group/field[not(@invisible='1')] | //label[@for][not(@string)]",
            "list": "/list/field[not(@column_invisible)]",
        }
        shown = 0
        for view_type, path in paths.items():
            for xml_id, arch in self._read_views(view_type):
                fields = self.env[self.env.ref(xml_id).model]._fields
                for node in arch.xpath(path):
                    field = fields.get(node.get("for") or node.get("name"))
                    if not field or node.get("string") or node.get("nolabel"):
                        continue
                    shown += 1
                    made = field.name.removesuffix("_ids").removesuffix("_id").replace("_", " ")
                    with self.subTest(view=xml_id, field=field.name):
                        self.assertFalse(" " in made and field.string == made.title())
        self.assertGreater(shown, 100)

    def test_lists_leave_their_room_to_texts(self):
        """A percentage has one digit and a width: without one, it grows with the window."""
        found = [
            (xml_id, field)
            for xml_id, arch in self._read_views("list")
            for field in arch.iter("field")
            if field.get("widget") == "percentage"
        ]
        self.assertIn(f"{MODULE}.directmail_task_view_list", [xml_id for xml_id, _field in found])
        for xml_id, field in found:
            with self.subTest(view=xml_id, field=field.get("name")):
                self.assertEqual(field.get("digits"), "[16, 1]")
                self.assertTrue(field.get("width"))

    def test_buttons_have_keys(self):
        """Each button in the head of a form, and in the foot of a dialog, is pressed by a key."""
        for xml_id, model, arch in self._read_forms():
            buttons = arch.xpath("/form/header//button | /form/footer//button")
            for button in buttons:
                with self.subTest(view=xml_id, button=button.get("string")):
                    self.assertTrue(button.get("data-hotkey"))
            heads = arch.xpath("/form/header//button")
            used = {button.get("data-hotkey") for button in heads}
            self.assertFalse(used & KEYS_OF_ODOO, xml_id)
            for one, other in combinations(heads, 2):
                if one.get("data-hotkey") == other.get("data-hotkey"):
                    names = (xml_id, one.get("string"), other.get("string"))
                    self.assertFalse(self._are_seen_together(model, one, other), names)

    def test_buttons_of_lists_have_keys(self):
        """Each button above a list or cards is pressed by a key, and by one of its own."""
        found = {}
        for view_type in ("list", "kanban"):
            for xml_id, arch in self._read_views(view_type):
                for button in arch.xpath(f"/{view_type}/header/button"):
                    found.setdefault(xml_id, []).append(button.get("data-hotkey"))
        self.assertIn(f"{MODULE}.directmail_template_view_list", found)
        for xml_id, keys in found.items():
            with self.subTest(view=xml_id):
                self.assertNotIn(None, keys)
                self.assertCountEqual(keys, set(keys))
                self.assertFalse(KEYS_OF_ODOO & set(keys))

    def test_cards_in_forms_show_the_figures_of_the_list(self):
        """On a phone the cards stand for the list, and have the figures that it shows at first."""
        compared = set()
        for xml_id, model, arch in self._read_forms():
            for node in arch.xpath("//field[list][kanban][not(ancestor::field)]"):
                fields = self.env[model._fields[node.get("name")].comodel_name]._fields
                figures = {
                    column.get("name")
                    for column in node.xpath("list/field[not(@widget='handle')]")
                    if column.get("optional") != "hide"
                    and column.get("column_invisible") not in ("1", "True")
                    and fields[column.get("name")].type in ("integer", "float", "monetary")
                }
                cards = {field.get("name") for field in node.xpath("kanban//field")}
                compared |= {(node.get("name"), figure) for figure in figures}
                with self.subTest(view=xml_id, field=node.get("name")):
                    self.assertFalse(figures - cards)
        self.assertIn(("step_ids", "sent_count"), compared)

    def _read_forms(self):
        """Yield (XML id, model, arch with all extensions) of the addon's forms."""
        views = self.env["ir.ui.view"].search([("type", "=", "form"), ("inherit_id", "=", False)])
        for view in views:
            xml_id = view.get_external_id()[view.id]
            if xml_id.startswith(f"{MODULE}."):
                yield xml_id, self.env[view.model], view._get_combined_arch()

    def _are_seen_together(self, model, *buttons):
        """Return whether some values of the record show all of these buttons."""
        hidden = [ast.parse(button.get("invisible") or "False", mode="eval") for button in buttons]
        names = sorted(
            {node.id for tree in hidden for node in ast.walk(tree) if isinstance(node, ast.Name)}
        )
        rules = [ast.unparse(tree) for tree in hidden]
        return any(
            not any(safe_eval(rule, dict(zip(names, values, strict=True))) for rule in rules)
            for values in product(*(self._get_values(model, name) for name in names))
        )

    def _get_values(self, model, name):
        """Return values of a field that an expression may tell apart."""
        field = model._fields[name]
        if field.type != "selection":
            return [False, True]
        return [*field.get_values(self.env), *([] if field.required else [False])]
