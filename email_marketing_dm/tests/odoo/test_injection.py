import json
from functools import partial

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..common import DirectmailCommon, start_task

GROUP = "email_marketing_dm.group_"
CANARY = "quokka"  # in names and addresses that a reader may not see
# Refused with a sentence (AccessError is one of them), or as no valid name.
REFUSALS = (UserError, ValueError)
OURS = ("email_encrypted_key", "email_encrypted_aes")  # fields of contacts that nobody reads
STATEMENTS = (
    "id; SELECT 1", "id, (SELECT 1)", "id) --", "id ASC NULLS FIRST; --", "(SELECT 1)", "1",
    "id/**/DESC", "id\0", 'id COLLATE "C"',
)  # fmt: skip


@tagged("post_install", "-at_install")
class TestInjection(DirectmailCommon):
    """Hidden values can't be inferred by orders, groups, filters, specifications or onchanges."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        company = cls.env["res.company"].create({"name": "Elsewhere"})
        options = {"company_id": company.id, "company_ids": [Command.set(company.ids)]}
        cls.stranger = new_test_user(cls.env, "dm_stranger", f"{GROUP}admin", **options)
        people = cls._make_people(
            f"{CANARY}@example.com", name=CANARY, company_id=cls.env.company.id
        )
        audience = cls._make_audience(people, name=f"{CANARY} audience")
        audience.action_refresh()
        cls.task = cls._make_task(audience, name=f"{CANARY} task")
        cls.task.template_id.name = f"{CANARY} template"
        cls.task.action_send()
        start_task(cls.task.sudo())
        cls.env["directmail.optout"]._record(cls.task.sudo().delivery_ids, "page")
        cls.env["directmail.upload"].with_user(cls.user).create(
            {"source": "paste", "pasted": f"{CANARY}@example.com", "name": CANARY}
        )
        cls.account.sudo().name = f"{CANARY} account"
        cls.env.flush_all()

    def _get_models(self, reader):
        for name in sorted(self.env.registry):
            model = self.env[name].with_user(reader)
            if name.startswith("directmail.") and not model._abstract and model._auto:
                yield model

    def _try(self, attempt, *models):
        """Return the result of a call in a request of its own, or None if the call is refused.

        :param models: what it may read; by default all. What others have cached is kept.
        """
        self.env.flush_all()
        for model in models:
            model.invalidate_model()
        if not models:
            self.env.invalidate_all()
        try:
            with self.env.cr.savepoint(flush=not models), mute_logger("odoo.models", "odoo.sql_db"):
                return attempt()
        except REFUSALS:
            return None

    # === HIDDEN FIELDS === #

    def _find_hidden(self, model):
        """Return the names of a model's fields of ours that its reader may not see."""
        ours = model._name.startswith("directmail.")
        return [
            name
            for name, field in model._fields.items()
            if (ours or name in OURS) and field.store and not model._has_field_access(field, "read")
        ]

    def _get_paths(self, model):
        """Yield ways to hidden fields: lists of (name, specification), one for each relation.

        A hidden field of the model itself makes a list of one.
        """
        for name in self._find_hidden(model):
            yield [(name, {name: {}})]
        for name, field in model._fields.items():
            # Odoo itself looks through followers with all rights, in every model.
            seen = field.relational and not name.startswith("message_")
            if seen and model._has_field_access(field, "read"):
                yield [
                    (f"{name}.{inner}", {name: {"fields": {inner: {}}}})
                    for inner in self._find_hidden(model.env[field.comodel_name])
                ]

    def _get_attempts(self, model):
        """Return {way: function of a name and a specification that tries it}."""
        record = model.search([], limit=1)
        group = next(
            (name for name, field in model._fields.items() if field.type == "many2one"
             and field.store and model._has_field_access(field, "read")), None,
        )  # fmt: skip
        read_group = model.formatted_read_group
        attempts = {
            "order": lambda path, _spec: model.search_read([], ["id"], order=path),
            "filter": lambda path, _spec: model.search_count([(path, "!=", False)]),
            "name_search": lambda path, _spec: model.name_search("", [(path, "!=", False)]),
            "groups": lambda path, _spec: read_group([], [path], ["__count"]),
            "client's groups": lambda path, _spec: model.web_read_group([], [path], ["__count"]),
            "aggregate": lambda path, _spec: read_group([], [], [f"{path}:max"]),
            "array": lambda path, _spec: read_group([], [], [f"{path}:array_agg"]),
            "onchange": lambda path, spec: self._read_by_onchange(model, path, spec),
        }
        if group:
            attempts["having"] = lambda path, _spec: read_group(
                [], [group], ["__count"], having=[(f"{path}:max", "!=", "a")]
            )
            attempts["group order"] = lambda path, _spec: read_group(
                [], [group], ["__count"], order=f"{path}:max"
            )
        if record:
            attempts["specification"] = lambda _path, spec: record.web_read(spec)
            attempts["read"] = lambda path, _spec: record.read([path])
            attempts["export"] = lambda path, _spec: record.export_data([path.replace(".", "/")])
        return attempts

    def _get_pairs(self, model, first):
        """Yield (way, path, attempt) so that each two of way, relation and hidden field meet.

        All three would meet in five times as many attempts.

        :param int first: which hidden field of each relation comes first
        """
        attempts = list(self._get_attempts(model).items())
        for paths in filter(None, self._get_paths(model)):
            for number in range(max(len(attempts), len(paths))):
                way, attempt = attempts[number % len(attempts)]
                path, spec = paths[(number + first) % len(paths)]
                yield way, path, partial(attempt, path, spec)

    def _read_by_onchange(self, model, path, spec):
        """Return what an onchange with a record of somebody's tells of a hidden field, or None."""
        name, _dot, inner = path.partition(".")
        values = {}
        if inner:
            comodel = self.env[model._fields[name].comodel_name].sudo()
            ids = comodel.search([], order="id desc", limit=1).ids
            single = model._fields[name].type == "many2one"
            values[name] = (ids and ids[0]) if single else [Command.link(number) for number in ids]
        found = json.dumps(model.onchange(values, list(values), spec)["value"], default=str)
        return found if f'"{inner or name}"' in found else None

    def test_hidden_fields(self):
        tried = set()
        for first, reader in enumerate((self.other, self.stranger)):
            for model in self._get_models(reader):
                if not model.has_access("read"):
                    continue
                for way, path, attempt in self._get_pairs(model, first):
                    tried.add((reader, model._name, path))
                    field = model._fields[path.partition(".")[0]]
                    models = [model, *([model.env[field.comodel_name]] if field.relational else [])]
                    with self.subTest(reader.login, model=model._name, path=path, way=way):
                        self.assertIsNone(self._try(attempt, *models))
        self.assertGreater(len(tried), 50, "there is something to hide")

    # === ONCHANGES === #

    def _get_forms(self, model):
        """Return (specification of all that a form may show, values: newest records of anybody)."""
        spec, values = {}, {}
        for name, field in model._fields.items():
            if not model._has_field_access(field, "read"):
                continue
            spec[name] = {}
            if not (field.relational and field.comodel_name.startswith("directmail.")):
                continue
            comodel = model.env[field.comodel_name]
            spec[name]["fields"] = {
                inner: {}
                for inner, other in comodel._fields.items()
                if not other.relational and comodel._has_field_access(other, "read")
            }
            ids = comodel.sudo().search([], order="id desc", limit=3).ids
            if ids and field.type != "one2many":
                values[name] = ids[0] if field.type == "many2one" else [Command.set(ids)]
        return spec, values

    def test_onchanges_tell_nothing_of_another_company(self):
        """A form may be sent with ids of anybody's records: what it computes must not tell them."""
        for model in self._get_models(self.stranger):
            spec, values = self._get_forms(model)
            for names in ([], *([name] for name in values), list(values)):
                chosen = {name: values[name] for name in names}
                with self.subTest(model=model._name, names=names):
                    found = self._try(lambda m=model, c=chosen, s=spec: m.onchange(c, list(c), s))
                    self.assertNotIn(CANARY, json.dumps(found, default=str))

    # === STATEMENTS === #

    def test_no_statement_of_sql_is_taken(self):
        """Each two of model, text and way meet: all three would in seven times as many attempts."""
        ways = {
            "order": lambda m, t: m.search_read([], ["id"], order=t),
            "groups": lambda m, t: m.formatted_read_group([], [t], ["__count"]),
            "aggregate": lambda m, t: m.formatted_read_group([], [], [f"id:{t}"]),
            "having": lambda m, t: m.formatted_read_group(
                [], ["id"], ["__count"], having=[(t, ">", 0)]
            ),
            "group order": lambda m, t: m.formatted_read_group([], ["id"], ["__count"], order=t),
            "filter": lambda m, t: m.search_count([(t, "=", 1)]),
            "operator": lambda m, t: m.search_count([("id", t, 1)]),
        }
        met = set()
        readable = [m for m in self._get_models(self.admin) if m.has_access("read")]
        for first, model in enumerate(readable):
            for number, text in enumerate(STATEMENTS):
                way = list(ways)[(first + number) % len(ways)]
                met.add((text, way))
                with self.subTest(model=model._name, text=text, way=way):
                    self.assertIsNone(self._try(partial(ways[way], model, text)))
        self.assertEqual(len(met), len(STATEMENTS) * len(ways))
