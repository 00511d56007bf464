"""Tries what every role may do, below the user interface.

Every user sends every operation and every public method to a record of every model in every
situation, by the web client's own RPC. Nothing is changed by it: the database refuses each change
when it is committed, and that refusal is how a try that was allowed is recognised.
"""

import itertools
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from devenv.common import ROOT
from devenv.run import environment
from tests.server.common.odoo_server import RpcError
from tests.server.common.rights_world import GROUPS, PASSWORD, STRANGERS

#: Whose records, in the order of the table. A role's own records carry the role's name.
WHOSE = ("own", "private", "public", "elsewhere", "shared")
#: What the database says instead of committing a change, see `forbid_changes`.
MARK = "a change reached the commit"
#: So many roles try at the same time.
AT_ONCE = 3
#: Written with every request or login, and about nobody's data.
ALWAYS_WRITTEN = [
    "res_device_log", "res_users_log", "ir_logging", "bus_bus", "mail_presence", "ir_profile",
]  # fmt: skip
#: Those who have a group of this addon.
INSIDERS = ("marketer", "downloader", "administrator")
#: Of the other company, see `rights_world.STRANGERS`.
OUTSIDERS = tuple(STRANGERS)
REFUSED, DECLINED, FAULT, CHANGED, NOTHING, ANSWERED = (
    "refused", "declined", "fault", "changed", "nothing", "answered",
)  # fmt: skip


def make_world(database):
    """Fill a fresh database; return {model: what `rights_world.describe` says of it}."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        text = (
            f"from tests.server.common import rights_world\nrights_world.make(env, {file.name!r})\n"
        )
        subprocess.run(
            [sys.executable, "-m", "odoo", "shell", "-d", database, "--no-http",
             "--log-level=critical"],
            input=text, text=True, check=True, env=environment(), cwd=ROOT,
        )  # fmt: skip
        return json.load(file)


def forbid_changes(server):
    """Let every change of stored data fail when it is committed.

    So every operation is carried out to its last statement, and nobody's try disturbs another's.
    """
    server.query(f"""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{MARK}: % %', TG_OP, TG_TABLE_NAME; END $$""")
    server.query(
        """DO $$ DECLARE tab text; BEGIN
             FOR tab IN SELECT relname FROM pg_class
                         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                           AND relname != ALL(%s) AND relname NOT LIKE 'orm_signaling%%'
             LOOP EXECUTE format(
               'CREATE CONSTRAINT TRIGGER refuse_change AFTER INSERT OR UPDATE OR DELETE ON %%I
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_change()', tab);
             END LOOP; END $$""",
        ALWAYS_WRITTEN,
    )


class Role:
    """A user who tries everything, and notes down what came of it.

    :ivar list faults: what ended in a traceback
    :ivar list leaks: answers with somebody else's texts, to a user who may not read the record
    :ivar list halves: what is refused of a record that the user may read
    """

    def __init__(self, server, name, world):
        self.name, self.world = name, world
        self.whose = (
            WHOSE if name in INSIDERS
            else ("own", "private", "public") if name in OUTSIDERS
            else ("own", "public")
        )  # fmt: skip
        #: whose records are out of reach, apart from what is nobody's
        self.others = ("private", "public") if name in OUTSIDERS else ("private", "elsewhere")
        self.session = server.login(name, PASSWORD)
        self.session.timeout = 300
        assert self.session.call("res.users", "context_get")["uid"]
        self.faults, self.leaks, self.halves = [], [], []
        self.hidden, self.shown = [], {}

    def try_all(self):
        """Return {model: {"rights": {whose: letters}, "methods": {method: {whose: outcome}}}}."""
        found = {
            name: {"rights": self.try_operations(name) if model["ours"] else {}}
            for name, model in self.world.items()
        }
        for name, model in self.world.items():
            # A page without records of its own (Home) shows email tasks.
            source = "directmail.task" if model["kind"] == "abstract" else name
            self.hidden = [
                f"of-{whose}" for whose in self.others
                if "r" not in found[source]["rights"].get(whose, "")
            ]  # fmt: skip
            found[name]["methods"] = self.try_methods(name)
            # Downloading adds one method and no records.
            if model["ours"] and self.name in ("marketer", "administrator", *OUTSIDERS):
                found[name]["siblings"] = self.try_siblings(name, found[name]["rights"])
                found[name]["pointers"] = self.try_pointers(name, found)
        return found

    def records(self, name):
        """Return {whose: id} of the model's records, seen from this role."""
        found = self.world[name]["records"]
        records = {whose: found.get(self.name if whose == "own" else whose) for whose in self.whose}
        return {whose: number for whose, number in records.items() if number}

    def attempt(self, model, method, *args, **kwargs):
        """Return (outcome, what was answered or said)."""
        tried = f"{model}.{method}{args}"
        try:
            answer = self.session.call(model, method, args, kwargs)
        except RpcError as error:
            if MARK in f"{error}{error.debug}":
                return CHANGED, ""
            outcome, answer = self._judge(error, tried), str(error)
        else:
            outcome = ANSWERED if answer not in (None, False, True, [], {}) else NOTHING
        if shown := [mark for mark in self.hidden if mark in str(answer)]:
            self.leaks.append((self.name, tried, shown))
        return outcome, answer

    def _judge(self, error, tried):
        if error.kind in ("AccessError", "MissingError", "AccessDenied", "Forbidden"):
            return REFUSED
        if error.kind in ("UserError", "ValidationError", "RedirectWarning", "MasterKeyProblem"):
            return DECLINED
        self.faults.append((self.name, tried, f"{error.kind}: {error}", error.debug))
        return FAULT

    def try_operations(self, name):
        """Return {whose: letters} of what may be done with the model's records.

        A letter in brackets: tried with enough rights, and declined for another reason.
        """
        if self.world[name]["kind"] == "abstract":
            return {"own": self._letter("r", [self.attempt(name, "read", [1], ["id"])[0]])}
        writes = self.world[name]["write"]
        return {
            whose: self._letter("c", [self._create(name, whose)])
            + self._letter("r", [self._read(name, number)])
            + self._letter(
                "w", [self.attempt(name, "write", [number], {key: val})[0] for key, val in writes]
            )
            + self._letter("d", [self.attempt(name, "unlink", [number])[0]])
            for whose, number in self.records(name).items()
        }

    @staticmethod
    def _letter(letter, outcomes):
        if {CHANGED, ANSWERED, NOTHING}.intersection(outcomes):
            return letter
        return f"({letter})" if DECLINED in outcomes else ""

    def _read(self, name, number):
        """Read everything, too: no field may end in a traceback or tell more than the record.

        All fields, without naming them, and what the pages show.
        """
        outcome, _answer = self.attempt(name, "read", [number], ["display_name"])
        if outcome == REFUSED and self.name != "administrator":
            return outcome
        ways = {
            "read": self.attempt(name, "read", [number]),
            "web_read": self.attempt(name, "web_read", [number], self._list_shown(name)),
        }
        if outcome != REFUSED:
            self.halves += [
                (self.name, name, way, answer)
                for way, (found, answer) in ways.items() if found == REFUSED
            ]  # fmt: skip
        return outcome

    def _list_shown(self, name):
        """Return what form and list ask for, as a specification for `web_read`."""
        if name not in self.shown:
            views = [[False, "form"], [False, "list"]]
            outcome, found = self.attempt(name, "get_views", views)
            models = found["models"] if outcome == ANSWERED else {}
            fields = models.get(name, {}).get("fields", {})
            self.shown[name] = {key: self._specify(field, models) for key, field in fields.items()}
        return self.shown[name]

    @staticmethod
    def _specify(field, models):
        if field["type"] not in ("many2one", "one2many", "many2many"):
            return {}
        inner = models.get(field["relation"], {}).get("fields", {})
        if field["type"] == "many2one":
            inner = {}
        return {"fields": {"display_name": {}, **{key: {} for key in inner}}}

    def _create(self, name, whose):
        values = self.world[name]["create"].get(self.name if whose == "own" else whose)
        return REFUSED if values is None else self.attempt(name, "create", values)[0]

    def try_siblings(self, name, rights):
        """Return what tells of other records than `read` does: counts, groups, names, exports."""
        if self.world[name]["kind"] == "abstract":
            return []
        records = self.records(name)
        readable = {records[whose] for whose, letters in rights.items() if "r" in letters}
        domain = [("id", "in", sorted(set(records.values())))]
        every = {"context": {"active_test": False}}
        found = {
            "search": self.attempt(name, "search", domain, **every),
            "search_count": self.attempt(name, "search_count", domain, **every),
            "group": self.attempt(name, "formatted_read_group", domain, [], ["__count"], **every),
            "name_search": self.attempt(name, "name_search", "", domain, **every),
            "web_search_read": self.attempt(name, "web_search_read", domain, {}, **every),
        }
        answers = {
            "search": lambda answer: set(answer) <= readable,
            "search_count": lambda answer: answer <= len(readable),
            "group": lambda answer: answer[0]["__count"] <= len(readable),
            "name_search": lambda answer: {number for number, _name in answer} <= readable,
            "web_search_read": lambda answer: {row["id"] for row in answer["records"]} <= readable,
        }
        more = [
            way for way, (outcome, answer) in found.items()
            if outcome == ANSWERED and not answers[way](answer)
        ]  # fmt: skip
        for number in set(records.values()) - readable:
            tries = {
                "web_read": self.attempt(name, "web_read", [number], {"display_name": {}}),
                "export_data": self.attempt(name, "export_data", [number], ["id", "display_name"]),
                "copy": self.attempt(name, "copy", [number]),
            }
            more += [way for way, (out, _answer) in tries.items() if out in (CHANGED, ANSWERED)]
        return sorted(set(more))

    def try_pointers(self, name, found):
        """Return the fields by which own records may name records that one may not read."""
        own, pointed = self.records(name).get("own"), set()
        if not own or not found[name]["rights"].get("own"):
            return []
        for field, (comodel, several) in self.world[name]["pointers"].items():
            rights, records = found[comodel]["rights"], self.records(comodel)
            for whose in self.others:
                if "r" in rights.get(whose, "r") or whose not in records:
                    continue
                number = records[whose]
                value = [[4, number]] if several else number
                create = self.world[name]["create"].get(self.name) or {}
                spec = {field: {"fields": {"display_name": {}}}, "display_name": {}}
                self.hidden = [f"of-{whose}"]
                tries = [
                    self.attempt(name, "write", [own], {field: value})[0],
                    self.attempt(name, "create", {**create, field: value})[0],
                ]
                self.attempt(name, "onchange", [], {field: value}, [field], spec)
                if CHANGED in tries:
                    pointed.add(field)
        return sorted(pointed)

    def try_methods(self, name):
        """Return {method: {whose: outcome}} of the model's public methods."""
        records = self.records(name) or {"own": 1}
        if self.name in OUTSIDERS:
            # With their own, it would be what their likes in the first company do.
            records.pop("own", None)
        return {
            method: {
                whose: self.attempt(
                    name, method, *([] if about["model"] else [[number]]), *about["arguments"]
                )[0]
                for whose, number in records.items()
                if whose == "own" or not about["model"]
            }
            for method, about in self.world[name]["methods"].items()
        }


def try_roles(server, world):
    """Return {role: `Role.try_all`}, and the faults, leaks and halves of all roles."""
    names = (*GROUPS, *OUTSIDERS)
    roles = [Role(server, name, world) for name in names]
    forbid_changes(server)
    # More at once would only wait for each other in the server's one process.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = dict(zip(names, pool.map(Role.try_all, roles), strict=True))
    chain = itertools.chain.from_iterable
    return (
        results,
        list(chain(role.faults for role in roles)),
        list(chain(role.leaks for role in roles)),
        list(chain(role.halves for role in roles)),
    )
