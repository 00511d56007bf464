import secrets

from .engine.content import INSTALLATION


def post_init_hook(env):
    """Set a random `INSTALLATION` id, so that an earlier installation's tokens are invalid."""
    env["ir.config_parameter"].set_param(INSTALLATION, secrets.token_hex(8))
