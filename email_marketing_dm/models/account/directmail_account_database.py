import hashlib

from odoo import api, models
from odoo.tools import SQL


class DirectmailAccount(models.Model):
    """The database that an account sends from (`database_identity`): a copy of it sends nothing."""

    _inherit = "directmail.account"

    @api.model
    def _get_database_identity(self):
        """Return a hash that is different in any copy of this database.

        It covers the UUID (Odoo gives a duplicate a new one), name and oid (different in a copy on
        the same server) and the cluster's system identifier (different where a dump is restored).
        """
        # sudo(): users may not read parameters; only a hash is returned.
        uuid = self.env["ir.config_parameter"].sudo().get_param("database.uuid")
        row = self.env.execute_query(
            SQL(
                """SELECT d.datname, d.oid, (SELECT system_identifier FROM pg_control_system())
                     FROM pg_database d WHERE d.datname = current_database()"""
            )
        )[0]
        return hashlib.sha256(repr((uuid, *row)).encode()).hexdigest()

    def _register_hook(self):
        """Override: disarm accounts of a copied database at its start, not only before sending."""
        super()._register_hook()
        if self.env["ir.module.module"]._is_directmail_upgraded():
            # sudo(): the server's start calls this, not a user.
            active = self.sudo().search([("state", "=", "active")])
            # Skip locked accounts: another server of the same database is starting and does this.
            for account in active.try_lock_for_update(allow_referencing=True):
                account._is_armed()

    def _is_armed(self):
        """Tell whether this account may send from this database; disarm it in a copied one."""
        self.ensure_one()
        # sudo(): any caller may disarm an account in a copy; nobody reads `database_identity`.
        account = self.sudo()
        if account.state != "active":
            return False
        if account.database_identity == self._get_database_identity():
            return True
        account.write(
            {
                "state": "disarmed",
                "state_message": self.env._(
                    "This database is a copy, or was moved. Nothing is sent from it until an"
                    " administrator opens the account and presses Send from this database."
                ),
            }
        )
        return False
