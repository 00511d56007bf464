from odoo import SUPERUSER_ID, api
from odoo.tools.sql import column_exists


def migrate(cr, version):
    """The filter of an audience becomes its first line."""
    if not column_exists(cr, "directmail_audience", "domain"):
        return
    env = api.Environment(cr, SUPERUSER_ID, {})
    env["directmail.data.table"]._make_presets()
    contacts = env["directmail.data.table"].search([("preset", "=", "contacts")])
    cr.execute(
        """INSERT INTO directmail_audience_line
                  (audience_id, sequence, operator, kind, table_id, domain, min_count)
           SELECT a.id, 10, 'and', 'table', %s, a.domain, 1
             FROM directmail_audience a
            WHERE NOT EXISTS (SELECT 1 FROM directmail_audience_line r WHERE r.audience_id = a.id)
        """,
        [contacts.id],
    )
    env.invalidate_all()
    env["directmail.audience"].with_context(active_test=False).search(
        [("line_ids", "!=", False)]
    )._compute_kinds()
    env.flush_all()
