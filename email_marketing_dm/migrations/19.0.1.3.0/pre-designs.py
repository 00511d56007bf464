from odoo import SUPERUSER_ID
from odoo.tools import SQL
from odoo.tools.sql import column_exists, create_column, table_columns, table_exists


def migrate(cr, version):
    """Designs that somebody wrote or edited become each company's own; ours are as shipped again.

    Until now, all companies shared all designs and could edit them. Each company with a DirectMail
    account gets its copy, so that none of them misses one.
    """
    # Older databases have no designs yet.
    if not table_exists(cr, "directmail_design") or column_exists(
        cr, "directmail_design", "company_id"
    ):
        return
    create_column(cr, "directmail_design", "company_id", "int4")
    cr.execute("SELECT DISTINCT company_id FROM directmail_account ORDER BY company_id")
    companies = [company for (company,) in cr.fetchall()]
    if not companies:
        cr.execute("SELECT min(id) FROM res_company")
        companies = [company for (company,) in cr.fetchall()]
    cr.execute(
        """SELECT res_id FROM ir_model_data
            WHERE module = 'email_marketing_dm' AND model = 'directmail.design'"""
    )
    shipped = tuple(number for (number,) in cr.fetchall()) or (0,)
    written = SQL("id NOT IN %s AND company_id IS NULL", shipped)
    # What a module brings is written by the superuser.
    edited = SQL("id IN %s AND write_uid <> %s", shipped, SUPERUSER_ID)
    for company in companies[1:]:
        _copy(cr, written, company)
    cr.execute(SQL("UPDATE directmail_design SET company_id = %s WHERE %s", companies[0], written))
    for company in companies:
        _copy(cr, edited, company)
    # The update that is under way writes the English text anew, and then the translations that are
    # missing.
    texts = ("name", "description", "subject", "preview_text", "body_arch")
    cr.execute(
        SQL(
            "UPDATE directmail_design SET active = TRUE, %s WHERE id IN %s",
            SQL(", ").join(
                SQL("%(name)s = jsonb_build_object('en_US', %(name)s->'en_US')", name=name)
                for name in map(SQL.identifier, texts)
            ),
            shipped,
        )
    )
    cr.execute(
        """UPDATE ir_model_data SET noupdate = FALSE
            WHERE module = 'email_marketing_dm' AND model = 'directmail.design'"""
    )


def _copy(cr, condition, company):
    """Copy the designs that meet a condition, for a company."""
    columns = SQL(", ").join(
        SQL.identifier(name)
        for name in table_columns(cr, "directmail_design")
        if name not in ("id", "company_id")
    )
    cr.execute(
        SQL(
            """INSERT INTO directmail_design (%(columns)s, company_id)
               SELECT %(columns)s, %(company)s FROM directmail_design WHERE %(condition)s""",
            columns=columns,
            company=company,
            condition=condition,
        )
    )
