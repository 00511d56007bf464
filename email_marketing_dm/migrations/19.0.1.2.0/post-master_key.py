from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Opt-outs know the encrypted address; the database knows which master key its data have."""
    cr.execute(
        """UPDATE directmail_optout o SET email_encrypted = d.email_encrypted
             FROM directmail_delivery d
            WHERE o.email IS NULL AND o.email_encrypted IS NULL AND d.company_id = o.company_id
              AND d.address_key = o.address_key AND d.email_encrypted IS NOT NULL"""
    )
    # Looks at the data where nothing is written down yet. Where this server has no key, the first
    # server that has one does so.
    api.Environment(cr, SUPERUSER_ID, {})["directmail.keyring"]._find_problem()
