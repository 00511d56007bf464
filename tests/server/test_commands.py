"""Nobody changes or shows somebody else's records by commands written to fields of their own.

Every field that holds several records gets `(1, id, …)`, `(2, id)`, … with records of other owners
and of the other company, through what a user may write. A trigger tells which rows that would have
changed; nothing is committed, see `rights_tries.forbid_changes`.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.common.odoo_server import OdooServer, RpcError
from tests.server.common.rights_tries import MARK, forbid_changes, make_world
from tests.server.common.rights_world import PASSWORD

#: Users, and whose records are somebody else's for them.
ROLES = {
    "marketer": ("private", "public", "elsewhere"),
    "administrator": ("elsewhere",),
    "marketer elsewhere": ("private", "public"),
    "administrator elsewhere": ("private",),
}
KEY = {"DIRECTMAIL_MASTER_KEY": "the master key of the commands"}
REFUSALS = (
    "AccessError", "MissingError", "AccessDenied", "UserError", "ValidationError",
    "RedirectWarning",
)  # fmt: skip
#: A field and a value to write to Odoo's own records.
FILL = {
    "mail.message": [("body", "Changed")],
    "mail.followers": [("partner_id", 3)],
    "mail.activity": [("summary", "Changed")],
    "ir.attachment": [("name", "Changed")],
}
#: Odoo's records that belong to one of ours: {model: (column of its model, further columns)}
ATTACHED = {
    "mail.message": ("model", {"body": "'{}'", "message_type": "'comment'", "subtype_id": "1"}),
    "mail.followers": ("res_model", {"partner_id": "1"}),
    "mail.activity": (
        "res_model",
        {"summary": "'{}'", "user_id": "1", "date_deadline": "now()", "activity_type_id": "1"},
    ),
    "ir.attachment": ("res_model", {"name": "'{}'", "type": "'url'", "url": "'{}'"}),
}


@pytest.fixture(scope="module")
def world(database):
    return make_world(database)


@pytest.fixture(scope="module")
def server(world, database):
    with OdooServer(database, crons=0, environment=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def tried(server, world):
    """What every role could do, as {role: Commands}."""
    fields = read_fields(server)
    attach(server, world, fields)
    roles = [Commands(server, world, fields, role) for role in ROLES]
    for role in roles:
        role.look()
    forbid_changes(server)
    tell_changes(server)
    with ThreadPoolExecutor(len(roles)) as pool:
        list(pool.map(Commands.try_all, roles))
        list(pool.map(Commands.try_own, roles))
    return {role.name: role for role in roles}


def read_fields(server):
    """Return {model: {field: (type, comodel, inverse field, relation table, its columns)}}."""
    found = {}
    for model, name, *about in server.query(
        """SELECT model, name, ttype, relation, relation_field, relation_table, column1, column2
             FROM ir_model_fields
            WHERE relation IS NOT NULL
              AND (model LIKE 'directmail.%%' OR relation LIKE 'directmail.%%')"""
    ):
        found.setdefault(model, {})[name] = about
    return found


def attach(server, world, fields):
    """Give messages, followers, activities and attachments to other people's records."""
    for name, (column, more) in ATTACHED.items():
        records = world.setdefault(name, {"records": {}, "attached": {}})
        records.setdefault("attached", {})
        for model, about in fields.items():
            if not model.startswith("directmail.") or "message_ids" not in about:
                continue
            for whose, number in world[model]["records"].items():
                values = {key: text.format(f"of-{whose} {name}") for key, text in more.items()}
                values |= {column: f"'{model}'", "res_id": str(number)}
                if name == "mail.activity":
                    values["res_model_id"] = f"(SELECT id FROM ir_model WHERE model = '{model}')"
                made = server.query(
                    f"INSERT INTO {name.replace('.', '_')} ({', '.join(values)})"
                    f" VALUES ({', '.join(values.values())})"
                    " ON CONFLICT DO NOTHING RETURNING id"
                )
                if made:
                    records["attached"][model, whose] = made[0][0]


def tell_changes(server):
    """Let the refusal of a transaction name the rows that it changed, and what in them."""
    server.query(
        """CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
           DECLARE before jsonb := CASE WHEN TG_OP != 'INSERT' THEN to_jsonb(OLD) ELSE '{}' END;
                   after jsonb := CASE WHEN TG_OP != 'DELETE' THEN to_jsonb(NEW) ELSE '{}' END;
                   changed jsonb;
           BEGIN
             SELECT jsonb_object_agg(key, left(value::text, 50)::jsonb) INTO changed
               FROM jsonb_each(before || after)
              WHERE key = 'id'
                 OR (before->key IS DISTINCT FROM after->key AND length(value::text) <= 50);
             PERFORM set_config('rights.changed', concat_ws(',',
               NULLIF(current_setting('rights.changed', true), ''),
               jsonb_build_array(TG_TABLE_NAME, TG_OP, changed)), true);
             RETURN NULL;
           END $$"""
    )
    server.query(
        f"""CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION '{MARK}: [%]', current_setting('rights.changed', true);
            END $$"""
    )
    server.query(
        """DO $$ DECLARE tab text; BEGIN
             FOR tab IN SELECT tgrelid::regclass::text FROM pg_trigger
                         WHERE tgname = 'refuse_change'
             LOOP EXECUTE format('CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE
                                  ON %s FOR EACH ROW EXECUTE FUNCTION note_change()', tab);
             END LOOP; END $$"""
    )


class Commands:
    """A user who writes commands about other people's records.

    :ivar list changed: (field, command, whose record, what changed) that went through
    :ivar list shown: (field, command, whose record) where an answer told the text of a record that
        the user may not read
    :ivar list faults: (field, command, error) that ended in a traceback
    :ivar set own: fields by which the user changed records of their own
    """

    def __init__(self, server, world, fields, name):
        self.name, self.world, self.fields = name, world, fields
        self.session = server.login(name, PASSWORD)
        self.session.timeout = 300
        assert self.session.call("res.users", "context_get")["uid"]
        self.readable, self.writable = {}, {}
        self.changed, self.shown, self.faults, self.own = [], [], [], set()
        self.columns = {
            column: comodel
            for model, about in fields.items()
            for column, comodel in list_columns(model, about)
        }

    def records(self, model):
        """Return {id: whose} of somebody else's records."""
        about = self.world.get(model, {})
        found = {
            number: whose
            for whose, number in about.get("records", {}).items()
            if whose in ROLES[self.name]
        }
        return found | {
            number: f"{whose} {parent}"
            for (parent, whose), number in about.get("attached", {}).items()
            if whose in ROLES[self.name]
        }

    def look(self):
        """Find out what plain reading and writing may do with these records."""
        for model, about in self.world.items():
            if about.get("kind") != "abstract":
                for number in self.records(model):
                    for operation, found in (("read", self.readable), ("write", self.writable)):
                        found[model, number] = self.session.call(
                            model, "has_access", [[number], operation]
                        )

    def try_all(self):
        for model, fields in self.fields.items():
            for name, (kind, comodel, *_rest) in fields.items():
                if kind in ("one2many", "many2many"):
                    self.try_field(model, name, comodel)

    def try_field(self, model, name, comodel):
        own = self.world.get(model, {}).get("records", {}).get(self.name)
        create = self.world.get(model, {}).get("create", {}).get(self.name)
        fill = (self.world[comodel].get("write") or FILL.get(comodel) or [()])[0]
        for number, whose in self.records(comodel).items():
            if self.writable[comodel, number] or (
                comodel in ATTACHED and not whose.endswith(f" {model}")
            ):
                continue
            target = model, name, comodel, number, whose
            # Fields that only the product writes are tried by `test_rights`.
            change = [1, number, dict([fill] if fill else [])]
            if own:
                for command in (change, [2, number], [3, number], [4, number], [6, 0, [number]]):
                    self.attempt(target, model, "write", [own], {name: [command]})
                spec = {name: {"fields": {"display_name": {}}}, "display_name": {}}
                self.attempt(target, model, "onchange", [own], {name: [[4, number]]}, [name], spec)
            if create is not None:
                self.attempt(target, model, "create", {**create, name: [change]})
                self.attempt(target, model, "create", {**create, name: [[4, number]]})

    def try_own(self):
        """Change records of one's own, which shows that changes would be found."""
        for model, fields in self.fields.items():
            own = self.world.get(model, {}).get("records", {}).get(self.name)
            for name, (kind, comodel, *_rest) in fields.items():
                about = self.world.get(comodel, {})
                child = about.get("records", {}).get(self.name)
                if kind != "one2many" or not own or not child or not about.get("write"):
                    continue
                change = [1, child, dict([about["write"][0]])]
                try:
                    self.session.call(model, "write", [[own], {name: [change]}])
                except RpcError as error:
                    for table, _operation, row in read_changes(error):
                        if table == comodel.replace(".", "_") and row.get("id") == child:
                            self.own.add((model, name))

    def attempt(self, target, model, method, *args):
        """Call a method, and judge what it changed or told."""
        _model, _name, comodel, number, whose = target
        try:
            answer = self.session.call(model, method, args)
        except RpcError as error:
            answer = str(error)
            if MARK in answer:
                self.judge(target, args, read_changes(error))
                return
            if error.kind not in REFUSALS:
                self.faults.append((target, args, f"{error.kind}: {error}"))
        mark = f"of-{whose.removesuffix(f' {model}')} "
        if mark in str(answer) and not self.readable[comodel, number]:
            self.shown.append((target, args, str(answer)[:300]))

    def judge(self, target, args, changes):
        for table, operation, row in changes:
            model = table.replace("_", ".")
            number = row.pop("id", None)
            own_change = operation == "INSERT" or not row
            if (
                not own_change
                and number in self.records(model)
                and not self.writable[model, number]
            ):
                self.changed.append((target, args, table, operation, row))
            for column, value in row.items():
                comodel = self.columns.get((table, column))
                if (
                    comodel
                    and operation != "DELETE"
                    and not self.readable.get((comodel, value), True)
                ):
                    self.changed.append((target, args, table, operation, row, "refers to", comodel))


def list_columns(model, fields):
    """Give ((table, column), model that it refers to) of a model's fields."""
    for name, (kind, comodel, _inverse, relation, here, there) in fields.items():
        if kind == "many2one":
            yield (model.replace(".", "_"), name), comodel
        elif kind == "many2many" and relation:
            yield (relation, here), model
            yield (relation, there), comodel


def read_changes(error):
    """Return [table, operation, what changed] of each row that a refused call changed."""
    text = str(error)
    if MARK not in text:
        return []
    changes, _end = json.JSONDecoder().raw_decode(text[text.index(MARK) + len(MARK) + 2 :])
    return [(table, operation, row or {}) for table, operation, row in changes]


def test_the_changes_of_own_records_are_found(tried):
    """Positive control: changes of own records are found."""
    for name, role in tried.items():
        assert ("directmail.audience", "line_ids") in role.own, (name, role.own)


def test_nobody_changes_or_names_other_peoples_records(tried):
    assert {name: role.changed for name, role in tried.items() if role.changed} == {}


def test_no_answer_tells_of_hidden_records(tried):
    assert {name: role.shown for name, role in tried.items() if role.shown} == {}


def test_nothing_ends_in_a_traceback(tried):
    assert {name: role.faults for name, role in tried.items() if role.faults} == {}
