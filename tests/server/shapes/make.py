"""Writes down what an old version of the addon leaves in a database, data included.

    .devenv/bin/python -m tests.server.shapes.make COMMIT NAME

``COMMIT`` is installed into a copy of the prepared database without the addon, a few records are
made with its own code, and its tables, names and views become ``NAME.json.gz`` beside this file.
Needs the repository's whole history, which the tests that read the files do not.
"""

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from devenv import database as databases
from devenv.common import ADDON, ROOT
from devenv.run import environment

FOLDER = Path(__file__).parent
FILL = FOLDER / "fill.py"
#: xml ids, and of views what they hold
NAMES = "SELECT name, model FROM ir_model_data WHERE module = %s ORDER BY name"
VIEWS = """SELECT d.name, v.arch_db::text FROM ir_model_data d
             JOIN ir_ui_view v ON d.model = 'ir.ui.view' AND v.id = d.res_id
            WHERE d.module = %s ORDER BY 1"""
VERSION = "SELECT latest_version FROM ir_module_module WHERE name = %s"
#: columns on the tables of other apps
COLUMNS = """SELECT DISTINCT replace(f.model, '.', '_'), f.name
               FROM ir_model_fields f JOIN ir_model_data d
                 ON d.model = 'ir.model.fields' AND d.res_id = f.id
               JOIN information_schema.columns c
                 ON c.table_name = replace(f.model, '.', '_') AND c.column_name = f.name
              WHERE d.module = %s AND f.model NOT LIKE 'directmail.%%' AND f.state = 'base'
                AND f.name NOT IN ('id', 'create_uid', 'create_date', 'write_uid', 'write_date')
              ORDER BY 1, 2"""


def main(commit, name):
    """Make one file."""
    database = databases.full_name(f"shape_{name}")
    databases.copy(databases.ensure_base(), database)
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", commit, ADDON], cwd=ROOT, check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        config = Path(environment()["ODOO_RC"]).read_text()
        [paths] = [line for line in config.splitlines() if line.startswith("addons_path")]
        path = f"{paths.partition('=')[2].strip().rpartition(',')[0]},{folder}"
        common = ["-d", database, f"--addons-path={path}", "--no-http"]
        _run([*common, "-i", ADDON, "--stop-after-init", "--max-cron-threads=0"])
        _run(["shell", *common], FILL.read_text())
    _write(database, name)
    databases.drop(database)


def _run(arguments, text=None):
    subprocess.run(
        [sys.executable, "-m", "odoo", *arguments], input=text, text=True, check=True, cwd="/tmp",
        env=environment(),
    )  # fmt: skip


def _write(database, name):
    with databases.connect(database) as connection, connection.cursor() as cursor:
        # Jobs belong to another table, which is not written down.
        cursor.execute("UPDATE directmail_account SET cron_id = NULL")
        rows = {}
        for key, query in (("names", NAMES), ("views", VIEWS), ("columns", COLUMNS)):
            cursor.execute(query, [ADDON])
            rows[key] = cursor.fetchall()
        cursor.execute(VERSION, [ADDON])
        [(version,)] = cursor.fetchall()
        cursor.execute("SELECT id, model FROM ir_model")
        models = dict(cursor.fetchall())
        cursor.execute("SELECT to_regclass('directmail_data_table')")
        tables = {}
        if cursor.fetchone()[0]:
            cursor.execute("SELECT id, model_id FROM directmail_data_table")
            tables = {number: models[model] for number, model in cursor.fetchall()}
    dump = subprocess.run(
        ["pg_dump", "--no-owner", "--no-privileges", "--inserts", "-t", "directmail_*", database],
        check=True, capture_output=True, text=True, env=environment(),
    ).stdout  # fmt: skip
    lines = [line for line in dump.splitlines() if line and not line.startswith(("--", "\\"))]
    shape = {"version": version, "data_tables": tables, "sql": "\n".join(lines), **rows}
    target = FOLDER / f"{name}.json.gz"
    target.write_bytes(gzip.compress(json.dumps(shape).encode(), mtime=0))
    print(target, target.stat().st_size)


if __name__ == "__main__":
    main(*sys.argv[1:])
