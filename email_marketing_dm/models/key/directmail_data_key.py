from odoo import fields, models
from odoo.tools import SQL


class DirectmailDataKey(models.Model):
    """Which master key the database's address keys belong to: one row, made with the first of them.

    Opt-outs are found by address keys. Under another master key nobody would be recognized, and
    everybody who has unsubscribed would be mailed again. So a server whose key is another one
    neither sends nor writes an address key: see `directmail.keyring`.
    """

    _name = "directmail.data.key"
    _description = "Master Key of the Data"
    _log_access = False

    fingerprint = fields.Char(required=True, readonly=True)
    # While keys are being recomputed: the fingerprint that they will have. Nothing is sent then.
    next_fingerprint = fields.Char(readonly=True)
    # Whoever was mailed before this moment has had their keys recomputed, so that an opt-out
    # without an address can't be theirs.
    known_until = fields.Datetime(readonly=True)

    _single_row = models.UniqueIndex("((TRUE))")

    def _exists(self):
        """Tell whether the database has been upgraded to a version with this table."""
        [(table,)] = self.env.execute_query(SQL("SELECT to_regclass('directmail_data_key')"))
        return bool(table)

    def _read_key(self):
        """Return (fingerprint, next fingerprint or None), or None where nothing is known yet.

        Read without the ORM's cache, as other servers change it.
        """
        rows = self.env.execute_query(
            SQL("SELECT fingerprint, next_fingerprint FROM directmail_data_key")
        )
        return rows[0] if rows else None

    def _write_key(self, fingerprint, next_fingerprint=None):
        """Remember which key the data belong to."""
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
