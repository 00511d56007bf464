from odoo import fields, models
from odoo.tools import SQL


class DirectmailDataKey(models.Model):
    """The master key with which the database's address keys were made: a single row.

    Opt-outs are found by address keys. With another master key none would be found, and people who
    have unsubscribed would be mailed again. So a server with another key neither sends nor writes
    address keys: see `directmail.keyring`, which creates the row.
    """

    _name = "directmail.data.key"
    _description = "Master Key of the Data"
    _log_access = False

    fingerprint = fields.Char(required=True, readonly=True)
    # Fingerprint of the new key while address keys are recomputed. Nothing is sent then.
    next_fingerprint = fields.Char(readonly=True)
    # The address keys of people who were mailed before this moment have been recomputed, so an
    # opt-out that could not be recomputed (it has no address) is not theirs.
    known_until = fields.Datetime(readonly=True)

    _single_row = models.UniqueIndex("((TRUE))")

    def _exists(self):
        """Tell whether the table exists, because new code may run on an old database."""
        [(table,)] = self.env.execute_query(SQL("SELECT to_regclass('directmail_data_key')"))
        return bool(table)

    def _read_key(self):
        """Return (fingerprint, next fingerprint or None), or None if there is no row yet.

        Read by SQL, not from the ORM's cache, because other servers change the row.
        """
        rows = self.env.execute_query(
            SQL("SELECT fingerprint, next_fingerprint FROM directmail_data_key")
        )
        return rows[0] if rows else None

    def _write_key(self, fingerprint, next_fingerprint=None):
        """Insert or update the single row."""
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_data_key AS k (fingerprint, next_fingerprint)
                   VALUES (%s, %s) ON CONFLICT ((TRUE)) DO UPDATE
                      SET fingerprint = EXCLUDED.fingerprint,
                          next_fingerprint = EXCLUDED.next_fingerprint""",
                fingerprint,
                next_fingerprint,
            )
        )
