"""The addon beside other apps, on old databases, and when apps come and go.

Shared by `test_platform.py` and ``make torture ONLY=platform``.
"""

import gzip
import json
from pathlib import Path

from devenv import database as databases
from devenv.common import ADDON

SHAPES = Path(__file__).parent / "shapes"
#: how a record of a kind is taken out of the database, what hangs on it first
DELETED_LAST = ("ir.model.fields", "ir.model")


def put_back(database, name):
    """Give a database the shape, names, views and data that an old version left: see `shapes`.

    What the present version has made and the old one had not is removed.
    """
    shape = json.loads(gzip.decompress((SHAPES / f"{name}.json.gz").read_bytes()))
    with databases.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        _drop_new_tables(cursor)
        _drop_new_columns(cursor, {tuple(row) for row in shape["columns"]})
        _drop_new_names(cursor, {row[0] for row in shape["names"]})
        cursor.execute(shape["sql"])
        cursor.execute("SET search_path = public")
        for number, model in shape["data_tables"].items():
            cursor.execute(
                """UPDATE directmail_data_table
                      SET model_id = (SELECT id FROM ir_model WHERE model = %s) WHERE id = %s""",
                [model, number],
            )
        for xml_id, arch in shape["views"]:
            cursor.execute(
                """UPDATE ir_ui_view SET arch_db = %s::jsonb, active = TRUE WHERE id = (
                    SELECT res_id FROM ir_model_data WHERE module = %s AND name = %s
                       AND model = 'ir.ui.view')""",
                [arch, ADDON, xml_id],
            )
        cursor.execute("UPDATE directmail_account SET cron_id = NULL")
        cursor.execute(
            "UPDATE ir_module_module SET latest_version = %s WHERE name = %s",
            [shape["version"], ADDON],
        )


def _drop_new_tables(cursor):
    cursor.execute(
        r"SELECT c.relname, c.relkind FROM pg_class c"
        r" WHERE c.relname LIKE 'directmail\_%' AND c.relkind IN ('r', 'v')"
        r" AND c.relnamespace = 'public'::regnamespace"
    )
    for table, kind in cursor.fetchall():
        what = "VIEW" if kind == "v" else "TABLE"
        cursor.execute(f'DROP {what} IF EXISTS "{table}" CASCADE')


def _drop_new_columns(cursor, old):
    cursor.execute(
        """SELECT DISTINCT replace(f.model, '.', '_'), f.name
             FROM ir_model_fields f JOIN ir_model_data d
               ON d.model = 'ir.model.fields' AND d.res_id = f.id AND d.module = %s
             JOIN information_schema.columns c
               ON c.table_name = replace(f.model, '.', '_') AND c.column_name = f.name
            WHERE f.model NOT LIKE 'directmail.%%' AND NOT EXISTS (
                  SELECT FROM ir_model_data o WHERE o.model = d.model AND o.res_id = d.res_id
                     AND o.module != d.module)""",
        [ADDON],
    )
    for table, column in set(cursor.fetchall()) - old:
        cursor.execute(f'ALTER TABLE "{table}" DROP COLUMN "{column}" CASCADE')


def _drop_new_names(cursor, old):
    """Delete the records that only the present version has, with what refers to them."""
    cursor.execute(
        """SELECT d.name, d.model, d.res_id FROM ir_model_data d
            WHERE d.module = %s AND NOT EXISTS (
                  SELECT FROM ir_model_data o WHERE o.model = d.model AND o.res_id = d.res_id
                     AND (o.module != d.module OR o.name = ANY(%s)))""",
        [ADDON, list(old)],
    )
    by_model = {}
    for name, model, record in cursor.fetchall():
        if name not in old:
            by_model.setdefault(model, []).append(record)
    # with its foreign keys, whose cascades take what hangs on a record
    cursor.execute("SET session_replication_role = origin")
    last = [model for model in DELETED_LAST if model in by_model]
    for model in [*(set(by_model) - set(last)), *last]:
        table = {"ir.actions.act_window": "ir_act_window", "ir.actions.server": "ir_act_server",
                 "ir.actions.client": "ir_act_client"}.get(model, model.replace(".", "_"))  # fmt: skip
        if model.startswith("directmail."):
            continue
        if model == "ir.cron":
            cursor.execute("DELETE FROM ir_cron WHERE id = ANY(%s)", [by_model[model]])
        else:
            cursor.execute(f'DELETE FROM "{table}" WHERE id = ANY(%s)', [by_model[model]])
    cursor.execute(
        "DELETE FROM ir_model_data WHERE module = %s AND NOT name = ANY(%s)", [ADDON, list(old)]
    )
    cursor.execute("SET session_replication_role = replica")


def complaints(log, allowed=()):
    """Return the lines of a log that are warnings or worse, but for those with an allowed text."""
    return [
        line
        for line in log.splitlines()
        if databases.is_complaint(line) and not any(text in line for text in allowed)
    ]
