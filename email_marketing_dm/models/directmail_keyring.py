import os
from functools import lru_cache
from pathlib import Path

from odoo import api, models
from odoo.exceptions import UserError
from odoo.tools import config

from ..directmail.keys import MasterKeyError, load_master_key

CONFIG_OPTION = "directmail_master_key"
ENVIRONMENT_VARIABLE = "DIRECTMAIL_MASTER_KEY"
KEY_FILE = "directmail_master.key"


@lru_cache(maxsize=8)
def _load(configured, path):
    return load_master_key(configured, Path(path))


class DirectmailKeyring(models.AbstractModel):
    """Gives access to the master key, which is never in the database.

    A copy of the database alone therefore reveals no secret and can't match addresses.
    """

    _name = "directmail.keyring"
    _description = "DirectMail Keyring"

    @api.model
    @api.private
    def _get_master_key(self):
        """Return this host's master key.

        It comes from the server's configuration, the environment, or a file (mode 0600) in the
        data directory that is made on first use.

        :rtype: directmail.keys.MasterKey
        :raise UserError: if the configured key is unusable or the file can't be read
        """
        configured = config.get(CONFIG_OPTION) or os.environ.get(ENVIRONMENT_VARIABLE) or None
        path = Path(config["data_dir"]) / KEY_FILE
        try:
            return _load(configured, str(path))
        except (MasterKeyError, OSError) as error:
            raise UserError(
                self.env._(
                    "The server's master key can't be used: %(reason)s\n"
                    "Ask whoever runs the server to set %(option)s in its configuration.",
                    reason=error,
                    option=CONFIG_OPTION,
                )
            ) from error
