from odoo.tools.sql import column_exists, create_column


def migrate(cr, version):
    """Whoever was planned as a contact is told from a bare address, once the contact is deleted."""
    if column_exists(cr, "directmail_delivery", "is_contact"):
        return
    create_column(cr, "directmail_delivery", "is_contact", "bool")
    cr.execute("UPDATE directmail_delivery SET is_contact = TRUE WHERE partner_id IS NOT NULL")
