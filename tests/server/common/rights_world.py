"""What the rights are tried on: users of every role in two companies, and records of every model.

Read by an Odoo shell on a fresh database, see `rights_tries.make_world`. The records are made in
SQL from what the registry says about the fields, so that a new model is there by itself; what a
model needs beyond that stands in `VALUES`.
"""

import contextlib
import inspect
import itertools
import json
import logging
from dataclasses import dataclass

import psycopg2
from psycopg2 import sql

_logger = logging.getLogger(__name__)

ADDON = "email_marketing_dm"
PASSWORD = "a long password 1"
EXPORT = "base.group_allow_export"
GROUPS = {
    "portal": ["base.group_portal"],
    "employee": ["base.group_user", EXPORT],
    "settings": ["base.group_system", EXPORT],
    "marketer": [f"{ADDON}.group_user", EXPORT],
    "downloader": [f"{ADDON}.group_download", EXPORT],
    "administrator": [f"{ADDON}.group_admin", EXPORT],
}
#: Users of the other company, for whom all records of the first one are somebody else's.
STRANGERS = {
    "marketer elsewhere": GROUPS["marketer"],
    "administrator elsewhere": GROUPS["administrator"],
}
#: Texts that tell whose record it is, so that a leak is recognised wherever it comes out.
TEXTS = (
    "name", "title", "subject", "sender_name", "message", "feedback", "file_name", "filename",
    "reference", "error", "note", "reply_to", "email",
)  # fmt: skip
#: Arguments of public methods that need some.
ARGUMENTS = {
    "action_choose_version": ["B"],
    "action_new_audience_of_part": [1, "both"],
    "action_new_audience_of_trait": ["company_type", "person"],
    "action_view_part": ["reasons"],
    "action_view_trait": ["company_type", "person"],
    "check_content": [{}],
    "count_all": [{}],
    "count_line": [{}, 0],
    "count_people": [1, "joined"],
    "directmail_record_answer": [1, "yes", "By telephone"],
    "get_overlap": [1],
    "preview_content": [{}, False],
    "preview_types": [{}],
    "repair_content": [{}, "shorten_subject"],
    "shrink_pictures": [{}],
}
#: What only who creates such a record has to give: it is stored in another form.
GIVEN = {"directmail.aes.key": {"key": "0123456789abcDEF"}}
#: How to make a record of a model of Odoo that gets methods of ours.
OTHERS = {"base.module.uninstall": {}}
#: Its row for a contact is made of what its reader may see: the same id in every world.
ENGAGEMENT = "directmail.contact.engagement"
#: Definitions that all companies share.
SHARED = {"directmail.data.table": [("company_id", "=", False)], "directmail.design": []}


def list_values(env):
    """Return {model: {field: value}} that the types of the fields don't tell."""
    return {
        "directmail.account": {"endpoint": "127.0.0.1:9", "connection": "test"},
        "directmail.aipl.condition": {"domain": "[]"},
        "directmail.audience.line": {"domain": "[]"},
        "directmail.data.table": {
            "model_id": env["ir.model"]._get_id("res.partner"),
            "model_name": "res.partner",
            "partner_path": "id",
        },
        "directmail.rfm.model": {"computed_on": env.cr.now().date()},
        "directmail.rfm.customer": {"last_date": env.cr.now().date()},
        "directmail.task": {"planned_at": env.cr.now()},
    }


@dataclass(frozen=True)
class World:
    """Whose records these are.

    :ivar str name: of a role for its own records, else ``private``, ``public``, ``elsewhere``
    """

    name: str
    user: int
    company: int
    visibility: str = "private"

    @property
    def mark(self):
        """What stands in every text of these records, and nowhere else."""
        return f"of-{self.name}"


class Maker:
    """Makes one record of each model in each world, with everything that it needs."""

    def __init__(self, env):
        self.env = env
        self.partner = env["res.partner"].create({"name": "Somebody", "email": "who@example.com"})
        self.made, self._foreign, self.values = {}, {}, list_values(env)

    def record(self, name, world):
        """Return the id of the model's record in this world, made if need be.

        :raise ValueError: when the database refuses what is known about the model
        """
        key = name, world
        if key not in self.made:
            self.made[key] = self._insert(self.env[name], world)
        return self.made[key]

    def foreign(self, name):
        """Return the id of a record of a model of Odoo."""
        if name == "res.partner":
            return self.partner.id
        if name not in self._foreign:
            self._foreign[name] = self.env[name].create(OTHERS.get(name, {"name": "Somebody"})).id
        return self._foreign[name]

    def connect(self):
        """Fill what is optional with the records of the same world, where the database lets us."""
        cursor = self.env.cr
        for (name, world), number in list(self.made.items()):
            model = self.env[name]
            if not model._auto:
                continue
            for field in model._fields.values():
                if (
                    field.type == "many2one" and field.store and not field.required
                    and field.comodel_name.startswith("directmail.")
                    and field.comodel_name != name
                ):  # fmt: skip
                    with contextlib.suppress(psycopg2.IntegrityError), cursor.savepoint():
                        cursor.execute(
                            sql.SQL("UPDATE {} SET {} = %s WHERE id = %s")
                            .format(sql.Identifier(model._table), sql.Identifier(field.name))
                            .as_string(cursor._cnx),
                            [self.record(field.comodel_name, world), number],
                        )

    def _insert(self, model, world):
        if not model._auto:
            return self._find_shown(model, world)
        values = self._columns(model, world) or {"id": 1}
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
            sql.Identifier(model._table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
        cursor = self.env.cr
        try:
            with cursor.savepoint():
                cursor.execute(statement.as_string(cursor._cnx), [*values.values()])
                return cursor.fetchone()[0]
        except psycopg2.errors.UniqueViolation:
            return self._find_only(model, world)
        except psycopg2.Error as error:
            raise ValueError(
                f"{model._name} needs a line in list_values of {__name__}: {error}"
            ) from error

    def _find_shown(self, model, world):
        """A view's row appears with the record that it is about."""
        if model._name == ENGAGEMENT:
            return self._mail(world)
        for name, field in model._fields.items():
            if field.type == "many2one" and field.comodel_name.startswith("directmail."):
                parent = self.record(field.comodel_name, world)
                if found := model.sudo().search([(name, "=", parent)], limit=1):
                    return found.id
        return None

    def _mail(self, world):
        """Let an email task of the world have mailed the contact. :return: its id, as of the row"""
        task = self.env["directmail.task"].browse(self.record("directmail.task", world)).sudo()
        self.env.cr.execute(
            """INSERT INTO directmail_delivery
                      (task_id, account_id, company_id, partner_id, state, claimed_at)
               VALUES (%s, %s, %s, %s, 'sent', now() AT TIME ZONE 'UTC')""",
            [task.id, task.account_id.id, world.company, self.partner.id],
        )
        return self.partner.id

    def _find_only(self, model, world):
        """There is one for each company, account, ... and somebody else has it already."""
        domain = [("company_id", "=", world.company)] if "company_id" in model._fields else []
        return model.sudo().with_context(active_test=False).search(domain, limit=1).id

    def _columns(self, model, world):
        names = [name for name, field in model._fields.items() if field.store and field.column_type]
        values = {name: default(model, name) for name in names if name != "id"}
        for name in values:
            field = model._fields[name]
            found = self._value(model, field, world)
            values[name] = values[name] if found is None else found
            if field.type in ("boolean", "integer", "float", "monetary") and field.required:
                values[name] = values[name] or 0
        values |= self.values.get(model._name, {})
        record = model.sudo()
        return {
            name: record._fields[name].convert_to_column_insert(value, record)
            for name, value in values.items()
            if value is not None and value is not False
        }

    def _value(self, model, field, world):
        """Return what a field has in this world; None leaves the default."""
        if field.name in ("create_uid", "write_uid") or field.comodel_name == "res.users":
            return world.user
        if field.name in ("create_date", "write_date"):
            return self.env.cr.now()
        if field.name == "visibility":
            return world.visibility
        if field.type == "many2one":
            return self._relation(model, field, world)
        if field.type in ("char", "text", "html") and (field.required or field.name in TEXTS):
            return f"{world.mark} {field.name}"
        if field.required and field.type == "selection":
            return field.get_values(self.env)[0] if not field.default else None
        if field.required and field.type == "datetime":
            return self.env.cr.now()
        if field.required and field.type == "date":
            return self.env.cr.now().date()
        return None

    def _relation(self, model, field, world):
        name = field.comodel_name
        if name == "res.company":
            return world.company
        if name == "res.partner":
            return self.partner.id
        if name.startswith("directmail."):
            return self.record(name, world) if field.required and name != model._name else None
        if field.required and not field.default:
            return self.env[name].sudo().search([], limit=1).id
        return None


def default(model, name):
    """Return a field's own default; not what a wizard makes of the record it is opened from."""
    field = model._fields[name]
    value = field.default and field.default(model.sudo())
    return (value.id if hasattr(value, "_ids") else value) or None


def make_users(env):
    """Return {role or colleague: user}, and the second company."""
    first, second = env.company, env["res.company"].create({"name": "Elsewhere"})

    def make(login, groups, company):
        return env["res.users"].with_context(no_reset_password=True).create({
            "name": login, "login": login, "password": PASSWORD,
            "email": f"{login.replace(' ', '.')}@example.com",
            "company_id": company.id, "company_ids": [(6, 0, company.ids)],
            "group_ids": [(6, 0, [env.ref(group).id for group in groups])],
        })  # fmt: skip

    users = {role: make(role, groups, first) for role, groups in GROUPS.items()}
    users |= {role: make(role, groups, second) for role, groups in STRANGERS.items()}
    users["colleague"] = make("colleague", GROUPS["marketer"], first)
    users["stranger"] = make("stranger", GROUPS["marketer"], second)
    return users, second


def list_models(env):
    """Return our models, and those of Odoo that we extend, by name."""
    return sorted(
        name
        for name, model in env.registry.items()
        if any(getattr(base, "_module", None) == ADDON for base in model.mro())
    )


def list_methods(model):
    """Return {name: function} of the public methods that this addon brings to a model.

    What a client can call: no underscore in front, and nowhere ``@api.private``. What extends a
    method of Odoo (create, write, ...) is an operation and not among them.
    """
    bases = type(model).mro()
    mine = [base for base in bases if getattr(base, "_module", None) == ADDON]
    others = [base for base in bases if base not in mine and base is not type(model)]
    found = {}
    for name, member in itertools.chain.from_iterable(vars(base).items() for base in mine):
        if (
            not name.startswith("_")
            and inspect.isfunction(member)
            and not any(name in vars(base) for base in others)
            and not any(getattr(vars(base).get(name), "_api_private", False) for base in bases)
        ):
            found.setdefault(name, member)
    return dict(sorted(found.items()))


def describe(env, name):
    """Return what the one who tries needs to know of a model."""
    model = env[name]
    kind = (
        "abstract" if model._abstract
        else "transient" if model._transient
        else "view" if not model._auto
        else "table"
    )  # fmt: skip
    methods = {}
    for method, function in list_methods(model).items():
        parameters = list(inspect.signature(function).parameters.values())[1:]
        methods[method] = {
            "model": bool(getattr(getattr(type(model), method), "_api_model", False)),
            "needs": [p.name for p in parameters if p.default is p.empty],
            "arguments": ARGUMENTS.get(method, []),
        }  # fmt: skip
    return {
        "title": model._description,
        "ours": name.startswith("directmail."),
        "kind": kind,
        "methods": methods,
    }


def creation(maker, name, world):
    """Return the values with which a client would create such a record in this world."""
    model = maker.env[name]
    guarded = model._get_guarded_fields() if hasattr(model, "_get_guarded_fields") else ()
    values = {}
    for field in model._fields.values():
        if not field.store or field.name in guarded or field.related or not field.column_type:
            continue
        if field.name in ("create_uid", "write_uid", "create_date", "write_date", "id"):
            continue
        belongs = field.name in ("user_id", "company_id", "visibility") or (
            field.type == "many2one" and field.comodel_name.startswith("directmail.")
        )
        if (field.required and not default(model, field.name)) or (belongs and not field.compute):
            value = maker._value(model, field, world)
            if value is not None:
                values[field.name] = value
    known = maker.values.get(name, {}) | GIVEN.get(name, {})
    return values | {key: value for key, value in known.items() if key not in guarded}


def writable(env, name):
    """Return up to three (field, value) that a client could try to write."""
    model = env[name]
    guarded = model._get_guarded_fields() if hasattr(model, "_get_guarded_fields") else ()
    usual = ("name", "note", "comment", "description", "sequence", "active")
    plain = [
        field for field in model._fields.values()
        if field.store and field.column_type and not field.compute and not field.related
        and field.name not in guarded
        and field.name not in ("create_uid", "write_uid", "create_date", "write_date", "id")
        and field.type in ("char", "text", "html", "integer", "float", "boolean", "datetime")
    ]  # fmt: skip
    plain.sort(key=lambda field: (field.name not in usual, field.readonly, field.type != "char"))
    fill = {
        "char": "Changed", "text": "Changed", "html": "<p>Changed</p>", "integer": 7, "float": 7.5,
        "boolean": False, "datetime": "2026-01-02 03:04:05",
    }  # fmt: skip
    return [(field.name, fill[field.type]) for field in plain[:3]]


def pointers(env, name):
    """Return {field: (comodel, whether it holds several)} by which a client could name others'."""
    model = env[name]
    guarded = model._get_guarded_fields() if hasattr(model, "_get_guarded_fields") else ()
    return {
        field.name: (field.comodel_name, field.type == "many2many")
        for field in model._fields.values()
        if field.type in ("many2one", "many2many") and field.store and not field.related
        and field.comodel_name.startswith("directmail.") and field.name not in guarded
    }  # fmt: skip


def make(env, path):
    """Fill the database, and write what was made to a file."""
    users, second = make_users(env)
    env.flush_all()
    worlds = [World(role, users[role].id, env.company.id) for role in GROUPS]
    worlds += [World(role, users[role].id, second.id) for role in STRANGERS]
    worlds += [
        World("private", users["colleague"].id, env.company.id),
        World("public", users["colleague"].id, env.company.id, "public"),
        World("elsewhere", users["stranger"].id, second.id, "public"),
    ]
    maker = Maker(env)
    models = {name: describe(env, name) for name in list_models(env)}
    for name, model in models.items():
        model["records"], model["create"] = {}, {}
        if model["kind"] == "abstract":
            continue
        model["write"] = writable(env, name)
        if name in SHARED:
            model["records"]["shared"] = env[name].sudo().search(SHARED[name], limit=1).id
        model["pointers"] = pointers(env, name)
        for world in worlds:
            if model["ours"]:
                model["records"][world.name] = maker.record(name, world)
                model["create"][world.name] = creation(maker, name, world)
            elif model["methods"] and world.name in GROUPS:
                model["records"][world.name] = maker.foreign(name)
    maker.connect()
    env.cr.commit()
    with open(path, "w") as file:
        json.dump(models, file, default=str, indent=1)
