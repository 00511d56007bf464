"""Models, fields and ids get the names that version 19.0.1.5.0 gives them; no row is touched."""

from odoo.tools import SQL
from odoo.tools.sql import column_exists, rename_column, table_exists

ADDON = "email_marketing_dm"
#: (old, new) names of models; the order matters, because one new name was another model's old one
MODELS = (
    ("directmail.audience.rule", "directmail.audience.line"),
    ("directmail.rfm.score", "directmail.rfm.customer"),
    ("directmail.rfm.grade", "directmail.rfm.score"),
    ("directmail.rfm.figure", "directmail.rfm.segment"),
    ("directmail.aipl.stage", "directmail.aipl.contact"),
    ("directmail.aipl.figure", "directmail.aipl.segment"),
    ("directmail.people.figure", "directmail.people.segment"),
    ("directmail.event.open", "directmail.event.pending"),
)
#: (new name of the model, old name of the field, new name)
FIELDS = (
    ("directmail.audience", "rule_ids", "line_ids"),
    ("directmail.audience.line", "rfm_figure_ids", "rfm_segment_ids"),
    ("directmail.audience.line", "rfm_grade_ids", "rfm_score_ids"),
    ("directmail.audience.line", "aipl_figure_ids", "aipl_segment_ids"),
    ("directmail.audience.pick", "rule_id", "line_id"),
    ("directmail.upload", "rule_ids", "audience_line_ids"),
    ("directmail.rfm.model", "score_ids", "customer_ids"),
    ("directmail.rfm.model", "figure_ids", "segment_ids"),
    ("directmail.aipl.model", "figure_ids", "segment_ids"),
)
#: (old, new) tables of many2many fields, and the old and new names of their two columns
RELATIONS = (
    (
        ("directmail_audience_rule_rfm_figure", "directmail_audience_line_rfm_segment"),
        ("directmail_audience_rule_id", "directmail_audience_line_id"),
        ("directmail_rfm_figure_id", "directmail_rfm_segment_id"),
    ),
    (
        ("directmail_audience_rule_rfm_grade", "directmail_audience_line_rfm_score"),
        ("directmail_audience_rule_id", "directmail_audience_line_id"),
        ("directmail_rfm_grade_id", "directmail_rfm_score_id"),
    ),
    (
        ("directmail_audience_rule_aipl_figure", "directmail_audience_line_aipl_segment"),
        ("directmail_audience_rule_id", "directmail_audience_line_id"),
        ("directmail_aipl_figure_id", "directmail_aipl_segment_id"),
    ),
)
#: (table, column) of Odoo that hold names of models
MODEL_NAMES = (
    ("ir_model", "model"),
    ("ir_model_data", "model"),
    ("ir_model_fields", "model"),
    ("ir_model_fields", "relation"),
    ("ir_ui_view", "model"),
    ("ir_act_window", "res_model"),
    ("ir_act_server", "model_name"),
    ("ir_filters", "model_id"),
    ("ir_exports", "resource"),
    ("ir_attachment", "res_model"),
    ("mail_activity", "res_model"),
    ("mail_message", "model"),
    ("mail_followers", "res_model"),
)
#: what Odoo puts before the name of a table in the ids that it makes
KINDS = "model_inherit__|model_|field_|access_|selection__|constraint_"
#: xml ids of groups, which repeated the name of the addon
GROUPS = ("user", "admin", "download")


def migrate(cr, version):
    """Rename. May be run again, and where an older version never had a model or a field."""
    for (old, new), *columns in RELATIONS:
        _rename_table(cr, old, new)
        for before, after in columns:
            if column_exists(cr, new, before):
                rename_column(cr, new, before, after)
        cr.execute("UPDATE ir_model_relation SET name = %s WHERE name = %s", [new, old])
        cr.execute(
            "UPDATE ir_model_fields SET relation_table = %s WHERE relation_table = %s", [new, old]
        )
    # Otherwise a second run would make customers of the scores.
    if table_exists(cr, "directmail_rfm_grade") or not table_exists(cr, "directmail_rfm_customer"):
        for old, new in MODELS:
            _rename_model(cr, old, new)
    for model, old, new in FIELDS:
        _rename_field(cr, model, old, new)
    for name in GROUPS:
        cr.execute(
            "UPDATE ir_model_data SET name = %s WHERE module = %s AND name = %s",
            [f"group_{name}", ADDON, f"{ADDON}_group_{name}"],
        )
    # Views are checked with those that extend them, before these are updated too.
    cr.execute(
        """UPDATE ir_ui_view SET arch_db = replace(arch_db::text, %(old)s, %(new)s)::jsonb
            WHERE strpos(arch_db::text, %(old)s) > 0""",
        {"old": f"{ADDON}.{ADDON}_group_", "new": f"{ADDON}.group_"},
    )
    # These rules are not updated with the addon, because administrators may change them.
    cr.execute(
        r"""UPDATE ir_rule
                SET domain_force = regexp_replace(domain_force, '\mrule_id\.', 'line_id.')
             WHERE model_id IN (SELECT id FROM ir_model WHERE model = 'directmail.audience.pick')"""
    )


def _rename_model(cr, old, new):
    old_table, new_table = old.replace(".", "_"), new.replace(".", "_")
    _rename_table(cr, old_table, new_table)
    for table, column in MODEL_NAMES:
        if column_exists(cr, table, column):
            cr.execute(
                SQL(
                    "UPDATE %s SET %s = %s WHERE %s = %s",
                    SQL.identifier(table),
                    SQL.identifier(column),
                    new,
                    SQL.identifier(column),
                    old,
                )
            )
    # Record rules of audiences are called directmail_audience_rule_<group>, and stay.
    cr.execute(
        """UPDATE ir_model_data
              SET name = regexp_replace(name, %(pattern)s, %(by)s)
            WHERE module = %(addon)s AND name ~ %(pattern)s
              AND NOT (name ~ '^directmail_audience_rule_' AND model = 'ir.rule'
                       AND name !~ '^directmail_audience_rule_rule_')""",
        {
            "addon": ADDON,
            "pattern": rf"^({KINDS})?{old_table}(_|$)",
            "by": rf"\1{new_table}\2",
        },
    )
    cr.execute(
        """UPDATE ir_model_data SET name = regexp_replace(name, %s, %s)
            WHERE module = %s AND name ~ %s""",
        [
            f"__{old_table}$",
            f"__{new_table}",
            ADDON,
            f"^model_inherit__.*__{old_table}$",
        ],
    )
    cr.execute(
        "UPDATE ir_model_constraint SET name = %s || substr(name, %s) WHERE name ~ %s",
        [new_table, len(old_table) + 1, f"^{old_table}_"],
    )


def _rename_table(cr, old, new):
    """Rename a table and what is called after it: sequence, indexes and constraints."""
    if not table_exists(cr, old) or table_exists(cr, new):
        return
    cr.execute(SQL("ALTER TABLE %s RENAME TO %s", SQL.identifier(old), SQL.identifier(new)))
    cr.execute(
        SQL(
            "ALTER SEQUENCE IF EXISTS %s RENAME TO %s",
            SQL.identifier(f"{old}_id_seq"),
            SQL.identifier(f"{new}_id_seq"),
        )
    )
    # An index that makes a constraint is renamed with it.
    cr.execute(
        """SELECT 'CONSTRAINT', conname FROM pg_constraint
            WHERE conrelid = %(table)s::regclass AND starts_with(conname, %(old)s)
        UNION ALL
           SELECT 'INDEX', c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = %(table)s::regclass AND starts_with(c.relname, %(old)s)
              AND NOT EXISTS (SELECT 1 FROM pg_constraint o WHERE o.conindid = i.indexrelid
                                 AND o.conrelid = i.indrelid)""",
        {"table": new, "old": f"{old}_"},
    )
    for kind, name in cr.fetchall():
        renamed = SQL.identifier(new + name[len(old) :])
        if kind == "INDEX":
            cr.execute(SQL("ALTER INDEX %s RENAME TO %s", SQL.identifier(name), renamed))
        else:
            cr.execute(
                SQL(
                    "ALTER TABLE %s RENAME CONSTRAINT %s TO %s",
                    SQL.identifier(new),
                    SQL.identifier(name),
                    renamed,
                )
            )


def _rename_field(cr, model, old, new):
    table = model.replace(".", "_")
    if column_exists(cr, table, old) and not column_exists(cr, table, new):
        rename_column(cr, table, old, new)
    names = {"model": model, "old": old, "new": new, "addon": ADDON, "field": f"field_{table}__"}
    cr.execute(
        """UPDATE ir_model_fields SET name = %(new)s
            WHERE model = %(model)s AND name = %(old)s""",
        names,
    )
    cr.execute(
        """UPDATE ir_model_fields SET relation_field = %(new)s
            WHERE relation = %(model)s AND relation_field = %(old)s""",
        names,
    )
    cr.execute(
        """UPDATE ir_model_data SET name = %(field)s || %(new)s
            WHERE module = %(addon)s AND name = %(field)s || %(old)s""",
        names,
    )
    # The form of an audience holds the fields of its lines.
    cr.execute(
        r"""UPDATE ir_ui_view
              SET arch_db = regexp_replace(
                      arch_db::text, '\m' || %(old)s || '\M', %(new)s, 'g')::jsonb
            WHERE model IN (%(model)s, 'directmail.audience')
              AND strpos(arch_db::text, %(old)s) > 0""",
        names,
    )
    # what users have saved: filters of lists, and templates of exports
    cr.execute(
        r"""UPDATE ir_filters
              SET domain = regexp_replace(domain, '\m' || %(old)s || '\M', %(new)s, 'g'),
                  context = regexp_replace(context, '\m' || %(old)s || '\M', %(new)s, 'g'),
                  sort = regexp_replace(sort::text, '\m' || %(old)s || '\M', %(new)s, 'g')
            WHERE model_id = %(model)s""",
        names,
    )
    cr.execute(
        r"""UPDATE ir_exports_line l
              SET name = regexp_replace(l.name, '\m' || %(old)s || '\M', %(new)s, 'g')
             FROM ir_exports e WHERE e.id = l.export_id AND e.resource = %(model)s""",
        names,
    )
