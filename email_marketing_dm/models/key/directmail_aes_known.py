from odoo import api, fields, models
from odoo.tools import SQL

from ...privacy.aes import list_cbc_digests

BATCH = 10000  # values that are recorded in one statement
#: (table, column) with encrypted addresses in 19.0.1.3.0
COLUMNS = (
    ("res_partner", "email_encrypted"),
    ("directmail_upload_line", "email_encrypted"),
    ("directmail_upload_line", "value"),  # lines that found a contact have the address only here
    ("directmail_audience_member", "email_encrypted"),
    ("directmail_delivery", "email_encrypted"),
    ("directmail_optout", "email_encrypted"),
)


class DirectmailAesKnown(models.Model):
    """A CBC value that was in the database when it was upgraded to 19.0.1.4.0.

    Only these CBC values are still decrypted. Otherwise a user could change the IV of a value, see
    whether it can still be decrypted, and find out the address step by step.
    """

    _name = "directmail.aes.known"
    _description = "Known CBC Value"
    _log_access = False

    digest = fields.Char("SHA-256 of the value", required=True)

    _digest_unique = models.Constraint("UNIQUE(digest)", "This value is known already.")

    @api.model
    def _get_test(self):
        """Return the function that tells whether a digest is known; None if no digest is known.

        :return: as `is_known` of `privacy.aes.AesKey.read_address`
        """
        # None saves a query for each value that can't be decrypted: most databases never had a CBC
        # key.
        if not self.env.execute_query(SQL("SELECT 1 FROM directmail_aes_known LIMIT 1")):
            return None
        return self._is_known

    def _is_known(self, digest):
        return bool(
            self.env.execute_query(
                SQL("SELECT 1 FROM directmail_aes_known WHERE digest = %s", digest)
            )
        )

    @api.model
    def _remember_all(self):
        """Store the digests of all CBC values in the database. Called once, by the upgrade."""
        for table, column in COLUMNS:
            position = 0
            while rows := self.env.execute_query(
                SQL(
                    """SELECT id, %(column)s FROM %(table)s
                        WHERE id > %(position)s AND %(column)s IS NOT NULL
                        ORDER BY id LIMIT %(batch)s""",
                    table=SQL.identifier(table),
                    column=SQL.identifier(column),
                    position=position,
                    batch=BATCH,
                )
            ):
                position = rows[-1][0]
                self._remember(value for _id, value in rows)

    def _remember(self, values):
        digests = {digest for value in values for digest in list_cbc_digests(value)}
        self.env.cr.execute(
            SQL(
                """INSERT INTO directmail_aes_known (digest) SELECT unnest(%s::text[])
                       ON CONFLICT DO NOTHING""",
                list(digests),
            )
        )
