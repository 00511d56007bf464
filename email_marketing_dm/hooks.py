import secrets

from .engine.content import INSTALLATION


def post_init_hook(env):
    """Tell this installation from an earlier one in the same database."""
    env["ir.config_parameter"].set_param(INSTALLATION, secrets.token_hex(8))
