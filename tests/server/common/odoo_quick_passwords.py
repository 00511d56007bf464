"""Odoo that hashes passwords as quickly as in its own tests: run as a module.

Odoo hashes with 600,000 rounds, 0.4 processor seconds for each login and each new user. A hash of
so many rounds, as of users who were there before, is still verified, and stays as it is.
"""

from passlib.context import CryptContext

from odoo.cli.command import main
from odoo.modules import loading


def change_when_loaded(name, change):
    """Call ``change()`` when an addon is loaded, before its models are set up."""
    load = loading.load_openerp_module

    def load_and_change(loaded):
        load(loaded)
        if loaded == name:
            change()

    loading.load_openerp_module = load_and_change


def hash_quickly():
    """Let new hashes have one round."""
    from odoo.addons.base.models.res_users import ResUsers

    context = CryptContext(["pbkdf2_sha512", "plaintext"], pbkdf2_sha512__default_rounds=1)
    ResUsers._crypt_context = lambda self: context


change_when_loaded("base", hash_quickly)

if __name__ == "__main__":
    main()
