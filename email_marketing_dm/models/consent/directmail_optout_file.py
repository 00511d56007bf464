import csv

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_list

from ...engine.sql import UNMATCHABLE
from ...lists.identifiers import read_safe_cell
from ...privacy.address import normalise
from .directmail_optout import REPLACED, join_columns

#: The columns of a file of opt-outs. Not translated: a file that one installation exports can be
#: imported by another one.
COLUMNS = (
    "email", "address_key", "master_key", "encrypted_email", "company", "sender", "origin",
    "reason", "feedback", "since",
)  # fmt: skip
#: The columns of an opt-out from a file, in the order of `_RowReader.parse`.
OF_FILE = (
    "company_id", "address_key", "email", "email_encrypted", "sender_id", "origin", "reason_id",
    "feedback", "occurred_at",
)  # fmt: skip
CHUNK = 2000
PAGE = 10_000


class DirectmailOptout(models.Model):
    """A file of opt-outs: export from one installation, import into another one."""

    _inherit = "directmail.optout"

    @api.model
    def _export_page(self, companies, last):
        """Return the next `PAGE` rows of a file of opt-outs, each preceded by its id.

        :param companies: the `res.company` records to export
        :param int last: id of the last row of the previous page
        """
        return self.env.execute_query(
            SQL(
                """SELECT o.id, o.email,
                          -- An address says it all, under whatever master key.
                          CASE WHEN o.email IS NULL
                               THEN regexp_replace(o.address_key, '^!.*:', '') END,
                          CASE WHEN o.email IS NULL THEN COALESCE(
                               substring(o.address_key FROM '^!(.*):'), k.fingerprint) END,
                          o.email_encrypted, c.name, s.email, o.origin,
                          r.name ->> 'en_US', o.feedback, o.occurred_at
                     FROM directmail_optout o
                     JOIN res_company c ON c.id = o.company_id
                     LEFT JOIN directmail_data_key k ON TRUE
                     LEFT JOIN directmail_sender s ON s.id = o.sender_id
                     LEFT JOIN mailing_subscription_optout r ON r.id = o.reason_id
                    WHERE o.company_id = ANY(%s) AND o.id > %s ORDER BY o.id LIMIT %s""",
                companies.ids,
                last,
                PAGE,
            )
        )

    @api.model
    def _import_file(self, stream, companies, keep_unmatched=True):
        """Import a file that `action_export` made. Importing it again changes nothing.

        :param stream: the file as text
        :param companies: the `res.company` records that the user may import opt-outs for
        :param bool keep_unmatched: also import rows without an address whose key was made with
            another master key
        :return: numbers of rows: "read", "new", "invalid", of an unknown "company", of an unknown
            "sender", "unmatched"
        :rtype: dict
        :raise UserError: if the file does not have the columns of a file of opt-outs
        """
        rows = csv.DictReader(stream)
        if not {"company", "origin"} <= set(rows.fieldnames or ()):
            raise UserError(
                self.env._(
                    "This is not a file of opt-outs: its first line must contain the columns %s.",
                    format_list(self.env, COLUMNS),
                )
            )
        reader = _RowReader(self.env, companies, keep_unmatched)
        chunk = []
        for row in rows:
            values = reader.parse(row)
            if values:
                chunk.append(values)
            if len(chunk) == CHUNK:
                reader.counts["new"] += self._insert_rows(chunk)
                chunk = []
        if chunk:
            reader.counts["new"] += self._insert_rows(chunk)
        self.env["directmail.consent"]._record_imported_optouts(companies)
        self.invalidate_model()
        return reader.counts

    def _insert_rows(self, rows):
        """Insert new opt-outs, and replace the origins "bounce" and "directmail" of existing ones.

        :param rows: tuples as `_RowReader.parse` returns them
        :return: the number of new opt-outs
        """
        self.flush_model()
        values = SQL(", ").join(
            SQL("(%s::int, %s, %s, %s, %s::int, %s, %s::int, %s, %s::timestamp)", *row)
            for row in rows
        )
        [(count,)] = self.env.execute_query(
            SQL(
                """WITH written AS (%s RETURNING xmax = 0 AS is_new)
                   SELECT count(*) FILTER (WHERE is_new) FROM written""",
                self._make_insert(
                    OF_FILE,
                    SQL(
                        """SELECT DISTINCT ON (company_id, address_key, COALESCE(sender_id, 0)) *
                             FROM (VALUES %(rows)s) AS v (%(columns)s)
                            ORDER BY company_id, address_key, COALESCE(sender_id, 0),
                                  origin IN %(replaced)s""",
                        rows=values,
                        columns=join_columns(OF_FILE),
                        replaced=REPLACED,
                    ),
                    SQL(
                        """DO UPDATE SET origin = EXCLUDED.origin,
                                  write_uid = EXCLUDED.write_uid, write_date = EXCLUDED.write_date
                            WHERE o.origin IN %(replaced)s
                              AND EXCLUDED.origin NOT IN %(replaced)s""",
                        replaced=REPLACED,
                    ),
                ),
            )
        )
        return count


class _RowReader:
    """Converts rows of a file to opt-outs, and counts the rows that can't be imported."""

    def __init__(self, env, companies, keep_unmatched):
        self.keep_unmatched = keep_unmatched
        self.counts = dict.fromkeys(("read", "new", "invalid", "company", "sender", "unmatched"), 0)
        self._companies = {company.name: company.id for company in companies}
        self._senders = {
            (sender.account_id.company_id.id, sender.email): sender.id
            for sender in env["directmail.sender"].search([])
        }
        reasons = env["mailing.subscription.optout"].with_context(lang="en_US").search([])
        self._reasons = {reason.name: reason.id for reason in reasons}
        self._origins = dict(env["directmail.optout"]._fields["origin"].selection)
        self._key = env["directmail.keyring"]._get_master_key()
        self._encrypted = env["directmail.aes.key"]._get_reader()

    def parse(self, row):
        """Return the values of an opt-out in the order of `_insert_rows`, or None."""
        row = {name: read_safe_cell((row[name] or "").strip()) for name in COLUMNS if name in row}
        self.counts["read"] += 1
        company_id = self._companies.get(row["company"])
        if not company_id:
            self.counts["company"] += 1
            return None
        email, encrypted = normalise(row.get("email")), row.get("encrypted_email") or None
        key = self._find_key(row, email, encrypted, company_id)
        if not key or row["origin"] not in self._origins:
            self.counts["invalid"] += 1
            return None
        if key.startswith(UNMATCHABLE):
            self.counts["unmatched"] += 1
            if not self.keep_unmatched:
                return None
        sender_id = self._senders.get((company_id, row.get("sender")))
        if row.get("sender") and not sender_id:
            # The sender address is unknown here: opt out from the whole company, because skipping
            # the row would mail the person again.
            self.counts["sender"] += 1
        return (
            company_id, key, email, encrypted, sender_id, row["origin"],
            self._reasons.get(row.get("reason")), row.get("feedback") or None,
            _read_moment(row.get("since")),
        )  # fmt: skip

    def _find_key(self, row, email, encrypted, company_id):
        """Return the address key of a row, or None if the row is invalid.

        A key that can't be computed with this server's master key is marked: `UNMATCHABLE`,
        fingerprint of the row's master key, ":", row's key.
        """
        if row.get("email"):
            return email and self._key.address_key(email)
        key, mark = row.get("address_key"), row.get("master_key")
        if key and mark == self._key.fingerprint:
            return key
        if encrypted and (found := self._encrypted.find_key(encrypted, company_id)[0]):
            return found
        return f"{UNMATCHABLE}{mark or '?'}:{key}" if key else None


def _read_moment(text):
    try:
        return fields.Datetime.to_datetime(text) or fields.Datetime.now()
    except ValueError:
        return fields.Datetime.now()
