"""A database of 19.0.1.4.0 keeps its data, ids and rights under the names of 19.0.1.5.0."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from devenv import database as databases
from devenv.common import ADDON
from devenv.run import environment
from tests.server.common.logs import complaints
from tests.server.common.odoo_server import OdooServer

SHAPES = Path(__file__).parent / "shapes"
#: names that no record of the database may bear any more
OLD_NAMES = (
    "directmail.audience.rule",
    "directmail.rfm.grade",
    "directmail.rfm.figure",
    "directmail.aipl.stage",
    "directmail.aipl.figure",
    "directmail.people.figure",
    "directmail.event.open",
)


@pytest.fixture
def old_database(tmp_path):
    """Return a database with the addon of 19.0.1.4.0, installed and filled by its own code."""
    name = databases.full_name("names")
    databases.copy(databases.ensure_base(), name)
    with tarfile.open(SHAPES / "1_4_0.tar.xz") as archive:
        # Python 3.11.4 and 3.10.12 brought the filter, Python 3.14 needs none.
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path, **safely)
    config = Path(environment()["ODOO_RC"]).read_text()
    [paths] = [line for line in config.splitlines() if line.startswith("addons_path")]
    path = f"{paths.partition('=')[2].strip().rpartition(',')[0]},{tmp_path}"
    common = ["-d", name, f"--addons-path={path}", "--no-http", "--max-cron-threads=0"]
    _run([*common, "-i", ADDON, "--stop-after-init"], tmp_path)
    _run(["shell", *common[:-1]], tmp_path, (SHAPES / "fill_1_4_0.py").read_text())
    yield name
    databases.drop(name)


def _run(arguments, folder, text=None):
    done = subprocess.run(
        [sys.executable, "-m", "odoo", *arguments], input=text, text=True, cwd=folder,
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout[-3000:]


def _query(name, query):
    with databases.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def test_a_database_with_the_old_names(old_database):
    ids = """SELECT res_id FROM ir_model_data WHERE module = 'email_marketing_dm' AND name IN
             ('{}') ORDER BY 1"""
    before = {
        new: _query(old_database, ids.format(old))
        for old, new in (
            ("email_marketing_dm_group_user", "group_user"),
            ("model_directmail_audience_rule", "model_directmail_audience_line"),
            ("directmail_rfm_score_action", "directmail_rfm_customer_action"),
            ("directmail_rfm_grade_r3", "directmail_rfm_score_r3"),
            ("field_directmail_audience__rule_ids", "field_directmail_audience__line_ids"),
            ("directmail_audience_rule_user_read", "directmail_audience_rule_user_read"),
            ("directmail_audience_rule_rule_admin", "directmail_audience_line_rule_admin"),
        )
    }
    people = """SELECT a.name, p.name FROM directmail_audience_member m
                  JOIN directmail_audience a ON a.id = m.audience_id
                  JOIN res_partner p ON p.id = m.partner_id ORDER BY 1, 2"""
    members = _query(old_database, people)
    assert members == [
        ("Old group", "cid"),
        ("Old picks", "bob"),
        ("Old score", "ann"),
        ("Old stage", "ann"),
        ("Old stage", "bob"),
        ("Old type", "ann"),
    ]
    databases.install(old_database, "-u", [ADDON], "names-update")
    for new, found in before.items():
        assert len(found) == 1
        assert _query(old_database, ids.format(new)) == found, new
    left = _names_left(old_database)
    assert not left, left
    pending = """SELECT e.fingerprint FROM directmail_event_pending p
                   JOIN directmail_event e ON e.id = p.id"""
    assert _query(old_database, pending) == [("old fact",)]
    with OdooServer(old_database, crons=0) as server:
        begin = len(server.log.read_text())
        admin = server.login("admin", "admin")
        _refresh_and_look(admin)
        assert _query(old_database, people) == members
        _use_what_was_saved(admin)
        assert complaints(server.log.read_text()[begin:]) == []


def _names_left(name):
    """Return the old names that the database still holds, as tables, columns, ids or values."""
    olds = [old.replace(".", "_") for old in OLD_NAMES]
    pattern = "|".join(f"{old}(_|s?$)" for old in olds)
    return _query(
        name,
        f"""SELECT 'table', relname FROM pg_class
             WHERE relname ~ '^({pattern})' AND relkind IN ('r', 'S')
            UNION ALL
            SELECT 'constraint', conname FROM pg_constraint
             WHERE conname ~ '^({pattern})' AND conname !~ 'fkey$'
            UNION ALL
            SELECT 'column', table_name || '.' || column_name FROM information_schema.columns
             WHERE table_name ~ '^directmail_'
               AND column_name IN ('rule_ids', 'directmail_audience_rule_id',
                                   'directmail_rfm_figure_id', 'directmail_rfm_grade_id',
                                   'directmail_aipl_figure_id')
            UNION ALL
            SELECT 'xml id', name FROM ir_model_data
             WHERE module = 'email_marketing_dm' AND name ~ '(^|_)({pattern})'
               AND NOT (name ~ '^directmail_audience_rule_' AND model = 'ir.rule')
               AND name !~ '__directmail_aipl_stage'
            UNION ALL
            SELECT 'model', model FROM ir_model WHERE model IN {OLD_NAMES}
            UNION ALL
            SELECT 'field', model || '.' || name FROM ir_model_fields
             WHERE relation IN {OLD_NAMES} OR model IN {OLD_NAMES} OR model ~ '^directmail'
               AND name IN ('figure_ids', 'rfm_grade_ids')""",
    )


def _refresh_and_look(admin):
    audiences = admin.call(
        "directmail.audience", "search_read", [[], ["name", "line_ids"]], {"order": "name"}
    )
    assert [audience["name"] for audience in audiences] == [
        "Old group", "Old picks", "Old score", "Old stage", "Old type",
    ]  # fmt: skip
    admin.call("directmail.audience", "action_refresh", [[a["id"] for a in audiences]])
    for kind in ("rfm", "aipl"):
        models = admin.call(f"directmail.{kind}.model", "search", [[]])
        admin.call(f"directmail.{kind}.model", "action_compute", [models])


def _use_what_was_saved(admin):
    """Filters and templates of exports that users had saved find what they found before."""
    saved = admin.call("ir.filters", "search_read", [[], ["name", "model_id", "domain"]])
    found = {row["name"]: (row["model_id"], row["domain"]) for row in saved}
    assert found["Old types"][0] == "directmail.rfm.customer"
    model, domain = found["Old filter"]
    assert (model, domain) == ("directmail.audience", "[('line_ids.kind', '=', 'rfm')]")
    kinds = [[["line_ids.kind", "=", "rfm"]]]
    assert admin.call("directmail.audience", "search_count", kinds) == 2
    [line] = admin.call("ir.exports.line", "search_read", [[], ["name"]])
    assert line["name"] == "line_ids/kind"
    audiences = admin.call("directmail.audience", "search", kinds)
    rows = admin.call("directmail.audience", "export_data", [audiences, [line["name"]]])
    assert [row[0] for row in rows["datas"]] == ["RFM customer type"] * 2
