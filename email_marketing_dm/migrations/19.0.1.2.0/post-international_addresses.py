from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Blacklisted addresses with a domain in another script are known by its ASCII form.

    Their keys were made of the address as it was typed, which nobody is mailed at.
    """
    cr.execute(
        "UPDATE mail_blacklist SET address_key = NULL WHERE octet_length(email) <> length(email)"
    )
    env = api.Environment(cr, SUPERUSER_ID, {})
    env.invalidate_all()
    # Where this server has no key, `_complete_keys` is called again before anything is sent.
    if not env["directmail.keyring"]._find_problem():
        env["mail.blacklist"]._complete_keys()
