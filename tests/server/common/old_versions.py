"""Gives a database what an old version of the addon left in it, as `tests/server/shapes` has it."""

import gzip
import json
from pathlib import Path

import psycopg2

import devenv.without_odoo  # noqa: F401
from devenv import database as databases
from devenv.common import ADDON, STATE
from email_marketing_dm.privacy.keys import load_master_key

SHAPES = Path(__file__).parents[1] / "shapes"
ACTION_TABLES = {
    "ir.actions.act_window": "ir_act_window",
    "ir.actions.act_window.view": "ir_act_window_view",
    "ir.actions.client": "ir_act_client",
    "ir.actions.report": "ir_act_report_xml",
    "ir.actions.server": "ir_act_server",
}


def put_back(database, name):
    """Give a database the shape, names, views and data that an old version left: see `shapes`.

    What the present version has made and the old one had not is removed.
    """
    shape = json.loads(gzip.decompress((SHAPES / f"{name}.json.gz").read_bytes()))
    with databases.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        # users have these groups, which are found by the names of then when the addon is updated
        cursor.execute(
            """UPDATE ir_model_data SET name = module || '_' || name
                WHERE module = %s AND model = 'res.groups' AND name LIKE 'group_%%'""",
            [ADDON],
        )
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
        _key_anew(cursor)
        cursor.execute(
            "UPDATE ir_module_module SET latest_version = %s WHERE name = %s",
            [shape["version"], ADDON],
        )


def _key_anew(cursor):
    """Compute the keys of addresses with this checkout's master key, as the old version would."""
    key = load_master_key(None, STATE / "data" / "directmail_master.key", create=True)
    for table in ("directmail_optout", "directmail_delivery"):
        cursor.execute(f"SELECT id, email, address_key FROM {table}")
        for number, email, old in cursor.fetchall():
            new = key.address_key(email)
            cursor.execute(f"UPDATE {table} SET address_key = %s WHERE id = %s", [new, number])
            cursor.execute(
                "UPDATE directmail_event SET address_key = %s WHERE address_key = %s", [new, old]
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
    pending = [model for model in by_model if not model.startswith("directmail.")]
    while pending:
        refused = [model for model in pending if not _delete(cursor, model, by_model[model])]
        assert len(refused) < len(pending), f"these hang on each other: {refused}"
        pending = refused
    cursor.execute(
        "DELETE FROM ir_model_data WHERE module = %s AND NOT name = ANY(%s)", [ADDON, list(old)]
    )
    cursor.execute("SET session_replication_role = replica")


def _delete(cursor, model, records):
    """Delete records; return whether nothing refers to them any more."""
    table = ACTION_TABLES.get(model, model.replace(".", "_"))
    try:
        cursor.execute(f'DELETE FROM "{table}" WHERE id = ANY(%s)', [records])
    except psycopg2.errors.ForeignKeyViolation:
        return False
    return True
