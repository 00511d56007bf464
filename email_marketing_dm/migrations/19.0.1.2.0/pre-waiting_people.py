from odoo.tools.sql import column_exists, create_column


def migrate(cr, version):
    """Whoever may still be mailed as a contact is told from a bare address."""
    if column_exists(cr, "directmail_delivery", "is_contact"):
        return
    create_column(cr, "directmail_delivery", "is_contact", "bool")
    cr.execute(
        """UPDATE directmail_delivery SET is_contact = TRUE
            WHERE state IN ('waiting', 'sending', 'unknown', 'not_sent')
              AND partner_id IS NOT NULL"""
    )
