from odoo import SUPERUSER_ID, api
from odoo.tools import SQL
from odoo.tools.sql import column_exists

from odoo.addons.email_marketing_dm.models.data_table.directmail_data_table_presets import PRESETS

#: what a data table reads
READ = ("partner_path", "email_path", "date_field", "amount_field", "rate_field", "domain")
#: what refers to a data table: (table, column, how its row leads to the company)
USERS = (
    (
        "directmail_audience_line",
        "table_id",
        SQL("SELECT company_id FROM directmail_audience o WHERE o.id = u.audience_id"),
    ),
    ("directmail_rfm_model", "data_table_id", SQL("SELECT u.company_id")),
    (
        "directmail_aipl_condition",
        "data_table_id",
        SQL("SELECT company_id FROM directmail_aipl_model o WHERE o.id = u.aipl_model_id"),
    ),
    ("directmail_task", "conversion_table_id", SQL("SELECT u.company_id")),
)


def migrate(cr, version):
    """What is open, and what is archived, is decided by each company, and presets are not edited.

    Until now a data table that was open had no opener: whoever wrote it last counts as such. If
    that person no longer has the rights, the table says that it is closed.
    """
    if not column_exists(cr, "directmail_data_table", "open_to_marketers"):
        return
    env = api.Environment(cr, SUPERUSER_ID, {})
    _make_settings(env)
    for table in env["directmail.data.table"].with_context(active_test=False).search([]):
        if table.preset in PRESETS:
            if _is_edited(env, table):
                _give_copies(env, table, _find_companies(env, table))
                _restore(env, table)
        elif not table.company_id:
            first, *others = _find_companies(env, table)
            env.execute_query(
                SQL(
                    "UPDATE directmail_data_table SET company_id = %s WHERE id = %s RETURNING id",
                    first,
                    table.id,
                )
            )
            _give_copies(env, table, others)
            # Nobody else uses it.
            cr.execute(
                """DELETE FROM directmail_data_table_setting
                    WHERE table_id = %s AND company_id != %s""",
                [table.id, first],
            )
    cr.execute(
        "ALTER TABLE directmail_data_table DROP COLUMN active, DROP COLUMN open_to_marketers"
    )
    cr.execute("DROP TABLE directmail_data_table_ir_model_fields_rel")
    env.invalidate_all()
    env["directmail.audience"].with_context(active_test=False).search([])._compute_kinds()
    env.flush_all()


def _make_settings(env):
    env.cr.execute(
        """INSERT INTO directmail_data_table_setting
                  (table_id, company_id, is_archived, is_open, opened_by_id)
           SELECT t.id, c.id, t.active IS FALSE, t.open_to_marketers IS TRUE,
                  CASE WHEN t.open_to_marketers AND t.write_uid != %s THEN t.write_uid END
             FROM directmail_data_table t
             JOIN res_company c ON t.company_id IS NULL OR c.id = t.company_id
            WHERE t.active IS FALSE OR t.open_to_marketers""",
        [SUPERUSER_ID],
    )
    env.cr.execute(
        """INSERT INTO directmail_data_table_setting_field
                  (directmail_data_table_setting_id, ir_model_fields_id)
           SELECT s.id, r.ir_model_fields_id
             FROM directmail_data_table_ir_model_fields_rel r
             JOIN directmail_data_table_setting s ON s.table_id = r.directmail_data_table_id"""
    )


def _find_companies(env, table):
    """Return the ids of the companies that use a table, or that of who wrote it last."""
    found = SQL(" UNION ").join(
        SQL(
            "SELECT (%s) FROM %s u WHERE u.%s = %s",
            company,
            SQL.identifier(name),
            SQL.identifier(column),
            table.id,
        )
        for name, column, company in USERS
    )
    rows = env.execute_query(SQL("SELECT id FROM (%s) AS c(id) WHERE id IS NOT NULL", found))
    writer = table.write_uid.company_id or env.ref("base.main_company")
    return sorted(company for (company,) in rows) or writer.ids


def _is_edited(env, table):
    described = _describe(env, table)
    return any((table[name] or None) != described[name] for name in described)


def _describe(env, table):
    """Return what a preset is by its definition."""
    described = {"domain": "[]", **PRESETS[table.preset]}
    values = {name: described.get(name) for name in READ}
    return {**values, "model_name": described["model"]}


def _restore(env, table):
    values = _describe(env, table)
    values["model_id"] = env["ir.model"]._get_id(values["model_name"]) or None
    env.cr.execute(
        SQL(
            "UPDATE directmail_data_table SET %s WHERE id = %s",
            SQL(", ").join(
                SQL("%s = %s", SQL.identifier(name), value) for name, value in values.items()
            ),
            table.id,
        )
    )


def _give_copies(env, table, companies):
    """Give each company a copy of a table as it is, and let what the company has use that one."""
    kept = ("model_id", "model_name", "sequence", *READ, "create_uid", "write_uid")
    columns = SQL(", ").join(map(SQL.identifier, kept))
    for company in env["res.company"].browse(companies):
        [(copied,)] = env.execute_query(
            SQL(
                """INSERT INTO directmail_data_table (name, company_id, %(columns)s)
                   SELECT (SELECT jsonb_object_agg(key, value || %(suffix)s)
                             FROM jsonb_each_text(name)), %(company)s, %(columns)s
                     FROM directmail_data_table WHERE id = %(table)s
                RETURNING id""",
                columns=columns,
                suffix=f" ({company.name})",
                company=company.id,
                table=table.id,
            )
        )
        env.cr.execute(
            """UPDATE directmail_data_table_setting SET table_id = %s
                WHERE table_id = %s AND company_id = %s""",
            [copied, table.id, company.id],
        )
        for name, column, of_company in USERS:
            env.cr.execute(
                SQL(
                    "UPDATE %(users)s u SET %(column)s = %(copied)s"
                    " WHERE u.%(column)s = %(table)s AND (%(of_company)s) = %(company)s",
                    users=SQL.identifier(name),
                    column=SQL.identifier(column),
                    copied=copied,
                    table=table.id,
                    of_company=of_company,
                    company=company.id,
                )
            )
