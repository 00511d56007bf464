from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Record the CBC values that are in use: from now on no other CBC value is decrypted."""
    cr.execute("SELECT 1 FROM directmail_aes_key WHERE mode = 'cbc' LIMIT 1")
    if cr.fetchone():
        api.Environment(cr, SUPERUSER_ID, {})["directmail.aes.known"]._remember_all()
