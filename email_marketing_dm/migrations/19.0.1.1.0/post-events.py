from odoo.tools.sql import column_exists


def migrate(cr, version):
    """Facts that wait to be applied are in a table of their own; before, they lacked a flag."""
    if not column_exists(cr, "directmail_event", "applied"):
        return
    cr.execute(
        """INSERT INTO directmail_event_pending (id, company_id)
           SELECT id, company_id FROM directmail_event WHERE applied IS NOT TRUE
               ON CONFLICT DO NOTHING"""
    )
